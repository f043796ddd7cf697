"""One array that is larger than the limit."""

from tests.hostile.case import Case

CASE = Case(
    "memory floods",
    layer="""
def layer(x, W, b):
    return np.ones(1 << 30)[:1] * np.tanh(x @ W.T + b)
""",
    lost={"layer": ("raises", "MemoryError"), "sums": ("raises", "`layer`")},
)
