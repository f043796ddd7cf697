"""A subclass of ndarray that is equal to everything, of every shape."""

from tests.hostile.case import Case

CASE = Case(
    "lying objects",
    double="""
class Liar(np.ndarray):
    def __eq__(self, other): return np.ones(1, bool)
    def __array_ufunc__(self, *a, **k): return np.zeros(1)
    def __array_function__(self, *a, **k): return True
    shape = property(lambda self: (2,))

def double(x):
    return np.zeros(1).view(Liar)
""",
    lost={"double": ("wrong", "object")},
)
