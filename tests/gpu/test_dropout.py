"""Dropout by kernel: the masks of philox.py to the last bit, one launch each way, and the same in a graph."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, philox, strict
from minigrad.backward import _arrays
from minigrad.errors import GraphError

from .emulator import emulated

KEYS = (0, 5, (7 << 32) + 5, 2 ** 64 - 1)


def bits(x) -> np.ndarray:
    return (x.detach().cpu().numpy() if isinstance(x, mg.Tensor) else x).view(np.uint32)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 1023, 1024, 1025, 3001])
def test_the_kernel_drops_what_philox_says(rng, n):
    """Whole blocks of four and what is left of one, several blocks of threads, every part of the key."""
    x = rng.standard_normal(n).astype(np.float32)
    for key, p in zip(KEYS, (0.3, 1e-12, 0.5, 1 - 1e-12), strict=True):
        want = bits(x * philox.mask(np, key, p, x.shape, x.dtype))
        a = mg.tensor(x, device="strict")
        with emulated() as started:
            assert np.array_equal(bits(mg.dropout(a, p, seed=key)), want)
        assert started == ["dropout"] and np.array_equal(bits(mg.dropout(a, p, seed=key)), want)


def test_what_is_dropped_is_multiplied_by_0_as_on_the_host():
    """0 x infinity is NaN, and 0 x -1 is -0: a diverged step must look the same on every device."""
    x = np.array([np.inf, np.nan, -np.inf, -1.0, -0.0, 1e38, 1e-40, 3.0] * 8, np.float32)
    with np.errstate(invalid="ignore"):
        want = mg.dropout(mg.tensor(x), 0.5, seed=3).numpy()
    with emulated():
        found = mg.dropout(mg.tensor(x, device="strict"), 0.5, seed=3).cpu().numpy()
    np.testing.assert_array_equal(found, want)
    number = ~np.isnan(want)
    assert np.array_equal(np.signbit(found[number]), np.signbit(want[number])) and 0 < number.sum() < 56


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (7,), (5, 6), (2, 3, 4)])
def test_the_gradient_takes_the_mask_of_the_value_for_every_layout(rng, shape):
    """Strided and stretched operands are counted in C order, like the host's."""
    x, g = rng.standard_normal(shape).astype(np.float32), rng.standard_normal(shape[::-1]).astype(np.float32)
    m = philox.mask(np, 9, 0.4, shape[::-1], np.float32)
    a = mg.tensor(x, device="strict", requires_grad=True)
    with emulated():
        y = mg.dropout(a.permute(*range(len(shape))[::-1]) if shape else a, 0.4, seed=9)
        y.backward(mg.tensor(g, device="strict"))
        wide = mg.tensor(np.float32(2), device="strict", requires_grad=True)
        mg.dropout(mg.broadcast_to(wide, shape[::-1]), 0.4, seed=9).sum().backward()
    np.testing.assert_array_equal(y.detach().cpu().numpy(), x.T * m)
    np.testing.assert_array_equal(a.grad.cpu().numpy(), (g * m).T)
    np.testing.assert_allclose(wide.grad.item(), m.sum(), rtol=1e-6)


def test_one_launch_each_way_and_no_mask_is_kept(rng):
    """A mask in memory would be as large as what it multiplies."""
    x = mg.tensor(rng.standard_normal((64, 65)).astype(np.float32), device="strict", requires_grad=True)
    g = mg.ones(64, 65, device="strict")
    with strict.counting(forbid=("sync", "h2d", "float64")) as counts:
        y = mg.dropout(x, 0.3)
    assert counts.launch == 1, counts
    assert [a.shape for cell in y.edge.vjp.__closure__ for a in _arrays(cell.cell_contents)] == []
    with strict.counting(forbid=("sync", "h2d", "float64")) as counts:
        y.backward(g)
    assert counts.launch == 1, counts


def test_gradients_of_second_order_go_through_it(device, rng):
    """It is linear, so that its own gradient is dropout with the same key."""
    x = mg.tensor(rng.standard_normal(30).astype(np.float32), device=device, requires_grad=True)
    m = mg.tensor(philox.mask(np, 5, 0.4, (30,), np.float32), device=device)
    found = []
    for y in (mg.dropout(x, 0.4, seed=5), x * m):
        first, = mg.grad((y ** 3).sum(), x, create_graph=True)
        second, = mg.grad((first * first).sum(), x)
        found.append((first.detach().cpu().numpy(), second.cpu().numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def net(x):
    hidden = mg.dropout(x, 0.5)
    return mg.dropout(hidden * 2, 0.2), hidden.sum()


def test_a_graph_draws_the_keys_that_plain_steps_draw(rng):
    """Two places and seven steps: a frozen key would drop the same units for ever."""
    xs = rng.standard_normal((7, 4, 5)).astype(np.float32)

    def run(step):
        mg.manual_seed(11)
        return [[t.cpu().numpy().copy() for t in step(mg.tensor(x, device="strict"))] for x in xs]
    plain, replayed = run(net), run(mg.graph(net))
    for a, b in zip(plain, replayed, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    assert len({a[0].tobytes() for a in plain}) == 7


def test_the_gradient_in_a_graph_takes_the_mask_of_its_own_replay(rng):
    """Forward and backward read the key at the same place."""
    w = nn.Parameter(mg.ones(40, device="strict"))

    def step(x):
        w.grad = None
        y = mg.dropout(w * x, 0.5)
        y.sum().backward()
        return y, w.grad
    fast, x = mg.graph(step), mg.ones(40, device="strict")
    seen = set()
    for _ in range(6):
        y, g = fast(x)
        np.testing.assert_array_equal(y.cpu().numpy(), g.cpu().numpy())
        seen.add(y.cpu().numpy().tobytes())
    assert len(seen) == 6


def test_a_mask_that_a_graph_would_freeze_is_refused():
    """float64 has no kernel; a seed that is given is meant to be the same at each step."""
    x = mg.ones(6, dtype="float64", device="strict")
    frozen = mg.graph(lambda x: mg.dropout(x, 0.5), warmup=1)
    frozen(x)
    with pytest.raises(GraphError, match="dropout of float64 on 'strict' in a graph"):
        frozen(x)
    given = mg.graph(lambda x: mg.dropout(x, 0.5, seed=4))
    first = given(x).cpu().numpy().copy()
    for _ in range(4):
        np.testing.assert_array_equal(given(x).cpu().numpy(), first)
