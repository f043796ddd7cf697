"""NaN and inf where numbers are asked for."""

from tests.hostile.case import Case

CASE = Case(
    "wrong values",
    double="def double(x): return x * np.nan",
    layer="def layer(x, W, b): return np.full((len(x), len(b)), np.inf)",
    lost={"double": ("wrong", "NaN"), "layer": ("wrong", "one number everywhere")},
)
