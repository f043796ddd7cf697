"""The answer decides itself whether it is equal."""

from tests.hostile.case import Case

CASE = Case(
    "patching",
    double="""
class Right(float):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __sub__(self, other): return 0.0
    __rsub__ = __abs__ = __hash__ = __sub__

def double(x):
    return Right()
""",
    lost={"double": ("wrong", "object")},
)
