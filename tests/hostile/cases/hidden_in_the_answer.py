"""The drawn inputs come back in an answer of another form: keys of a dict, a long text, a shape."""

from tests.hostile.case import Case

CASE = Case(
    "hidden inputs",
    double="def double(x): return {repr(x.tolist()): 1}",
    layer="def layer(x, W, b): return repr(x.tolist())",
    firsts="def firsts(n): return np.zeros((0, n, 123, 456))",
    lost={"double": ("wrong", "dict"), "layer": ("wrong", "text"), "firsts": ("wrong", ""),
          "sums": ("raises|wrong", "")},
)
