"""The tasks that only memory solves: what decides each answer, that nothing else does, and the scores of a guess."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.data import adding, copying, echo, marked, memory_tasks, parity, temporal_order
from minigrad.data.memory_tasks import ADDING_BASELINE, COIN_BASELINE, ORDER_BASELINE, ORDER_BY_COUNTS, SYMBOLS
from minigrad.models import SequenceReader
from minigrad.models.sequence_reader import identity_relu
from minigrad.nn import functional as F

DRAWS = {"adding": lambda r, b, t: adding(r, b, t), "copying": lambda r, b, t: copying(r, b, t),
         "temporal_order": lambda r, b, t: temporal_order(r, b, t), "parity": lambda r, b, t: parity(r, b, t),
         "echo": lambda r, b, t: echo(r, b, t, 5), "marked": lambda r, b, t: marked(r, b, t, 0.5)}
SHAPES = {"adding": ((8, 12, 2), (8, 1)), "copying": ((8, 32, 10), (8, 32)), "temporal_order": ((8, 12, 8), (8,)),
          "parity": ((8, 12, 1), (8, 12, 1)), "echo": ((8, 12, 1), (8, 12, 1)), "marked": ((8, 12, 2), (8, 1))}


@pytest.mark.parametrize("name", DRAWS)
def test_batches_have_the_shapes_that_the_docstrings_say(name, rng):
    x, y = DRAWS[name](rng, 8, 12)
    assert (x.shape, y.shape) == SHAPES[name] and x.dtype == np.float32
    assert y.dtype == (np.int64 if name in ("copying", "temporal_order") else np.float32)


@pytest.mark.parametrize("name", DRAWS)
def test_one_seed_gives_one_batch_and_the_next_batch_is_another(name):
    a, b = np.random.default_rng(3), np.random.default_rng(3)
    (x, y), (x2, y2) = DRAWS[name](a, 8, 12), DRAWS[name](b, 8, 12)
    assert np.array_equal(x, x2) and np.array_equal(y, y2)
    assert not np.array_equal(x, DRAWS[name](a, 8, 12)[0])


@pytest.mark.parametrize("draw", [lambda r: adding(r, 4, 1), lambda r: adding(r, 0, 9), lambda r: copying(r, 4, 0),
                                  lambda r: temporal_order(r, 4, 9), lambda r: parity(r, 4, 0),
                                  lambda r: echo(r, 0, 9, 2), lambda r: marked(r, 4, 0)])
def test_sizes_that_leave_no_task_are_refused(draw, rng):
    with pytest.raises(ValueError, match="needs at least 1 example of"):
        draw(rng)


def test_classes_that_cannot_be_equally_many_are_refused(rng):
    with pytest.raises(ValueError, match="a batch of 6 is no multiple of 4"):
        temporal_order(rng, 6, 10)


# ----- What decides the answer

def test_the_sum_is_that_of_one_marked_number_in_each_half(rng):
    x, y = adding(rng, 500, 11)
    marks = x[..., 1]
    assert np.array_equal(marks[:, :5].sum(1), np.ones(500)) and np.array_equal(marks[:, 5:].sum(1), np.ones(500))
    assert set(np.unique(marks)) == {0, 1} and (marks.sum(0) > 0).all()              # every step is marked now and then
    numbers = x[..., 0][marks == 1].reshape(500, 2)
    assert np.allclose(numbers.sum(1), y[:, 0], atol=1e-6)                           # float32, two terms below 1


def test_copying_asks_for_the_first_symbols_in_their_order_after_the_signal(rng):
    x, y = copying(rng, 50, 7, symbols=5, count=3)
    ids = x.argmax(-1)
    assert np.array_equal(x.sum(-1), np.ones((50, 13)))
    assert np.array_equal(ids[:, :3], y[:, -3:]) and ids[:, :3].max() < 5
    assert (ids[:, 3:9] == 5).all() and (ids[:, 9] == 6).all() and (ids[:, 10:] == 5).all()
    assert (y[:, :10] == 5).all()


def test_the_class_is_the_order_of_the_two_marked_letters(rng):
    x, y = temporal_order(rng, 400, 30)
    ids = x.argmax(-1)
    assert (ids[:, 0] == SYMBOLS.index("E")).all() and (ids[:, -1] == SYMBOLS.index("B")).all()
    rows, places = np.nonzero(ids < 2)
    places = places.reshape(400, 2)
    assert (places[:, 0] >= 3).all() and (places[:, 0] <= 6).all()
    assert (places[:, 1] >= 15).all() and (places[:, 1] <= 18).all()
    first, second = ids[np.arange(400), places[:, 0]], ids[np.arange(400), places[:, 1]]
    assert np.array_equal(y, 2 * first + second)


def test_orders_come_in_pairs_of_equal_counts_and_classes_are_equally_many(rng):
    """What ignores order cannot tell 1 (XY) from 2 (YX): with all counts known, three quarters are right."""
    x, y = temporal_order(rng, 200, 40)
    counts = x.sum(1)                                                                # (B, 8)
    assert np.array_equal(np.bincount(y), [50] * 4)
    assert np.array_equal(counts[y == 1], counts[y == 2])
    assert not (counts[y == 0] == counts[y == 3]).all(1).any()
    guess = np.where(counts[:, 0] == 2, 0, np.where(counts[:, 1] == 2, 3, 1))
    assert (guess == y).mean() == ORDER_BY_COUNTS


def test_parity_turns_with_every_one_and_no_linear_score_of_the_bits_tells_it(rng):
    """All 2^8 sequences: the correlation of the last answer with each bit, and with their mean, is zero."""
    x, y = parity(rng, 64, 9)
    assert np.array_equal(y[:, 0], x[:, 0] > 0)
    assert np.array_equal(y[:, 1:] != y[:, :-1], x[:, 1:] > 0)
    bits = (np.arange(256)[:, None] >> np.arange(8) & 1) * 2.0 - 1                    # (256, 8)
    odd = (bits > 0).sum(1) % 2 - 0.5
    assert not (bits.T @ odd).any()


@pytest.mark.parametrize("lag", [0, 1, 5])
def test_an_echo_answers_with_the_bit_of_lag_steps_before(lag, rng):
    x, y = echo(rng, 20, 40, lag)
    assert np.array_equal(x[:, :40 - lag] > 0, y[:, lag:] == 1) and set(np.unique(x)) == {-1, 1}


def test_other_bits_say_nothing_about_an_echo(rng):
    x, y = echo(rng, 2000, 12, 5)
    agree = (x[..., 0] > 0) == (y[:, 11] == 1)                                       # each bit, and the last answer
    share = agree.mean(0)
    assert share[6] == 1 and abs(np.delete(share, 6) - 0.5).max() < 0.06             # 5 sigma of 2,000 coins


def test_what_is_marked_decides_and_noise_after_it_does_not(rng):
    x, y = marked(rng, 3000, 20, noise=0.5)
    assert np.array_equal(x[:, 0, 0] > 0, y[:, 0] == 1) and np.array_equal(abs(x[:, 0]), np.ones((3000, 2)))
    assert not x[:, 1:, 1].any() and abs(x[:, 1:, 0].std() - 0.5) < 0.01             # 57,000 values: sigma is 0.0015
    late = [np.corrcoef(x[:, t, 0], y[:, 0])[0, 1] for t in range(1, 20)]
    assert np.abs(late).max() < 0.1                                                  # 5 sigma
    assert not marked(rng, 5, 20)[0][:, 1:].any()


# ----- What a guess scores

def test_the_baselines_are_the_scores_of_the_best_guess(rng):
    y = adding(rng, 200_000, 2)[1]
    assert np.isclose(((y - 1) ** 2).mean(), ADDING_BASELINE, rtol=0.02) and np.isclose(y.mean(), 1, atol=0.01)
    zeros, coins = np.zeros((64, 1), np.float32), marked(rng, 64, 3)[1]
    assert np.isclose(F.binary_cross_entropy_with_logits(mg.tensor(zeros), mg.tensor(coins)).item(), COIN_BASELINE)
    scores = mg.tensor(np.zeros((64, 4), np.float32))
    assert np.isclose(F.cross_entropy(scores, mg.tensor(temporal_order(rng, 64, 10)[1])).item(), ORDER_BASELINE)


def test_the_baseline_of_copying_is_that_of_silence_and_then_any_symbol(rng):
    y = copying(rng, 16, 12)[1]
    scores = np.full((*y.shape, 9), -1e4, np.float32)
    scores[:, :-10, 8] = 0                                                           # silence is sure
    scores[:, -10:, :8] = 0                                                          # then each symbol with 1/8
    loss = F.cross_entropy(mg.tensor(scores.reshape(-1, 9)), mg.tensor(y.reshape(-1))).item()
    assert np.isclose(loss, memory_tasks.copying_baseline(12), rtol=1e-5)            # float32
    assert np.isclose(memory_tasks.copying_baseline(12), 10 * np.log(8) / 32)


# ----- The model that reads

@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_a_reader_of_the_last_step_is_the_last_of_a_reader_of_every_step(kind, device, rng):
    model = SequenceReader(kind(2, 5, batch_first=True), 3, every_step=True).to(device)
    x = mg.tensor(rng.normal(size=(4, 7, 2)).astype(np.float32), device=device)
    every = model(x)
    model.every_step = False
    assert every.shape == (4, 7, 3)
    assert np.allclose(model(x).detach().cpu().numpy(), every.detach().cpu().numpy()[:, -1], atol=1e-6)    # float32


def test_a_reader_reads_what_a_projection_leaves(rng):
    model = SequenceReader(nn.LSTM(2, 6, batch_first=True, proj_size=3))
    assert model.read.in_features == 3 and model(mg.tensor(np.zeros((4, 5, 2), np.float32))).shape == (4, 1)


def test_an_identity_relu_network_adds_up_what_enters_it(rng):
    """Where W_x x is positive: h_T = W_x sum x_t."""
    layer = identity_relu(2, 4)
    w = abs(next(layer.parameters()).detach().numpy())
    with mg.no_grad():
        next(layer.parameters()).copy_(mg.tensor(w))
    x = rng.random((3, 50, 2)).astype(np.float32)
    h = layer(mg.tensor(x))[1].detach().numpy()[0]
    assert np.allclose(h, x.sum(1) @ w.T, rtol=1e-5)                                 # float32, 50 terms
