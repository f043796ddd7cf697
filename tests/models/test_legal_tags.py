"""Legal decoding: the best of all legal sequences, found by hand where there are few, and what it does not promise."""
from __future__ import annotations

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad.data.tag_schemes import illegal, tag_names, transitions
from minigrad.models.legal_tags import legal_tags

TAGS = tag_names(["PER", "LOC"])
FIRST, ALLOWED = transitions(TAGS)


def names(row):
    return [TAGS[k] for k in row]


@pytest.mark.parametrize("T", [1, 2, 4])
def test_it_is_the_best_of_all_legal_sequences(T, rng):
    """All 5^T sequences, those that `illegal` refuses left out: another judge than the table of transitions."""
    legal = np.array([s for s in itertools.product(range(5), repeat=T) if not illegal(names(s))])
    scores = rng.normal(size=(40, T, 5)) * 3
    sums = scores[:, np.arange(T), legal].sum(-1)              # (40, sequences)
    assert np.array_equal(legal_tags(scores, np.full(40, T), FIRST, ALLOWED), legal[sums.argmax(1)])


def test_what_is_legal_already_stays(rng):
    scores = rng.normal(size=(200, 5, 5))
    greedy, found = scores.argmax(-1), legal_tags(scores, np.full(200, 5), FIRST, ALLOWED)
    fine = np.array([not illegal(names(row)) for row in greedy])
    assert 20 < fine.sum() < 180
    assert ((greedy == found).all(1) == fine).all()
    assert not any(illegal(names(row)) for row in found)


def test_the_sum_of_the_scores_is_never_higher_than_that_of_the_best_tags(rng):
    scores = rng.normal(size=(100, 6, 5))
    found = legal_tags(scores, np.full(100, 6), FIRST, ALLOWED)
    mine = np.take_along_axis(scores, found[..., None], -1).sum((1, 2))
    assert (mine <= scores.max(-1).sum(1) + 1e-12).all()


def test_a_tag_that_is_sure_decides_what_stands_before_it():
    """B-PER is a little better at first, but I-LOC, which is sure, may follow B-LOC alone: what an RNN gains by."""
    scores = np.log(np.array([[[0.02, 0.5, 0.02, 0.44, 0.02], [0.01, 0.01, 0.01, 0.01, 0.96]]]))
    assert names(legal_tags(scores, np.array([2]), FIRST, ALLOWED)[0]) == ["B-LOC", "I-LOC"]
    scores[0, 1] = np.log([0.2, 0.1, 0.15, 0.15, 0.4])
    assert names(legal_tags(scores, np.array([2]), FIRST, ALLOWED)[0]) == ["B-LOC", "I-LOC"]
    scores[0, 1] = np.log([0.4, 0.05, 0.05, 0.05, 0.45])
    assert names(legal_tags(scores, np.array([2]), FIRST, ALLOWED)[0]) == ["B-PER", "O"]


def test_it_can_be_wrong_where_the_best_tag_was_right():
    """No promise of accuracy: a wrong but sure I-LOC behind it turns a right B-PER into a wrong B-LOC."""
    scores = np.log(np.array([[[0.02, 0.6, 0.02, 0.34, 0.02], [0.01, 0.01, 0.01, 0.01, 0.96]]]))
    assert names(scores.argmax(-1)[0]) == ["B-PER", "I-LOC"]
    assert names(legal_tags(scores, np.array([2]), FIRST, ALLOWED)[0]) == ["B-LOC", "I-LOC"]


@pytest.mark.parametrize("behind", [[np.nan] * 5, [0, 0, 0, 0, 100]], ids=["nan", "a sure I-LOC"])
def test_what_lies_behind_a_sentence_changes_nothing(behind, rng):
    """NaN is what `log_probabilities` puts there; an I-LOC would ask for a LOC at the sentence's end."""
    scores, lengths = rng.normal(size=(5, 6, 5)), np.array([6, 3, 1, 5, 2])
    junk = scores.copy()
    for row, n in enumerate(lengths):
        junk[row, n:] = behind
    found = legal_tags(junk, lengths, FIRST, ALLOWED)
    for row, n in enumerate(lengths):
        alone = legal_tags(scores[row:row + 1, :n], lengths[row:row + 1], FIRST, ALLOWED)
        assert found[row, :n].tolist() == alone[0].tolist() and (found[row, n:] == -100).all()


def test_other_shapes_and_rules_without_a_way_out_are_refused():
    scores, n = np.zeros((2, 3, 5)), np.array([3, 3])
    with pytest.raises(mg.ShapeError, match=r"scores \(2, 3, 5\) has lengths \(1,\).*\n.*fix: scores \(B, T, K\)"):
        legal_tags(scores, n[:1], FIRST, ALLOWED)
    for bad in ((scores[0], n, FIRST, ALLOWED), (scores, n, FIRST[:4], ALLOWED), (scores, n, FIRST, ALLOWED[:4])):
        with pytest.raises(mg.ShapeError, match="legal_tags of scores"):
            legal_tags(*bad)
    for first, allowed in ((FIRST & False, ALLOWED), (FIRST, ALLOWED & False)):
        with pytest.raises(ValueError, match="no sequence is legal"):
            legal_tags(scores, n, first, allowed)
