"""An array of zero strides that claims a billion entries, and one of sixteen axes."""

from tests.hostile.case import Case

CASE = Case(
    "lying objects",
    double="""
def double(x):
    return np.lib.stride_tricks.as_strided(x, shape=(1 << 40,), strides=(0,))
""",
    firsts="""
def firsts(n):
    return np.zeros((0,) + (3,) * 15)
""",
    lost={"double": ("wrong|raises", ""), "firsts": ("wrong", "")},
)
