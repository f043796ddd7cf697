"""09_sequence_tasks: its text against minigrad's data and layers. `test_assignments.py` has what is asked of all."""

import numpy as np
import pytest

import minigrad as mg
from autograder.kernel import InKernel
from autograder.oracle import grade_cell
from autograder.prove import graded, seeds
from minigrad import nn
from minigrad.data.series_windows import series_windows
from minigrad.data.tag_schemes import Span, span_counts, tag_names, tags_of
from minigrad.data.time_series_split import time_series_split
from minigrad.models.multi_step import OneByOne
from minigrad.models.over_time import pooled
from minigrad.nn import functional as F
from minigrad.nn.scores import AdditiveScore, attend_to

from .assignment_help import assignment

TASKS = assignment("09_sequence_tasks")


# ----- The plan

def test_it_has_seven_functions_a_hundred_points_and_44_mutants():
    assert [check.function for check in TASKS.checks.values()] == [
        "make_windows", "rollout", "time_series_split", "mean_pool", "masked_cross_entropy", "span_f1",
        "spatial_attention"]
    assert [cell.points for cell in TASKS.graded.values()] == [12, 14, 14, 12, 18, 16, 14]
    assert sum(len(check.mutants) for check in TASKS.checks.values()) == 44


# ----- The hidden tests

def test_a_numerical_derivative_does_not_pass_for_a_gradient():
    """The loss is right and keeps its points; the gradient is too inexact, and too slow for the large draw."""
    source = """
def masked_cross_entropy(z, t, ignore):
    real = t != ignore
    n = max(np.sum(real), 1)

    def loss(z):
        s = z - np.max(z, axis=-1, keepdims=True)
        log_y = s - np.log(np.sum(np.exp(s), axis=-1, keepdims=True))
        return -np.sum(log_y[real, t[real]]) / n

    dz, moved = np.zeros_like(z), z.copy()
    for i in np.ndindex(z.shape):
        moved[i] = z[i] + 1e-5
        up = loss(moved)
        moved[i] = z[i] - 1e-5
        dz[i] = (up - loss(moved)) / 2e-5
        moved[i] = z[i]
    return float(loss(z)), dz
"""
    [(_, result)] = graded(TASKS.checks["masked-cross-entropy-test"], source, seeds(1))
    earned = {part.name: part.earned for part in result.parts}
    assert earned.pop("loss") == 6 and not any(earned.values())


def test_splits_are_taken_as_lists_ranges_or_arrays():
    """Whatever holds the row numbers; a split that looks into the future is told so in any of these forms."""
    check, [seed] = TASKS.checks["time-series-split-test"], seeds(1)
    future = next(m for m in check.mutants if m.name == "future")
    for kind in ("list", "np.array", "set"):
        source = check.source(future).replace("return splits",
                                              f"return [({kind}(sorted(a)), tuple(b)) for a, b in splits]")
        student = InKernel(TASKS.namespace(replace={check.function: source}))
        result = grade_cell(check, student, seed)
        assert [m.mutant for m in result.misconceptions] == ["future"] and result.score == 6


def test_a_window_that_grows_gets_nan_and_its_own_sentence():
    check, [seed] = TASKS.checks["rollout-test"], seeds(1)
    source = check.source(next(m for m in check.mutants if m.name == "grows"))
    result = grade_cell(check, InKernel(TASKS.namespace(replace={"rollout": source})), seed)
    assert result.score == 5 and "keeps its length" in result.misconceptions[0].sentence


# ----- The solution's text against minigrad

def forecasts_agree(rng, space):
    """Windows, and the splits of them; a forecast one by one, by a dense model around the window."""
    n_in, n_out = (int(n) for n in rng.integers(1, 6, size=2))
    y = rng.normal(size=n_in + n_out + int(rng.integers(0, 20)))
    for got, want in zip(space["make_windows"](y, n_in, n_out), series_windows(y, n_in, n_out), strict=True):
        np.testing.assert_array_equal(got, want[:, :, 0])

    k = int(rng.integers(2, 6))
    N = int(rng.integers(k + 1, 41))
    got, want = space["time_series_split"](N, k), time_series_split(N, k)
    assert len(got) == len(want) == k
    for (train, test), (expected_train, expected_test) in zip(got, want, strict=True):
        np.testing.assert_array_equal(train, expected_train)
        np.testing.assert_array_equal(test, expected_test)

    # A recurrent forecaster that is fed its own forecasts: its window is all that it has read, so it grows there.
    # Here the model gets the last value alone, and keeps its state by itself.
    model = OneByOne(nn.GRU(1, 4, batch_first=True), steps=6).to(mg.float64)
    x = rng.normal(size=(1, 5, 1))
    state = None

    def step(window):
        nonlocal state
        read = x if state is None else np.reshape(window[-1], (1, 1, 1))
        h, state = model.layer(mg.tensor(read), state)
        return float(model.read(h[:, -1:]).item())

    want = model(mg.tensor(x)).detach().numpy()[0]
    np.testing.assert_allclose(space["rollout"](step, x[0, :, 0], 6), want, rtol=1e-12)


def texts_agree(rng, space):
    """The mean over real steps, the loss and its gradient, the F1 of spans."""
    B, T, K = (int(n) for n in rng.integers(2, 8, size=3))
    h, lengths = rng.normal(size=(T, B, K)), rng.integers(1, T + 1, size=B)
    want = pooled(mg.tensor(h.swapaxes(0, 1)), lengths, "mean").numpy()
    np.testing.assert_allclose(space["mean_pool"](h, lengths), want, rtol=1e-12, atol=1e-15)

    z, t = rng.normal(size=(B, T, K)), rng.integers(0, K, size=(B, T))
    t[rng.random((B, T)) < 0.3] = -100
    t[0, 0] = 0
    scores = mg.tensor(z, requires_grad=True)
    loss = F.cross_entropy(scores.swapaxes(1, 2), mg.tensor(t), ignore_index=-100)
    loss.backward()
    got_loss, dz = space["masked_cross_entropy"](z, t, -100)
    np.testing.assert_allclose(got_loss, loss.item(), rtol=1e-12)
    np.testing.assert_allclose(dz, scores.grad.numpy(), rtol=1e-11, atol=1e-15)

    names = tag_names(["PER", "LOC"])
    gold = [[str(tag) for tag in rng.choice(names, size=n)] for n in rng.integers(1, 9, size=5)]
    pred = [[tag if rng.random() < 0.8 else str(rng.choice(names)) for tag in tags] for tags in gold]
    assert space["span_f1"](gold, pred) == pytest.approx(span_counts(gold, pred).f1, abs=1e-15)
    assert space["span_f1"]([["O"]], [["O"]]) == span_counts([["O"]], [["O"]]).f1 == 0
    spans = [Span(1, 3, "PER"), Span(3, 4, "PER")]
    assert space["span_f1"]([tags_of(spans, 5)], [tags_of(spans[:1], 5)]) == pytest.approx(2 / 3)


def attention_agrees(rng, space):
    B, H, L, D, K = (int(n) for n in rng.integers(1, 7, size=5))
    score = AdditiveScore(H, D, K).to(mg.float64)
    h, regions = rng.normal(size=(B, H)), rng.normal(size=(B, L, D))
    want = attend_to(score(mg.tensor(h), mg.tensor(regions)), mg.tensor(regions))
    weights = [p.detach().numpy() for p in (score.w_s, score.w_a, score.v)]
    for got, expected in zip(space["spatial_attention"](h, regions, *weights), want, strict=True):
        np.testing.assert_allclose(got, expected.detach().numpy(), rtol=1e-12, atol=1e-14)


def agrees(seed):
    rng, space = np.random.default_rng(seed), TASKS.namespace()
    forecasts_agree(rng, space)
    texts_agree(rng, space)
    attention_agrees(rng, space)


@pytest.mark.parametrize("seed", range(3))
def test_text_and_engine_are_equal(seed):
    agrees(seed)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(30))
def test_text_and_engine_are_equal_on_30_seeds(seed):
    agrees(seed)


# ----- The given cells

def test_the_captioner_is_trained_by_its_true_gradient():
    """train_captioner's gradients stand in a cell that no student writes: one update agrees with the tape."""
    space = TASKS.namespace()
    caught = {}
    space["adam"] = lambda weights, grads, *_: caught.update(weights=weights, grads=grads)
    pictures, captions = space["scenes"](6, 0)
    regions = space["regions"](pictures)
    space["train_captioner"](regions, captions, updates=1, H=5, K=4, B=6, seed=1)
    rows = np.random.default_rng(1)
    for w in caught["weights"]:
        rows.normal(size=w.shape)
    rows = rows.integers(6, size=6)
    E, W_z, W_r, b, W_h, W_f, u, W_o, W_v, c = weights = [mg.tensor(w, requires_grad=True) for w in caught["weights"]]
    f, h, x, losses = mg.tensor(regions[rows]), mg.zeros((6, 5), dtype=mg.float64), np.zeros(6, int), []
    for y in captions[rows].T:
        e = mg.tanh((h @ W_h.T).unsqueeze(1) + f @ W_f.T) @ u
        z, _ = attend_to(e, f)
        h = mg.tanh(E[x] + z @ W_z.T + h @ W_r.T + b)
        losses.append(F.cross_entropy(h @ W_o.T + z @ W_v.T + c, mg.tensor(y)))
        x = y
    (sum(losses) * 0.25).backward()
    for w, g in zip(weights, caught["grads"], strict=True):
        np.testing.assert_allclose(g, w.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_what_the_pictures_say_is_so():
    """A mean of words cannot turn "good" round; pictures are described right, with the eye on what is named."""
    space = TASKS.namespace()
    for recurrent in (False, True):
        weights = space["train_verdict"](*space["reviews"](1000, 0)[:3], recurrent, space["mean_pool"])
        ids, lengths, praise, denied = space["reviews"](400, 1)
        pooled_steps = space["mean_pool"](space["steps_of"](weights, ids, recurrent), lengths)
        right = (space["verdict"](weights, pooled_steps) > 0.5) == praise
        assert right[~denied].mean() > 0.95
        assert right[denied].mean() > 0.95 if recurrent else right[denied].mean() < 0.3

    weights = space["train_captioner"](space["regions"](space["scenes"](2000, 0)[0]), space["scenes"](2000, 0)[1])
    pictures, captions = space["scenes"](100, 1)
    told = [space["describe"](weights, f, space["spatial_attention"]) for f in space["regions"](pictures)]
    words = [[space["CAPTION_WORDS"][k] for k in row] for row in captions]
    assert np.mean([said == right for (said, _), right in zip(told, words, strict=True)]) > 0.9
    first = [maps[0] for _, maps in told]
    filled = pictures.reshape(-1, 4, 2, 4, 2).sum(axis=(2, 4)) > 0
    assert np.mean([full[np.unravel_index(m.argmax(), (4, 4))] for m, full in zip(first, filled, strict=True)]) > 0.9
