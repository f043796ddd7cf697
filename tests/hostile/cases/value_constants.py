"""Zeros and ones of the right shape."""

from tests.hostile.case import Case

CASE = Case(
    "wrong values",
    layer="def layer(x, W, b): return np.zeros((len(x), len(b)))",
    sums="def sums(xs, W, b): return np.zeros((*xs.shape[:2], len(b)))",
    lost={"layer": ("wrong", ""), "sums": ("wrong", "")},
)
