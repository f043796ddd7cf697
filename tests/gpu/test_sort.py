"""The sort of ids and the sums of their runs: source = twin in every order of threads, no barrier too few.

On "strict" a launch runs the kernel's twin in NumPy; under `emulated()` the CUDA source, its threads in random order.
"""
from __future__ import annotations

import faulthandler
import os
import signal
from contextlib import nullcontext

import numpy as np
import pytest

import minigrad as mg
from minigrad import strict
from minigrad.kernels.sort import MOST_BITS, WARPS
from minigrad.nn.gpu.sort import MOST_TILES, sorted_keys

from .emulator import Mutant, emulated, mutants, replaced
from .test_bahdanau_kernels import FORBIDDEN, agree, nans, normal

DEVICE = mg.device("strict")
TILE = 32 * WARPS                              # keys of a tile of one round
BOTH = pytest.mark.parametrize("source", [False, True], ids=["twin", "source"])


def ids(high: int, *shape: int) -> np.ndarray:
    """Ids of which small ones are common."""
    return (mg.backend.generator().random(shape) ** 3 * high).astype(np.int64)


# ---------------------------------------------------------------------------------------------- the sort

def sort(n: int, bits: int, passes: int, rounds: int, seeds: int = 1) -> None:
    """All its launches, of which each takes what the twins left."""
    keys, tiles = ids(1 << bits * passes, n).astype(np.int32), -(-n // (TILE * rounds))
    counts, given = np.full((passes, tiles, 1 << bits), -1, np.int32), ids(5, n) - 1
    agree("sort_count", tiles, TILE, [given, np.full(n, -1, np.int32), counts, n, 3, 1, passes, bits, rounds],
          4 << bits, seeds)
    agree("sort_count", tiles, TILE, [None, keys, counts, n, 9, -1, passes, bits, rounds], 4 << bits, seeds)
    order = None
    for turn in range(passes):
        digits = keys >> turn * bits & (1 << bits) - 1
        counts[turn] = [np.bincount(d, minlength=1 << bits) for d in np.split(digits, range(TILE * rounds, n,
                                                                                            TILE * rounds))]
        counts[turn + 1:] = 0
        agree("sort_place", tiles, TILE, [keys, order, counts, *np.full((2, n), -1, np.int32), n, turn, passes, bits,
                                          rounds], 4 * WARPS * ((1 << bits) + 1), seeds)
        by_digit = np.argsort(digits, kind="stable").astype(np.int32)
        keys, order = keys[by_digit], by_digit if order is None else order[by_digit]


@pytest.mark.parametrize("n, bits, passes, rounds", [
    (1, 1, 1, 1), (70, 3, 2, 2),
    (3 * TILE + 5, 4, 2, 1),                   # tiles, of which the last is not full
    (2 * TILE + 40, MOST_BITS, 1, 2),
])
def test_the_source_of_the_sort_is_its_twin(n, bits, passes, rounds):
    sort(n, bits, passes, rounds)


@pytest.mark.parametrize("most, passes", [(0, 1), (1023, 1), (1024, 2), (2 ** 20 - 1, 2), (2 ** 20, 3), (2 ** 30, 4)])
@BOTH
def test_keys_of_any_size_are_sorted_and_equal_ones_stay_as_they_stood(most, passes, source):
    """With common keys, so that order among equals counts; the last key of the range occurs."""
    keys = ids(most + 1, 600).astype(np.int32)
    keys[5] = most
    device = strict.asarray(keys)
    with emulated() if source else nullcontext(), strict.counting(FORBIDDEN) as counts:
        found = sorted_keys(DEVICE.kernels, device, most)
    known, order = map(strict.asnumpy, found)
    np.testing.assert_array_equal(order, np.argsort(keys, kind="stable"))
    np.testing.assert_array_equal(known, keys[order])
    np.testing.assert_array_equal(strict.asnumpy(device), keys)
    assert counts.launch == 1 + passes


@BOTH
def test_ids_that_take_no_part_stand_at_the_end(source):
    """Of any shape; those out of range, and one that is named."""
    given = ids(9, 40, 3)
    given[::7, 1] = -1, -2 ** 40, 2 ** 40, 8, 2 ** 31, 2 ** 32
    with emulated() if source else nullcontext():
        known, order = map(strict.asnumpy, sorted_keys(DEVICE.kernels, strict.asarray(given), 8, 2))
    flat = given.reshape(-1)
    keys = np.where((flat >= 0) & (flat < 8) & (flat != 2), flat, 8)
    np.testing.assert_array_equal(order, np.argsort(keys, kind="stable"))
    np.testing.assert_array_equal(known, keys[order])


@pytest.mark.proof
@pytest.mark.parametrize("n", [65536, 4 * TILE * MOST_TILES + 1])
@pytest.mark.parametrize("most", [200, 50_000])
def test_as_many_keys_as_a_large_batch_has(n, most):
    """Tiles of four rounds, and of more where there would be too many."""
    keys = ids(most, n).astype(np.int32)
    for source in (False, True):
        with emulated() if source else nullcontext():
            _, order = sorted_keys(DEVICE.kernels, strict.asarray(keys), most)
        np.testing.assert_array_equal(strict.asnumpy(order), np.argsort(keys, kind="stable"))


# ---------------------------------------------------------------------------------------------- the sums of runs

def sums(pairs: int, M: int, D: int, high: int, table: bool, seeds: int = 2, span: int = 8) -> None:
    """Both kernels of skip-gram's sums, on sorted ids."""
    V, N, behind = 12, 7, pairs * (M + 1)
    given = np.concatenate([ids(high, behind), *([V + ids(N, pairs)] if table else [])]).astype(np.int32)
    order, n = np.argsort(given, kind="stable").astype(np.int32), len(given)
    spans, tiles, rows = -(-n // span), -(-D // 64), normal(N if table else pairs, D)
    arrays = [given[order], order, given, normal(pairs, M + 1), rows, normal(pairs, D), normal(1)]
    agree("run_products", spans * tiles, 64, [*arrays, nans(V, D), nans(N, D) if table else None, nans(spans, D), n, D,
                                              span, tiles, V, pairs, M + 1, 0.5], 4 * (4 * span + 2), seeds)
    join(given[order], D, span, V, normal(N, D) if table else None, seeds)


def join(keys: np.ndarray, D: int, span: int, V: int, more: np.ndarray | None, seeds: int = 2) -> None:
    spans, tiles = -(-len(keys) // span), -(-D // 64)
    agree("run_join", (spans - 1) * tiles, 64, [keys, normal(spans, D), normal(V, D), more, len(keys), D, span, tiles,
                                                V], 0, seeds)


@pytest.mark.parametrize("pairs, M, D, high", [
    (1, 1, 3, 3), (8, 1, 5, 1),                # one id, which fills its spans to the last place
    (9, 2, 70, 1), (10, 6, 3, 12), (50, 3, 4, 2),
], ids=str)
@pytest.mark.parametrize("table", [True, False])
def test_the_source_of_the_sums_of_products_is_its_twin(pairs, M, D, high, table):
    """Ids that end with a span, go on over many, and stand alone."""
    sums(pairs, M, D, high, table)


@pytest.mark.parametrize("n, high, D", [(1, 1, 1), (40, 1, 3), (41, 3, 70), (90, 30, 5), (50, 12, 3)])
def test_the_source_of_the_sums_of_rows_is_its_twin(n, high, D):
    """Keys from 9 on take no part."""
    keys, order = np.sort(ids(high, n)).astype(np.int32), np.random.default_rng(0).permutation(n).astype(np.int32)
    spans, tiles = -(-n // 8), -(-D // 64)
    agree("run_rows", spans * tiles, 64, [keys, order, normal(n, D), nans(9, D), None, nans(spans, D), n, D, 8, tiles,
                                          9], 4 * (4 * 8 + 2))
    join(keys, D, 8, 9, None)


# ---------------------------------------------------------------------------------------------- barriers

def unseen(m: Mutant) -> bool:
    """The emulator changes threads at votes and barriers alone. What is written before a warp's votes and read after
    them is there: by the warp itself always, and of the block what needs no vote. On a GPU these two are needed."""
    after = m.text.splitlines()[m.line:m.line + 2]
    return any("at = __shfl_sync" in line or "for (int p0 = first" in line for line in after)


def everything() -> None:
    """What needs a barrier, once."""
    sort(2 * TILE + 300, 7, 2, 1)              # 128 digits, of which warps without keys sum some
    sums(10, 3, 70, 5, True)


def fails(check) -> bool:
    """In a process of its own: a kernel that follows a pointer too early crashes it."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()                 # a crash is an answer here
        try:
            for seed in range(2):
                mg.manual_seed(seed)
                check()
        except AssertionError:
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1, -signal.SIGSEGV, -signal.SIGBUS), code
    return code != 0


@pytest.mark.parametrize("mutant", [m for m in mutants("sort.cu") if not unseen(m)], ids=str)
def test_a_deleted_barrier_is_caught(mutant):
    with replaced(mutant):
        assert fails(everything)


def test_the_mutants_are_all_barriers():
    assert not fails(everything)
    assert [unseen(m) for m in mutants("sort.cu")].count(True) == 2 and len(mutants("sort.cu")) == 7
