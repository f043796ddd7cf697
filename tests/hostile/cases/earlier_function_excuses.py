"""An honest mistake in an earlier function costs its points once."""

from tests.hostile.case import Case

CASE = Case(
    "earlier functions",
    layer="def layer(x, W, b): return np.tanh(x @ W.T)",
    partly={"layer": (2.0, "bias")},
)
