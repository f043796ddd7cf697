"""The gradient by complex steps, which is exact, and too slow where the input is large."""

from tests.hostile.case import Case

NUMERICAL = '''
def layer_backward(dy, x, W, b):
    out = []
    for k, p in enumerate((x, W, b)):
        g = np.zeros_like(p)
        for i in np.ndindex(p.shape):
            args = [a.astype(complex) for a in (x, W, b)]
            args[k][i] += 1e-30j
            g[i] = (np.tanh(args[0] @ args[1].T + args[2]) * dy).sum().imag / 1e-30
        out.append(g)
    return tuple(out)
'''


CASE = Case(
    "numerical gradients",
    layer_backward=NUMERICAL,
    lost={"layer_backward": ("wrong|timeout", "numerical derivative")},
)
