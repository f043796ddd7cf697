"""BIO: spans and tags, what may follow what, and scores that count names and not words."""
from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from minigrad.data.tag_schemes import (
    Span,
    SpanCounts,
    illegal,
    span_counts,
    spans_of,
    tag_names,
    tags_of,
    transitions,
)

TAGS = tag_names(["PER", "LOC"])


def random_tags(rng, length):
    return [TAGS[k] for k in rng.integers(len(TAGS), size=length)]


def by_pattern(tags):
    """Spans read by a regular expression over one letter a tag: another way to the same answer."""
    letters = {"O": "o", "B-PER": "P", "I-PER": "p", "B-LOC": "L", "I-LOC": "l"}
    text = "".join(letters[t] for t in tags)
    return [Span(m.start(), m.end(), "PER" if m[0][0] in "Pp" else "LOC") for m in re.finditer("[Pp]p*|[Ll]l*", text)]


def test_the_slides_sentence_has_two_names():
    tags = ["B-PER", "I-PER", "O", "O", "O", "O", "B-LOC"]
    assert spans_of(tags) == [Span(0, 2, "PER"), Span(6, 7, "LOC")]
    assert tags_of([(0, 2, "PER"), (6, 7, "LOC")], 7) == tags


def test_legal_tags_are_the_tags_of_their_spans(rng):
    for _ in range(200):
        tags = random_tags(rng, 6)
        again = tags_of(spans_of(tags), 6)
        assert (again == tags) == (not illegal(tags))
        assert spans_of(again) == spans_of(tags)                   # the reading of illegal tags is a legal sequence


def test_spans_are_those_that_a_regular_expression_finds(rng):
    """conlleval's reading: an I- that continues nothing begins a span."""
    for tags in itertools.product(TAGS, repeat=4):
        assert spans_of(tags) == by_pattern(tags)


def test_two_names_side_by_side_are_two():
    assert spans_of(["B-PER", "B-PER"]) == [Span(0, 1, "PER"), Span(1, 2, "PER")] != spans_of(["B-PER", "I-PER"])
    assert tags_of([(0, 1, "PER"), (1, 3, "PER")], 3) == ["B-PER", "B-PER", "I-PER"]


@pytest.mark.parametrize("tags, places", [
    (["I-PER"], [0]), (["O", "I-PER"], [1]), (["B-LOC", "I-PER"], [1]), (["B-PER", "I-PER", "I-LOC", "I-LOC"], [2]),
    (["B-PER", "I-PER", "O", "B-LOC"], []), ([], [])])
def test_an_inside_tag_needs_its_own_kind_before_it(tags, places):
    assert illegal(tags) == places


def test_transitions_allow_exactly_what_is_not_illegal():
    first, allowed = transitions(TAGS)
    assert first.tolist() == [not illegal([tag]) for tag in TAGS]
    for i, a in enumerate(TAGS):
        for j, b in enumerate(TAGS):
            assert allowed[i, j] == (1 not in illegal([a, b]))
    assert not allowed[TAGS.index("O"), TAGS.index("I-PER")] and not allowed[TAGS.index("B-LOC"), TAGS.index("I-PER")]


@pytest.mark.parametrize("spans, message", [
    ([(0, 2, "PER"), (1, 3, "LOC")], r"word 1 is in \(0, 2, 'PER'\) and \(1, 3, 'LOC'\)"),
    ([(0, 4, "PER"), (1, 2, "PER")], "word 1 is in"), ([(2, 2, "PER")], r"not empty, unlike \(2, 2, 'PER'\)"),
    ([(3, 6, "PER")], "text of 5 words"), ([(-1, 1, "PER")], "text of 5 words")])
def test_spans_that_cross_or_leave_the_text_are_refused(spans, message):
    with pytest.raises(ValueError, match=message):
        tags_of(spans, 5)


@pytest.mark.parametrize("tag", ["PER", "X-PER", "B", "B-", "", "BPER"])
def test_what_is_no_bio_tag_is_refused(tag):
    for reader in (spans_of, illegal, transitions):
        with pytest.raises(ValueError, match=f"B-KIND or I-KIND, not {tag!r}"):
            reader(["O", tag])


# ----- Scores

def test_half_of_a_name_is_no_name():
    """Four of five tags are right here, and none of the two spans: an F1 per word would say 0.8."""
    counts = span_counts([["B-PER", "I-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "O", "O", "B-PER"]])
    assert counts == SpanCounts(2, 2, 0) and counts.f1 == 0
    assert span_counts([["B-PER", "I-PER", "I-PER"]], [["B-PER", "I-PER", "I-PER"]]) == SpanCounts(1, 1, 1)


def test_precision_recall_and_f1_are_those_of_hand():
    gold = [["B-PER", "O", "B-LOC", "I-LOC"], ["B-PER", "B-PER", "O", "O"]]
    said = [["B-PER", "O", "B-LOC", "O"], ["B-PER", "B-PER", "B-LOC", "O"]]
    counts = span_counts(gold, said)
    assert counts == SpanCounts(gold=4, predicted=5, right=3)
    assert counts.precision == 3 / 5 and counts.recall == 3 / 4 and counts.f1 == pytest.approx(6 / 9)


def test_f1_is_the_harmonic_mean_of_precision_and_recall(rng):
    for _ in range(50):
        counts = span_counts([random_tags(rng, 9)], [random_tags(rng, 9)])
        if counts.right:
            assert counts.f1 == pytest.approx(2 / (1 / counts.precision + 1 / counts.recall))
        assert 0 <= counts.right <= min(counts.gold, counts.predicted)


def test_a_span_counts_in_its_own_sentence_alone():
    assert span_counts([["B-PER", "O"], ["O", "O"]], [["O", "O"], ["B-PER", "O"]]) == SpanCounts(1, 1, 0)


def test_where_there_are_no_spans_the_scores_are_0_as_in_conlleval():
    nothing = span_counts([["O"]], [["O"]])
    assert nothing == SpanCounts(0, 0, 0) and nothing.precision == nothing.recall == nothing.f1 == 0


def test_texts_of_another_length_are_refused():
    with pytest.raises(ValueError, match="text 1 has 2 tags and 1 predicted ones"):
        span_counts([["O"], ["O", "O"]], [["O"], ["O"]])
    with pytest.raises(ValueError):
        span_counts([["O"]], [])


def test_random_tags_score_far_below_1_and_their_own_copy_1(rng):
    gold = [random_tags(rng, 8) for _ in range(30)]
    assert span_counts(gold, gold).f1 == 1 > 0.5 > span_counts(gold, [random_tags(rng, 8) for _ in range(30)]).f1
    assert isinstance(span_counts(gold, gold).gold, int) and np.isfinite(span_counts(gold, gold).f1)
