"""Optimisers and clipping by kernel: the numbers of the array form to the last bit, few launches, graphs."""
from __future__ import annotations

import gc
import math
import re
from collections.abc import Iterator

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim, strict
from minigrad.errors import GraphError, MinigradError
from minigrad.kernels.signature import FOLDER, source
from minigrad.nn import functional as F

from . import nvrtc
from .emulator import emulated

SETTINGS = {
    "adam": ("Adam", {"lr": 0.05}),
    "adam-decay": ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    "adamw": ("AdamW", {"lr": 0.05, "weight_decay": 0.3}),
    "adamw-alone": ("AdamW", {"lr": 0.05, "weight_decay": 0.0}),
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd-decay": ("SGD", {"lr": 0.1, "weight_decay": 0.01}),
    "sgd-momentum": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "sgd-nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "sgd-dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
}
OTHERS = {
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "adagrad-all": ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.01, "initial_accumulator_value": 0.3}),
    "rmsprop": ("RMSprop", {"lr": 0.01}),
    "rmsprop-all": ("RMSprop", {"lr": 0.01, "momentum": 0.8, "centered": True, "weight_decay": 0.01}),
    "adadelta": ("Adadelta", {"weight_decay": 0.01}),
}
EACH = pytest.mark.parametrize("name, options", SETTINGS.values(), ids=SETTINGS)
OTHER = pytest.mark.parametrize("name, options", OTHERS.values(), ids=OTHERS)
ALL = pytest.mark.parametrize("name, options", [*SETTINGS.values(), *OTHERS.values()], ids=[*SETTINGS, *OTHERS])
# 20 parameters, two launches: sizes around a block of threads, one element, none
SHAPES = [(3, 5), (), (1,), (64,), (65,), (0,), (255,), (256,), (257,), (2, 3, 4), (300,), *[(7,)] * 8, (16, 17)]


@pytest.fixture(scope="module", autouse=True)
def little_to_look_through() -> Iterator[None]:
    """A capture looks at all that lives: what other tests left is set aside, for the time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def trained(device, name, options, steps, shapes=SHAPES, missing=True, schedule=False):
    """The values and the state after some steps whose gradients are drawn; some parameters miss some of them."""
    rng = np.random.default_rng(3)
    params = [nn.Parameter(mg.tensor(rng.standard_normal(s).astype(np.float32), device=device)) for s in shapes]
    opt = getattr(optim, name)(params, **options)
    rates = optim.StepLR(opt, 2, 0.5) if schedule else None
    for t in range(steps):
        for i, p in enumerate(params):
            g = rng.standard_normal(p.shape).astype(np.float32)
            skipped = missing and (i == 3 or i == 18 and t == 1 or i == 19 and t < 2)
            p.grad = None if skipped else mg.tensor(g, device=device)
        opt.step()
        if rates is not None:
            rates.step()
    return [p.detach().cpu().numpy().copy() for p in params], opt.state_dict()["state"]


def same(a, b):
    """Values and states are equal to the last bit."""
    for x, y in zip(a[0], b[0], strict=True):
        np.testing.assert_array_equal(x, y)
    assert a[1].keys() == b[1].keys()
    for i, state in a[1].items():
        for word, value in state.items():
            np.testing.assert_array_equal(value, b[1][i][word], err_msg=f"{word} of parameter {i}")


@EACH
def test_a_step_by_kernel_is_the_step_on_the_host(name, options):
    """float32 to the last bit: parameters without a gradient, and with step counts of their own, included."""
    host = trained("cpu", name, options, 4, schedule=True)
    same(host, trained("strict", name, options, 4, schedule=True))
    with emulated() as started:
        same(host, trained("strict", name, options, 4, schedule=True))
    assert set(started) == {"sgd" if name == "SGD" else "adam"}


def test_a_chip_rounds_each_product_and_each_sum_as_numpy_does():
    """A compiler may join a * b + c into one operation with one rounding; `.rn` forbids it."""
    file = FOLDER / "adam.cu"
    ptx = nvrtc.compiled(source(file), file.name, 90, {})[2]
    floats = re.findall(r"^\s+((?:mul|add|sub|fma|mad)\.\S*f32)", ptx, flags=re.M)
    assert len(floats) >= 16 and [f for f in floats if f.startswith(("fma", "mad")) or ".rn" not in f] == []


@OTHER
def test_optimisers_without_a_kernel_get_their_gradients_side_by_side(name, options):
    """One launch gathers 16 gradients: joining them would upload a table of pointers at each step."""
    host = trained("cpu", name, options, 3, missing=False)
    with emulated() as started, strict.counting() as counts:
        same(host, trained("strict", name, options, 3, missing=False))
    assert set(started) == {"gradient_gather"} and not [c for c in counts.calls if c.startswith("h2d: conc")]


@pytest.mark.parametrize("n, launches", [(1, 1), (16, 1), (17, 2), (40, 3)])
@EACH
def test_one_launch_updates_sixteen_parameters(name, options, n, launches):
    """Whatever their sizes; and nothing is copied or waited for."""
    params = [nn.Parameter(mg.ones(k % 5 + 1, 3, device="strict")) for k in range(n)]
    opt = getattr(optim, name)(params, **options)
    for p in params:
        p.grad = mg.ones(*p.shape, device="strict")
    with strict.counting(forbid=("sync", "h2d", "float64")) as counts:
        opt.step()
    assert counts.launch == launches, counts


# array operations of a step, and the gathering of 16 gradients each; that of one parameter lies ready
READABLE = {"adagrad": 7, "adagrad-all": 9, "rmsprop": 9, "rmsprop-all": 18, "adadelta": 18}


@pytest.mark.parametrize("n, gathers", [(1, 0), (16, 1), (17, 2), (40, 3)])
@pytest.mark.parametrize("which", OTHERS)
def test_the_launches_of_array_operations_do_not_grow_with_the_parameters(which, n, gathers):
    """One flat buffer; and nothing is copied or waited for."""
    name, options = OTHERS[which]
    params = [nn.Parameter(mg.ones(k % 5 + 1, 3, device="strict")) for k in range(n)]
    opt = getattr(optim, name)(params, **options)
    for p in params:
        p.grad = mg.ones(*p.shape, device="strict")
    opt.step()                                 # makes the scratch
    with strict.counting(forbid=("sync", "h2d", "float64")) as counts:
        opt.step()
    assert counts.launch == READABLE[which] + gathers, counts


def test_a_gradient_that_is_no_block_of_memory_is_read_rightly():
    """The transposed product of a matrix gives such gradients."""
    p = nn.Parameter(mg.zeros(2, 3, device="strict"))
    p.grad = mg.tensor(np.arange(6, dtype=np.float32).reshape(3, 2), device="strict").T
    optim.SGD([p], lr=1.0).step()
    assert p.tolist() == [[0, -2, -4], [-1, -3, -5]]


def test_parameters_begin_where_wide_loads_may():
    """Kernels read weights 16 bytes at a time, and cuBLAS likes 256: the buffer leaves room between parameters."""
    params = [nn.Parameter(mg.ones(n, device="strict")) for n in (1, 63, 64, 65, 3)]
    opt = optim.Adam(params)
    first = params[0].data._host.ctypes.data
    assert [(p.data._host.ctypes.data - first) % 256 for p in params] == [0] * 5
    assert opt.state_dict()["state"] == {} and all(p.tolist() == [1.0] * p.shape[0] for p in params)


class Sign(optim.Adam):
    """A rule of one's own."""

    def _update(self, xp, group, p, g, state, u):
        p -= group["lr"] * xp.sign(g)


def test_a_rule_of_ones_own_is_what_a_subclass_runs():
    """The kernel is of Adam's rule, not of what somebody derives from it."""
    p = nn.Parameter(mg.zeros(3, device="strict"))
    p.grad = mg.tensor([2.0, -3.0, 0.0], device="strict")
    Sign([p], lr=0.5).step()
    assert p.tolist() == [-0.5, 0.5, 0.0]


# ---------------------------------------------------------------------------------------------- in a graph

def learning(captured, name, options, steps=8, dtype="float32"):
    """Losses and weights of a small model, by plain steps or by a graph; the rate falls from step to step."""
    mg.manual_seed(5)
    dropout = [nn.Dropout(0.3)] if dtype == "float32" else []
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), *dropout, nn.Linear(8, 4)).to(dtype).to("strict")
    opt = getattr(optim, name)(net.parameters(), **options)
    schedule = optim.ExponentialLR(opt, 0.8)
    rng, losses, skips = np.random.default_rng(2), [], [True]

    def step(x, y):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optim.clip_grad_norm_(net.parameters(), 0.5)
        if skips:                              # the last bias misses the first step, and is one behind for ever
            skips.pop()
            net[-1].bias.grad = None
        opt.step()
        return loss
    run = mg.graph(step) if captured else step
    for _ in range(steps):
        x = mg.tensor(rng.standard_normal((5, 6)).astype(dtype), device="strict")
        losses.append(run(x, mg.tensor(rng.integers(0, 4, 5), device="strict")).item())
        schedule.step()
    return [np.array(losses), *[p.detach().cpu().numpy().copy() for p in net.parameters()]], opt.state_dict()["state"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@ALL
def test_replays_are_plain_steps_to_the_last_bit(name, options, dtype):
    """Rates, step counts, masks and clipping: the eighth step would show a number that was frozen at the third."""
    plain, replayed = (learning(captured, name, options, dtype=dtype) for captured in (False, True))
    same(plain, replayed)
    assert [s["step"] for s in replayed[1].values()] == [8, 8, 8, 7]


def one_parameter(make, device="strict", dtype="float32"):
    """An optimiser of three numbers, and a graph of steps whose gradient is what the graph is given."""
    p = nn.Parameter(mg.ones(3, dtype=dtype, device=device))
    opt = make([p])

    def step(x):
        opt.zero_grad()
        (p * x).sum().backward()
        opt.step()
    return p, opt, mg.graph(step, warmup=1, device="strict")


@pytest.mark.parametrize("make", [optim.Adagrad, optim.RMSprop, optim.Adadelta, Sign])
def test_array_operations_of_a_capture_are_those_of_the_calls_before(make, monkeypatch):
    """CuPy has a kernel for a number and another one for an array: loading one is for the calls before."""
    calls, wrap = [set()], strict._wrap

    def noted(value, who, sources):
        calls[-1].add((who, *[(s.dtype, s.ndim) for s in sources]))
        return wrap(value, who, sources)
    monkeypatch.setattr(strict, "_wrap", noted)
    _, _, fast = one_parameter(make)
    x = mg.ones(3, device="strict")
    for _ in range(2):
        calls.append(set())
        fast(x)
    assert fast.captured and calls[-1] and calls[-1] <= calls[-2]


def test_a_rule_of_ones_own_is_captured_with_its_rate():
    """What reads group["lr"] follows a schedule."""
    p, opt, fast = one_parameter(lambda params: Sign(params, lr=0.5))
    schedule, x, seen = optim.ExponentialLR(opt, 0.5), mg.tensor([2.0, -3.0, 0.0], device="strict"), []
    for _ in range(4):
        fast(x)
        schedule.step()
        seen.append(p.tolist())
    assert seen == [[0.5, 1.5, 1.0], [0.25, 1.75, 1.0], [0.125, 1.875, 1.0], [0.0625, 1.9375, 1.0]]


def test_a_setting_that_a_graph_holds_may_not_change():
    """Array operations hold all but the rate; those that a kernel takes follow."""
    x = mg.ones(3, device="strict")
    for make, word, value in ((optim.RMSprop, "alpha", 0.5), (optim.Adadelta, "weight_decay", 0.1)):
        _, opt, fast = one_parameter(make)
        for _ in range(3):
            fast(x)
        old, opt.param_groups[0][word] = opt.param_groups[0][word], value
        with pytest.raises(GraphError, match=f"{word} of {make.__name__} is {value}, and at the capture of this graph "
                                             f"it was {old}") as caught:
            fast(x)
        assert "fix    : make a new graph" in str(caught.value)
    p, opt, fast = one_parameter(lambda params: optim.SGD(params, lr=1.0))
    for _ in range(3):
        fast(x)
    opt.param_groups[0]["weight_decay"] = 1.0
    fast(x)
    assert p.tolist() == [-1.0, -1.0, -1.0]    # -2 - (1 + -2)


def test_parameters_of_the_host_are_not_trained_by_a_graph_of_a_device():
    """Its replays would leave them as they are, in silence."""
    p = nn.Parameter(mg.ones(3))
    opt = optim.SGD([p])

    def step(x):
        p.grad = mg.ones(3)
        opt.step()
        return x * 2
    fast, x = mg.graph(step, warmup=1), mg.ones(3, device="strict")
    fast(x)
    with pytest.raises(GraphError, match="SGD of parameters on 'cpu' in a graph of device..strict"):
        fast(x)


def test_a_parameter_that_was_replaced_before_the_capture_is_refused():
    """Its values would be copied into the buffer again at each replay."""
    p = nn.Parameter(mg.ones(3, device="strict"))
    opt = optim.Adam([p])

    def step(x):
        opt.zero_grad()
        (p * x).sum().backward()
        opt.step()
    fast, x = mg.graph(step, warmup=1), mg.ones(3, device="strict")
    fast(x)
    p.data = p.data.copy()
    with pytest.raises(GraphError, match=r"a \(3,\) parameter was replaced since the last step"):
        fast(x)


# ---------------------------------------------------------------------------------------------- clipping

def clipped(device, arrays, largest, **options):
    params = [nn.Parameter(mg.zeros(*a.shape, device=device)) for a in arrays]
    for p, a in zip(params, arrays, strict=True):
        p.grad = mg.tensor(a, device=device)
    norm = optim.clip_grad_norm_(params, largest, **options)
    return [norm.cpu().numpy(), *[p.grad.cpu().numpy() for p in params]]


@pytest.mark.parametrize("shapes", [[(3,)], [(700, 3), (0,), (5,)], SHAPES, [(3000,)] * 3])
@pytest.mark.parametrize("largest", [0.1, 1e6])
def test_the_norm_is_that_of_all_gradients(rng, shapes, largest):
    """One block, several, more than 16 gradients; a factor of 1 changes nothing."""
    arrays = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    norm = math.sqrt(sum(float((a.astype(float) ** 2).sum()) for a in arrays))
    factor = min(1.0, largest / (norm + 1e-6))
    for found in (clipped("strict", arrays, largest), emulated_clip(arrays, largest)):
        assert found[0].shape == () and found[0].dtype == np.float32
        np.testing.assert_allclose(found[0], norm, rtol=1e-6)
        for g, a in zip(found[1:], arrays, strict=True):
            np.testing.assert_allclose(g, a * np.float32(factor), rtol=1e-6)
            assert factor < 1 or np.array_equal(g, a)


def emulated_clip(arrays, largest, seed=0):
    with emulated(seed):
        return clipped("strict", arrays, largest)


def test_two_runs_of_clipping_give_the_same_bits(rng):
    """The parts are added in one order, whatever the threads do."""
    arrays = [rng.standard_normal(5000).astype(np.float32)]
    assert len({emulated_clip(arrays, 0.1, seed)[1].tobytes() for seed in range(3)}) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_spoils_the_gradients_as_on_the_host(bad):
    """Or, if asked, is refused before anything is written."""
    arrays = [np.array([bad, 1.0], np.float32), np.ones(2, np.float32)]
    with np.errstate(invalid="ignore"):
        host = clipped("cpu", arrays, 1.0)
    for found in (clipped("strict", arrays, 1.0), emulated_clip(arrays, 1.0)):
        for a, b in zip(found, host, strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(MinigradError, match="the norm of the gradients is"):
        clipped("strict", arrays, 1.0, error_if_nonfinite=True)


def test_a_strided_gradient_is_scaled_where_it_is(rng):
    """A kernel would scale a copy."""
    a = rng.standard_normal((4, 3)).astype(np.float32)
    params = [nn.Parameter(mg.zeros(3, 4, device="strict")), nn.Parameter(mg.zeros(2, device="strict"))]
    params[0].grad, params[1].grad = mg.tensor(a, device="strict").T, mg.ones(2, device="strict")
    norm = math.sqrt(float((a.astype(float) ** 2).sum()) + 2)
    optim.clip_grad_norm_(params, 0.5)
    np.testing.assert_allclose(params[0].grad.cpu().numpy(), a.T * (0.5 / norm), rtol=1e-5)


@pytest.mark.parametrize("n, launches", [(1, 3), (16, 3), (17, 5)])
def test_clipping_takes_few_launches_and_no_wait(n, launches):
    """Two for each 16 gradients and one for the norm."""
    params = [nn.Parameter(mg.ones(3, 5, device="strict")) for _ in range(n)]
    for p in params:
        p.grad = mg.ones(3, 5, device="strict")
    with strict.counting(forbid=("sync", "h2d", "float64")) as counts:
        optim.clip_grad_norm_(params, 1.0)
    assert counts.launch == launches, counts
