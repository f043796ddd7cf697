"""Which noun is "it"?  Groups of four: balance, the same words in pairs, no rule better than half, no repetition."""
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from minigrad.data.references import FIRST, LAST, NOUNS, WORDS, encode, noun_pairs, reference_texts


def test_the_decks_sentence_is_in_the_language_and_means_the_animal():
    words = tuple("the animal didn't cross the street because it was too".split())
    data = encode((*words, "tired"), (*words, "wide"))
    assert [NOUNS[k] for k in data.answers] == ["animal", "street"] and data.right.tolist() == [0, 1]
    assert data.it.tolist() == [7, 7] and data.nouns.tolist() == [[1, 5]] * 2
    assert WORDS.decode(data.ids[0]) == [*words, "tired"]


def test_a_group_is_two_orders_of_two_nouns_with_a_reason_for_each_place(rng):
    data = reference_texts(rng, 50)
    for k in range(0, 200, 4):
        one, two, three, four = data.texts[k:k + 4]
        assert one[:-1] == two[:-1] and three[:-1] == four[:-1]                # the last word decides
        assert one[-1] == three[-1] in FIRST and two[-1] == four[-1] in LAST
        assert Counter(one) == Counter(three) and Counter(two) == Counter(four) and one != three
        first, last = (one[t] for t in data.nouns[k])
        assert [NOUNS[a] for a in data.answers[k:k + 4]] == [first, last, last, first]


def test_the_first_noun_and_the_last_noun_are_right_in_exactly_half(rng):
    data = reference_texts(rng, 50)
    assert (data.right == 0).sum() == (data.right == 1).sum() == 100
    rows = np.arange(len(data))
    assert [text[t] for text, t in zip(data.texts, data.nouns[rows, data.right], strict=True)] == [
        NOUNS[a] for a in data.answers]


def test_a_bag_of_words_and_whoever_stops_at_it_are_right_in_at_most_half(rng):
    """Equal count vectors, or an equal beginning, and other answers: one of two at most, whatever is said."""
    data = reference_texts(rng, 50)
    counts = np.array([np.bincount(row, minlength=len(WORDS)) for row in data.ids])
    for k in range(0, 200, 4):
        for a, b in ((k, k + 2), (k + 1, k + 3)):
            assert np.array_equal(counts[a], counts[b]) and data.answers[a] != data.answers[b]
        for a, b in ((k, k + 1), (k + 2, k + 3)):
            assert np.array_equal(data.ids[a, :data.it[a] + 1], data.ids[b, :data.it[b] + 1])
            assert data.answers[a] != data.answers[b]


def test_every_noun_is_the_answer_as_often_in_each_place(rng):
    """No noun and no place has an answer of its own: over many groups each of 20 nouns is right in about 1 of 20."""
    data = reference_texts(rng, 600)
    share = np.bincount(data.answers, minlength=len(NOUNS)) / len(data)
    assert share.min() > 0.03 and share.max() < 0.07
    assert len({tuple(row) for row in data.nouns}) >= 6                        # the nouns' places differ too
    for noun in range(len(NOUNS)):
        assert 0.3 < data.right[data.answers == noun].mean() < 0.7


def test_ids_end_where_the_sentence_ends(rng):
    data = reference_texts(rng, 20)
    for row, text, n, at in zip(data.ids, data.texts, data.lengths, data.it, strict=True):
        assert WORDS.decode(row[:n]) == list(text) and not row[n:].any() and text[at] == "it"


def test_pairs_that_are_kept_for_a_test_are_in_no_training_sentence(rng):
    pairs = sorted(map(sorted, noun_pairs()))
    assert len(pairs) == 190
    held = {frozenset(pair) for pair in pairs[::5]}
    train, test = reference_texts(rng, 200, noun_pairs() - held), reference_texts(rng, 50, held)

    def together(data):
        return {frozenset(text[t] for t in places) for text, places in zip(data.texts, data.nouns, strict=True)}
    assert together(test) <= held and not together(train) & held
    assert not set(train.texts) & set(test.texts) and len(set(train.texts)) == 800


def test_one_seed_gives_one_set_of_sentences():
    same = [reference_texts(np.random.default_rng(seed), 5).texts for seed in (3, 3, 4)]
    assert same[0] == same[1] != same[2]


def test_what_cannot_be_drawn_or_read_is_refused(rng):
    with pytest.raises(ValueError, match="not 0 groups of 190"):
        reference_texts(rng, 0)
    with pytest.raises(ValueError, match="1 groups of 0"):
        reference_texts(rng, 1, set())
    with pytest.raises(ValueError, match="too few for 200000 different groups"):
        reference_texts(rng, 200_000, {frozenset(("dog", "cart"))})
    with pytest.raises(ValueError, match="two nouns, 'it', and a reason at its end: not 'the dog was tired'"):
        encode(("the", "dog", "was", "tired"))
