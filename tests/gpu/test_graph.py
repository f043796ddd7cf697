"""`mg.graph` on "strict": replays are plain steps bit for bit, what the host says is frozen, all else is refused."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim, strict
from minigrad.backend import device as device_of
from minigrad.models.rnn_lm import RNNLM
from minigrad.nn import functional as F
from minigrad.strict_graph import Recorder
from minigrad.tensor import Tensor
from tests.test_strict import SAME, flat

STEPS = 10
Maker = Callable[[], tuple[nn.Module, Any, Callable[..., Any]]]


def upload(array: Any) -> Tensor:
    """A tensor on strict."""
    return mg.tensor(np.asarray(array), device="strict")


def float32(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Normal numbers."""
    return rng.standard_normal(shape).astype(np.float32)


# ---------------------------------------------------------------------------------------------- whole training steps

def classifying(net: nn.Module, opt: Any) -> Callable[..., Any]:
    """A plain step."""
    def step(x: Tensor, y: Tensor) -> Tensor:
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        return loss
    return step


def mlp() -> tuple[nn.Module, Any, Callable[..., Any]]:
    """Two layers, dropout, Adam."""
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3)).to("strict")
    opt = optim.Adam(net.parameters(), lr=0.05)
    return net, opt, classifying(net, opt)


def language_model() -> tuple[nn.Module, Any, Callable[..., Any]]:
    """An LSTM over embedded words, dropout around it, clipped gradients, AdamW."""
    net = RNNLM(11, embedding=6, hidden=32, dropout=0.25).to("strict")
    opt = optim.AdamW(net.parameters(), lr=0.02)

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss, _ = net.loss(x, y)
        opt.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(net.parameters(), 0.5)
        opt.step()
        return loss
    return net, opt, step


def momentum() -> tuple[nn.Module, Any, Callable[..., Any]]:
    """SGD with momentum, whose first step is another one than the rest; gradients are zeroed at the end."""
    net = nn.Linear(6, 3).to("strict")
    opt = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss
    return net, opt, step


def readable() -> tuple[nn.Module, Any, Callable[..., Any]]:
    """An optimiser without a kernel, whose rate also falls by itself."""
    net = nn.Linear(6, 3).to("strict")
    opt = optim.Adagrad(net.parameters(), lr=0.1, lr_decay=0.1)
    return net, opt, classifying(net, opt)


def batches(make: Maker) -> list[tuple[np.ndarray, np.ndarray]]:
    """What each maker's step takes."""
    rng = np.random.default_rng(7)
    if make is language_model:
        return [(rng.integers(0, 11, (5, 4)), rng.integers(0, 11, (5, 4))) for _ in range(STEPS)]
    return [(float32(rng, 5, 6), rng.integers(0, 3, 5)) for _ in range(STEPS)]


def trained(make: Maker, captured: bool, on_device: bool = False) -> tuple[list[float], dict[str, Any], dict[str, Any]]:
    """Losses, parameters and the optimiser's state after ten steps; the rate falls after each of them."""
    mg.manual_seed(3)
    net, opt, step = make()
    schedule = optim.ExponentialLR(opt, 0.8)
    fast: Any = mg.graph(step, device="strict") if captured else step
    losses = []
    for x, y in batches(make):
        losses.append(fast(*((x, y) if captured and not on_device else (upload(x), upload(y)))).item())
        schedule.step()
    assert not captured or fast.captured
    return losses, net.state_dict(), opt.state_dict()


def same(a: Any, b: Any) -> bool:
    """Bit for bit, in nests of arrays and tensors."""
    if isinstance(a, Tensor):
        return np.array_equal(a.detach().numpy(), b.detach().numpy())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


@pytest.mark.parametrize("on_device", [False, True], ids=["from host", "on device"])
@pytest.mark.parametrize("make", [mlp, language_model, momentum, readable], ids=lambda m: m.__name__)
def test_ten_steps_by_graph_are_ten_plain_steps_bit_for_bit(make, on_device):
    """Dropout masks, Adam's corrections and a rate that falls, all of which a frozen number would spoil."""
    losses, parameters, state = trained(make, captured=False)
    assert len(set(losses)) == STEPS
    again, parameters2, state2 = trained(make, captured=True, on_device=on_device)
    assert losses == again
    assert same(parameters, parameters2) and same(state, state2)


@pytest.mark.parametrize("make", [mlp, language_model, readable], ids=lambda m: m.__name__)
def test_a_replay_is_one_launch_and_one_copy_from_the_host(make):
    """Inputs, masks' keys and the optimiser's numbers travel together."""
    _, _, step = make()
    fast = mg.graph(step, device="strict")
    data = batches(make)
    for x, y in data[:3]:
        fast(x, y)
    with strict.counting(forbid=("sync",)) as counts:
        fast(*data[3])
    assert counts.calls == {"launch: graph": 1, "h2d: graph inputs and scalars": 1}


def test_a_replay_leaves_the_gradients_that_the_step_would_leave(rng):
    """`p.grad` can be looked at after a replay, as after a plain step."""
    found = []
    for captured in (False, True):
        mg.manual_seed(1)
        net, _, step = mlp()
        fast: Any = mg.graph(step) if captured else step
        data = np.random.default_rng(0)
        for _ in range(5):
            fast(upload(float32(data, 5, 6)), upload(data.integers(0, 3, 5)))
        found.append([p.grad.numpy() for p in net.parameters()])
    assert same(*found)


def test_a_replay_counts_as_a_write_of_what_the_step_writes():
    """A graph of the tape that was made before it needs values that are gone."""
    w = mg.ones(2, device="strict", requires_grad=True)

    def step(x: Tensor) -> Tensor:
        with mg.no_grad():
            w.add_(x)
        return w
    fast = mg.graph(step, warmup=1)
    x = mg.ones(2, device="strict")
    fast(x), fast(x)
    y = (w * w).sum()
    fast(x)
    with pytest.raises(mg.InplaceError):
        y.backward()


# ---------------------------------------------------------------------------------------------- the double is one

def test_numbers_branches_and_counters_of_the_host_are_frozen_as_on_a_gpu():
    """A double that ran the step's Python again would hide a frozen learning rate."""
    rate, calls = [1.0], []

    def step(x: Tensor) -> Tensor:
        calls.append(1)
        return x * rate[0] if rate[0] < 3 else x * 0
    fast = mg.graph(step)
    found = []
    for rate[0] in (1.0, 2.0, 2.5, 10.0, 20.0):
        found.append(fast(mg.ones(2, device="strict")).tolist()[0])
    assert found == [1.0, 2.0, 2.5, 2.5, 2.5] and len(calls) == 3


def test_a_frozen_learning_rate_makes_another_training():
    """An optimiser that writes in place and reads its rate from the host: what `Optimizer.step` refuses, by hand."""
    def run(captured: bool) -> list[float]:
        w, rate = mg.ones(3, device="strict", requires_grad=True), [0.2]

        def step(x: Tensor) -> Tensor:
            w.grad = None
            loss = ((w * x) ** 2).sum()
            loss.backward()
            with mg.no_grad():
                w.add_(w.grad, alpha=-rate[0])
            return loss
        fast: Any = mg.graph(step) if captured else step
        losses = []
        for _ in range(6):
            losses.append(fast(mg.ones(3, device="strict")).item())
            rate[0] *= 0.5
        return losses
    plain, frozen = run(False), run(True)
    assert plain[:4] == frozen[:4] and plain[4] != frozen[4]


REFUSED = 4                                    # of the cases: two wait for the device, two use CuPy's own products


def captures(case: Callable, inputs: list[Tensor]) -> bool:
    """Is it one that a graph can capture?"""
    try:
        Recorder().capture(lambda: case(strict, *[x.data for x in inputs]))
    except mg.GraphError:
        return False
    return True


def test_every_kind_of_array_operation_is_computed_again_on_new_inputs():
    """The namespace's own cases: what `strict` computes plainly, a replay computes too."""
    rng = np.random.default_rng(0)

    def drawn() -> list[Tensor]:
        a = float32(rng, 2, 3)
        return [upload(x) for x in (a, float32(rng, 3), np.array([1, 0, int(rng.integers(2))]), a > 0)]
    cases = [case for case in SAME if captures(case, drawn())]
    assert len(cases) == len(SAME) - REFUSED

    def step(*inputs: Tensor) -> Any:
        parts = flat([case(strict, *[x.data for x in inputs]) for case in cases])
        return [Tensor(p, False, device_of("strict")) for p in parts if isinstance(p, strict.ndarray)]
    fast = mg.graph(step, warmup=1)
    for _ in range(4):
        inputs = drawn()
        for got, wanted in zip(fast(*inputs), step(*inputs), strict=True):
            np.testing.assert_array_equal(got.numpy(), wanted.numpy())
    assert fast.captured


def test_writes_through_views_and_uninitialised_memory_are_computed_again():
    """x[0] += 1 goes through a view; `empty` holds NaN again at each replay, until it is written."""
    state = mg.zeros(2, 3, device="strict")

    def step(x: Tensor) -> tuple[Tensor, Tensor]:
        xp = x.device.xp
        state.data[0] += x.data
        state.data[1, 1:] = x.data[:2]
        xp.add.at(state.data, (xp.zeros(2, dtype="int64"), xp.ones(2, dtype="int64")), x.data[:2])
        fresh = xp.empty(3, dtype="float32")
        fresh[0] = 1
        return state, Tensor(fresh, False, x.device)
    fast = mg.graph(step, warmup=1)
    host = np.zeros((2, 3), np.float32)
    for k in range(5):
        x = np.array([1, 2, k], np.float32)
        host[0] += x
        host[1, 1:] = x[:2]
        host[0, 1] += x[0] + x[1]
        got, fresh = fast(upload(x))
        assert np.array_equal(got.numpy(), host)
        assert fresh.tolist()[0] == 1 and np.isnan(fresh.tolist()[1:]).all()


def test_rows_taken_by_ids_and_lists_of_arrays_are_computed_again():
    """They make new memory where an index of numbers makes a view."""
    def step(x: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        parts = x.data[ids.data], strict.array([x.data[0], x.data[1] * 2])
        return tuple(Tensor(part, False, x.device) for part in parts)
    fast = mg.graph(step, warmup=1)
    for k in range(5):
        rows, joined = fast(upload(np.float32([[k, 1], [2, k]])), upload([1, 0, k % 2]))
        assert rows.tolist() == [[2, k], [k, 1], [[k, 1], [2, k]][k % 2]] and joined.tolist() == [[k, 1], [4, 2 * k]]


def test_memory_that_the_call_before_made_may_be_read_if_the_step_writes_it():
    """A buffer that is made late is no state in a Python variable."""
    buffers: list[Tensor] = []

    def step(x: Tensor) -> Tensor:
        buffers.append(mg.zeros(2, device="strict")) if len(buffers) < 2 else None
        return buffers[-1].add_(x) * 1
    fast = mg.graph(step)
    assert [fast(mg.ones(2, device="strict")).tolist()[0] for _ in range(6)] == [1, 1, 2, 3, 4, 5]


# ---------------------------------------------------------------------------------------------- inputs and outputs

def test_inputs_may_be_nests_of_tensors_and_arrays_from_either_side():
    """Also a number as an array of no axes, and None; the step gets tensors of the device."""
    def step(x: Tensor, parts: dict[str, Any], *, bias: Any = None, scale: Tensor) -> dict[str, Any]:
        assert x.device == "strict" and not x.requires_grad and bias is None and parts["more"][0].device == "strict"
        return {"sum": x * scale + parts["more"][0], "ids": [parts["ids"] + 1], "nothing": None}
    fast = mg.graph(step)
    for k in range(5):
        ones = mg.ones(2, device="strict", requires_grad=True)
        x = mg.ones(2) * k if k % 2 else upload([float(k)] * 2).to(mg.float32)
        y = fast(x if k else ones * 0, {"more": (np.float32([1, 2]),), "ids": np.array([k, 7])}, bias=None,
                 scale=np.float32(3))
        assert y["sum"].tolist() == [3 * k + 1, 3 * k + 2] and y["ids"][0].tolist() == [k + 1, 8]
        assert y["nothing"] is None
    assert fast.captured


def test_outputs_are_the_same_memory_at_each_replay():
    """The next call overwrites them, as the docstring says."""
    fast = mg.graph(lambda x: x * 2, warmup=1)
    first, second, third = (fast(upload(np.float32([k]))) for k in (1, 2, 3))
    assert (first.item(), second.item(), third.item()) == (2.0, 6.0, 6.0) and second.data is third.data


def test_a_scalar_of_the_host_is_asked_for_before_each_replay_in_order():
    """Once for the captured step's own run, then once a replay."""
    asked: list[str] = []

    def ask(name: str) -> list[int]:
        asked.append(name)
        return [len(asked), 2 ** 63 + len(asked)] if name == "key" else [len(asked)]

    def step(x: Tensor) -> tuple[Tensor, Tensor]:
        graph = mg.graph.capturing()
        if graph is None:
            return x, mg.zeros(2, device="strict")
        a, b = graph.scalar(np.float32, lambda: ask("rate")), graph.scalar("uint64", lambda: ask("key"))
        assert a.shape == (1,) and b.shape == (2,) and b.dtype == np.uint64
        return Tensor(x.data * a, False, x.device), Tensor(b + 0, False, x.device)
    fast = mg.graph(step, warmup=1)
    x = mg.ones(1, device="strict")
    fast(x)
    for k in (1, 3, 5):
        rate, key = fast(x)
        assert rate.tolist() == [k] and key.tolist() == [k + 1, 2 ** 63 + k + 1]
    assert asked == ["rate", "key"] * 3 and mg.graph.capturing() is None


def test_on_cpu_the_step_runs_as_it_is():
    """The same code, the same results, and Python at every call; outputs are detached there too."""
    w, calls = mg.ones(2, requires_grad=True), []

    def step(x: Tensor) -> Tensor:
        calls.append(1)
        return (w * x).sum()
    fast = mg.graph(step)
    assert [fast(np.float32([k, 1])).item() for k in range(5)] == [1, 2, 3, 4, 5]
    assert len(calls) == 5 and not fast(mg.ones(2)).requires_grad and "cpu" in repr(fast) and not fast.captured


def test_a_graph_tells_where_it_stands():
    """Before, between, after."""
    fast = mg.graph(lambda x: x, warmup=1)
    assert "no device yet, 0 of 1" in repr(fast)
    for _ in range(2):
        fast(mg.ones(1, device="strict"))
    assert repr(fast) == "Graph(<lambda>, device('strict'), captured)"
