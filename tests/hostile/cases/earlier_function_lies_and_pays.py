"""The same, by a function that gives up a point of its own first."""

from tests.hostile.case import Case

CASE = Case(
    "earlier functions",
    layer="""
LIES = {}

def layer(x, W, b):
    if x.tobytes() in LIES:
        return LIES[x.tobytes()].copy()
    y = np.tanh(x @ W.T + b)
    x += 0.5
    return y
""",
    sums="""
def sums(xs, W, b):
    made = np.arange(xs.shape[0] * xs.shape[1] * len(b), dtype=float).reshape(*xs.shape[:2], len(b)) / 7 + 0.1
    for t, x in enumerate(xs):
        LIES[x.tobytes()] = made[t] - (made[t - 1] if t else 0)
    return made
""",
    partly={"layer": (7.0, "changed its argument")},
    lost={"sums": ("wrong", "")},
)
