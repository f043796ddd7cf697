"""Drawing and searching: what is left to be drawn, how often, and that a wide beam finds what listing all finds."""
from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import decoding
from minigrad.models.decoding import beam_search, draw, probabilities, sample
from minigrad.models.rnn_lm import RNNLM

P = np.array([0.5, 0.2, 0.2, 0.06, 0.04])


def table(p: np.ndarray):
    """A model of first order: P(next | last) is a row of p (V, V). Its state counts the calls."""
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
    return lambda ids, state: (log_p[ids], (state or 0) + 1)


# ----- What is left

def test_a_temperature_of_one_is_softmax_and_a_shift_of_the_scores_changes_nothing():
    assert np.allclose(probabilities(np.log(P)), P, atol=1e-15)
    assert np.allclose(probabilities(np.log(P) + 1000), P, atol=1e-12)         # of a score 1000 costs 13 bits


def test_temperature_is_a_power_of_the_probabilities():
    for t in (0.5, 2.0):
        assert np.allclose(probabilities(np.log(P), temperature=t), P ** (1 / t) / (P ** (1 / t)).sum())
    assert np.allclose(probabilities(np.log(P), temperature=math.inf), 0.2)


def test_a_temperature_of_zero_is_the_best_token_and_of_equal_ones_the_first():
    assert probabilities(np.log(P), temperature=0).tolist() == [1, 0, 0, 0, 0]
    assert probabilities(np.array([0.0, 2.0, 2.0]), temperature=0).tolist() == [0, 1, 0]


def test_top_k_leaves_exactly_k_tokens_also_between_equal_ones():
    assert np.allclose(probabilities(np.log(P), top_k=2), np.array([5, 2, 0, 0, 0]) / 7)
    assert np.allclose(probabilities(np.log(P), top_k=9), P)


def test_a_nucleus_is_the_fewest_tokens_that_reach_p():
    """0.5 + 0.2 + 0.2 reaches 0.8, 0.5 + 0.2 does not; 0.5 alone reaches 0.4."""
    assert np.allclose(probabilities(np.log(P), top_p=0.8), np.array([5, 2, 2, 0, 0]) / 9)
    for p in (0.01, 0.4):
        assert probabilities(np.log(P), top_p=p).tolist() == [1, 0, 0, 0, 0]
    assert np.allclose(probabilities(np.log(P), top_p=1.0), P)


def test_the_order_is_temperature_then_k_then_p():
    """Of the two best, 5/7 reach 0.7, so one is left; p before k would leave both."""
    assert probabilities(np.log(P), top_k=2, top_p=0.7).tolist() == [1, 0, 0, 0, 0]
    hot = probabilities(np.log(P), temperature=2, top_p=0.6)                   # flatter: the nucleus needs three
    assert (hot > 0).tolist() == [True, True, True, False, False]


def test_each_row_of_a_batch_is_as_if_it_were_alone(rng):
    scores = rng.normal(size=(3, 4, 7))
    both = probabilities(scores, temperature=0.7, top_k=5, top_p=0.8)
    for i, j in np.ndindex(3, 4):
        assert np.array_equal(both[i, j], probabilities(scores[i, j], temperature=0.7, top_k=5, top_p=0.8))
    assert np.allclose(both.sum(-1), 1)


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.1}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="temperature >= 0, top_k >= 0 and 0 < top_p <= 1"):
        probabilities(P, **wrong)


# ----- Drawing

def test_tokens_come_as_often_as_their_probabilities_say(rng):
    """4,000 draws: three standard deviations of a share of one half are 0.024."""
    ids = draw(np.broadcast_to(P, (4000, 5)), rng)
    assert np.abs(np.bincount(ids, minlength=5) / 4000 - P).max() < 0.024


def test_a_token_of_probability_zero_is_never_drawn_whatever_the_generator_gives():
    class Fixed:
        def __init__(self, u):
            self.u = u

        def random(self, shape):
            return np.full(shape, self.u)
    p = np.array([[0, 0.5, 0, 0.5, 0]])
    assert draw(p, Fixed(0.0)) == [1] and draw(p, Fixed(1 - 2 ** -53)) == [3] and draw(p, Fixed(0.5)) == [3]
    assert draw(p * 3, Fixed(0.49)) == [1]                                     # rows need not add up to 1 exactly


def test_a_text_is_what_the_generator_says_and_begins_after_the_prompt(rng):
    p = rng.dirichlet(np.ones(6), 6)
    first = sample(table(p), [0, 3], 50, np.random.default_rng(1))
    assert first.shape == (50,) and np.array_equal(first, sample(table(p), [3], 50, np.random.default_rng(1)))
    assert not np.array_equal(first, sample(table(p), [3], 50, np.random.default_rng(2)))
    ring = np.roll(np.eye(4), 1, 1)                                            # after k comes k + 1, for certain
    assert sample(table(ring), [1, 2], 5, rng).tolist() == [3, 0, 1, 2, 3]


def test_pairs_come_as_often_as_the_chain_says(rng):
    """What is fed back is what was drawn: with another token the pairs would not have the chain's shares."""
    p = np.array([[0.9, 0.1], [0.3, 0.7]])
    ids = sample(table(p), np.zeros((1, 400), int), 30, rng)                   # (L, B)
    for a in (0, 1):
        after = ids[1:][ids[:-1] == a]
        assert abs(after.mean() - p[a, 1]) < 0.03                              # at least 2,500 pairs: 3 deviations


def test_a_text_ends_with_the_stop_and_others_go_on(rng):
    ring = np.roll(np.eye(4), 1, 1)
    assert sample(table(ring), [0], 9, rng, stop=3).tolist() == [1, 2, 3]
    assert sample(table(ring), [[0, 2]], 9, rng, stop=3).tolist() == [[1, 3], [2, 3], [3, 3]]


def test_an_empty_prompt_is_refused(rng):
    for call in (lambda p: sample(table(P), p, 3, rng), lambda p: beam_search(table(P), p, 3)):
        with pytest.raises(mg.ShapeError, match="a prompt is ids"):
            call([])
    with pytest.raises(mg.ShapeError, match=r"a prompt is ids \(P,\), not int64 \(1, 2\)"):
        beam_search(table(P), [[0, 1]], 3)


# ----- Searching

def listed(p: np.ndarray, length: int, stop: int, alpha: float) -> list:
    """All sentences of at most `length` tokens that end with stop, best first."""
    found = []
    for n in range(1, length + 1):
        for ids in itertools.product([k for k in range(len(p)) if k != stop], repeat=n - 1):
            log_p = sum(math.log(p[a, b]) for a, b in itertools.pairwise((0, *ids, stop)))
            found.append((log_p / n ** alpha, [*ids, stop]))
    return sorted(found, key=lambda f: -f[0])


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
def test_a_beam_as_wide_as_everything_finds_what_listing_all_finds(rng, alpha):
    p = rng.dirichlet(np.ones(4), 4)
    want = listed(p, 5, 2, alpha)
    found = beam_search(table(p), [0], 5, beam=3 ** 4, stop=2, alpha=alpha)
    assert len(found) == 3 ** 4
    for f, (score, _) in zip(found, want, strict=False):                       # some are equal: their order is open
        assert math.isclose(f.score, score) and math.isclose(f.score, f.log_p / len(f.ids) ** alpha)
        assert math.isclose(f.log_p, sum(math.log(p[a, b]) for a, b in itertools.pairwise((0, *f.ids))))
    assert len({tuple(f.ids) for f in found}) == len(found)


def test_without_a_stop_the_best_of_all_texts_of_that_length_is_found(rng):
    p = rng.dirichlet(np.ones(3), 3)
    best = max(itertools.product(range(3), repeat=4),
               key=lambda ids: sum(math.log(p[a, b]) for a, b in itertools.pairwise((0, *ids))))
    found = beam_search(table(p), [0], 4, beam=27)
    assert tuple(found[0].ids) == best and all(len(f.ids) == 4 for f in found)


def test_a_beam_of_one_is_greedy_and_a_beam_of_two_sees_past_a_bad_first_word():
    """0 -> 1 is likelier than 0 -> 2, but behind 1 all is even, and behind 2 it is certain."""
    p = np.array([[0, 0.55, 0.45, 0, 0], [0, 0, 0, 0.5, 0.5], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0.0]])
    assert beam_search(table(p), [0], 2, beam=1)[0].ids == [1, 3]
    best = beam_search(table(p), [0], 2, beam=2)[0]
    assert best.ids == [2, 4] and math.isclose(best.log_p, math.log(0.45)) and math.isclose(best.score, best.log_p / 2)


def test_length_normalisation_lets_a_long_sentence_win():
    """Ending at once has 0.4, five certain words and the end 0.3: by ln P the short one wins, by the mean the long."""
    p = np.zeros((8, 8))
    p[0, [7, 1, 6]] = 0.4, 0.3, 0.3                                            # 7 is the stop
    for k in range(1, 6):
        p[k, k + 1 if k < 5 else 7] = 1
    p[6, 6] = 1
    assert beam_search(table(p), [0], 7, beam=3, stop=7, alpha=0)[0].ids == [7]
    assert beam_search(table(p), [0], 7, beam=3, stop=7, alpha=1)[0].ids == [1, 2, 3, 4, 5, 7]


def test_sentences_that_never_end_are_given_only_if_none_does(rng):
    p = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1.0]])
    assert all(len(f.ids) == 4 for f in beam_search(table(p), [0], 4, beam=2, stop=2))
    p[0] = 0.5, 0.49, 0.01
    assert all(f.ids[-1] == 2 for f in beam_search(table(p), [0], 4, beam=2, stop=2))


@pytest.mark.parametrize("wrong", [{"beam": 0}, {"alpha": -1}])
def test_a_beam_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="beam >= 1 and alpha >= 0"):
        beam_search(table(P), [0], 3, **wrong)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_beginning_goes_on_with_its_own_state(device, cell):
    """Each sentence's ln P is what the model says that reads it alone; with a neighbour's state it would not be.

    float32, three tokens: 1e-5 is some ten units in the last place of a sum.
    """
    model = RNNLM(5, hidden=6, cell=cell, layers=2).to(device)
    for p in model.parameters():
        p.data *= 3                            # so that states matter
    found = model.search([1, 2], 3, beam=5)
    assert len({tuple(f.ids[:2]) for f in found}) > 1                          # states were reordered
    for f in found:
        assert math.isclose(f.log_p, model.score([1, 2, *f.ids]) - model.score([1, 2]), abs_tol=1e-5)


def test_take_picks_columns_of_nested_states():
    h = mg.tensor(np.arange(12.0).reshape(2, 3, 2))
    taken = decoding.take((h, (h,)), np.array([2, 0]))
    assert np.array_equal(taken[1][0].numpy(), h.numpy()[:, [2, 0]]) and decoding.take(None, np.array([0])) is None
