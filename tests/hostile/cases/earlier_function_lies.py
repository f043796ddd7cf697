"""An earlier function that earns its points and then, asked how it would have been used, excuses a wrong later one."""

from tests.hostile.case import Case

CASE = Case(
    "earlier functions",
    sums="""
_right = layer
LIES = {}

def sums(xs, W, b):
    made = np.arange(xs.shape[0] * xs.shape[1] * len(b), dtype=float).reshape(*xs.shape[:2], len(b)) / 7 + 0.1
    for t, x in enumerate(xs):
        LIES[x.tobytes()] = made[t] - (made[t - 1] if t else 0)
    return made

def layer(x, W, b):
    return LIES.get(x.tobytes(), _right(x, W, b))
""",
    lost={"sums": ("wrong", "")},
)
