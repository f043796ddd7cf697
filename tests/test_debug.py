"""mg.debug: the first NaN or Inf stops the run where it is born; saved arrays cannot be written; off costs nothing."""
from __future__ import annotations

import gc

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.backward import tape

from .texts import expect, message, numbered

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def test_the_first_inf_in_forward_stops_with_its_operand():
    """Without it the loss says NaN, a thousand operations later."""
    p = mg.tensor([1.0, 0.0], requires_grad=True)

    def forward():
        with mg.debug(nan=True):
            return mg.log(p).sum()
    assert message(mg.NonFiniteError, forward) == expect("""
        log made Inf in 1 of 2 entries, the first at (1,).
          made at  : test_debug.py:N   return mg.log(p).sum()
          operand 1: (2,), 0 there, from test_debug.py:N   p = mg.tensor([1.0, 0.0], requires_grad=True)
          likely   : the logarithm of 0 or of a negative number
          fix      : log_softmax instead of log(softmax(x)); or x.clip(min=1e-12)""")


def test_the_first_nan_in_backward_stops_with_node_formula_and_operand():
    """The forward pass is finite; the slope of the root at 0 is not."""
    p = mg.tensor([0.0, 1.0], requires_grad=True)

    def step():
        with mg.debug(nan=True):
            root = mg.sqrt(p)
            mg.where(p > 0, root, 0.0).sum().backward()
    assert message(mg.NonFiniteError, step) == expect("""
        the gradient of sqrt is NaN in 1 of 2 entries, the first at (0,).
          node    : sqrt -> (2,)
          made at : test_debug.py:N   root = mg.sqrt(p)
          operand : 1, (2,), 0 there
          incoming: 0 there
          formula : y = sqrt a;  da = g / (2 y)
          likely  : the root of a negative number; or, in backward, of 0, where its slope is infinite
          fix     : sqrt(x + 1e-12) keeps away from 0""")


def test_a_nan_in_the_data_is_told_from_one_that_was_made():
    """The operand brought it: look at the file, not at the operation."""
    x = mg.tensor([np.nan, 1.0])

    def forward():
        with mg.debug():
            return x * 2
    assert message(mg.NonFiniteError, forward) == expect("""
        mul made NaN in 1 of 2 entries, the first at (0,).
          made at  : test_debug.py:N   return x * 2
          operand 1: (2,), nan there, already NaN in 1 of 2 entries, from test_debug.py:N   x = mg.tensor([np.nan, 1.0])
          likely   : operand 1 brought it: it was not made here
          fix      : look at the data, or at where it was made""")


def test_a_seed_or_hook_that_brings_nan_is_named():
    """What backward was given is not the fault of any node."""
    x = mg.ones(2, requires_grad=True)
    y = x * 2

    def backward():
        with mg.debug():
            y.backward(mg.tensor([np.nan, 1.0]))
    assert "likely : the gradient= of backward(), or a hook, brought it" in message(mg.NonFiniteError, backward)


def test_a_mask_of_minus_infinity_is_no_accident(device):
    """Attention masks its scores with -Inf; softmax makes zeros of them, and so does a row of nothing else."""
    scores = mg.ones(2, 3, requires_grad=True, device=device)
    hidden = mg.tensor([[False, False, True], [True, True, True]], device=device)
    with mg.debug(nan=True):
        mg.softmax(mg.where(hidden, float("-inf"), scores), -1).sum().backward()
        mg.logsumexp(mg.where(hidden, float("-inf"), scores)[:1], -1).sum().backward()
    assert np.isfinite(scores.grad.cpu().numpy()).all()


def test_a_healthy_step_gives_the_same_gradients_under_debug(device):
    """Watching must not change what is watched."""
    def run():
        mg.manual_seed(1)
        layer = nn.Linear(3, 2).to(device)
        loss = (mg.tanh(layer(mg.ones(4, 3, device=device))) ** 2).sum()
        loss.backward()
        return [p.grad.tolist() for p in layer.parameters()]
    plain = run()
    with mg.debug(nan=True, readonly=True, trace=True):
        assert run() == plain


def test_numpy_cannot_write_what_a_live_graph_saved():
    """The version counter sees writes by minigrad; NumPy writes past it."""
    x, c = mg.ones(3, requires_grad=True), mg.ones(3)

    def step():
        with mg.debug(readonly=True):
            y = x * c
            c.data[0] = 5
            y.sum().backward()
    assert message(mg.InplaceError, step) == expect("""
        NumPy (perhaps through c) would overwrite a value that a live graph needs.
          written: at test_debug.py:N   c.data[0] = 5
          node   : mul -> (3,)
          made at: test_debug.py:N   y = x * c
          fix    : write after backward(), or into a copy: y = x.clone()""")
    c.data[0] = 5
    assert c.data.flags.writeable                      # the context was left: everything is unlocked


def test_a_write_by_minigrad_is_refused_where_it_happens():
    """Without the lock the error comes at backward, which names the line too; with it the traceback points there."""
    x, c = mg.ones(3, requires_grad=True), mg.ones(3)

    def step():
        with mg.debug(readonly=True):
            y = x * c
            c[0] = 5
            return y
    assert message(mg.InplaceError, step) == expect("""
        item assignment would overwrite a value (3,) that a live graph needs.
          written: at test_debug.py:N   c[0] = 5
          node   : mul -> (3,)
          made at: test_debug.py:N   y = x * c
          fix    : write after backward(), or into a copy: y = x.clone()""")


def test_backward_unlocks_and_so_does_dropping_the_graph():
    """The optimiser writes after backward; evaluation drops graphs without one. No collector is needed."""
    x, c = mg.ones(3, requires_grad=True), mg.ones(3)
    gc.disable()
    try:
        with mg.debug(readonly=True):
            y = (x * c).sum()
            assert not c.data.flags.writeable
            y.backward()
            c[0] = 5
            z = (x * c).sum()
            assert not c.data.flags.writeable
            del z
            c[0] = 6
            kept = x * c
            (kept * 2).sum().backward(retain_graph=True)
            assert not c.data.flags.writeable          # retained: it may be needed again
    finally:
        gc.enable()


def test_training_steps_run_under_readonly():
    """A debugger that forbids right programs is switched off and forgotten."""
    layer = nn.Linear(3, 2)
    optimiser = mg.optim.Adam(layer.parameters(), lr=0.1)
    with mg.debug(nan=True, readonly=True, trace=True):
        for _ in range(3):
            optimiser.zero_grad()
            (layer(mg.ones(4, 3)) ** 2).mean().backward()
            optimiser.step()


def test_a_trace_is_one_line_a_primitive_and_says_what_was_not_recorded():
    """Reading a run: what was called, on what shapes, where."""
    x = mg.ones(2, requires_grad=True)
    with mg.debug(trace=True) as record:
        y = x * 2
        with mg.no_grad():
            z = y + 1
    assert numbered(record) == ("    0 mul        (2,) -> (2,)  test_debug.py:N   y = x * 2\n"
                                "    1 add        (2,) -> (2,)  test_debug.py:N   z = y + 1  (not recorded)")
    assert not z.requires_grad


def test_debug_ends_with_its_block_also_after_an_error():
    """The tape's watch is None again: off costs one comparison."""
    with pytest.raises(KeyError), mg.debug(nan=True, readonly=True):
        raise KeyError
    assert tape._watch is None
    assert mg.log(mg.zeros(1)).item() == -np.inf


def test_blocks_of_debug_nest():
    """An inner block adds its switches to the outer one's."""
    p = mg.zeros(1, requires_grad=True)
    with mg.debug(nan=True), mg.debug(nan=False, trace=True) as record, pytest.raises(mg.NonFiniteError):
        mg.log(p)
    assert record.steps == [] or record.steps[0].op == "log"
