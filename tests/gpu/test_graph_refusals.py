"""What `mg.graph` refuses on "strict", in the step and between calls: each with its line and its cure."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.tensor import Tensor

from .test_graph import momentum, upload

w = np.ones(2, np.float32)

# name -> (what the step does with x of two numbers, what the message says)
IN_A_STEP: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "item": (lambda x: x.sum().item(), r"item\(\) waits for the device"),
    "float": (lambda x: float(x.sum()), "waits for the device"),
    "if": (lambda x: 1 if x.sum() > 0 else 0, "waits for the device"),
    "print": (lambda x: str(x), r"get\(\) waits for the device"),
    "tolist": (lambda x: x.tolist(), r"tolist\(\) waits for the device"),
    "a move to the host": (lambda x: x.cpu(), "waits for the device"),
    "a mask": (lambda x: x[x > 0], "by a mask waits for the device"),
    "an upload": (lambda x: x * mg.tensor(w, device="strict"), "copies host memory to the device"),
    "a list of ids": (lambda x: x[[0, 1]], "copies host memory to the device"),
    "a draw": (lambda x: x * mg.randn(2, device="strict"), "the host generator is used"),
    "a product by CuPy": (lambda x: x.data @ x.data, "by CuPy's own binding of cuBLAS"),
    "an einsum by CuPy": (lambda x: x.device.xp.einsum("i,i->", x.data, x.data), "by CuPy's own binding"),
    "a graph": (lambda x: mg.graph(lambda y: y * 2)(x), "a graph was called inside a step"),
}


@pytest.mark.parametrize("name", IN_A_STEP)
def test_what_a_gpu_cannot_capture_is_refused_and_the_line_is_named(name):
    """Warm-up calls may do it; the generator works again afterwards, and so does the next graph."""
    action, text = IN_A_STEP[name]

    def step(x: Tensor) -> Tensor:
        action(x)
        return x * 2
    fast = mg.graph(step)
    x = mg.ones(2, device="strict")
    fast(x), fast(x)
    with pytest.raises(mg.GraphError, match=text) as caught:
        fast(x)
    assert "test_graph_refusals.py" in str(caught.value) and "\n  fix" in str(caught.value)
    mg.generator().random()
    assert mg.graph.capturing() is None and mg.graph(lambda y: y * 2)(x).tolist() == [2.0, 2.0]


def test_an_array_of_the_host_is_refused_by_the_tape_at_the_first_call():
    """As in every step on a device."""
    with pytest.raises(mg.DeviceError, match="mul joins values on strict and NumPy"):
        mg.graph(lambda x: x * w)(mg.ones(2, device="strict"))


def call_thrice(step: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """Two warm-up calls and the capture."""
    fast = mg.graph(step, **options)
    for _ in range(3):
        fast(*inputs)
    return fast


@pytest.mark.parametrize("in_memory", [False, True], ids=["never zeroed", "zeroed in place"])
def test_gradients_that_the_call_before_left_are_refused(in_memory):
    """A plain step would add up for ever; a replay adds to the sum of the warm-up calls."""
    p = mg.ones(2, device="strict", requires_grad=True)

    def step(x: Tensor) -> Tensor:
        if in_memory and p.grad is not None:
            p.grad.zero_()
        loss = (p * x).sum()
        loss.backward()
        return loss
    with pytest.raises(mg.GraphError) as caught:
        call_thrice(step, mg.ones(2, device="strict"))
    text = str(caught.value)
    assert text.startswith("the step adds to a (2,) gradient that the call before left.\n"
                           "  parameter: test_graph_refusals.py:")
    assert text.endswith("fix      : call zero_grad() inside the step, before backward()")


def test_zero_grad_outside_of_the_step_must_be_called_at_each_step():
    """At the capture there were no gradients; a replay would not see that there are some now."""
    net = nn.Linear(2, 1).to("strict")

    def step(x: Tensor) -> Tensor:
        loss = net(x).sum()
        loss.backward()
        return loss
    fast = mg.graph(step)
    for _ in range(5):
        for p in net.parameters():
            p.grad = None
        fast(mg.ones(3, 2, device="strict"))
        assert net.bias.grad.tolist() == [3.0]
    with pytest.raises(mg.GraphError, match="gradients were left over from the call before") as caught:
        fast(mg.ones(3, 2, device="strict"))
    assert "fix      : call zero_grad() inside the step" in str(caught.value)


def test_a_schedule_in_the_step_is_refused():
    """Its Python would not run again: the rate would stay."""
    net = nn.Linear(2, 1).to("strict")
    opt = optim.SGD(net.parameters(), lr=0.5)
    schedule = optim.StepLR(opt, 1, 0.5)

    def step(x: Tensor) -> Tensor:
        opt.zero_grad()
        loss = net(x).sum()
        loss.backward()
        opt.step()
        schedule.step()
        return loss
    with pytest.raises(mg.GraphError, match="the step changes lr of an optimiser from 0.125 to 0.0625") as caught:
        call_thrice(step, mg.ones(3, 2, device="strict"))
    assert "schedule.step() is called in the step" in str(caught.value)


def test_a_parameter_that_moves_to_new_memory_is_refused():
    """The rule by hand that rebinds, in the step; and Module.to, after the capture."""
    p = mg.ones(2, device="strict", requires_grad=True)

    def rebinds(x: Tensor) -> Tensor:
        p.grad = None
        loss = (p * x).sum()
        loss.backward()
        p.data = p.data - p.grad.data * 0.1
        return loss
    with pytest.raises(mg.GraphError, match=r"puts a \(2,\) tensor into new memory") as caught:
        call_thrice(rebinds, mg.ones(2, device="strict"))
    assert "p.data -= lr * g" in str(caught.value)
    net, _, step = momentum()
    x, y = mg.ones(2, 6, device="strict"), upload([0, 1])
    fast = call_thrice(step, x, y)
    net.to(mg.float64)
    with pytest.raises(mg.GraphError, match="was replaced since the capture"):
        fast(x, y)


def test_a_state_that_is_carried_in_a_python_variable_is_refused_and_one_in_memory_is_not():
    """A GPU would read the state of the second call for ever, and say nothing."""
    carried = [mg.zeros(2, device="strict")]

    def wrong(x: Tensor) -> Tensor:
        carried[0] = mg.tanh(carried[0] + x)
        return carried[0]
    with pytest.raises(mg.GraphError) as caught:
        call_thrice(wrong, mg.ones(2, device="strict"))
    text = str(caught.value)
    assert text.startswith("the step reads a (2,) value that the call before made, and writes it nowhere")
    assert "made at: test_graph_refusals.py" in text and "state.copy_(new)" in text

    def runs(captured: bool) -> list[float]:
        state = mg.zeros(2, device="strict")

        def right(x: Tensor) -> Tensor:
            new = mg.tanh(state + x)
            state.copy_(new)
            return new.sum()
        fast: Any = mg.graph(right) if captured else right
        return [fast(mg.ones(2, device="strict") * 0.1).item() for _ in range(6)]
    assert runs(True) == runs(False)


CHANGED = {
    "shape": (lambda x: (x[:1], x), r"input\[0\] is float32 \(1,\), and at the first call of this graph it was float32 "
                                    r"\(2,\)"),
    "dtype": (lambda x: (x, x.to(mg.float64)), r"input\[1\] is float64 \(2,\), and"),
    "one less": (lambda x: (x,), r"input\[1\] is missing, and"),
    "one more": (lambda x: (x, x, x), r"input\[2\] is float32 \(2,\), and at the first call of this graph it was mis"),
    "nesting": (lambda x: ([x], x), r"input\[0\] is missing, and"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_another_shape_or_kind_of_input_is_refused(name):
    """The last batch of an epoch; on every device alike, so that code which runs here runs there."""
    other, text = CHANGED[name]
    for home in ("strict", "cpu"):
        x = mg.ones(2, device=home)
        fast = mg.graph(lambda *parts: parts[0])
        fast(x, x)
        with pytest.raises(mg.GraphError, match=text) as caught:
            fast(*other(x))
        assert "test_graph_refusals.py" in str(caught.value)


def test_numbers_as_inputs_and_outputs_are_refused():
    """They would be frozen; an array of no axes is not."""
    x = mg.ones(2, device="strict")
    for home in (x, mg.ones(2)):
        with pytest.raises(mg.GraphError, match=r"input\[1\] of a graph is 0.1 \(float\): a replay would keep it"):
            mg.graph(lambda x, rate: x * rate)(home, 0.1)
        with pytest.raises(mg.GraphError, match=r"output\[1\] of a graph is 3 \(int\)"):
            mg.graph(lambda x: (x, 3))(home)
        with pytest.raises(mg.GraphError, match=r"output of a graph is array\(\[1"):
            mg.graph(lambda x: np.ones(2))(home)


def test_the_device_is_that_of_the_inputs_or_is_named():
    """Without either the step would run as it is, and nobody would notice."""
    w = mg.ones(2, device="strict")
    with pytest.raises(mg.GraphError, match=r"output is on strict.*cpu") as caught:
        mg.graph(lambda: w * 2)()
    assert "mg.graph(step, device='strict')" in str(caught.value)
    assert mg.graph(lambda: w * 2, device="strict")().tolist() == [2.0, 2.0]
    with pytest.raises(mg.GraphError, match="inputs lie on strict, and the graph is of cpu"):
        mg.graph(lambda x: x, device="cpu")(w)


def test_scalars_have_rules_of_their_own():
    """Only within a capture, only a few, and as many as at the first time; warm-up is needed."""
    x, counts = mg.ones(1, device="strict"), iter([1, 1, 2])

    def step(x: Tensor) -> Tensor:
        if (graph := mg.graph.capturing()) is not None:
            graph.scalar("f4", lambda: [0.0] * next(counts))
        return x * 1
    fast = mg.graph(step, warmup=1)
    for _ in range(3):
        fast(x)
    with pytest.raises(mg.GraphError, match="a scalar of 1 values got 2 before a replay"):
        fast(x)
    with pytest.raises(mg.GraphError, match=r"scalar\(\) belongs into a step that is being captured"):
        fast.scalar("f4", lambda: [1.0])
    many = mg.graph(lambda x: Tensor(mg.graph.capturing().scalar("f4", lambda: [0.0] * 20000), False, x.device)
                    if mg.graph.capturing() else x, warmup=1)
    many(x)
    with pytest.raises(mg.GraphError, match="scalars of the step take more than 65536 bytes"):
        many(x)
    with pytest.raises(ValueError, match="warmup is at least 1, not 0"):
        mg.graph(step, warmup=0)


def test_a_step_that_fails_by_itself_fails_with_its_own_error():
    """The capture ends, and the next call tries anew: what the first one asked of the host is forgotten."""
    bad, asked = [True], []

    def step(x: Tensor) -> Tensor:
        if (graph := mg.graph.capturing()) is not None:
            graph.scalar("f4", lambda: [float(len(asked)), asked.append(1) or 0.0])
            if bad[0]:
                raise KeyError("mine")
        return x * 2
    fast = mg.graph(step, warmup=1)
    x = mg.ones(1, device="strict")
    fast(x)
    with pytest.raises(KeyError, match="mine"):
        fast(x)
    bad[0] = False
    assert fast(x).item() == fast(x).item() == 2.0 and fast.captured and len(asked) == 3
