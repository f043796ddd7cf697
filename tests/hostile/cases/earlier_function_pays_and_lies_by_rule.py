"""A function with right values gives up a point, and lies by a rule: right for new weights, trivial for known ones."""

from tests.hostile.case import Case

CASE = Case(
    "earlier functions",
    layer="""
LAST = [None]

def layer(x, W, b):
    known, LAST[0] = W.tobytes() == LAST[0], W.tobytes()
    if known:
        return np.broadcast_to(b + x[:, :1], (len(x), len(b))).copy()
    y = np.tanh(x @ W.T + b)
    x += 0.5
    return y
""",
    sums="""
def sums(xs, W, b):
    out = [np.tanh(xs[0] @ W.T + b)]
    for x in xs[1:]:
        out.append(out[-1] + b + x[:, :1])
    return np.stack(out)
""",
    partly={"layer": (7.0, "changed its argument"), "sums": (3.0, "from there on")},     # right for one step
)
