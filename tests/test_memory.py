"""The memory of a graph: which line holds it, how much 1,000 steps may hold, and what recomputing saves."""
from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

from .texts import expect, message, numbered

STEPS, BATCH, WIDTH = 1000, 8, 64
STATE = BATCH * WIDTH * 4                              # bytes of one hidden state


def peak(run: Callable[[], object]) -> tuple[int, int]:
    """Bytes that run() held at most, and that it added for good, with the cyclic collector off.

    It ran once before: the interpreter keeps some freed tuples and functions for the next call.
    """
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        run()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        run()
        held, top = (n - before for n in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
        gc.enable()
    return top, held


def unrolled(w: mg.Tensor, block: int | None = None) -> Callable[[], object]:
    """A 1,000-step RNN and its backward; in checkpointed blocks, if asked."""
    def some(h: mg.Tensor, steps: int) -> mg.Tensor:
        for _ in range(steps):
            h = mg.tanh(h @ w)
        return h

    def run() -> None:
        w.grad = None
        h = mg.ones(BATCH, WIDTH)
        if block is None:
            h = some(h, STEPS)
        else:
            for _ in range(STEPS // block):
                h = mg.checkpoint(some, h, block)
        (h * h).sum().backward()
    return run


@pytest.fixture
def weight() -> mg.Tensor:
    return mg.tensor(np.eye(WIDTH, dtype="f4"), requires_grad=True)


def test_1000_unrolled_steps_hold_one_state_a_step_and_nothing_afterwards(weight):
    """tanh saves its output; matmul saves its input, which is the same state; the product itself is needed by nobody.

    Two nodes are 2 kB. A tape that keeps outputs holds two states a step, one that waits for the collector all of it.
    """
    top, held = peak(unrolled(weight))
    assert top < STEPS * (STATE + 2500)
    assert held < 10_000


def test_checkpoints_of_40_steps_lower_the_peak_to_a_sixth(weight):
    """Chen et al.: 25 kept states and one block of 40 steps, instead of 1,000."""
    plain, _ = peak(unrolled(weight))
    want = weight.grad.numpy().copy()
    recomputed, _ = peak(unrolled(weight, 40))
    assert recomputed < plain / 6
    mg.compare(weight.grad, want, rtol=1e-5)


def test_the_ledger_says_which_line_holds_how_many_bytes():
    """Where the memory of a training step is, sorted: the whole table."""
    x, w = mg.ones(100, 50), mg.ones(50, 20, requires_grad=True)
    h = mg.tanh(x @ w)
    loss = (h * h).sum()
    assert numbered(mg.memory_ledger(loss)) == expect("""
        28,000 bytes saved by 4 nodes; leaves hold 4,000 more
         bytes  nodes  operations    line
        28,000      2  matmul, tanh  test_memory.py:N   h = mg.tanh(x @ w)""")


def test_the_ledger_counts_an_array_once_however_many_nodes_saved_it(device):
    """h h h h saves h four times over, and holds it once."""
    x = mg.ones(100, requires_grad=True, device=device)
    h = x * 2
    ledger = mg.memory_ledger(h * h + h * h)
    assert ledger.total == 400 and ledger.leaves == 400
    view = h.reshape(10, 10)[:1]
    assert mg.memory_ledger(view * view).total == 400  # a view keeps the whole array


def test_the_ledger_equals_what_tracemalloc_sees():
    """The table must not be a story: bytes that the graph's end gives back."""
    w = mg.ones(64, 64, requires_grad=True)
    h = mg.ones(512, 64)
    tracemalloc.start()
    for _ in range(20):
        h = mg.sigmoid(h @ w) * 0.5
    total = mg.memory_ledger(h).total
    before, _ = tracemalloc.get_traced_memory()
    del h
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == pytest.approx(before - after, rel=0.05)


def test_the_ledger_is_empty_after_backward_and_refuses_a_tensor_without_graph():
    """Freed means freed; and a leaf has no ledger."""
    x = mg.ones(100, requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    assert mg.memory_ledger(loss).total == 0
    assert message(mg.GradError, lambda: mg.memory_ledger(x)) == expect("""
        memory_ledger() of a tensor that has no graph.
          made at: test_memory.py:N   x = mg.ones(100, requires_grad=True)
          likely : it is a leaf, or was computed under no_grad(), or from nothing tracked""")


def test_the_ledger_sees_a_fused_sequence():
    """Its arrays lie in a workspace, not in a closure cell."""
    rnn = nn.RNN(8, 16)
    y, _ = rnn(mg.ones(30, 4, 8))
    assert mg.memory_ledger(y.sum()).total > 30 * 4 * 16 * 4


# ---------------------------------------------------------------------------------------------- recomputing

def gradients(run: Callable[[], mg.Tensor], leaves: list[mg.Tensor]) -> list[np.ndarray]:
    for x in leaves:
        x.grad = None
    run().backward()
    return [x.grad.cpu().numpy().copy() for x in leaves]


def same(plain, checked, leaves) -> None:
    for a, b in zip(gradients(plain, leaves), gradients(checked, leaves), strict=True):
        mg.compare(b, a, rtol=1e-12)


@pytest.fixture
def parts(device, rng) -> tuple[mg.Tensor, mg.Tensor]:
    return tuple(mg.tensor(rng.standard_normal((3, 3)), requires_grad=True, device=device) for _ in range(2))


def test_arguments_and_parameters_of_a_checkpoint_get_their_gradients(parts):
    """The parameter is not an argument: it is found in the function's work."""
    x, w = parts

    def f(h):
        return mg.tanh(h @ w)
    same(lambda: f(f(x)).sum(), lambda: mg.checkpoint(f, mg.checkpoint(f, x)).sum(), [x, w])


def test_checkpoints_nest(parts):
    """The recomputed block makes its own checkpoints."""
    x, w = parts

    def inner(h):
        return mg.sigmoid(h @ w)

    def plain(h):
        return inner(inner(h)) * h

    def outer(h):
        return mg.checkpoint(inner, mg.checkpoint(inner, h)) * h
    same(lambda: plain(plain(x)).sum(), lambda: mg.checkpoint(outer, mg.checkpoint(outer, x)).sum(), [x, w])


def test_several_outputs_nested_states_and_plain_arguments_pass_through(parts):
    """An LSTM's step: a state of two, an option, two outputs of which one is not used."""
    x, w = parts

    def step(state, scale, words=None):
        h, c = state["h"], state["c"]
        c = c * scale + mg.tanh(h @ w)
        return mg.sigmoid(c), c, h * 2

    def run(call):
        h, c, _ = call(step, {"h": x, "c": x * 0.5}, 0.9)
        return (h * c).sum()
    same(lambda: run(lambda f, *a: f(*a)), lambda: run(mg.checkpoint), [x, w])


def test_a_computed_value_from_around_the_function_gets_its_gradient_once(parts):
    """The walk inside must stop at it: the outer graph is walked by the outer backward."""
    x, w = parts

    def run(call):
        outside = mg.tanh(x @ w)
        y = call(lambda h: h * outside + outside, x * 2)
        return (y * outside).sum()
    same(lambda: run(lambda f, *a: f(*a)), lambda: run(mg.checkpoint), [x, w])


def test_hooks_of_a_parameter_run_once(parts):
    """Inside the recomputation the parameter is a leaf for a while; its hooks belong to the outer walk."""
    x, w = parts
    seen = []
    w.register_hook(lambda g: seen.append(1))
    mg.checkpoint(lambda h: h @ w, x).sum().backward()
    assert len(seen) == 1


def test_random_numbers_are_drawn_again_alike_and_the_stream_goes_on(parts):
    """Dropout: another mask in backward would be the gradient of another function."""
    x, _ = parts

    def f(h):
        return h * mg.tensor(mg.generator().random(h.shape), device=h.device)
    mg.manual_seed(3)
    want = gradients(lambda: f(x).sum(), [x])[0]
    after = mg.generator().random()
    mg.manual_seed(3)
    mg.compare(gradients(lambda: mg.checkpoint(f, x).sum(), [x])[0], want)
    assert mg.generator().random() == after


def test_under_no_grad_a_checkpoint_is_a_plain_call(parts):
    """Evaluation pays nothing."""
    x, w = parts
    with mg.no_grad():
        assert not mg.checkpoint(lambda h: h @ w, x).requires_grad


def test_a_checkpoint_frees_its_output_with_the_last_name():
    """A node that held its own output would be a cycle, or keep what it should recompute."""
    x = mg.ones(250_000, requires_grad=True)
    tracemalloc.start()
    loss = mg.checkpoint(lambda h: mg.tanh(h) * 2, x).sum()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 100_000 and loss.requires_grad


def test_second_order_through_a_checkpoint_is_refused():
    """Its vjp works on arrays: a silent zero would be worse."""
    x = mg.ones(3, requires_grad=True)
    y = mg.checkpoint(lambda h: h * h, x).sum()
    assert message(mg.GradError, lambda: mg.grad(y, x, create_graph=True)) == expect("""
        checkpoint has no second-order gradient.
          made at: test_memory.py:N   y = mg.checkpoint(lambda h: h * h, x).sum()
          fix    : for create_graph=True use the readable form: fused=False, no mg.checkpoint""")


def test_an_input_that_was_overwritten_before_backward_is_refused(parts):
    """Recomputing from other values gives the gradient of another function."""
    x, w = parts
    y = mg.checkpoint(lambda h: h @ w, x).sum()
    with mg.no_grad():
        w.mul_(2)
    with pytest.raises(mg.InplaceError, match="checkpoint"):
        y.backward()


def test_a_function_that_returns_no_tensor_is_refused():
    """A dict of tensors would have no gradient."""
    x = mg.ones(3, requires_grad=True)
    assert message(mg.GradError, lambda: mg.checkpoint(lambda h: {"h": h}, x)) == (
        "checkpoint() takes a function that returns a Tensor or a tuple of them, and it returned dict.")
