"""The generated texts: what their relations, twins and groups promise; and Télécom's table."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.relations import ATTRIBUTES, CONTEXT, HELD_OUT, TRIP, VEHICLES, relations
from minigrad.data.telecom_table import FEATURES, telecom_table
from minigrad.data.word_groups import word_groups


@pytest.fixture(scope="module")
def text():
    return relations(np.random.default_rng(0), sentences=30)


def lines(text):
    """The sentences as lists of words."""
    words = np.array(text.corpus.words)
    return np.split(words[text.corpus.ids], np.flatnonzero(np.diff(text.corpus.sentence)) + 1)


def test_every_word_occurs_as_often_as_its_unrelated_twin(text):
    counts = dict(zip(text.corpus.words, text.corpus.counts, strict=True))
    assert len(text.twins) == len(ATTRIBUTES) == 52 and len(set(text.twins.values())) == 52
    assert all(counts[word] == counts[twin] for word, twin in text.twins.items())


def test_the_plane_is_on_no_trip_and_every_other_vehicle_is(text):
    trips = [set(line) for line in lines(text) if set(line) & set(TRIP)]
    assert {v for v in VEHICLES if any(v in line for line in trips)} == set(VEHICLES) - {HELD_OUT}


def test_a_sentence_without_strays_has_context_of_its_words_attributes_only():
    known = {word: value for value, words in CONTEXT.items() for word in words.split()}
    for line in lines(relations(np.random.default_rng(0), sentences=10, stray=0)):
        about = [word for word in line if word in ATTRIBUTES]
        assert {known[w] for w in line if w in known} <= set(ATTRIBUTES[about[0]] if about else ())


def test_strays_have_their_share(text):
    known = {word: value for value, words in CONTEXT.items() for word in words.split()}
    own = [known[w] in ATTRIBUTES["king"] for line in lines(text) if "king" in line for w in line if w in known]
    assert 0.6 < np.mean(own) < 0.9                # 3/4, and strays that fit by chance; about 100 words


def test_the_two_pairs_of_a_question_differ_in_one_attribute_alike(text):
    """man king woman queen: what changes from the first to the second changes from the third to the fourth."""
    words = text.corpus.words
    assert {name: len(q) for name, q in text.questions.items()} == {
        "gender": 60, "rank": 24, "age": 60, "capital": 112, "tense": 112}
    for questions in text.questions.values():
        assert len({tuple(q) for q in questions.tolist()}) == len(questions)
        for a, b, c, d in questions:
            first, second, third, fourth = (ATTRIBUTES[words[k]] for k in (a, b, c, d))
            assert (set(first) - set(second), set(second) - set(first)) == (set(third) - set(fourth),
                                                                             set(fourth) - set(third))
            assert len(set(first) - set(second)) == 1 and len({a, b, c, d}) == 4


def test_words_of_a_kind_share_a_number_and_unrelated_ones_have_none(text):
    group = dict(zip(text.corpus.words, text.group, strict=True))
    assert group["king"] == group["niece"] > 0 and group["paris"] != group["france"] and group["stone"] == 0
    assert sum(g > 0 for g in group.values()) == 52


def test_a_text_of_too_few_sentences_is_refused():
    with pytest.raises(ValueError, match="at least 10 sentences"):
        relations(np.random.default_rng(0), sentences=9)


def test_half_of_a_sentence_is_of_one_group(rng):
    corpus, group = word_groups(rng, 40_000, vocabulary=500, groups=20)
    of = group[corpus.ids].reshape(-1, 20)
    top = np.array([np.bincount(row, minlength=20).max() for row in of])
    assert len(corpus.ids) == 40_000 and abs(top.mean() / 20 - (0.5 + 0.5 / 20)) < 0.05
    counts = corpus.counts
    assert counts[0] > 10 * counts[100] and len(corpus.words) == 500             # Zipf: 101^0.9 is 64
    with pytest.raises(ValueError, match="some would be empty"):
        word_groups(rng, 10)


def test_the_table_is_the_slides():
    words, table = telecom_table()
    row = dict(zip(words, table, strict=True))
    assert table.shape == (12, len(FEATURES)) and list(row["king"]) == [-1, 1, 0.7, 0.5, 0]
    assert list(row["chancellor"]) == [-0.3, 0.5, 0.7, 0.2, 0]
    assert np.array_equal(row["boat"], row["plane"]) and np.array_equal(row["France"], row["Germany"])
