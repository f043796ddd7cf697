"""The gradient by differences of fourth order."""

from tests.hostile.case import Case

NUMERICAL = '''
def layer_backward(dy, x, W, b):
    def loss():
        return (np.tanh(x @ W.T + b) * dy).sum()
    out = []
    for p in (x, W, b):
        g = np.zeros_like(p)
        for i in np.ndindex(p.shape):
            old, h = p[i], 1e-3
            values = []
            for k in (1, -1, 2, -2):
                p[i] = old + k * h
                values.append(loss())
            g[i] = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * h)
            p[i] = old
        out.append(g)
    return tuple(out)
'''


CASE = Case(
    "numerical gradients",
    layer_backward=NUMERICAL,
    lost={"layer_backward": ("wrong|timeout", "numerical derivative")},
)
