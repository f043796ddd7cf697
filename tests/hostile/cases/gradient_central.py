"""The gradient by central differences."""

from tests.hostile.case import Case

NUMERICAL = '''
def layer_backward(dy, x, W, b):
    def loss():
        return (np.tanh(x @ W.T + b) * dy).sum()
    out = []
    for p in (x, W, b):
        g = np.zeros_like(p)
        for i in np.ndindex(p.shape):
            old, h = p[i], 6e-6 * max(1.0, abs(p[i]))
            p[i] = old + h
            up = loss()
            p[i] = old - h
            g[i] = (up - loss()) / (2 * h)
            p[i] = old
        out.append(g)
    return tuple(out)
'''


CASE = Case(
    "numerical gradients",
    layer_backward=NUMERICAL,
    lost={"layer_backward": ("wrong|timeout", "numerical derivative")},
)
