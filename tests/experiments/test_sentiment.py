"""Télécom, *Sentiment Classification*: the bars, the deck's review, and the training that it shares with `digits`."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad import nn
from minigrad.data.reviews import review_pairs
from minigrad.experiments import harness
from minigrad.experiments._classifying import Examples, answers, train
from minigrad.experiments._console import Console
from minigrad.experiments.sentiment import LABELS, MODELS, THRICE, TRAINED, VOCABULARY, WINDOW, encoded, sentiment


def context(folder, device="cpu", resume=False):
    return harness.Context(folder, 0, False, device, resume, Console(quiet=True))


def test_reviews_become_ids_lengths_and_verdicts(rng):
    data = review_pairs(rng, 5)
    x, lengths, y = encoded(data)
    assert [VOCABULARY.decode(ids[:n]) for ids, n in zip(x, lengths, strict=True)] == data.texts
    assert (y == data.labels).all() and (x[np.arange(x.shape[1]) >= lengths[:, None]] == VOCABULARY.pad).all()


def test_no_review_that_is_trained_on_can_be_the_one_that_is_asked_about(rng):
    """Three times good in words that the networks know, and a cue that the generator never puts before a list."""
    assert THRICE.count("good") == 3 and set(THRICE) <= set(VOCABULARY)
    lists = [text for text in review_pairs(rng, 500, [0]).texts if text.count("good") == 3]
    assert lists and all("lacking" not in text or "completely" in text for text in lists)


@pytest.mark.parametrize("name", MODELS)
def test_every_network_answers_for_a_batch_and_takes_lengths(name, rng, device, tmp_path):
    data = encoded(review_pairs(rng, 4))
    ctx = context(tmp_path, device)
    assert set(answers(ctx, ctx.to_device(MODELS[name][1]()), data)) <= {0, 1}


@pytest.mark.parametrize("name", ["average", "conv", "lstm"])
def test_training_gives_the_same_losses_on_every_device(name, device, tmp_path):
    """The same start and order; sums of float32 in another order differ in the last digits."""
    data, losses = encoded(review_pairs(np.random.default_rng(5), 40, [0])), []
    for where in ("cpu", device):
        ctx = context(tmp_path / where, where)
        train(ctx, "p", MODELS[name][1], data, rate=1e-2, epochs=3)
        losses.append([v for _, v in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=1e-3) and losses[0][-1] < losses[0][0]


# ----- _classifying

class Table(nn.Module):
    """The simplest classifier: the scores of a sequence's first id."""

    def __init__(self):
        self.rows = nn.Embedding(2, 2)

    def forward(self, x, lengths=None):
        return self.rows(x)[:, 0]


DATA = Examples(np.tile([[0], [1]], (64, 1)), np.ones(128, np.int64), np.tile([0, 1], 64))


def test_training_stops_when_all_is_learned_and_a_resumed_run_finds_it_done(tmp_path):
    ctx = context(tmp_path)
    model = train(ctx, "p", Table, DATA, rate=0.5, epochs=300, falling=False)
    losses = [v for _, v in ctx.history["p loss"]]
    assert len(losses) < 300 and losses[-1] < 5e-3 <= losses[-2]
    again, other = context(tmp_path, resume=True), DATA._replace(y=1 - DATA.y)              # not to be looked at
    resumed = train(again, "p", Table, other, rate=0.5, epochs=300, falling=False)
    assert np.array_equal(resumed.rows.weight.detach().numpy(), model.rows.weight.detach().numpy())
    assert [v for _, v in again.history["p loss"]] == losses


def test_under_a_falling_rate_the_loss_comes_to_rest_and_under_a_constant_one_it_does_not(tmp_path):
    """Answers that are a coin: no pass ends it early, and the weights move as far as the rate lets them."""
    coin = DATA._replace(y=np.random.default_rng(0).integers(0, 2, 128))
    moves = []
    for falling in (True, False):
        ctx = context(tmp_path / str(falling))
        train(ctx, "p", Table, coin, rate=0.5, epochs=20, falling=falling)
        moves.append(np.abs(np.diff([v for _, v in ctx.history["p loss"]][-4:])).max())
    assert moves[0] < moves[1] / 3


def test_answers_are_the_likeliest_classes(tmp_path):
    model = Table()
    model.rows.weight.data[:] = [[0.0, 1.0], [3.0, 2.0]]
    assert answers(context(tmp_path), model, DATA).tolist() == [1, 0] * 64


# ----- The experiment

def test_a_gap_is_near_where_the_window_holds_cue_and_quality():
    """Window 3: a cue, one word, a quality; the networks' own reach says the same."""
    for name, window in WINDOW.items():
        assert MODELS[name][1]().net.reach == window
    assert WINDOW["conv_deep"] - 2 in TRAINED and max(TRAINED) > WINDOW["conv_deep"] - 2


def test_the_bars_say_no_to_an_average_that_peeks_and_to_a_network_that_guesses():
    good = dict.fromkeys(LABELS, 1.0) | {"average": 0.5, "conv_far": 0.52, "conv_deep_far": 0.47, "lstm_thrice": 0.01}

    def missed(**changed):
        return [v["target"] for v in sentiment._verdicts({**good, **changed}, quick=False) if v["met"] is False]
    assert not missed()
    for name, value in (("average_plain", 0.9), ("average_thrice", 0.3), ("lstm_thrice", 0.6), ("rnn_pooled", 0.9),
                        ("lstm", 0.97), ("conv_bilstm", 0.5), ("conv_near", 0.6), ("conv_deep_near", 0.8)):
        assert missed(**{name: value}) == [name]
    for value in (0.499, 0.501):
        assert missed(average=value) == ["the average is right in exactly one half"]
    for name in ("conv_far", "conv_deep_far"):
        assert "guesses" in missed(**{name: 0.6})[0] and "guesses" in missed(**{name: 0.42})[0]


@pytest.mark.proof
def test_networks_with_a_state_tell_the_pairs_apart_over_three_seeds_and_the_average_does_not(tmp_path, proof_record):
    record = sentiment.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("sentiment", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                      "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
