"""Losses and layers without memory: values and gradients against PyTorch, and the edges."""
from __future__ import annotations

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, IndexRangeError, ShapeError
from minigrad.nn import functional as F


def both(device, ours, theirs, *inputs, rtol=1e-12):
    """Value and every gradient of `ours` (Tensors) against `theirs` (PyTorch tensors), in float64."""
    torch = pytest.importorskip("torch")
    a = [mg.tensor(x, device=device, requires_grad=x.dtype.kind == "f") for x in inputs]
    b = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    y, z = ours(*a), theirs(*b)
    np.testing.assert_allclose(y.detach().cpu().numpy(), z.detach().numpy(), rtol=rtol, atol=1e-14)
    weight = np.random.default_rng(1).standard_normal(y.shape)
    (y * mg.tensor(weight, device=device)).sum().backward()
    (z * torch.tensor(weight)).sum().backward()
    for p, q in zip(a, b, strict=True):
        if q.requires_grad:
            np.testing.assert_allclose(p.grad.cpu().numpy(), q.grad.numpy(), rtol=rtol, atol=1e-14)


def torch_f():
    return pytest.importorskip("torch").nn.functional


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3)])
def test_linear_is_pytorchs_for_any_leading_shape(device, rng, shape):
    """x W^T + b, and the bias gradient is summed over all leading axes."""
    both(device, F.linear, torch_f().linear, rng.standard_normal(shape), rng.standard_normal((5, 3)),
         rng.standard_normal(5))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse_is_pytorchs(device, rng, reduction):
    """Both arguments get gradients."""
    both(device, lambda a, b: F.mse_loss(a, b, reduction=reduction),
         lambda a, b: torch_f().mse_loss(a, b, reduction=reduction), *rng.standard_normal((2, 4, 3)))


def test_mse_refuses_shapes_that_would_compare_each_with_each():
    """(32, 1) against (32,) broadcasts to (32, 32): the loss falls, and nothing is learned."""
    with pytest.raises(ShapeError, match=r"\(32, 1\) with \(32,\)"):
        F.mse_loss(mg.zeros(32, 1), mg.zeros(32))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(5,), (4, 5), (4, 5, 3), (2, 5, 3, 2)])
def test_cross_entropy_of_classes_is_pytorchs(device, rng, shape, reduction):
    """With ignored targets among them; classes are axis 1."""
    target = rng.integers(0, 5, shape[:1] + shape[2:] if len(shape) > 1 else ())
    if target.ndim:
        target[0] = -100
    both(device, lambda x, t: F.cross_entropy(x, t, reduction=reduction),
         lambda x, t: torch_f().cross_entropy(x, t, reduction=reduction), rng.standard_normal(shape) * 3, target)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_cross_entropy_of_probabilities_is_pytorchs(device, rng, shape, reduction):
    """The mean is over examples, not over entries."""
    target = np.abs(rng.standard_normal(shape))
    target /= target.sum(1, keepdims=True)
    both(device, lambda x, t: F.cross_entropy(x, t, reduction=reduction),
         lambda x, t: torch_f().cross_entropy(x, t, reduction=reduction), rng.standard_normal(shape), target)


def test_cross_entropy_with_every_target_ignored_is_nan_with_a_zero_gradient_and_no_warning(device):
    """PyTorch's answer: there is no mean of nothing, and nothing is pulled anywhere."""
    x = mg.randn(2, 3, requires_grad=True, device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = F.cross_entropy(x, mg.tensor([-100, -100], device=device))
        loss.backward()
    assert np.isnan(loss.item())
    np.testing.assert_array_equal(x.grad.cpu().numpy(), 0)


def test_cross_entropy_stays_exact_where_softmax_rounds_to_zero(device):
    """log softmax by subtraction: 2000, not infinity."""
    assert F.cross_entropy(mg.tensor([[0.0, 2000.0]], device=device), mg.tensor([0], device=device)).item() == 2000.0


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_target_outside_of_the_classes_is_never_read_as_another_class(device, wrong, fused):
    """-1 would read the last class, and n is one too many: an error on the host, NaN where a look would wait."""
    x, y = mg.zeros(2, 3, device=device), mg.tensor([0, wrong], device=device)
    if device == "cpu":
        with pytest.raises(IndexRangeError, match=f"class {wrong} is outside of 0 ... 2"):
            F.cross_entropy(x, y, fused=fused)
    else:
        losses = F.cross_entropy(x, y, reduction="none", fused=fused).cpu().numpy()
        assert np.isnan(losses[1]) and losses[0] == pytest.approx(np.log(3))
        with mg.debug(nan=True), pytest.raises(IndexRangeError, match=f"class {wrong}"):
            F.cross_entropy(x, y, fused=fused)


def test_targets_of_another_shape_or_type_are_errors():
    """Logits (B, T, V) with targets (B, T) is the common mistake: classes are axis 1."""
    logits, target = mg.zeros(2, 7, 3), mg.zeros(2, 7, dtype="int64")
    with pytest.raises(ShapeError, match=r"classes are axis 1; here logits.reshape\(-1, 3\), target.reshape\(-1\)$"):
        F.cross_entropy(logits, target)
    assert F.cross_entropy(logits.reshape(-1, 3), target.reshape(-1)).shape == ()
    with pytest.raises(ShapeError, match="classes are axis 1$"):
        F.cross_entropy(mg.zeros(2, 3), mg.zeros(3, dtype="int64"))
    with pytest.raises(DTypeError, match="float32"):
        F.cross_entropy(mg.zeros(2, 3), mg.zeros(2))
    with pytest.raises(ValueError, match="'average'"):
        F.mse_loss(mg.zeros(2), mg.zeros(2), reduction="average")


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax_and_its_logarithm_are_pytorchs(device, rng, name, dim):
    """Along any axis, far from 0 too."""
    both(device, lambda x: getattr(F, name)(x, dim), lambda x: getattr(torch_f(), name)(x, dim),
         rng.standard_normal((3, 4, 2)) * 30)


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid"])
def test_activations_are_pytorchs(device, rng, name):
    """Values and gradients."""
    torch = pytest.importorskip("torch")
    both(device, getattr(F, name), getattr(torch, name), rng.standard_normal((3, 4)))


def test_an_embedding_is_the_product_with_one_hot_rows(device, rng):
    """Télécom, Matrix: e = E o; a word that occurs twice gets both gradients."""
    table = mg.tensor(rng.standard_normal((5, 3)), device=device, requires_grad=True)
    ids = mg.tensor([[1, 4], [1, 0]], device=device)
    weight = mg.tensor(rng.standard_normal((2, 2, 3)), device=device)
    looked, = mg.grad((F.embedding(ids, table) * weight).sum(), table)
    hot = F.one_hot(ids, 5, dtype="float64")
    product, = mg.grad((hot @ table * weight).sum(), table)
    np.testing.assert_allclose(looked.cpu().numpy(), product.cpu().numpy(), rtol=1e-14)
    np.testing.assert_array_equal(F.embedding(ids, table).detach().cpu().numpy(), (hot @ table).detach().cpu().numpy())


def test_the_padding_row_of_an_embedding_is_zero_and_gets_no_gradient(device):
    """Padding must not learn a meaning."""
    layer = nn.Embedding(4, 3, padding_idx=0).to(device)
    ids = mg.tensor([0, 2, 0], device=device)
    layer(ids).sum().backward()
    assert not layer(ids).detach().cpu().numpy()[0].any()
    np.testing.assert_array_equal(layer.weight.grad.cpu().numpy().sum(1), [0, 0, 3, 0])


def test_ids_outside_of_the_table_are_errors(device):
    """CuPy takes the remainder in silence: an error on the host, NaN where a look would wait for the device."""
    layer, wrong = nn.Embedding(4, 3).to(device), mg.tensor([1, 4], device=device)
    if device == "cpu":
        with pytest.raises(IndexRangeError, match="id 4 is outside of 0 ... 3"):
            layer(wrong)
    else:
        rows = layer(wrong).detach().cpu().numpy()
        assert np.isfinite(rows[0]).all() and np.isnan(rows[1]).all()
        with mg.debug(nan=True), pytest.raises(IndexRangeError, match="id 4 is outside of 0 ... 3"):
            layer(wrong)
    with pytest.raises(IndexRangeError, match="id 4 is outside of 0 ... 3"):
        F.one_hot(mg.tensor([0, 4], device=device), 4)


def test_one_hot_counts_its_classes_when_not_told(device):
    """The largest id + 1, integers, as PyTorch."""
    y = F.one_hot(mg.tensor([[0, 2]], device=device))
    assert y.dtype == np.int64 and y.tolist() == [[[1, 0, 0], [0, 0, 1]]]


def test_flatten_and_sequential_are_the_window_model_of_the_slides(device):
    """KTH, RNN in TensorFlow (2/5): Flatten, then Dense(1) over 50 steps."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(50, 1)).to(device)
    x = mg.randn(4, 50, 1, device=device)
    y = model(x)
    assert y.shape == (4, 1) and len(model) == 2
    np.testing.assert_allclose(y.detach().cpu().numpy(), F.linear(x.reshape(4, 50), model[1].weight, model[1].bias)
                               .detach().cpu().numpy(), rtol=1e-6)
