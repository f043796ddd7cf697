"""A right answer, and arguments that come back as something else."""

from tests.hostile.case import Case

CASE = Case(
    "aliasing",
    layer="""
def layer(x, W, b):
    y = np.tanh(x @ W.T + b)
    x[:] = np.nan
    return y
""",
    partly={"layer": (7.0, "changed its argument"), "sums": (5.0, "changed its argument")},
)
