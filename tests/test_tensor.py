"""What a Tensor is to its user: made of numbers, written in place, printed, asked for gradients; and slips."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg


def test_an_augmented_assignment_trains_the_weight_that_it_names(device):
    """The loop that everybody writes first: `p -= lr * p.grad` must not make a new tensor, and train nothing."""
    model = mg.nn.Linear(2, 1).to(device)
    before = [p.tolist() for p in model.parameters()]
    model(mg.ones(3, 2, device=device)).sum().backward()
    with mg.no_grad():
        for p in model.parameters():
            kept = p
            p -= 0.5 * p.grad
            assert p is kept
    after = [p.tolist() for p in model.parameters()]
    np.testing.assert_allclose(after[0], np.array(before[0]) - 1.5, rtol=1e-6)
    np.testing.assert_allclose(after[1], np.array(before[1]) - 1.5, rtol=1e-6)
    w = mg.ones(2, device=device, requires_grad=True)
    with mg.no_grad():
        w += 1
        w *= mg.tensor([3.0, 4.0], device=device)
        w /= 2
    assert w.tolist() == [3.0, 4.0] and w.is_leaf


def test_an_augmented_assignment_is_recorded_or_refused(device):
    """On a leaf it cannot be recorded: w = w - x would leave the leaf behind. On other values it is a new value."""
    w = mg.ones(2, device=device, requires_grad=True)
    with pytest.raises(mg.InplaceError, match="-= on a tensor that requires a gradient"):
        w -= 1
    h = start = w * 2
    h += 1
    assert h is not start and start.tolist() == [2.0, 2.0]
    (h * h).sum().backward()
    assert w.grad.tolist() == [12.0, 12.0]
    y = (w * w).sum()
    with mg.no_grad():
        w -= 1
    with pytest.raises(mg.InplaceError, match="was overwritten"):
        y.backward()


@pytest.mark.parametrize("computed", [False, True], ids=["leaf", "computed"])
def test_what_a_hook_returns_must_fit_the_gradient(device, computed):
    """A wrong shape, dtype or type would be stored as the gradient of a leaf."""
    for answer, error in ((lambda g: g.reshape(1, 2), mg.ShapeError), (lambda g: g.to(mg.float64), mg.ShapeError),
                          (lambda g: g.cpu().numpy(), mg.GradError), (lambda g: 2.0, mg.GradError)):
        x = mg.ones(2, device=device, requires_grad=True)
        y = x * 1 if computed else x
        y.register_hook(answer)
        with pytest.raises(error, match="a hook returned"):
            (y * 2).sum().backward()


def test_a_gradient_that_is_no_tensor_is_named(device):
    """backward(1.0) and grad(..., [1.0]) are not errors of an attribute."""
    x = mg.ones(2, device=device, requires_grad=True)
    for wrong in (1.0, [1.0, 1.0]):
        with pytest.raises(TypeError, match="gradient= is a Tensor or an array, not of type"):
            (x * 2).backward(wrong)


def test_one_value_is_formatted_as_a_number(device):
    """f"{loss:.3f}" is in every training loop."""
    assert f"{mg.tensor(3.14159, device=device):.2f} {mg.tensor([7], device=device):03d}" == "3.14 007"
    assert f"{mg.tensor([1.0, 2.0])}" == "tensor([1., 2.])"
    with pytest.raises(mg.ShapeError, match="item\\(\\) needs one value"):
        f"{mg.ones(2, device=device):.2f}"


def test_a_tensor_is_made_of_numbers(device):
    """Text, None, a generator and ragged lists became arrays of objects; a list of tensors lost its gradients."""
    for wrong in ("abc", None, [None], (i for i in range(3)), 1j, [{}]):
        with pytest.raises(mg.DTypeError, match="a tensor holds numbers"):
            mg.tensor(wrong, device=device)
    with pytest.raises(mg.ShapeError, match="differ in length"):
        mg.tensor([[1, 2], [3]], device=device)
    parts = [mg.tensor(1.0, device=device), mg.tensor(2.0, device=device)]
    assert mg.tensor(parts, device=device).tolist() == [1.0, 2.0]
    with pytest.raises(mg.GradError, match="mg.stack"):
        mg.tensor([parts[0], mg.tensor(2.0, device=device, requires_grad=True)])


def test_a_single_value_is_not_iterated_over_and_none_is_no_dtype(device):
    """np.dtype(None) is float64: x.to(None) would widen in silence."""
    x = mg.tensor(1.0, device=device)
    with pytest.raises(TypeError, match="cannot be iterated over"):
        list(x)
    for call in (lambda: x.to(None), lambda: mg.nn.Linear(1, 1).to(None)):
        with pytest.raises(mg.DeviceError, match="no device None"):
            call()


def test_tensors_of_no_length_and_of_different_shapes_are_joined_with_an_error(device):
    """The name of the function, and what it asks of shapes."""
    a, b = mg.ones(2, 3, device=device), mg.ones(3, device=device)
    with pytest.raises(mg.ShapeError, match=r"concat cannot join \(2, 3\) and \(3,\)(.|\n)*all axes but the one"):
        mg.concat([a, b])
    with pytest.raises(mg.ShapeError, match=r"stack cannot join(.|\n)*one shape"):
        mg.stack([a, b])
    with pytest.raises(mg.ShapeError, match="of no tensors"):
        mg.stack([])


def test_a_hook_is_taken_away_by_its_handle(device):
    """Of a leaf and of a computed value; the others stay."""
    x = mg.ones(2, device=device, requires_grad=True)
    h = x * 1
    first, second = h.register_hook(lambda g: g * 2), x.register_hook(lambda g: g * 10)
    h.register_hook(lambda g: g * 3)
    first.remove()
    second.remove()
    second.remove()
    h.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_casts_have_pytorchs_names(device):
    """y.long(), mask.float(): with the gradient that a cast has."""
    x = mg.tensor([0.0, 2.5], device=device, requires_grad=True)
    assert [y.dtype for y in (x.float(), x.double(), x.int(), x.long(), x.bool())] == [
        "float32", "float64", "int32", "int64", "bool"]
    assert x.long().tolist() == [0, 2] and x.bool().tolist() == [False, True]
    x.double().sum().backward()
    assert x.grad.dtype == mg.float32


@pytest.mark.parametrize("computed", [False, True], ids=["leaf", "computed"])
def test_what_a_hook_returned_stays_its_owners(device, computed):
    """A stored gradient owns its memory: zero_() or clipping must not reach a tensor that the hook keeps."""
    kept = mg.ones(2, device=device)
    x = mg.ones(2, device=device, requires_grad=True)
    y = x + 0 if computed else x
    y.register_hook(lambda g: kept)
    (y * 2).sum().backward()
    x.grad.zero_()
    assert kept.tolist() == [1.0, 1.0]
