"""Rows of a table, and rows added into one: kernels against twins, against NumPy, in every order of threads."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, strict
from minigrad.nn import functional as F
from minigrad.nn.gpu.embedding import FEW, SPAN, add_rows

from .emulator import emulated, mutants

K = mg.device("strict").kernels

# ids, rows of the table, columns: few and many ids; sorts of one and two passes; a part of a warp, several blocks
SIZES = [(1, 1, 1), (5, 3, 4), (FEW, 7, 33), (FEW, 300, 300), (FEW + 1, 4, 5), (200, 1, 3), (400, 255, 33),
         (1100, 256, 3), (700, 70000, 2)]


def drawn(rng: np.random.Generator, n: int, v: int) -> np.ndarray:
    """Some ids once, one of them in a third of the places, and some that are no row."""
    ids = (v * rng.random(n) ** 3).astype(np.int64)
    ids[rng.random(n) < 0.35] = v // 2
    ids[rng.random(n) < 0.05] = rng.choice([-1, v, -2 ** 40, 2 ** 40])
    return ids


def added(v, ids, rows, padding=None, seed=None):
    """`add_rows` to v rows by the twins, or with a seed by the source."""
    a, i, r = strict.zeros((v, rows.shape[1]), "float32"), strict.asarray(ids), strict.asarray(rows)
    if seed is None:
        add_rows(K, a, i, r, padding)
    else:
        with emulated(seed) as started:
            add_rows(K, a, i, r, padding)
        sort = ["sort_count", *["sort_place"] * -(-v.bit_length() // 10)]
        assert started == (["embedding_few"] if len(ids) <= FEW else [*sort, "run_rows", "run_join"])
    return strict.asnumpy(a)


def by_numpy(v, ids, rows, padding=None):
    keep = (ids >= 0) & (ids < v) & (ids != padding)
    want = np.zeros((v, rows.shape[1]))
    np.add.at(want, ids[keep], rows[keep])
    return want


@pytest.mark.parametrize("n, v, e", SIZES)
@pytest.mark.parametrize("padding", [False, True])
def test_rows_are_added_at_their_ids(rng, n, v, e, padding):
    """Whole numbers, whose sums are exact in any order: the source, its twin and NumPy give the same."""
    ids, pad = drawn(rng, n, v), v // 2 if padding else None
    rows = rng.integers(-9, 9, (n, e)).astype(np.float32)
    want = by_numpy(v, ids, rows, pad)
    np.testing.assert_array_equal(added(v, ids, rows, pad), want)
    np.testing.assert_array_equal(added(v, ids, rows, pad, seed=1), want)


@pytest.mark.parametrize("n, v, e", [(FEW, 7, 5), (300, 2, 3), (900, 40, 3)])
def test_every_run_adds_in_one_order_and_the_twin_in_the_same(rng, n, v, e):
    """Real numbers: a sum in another order differs in its last bits."""
    ids, rows = drawn(rng, n, v), rng.standard_normal((n, e)).astype(np.float32)
    runs = [added(v, ids, rows, seed=seed).tobytes() for seed in (None, 1, 2)]
    assert runs[0] == runs[1] == runs[2]
    np.testing.assert_allclose(np.frombuffer(runs[0], np.float32).reshape(v, e), by_numpy(v, ids, rows), atol=1e-4)


@pytest.mark.proof
@pytest.mark.parametrize("v", [200, 50000])
def test_as_many_ids_as_a_large_batch_has(rng, v):
    """65,536 of them."""
    n = 65536
    ids, rows = drawn(rng, n, v), rng.integers(-9, 9, (n, 2)).astype(np.float32)
    for seed in (None, 1):
        np.testing.assert_array_equal(added(v, ids, rows, seed=seed), by_numpy(v, ids, rows))


@pytest.mark.parametrize("n", [SPAN * 8, SPAN * 8 + 1, SPAN * 8 - 1])
@pytest.mark.parametrize("runs", [[1.0], [0.5, 0.5], [1 / 8] * 8, [0.3, 0.01, 0.6, 0.09]])
def test_runs_that_end_and_begin_at_borders_of_spans(rng, n, runs):
    """One id alone, runs that fill spans exactly, runs over many spans beside runs within one."""
    counts = np.diff(np.round(np.cumsum([0, *runs]) * n)).astype(int)
    ids = rng.permutation(np.repeat(np.arange(len(runs)), counts))
    rows = rng.integers(-9, 9, (len(ids), 3)).astype(np.float32)
    for seed in (None, 3):
        np.testing.assert_array_equal(added(len(runs), ids, rows, seed=seed), by_numpy(len(runs), ids, rows))


@pytest.mark.parametrize("shape, kind", [((0,), "int64"), ((5,), "int32"), ((40, 9), "int64"), ((2, 3, 4), "uint8")])
def test_the_layer_is_that_of_the_host(rng, shape, kind):
    """Value and gradient, for any shape and kind of ids, and ids in another order of memory."""
    ids, g = rng.integers(0, 6, shape).astype(kind), rng.integers(-9, 9, (*shape[::-1], 5)).astype(np.float32)
    w = rng.standard_normal((6, 5)).astype(np.float32)
    found = []
    for where in ("cpu", "strict", "emulated"):
        home = "cpu" if where == "cpu" else "strict"
        table = mg.tensor(w, device=home, requires_grad=True)
        with emulated() if where == "emulated" else strict.counting():
            y = F.embedding(mg.Tensor(mg.device(home).asarray(ids).T, False, mg.device(home)), table, 2)
            y.backward(mg.tensor(g, device=home))
        found.append((y.detach().cpu().numpy(), table.grad.cpu().numpy()))
    for a, b in zip(*found[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(*found[::2], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [4, 200])
def test_an_id_that_is_no_row_gives_nan_and_trains_nothing(dtype, n):
    """With a kernel and without one; first and second order."""
    ids = mg.tensor(np.tile([0, 7, -1, 2], n // 4), device="strict")
    w = mg.ones(3, 2, dtype=dtype, device="strict", requires_grad=True)
    with emulated():
        y = F.embedding(ids, w, 2)
        kept = mg.where(mg.isfinite(y), y, 0.0)
        first, = mg.grad((kept ** 2).sum(), w, create_graph=True)
        second, = mg.grad((first * first).sum(), w, allow_unused=True)
        plain, = mg.grad(F.embedding(ids, w, 2).sum(), w)
    assert np.isnan(y.detach().cpu().numpy()[1::4]).all() and np.isnan(y.detach().cpu().numpy()[2::4]).all()
    times = n // 4
    np.testing.assert_array_equal(plain.cpu().numpy(), [[times] * 2, [0, 0], [0, 0]])
    np.testing.assert_array_equal(first.detach().cpu().numpy(), [[2 * times] * 2, [0, 0], [0, 0]])
    np.testing.assert_array_equal(second.cpu().numpy(), [[8 * times ** 2] * 2, [0, 0], [0, 0]])


def test_a_table_that_is_no_block_of_memory_is_read_rightly(rng):
    """Tied weights may be a transposed view."""
    w = rng.standard_normal((4, 6)).astype(np.float32)
    table, ids = mg.tensor(w, device="strict").T, mg.tensor([5, 0, 5], device="strict")
    np.testing.assert_array_equal(F.embedding(ids, table).cpu().numpy(), w.T[[5, 0, 5]])


@pytest.mark.parametrize("n, v, backward", [(FEW, 60, 2), (FEW + 1, 60, 5), (FEW + 1, 3000, 6)])
def test_launches(n, v, backward):
    """One forward; the gradient is zeros and one launch for few ids, and from 4 for many."""
    ids = mg.tensor(np.arange(n) % 50, device="strict")
    w, g = mg.ones(v, 8, device="strict", requires_grad=True), mg.ones(n, 8, device="strict")
    with strict.counting(forbid=("sync", "h2d", "float64")) as counts:
        y = F.embedding(ids, w, 3)
    assert counts.launch == 1, counts
    with strict.counting(forbid=("sync", "h2d", "float64")) as counts:
        y.backward(g)
    assert counts.launch == backward, counts


@pytest.mark.parametrize("n", [FEW, FEW + 40])
def test_a_graph_reads_the_ids_of_each_replay(rng, n):
    """Another batch at each call: the ids that the capture saw are nowhere kept."""
    w, g = nn.Parameter(mg.ones(9, 3, device="strict")), mg.ones(n, 3, device="strict")

    def step(ids):
        w.grad = None
        y = F.embedding(ids, w, 4)
        (y * g).sum().backward()
        return w.grad
    fast = mg.graph(step)
    for _ in range(5):
        ids = rng.integers(0, 9, n)
        want = np.bincount(ids, minlength=9).astype(np.float32)
        want[4] = 0
        np.testing.assert_array_equal(fast(mg.tensor(ids, device="strict")).cpu().numpy(), np.outer(want, np.ones(3)))


def test_there_is_no_barrier_to_delete():
    """Those of the sort and of the sums: test_sort.py."""
    assert mutants("embedding.cu") == []
