"""Losses against PyTorch: values and every gradient, in float64, and the edges that it has and warns of."""
from __future__ import annotations

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.nn import functional as F

from .test_functional import both, torch_f

REDUCTIONS = ["mean", "sum", "none"]
INF, NAN = np.inf, np.nan


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name, options", [
    ("l1_loss", {}), ("huber_loss", {}), ("huber_loss", {"delta": 0.3}), ("smooth_l1_loss", {}),
    ("smooth_l1_loss", {"beta": 0.2}), ("smooth_l1_loss", {"beta": 0.0}), ("binary_cross_entropy_with_logits", {})])
def test_a_loss_of_two_tensors_alike_is_pytorchs(device, rng, name, options, reduction):
    """On both sides of each kink, and both arguments get gradients."""
    target = rng.random((4, 3)) if "binary" in name else rng.standard_normal((4, 3))
    both(device, lambda a, b: getattr(F, name)(a, b, reduction=reduction, **options),
         lambda a, b: getattr(torch_f(), name)(a, b, reduction=reduction, **options),
         rng.standard_normal((4, 3)) * 2, target)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_cross_entropy_with_weights_is_pytorchs(device, rng, reduction):
    """weight is for each entry, pos_weight for the positive examples of each class."""
    torch = pytest.importorskip("torch")
    x, w, p = rng.standard_normal((4, 3)), rng.random((4, 3)), rng.random(3)
    y = rng.integers(0, 2, (4, 3)).astype(float)
    both(device, lambda a: F.binary_cross_entropy_with_logits(
            a, *(mg.tensor(v, device=device) for v in (y, w)), reduction, mg.tensor(p, device=device)),
         lambda a: torch_f().binary_cross_entropy_with_logits(
            a, torch.tensor(y), torch.tensor(w), reduction=reduction, pos_weight=torch.tensor(p)), x)


def test_binary_cross_entropy_with_logits_overflows_nowhere(device):
    """log(1 + e^1000) is 1000, and a sure and right answer costs nothing; no warning on the way."""
    x = mg.tensor([1000.0, -1000.0, 1000.0, 0.0], device=device, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = F.binary_cross_entropy_with_logits(x, mg.tensor([0.0, 1.0, 1.0, 1.0], device=device), reduction="none")
        loss.sum().backward()
    np.testing.assert_allclose(loss.detach().cpu().numpy(), [1000, 1000, 0, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(x.grad.cpu().numpy(), [1, -1, 0, -0.5], rtol=1e-6)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_cross_entropy_of_probabilities_is_pytorchs(device, rng, reduction):
    """Probabilities of 0 and 1 cost 100 at most, as there."""
    both(device, lambda a, b: F.binary_cross_entropy(a, b, reduction=reduction),
         lambda a, b: torch_f().binary_cross_entropy(a, b, reduction=reduction), rng.uniform(0.1, 0.9, (4, 3)),
         rng.integers(0, 2, (4, 3)).astype(float))
    x, y = mg.tensor([0.0, 1.0, 1.0], device=device), mg.tensor([1.0, 1.0, 0.0], device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("error", category=UserWarning)
        assert F.binary_cross_entropy(x, y, reduction="none").tolist() == [100.0, 0.0, 100.0]


@pytest.mark.filterwarnings("ignore:reduction. 'mean'")            # PyTorch's advice to use "batchmean"
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_the_divergence_is_pytorchs(device, rng, reduction, log_target):
    """x are log-probabilities; "batchmean" is the divergence itself."""
    x, y = (np.log(p / p.sum(1, keepdims=True)) for p in rng.random((2, 4, 3)) + 0.1)
    both(device, lambda a, b: F.kl_div(a, b, reduction, log_target),
         lambda a, b: torch_f().kl_div(a, b, reduction=reduction, log_target=log_target), x,
         y if log_target else np.exp(y))


def test_an_impossible_target_costs_nothing_in_the_divergence(device):
    """0 log 0 is 0, without a NaN in value or gradient."""
    x = mg.tensor(np.log([[0.5, 0.5]]), device=device, requires_grad=True)
    loss = F.kl_div(x, mg.tensor([[0.0, 1.0]], dtype="float64", device=device), "sum")
    loss.backward()
    assert loss.item() == pytest.approx(np.log(2))
    assert x.grad.tolist() == [[0.0, -1.0]]


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cosine_similarity_is_pytorchs(device, rng, dim):
    """Along any axis."""
    both(device, lambda a, b: F.cosine_similarity(a, b, dim), lambda a, b: torch_f().cosine_similarity(a, b, dim),
         *rng.standard_normal((2, 4, 3, 2)))


def test_the_cosine_with_a_zero_vector_is_zero_and_finite(device):
    """A padding row: its norm counts eps, and sqrt has no gradient at 0."""
    x = mg.tensor([[0.0, 0.0]], device=device, requires_grad=True)
    y = F.cosine_similarity(x, mg.tensor([[1.0, 2.0]], device=device))
    y.sum().backward()
    assert y.tolist() == [0.0] and np.isfinite(x.grad.cpu().numpy()).all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_the_cosine_loss_is_pytorchs(device, rng, reduction, margin):
    """Pairs that belong together and pairs that do not."""
    torch = pytest.importorskip("torch")
    y = np.array([1, -1, 1, -1, -1])
    both(device, lambda a, b: F.cosine_embedding_loss(a, b, mg.tensor(y, device=device), margin, reduction),
         lambda a, b: torch_f().cosine_embedding_loss(a, b, torch.tensor(y), margin, reduction=reduction),
         *rng.standard_normal((2, 5, 3)))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5,), (4, 5), (4, 5, 3)])
def test_cross_entropy_with_all_its_options_is_pytorchs(device, rng, shape, weighted, smoothing, reduction):
    """Class weights, smoothed labels and ignored ones together: the mean is over the weights of what counts."""
    torch = pytest.importorskip("torch")
    target = rng.integers(0, 5, shape[:1] + shape[2:] if len(shape) > 1 else ())
    if target.ndim:
        target[1] = 3
        ignore = 3
    else:
        ignore = -100
    w = rng.random(5) if weighted else None
    for fused in (True, False):
        both(device, lambda x, t, fused=fused: F.cross_entropy(
                x, t, None if w is None else mg.tensor(w, device=device), ignore, reduction, smoothing, fused=fused),
             lambda x, t: torch_f().cross_entropy(x, t, None if w is None else torch.tensor(w), ignore_index=ignore,
                                                  reduction=reduction, label_smoothing=smoothing),
             rng.standard_normal(shape) * 3, target)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", [[NAN, 1, 2], [0, 1, NAN], [NAN, NAN, NAN], [INF, 1, 2], [0, INF, INF], [-INF, 1, 2],
                                 [3, -INF, -INF]], ids=str)
@pytest.mark.filterwarnings("ignore:invalid value")         # inf - inf and inf * 0, as NumPy says
def test_an_ignored_row_counts_nothing_whatever_stands_in_it(device, row, dtype, smoothing, reduction):
    """Padding. PyTorch's gradient of such a row is NaN where its softmax is; a row of -inf alone is ours: zeros."""
    torch = pytest.importorskip("torch")
    x, y = np.array([row, [1, 2, 3]], dtype), np.array([-100, 2])
    a = torch.tensor(x, requires_grad=True)
    want = torch_f().cross_entropy(a, torch.tensor(y), reduction=reduction, label_smoothing=smoothing)
    want.sum().backward()
    for fused in (True, False):
        b = mg.tensor(x, device=device, requires_grad=True)
        loss = F.cross_entropy(b, mg.tensor(y, device=device), None, -100, reduction, smoothing, fused=fused)
        loss.sum().backward()
        np.testing.assert_allclose(loss.detach().cpu().numpy(), want.detach().numpy(), rtol=1e-6)
        got = b.grad.cpu().numpy()
        np.testing.assert_allclose(got[1], a.grad.numpy()[1], rtol=1e-5, atol=1e-7)
        assert np.isnan(got).any(1).tolist() == np.isnan(a.grad.numpy()).any(1).tolist()


@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_nan_among_the_logits_is_a_nan_in_the_loss_and_the_gradient(device, at, dtype):
    """At the class or beside it, in every form: a finite loss would hide that a run has gone wrong."""
    x = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], dtype)
    x[0, at] = NAN
    for options in ({}, {"fused": False}, {"label_smoothing": 0.1}):
        a = mg.tensor(x, device=device, requires_grad=True)
        loss = F.cross_entropy(a, mg.tensor([0, 1], device=device), reduction="none", **options)
        gradient = mg.grad(loss.sum(), [a], retain_graph=True)[0].cpu().numpy()
        assert np.isnan(loss.detach().cpu().numpy()).tolist() == [True, False]
        assert np.isnan(gradient).all(1).tolist() == [True, False] and np.isfinite(gradient[1]).all()
        second = mg.grad(loss.sum(), [a], create_graph=True)[0].detach().cpu().numpy()
        assert np.isnan(second).all(1).tolist() == [True, False]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_cross_entropy_of_probabilities_with_weights_and_smoothing_is_pytorchs(device, rng, shape, reduction):
    """The other kind of target has the same options."""
    torch = pytest.importorskip("torch")
    target, w = rng.random(shape), rng.random(5)
    target /= target.sum(1, keepdims=True)
    both(device, lambda x, t: F.cross_entropy(x, t, mg.tensor(w, device=device), -100, reduction, 0.2),
         lambda x, t: torch_f().cross_entropy(x, t, torch.tensor(w), reduction=reduction, label_smoothing=0.2),
         rng.standard_normal(shape), target)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nll_loss_with_weights_is_pytorchs(device, rng, reduction):
    """The second half of the cross-entropy, on its own."""
    torch = pytest.importorskip("torch")
    w = rng.random(5)
    both(device, lambda x, t: F.nll_loss(x, t, mg.tensor(w, device=device), 2, reduction),
         lambda x, t: torch_f().nll_loss(x, t, torch.tensor(w), ignore_index=2, reduction=reduction),
         rng.standard_normal((6, 5)), np.array([0, 2, 1, 4, 2, 3]))


@pytest.mark.parametrize("name", ["l1_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits",
                                  "binary_cross_entropy", "kl_div"])
def test_every_loss_refuses_shapes_that_would_compare_each_with_each(name):
    """(32, 1) against (32,) broadcasts to (32, 32): the loss falls, and nothing is learned."""
    with pytest.raises(ShapeError, match=r"\(32, 1\) with \(32,\)"):
        getattr(F, name)(mg.zeros(32, 1), mg.zeros(32))


def test_a_weight_of_another_number_of_classes_is_refused():
    """PyTorch's words name no shape."""
    with pytest.raises(ShapeError, match=r"5 classes has a weight of \(4,\)"):
        F.cross_entropy(mg.zeros(2, 5), mg.tensor([0, 1]), mg.ones(4))


def test_half_the_squared_error_has_the_decks_gradient(device):
    """Chemnitz: dL/dh = -(t - h), without the 2."""
    h, t = mg.tensor([1.0, -2.0], requires_grad=True, device=device), mg.tensor([0.5, 1.0], device=device)
    F.mse_loss(h, t, "sum", half=True).backward()
    assert h.grad.tolist() == [0.5, -3.0]


@pytest.mark.parametrize("wrong", [[1, 0], np.array([1, 0]), 1], ids=["list", "array", "number"])
def test_what_is_no_tensor_is_named_with_its_argument(device, wrong):
    """Not an attribute of a list, nor two devices: mg.tensor(target) is missing."""
    x = mg.ones(2, 3, device=device)
    for name, call in (("cross_entropy", lambda: F.cross_entropy(x, wrong)), ("nll_loss", lambda: F.nll_loss(x, wrong)),
                       ("mse_loss", lambda: F.mse_loss(x, wrong)), ("kl_div", lambda: F.kl_div(x, wrong))):
        with pytest.raises(TypeError, match=f"{name} takes Tensors, and its target is of type"):
            call()
    for name, call in (("embedding", lambda: F.embedding(wrong, x)), ("one_hot", lambda: F.one_hot(wrong))):
        with pytest.raises(TypeError, match=f"{name} takes Tensors, and its input is of type"):
            call()
    with pytest.raises(mg.DTypeError, match="one_hot of ids, which are integers, and these are float32"):
        F.one_hot(x)


def test_the_mean_over_no_examples_is_nan_for_probabilities_too(device):
    """As for class ids, and as in PyTorch: 0 would look like a perfect model."""
    x = mg.zeros(0, 3, device=device)
    assert np.isnan(F.cross_entropy(x, x).item())
    assert np.isnan(F.cross_entropy(x, mg.zeros(0, dtype=np.int64, device=device)).item())


def test_probabilities_are_asked_for_and_a_share_is_a_share():
    """Logits in the place of probabilities gave a loss below 0; a smoothing of 1.5 weights the wrong classes."""
    x, y = mg.tensor([0.5, 1.5]), mg.tensor([1.0, 0.0])
    with pytest.raises(ValueError, match="takes probabilities, and one is 1.5(.|\\n)*with_logits"):
        F.binary_cross_entropy(x, y)
    assert np.isnan(F.binary_cross_entropy(mg.tensor([0.5, np.nan]), y).item())
    for share in (1.5, -0.1):
        with pytest.raises(ValueError, match="label_smoothing is a share from 0 to 1"):
            F.cross_entropy(mg.zeros(2, 3), mg.tensor([0, 1]), label_smoothing=share)


def test_a_weight_is_a_tensor_on_the_device_of_the_logits(device):
    """A list has no shape, and weights of a class stay on the host when the model is moved."""
    x, y = mg.zeros(2, 3, device=device), mg.tensor([0, 1], device=device)
    other = "cpu" if device != "cpu" else "strict"
    for loss in (F.cross_entropy, F.nll_loss):
        with pytest.raises(TypeError, match="its weight is of type list"):
            loss(x, y, [1.0, 2.0, 3.0])
        with pytest.raises(mg.DeviceError, match="joins values on"):
            loss(x, y, mg.ones(3, device=other))
