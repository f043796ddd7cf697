"""Sentences whose verb is told by both its sides, and by neither alone.   For Télécom, *BERT*.

    the old baker quietly bakes the fresh bread today          the baker paints no ..., the artist bakes no ...

Four kinds of people do something of their own with each of four kinds of things, which makes 16 verbs. Who knows the
person has four verbs left, all as likely; who knows the thing has four others; who knows both has one. So a model that
reads from the left alone, or from the right alone, names the verb in a quarter of all sentences.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PEOPLE = tuple(tuple(words.split()) for words in (
    "baker cook chef waiter", "artist painter sculptor printer", "farmer shepherd gardener miller",
    "teacher pupil writer priest"))
THINGS = tuple(tuple(words.split()) for words in (
    "bread soup cake rice", "picture poster portrait map", "cow horse sheep goat", "book letter poem story"))
# one row for each kind of people, one column for each kind of things
VERBS = tuple(tuple(words.split()) for words in (
    "bakes hangs roasts quotes", "sketches paints draws prints", "grows buys feeds burns",
    "shares explains names reads"))
_LIKE = tuple("old young tall happy famous poor".split())
_HOW = tuple("quietly often slowly gladly seldom".split())
_WHICH = tuple("fresh large strange lost simple new".split())
_WHEN = tuple("today again here now alone".split())
WORDS = tuple(sorted({"the", *_LIKE, *_HOW, *_WHICH, *_WHEN, *sum((*PEOPLE, *THINGS, *VERBS), ())}))


def two_sided(rng: np.random.Generator, count: int) -> tuple[list[list[str]], np.ndarray]:
    """`count` sentences, all different, and the place of the verb in each (N,).

    People, things, and words that say nothing are drawn independently. Raises ValueError for none or more than 100,000.
    """
    if not 1 <= count <= 100_000:
        raise ValueError(f"two_sided makes 1 to 100,000 sentences, not {count}")
    texts, places, seen = list[list[str]](), list[int](), set[tuple[str, ...]]()
    while len(texts) < count:
        who, what, one, two = rng.integers(0, 4, 4)
        left = ["the", *_maybe(rng, _LIKE), PEOPLE[who][one], *_maybe(rng, _HOW)]
        text = [*left, VERBS[who][what], "the", *_maybe(rng, _WHICH), THINGS[what][two], *_maybe(rng, _WHEN)]
        if tuple(text) not in seen:
            seen.add(tuple(text))
            texts.append(text)
            places.append(len(left))
    return texts, np.array(places)


def kinds(text: Sequence[str]) -> tuple[int, int]:
    """Which of PEOPLE and which of THINGS a sentence is about."""
    who, = (k for k, words in enumerate(PEOPLE) if set(words) & set(text))
    what, = (k for k, words in enumerate(THINGS) if set(words) & set(text))
    return who, what


def _maybe(rng: np.random.Generator, words: tuple[str, ...]) -> list[str]:
    return [str(rng.choice(words))] if rng.random() < 0.6 else []
