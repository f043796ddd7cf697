"""What does "it" mean?  Sentences in which the last word decides which of two nouns is the reason.

Télécom, *Self-Attention*: "The animal didn't cross the street because it was too tired." Tired is whoever should have
crossed; too wide is what should have been crossed. Here every noun may stand in both places, so that no noun tells what
it is to the verb, and sentences come in groups of four:

    the animal didn't cross the street because it was too tired      animal
    the animal didn't cross the street because it was too wide       street
    the street didn't cross the animal because it was too tired      street
    the street didn't cross the animal because it was too wide       animal

The first noun is right in two of four, and so is the last. Rows 1 and 3 hold the same words and have other answers,
so a bag of words is right in at most one half; rows 1 and 2 are the same up to "it was too", so whoever reads from the
left and answers at "it" is right in at most one half. Words that say nothing stand around the nouns, so that no noun
has a place of its own.
"""
from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ..errors import describe
from .streams import padded
from .vocabulary import Vocabulary

NOUNS = tuple("animal street child road horse river robot bridge woman field cart garden wolf market boat path train "
              "square dog forest".split())
FIRST = tuple("tired slow weak lazy afraid busy".split())      # ... that did not get across: the one that should have
LAST = tuple("wide far steep deep muddy dark".split())         # ... the one that should have been crossed
VERBS = tuple("cross pass reach enter climb".split())
_OF_NOUNS = tuple("old small grey quiet new strange".split())
_OF_VERBS = tuple("really even quite simply".split())
_WHEN = tuple("today again then yesterday".split())
WORDS = Vocabulary(("<pad>", "the", "didn't", "because", "it", "was", "too",
                    *NOUNS, *FIRST, *LAST, *VERBS, *_OF_NOUNS, *_OF_VERBS, *_WHEN))
_FORMS = len(VERBS) * (1 + len(_OF_NOUNS)) ** 2 * (1 + len(_OF_VERBS)) * (1 + len(_WHEN)) * len(FIRST)    # of a pair
GROUP = 4                                      # sentences that differ in the order of nouns and in the reason


@dataclass(frozen=True)
class References:
    """N sentences; 4k to 4k + 3 are a group.

    texts: the words of each.  ids (N, T): filled up with <pad>.  lengths (N,).  it (N,): the place of "it".
    nouns (N, 2): the places of both nouns.  answers (N,): which noun "it" is, an index of NOUNS.  right (N,): 0 where
    it is the first one, 1 where it is the last.
    """

    texts: tuple[tuple[str, ...], ...]
    ids: np.ndarray
    lengths: np.ndarray
    it: np.ndarray
    nouns: np.ndarray
    answers: np.ndarray
    right: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)


def reference_texts(rng: np.random.Generator, groups: int, pairs: Collection[frozenset[str]] | None = None
                    ) -> References:
    """`groups` groups of four sentences, all groups different -> References with N = 4 groups.

    pairs: the two nouns of a group are one of these pairs (`noun_pairs`); None for any two.
    Raises ValueError for no group, no pair, or more groups than half of what there is.
    """
    choice = sorted(sorted(pair) for pair in (noun_pairs() if pairs is None else pairs))
    if groups < 1 or not choice:
        raise ValueError(f"reference_texts needs a group and a pair of nouns, not {groups} groups of {len(choice)}")
    if groups > len(choice) * _FORMS // 2:     # more would mean drawing the same ones again and again
        raise ValueError(describe(f"{len(choice)} pairs of nouns are too few for {groups} different groups.",
                                  fix=f"at most {_FORMS // 2} groups a pair"))
    found, seen = list[tuple[str, ...]](), set[tuple[str, ...]]()
    while len(found) < GROUP * groups:
        four = _group(rng, *rng.permutation(choice[rng.integers(len(choice))]).tolist())
        if four[0] in seen:
            continue
        seen.update(four)
        found += four
    return encode(*found)


def noun_pairs() -> set[frozenset[str]]:
    """Every two nouns, whatever their order: 190 pairs."""
    return {frozenset((a, b)) for a in NOUNS for b in NOUNS if a != b}


def encode(*texts: tuple[str, ...]) -> References:
    """Sentences of this grammar, made by hand, with what "it" is in them. Raises ValueError without two nouns, "it" and
    a reason at the end."""
    rows, at, right = list[np.ndarray](), list[list[int]](), list[int]()
    for text in texts:
        nouns = [k for k, word in enumerate(text) if word in NOUNS]
        if len(nouns) != 2 or "it" not in text or text[-1] not in FIRST + LAST:
            raise ValueError(f"a sentence has two nouns, 'it', and a reason at its end: not {' '.join(text)!r}")
        rows.append(WORDS.encode(text))
        at.append(nouns)
        right.append(int(text[-1] in LAST))
    ids, lengths = padded(rows)
    answers = [NOUNS.index(text[nouns[r]]) for text, nouns, r in zip(texts, at, right, strict=True)]
    return References(texts, ids, lengths, np.array([text.index("it") for text in texts]), np.array(at),
                      np.array(answers), np.array(right))


def _group(rng: np.random.Generator, one: str, two: str) -> list[tuple[str, ...]]:
    """Four sentences around two nouns: both orders, a reason for each place."""
    verb, tired, wide = (str(rng.choice(words)) for words in (VERBS, FIRST, LAST))
    before, after, adverb, when = (_maybe(rng, words) for words in (_OF_NOUNS, _OF_NOUNS, _OF_VERBS, _WHEN))
    return [("the", *before, a, *adverb, "didn't", verb, "the", *after, b, *when, "because", "it", "was", "too", reason)
            for a, b in ((one, two), (two, one)) for reason in (tired, wide)]


def _maybe(rng: np.random.Generator, words: tuple[str, ...]) -> list[str]:
    return [str(rng.choice(words))] if rng.random() < 0.5 else []
