"""What a student reads when something goes wrong: each error's whole text, with the line that made the value."""
from __future__ import annotations

import inspect
import re
import textwrap

import numpy as np
import pytest

import minigrad as mg


def message(error: type[Exception], action) -> str:
    """The text of the error, with line numbers of this file replaced by N."""
    with pytest.raises(error) as caught:
        action()
    return re.sub(r"test_errors\.py:\d+", "test_errors.py:N", str(caught.value))


def expect(text: str) -> str:
    return textwrap.dedent(inspect.cleandoc(text)).rstrip()


def test_a_product_of_unlike_shapes_names_both_sides_and_their_lines():
    """The error that students meet first."""
    a = mg.zeros(32, 20)
    b = mg.zeros(10, 64)
    assert message(mg.ShapeError, lambda: a @ b) == expect("""
        matmul cannot join (32, 20) and (10, 64): 20 columns meet 10 rows.
          made at  : test_errors.py:N   assert message(mg.ShapeError, lambda: a @ b) == expect(\"\"\"
          operand 1: (32, 20) from test_errors.py:N   a = mg.zeros(32, 20)
          operand 2: (10, 64) from test_errors.py:N   b = mg.zeros(10, 64)
          fix      : the right side should be (20, n); or transpose one of them with .T""")


@pytest.mark.parametrize("function", [np.sum, np.mean, np.std])
def test_a_function_of_numpys_names_the_line_that_called_it_and_the_tensors_own(function):
    """Who ports a NumPy program meets this; the line once stood in NumPy's own file."""
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    told = message(mg.DTypeError, lambda: function(x))
    name = function.__name__
    assert "made at  : test_errors.py:N" in told and "fromnumeric" not in told
    fix = f"x.{name}() takes no out and no dtype, which np.{name}(x) asks for: call the tensor's own, then .to()"
    assert f"fix      : {fix}" in told
    assert fix in message(mg.DTypeError, lambda: getattr(x, name)(dtype=np.float64))


def test_shapes_that_do_not_broadcast_say_how_axes_are_lined_up():
    """(3, 4) + (3,) is the classic."""
    a, b = mg.zeros(3, 4), mg.zeros(3)
    assert message(mg.ShapeError, lambda: a + b) == expect("""
        add cannot join (3, 4) and (3,).
          made at  : test_errors.py:N   assert message(mg.ShapeError, lambda: a + b) == expect(\"\"\"
          operand 1: (3, 4) from test_errors.py:N   a, b = mg.zeros(3, 4), mg.zeros(3)
          operand 2: (3,) from test_errors.py:N   a, b = mg.zeros(3, 4), mg.zeros(3)
          fix      : axes are lined up from the right; each pair must be equal, or one of them 1""")


def test_a_second_backward_says_which_line_and_how_to_detach():
    """The state of the previous batch, carried without detach: the commonest error with RNNs."""
    W = mg.ones(2, 2, requires_grad=True)
    h = mg.ones(1, 2) @ W
    h.sum().backward()

    def second():
        (h @ W).sum().backward()
    assert message(mg.GraphFreedError, second) == expect("""
        backward() reached a node whose saved values were already freed.
          node   : matmul -> (1, 2)
          made at: test_errors.py:N   h = mg.ones(1, 2) @ W
          freed  : by test_errors.py:N   h.sum().backward(), 1 backward ago
          likely : the hidden state of the previous batch is still attached, or backward() ran twice
          fix    : h = mg.detach(h) before the next batch; or backward(retain_graph=True)""")


def test_a_saved_value_that_was_overwritten_is_named():
    """Without this check the gradient is silently wrong."""
    x, c = mg.ones(3, requires_grad=True), mg.ones(3)
    loss = (x * c).sum()
    c[0] = 5
    assert message(mg.InplaceError, loss.backward) == expect("""
        a value (3,) that the gradient of mul needs was overwritten.
          node   : mul -> (3,)
          made at: test_errors.py:N   loss = (x * c).sum()
          written: at test_errors.py:N   c[0] = 5
          fix    : write after backward(), or into a copy: y = x.clone()""")


def test_writing_a_value_that_no_gradient_needs_is_allowed(device):
    """add saves nothing: a counter alone would refuse what is right."""
    x, c = mg.ones(3, requires_grad=True, device=device), mg.ones(3, device=device)
    loss = (x + c).sum()
    c[0] = 5
    loss.backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_a_write_through_a_view_is_seen(device):
    """A row of a batch shares its memory."""
    x, c = mg.ones(2, requires_grad=True, device=device), mg.ones(3, 2, device=device)
    loss = (x * c).sum()
    c[1].mul_(3)
    with pytest.raises(mg.InplaceError):
        loss.backward()


def test_writing_into_a_tracked_tensor_is_refused():
    """The tape cannot record it; under no_grad it is what optimisers do."""
    x = mg.ones(2, requires_grad=True)
    text = message(mg.InplaceError, lambda: x.add_(1))
    assert text.startswith("add_ on a tensor that requires a gradient cannot be recorded.") and "no_grad" in text
    with mg.no_grad():
        assert x.add_(1).tolist() == [2, 2]


def test_float32_with_float64_says_how_to_cast():
    """Widening in silence doubles memory and hides where it began."""
    a = mg.ones(2)
    assert message(mg.DTypeError, lambda: a * np.ones(2)) == expect("""
        mul mixes float32 (2,) and float64 (2,).
          made at  : test_errors.py:N   assert message(mg.DTypeError, lambda: a * np.ones(2)) == expect(\"\"\"
          operand 1: (2,) from test_errors.py:N   a = mg.ones(2)
          fix      : cast one of them: x.to(mg.float32), or array.astype('float32')""")


def test_backward_of_many_values_says_to_reduce():
    """Peers sum in silence."""
    x = mg.ones(3, requires_grad=True)
    y = x * 2
    assert message(mg.GradError, y.backward) == expect("""
        backward() needs a single value, and this tensor is (3,).
          made at: test_errors.py:N   y = x * 2
          fix    : loss.mean().backward() or loss.sum().backward(), or pass gradient= of the same shape""")


def test_backward_of_an_untracked_value_says_why():
    """Forgotten requires_grad, no_grad or detach."""
    assert "it is not tracked" in message(mg.GradError, mg.ones(()).backward)


def test_integers_refuse_a_gradient():
    """A token id has no derivative."""
    assert "only float tensors have gradients" in message(
        mg.DTypeError, lambda: mg.tensor([1, 2], requires_grad=True))


def test_an_id_outside_of_the_table_is_named(device):
    """CuPy takes the remainder in silence: a wrong word instead of an error."""
    table = mg.zeros(5, 2, device=device)
    for ids in ([7], np.array([0, -6]), mg.tensor([1, 5], device=device)):
        assert "is outside of axis 0 of (5, 2): 0 ... 4" in message(mg.IndexRangeError, lambda ids=ids: table[ids])


def test_two_devices_in_one_operation_are_named():
    """Moving one of them by hand is right; moving it in silence costs a copy at every step."""
    a, b = mg.ones(2), mg.ones(2, device="strict")
    assert message(mg.DeviceError, lambda: a + b).startswith("add joins values on cpu and strict.")
    text = message(mg.DeviceError, lambda: b + np.ones(2, np.float32))
    assert text.startswith("add joins values on strict and NumPy.")


def test_numpy_cannot_see_a_tensor_on_a_device():
    """np.asarray would hide a copy and a wait."""
    assert "which copies" in message(mg.DeviceError, lambda: np.asarray(mg.ones(2, device="strict")))


def test_numpy_of_a_tracked_tensor_says_detach():
    """What NumPy computes is not recorded."""
    assert "x.detach().numpy()" in message(mg.GradError, mg.ones(2, requires_grad=True).numpy)


def test_a_hook_of_the_wrong_shape_is_refused():
    """A gradient has its tensor's shape; broadcasting it would hide the slip."""
    x = mg.ones(2, requires_grad=True)
    y = x * 1
    y.register_hook(lambda g: mg.ones(3, 5))
    with pytest.raises(mg.ShapeError, match="gradient"):
        (y * 2).sum().backward()


def test_grad_of_something_outside_of_the_graph_is_refused():
    """None would go unnoticed into an update."""
    x, y = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    assert "is not part of the graph" in message(mg.GradError, lambda: mg.grad(x.sum(), y))
    assert mg.grad(x.sum(), y, allow_unused=True) == (None,)


def test_a_write_into_one_of_several_outputs_is_seen(device):
    """A node with many outputs (unbind, a whole sequence) may have saved any of them."""
    from minigrad.tensor import primitive

    @primitive
    def exp_pair(xp, a):
        """y = (e^a, e^2a);  da = g_1 y_1 + 2 g_2 y_2"""
        y = xp.exp(a)
        z = y * y
        return (y, z), lambda gs: (gs[0] * y + gs[1] * z * 2,)
    y, z = exp_pair(mg.ones(2, requires_grad=True, device=device))
    with mg.no_grad():
        z.mul_(0)
    with pytest.raises(mg.InplaceError, match="exp_pair"):
        (y + z).sum().backward()
