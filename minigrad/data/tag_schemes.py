"""BIO: what a text names, as one tag a word, and back.   Riveill, *Machine Learning approach*.

    Emmanuel  Macron  is  the  president  of  France            B-PER  the first word of a person's name
    B-PER     I-PER   O   O    O          O   B-LOC             I-PER  a later word of it;  O  outside of any name

A span is what stands between its borders, with its kind. B tells two names side by side apart, which a tag PER alone
could not. A tagger that decides word by word can say what no text means: an I- that continues nothing. `spans_of` reads
such tags as the scorer of the CoNLL-2000 shared task (conlleval) does, and `illegal` counts them.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

OUTSIDE = "O"


class Span(NamedTuple):
    """The words start ... end - 1 are one name (or value) of this kind."""

    start: int
    end: int
    kind: str


def tag_names(kinds: Iterable[str]) -> list[str]:
    """All tags of these kinds: ["PER"] -> ["O", "B-PER", "I-PER"]."""
    return [OUTSIDE, *(f"{letter}-{kind}" for kind in kinds for letter in "BI")]


def tags_of(spans: Iterable[Span], length: int) -> list[str]:
    """Spans of a text of `length` words -> its tags.

    Raises ValueError for a span that is empty, leaves the text, or shares a word with another: a word has one tag.
    """
    tags, owner = [OUTSIDE] * length, dict[int, Span]()
    for span in map(Span._make, spans):
        if not 0 <= span.start < span.end <= length:
            raise ValueError(f"a span lies inside its text of {length} words and is not empty, unlike {tuple(span)}")
        for t in range(span.start, span.end):
            if t in owner:
                raise ValueError(f"word {t} is in {tuple(owner[t])} and {tuple(span)}: BIO has one tag a word")
            owner[t] = span
            tags[t] = f"{'B' if t == span.start else 'I'}-{span.kind}"
    return tags


def spans_of(tags: Sequence[str]) -> list[Span]:
    """Tags -> spans, from left to right. An I- that continues nothing, or another kind, begins a span.

    Raises ValueError for what is no BIO tag.
    """
    found: list[Span] = []
    start, before = 0, ""                      # the span that is open, and its kind; "" for none
    for t, (letter, kind) in enumerate([*map(_parts, tags), (OUTSIDE, "")]):
        if before and (letter != "I" or kind != before):
            found.append(Span(start, t, before))
            before = ""
        if kind and not before:
            start, before = t, kind
    return found


def transitions(tags: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which of K tags may stand first (K,), and allowed[i, j], whether tags[j] may follow tags[i] (K, K).

    I-PER follows B-PER or I-PER, and nothing else; all other tags follow anything. Raises ValueError for other tags.
    """
    parts = [_parts(tag) for tag in tags]
    first = np.array([letter != "I" for letter, _ in parts])
    return first, np.array([[letter != "I" or kind == before for letter, kind in parts] for _, before in parts])


def illegal(tags: Sequence[str]) -> list[int]:
    """The places of tags that continue nothing: I- at the beginning, after O, or after another kind."""
    parts = [(OUTSIDE, ""), *map(_parts, tags)]
    return [t for t, ((_, before), (letter, kind)) in enumerate(zip(parts, parts[1:], strict=False))
            if letter == "I" and kind != before]


class SpanCounts(NamedTuple):
    """How many spans are in the text, were predicted, and are both: same borders and same kind. Counts add up."""

    gold: int
    predicted: int
    right: int

    @property
    def precision(self) -> float:
        """Of the predicted spans, the share that is right; 0 where none was predicted, as in conlleval."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Of the text's spans, the share that was found; 0 where it has none."""
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """2 right / (gold + predicted), the harmonic mean of the two; 0 where there are no spans at all."""
        return 2 * self.right / (self.gold + self.predicted) if self.gold + self.predicted else 0.0


def span_counts(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> SpanCounts:
    """Compare the spans of N texts, both given as tags. A span counts as a whole: half of a name is an error.

    Raises ValueError where a text has not as many predicted tags as tags.
    """
    counts = np.zeros(3, int)
    for n, (real, said) in enumerate(zip(gold, predicted, strict=True)):
        if len(real) != len(said):
            raise ValueError(f"text {n} has {len(real)} tags and {len(said)} predicted ones")
        a, b = set(spans_of(real)), set(spans_of(said))
        counts += len(a), len(b), len(a & b)
    return SpanCounts(*counts.tolist())


def _parts(tag: str) -> tuple[str, str]:
    """A tag's letter and kind: ("B", "PER"), and ("O", "")."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    letter, dash, kind = tag.partition("-")
    if letter not in ("B", "I") or not dash or not kind:
        raise ValueError(f"a BIO tag is O, B-KIND or I-KIND, not {tag!r}")
    return letter, kind
