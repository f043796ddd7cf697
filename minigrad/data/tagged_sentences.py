"""Sentences with a tag a word, and the numbers that taggers get of them: words, their letters, tags.

Riveill, *Multi-level encoding*: a word is known by its number, and by its letters. A word that never stood in the
training sentences is <unk> to the first and like any other to the second.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .streams import padded
from .vocabulary import PAD, UNK, Vocabulary

IGNORE = -100                                  # the tag of what is no word: it counts in no loss and no score


class Sentence(NamedTuple):
    """Words with their tags.  marks: what a word is there to show, such as "unseen"; "" for most."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    marks: tuple[str, ...]


def sentence(words: Iterable[str], tags: Iterable[str], marks: Iterable[str] | None = None) -> Sentence:
    """A sentence without marks, if none are given. Raises ValueError unless each word has a tag (and a mark)."""
    w, t = tuple(words), tuple(tags)
    m = ("",) * len(w) if marks is None else tuple(marks)
    if not len(w) == len(t) == len(m):
        raise ValueError(f"each word has one tag and one mark: {len(w)} words, {len(t)} tags, {len(m)} marks")
    return Sentence(w, t, m)


class TagBatch(NamedTuple):
    """B sentences as numbers. What lies behind a sentence's or a word's end is 0, and IGNORE among the tags.

    words (B, T), lengths (B,), tags (B, T).  letters (U, L): those of each different word once, spelled (U,): how many
    it has, and forms (B, T): which of the U stands there.
    """

    words: np.ndarray
    lengths: np.ndarray
    tags: np.ndarray
    forms: np.ndarray
    letters: np.ndarray
    spelled: np.ndarray

    def rows(self, which: np.ndarray | slice) -> TagBatch:
        """Some of the sentences, cut to the longest of them, with the letters of their words alone."""
        lengths = self.lengths[which]
        t = lengths.max()
        used, forms = np.unique(self.forms[which, :t], return_inverse=True)
        spelled = self.spelled[used]
        return TagBatch(self.words[which, :t], lengths, self.tags[which, :t], forms.reshape(-1, t),
                        self.letters[used, :spelled.max()], spelled)


class TagCoder:
    """What words, letters and tags are numbered by, from the training sentences: `coder(sentences) -> TagBatch`.

    words, letters: vocabularies with <pad> 0 and <unk> 1.  tags: names by number; those of the sentences in the order
    of the alphabet, if not given.
    """

    def __init__(self, sentences: Sequence[Sentence], tags: Sequence[str] | None = None) -> None:
        words = [w for s in sentences for w in s.words]
        self.words = Vocabulary.build(words, specials=(PAD, UNK))
        self.letters = Vocabulary.build("".join(words), specials=(PAD, UNK))
        self.tags = list(tags) if tags is not None else sorted({t for s in sentences for t in s.tags})
        self._tags = {tag: k for k, tag in enumerate(self.tags)}

    def __call__(self, sentences: Sequence[Sentence]) -> TagBatch:
        """Sentences as numbers. Raises ValueError for none, or for a tag that is not among `tags`."""
        words, lengths = padded([self.words.encode(s.words) for s in sentences])
        different = {w: k for k, w in enumerate(dict.fromkeys(w for s in sentences for w in s.words))}
        forms, _ = padded([[different[w] for w in s.words] for s in sentences])
        letters, spelled = padded([self.letters.encode(w) for w in different])
        tags, _ = padded([[self._number(t) for t in s.tags] for s in sentences], IGNORE)
        return TagBatch(words, lengths, tags, forms, letters, spelled)

    def names(self, tags: np.ndarray, lengths: np.ndarray) -> list[list[str]]:
        """Numbers (B, T) of tags, as far as the sentences reach -> their names."""
        return [[self.tags[k] for k in row[:n].tolist()] for row, n in zip(tags, lengths, strict=True)]

    def _number(self, tag: str) -> int:
        if tag not in self._tags:
            raise ValueError(f"tag {tag!r} is none of {', '.join(self.tags)}")
        return self._tags[tag]


def marked(sentences: Sequence[Sentence], mark: str) -> np.ndarray:
    """Which words carry this mark: (B, T), False behind a sentence's end."""
    found = np.zeros((len(sentences), max(len(s.words) for s in sentences)), bool)
    for row, s in zip(found, sentences, strict=True):
        row[:len(s.marks)] = [m == mark for m in s.marks]
    return found


def distinct(draw: Callable[[], Sequence[Sentence]], groups: int) -> list[Sentence]:
    """Draw so many groups (a sentence, or a pair) that no two sentences have the same words: splits share none.

    Raises ValueError where `draw` gives nothing new 1000 times in a row.
    """
    found: list[Sentence] = []
    seen: set[tuple[str, ...]] = set()
    stale = count = 0
    while count < groups:
        fresh = draw()
        words = {s.words for s in fresh}
        if len(words) == len(fresh) and not words & seen:
            seen |= words
            found += fresh
            count, stale = count + 1, 0
        elif (stale := stale + 1) == 1000:
            raise ValueError(f"only {count} of {groups} different groups of sentences could be drawn")
    return found


_ONSETS = "b d f g k l m n r s t v br dr kr st tr".split()


def stems(rng: np.random.Generator, count: int) -> list[str]:
    """Different made-up stems of two syllables ("kora", "stimel", "oma"): with endings they become names and words.

    Raises ValueError for more than there are.
    """
    first = [onset + vowel for onset in ["", *_ONSETS] for vowel in "aeiou"]
    every = [one + onset + end for one in first for onset in _ONSETS for end in ("a", "e", "o", "al", "el", "ol")]
    if count > len(every):
        raise ValueError(f"there are {len(every)} stems, not {count}")
    return [every[k] for k in rng.choice(len(every), count, replace=False)]
