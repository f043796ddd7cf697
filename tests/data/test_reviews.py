"""Reviews in pairs: what a pair shares, what it differs in, what windows can see, and which rules are at chance."""
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from minigrad.data.reviews import (
    _BAD,
    _FRAMES,
    _GOOD,
    MORE,
    NEGATIVE,
    POSITIVE,
    WORDS,
    Reviews,
    plain_reviews,
    review_pairs,
)

GRANTS, DENIES = {tuple(f[1].split()) for f in _FRAMES}, {tuple(f[2].split()) for f in _FRAMES}
GOOD, BAD = ({w for words in part.values() for w in words.split()} for part in (_GOOD, _BAD))


def places(text: list[str]) -> list[tuple[str, int, int]]:
    """Cues and qualities as (what, first word, word after the last), from left to right, found by reading the text."""
    found, at = [], 3                          # behind "the film was"
    while at < len(text):
        for what, cues in (("grants", GRANTS), ("denies", DENIES)):
            size = max((len(c) for c in cues if tuple(text[at:at + len(c)]) == c), default=0)
            if size:
                found.append((what, at, at + size))
                at += size - 1
        if text[at] in GOOD | BAD and found and text[at] in text[at + 2:at + 3]:
            found.append(("good" if text[at] in GOOD else "bad", at, at + 7))          # good X good Y and good Z
            at += 6
        elif text[at] in GOOD | BAD and found:
            found.append(("good" if text[at] in GOOD else "bad", at, at + 1))
        at += 1
    return found


@pytest.fixture(scope="module")
def data() -> Reviews:
    return review_pairs(np.random.default_rng(0), 1500)


# ----- A pair

def test_a_pair_has_the_same_words_and_opposite_verdicts(data):
    """Every order-free statistic of the two is the same: a bag, a mean, a length."""
    for k in range(0, len(data), 2):
        one, two = data.texts[k], data.texts[k + 1]
        assert Counter(one) == Counter(two) and one != two
        assert {data.labels[k], data.labels[k + 1]} == {NEGATIVE, POSITIVE} and data.gaps[k] == data.gaps[k + 1]


def test_a_verdict_is_positive_where_the_good_quality_is_granted(data):
    """Read word by word: cue, quality, cue, quality; one cue grants and one denies, one quality is good and one bad."""
    for text, label in zip(data.texts, data.labels, strict=True):
        whats = [what for what, _, _ in places(text)]
        assert {whats[0], whats[2]} == {"grants", "denies"} and {whats[1], whats[3]} == {"good", "bad"}
        assert label == (whats[whats.index("good") - 1] == "grants")


def test_no_review_occurs_twice_and_half_of_them_are_positive(data):
    assert len({tuple(text) for text in data.texts}) == len(data) and data.labels.mean() == 0.5


def test_the_listed_words_are_those_that_occur(data):
    assert {w for text in data.texts for w in text} == set(WORDS) and list(WORDS) == sorted(set(WORDS))


def test_some_bad_review_says_good_three_times_and_some_good_one_bad(data):
    """The deck's third review."""
    for word, label in (("good", NEGATIVE), ("bad", POSITIVE)):
        assert any(text.count(word) == 3 and text[0] == "the" and verdict == label
                   for text, verdict in zip(data.texts, data.labels, strict=True))


def test_the_same_seed_gives_the_same_reviews():
    one, two, other = (review_pairs(np.random.default_rng(seed), 20) for seed in (1, 1, 2))
    assert one.texts == two.texts and (one.labels == two.labels).all() and one.texts != other.texts


# ----- What windows and rules can see

def test_the_gap_stands_between_cue_and_quality_and_at_least_as_much_elsewhere(data):
    """So no window of gap + 1 words holds two of cue, quality, cue, quality and end."""
    assert set(data.gaps) == set(range(9))
    for text, gap in zip(data.texts, data.gaps, strict=True):
        (_, _, a), (_, b, c), (_, d, e), (_, f, g) = places(text)
        assert b - a == f - e == gap
        assert gap <= d - c <= gap + MORE and gap <= len(text) - g <= gap + MORE


def test_rules_that_look_at_one_place_are_right_in_half(data):
    """Exactly, where a pair gets one answer; within 5 % (3.7 standard deviations) where each pair is a coin."""
    whats = [[what for what, _, _ in places(text)] for text in data.texts]
    for at in (1, 3):                          # the first quality, the last: the same in both of a pair
        said = np.array([w[at] == "good" for w in whats])
        assert (said == data.labels).mean() == 0.5 and 0.45 < said.mean() < 0.55
    for at in (0, 2):
        said = np.array([w[at] == "grants" for w in whats])
        assert abs((said == data.labels).mean() - 0.5) < 0.05 and abs(said[::2].mean() - 0.5) < 0.05
    assert ((np.array([len(t) for t in data.texts]) > 20) == data.labels).mean() == 0.5


def windows_that_vote(data: Reviews, size: int) -> float:
    """The share of held-out reviews that naive Bayes over windows of `size` words judges rightly."""
    train, test = data.split(np.random.default_rng(1))
    counts = [Counter(), Counter()]
    for text, label in zip(train.texts, train.labels, strict=True):
        counts[label].update({tuple(text[k:k + size]) for k in range(len(text) - size + 1)})
    said = [sum(np.log((counts[1][w] + 1) / (counts[0][w] + 1))
                for w in {tuple(text[k:k + size]) for k in range(len(text) - size + 1)}) for text in test.texts]
    return float(((np.array(said) > 0) == test.labels).mean())


def test_windows_of_up_to_gap_plus_one_words_are_at_chance_and_wider_ones_are_not():
    """600 held-out reviews: 0.5 within 0.07 (3.4 standard deviations). Two words see a gap of none."""
    far, none = (review_pairs(np.random.default_rng(3), 1500, [gap]) for gap in (2, 0))
    assert abs(windows_that_vote(far, 2) - 0.5) < 0.07
    assert abs(windows_that_vote(far, 3) - 0.5) < 0.07
    assert windows_that_vote(none, 2) > 0.85


def test_a_bag_of_words_that_was_fitted_is_right_in_exactly_one_half(data):
    """Whatever weights it has."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        weight = dict(zip(WORDS, rng.normal(size=len(WORDS)), strict=True))
        said = [sum(weight[w] for w in sorted(text)) > 0 for text in data.texts]
        assert (np.array(said) == data.labels).mean() == 0.5


# ----- Parts

def test_a_split_tears_no_pair_apart_and_keeps_all(data):
    train, test = data.split(np.random.default_rng(0), 0.9)
    assert len(train) == 2700 and len(test) == 300
    for part in (train, test):
        assert all(Counter(a) == Counter(b) for a, b in zip(part.texts[::2], part.texts[1::2], strict=True))
        assert part.labels.mean() == 0.5
    whole = sorted(zip(data.texts, data.labels, data.gaps, strict=True))
    parts = [*zip(train.texts, train.labels, train.gaps, strict=True),
             *zip(test.texts, test.labels, test.gaps, strict=True)]
    assert sorted(parts) == whole


def test_some_rows_are_taken_with_their_verdicts_and_gaps(data):
    part = data.take([7, 2])
    assert part.texts == [data.texts[7], data.texts[2]] and part.labels.tolist() == data.labels[[7, 2]].tolist()
    assert part.gaps.tolist() == data.gaps[[7, 2]].tolist()


# ----- Plain reviews

def test_in_plain_reviews_nothing_is_denied_and_a_count_of_good_words_is_always_right():
    data = plain_reviews(np.random.default_rng(0), 500)
    denying = {w for cue in DENIES - GRANTS for w in cue} - {w for cue in GRANTS for w in cue} - {"in", "of", "was"}
    assert not denying & {w for text in data.texts for w in text}
    said = [sum((w in GOOD) - (w in BAD) for w in text) > 0 for text in data.texts]
    assert (np.array(said) == data.labels).all() and data.labels.mean() == 0.5
    assert len({tuple(text) for text in data.texts}) == len(data)


# ----- Errors

@pytest.mark.parametrize("make", [review_pairs, plain_reviews])
@pytest.mark.parametrize("pairs, gaps", [(0, [1]), (3, []), (3, [-1, 2])])
def test_no_pair_no_gap_or_a_negative_one_is_refused(make, pairs, gaps, rng):
    with pytest.raises(ValueError) as caught:
        make(rng, pairs, gaps)
    assert str(caught.value) == (f"reviews need at least one pair and gaps of 0 words or more, not {pairs} pairs and "
                                 f"gaps {gaps}")


def test_more_pairs_than_there_are_is_an_error_and_no_endless_loop(monkeypatch, rng):
    """Without asides one frame and one thing have 6 good and 6 bad words in two orders: 72 pairs, each of which can be
    drawn from either side."""
    monkeypatch.setattr("minigrad.data.reviews._aside", lambda rng, words: "")
    monkeypatch.setattr("minigrad.data.reviews._FRAMES", _FRAMES[:1])
    monkeypatch.setattr("minigrad.data.reviews._THINGS", "film")
    assert len(review_pairs(rng, 72, [0])) == 144
    with pytest.raises(ValueError) as caught:
        review_pairs(rng, 73, [0])
    assert str(caught.value) == ("there are too few different reviews with gaps [0] for 73 pairs.\n"
                                 "  fix: fewer pairs, or more and longer gaps")


@pytest.mark.parametrize("share", [0.0, 1.0, 0.01])
def test_a_share_that_leaves_one_part_empty_is_refused(share, rng):
    with pytest.raises(ValueError, match=f"a share of {share} of 10 pairs leaves one part empty"):
        review_pairs(rng, 10).split(rng, share)
