"""A verb that both its sides tell together: sixteen verbs, a quarter by one side, all by both."""
from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from minigrad.data.two_sides import PEOPLE, THINGS, VERBS, WORDS, kinds, two_sided


def test_every_word_has_one_meaning():
    """Four kinds of four people, four of four things, sixteen verbs: no word stands in two lists."""
    listed = [w for part in (*PEOPLE, *THINGS, *VERBS) for w in part]
    assert len(listed) == len(set(listed)) == 48 and set(listed) < set(WORDS)
    assert [len(row) for row in (*PEOPLE, *THINGS, *VERBS)] == [4] * 12


def test_the_verb_is_that_of_the_person_and_the_thing_and_stands_between_them(rng):
    texts, places = two_sided(rng, 300)
    for text, at in zip(texts, places, strict=True):
        who, what = kinds(text)
        assert text[at] == VERBS[who][what] and set(text) <= set(WORDS)
        assert set(text[:at]) & set(PEOPLE[who]) and set(text[at:]) & set(THINGS[what])


def test_one_side_leaves_four_verbs_as_likely_and_no_other_word_tells_any(rng):
    """By counting in 8,000 sentences: the commonest verb beside any word of a side is right in about a quarter."""
    texts, places = two_sided(rng, 8000)
    sides: tuple[dict, dict] = defaultdict(Counter), defaultdict(Counter)
    for text, at in zip(texts, places, strict=True):
        for counts, words in zip(sides, (text[:at], text[at + 1:]), strict=True):
            for word in set(words):
                counts[word][text[at]] += 1
    for counts in sides:
        for found in counts.values():
            assert max(found.values()) / found.total() < 0.35 and len(found) in (4, 16)


def test_sentences_are_different_and_one_seed_gives_one_set(rng):
    assert len({tuple(text) for text in two_sided(rng, 2000)[0]}) == 2000
    same = [two_sided(np.random.default_rng(seed), 5)[0] for seed in (3, 3, 4)]
    assert same[0] == same[1] != same[2]
    for count in (0, 100_001):
        with pytest.raises(ValueError, match=f"1 to 100,000 sentences, not {count}"):
            two_sided(rng, count)
