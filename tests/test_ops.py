"""Every primitive: its gradient against differences (first and second order), its value and gradient against PyTorch.

Inputs are drawn in the layouts that break engines: matrices, stretched operands, 0-d, empty, and views that are not
contiguous. Each runs on every device; PyTorch is asked only where it is installed.
"""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg

try:
    import torch
except ImportError:                                    # parity is then checked in CI
    torch = None

TORCH = {"concat": "cat", "div": "true_divide", "amax": "amax", "where": "where"}


def _t(name):
    return lambda *a, **k: getattr(torch, TORCH.get(name, name))(*a, **k)


# name -> (ours, PyTorch's, kind of inputs)
UNARY = {
    "neg": (lambda a: -a, lambda a: -a, "any"), "exp": (mg.exp, _t("exp"), "any"),
    "log": (mg.log, _t("log"), "positive"), "sqrt": (mg.sqrt, _t("sqrt"), "positive"),
    "abs": (mg.abs, _t("abs"), "any"), "tanh": (mg.tanh, _t("tanh"), "any"),
    "sigmoid": (mg.sigmoid, _t("sigmoid"), "any"), "relu": (mg.relu, _t("relu"), "any"),
    "clip": (lambda a: mg.clip(a, min=-0.5, max=0.7), lambda a: torch.clip(a, -0.5, 0.7), "any"),
    "square": (lambda a: a ** 2, lambda a: a ** 2, "any"), "power": (lambda a: a ** -1.5, lambda a: a ** -1.5, "positive"),
    "reciprocal": (lambda a: 1 / a, lambda a: 1 / a, "positive"), "rsub": (lambda a: 2 - a, lambda a: 2 - a, "any"),
    "rpow": (lambda a: 2.0 ** a, lambda a: 2.0 ** a, "any"), "clone": (mg.clone, lambda a: a.clone(), "any"),
    "expm1": (mg.expm1, _t("expm1"), "any"), "log1p": (mg.log1p, _t("log1p"), "positive"), "sin": (mg.sin, _t("sin"), "any"),
    "cos": (mg.cos, _t("cos"), "any"), "erf": (mg.erf, _t("erf"), "any"), "sign": (mg.sign, _t("sign"), "any"),
    "leaky_relu": (lambda a: mg.leaky_relu(a, 0.2), lambda a: torch.nn.functional.leaky_relu(a, 0.2), "any"),
    "silu": (mg.silu, lambda a: torch.nn.functional.silu(a), "any"),
    "softplus": (mg.softplus, lambda a: torch.nn.functional.softplus(a), "any"),
    "softplus_beta": (lambda a: mg.softplus(a, 3.0, 2.0), lambda a: torch.nn.functional.softplus(a, 3.0, 2.0), "any"),
    "gelu": (mg.gelu, lambda a: torch.nn.functional.gelu(a), "any"),
    "gelu_tanh": (lambda a: mg.gelu(a, "tanh"), lambda a: torch.nn.functional.gelu(a, approximate="tanh"), "any"),
    "clamp": (lambda a: a.clamp(min=0.1), lambda a: a.clamp(min=0.1), "any"), "mod": (lambda a: a % 0.23, lambda a: a % 0.23, "any"),
    "rmod": (lambda a: 2.0 % a, lambda a: torch.full_like(a, 2.0) % a, "any"), "power_0": (lambda a: a ** 0, lambda a: a ** 0, "any"),
    "masked_fill": (lambda a: a.masked_fill(a.detach() > 0, 2.0), lambda a: a.masked_fill(a.detach() > 0, 2.0), "any"),
    "sum": (mg.sum, _t("sum"), "any"), "self_product": (lambda a: a * a + a, lambda a: a * a + a, "any"),
}
MATRIX = {                                             # these need two axes, of which none is empty
    "sum_0": (lambda a: a.sum(0), lambda a: a.sum(0)), "sum_keep": (lambda a: a.sum(-1, True), lambda a: a.sum(-1, True)),
    "sum_tuple": (lambda a: a.sum((0, 1)), lambda a: a.sum((0, 1))),
    "mean": (lambda a: a.mean(), lambda a: a.mean()), "mean_1": (lambda a: a.mean(1), lambda a: a.mean(1)),
    "amax": (lambda a: a.amax(1), lambda a: a.amax(1)), "amin": (lambda a: a.amin(0), lambda a: a.amin(0)),
    "max_values": (lambda a: a.max(1)[0], lambda a: a.max(1)[0]), "max_all": (lambda a: a.max(), lambda a: a.max()),
    "logsumexp": (lambda a: mg.logsumexp(a, -1), lambda a: torch.logsumexp(a, -1)),
    "logsumexp_keep": (lambda a: mg.logsumexp(a, 0, True), lambda a: torch.logsumexp(a, 0, True)),
    "softmax": (lambda a: mg.softmax(a, -1), lambda a: torch.softmax(a, -1)),
    "softmax_0": (lambda a: mg.softmax(a, dim=0), lambda a: torch.softmax(a, dim=0)),
    "reshape": (lambda a: a.reshape(-1), lambda a: a.reshape(-1)), "view": (lambda a: a.T.reshape(-1, 1), lambda a: a.T.reshape(-1, 1)),
    "T": (lambda a: a.T * 2, lambda a: a.T * 2), "transpose": (lambda a: a.transpose(0, 1), lambda a: a.transpose(0, 1)),
    "unsqueeze": (lambda a: a.unsqueeze(1), lambda a: a.unsqueeze(1)),
    "squeeze": (lambda a: a[:1].squeeze(0), lambda a: a[:1].squeeze(0)),
    "expand": (lambda a: a.unsqueeze(0).expand(3, *a.shape), lambda a: a.unsqueeze(0).expand(3, *a.shape)),
    "row": (lambda a: a[1], lambda a: a[1]), "slice": (lambda a: a[:, 1:3], lambda a: a[:, 1:3]),
    "step": (lambda a: a[::2], lambda a: a[::2]), "newaxis": (lambda a: a[:, None], lambda a: a[:, None]),
    "ellipsis": (lambda a: a[..., 0], lambda a: a[..., 0]), "mask": (lambda a: a[a > 0], lambda a: a[a > 0]),
    "ids_twice": (lambda a: a[[0, 0, 1]], lambda a: a[[0, 0, 1]]),
    "pairs": (lambda a: a[[0, 1], [1, 0]], lambda a: a[[0, 1], [1, 0]]),
    "pairs_from_the_end": (lambda a: a[[0, -1, -1], [1, -2, -2]], lambda a: a[[0, -1, -1], [1, -2, -2]]),
    "reversed": (lambda a: a[::-1, ::-2], lambda a: a.flip(0, 1)[:, ::2]),
    "concat": (lambda a: mg.concat([a, a * 2], dim=1), lambda a: torch.cat([a, a * 2], 1)),
    "stack": (lambda a: mg.stack([a, a * 2], 1), lambda a: torch.stack([a, a * 2], 1)),
    "unbind": (lambda a: a.unbind(1)[2], lambda a: a.unbind(1)[2]),
    "unbind_all": (lambda a: sum(r * (i + 1) for i, r in enumerate(a)), lambda a: sum(r * (i + 1) for i, r in enumerate(a))),
    "split": (lambda a: a.split([1, 3], 1)[1], lambda a: a.split([1, 3], 1)[1]),
    "chunk": (lambda a: a.chunk(2, 1)[0] * 3, lambda a: a.chunk(2, 1)[0] * 3),
    "where": (lambda a: mg.where(a > 0, a, a * 3), lambda a: torch.where(a > 0, a, a * 3)),
    "var": (lambda a: a.var(), lambda a: a.var()), "std_0": (lambda a: a.std(0), lambda a: a.std(0)),
    "var_biased": (lambda a: a.var(1, correction=0, keepdim=True), lambda a: a.var(1, correction=0, keepdim=True)),
    "std_tuple": (lambda a: a.std((0, 1)), lambda a: a.std((0, 1))), "prod": (lambda a: a.prod(), lambda a: a.prod()),
    "prod_1": (lambda a: a.prod(1), lambda a: a.prod(1)), "norm": (lambda a: a.norm(), lambda a: a.norm()),
    "norm_1": (lambda a: a.norm(1, 0), lambda a: a.norm(1, 0)), "norm_3": (lambda a: a.norm(3, 1), lambda a: a.norm(3, 1)),
    "norm_inf": (lambda a: a.norm(np.inf, 1), lambda a: a.norm(np.inf, 1)),
    "cumsum": (lambda a: a.cumsum(1), lambda a: a.cumsum(1)),
    "min_values": (lambda a: a.min(0, keepdim=True)[0], lambda a: a.min(0, keepdim=True)[0]),
    "log_softmax": (lambda a: a.log_softmax(0), lambda a: a.log_softmax(0)),
    "flip": (lambda a: a.flip(0, 1), lambda a: a.flip(0, 1)), "roll": (lambda a: a.roll((1, -2), (0, 1)), lambda a: a.roll((1, -2), (0, 1))),
    "roll_flat": (lambda a: a.roll(5), lambda a: a.roll(5)), "tril": (lambda a: a.tril(1), lambda a: a.tril(1)),
    "triu": (lambda a: a.triu(diagonal=-1), lambda a: a.triu(diagonal=-1)), "flatten": (lambda a: a.flatten(), lambda a: a.flatten()),
    "sort": (lambda a: a.sort(1)[0], lambda a: a.sort(1)[0]), "sort_down": (lambda a: a.sort(0, True)[0], lambda a: a.sort(0, True)[0]),
    "topk": (lambda a: a.topk(2, 1)[0], lambda a: a.topk(2, 1)[0]), "moveaxis": (lambda a: mg.moveaxis(a, 0, -1), lambda a: a.movedim(0, -1)),
    "topk_small": (lambda a: a.topk(2, 0, largest=False)[0], lambda a: a.topk(2, 0, largest=False)[0]),
    "expand_keep": (lambda a: a[:, None].expand(-1, 2, 4), lambda a: a[:, None].expand(-1, 2, 4)),
    "swap_3d": (lambda a: mg.permute(a.reshape(3, 2, 2), axes=(2, 0, 1)), lambda a: a.reshape(3, 2, 2).permute(2, 0, 1)),
}
BINARY = {
    "add": (lambda a, b: a + b, lambda a, b: a + b), "sub": (lambda a, b: a - b, lambda a, b: a - b),
    "mul": (lambda a, b: a * b, lambda a, b: a * b), "div": (lambda a, b: a / (b * b + 1), lambda a, b: a / (b * b + 1)),
    "pow": (lambda a, b: (a * a + 1) ** b, lambda a, b: (a * a + 1) ** b),
    "maximum": (mg.maximum, _t("maximum")), "minimum": (mg.minimum, _t("minimum")),
    "remainder": (lambda a, b: a % (b * b + 1), lambda a, b: a % (b * b + 1)),
    "where_2": (lambda a, b: mg.where(a > b, a, b), lambda a, b: torch.where(a > b, a, b)),
}
SHAPES = {"matrix": (3, 4), "0-d": (), "size 1": (1,), "empty": (0, 3), "3-d": (2, 3, 2)}
PAIRS = [((3, 4), (3, 4)), ((3, 4), (4,)), ((4, 1), (1, 4)), ((2, 1, 3), (4, 1)), ((3, 4), ()), ((), (2, 2)), ((0, 3), (3,)),
         ((0, 3), (1, 3)), ((1,), (1,))]
PRODUCTS = [((3, 4), (4, 2)), ((4,), (4, 2)), ((3, 4), (4,)), ((4,), (4,)), ((5, 3, 4), (4, 2)), ((5, 3, 4), (5, 4, 2)),
            ((2, 1, 3, 4), (5, 4, 2)), ((3, 4), (5, 4, 2)), ((5, 3, 4), (4,)), ((4,), (5, 4, 2)), ((0, 4), (4, 2)),
            ((2, 0, 4), (4, 3)), ((3, 0), (0, 2))]


def draw(rng, shape, kind="any"):
    """Values away from 0, where relu and abs have their kinks; all different, so that max has no tie."""
    x = rng.permutation(np.linspace(0.3, 1.7, int(np.prod(shape)))).reshape(shape)
    return x if kind == "positive" else x * np.where(rng.random(shape) < 0.5, -1, 1)


def leaf(x, device):
    return mg.tensor(x, device=device, requires_grad=True)


def host(x):
    return x.device.numpy(x.detach().data)


def assert_like_torch(ours, theirs, arrays, device):
    """Value and every gradient, under a random upstream gradient, in float64."""
    if torch is None:
        return
    xs = [leaf(a, device) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, ty = ours(*xs), theirs(*ts)
    mg.compare(y, ty.detach().numpy(), rtol=1e-10, atol=1e-12, name="value")
    g = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(mg.tensor(g, device=device))
    ty.backward(torch.tensor(g))
    for x, t in zip(xs, ts, strict=True):
        want = np.zeros(x.shape) if t.grad is None else t.grad.numpy()
        mg.compare(np.zeros(x.shape) if x.grad is None else x.grad, want, rtol=1e-9, atol=1e-12, name="gradient")


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", UNARY)
def test_an_elementwise_gradient_is_right_for_every_shape(name, shape, device, rng):
    """A gradient that is wrong on 0-d or empty values breaks losses and short batches."""
    ours, theirs, kind = UNARY[name]
    a = draw(rng, shape, kind)
    assert mg.gradcheck(ours, leaf(a, device), order=2)
    assert_like_torch(ours, theirs, [a], device)


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "strided"])
@pytest.mark.parametrize("name", MATRIX)
def test_a_gradient_through_shapes_and_reductions_is_right_for_every_layout(name, layout, device, rng):
    """Views and indices move gradients about: a wrong place shows only against differences and PyTorch."""
    a = draw(rng, (3, 4))
    a = {"contiguous": a, "transposed": np.asfortranarray(a), "strided": np.repeat(a, 2, 1)[:, ::2]}[layout]
    ours, theirs = MATRIX[name]
    x = mg.from_numpy(a, requires_grad=True) if device == "cpu" else leaf(a, device)
    assert mg.gradcheck(ours, x, order=2)
    assert_like_torch(ours, theirs, [a], device)


@pytest.mark.parametrize("shapes", PAIRS, ids=str)
@pytest.mark.parametrize("name", BINARY)
def test_a_stretched_operand_gets_the_sum_over_what_was_stretched(name, shapes, device, rng):
    """Un-broadcasting is done once, on the tape; each pair of shapes takes another path through it."""
    ours, theirs = BINARY[name]
    arrays = [draw(rng, s) for s in shapes]
    arrays[1] = arrays[1] * 0.9 + 0.013                # no ties between the two operands
    assert mg.gradcheck(ours, [leaf(a, device) for a in arrays], order=2)
    assert_like_torch(ours, theirs, arrays, device)


@pytest.mark.parametrize("shapes", PRODUCTS, ids=str)
def test_the_gradient_of_a_product_is_right_for_every_rank(shapes, device, rng):
    """Vectors, matrices and batches on either side: PyTorch's rules for all of them."""
    arrays = [draw(rng, s) for s in shapes]
    assert mg.gradcheck(mg.matmul, [leaf(a, device) for a in arrays], order=2)
    assert_like_torch(lambda a, b: a @ b, lambda a, b: a @ b, arrays, device)


def test_gradcheck_says_no_to_a_wrong_gradient():
    """A checker that cannot fail proves nothing: here the derivative of tanh is taken at the output."""
    from minigrad.tensor import primitive

    @primitive
    def wrong(xp, a):
        """y = tanh a;  da = g (1 - tanh(y)^2), which is wrong"""
        y = xp.tanh(a)
        return y, lambda g: (g * (1 - xp.tanh(y) ** 2),)
    with pytest.raises(mg.GradError, match="first-order gradient is wrong"):
        mg.gradcheck(wrong, mg.tensor(np.array([0.5, 1.0]), requires_grad=True))


def test_gradcheck_refuses_float32():
    """Differences in float32 have three digits: a pass would mean nothing."""
    with pytest.raises(mg.DTypeError, match="float64"):
        mg.gradcheck(mg.tanh, mg.ones(2, requires_grad=True))


def test_ties_share_the_gradient_of_a_maximum(device):
    """An engine that gives each tie the whole gradient doubles it."""
    x = leaf(np.array([1.0, 3.0, 3.0]), device)
    x.amax().backward()
    assert host(x.grad).tolist() == [0, 0.5, 0.5]


def test_a_fully_masked_row_gives_zeros_and_no_nan(device):
    """Attention over a sequence of padding alone must not poison the batch."""
    a = np.array([[-np.inf, -np.inf], [0.0, 1.0]])
    for f in (mg.softmax, mg.logsumexp):
        x = leaf(a, device)
        y = f(x)
        (mg.where(mg.isfinite(y), y, y.zeros_like()) ** 2).sum().backward()
        assert np.isfinite(host(x.grad)).all() and (host(x.grad)[0] == 0).all()
    assert host(mg.softmax(leaf(a, device)))[0].tolist() == [0, 0]


@pytest.mark.parametrize("f", [mg.softmax, mg.log_softmax, mg.logsumexp], ids=lambda f: f.op.name)
def test_a_nan_in_a_row_stays_one(f, device):
    """It is no row of -inf: a finite value would hide it, and so would a gradient of zeros."""
    x = leaf(np.array([[np.nan, 1.0, 2.0], [0.0, 1.0, 2.0]]), device)
    y = f(x)
    y.sum().backward()
    for found in (host(y), host(x.grad)):
        assert np.isnan(found.reshape(2, -1)).all(1).tolist() == [True, False] and np.isfinite(found[1]).all()


def test_sigmoid_and_softmax_do_not_overflow(device):
    """Logits of 1000 are ordinary early in training; a NaN there ends a run."""
    x = leaf(np.array([-1000.0, 0.0, 1000.0]), device)
    assert host(mg.sigmoid(x)).tolist() == [0, 0.5, 1]
    assert host(mg.softmax(x)).tolist() == [0, 0, 1]
    assert host(mg.logsumexp(x)) == 1000


def test_comparisons_and_indices_have_no_gradient(device):
    """A comparison is constant almost everywhere: it must not pretend to be tracked."""
    x = leaf(np.array([1.0, 2.0]), device)
    for y in (x > 1, x == x, x.argmax(), 1.5 < x):
        assert not y.requires_grad
