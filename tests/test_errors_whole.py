"""The whole text of every loud trap: what happened, with shapes and dtypes, where it was made, the cause, the fix."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F
from minigrad.ops import primitive

from .texts import expect, message


def test_backward_of_an_untracked_value():
    """Nothing required a gradient, or no_grad() was forgotten."""
    loss = mg.ones(())
    assert message(mg.GradError, loss.backward) == expect("""
        there is no gradient of this () tensor: it is not tracked.
          made at: test_errors_whole.py:N   loss = mg.ones(())
          likely : no input has requires_grad=True, or it was computed under no_grad() or after detach()""")


def test_backward_with_a_gradient_of_another_shape():
    """It would be stretched."""
    y = mg.ones(3, requires_grad=True) * 2
    assert message(mg.ShapeError, lambda: y.backward(mg.ones(2))) == expect("""
        gradient= is float32 (2,) for a tensor of float32 (3,).
          made at: test_errors_whole.py:N   y = mg.ones(3, requires_grad=True) * 2""")


def test_a_gradient_for_integers():
    """A token id has no derivative."""
    def make():
        return mg.tensor([1, 2], requires_grad=True)
    assert message(mg.DTypeError, make) == expect("""
        only float tensors have gradients, and this one is int64 (2,).
          made at: test_errors_whole.py:N   return mg.tensor([1, 2], requires_grad=True)
          fix    : cast it: x.to(mg.float32)""")


def test_an_id_outside_of_the_table(device):
    """CuPy takes the remainder in silence."""
    table = mg.zeros(5, 2, device=device)
    assert message(mg.IndexRangeError, lambda: table[[7]]) == expect("""
        index 7 is outside of axis 0 of (5, 2): 0 ... 4.
          made at: test_errors_whole.py:N   assert message(mg.IndexRangeError, lambda: table[[7]]) == expect(\"\"\"
          table  : test_errors_whole.py:N   table = mg.zeros(5, 2, device=device)
          likely : a token id at or above the vocabulary's size, or an unknown word
          fix    : map unknown words to an id of their own, or enlarge the table""")


def test_a_mean_of_nothing():
    """NumPy warns and gives NaN."""
    x = mg.zeros(0, 3)
    assert message(mg.ShapeError, lambda: x.mean(0)) == expect("""
        there is no mean of no values: shape (0, 3), dim 0.
          made at: test_errors_whole.py:N   assert message(mg.ShapeError, lambda: x.mean(0)) == expect(\"\"\"
          likely : an empty batch, or a mask that keeps nothing""")


def test_two_devices_in_one_operation():
    """A copy at every step, if it were done in silence."""
    a, b = mg.ones(2), mg.ones(2, device="strict")

    def add():
        return a + b
    assert message(mg.DeviceError, add) == expect("""
        add joins values on cpu and strict.
          operand 1: (2,) from test_errors_whole.py:N   a, b = mg.ones(2), mg.ones(2, device="strict")
          operand 2: (2,) from test_errors_whole.py:N   a, b = mg.ones(2), mg.ones(2, device="strict")
          made at  : test_errors_whole.py:N   return a + b
          fix      : move one: x.to('cuda'), mg.tensor(array, device=...)""")


def test_a_device_that_is_not_there():
    """A typing error, and a machine without a GPU."""
    assert message(mg.DeviceError, lambda: mg.ones(2, device="gpu")) == expect("""
        there is no device 'gpu'.
          fix: use 'cpu', 'cuda', or 'strict' for tests""")


def test_numpy_of_a_device_tensor():
    """np.asarray would hide a copy and a wait."""
    x = mg.ones(2, device="strict")
    assert message(mg.DeviceError, lambda: np.asarray(x)) == expect("""
        NumPy cannot see a tensor on 'strict'.
          made at: test_errors_whole.py:N   x = mg.ones(2, device="strict")
          fix    : x.detach().cpu().numpy(), which copies""")


def test_numpy_of_a_tracked_tensor():
    """What NumPy computes is not recorded."""
    x = mg.ones(2, requires_grad=True)
    assert message(mg.GradError, x.numpy) == expect("""
        numpy() on a tensor that requires a gradient: NumPy would not record it.
          made at: test_errors_whole.py:N   x = mg.ones(2, requires_grad=True)
          fix    : x.detach().numpy()""")


def test_a_write_into_a_tracked_tensor():
    """The tape cannot record it."""
    x = mg.ones(2, requires_grad=True)
    assert message(mg.InplaceError, lambda: x.add_(1)) == expect("""
        add_ on a tensor that requires a gradient cannot be recorded.
          made at: test_errors_whole.py:N   x = mg.ones(2, requires_grad=True)
          fix    : compute a new tensor (mg.where, mg.concat), or write under mg.no_grad()""")


def test_an_output_that_a_gradient_needs_and_that_only_a_nested_function_holds():
    """The base's power is needed by the exponent's gradient, in a function inside the vjp: it must be looked into."""
    b = mg.tensor([2.0, 3.0], requires_grad=True)
    y = mg.tensor([2.0, 2.0]) ** b
    loss = y.sum()
    with mg.no_grad():
        y.mul_(10)
    assert message(mg.InplaceError, loss.backward) == expect("""
        a value (2,) that the gradient of pow needs was overwritten.
          node   : pow -> (2,)
          made at: test_errors_whole.py:N   y = mg.tensor([2.0, 2.0]) ** b
          written: at test_errors_whole.py:N   y.mul_(10)
          fix    : write after backward(), or into a copy: y = x.clone()""")


def test_a_hook_that_returns_another_shape():
    """A gradient has its tensor's shape."""
    x = mg.ones(2, requires_grad=True)
    y = x * 1
    y.register_hook(lambda g: mg.ones(3, 5))
    assert message(mg.ShapeError, (y * 2).sum().backward) == expect("""
        a hook returned float32 (3, 5) for a gradient of float32 (2,).
          hook: test_errors_whole.py:N   y.register_hook(lambda g: mg.ones(3, 5))""")


def test_a_vjp_that_returns_another_shape():
    """A gradient has its tensor's shape."""
    @primitive
    def wrong(xp, a):
        """y = a;  da = g twice"""
        return a + 0, lambda g: (xp.concatenate([g, g]),)

    x = mg.ones(2, requires_grad=True)
    assert message(mg.ShapeError, wrong(x).sum().backward) == expect("""
        a gradient of shape (4,) reached a value of shape (2,).
          made at: test_errors_whole.py:N   x = mg.ones(2, requires_grad=True)
          likely : a hand-written vjp returned the wrong shape""")


def test_a_primitive_without_a_gradient_of_one_argument():
    """The gradient of a bound would be lost."""
    x, low = mg.ones(2, requires_grad=True), mg.zeros(2, requires_grad=True)
    y = mg.clip(x, low)
    assert message(mg.GradError, y.sum().backward) == expect("""
        clip has no gradient of its argument 2, which requires one.
          made at: test_errors_whole.py:N   y = mg.clip(x, low)
          fix    : a number, or x.detach(); for clip's bounds mg.maximum and mg.minimum""")


def test_a_vjp_that_widens_the_gradient():
    """A gradient has its tensor's dtype by assertion."""
    @primitive
    def wide(xp, a):
        """y = a;  da = g, in float64"""
        return xp.copy(a), lambda g: (g.astype("float64"),)
    x = mg.ones(2, requires_grad=True)
    assert message(mg.DTypeError, wide(x).sum().backward).startswith(
        "a gradient of float64 reached a value of float32 (2,).\n  made at: test_errors_whole.py:N   x = mg.ones(2")


def test_a_hook_on_a_tensor_without_a_gradient():
    """It would never be called."""
    x = mg.ones(2)
    assert message(mg.GradError, lambda: x.register_hook(print)) == expect("""
        register_hook() on a tensor without a gradient.
          made at: test_errors_whole.py:N   x = mg.ones(2)""")


def test_a_leaf_asked_of_a_computed_tensor():
    """requires_grad_() cannot cut history."""
    y = mg.ones(2, requires_grad=True) * 2
    assert message(mg.GradError, y.requires_grad_) == expect("""
        requires_grad_() is for leaves, and this tensor was computed.
          made at: test_errors_whole.py:N   y = mg.ones(2, requires_grad=True) * 2
          fix    : x = x.detach() makes a leaf""")


def test_a_gradient_of_something_outside_of_the_graph():
    """None would go unnoticed into an update."""
    x, y = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    assert message(mg.GradError, lambda: mg.grad(x.sum(), y)) == expect("""
        input 0 (2,) is not part of the graph.
          made at: test_errors_whole.py:N   x, y = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
          likely : it was detached, or replaced by another tensor
          fix    : pass allow_unused=True to get None""")


def test_an_item_of_several_values():
    """Which one?"""
    assert message(mg.ShapeError, mg.ones(2).item) == expect("""
        item() needs one value, and there are 2.
          fix: reduce first: x.sum() or x.mean()""")


def test_a_loss_of_unlike_shapes():
    """(32, 1) against (32,) compares each with each; PyTorch warns, and students do not read warnings."""
    x, y = mg.ones(4, 1), mg.ones(4)
    text = message(mg.ShapeError, lambda: F.mse_loss(x, y))
    assert text.startswith("mse_loss compares (4, 1) with (4,).") and "fix" in text and "x, y = mg.ones(4, 1)" in text


def test_a_state_of_another_size():
    """Which key, and both shapes."""
    saved = nn.Linear(3, 2).state_dict()
    assert message(mg.StateError, lambda: nn.Linear(4, 2).load_state_dict(saved)) == expect("""
        the state does not fit Linear.
          shapes: weight: (2, 3) in the file, (2, 4) in the model
          fix   : build the model with the sizes that it was saved with""")


def test_a_message_is_at_most_eight_lines_long():
    """STYLE: what, where made, likely, fix; nobody reads a page."""
    with pytest.raises(mg.ShapeError) as caught:
        mg.zeros(2, 3) @ mg.zeros(2, 3)
    assert len(str(caught.value).split("\n")) <= 8
