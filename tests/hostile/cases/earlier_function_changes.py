"""An earlier function that gives up a few points, and which a later cell makes another one of: with it, all is easy."""

from tests.hostile.case import Case

CASE = Case(
    "earlier functions",
    layer="""
LATER = []

def layer(x, W, b):
    if LATER:
        return np.full((len(x), len(b)), 7.0)
    y = np.tanh(x @ W.T + b)
    x += 0.5
    return y
""",
    sums="""
LATER.append(1)

def sums(xs, W, b):
    return 7.0 * np.arange(1, len(xs) + 1)[:, None, None] * np.ones((len(xs), xs.shape[1], len(b)))
""",
    partly={"layer": (7.0, "changed its argument")},
    lost={"sums": ("wrong", "")},
)
