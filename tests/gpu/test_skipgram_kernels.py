"""Negative sampling on kernels: source = twin, node = the formula, launches counted, runs equal.

On "strict" a launch runs the kernel's twin in NumPy; under `emulated()` the CUDA source, its threads in random order.
"""
from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim, strict
from minigrad.errors import DTypeError, GradError, IndexRangeError, InplaceError, ShapeError
from minigrad.models.cbow import CBOW
from minigrad.models.skipgram import SkipGram
from minigrad.nn.gpu.skipgram import negative_sampling

from .emulator import emulated
from .test_bahdanau_kernels import FORBIDDEN, agree, nans, normal
from .test_sort import ids

# ---------------------------------------------------------------------------------------------- source and twin

@pytest.mark.parametrize("B, M, D, V", [(1, 1, 1, 1), (9, 3, 5, 20), (3, 40, 70, 9), (5, 32, 33, 50)])
@pytest.mark.parametrize("table", [True, False])
def test_the_source_of_the_pairs_is_its_twin(B, M, D, V, table):
    """More words than a warp has lanes, rows that are no whole number of warps, ids out of range."""
    N = 7 if table else B
    word, noise, centre = ids(V, B), ids(V, B, M), ids(N, B) if table else None
    word[0], noise[-1, 0] = (V, -1) if B > 5 else (0, 0)
    if table and B > 5:
        centre[1] = N
    keys = np.full(B * (M + 1 + table), -5, np.int32)
    agree("skipgram_pairs", -(-B // 2), 64, [normal(N, D), normal(V, D), centre, word, noise, nans(B), nans(B, M + 1),
                                             nans(B, D), keys, B, M, D, N, V, 5 / M])


@pytest.mark.parametrize("n, block", [(1, 32), (64, 64), (201, 64)])
def test_the_source_of_the_mean_is_its_twin(n, block):
    agree("skipgram_total", 1, block, [normal(n), nans(1), n, 0.25], 128)


# ---------------------------------------------------------------------------------------------- node and formula

def model_of(V: int, D: int, *, cbow: bool = False, fused: bool = True, negatives: int = 4, device: str = "strict"):
    """A model of which both tables are of ordinary size (the second starts at 0)."""
    model = (CBOW if cbow else SkipGram)(np.arange(V) + 1, D, negatives=negatives)
    rng = np.random.default_rng(1)
    for p in model.parameters():
        p.data[...] = rng.standard_normal(p.shape).astype("f4") * np.float32(0.7)
    model.output.fused = fused
    return model.to(device)


def results(model, *batch) -> list[np.ndarray]:
    """The loss and both gradients, for a loss that is not J itself."""
    J = model(*[mg.tensor(a, device=model.output.weight.device) for a in batch])
    (J ** 2 * 3).backward()
    return [t.cpu().numpy() for t in (J.detach(), *[p.grad for p in model.parameters()])]


def close(got: list, want: list) -> None:
    """Sums of up to some hundred terms in another order."""
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("source", [False, True], ids=["twin", "source"])
@pytest.mark.parametrize("B, M, D, V", [(1, 1, 1, 1), (50, 4, 6, 30), (70, 3, 33, 3), (20, 35, 5, 400)])
def test_the_node_is_the_formula_in_value_and_both_gradients(B, M, D, V, source):
    """K = 4 noise words a pair, drawn M times; ids that occur in many spans, as word, as noise and as centre."""
    batch = ids(V, B), ids(V, B), ids(V, B, M)
    with emulated(1) if source else nullcontext() as started:
        got = results(model_of(V, D), *batch)
    close(got, results(model_of(V, D, fused=False), *batch))
    assert not source or "run_products" in started


@pytest.mark.proof
def test_the_node_is_the_formula_on_a_batch_of_thousands():
    """Fourteen tiles to sort, two passes, a word with thousands of occurrences beside words with one."""
    batch = ids(40_000, 8192), ids(40_000, 8192), ids(40_000, 8192, 5)
    for part in batch:
        part[part < 3000] = 0
    with emulated():
        got = results(model_of(40_000, 20), *batch)
    close(got, results(model_of(40_000, 20, fused=False), *batch))


@pytest.mark.parametrize("source", [False, True], ids=["twin", "source"])
def test_cbow_takes_the_node_for_its_means(source):
    """Without a table of centres: dh goes on to the contexts."""
    rng = np.random.default_rng(0)
    batch = ids(9, 30, 5), np.ones((30, 5), "f4"), ids(9, 30), rng.integers(0, 9, (30, 4))
    with emulated(1) if source else nullcontext():
        got = results(model_of(9, 6, cbow=True), *batch)
    close(got, results(model_of(9, 6, cbow=True, fused=False), *batch))


@pytest.mark.parametrize("where", range(3), ids=["centre", "word", "noise"])
def test_an_id_out_of_range_makes_the_loss_and_its_row_nan_as_in_the_formula(where):
    """Nobody looks at ids on a device; their rows are NaN (`F.embedding`)."""
    batch = [ids(9, 5), ids(9, 5), ids(9, 5, 4)]
    batch[where].reshape(-1)[2] = 9
    with emulated():
        got = results(model_of(9, 6), *batch)
    want = results(model_of(9, 6, fused=False), *batch)
    for a, b in zip(got, want, strict=True):
        assert np.array_equal(np.isnan(a), np.isnan(b))
    assert np.isnan(got[0])


def test_scores_that_overflow_exp_give_their_slope():
    """exp of float32 overflows above 88."""
    model = model_of(6, 4)
    model.output.weight.data *= 100
    batch = ids(6, 20), ids(6, 20), ids(6, 20, 4)
    with emulated():
        got = results(model, *batch)
    assert all(np.isfinite(a).all() for a in got) and got[0] > 88


def test_every_run_gives_the_same_bits():
    """With ids that occur in many spans; the order of threads and blocks is another one each time."""
    batch, seen = (ids(5, 60), ids(5, 60), ids(5, 60, 3)), set()
    for seed in range(2):
        with emulated(seed):
            seen.add(tuple(a.tobytes() for a in results(model_of(5, 6), *batch)))
    assert len(seen) == 1


@pytest.mark.parametrize("V, back", [(500, 6), (3000, 7)])
def test_two_launches_forward_and_six_or_seven_back_and_nothing_waits(V, back):
    """The sort takes one, and one for every 10 bits; two are zeros, two the sums. Noise on the device stays there."""
    model = model_of(V, 5)
    batch = [mg.tensor(a, device="strict") for a in (ids(V, 40), ids(V, 40), ids(V, 40, 4))]
    one = mg.tensor(np.float32(2), device="strict")
    with strict.counting(FORBIDDEN) as forward:
        J = model(*batch)
    with strict.counting(FORBIDDEN) as backward:
        J.backward(one)
    assert (forward.launch, backward.launch) == (2, back), (forward, backward)


def test_a_captured_step_gives_the_numbers_of_plain_steps():
    """New ids at each step; the sort must not be that of the first."""
    def losses(captured: bool) -> list[float]:
        model, draws, seen = model_of(30, 6), np.random.default_rng(0), []
        adam = optim.Adam(model.parameters(), lr=0.1)

        def step(*batch):
            adam.zero_grad()
            J = model(*batch)
            J.backward()
            adam.step()
            return J
        run = mg.graph(step) if captured else step
        for _ in range(5):
            batch = [mg.tensor(draws.integers(0, 30, shape), device="strict") for shape in ((20,), (20,), (20, 4))]
            seen.append(run(*batch).item())
        return seen
    assert losses(True) == losses(False)


def test_a_graph_keeps_what_the_docstring_says():
    """4 B (D + 2 M + 3) bytes: no row of a word or of noise."""
    model = model_of(9, 6)
    J = model(*[mg.tensor(a, device="strict") for a in (ids(9, 50), ids(9, 50), ids(9, 50, 4))])
    assert mg.memory_ledger(J).total == 4 * 50 * (6 + 2 * 4 + 3)


def test_float64_takes_the_formula_as_an_empty_batch_does_and_a_hooked_table_is_asked_for_its_rows():
    def made_by(model, *batch) -> str:
        return model(*[mg.tensor(a, device="strict") for a in batch]).edge.op.name
    batch = ids(9, 5), ids(9, 5), ids(9, 5, 4)
    assert made_by(model_of(9, 6), *batch) == "negative_sampling"
    with pytest.raises(ShapeError, match="there is no mean of no values"):
        model_of(9, 6)(*[mg.tensor(a[:0], device="strict") for a in batch])
    assert made_by(model_of(9, 6).to(mg.float64), *batch) == "sub"
    hooked, seen = model_of(9, 6), []
    hooked.embedding.register_forward_hook(lambda m, args, out: seen.append(out.shape))
    assert made_by(hooked, *batch) == "negative_sampling" and seen == [(5, 6)]


def test_what_does_not_fit_or_was_written_is_refused():
    h, u = (mg.tensor(normal(5, 6), requires_grad=True, device="strict") for _ in range(2))
    word, noise = strict.asarray(ids(5, 5)), strict.asarray(ids(5, 5, 4))
    for wrong in ({"word": word[:4]}, {"noise": noise[:4]}, {"centre": word[:4]}):
        with pytest.raises(ShapeError, match="negative_sampling"):
            negative_sampling(h, u, **{"word": word, "noise": noise, "negatives": 4, **wrong})
    J = negative_sampling(h, u, word=word, noise=noise, negatives=4)
    with mg.no_grad():
        h.mul_(2)
    with pytest.raises(InplaceError, match="negative_sampling"):
        J.backward()


def test_ids_that_are_no_integers_are_refused_and_under_debug_those_out_of_range_too():
    """As by the table of the formula."""
    word, noise = mg.tensor(ids(9, 5), device="strict"), mg.tensor(ids(9, 5, 4), device="strict")
    with pytest.raises(DTypeError, match="ids are integers"):
        model_of(9, 6)(word.to(mg.float32), word, noise)
    with mg.debug(), pytest.raises(IndexRangeError, match="id 9 is outside of 0 ... 7"):
        model_of(8, 6)(word, word, mg.tensor(np.full((5, 4), 9), device="strict"))


def test_second_order_needs_the_formula_and_says_so():
    batch = [mg.tensor(a, device="strict") for a in (ids(9, 5), ids(9, 5), ids(9, 5, 4))]
    with pytest.raises(GradError, match="fused=False"):
        model = model_of(9, 6)
        mg.grad(model(*batch), model.output.weight, create_graph=True)
    model = model_of(9, 6, fused=False)
    assert mg.grad(model(*batch), model.output.weight, create_graph=True)[0].requires_grad
