"""Short reviews in pairs: the same words, the opposite verdict.   Télécom, *Sentiment Classification*.

The deck's third review has a word of praise three times and is a bad one, since it says that all of it was lacking.
What counts is not which words there are but which cue stands before which quality:

    the play was lacking in my view charm for once quite full of as they say noise that night       negative
    the play was full of in my view charm for once quite lacking as they say noise that night       positive

A pair differs in where its two cues stand, and in nothing else: both reviews hold each word equally often, so a bag of
words, or an average of word vectors, has one answer for both and is right in exactly one half. The gap is the number of
words between cue and quality. At least as many stand between the first quality and the second cue, and behind the last
word that counts, so a window of gap + 1 words never holds two of cue, quality, cue, quality and end: what can be seen
through such windows is the same for both verdicts. Neither place tells anything alone: either cue may come first, and
either quality.

Reviews without a turn, in which good words are praise, are what an average can do: `plain_reviews`.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import describe

NEGATIVE, POSITIVE = 0, 1
VERDICTS = ("negative", "positive")

_THINGS = "film play book meal concert show"
_GOOD = {"noun": "charm wit warmth talent fun life", "adjective": "good fresh clever lovely bright moving"}
_BAD = {"noun": "noise gaps haste dust fuss chaos", "adjective": "bad stale clumsy ugly dull boring"}
_PARTS = "taste jokes music ideas service light"
# what comes before, the cue that grants, the cue that denies, the kind of quality
_FRAMES = (("was", "full of", "lacking", "noun"), ("was", "rich in", "short of", "noun"),
           ("was", "always", "never", "adjective"), (":", "it was", "not", "adjective"),
           ("was", "full of", "completely lacking in", "list"))
# asides: any number of words can be made of them, and they say nothing
_ASIDES = {1: "really quite frankly perhaps indeed again".split(),
           2: ["for once", "at times", "of course", "as ever", "that night"],
           3: ["in my view", "as they say", "on the whole", "to be fair", "once you look"]}
MORE = 2                                       # words, at most, by which the outer gaps are longer

WORDS = tuple(sorted({word for part in (
    _THINGS, *_GOOD.values(), *_BAD.values(), _PARTS, "the and", *[" ".join(frame[:3]) for frame in _FRAMES],
    *[aside for asides in _ASIDES.values() for aside in asides]) for word in part.split()}))


@dataclass(frozen=True)
class Reviews:
    """N reviews and their verdicts; from `review_pairs`, 2k and 2k + 1 are a pair.

    texts: the words of each, all of them in WORDS.  labels (N,): 0 negative, 1 positive.  gaps (N,): words between cue
    and quality.
    """

    texts: list[list[str]]
    labels: np.ndarray
    gaps: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int] | np.ndarray) -> Reviews:
        """Some of them, by index (K,)."""
        rows = np.asarray(rows, np.int64)
        return Reviews([self.texts[k] for k in rows], self.labels[rows], self.gaps[rows])

    def split(self, rng: np.random.Generator, share: float = 0.8) -> tuple[Reviews, Reviews]:
        """Two parts, of which the first has `share` of the pairs; no pair is torn apart.

        Raises ValueError where one part would be empty.
        """
        pairs = len(self) // 2
        first = round(share * pairs)
        if not 0 < first < pairs:
            raise ValueError(f"a share of {share} of {pairs} pairs leaves one part empty")
        order = rng.permutation(pairs)
        one, two = (self.take(np.sort(np.r_[2 * part, 2 * part + 1])) for part in (order[:first], order[first:]))
        return one, two


def review_pairs(rng: np.random.Generator, pairs: int, gaps: Sequence[int] = range(9)) -> Reviews:
    """`pairs` pairs of reviews, all different -> Reviews with N = 2 pairs, of which half are positive.

    gaps: each pair draws one, the number of words between a cue and its quality.
    Raises ValueError for no pair, no gap or a negative one, or more pairs than there are different ones.
    """
    return _distinct(rng, _turned, pairs, gaps)


def plain_reviews(rng: np.random.Generator, pairs: int, gaps: Sequence[int] = range(9)) -> Reviews:
    """Reviews without a turn: both qualities are granted, and both are good or both bad.

    N = 2 pairs, all different: 2k is negative and 2k + 1 positive, and they share nothing else.
    Raises ValueError as `review_pairs` does.
    """
    return _distinct(rng, _plain, pairs, gaps)


def _distinct(rng: np.random.Generator, draw: Callable[[np.random.Generator, int], tuple[str, str, int]], pairs: int,
              gaps: Sequence[int]) -> Reviews:
    """draw(rng, gap) -> two reviews, and the verdict of the first; drawn until there are so many new pairs."""
    if pairs < 1 or not len(gaps) or min(gaps) < 0:
        raise ValueError(f"reviews need at least one pair and gaps of 0 words or more, not {pairs} pairs and gaps "
                         f"{list(gaps)}")
    texts, labels, used, seen = list[list[str]](), list[int](), list[int](), set[str]()
    for _ in range(20 * pairs + 1000):
        gap = int(rng.choice(gaps))
        one, two, verdict = draw(rng, gap)
        if {one, two} & seen:
            continue
        seen |= {one, two}
        texts += [one.split(), two.split()]
        labels += [verdict, 1 - verdict]
        used += [gap, gap]
        if len(texts) == 2 * pairs:
            return Reviews(texts, np.array(labels, np.int64), np.array(used, np.int64))
    raise ValueError(describe(f"there are too few different reviews with gaps {list(gaps)} for {pairs} pairs.",
                              fix="fewer pairs, or more and longer gaps"))


def _turned(rng: np.random.Generator, gap: int) -> tuple[str, str, int]:
    """A review, the one with its cues exchanged, and the verdict of the first."""
    opening, grants, denies, kind = _FRAMES[rng.integers(len(_FRAMES))]
    good_first, grants_first, long_first = rng.random(3) < 0.5
    kinds = (kind, kind)
    if kind == "list":                         # three words of praise against one of blame, or the reverse
        kinds = ("list", "noun") if long_first else ("noun", "list")
    qualities = [_quality(rng, kinds[0], good_first), _quality(rng, kinds[1], not good_first)]
    cues = (grants, denies) if grants_first else (denies, grants)
    one, two = _phrased(rng, opening, qualities, gap, cues, cues[::-1])
    return one, two, POSITIVE if good_first == grants_first else NEGATIVE


def _plain(rng: np.random.Generator, gap: int) -> tuple[str, str, int]:
    """A negative and a positive review."""
    found = []
    for good in (False, True):
        opening, grants, _, kind = _FRAMES[rng.integers(len(_FRAMES))]
        qualities = [_quality(rng, kind, good) for _ in range(2)]
        found += _phrased(rng, opening, qualities, gap, (grants, grants))
    return found[0], found[1], NEGATIVE


def _quality(rng: np.random.Generator, kind: str, good: bool) -> str:
    """A word; of kind "list" the same word of praise or blame three times: "good taste good jokes and good music"."""
    if kind != "list":
        return str(rng.choice((_GOOD if good else _BAD)[kind].split()))
    word = "good" if good else "bad"
    first, second, third = rng.choice(_PARTS.split(), 3, replace=False)
    return f"{word} {first} {word} {second} and {word} {third}"


def _phrased(rng: np.random.Generator, opening: str, qualities: Sequence[str], gap: int, *cues: Sequence[str]
             ) -> list[str]:
    """One text for each pair of cues; all else in them is the same."""
    inner = [_aside(rng, gap) for _ in range(2)]
    outer = [_aside(rng, gap + int(rng.integers(MORE + 1))) for _ in range(2)]
    start = f"the {rng.choice(_THINGS.split())} {opening}"
    texts = [[start, *[part for k in range(2) for part in (pair[k], inner[k], qualities[k], outer[k])]]
             for pair in cues]
    return [" ".join(filter(None, text)) for text in texts]


def _aside(rng: np.random.Generator, words: int) -> str:
    """Asides of that many words in all, none twice in a row."""
    parts = [""]
    while words:
        size = int(rng.integers(1, min(3, words) + 1))
        if (aside := str(rng.choice(_ASIDES[size]))) != parts[-1]:
            parts.append(aside)
            words -= size
    return " ".join(parts[1:])
