"""Counting by sorting, beside counting by hashing: collections.Counter is the second opinion throughout."""
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.data.ngram_counts import NGrams, count, count_all, flat, lookup
from minigrad.errors import IndexRangeError


def by_hashing(sentences, n):
    return Counter(tuple(s[i:i + n]) for s in sentences for i in range(len(s) - n + 1))


def as_dict(table: NGrams):
    return dict(zip(map(tuple, table.grams.tolist()), table.counts.tolist(), strict=True))


@settings(max_examples=150, deadline=None)
@given(sentences=st.lists(st.lists(st.integers(0, 4), max_size=12), max_size=8), order=st.integers(1, 7),
       vocab=st.sampled_from([5, 100, 5000, 2 ** 20, 2 ** 40]))
def test_the_counts_are_those_of_a_dictionary(sentences, order, vocab):
    """From 3 bits a token to 41: the keys fit in one number, or begin with the row of a shorter n-gram, or of two."""
    ids, lengths = flat(sentences)
    tables = count_all(ids, order, vocab=vocab, lengths=lengths)
    assert [t.n for t in tables] == list(range(1, order + 1))
    for table in tables:
        want = by_hashing(sentences, table.n)
        alone = count(ids, table.n, vocab=vocab, lengths=lengths)
        assert as_dict(table) == as_dict(alone) == want
        assert (len(table), table.total) == (len(want), want.total())
        assert list(map(tuple, table.grams.tolist())) == sorted(want)
        assert table.find(table.grams).tolist() == list(range(len(want)))


@pytest.mark.parametrize("vocab", [30, 4000, 50_000, 2 ** 31])
def test_a_long_stream_is_counted_like_a_short_one(vocab, rng):
    """Enough tokens for repeated 5-grams, and for tables that are counted without a sort (30 ids, n up to 2)."""
    ids = rng.integers(0, 12, 5000) * (vocab // 12)
    for table in count_all(ids, 5, vocab=vocab):
        assert as_dict(table) == by_hashing([ids.tolist()], table.n) == as_dict(count(ids, table.n, vocab=vocab))


def test_the_decks_phrase_has_four_unigrams_three_bigrams_two_trigrams_and_a_4_gram():
    """KTH, *n-gram Language Models*: "the students opened their"."""
    words = "the students opened their".split()
    tables = count_all(np.arange(4), 4)
    named = [[" ".join(words[i] for i in gram) for gram in t.grams] for t in tables]
    assert named == [words, ["the students", "students opened", "opened their"],
                     ["the students opened", "students opened their"], ["the students opened their"]]


def test_no_n_gram_runs_over_the_end_of_a_sentence():
    ids, lengths = flat([[1, 2], [], [3], [1, 2]])
    assert as_dict(count(ids, 2, lengths=lengths)) == {(1, 2): 2}
    assert as_dict(count(ids, 2)) == {(1, 2): 2, (2, 3): 1, (3, 1): 1}


def test_there_are_at_most_as_many_n_grams_as_tokens_and_as_possible_ones(rng):
    """KTH, *Storage*, says the size is exponential in n: so it is until the text is used up."""
    ids = rng.integers(0, 4, 500)
    sizes = [len(t) for t in count_all(ids, 8, vocab=4)]
    assert all(size <= min(4 ** n, 500 - n + 1) for n, size in enumerate(sizes, 1))
    assert sizes[:3] == [4, 16, 64] and sizes[7] > 450


def test_what_the_text_lacks_is_not_found():
    table = count(np.array([0, 1, 2, 0, 1]), 2, vocab=5)
    assert table.find([[0, 1], [1, 0], [0, 4], [0, 5], [-1, 0], [2, 0]]).tolist() == [0, -1, -1, -1, -1, 2]
    assert (table.count([0, 1]), table.count([4, 4])) == (2, 0)
    long = count(np.arange(12), 9, vocab=2 ** 31)
    assert long.find([range(9), range(1, 10), [0] * 9]).tolist() == [0, 1, -1]
    assert count(np.arange(3), 5).find([[0, 1, 2, 3, 4]]).tolist() == [-1]


def test_the_commonest_come_first_and_ties_in_order():
    table = count(np.array([3, 1, 3, 1, 2, 2]), 1)
    assert table.most_common(2) == [((1,), 2), ((2,), 2)]


def test_the_counts_do_not_depend_on_the_type_of_the_ids(rng):
    ids = rng.integers(0, 50, 300)
    want = as_dict(count(ids, 3))
    assert all(as_dict(count(ids.astype(t), 3)) == want for t in (np.uint8, np.int16, np.int32, np.uint64))


def test_the_text_is_left_as_it_is(rng):
    ids = rng.integers(0, 9, 100)
    before = ids.copy()
    count_all(ids, 4)
    assert (ids == before).all()


def test_an_empty_text_has_no_n_grams():
    assert [len(t) for t in count_all(np.zeros(0, int), 3, vocab=5)] == [0, 0, 0]
    assert count(np.zeros(0, int), 2).grams.shape == (0, 2)
    assert lookup(np.zeros(0, int), np.array([1, 2])).tolist() == [-1, -1]


@pytest.mark.parametrize("arguments, error, words", [
    (dict(ids=np.array([1, 2]), n=0), ValueError, "at least 1 token, not 0"),
    (dict(ids=np.array([1.5]), n=1), ValueError, "whole numbers"),
    (dict(ids=np.zeros((2, 2), int), n=1), ValueError, r"\(2, 2\)"),
    (dict(ids=np.array([1, 7]), n=1, vocab=7), IndexRangeError, "an id is 7; ids here are 0 to 6"),
    (dict(ids=np.array([-1, 7]), n=1), IndexRangeError, "an id is -1"),
    (dict(ids=np.array([1, 2]), n=1, lengths=[1]), ValueError, "1 in all do not make a text of 2|of 1 tokens"),
    (dict(ids=np.array([1, 2]), n=1, vocab=2 ** 63), ValueError, "64 bits each: too many"),
])
def test_what_cannot_be_counted_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        count(**arguments)
    with pytest.raises(error, match=words):
        count_all(order=arguments.pop("n"), **arguments)


@pytest.mark.parametrize("peer", ["counter", "freqdist", "nltk_lm"])
def test_both_sides_of_the_benchmark_count_the_same(peer):
    """A ratio of times says nothing where one side does less."""
    from benchmarks import ngram_steps as steps
    if peer != "counter":
        pytest.importorskip("nltk")
    ours, theirs = steps.ours(40, 300)(), getattr(steps, peer)(40, 300)()
    for table in ours:
        want = {tuple(f"w{w}" for w in gram): k for gram, k in as_dict(table).items()}
        if peer == "nltk_lm":
            assert all(theirs[list(g[:-1])][g[-1]] == k if len(g) > 1 else theirs[g[0]] == k for g, k in want.items())
            assert theirs[table.n].N() == table.total
        else:
            assert theirs[table.n - 1] == want
    assert [len(t) for t in steps.ours_from_words(40, 300)()] == [len(t) for t in ours]
