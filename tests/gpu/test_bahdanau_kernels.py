"""Bahdanau's decoder on kernels: source = twin, node = the slides' loop, no barrier too few, launches counted.

On "strict" a launch runs the kernel's twin in NumPy; under `emulated()` the CUDA source, its threads in random order.
"""
from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim, strict
from minigrad.errors import GradError, InplaceError, ShapeError
from minigrad.kernels.bahdanau import PART, PLACES
from minigrad.models.bahdanau import Bahdanau
from minigrad.nn.gpu.bahdanau import bahdanau_sequence, fits

from ..nn.test_fused_bahdanau import HIDDEN, LENGTHS, NAMES, OUTPUTS, SIZES, draw, equal, loop
from .emulator import EmulatorError, emulated, mutants, replaced

DEVICE = mg.device("strict")
FORBIDDEN = ("sync", "h2d", "float64")


# ---------------------------------------------------------------------------------------------- source and twin

def started(name: str, grid: int, block: int, args: list, shared: int = 0, seed: int | None = None) -> list:
    """What the arrays hold after a launch of the twin, or with a seed of the source."""
    arrays = [strict.asarray(a) if isinstance(a, np.ndarray) else a for a in args]
    with nullcontext() if seed is None else emulated(seed):
        DEVICE.kernels(name, grid, block, *arrays, shared=shared)
    return [strict.asnumpy(a) for a in arrays if isinstance(a, strict.ndarray)]


def agree(name: str, grid: int, block: int, args: list, shared: int = 0, seeds: int = 2) -> None:
    """The source does what its twin does, in every order of threads to the bit.

    Some units of the last place of sums of up to a thousand terms; what neither writes keeps its NaN.
    """
    want = started(name, grid, block, args, shared)
    got = [started(name, grid, block, args, shared, seed) for seed in range(seeds)]
    for k, arrays in enumerate(zip(want, *got, strict=True)):
        np.testing.assert_allclose(arrays[1], arrays[0], rtol=2e-5, atol=4e-6, err_msg=f"{name}, array {k}")
        assert len({a.tobytes() for a in arrays[1:]}) == 1, name


def normal(*shape: int) -> np.ndarray:
    return mg.backend.generator().standard_normal(shape).astype(np.float32)


def nans(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def attention(B: int, S: int, A: int, C: int, block: int, masked: bool = False, seeds: int = 2) -> None:
    """Both kernels of the attention step, with H = 3 and E = 2."""
    keys, places, product, v = normal(B, S, A), normal(B, S, C), normal(B, 9 + A), normal(A) / np.float32(A ** 0.5)
    hidden = np.arange(S) >= np.arange(B)[:, None] if masked else None         # of the first row everything is hidden
    agree("bahdanau_attend", B, block, [keys, places, product, v, hidden, nans(B, S), nans(B, 2 + C), S, A, C, 2, 3],
          4 * (S + 2 * PART + 64), seeds)
    alpha, more = np.abs(normal(B, S)), normal(B, S) if masked else None
    agree("bahdanau_attend_back", B, block,
          [keys, places, product, v, alpha / alpha.sum(1, keepdims=True), normal(B, C), more, nans(B, S),
           nans(B, 9 + A), S, A, C, 3], 4 * (S + 2 * PART + 32), seeds)


@pytest.mark.parametrize("B, S, A, C, block", [
    (1, 1, 1, 1, 64), (3, 5, 7, 6, 64),
    (2, 70, 3, 40, 64),                        # more places than threads; a column for less than half of them, and more
    (2, 3, PART + 7, 100, 96),                 # q and v come in two parts, and columns are more than threads
    (1, 3, 5, 2 * PART + 3, 64),               # so does dc
], ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_the_source_of_the_attention_step_is_its_twin(B, S, A, C, block, masked):
    attention(B, S, A, C, block, masked)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(2))
def test_the_source_of_the_attention_step_is_its_twin_at_large_sizes(seed):
    mg.manual_seed(seed)
    attention(2, 1024, 96, 1100, 1024, bool(seed))


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("B, A, H", [(1, 1, 1), (3, 2, 20), (2, 5, 200)])
def test_the_source_of_the_cell_is_its_twin(B, A, H, biases):
    """Less than a block, and a last block that is not full."""
    b_ih, b_hh, dstates = (normal(3 * H), normal(3 * H), normal(B, H)) if biases else (None, None, None)
    agree("bahdanau_cell", -(-B * H // 256), 256,
          [normal(B, 3 * H), normal(B, 3 * H + A), b_ih, b_hh, normal(B, H), nans(B, H), B, A, H], seeds=1)
    gates = [1 / (1 + np.exp(-normal(B, 2 * H))), np.tanh(normal(B, H))]
    agree("bahdanau_cell_back", -(-B * H // 256), 256,
          [np.concatenate(gates, 1), normal(B, 3 * H + A), normal(B, H), dstates, normal(B, H), nans(B, 3 * H),
           nans(B, 3 * H + A), B, A, H], seeds=1)


@pytest.mark.parametrize("T, B, S, A, H", [(1, 1, 1, 1, 1), (3, 2, PLACES + 1, 5, 2), (2, 3, 2 * PLACES, 70, 1)])
def test_the_source_of_the_keys_gradient_is_its_twin(T, B, S, A, H):
    """A tile of places that is not full, and more units than threads."""
    blocks = B * -(-S // PLACES)
    agree("bahdanau_keys", blocks, 64, [normal(B, S, A), normal(T, B, 3 * H + A), normal(A), normal(T, B, S),
                                        nans(B, S, A), nans(blocks, A), T, B, S, A, H], seeds=1)


@pytest.mark.parametrize("mutant", mutants("bahdanau.cu"), ids=str)
def test_a_deleted_barrier_is_caught(mutant):
    with replaced(mutant), pytest.raises((AssertionError, EmulatorError)):
        for sizes in ((2, 70, 3, 20, 64), (1, 5, PART + 7, 6, 64), (1, 5, 3, 2 * PART + 3, 64)):
            attention(*sizes, seeds=2)


def test_the_mutants_are_all_barriers():
    assert len(mutants("bahdanau.cu")) == 9


# ---------------------------------------------------------------------------------------------- node and loop

def run(decode, arrays, used=OUTPUTS, *, device="strict", hidden=None) -> dict:
    """Outputs, and the gradients of all inputs for a loss that sees some of the outputs, none of them linearly."""
    inputs = [None if a is None else mg.tensor(a, requires_grad=True, device=device) for a in arrays]
    hidden = hidden if hidden is None or device == "cpu" else strict.asarray(hidden)
    outs = dict(zip(OUTPUTS, decode(*inputs, hidden=hidden), strict=True))
    weights = np.random.default_rng(1)
    loss = sum((outs[k] ** 2 * mg.tensor(weights.standard_normal(outs[k].shape).astype("f4"), device=device)).sum()
               for k in used)
    loss.backward()
    grads = {f"d{n}": x.grad for n, x in zip(NAMES, inputs, strict=True) if x is not None}
    return {k: None if t is None else t.detach().cpu() for k, t in {**outs, **grads}.items()}


@pytest.mark.parametrize("hidden", [None, HIDDEN], ids=["full", "padded"])
@pytest.mark.parametrize("used", [OUTPUTS, *[(name,) for name in OUTPUTS]], ids="-".join)
def test_the_node_is_the_loop_in_values_and_every_gradient(rng, used, hidden):
    """The weights are large (normal), so float32 loses two digits over six steps."""
    arrays = draw(rng, dtype="float32")
    want = run(loop, arrays, used, hidden=hidden, device="cpu")
    equal(run(bahdanau_sequence, arrays, used, hidden=hidden), want, 2e-4)
    if used == OUTPUTS:                        # the source too; null pointers it had above
        with emulated(3):
            equal(run(bahdanau_sequence, arrays, used, hidden=hidden), want, 2e-4)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1, 1, 1), (1, 3, 4, 2, 5, 3, 2), (4, 1, 3, 2, 4, 3, 5),
                                   (3, 4, 1, 2, 4, 3, 5), (9, 2, 3, 1, 2, 4, 1), (4, 4, 4, 4, 4, 4, 4),
                                   (2, 3, 17, 5, 70, 33, 40)], ids=str)
def test_every_size_agrees_with_the_loop(rng, sizes):
    """One step, one example, one place; and sizes that are all equal, where an exchanged axis would fit."""
    arrays = [a * np.float32(0.5) for a in draw(rng, sizes, "float32")]
    equal(run(bahdanau_sequence, arrays), run(loop, arrays, device="cpu"), 1e-4)


@pytest.mark.parametrize("missing", [("b_ih",), ("b_hh",), ("b_ih", "b_hh")], ids="-".join)
def test_biases_may_be_left_out(rng, missing):
    arrays = [None if name in missing else a for name, a in zip(NAMES, draw(rng, dtype="float32"), strict=True)]
    equal(run(bahdanau_sequence, arrays), run(loop, arrays, device="cpu"), 2e-4)


def test_scores_that_overflow_exp_give_a_choice_and_no_nan(rng):
    """exp of float32 overflows above 88, and a score here is up to 300 or so."""
    arrays = draw(rng, dtype="float32")
    arrays[5] *= 100
    with emulated():
        got = run(bahdanau_sequence, arrays, hidden=HIDDEN)
    assert all(np.isfinite(t.numpy()).all() for t in got.values())
    np.testing.assert_allclose(got["alignments"].numpy().sum(-1), 1, rtol=1e-5)
    assert not got["alignments"].numpy()[:, HIDDEN].any()


def test_a_score_that_is_nan_is_not_hidden(rng):
    arrays = draw(rng, dtype="float32")
    arrays[2][1, 2] = np.nan
    with emulated():
        got = bahdanau_sequence(*[mg.tensor(a, device="strict") for a in arrays])[2].cpu().numpy()
    assert np.isnan(got[:, 1]).all() and np.isfinite(got[:, 0]).all()


def test_backward_twice_on_a_retained_graph_adds_the_same_gradients(rng):
    """The first pass must leave intact what the second reads."""
    leaves = [mg.tensor(a, requires_grad=True, device="strict") for a in draw(rng, dtype="float32")]
    loss = sum((y ** 2).sum() for y in bahdanau_sequence(*leaves, hidden=strict.asarray(HIDDEN)))
    loss.backward(retain_graph=True)
    once = [x.grad.cpu().numpy() for x in leaves]
    loss.backward()
    for x, g in zip(leaves, once, strict=True):
        np.testing.assert_array_equal(x.grad.cpu().numpy(), 2 * g)


def test_a_weight_or_an_output_that_was_written_since_is_an_error(rng):
    for which in (6, None):
        leaves = [mg.tensor(a, requires_grad=True, device="strict") for a in draw(rng, dtype="float32")]
        states = bahdanau_sequence(*leaves)[0]
        with mg.no_grad():
            (states if which is None else leaves[which]).mul_(2)
        with pytest.raises(InplaceError, match="bahdanau_sequence"):
            states.sum().backward()


@pytest.mark.parametrize("which", range(1, len(NAMES)), ids=NAMES[1:])
def test_sizes_that_do_not_fit_are_refused_before_a_kernel_reads_beyond_the_end(rng, which):
    arrays = draw(rng, dtype="float32")
    arrays[which] = arrays[which][..., :-1]
    with pytest.raises(ShapeError, match="bahdanau_sequence cannot join"):
        bahdanau_sequence(*[mg.tensor(a, device="strict") for a in arrays])


def test_four_launches_a_step_forward_and_four_back_and_nothing_waits(rng):
    """A product, the attention, a product, the cell; and each one's gradient. The rest is once for all steps."""
    def launches(T: int) -> tuple[int, int]:
        leaves = [mg.tensor(a, requires_grad=True, device="strict") for a in draw(rng, (T, *SIZES[1:]), "float32")]
        ones, hidden = mg.ones(T, *SIZES[1:2], SIZES[5], device="strict"), strict.asarray(HIDDEN)
        with strict.counting(forbid=FORBIDDEN) as forward:
            states = bahdanau_sequence(*leaves, hidden=hidden)[0]
        with strict.counting(forbid=FORBIDDEN) as back:
            states.backward(ones)
        return forward.launch, back.launch
    (f3, b3), (f4, b4) = launches(3), launches(4)
    assert (f4 - f3, b4 - b3) == (4, 4)
    assert f3 - 3 * 4 <= 8 and b3 - 3 * 4 <= 20, (f3, b3)


def test_a_graph_keeps_what_the_docstring_says_for_each_step(rng):
    """4 T B (7 H + A + S + E + C) bytes: tanh of all keys, A S of them, is not among them."""
    def saved(T: int) -> int:
        leaves = [mg.tensor(a, requires_grad=True, device="strict") for a in draw(rng, (T, *SIZES[1:]), "float32")]
        return mg.memory_ledger(bahdanau_sequence(*leaves)[0].sum()).total
    _, B, S, E, C, H, A = SIZES
    assert saved(9) - saved(7) == 2 * 4 * B * (7 * H + A + S + E + C)


# ---------------------------------------------------------------------------------------------- in the model

def model_and_batch(device: str = "strict", dtype=mg.float32, **options):
    """The fused and the readable model with the same weights, and a batch for them."""
    fused = Bahdanau(9, 8, embedding=3, hidden=6, **options).to(dtype)
    readable = Bahdanau(9, 8, embedding=3, hidden=6, fused=False, **options).to(dtype)
    readable.load_state_dict(fused.state_dict())
    rng = np.random.default_rng(2)
    ids = [mg.tensor(rng.integers(0, size, shape), device=device) for size, shape in ((9, (4, 5)), (8, (4, 6)))]
    return fused.to(device), readable.to(device), (ids[0], mg.tensor(LENGTHS, device=device), ids[1])


def node_of(model, batch) -> str:
    s = model.decode(model.embedding(batch[2]), model.encode(*batch[:2]))[0]
    made = s.edge.inputs[0] if s.edge.op.name == "swapaxes" else s.edge
    return getattr(made, "node", made).op.fn.__module__ + "." + getattr(made, "node", made).op.name


@pytest.mark.parametrize("score", ["additive", "concat"])
def test_the_model_takes_the_kernels_and_gives_what_its_loop_gives(score):
    """A test of equality is worth nothing if both sides are the loop."""
    fused, readable, batch = model_and_batch(score=score)
    assert node_of(fused, batch) == "minigrad.nn.gpu.bahdanau.bahdanau_sequence"
    assert node_of(readable, batch).endswith("._stack")
    results = []
    for model in (fused, readable):
        y = model(*batch)
        (y ** 2).sum().backward()
        results.append([t.cpu().numpy() for t in (y.detach(), *[p.grad for p in model.parameters()])])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_captured_step_gives_the_numbers_of_plain_steps():
    def losses(captured: bool) -> list[float]:
        mg.manual_seed(0)
        (model, _, _), draws, seen = model_and_batch(), np.random.default_rng(0), []
        adam = optim.Adam(model.parameters(), lr=0.1)

        def step(source, target):
            adam.zero_grad()
            loss = (model(source, None, target) ** 2).mean()
            loss.backward()
            adam.step()
            return loss
        run = mg.graph(step) if captured else step
        for _ in range(5):
            source, target = draws.integers(4, 9, (4, 5)), draws.integers(4, 8, (4, 6))
            seen.append(run(*[mg.tensor(ids, device="strict") for ids in (source, target)]).item())
        return seen
    assert losses(True) == losses(False)


@pytest.mark.parametrize("options", [{"score": "dot"}, {"score": "general"}, {"query": "current"},
                                     {"dtype": mg.float64}], ids=str)
def test_other_forms_and_float64_take_the_loop(options):
    fused, _, batch = model_and_batch(**options)
    assert node_of(fused, batch).endswith("._stack")


def test_a_sentence_too_long_for_shared_memory_takes_the_loop():
    y = strict.zeros((1,), dtype="float32")
    assert fits(strict, y, 8192) and not fits(strict, y, 8193) and not fits(strict, y.astype("float64"), 5)


def test_a_hook_on_the_cell_is_called_although_the_node_could_be_taken():
    fused, _, batch = model_and_batch()
    seen = []
    fused.cell.register_forward_hook(lambda m, args, out: seen.append(m))
    fused(*batch)
    assert seen == [fused.cell] * 6


def test_second_order_needs_the_readable_path_and_says_so():
    fused, readable, (source, lengths, target) = model_and_batch()

    def slope(model):
        y = mg.tensor(np.ones((4, 2, 3), "f4"), requires_grad=True, device="strict")
        s = model.decode(y, model.encode(source, lengths))[0]
        return mg.grad((s ** 2).sum(), y, create_graph=True)[0]
    with pytest.raises(GradError, match="fused=False"):
        slope(fused)
    readable.encoder.layer.fused = False
    assert slope(readable).requires_grad
