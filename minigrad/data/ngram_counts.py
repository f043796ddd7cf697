"""Counting n-grams by sorting.   KTH, *n-gram Language Models - Example*.

A window of n tokens is one int64 with a few bits for each token, the first token highest. Sorted, equal n-grams stand
side by side, and the places where the key changes give the counts; no Python object is made for a token.

    one sort counts all lengths     the sorted 5-grams without their last token are the 4-grams, sorted
    sentences                       a token w is the digit w + 1; beyond the end of a sentence the digits are 0
    more than 63 bits               the first tokens are replaced by their row in the table that they have already
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import IndexRangeError, describe

KEY_BITS = 63                                  # of an int64 that stays positive


@dataclass(frozen=True, eq=False)
class NGrams:
    """The distinct n-grams of a text, ordered by their first token, then the second, and so on.

    n: tokens in each.  vocab: ids are below it.  counts (U,): how often each occurs.  keys (U,): rising int64.
    head: the table whose row number a key begins with, where n tokens do not fit in 63 bits.
    """

    n: int
    vocab: int
    keys: np.ndarray
    counts: np.ndarray
    head: NGrams | None = None

    def __len__(self) -> int:
        """How many distinct n-grams there are: at most min(vocab ** n, tokens)."""
        return len(self.keys)

    @property
    def total(self) -> int:
        """How many n-grams the text has."""
        return int(self.counts.sum())

    @property
    def _start(self) -> int:
        """How many tokens a key holds as a row of the head."""
        return 0 if self.head is None else self.head.n

    @property
    def grams(self) -> np.ndarray:
        """The n-grams as ids, (U, n)."""
        bits, tail = self.vocab.bit_length(), self.n - self._start
        digits = [(self.keys >> bits * j & (1 << bits) - 1) - 1 for j in reversed(range(tail))]
        columns = np.stack(digits, 1)
        return columns if self.head is None else np.hstack([self.head.grams[self.keys >> bits * tail], columns])

    def find(self, grams: Any) -> np.ndarray:
        """Rows (M,) of the n-grams (M, n); -1 where the text has none."""
        grams = np.asarray(grams, np.int64).reshape(-1, self.n)
        known = ((grams >= 0) & (grams < self.vocab)).all(1)
        keys, bits = np.zeros(len(grams), np.int64), self.vocab.bit_length()
        if self.head is not None:
            keys = self.head.find(grams[:, :self.head.n])
            known &= keys >= 0
        for column in grams.T[self._start:]:
            keys = keys << bits | column + 1
        return np.where(known, lookup(self.keys, keys), -1)

    def count(self, gram: Sequence[int]) -> int:
        """How often one n-gram occurs."""
        row = self.find([gram])[0]
        return int(self.counts[row]) if row >= 0 else 0

    def most_common(self, k: int) -> list[tuple[tuple[int, ...], int]]:
        """The k commonest n-grams with their counts; of equal ones the first in order."""
        rows = np.argsort(-self.counts, kind="stable")[:k]
        return [(tuple(g), c) for g, c in zip(self.grams[rows].tolist(), self.counts[rows].tolist(), strict=True)]


def count(ids: Any, n: int, *, vocab: int | None = None, lengths: Any = None) -> NGrams:
    """The n-grams of a text and how often each occurs.

    ids: whole numbers (T,), 0 and more.  vocab: they are below it (default: the largest and one).
    lengths: of the sentences that follow one another in ids; no n-gram runs over an end. Default: one sentence.
    Raises ValueError for n below 1 or lengths that do not add up to T, IndexRangeError for an id outside of vocab.
    """
    return _count(ids, n, n, vocab, lengths)[-1]


def count_all(ids: Any, order: int, *, vocab: int | None = None, lengths: Any = None) -> list[NGrams]:
    """The tables of all n-grams from n = 1 to n = order, as `count` gives each, from one sort of the longest."""
    return _count(ids, 1, order, vocab, lengths)


def lookup(table: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Where each key stands in a rising table; -1 where it does not.  (U,), (M,) -> (M,)"""
    if not len(table):
        return np.full(len(keys), -1)
    rows = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return np.where(table[rows] == keys, rows, -1)


def flat(sentences: Any) -> tuple[np.ndarray, np.ndarray]:
    """Sentences of ids as one array (T,) and their lengths (N,)."""
    rows = [np.asarray(s, np.int64).reshape(-1) for s in sentences]
    return np.concatenate([np.zeros(0, np.int64), *rows]), np.array([len(r) for r in rows], np.int64)


def _count(ids: Any, low: int, order: int, vocab: int | None, lengths: Any) -> list[NGrams]:
    """Tables of n = low ... order, and of what shorter n their keys are made from."""
    ids, vocab, room = _checked(ids, min(low, order), vocab, lengths)
    bits = vocab.bit_length()
    tables: list[NGrams] = []
    head: NGrams | None = None
    at, rows = None, np.zeros(len(ids), np.int64)                # windows that go on: where, and their head's row
    while not tables or tables[-1].n < order:
        done, used = (0, 0) if head is None else (head.n, len(head).bit_length())
        tail = min(order - done, (KEY_BITS - used) // bits)
        if tail < 1:
            raise ValueError(f"ids below {vocab} take {bits} bits each: too many for a key of {KEY_BITS}")
        keys = _append(rows, ids, done, tail, bits, at, room)
        last = done + tail == order
        sequence = None if last else np.argsort(keys)
        levels = _levels(keys if sequence is None else keys[sequence], tail, bits, ordered=not last,
                         lowest=max(1, low - done) if last else 1)
        fresh = [NGrams(done + j, vocab, *level, head) for j, level in levels]
        tables += [t for t in fresh if t.n >= low or not last and t is fresh[-1]]
        if sequence is not None:               # the next round begins with the row that each complete window has here
            head = fresh[-1]
            sequence = sequence[keys[sequence] & (1 << bits) - 1 != 0]
            row = np.empty(len(keys), np.int64)
            row[sequence] = np.repeat(np.arange(len(head)), head.counts)
            left = room - done - tail if at is None else room[at] - done - tail
            rows, at = row[left > 0], np.flatnonzero(left > 0) if at is None else at[left > 0]
    return tables


def _checked(ids: Any, n: int, vocab: int | None, lengths: Any) -> tuple[np.ndarray, int, np.ndarray]:
    """The ids, their bound, and how many tokens there are from each to the end of its sentence."""
    ids = np.asarray(ids)
    if n < 1:
        raise ValueError(f"an n-gram has at least 1 token, not {n}")
    if ids.ndim != 1 or ids.size and ids.dtype.kind not in "iu":
        raise ValueError(describe(f"n-grams are counted in whole numbers (T,), not in {ids.dtype} {ids.shape}.",
                                  fix="vocabulary.encode(tokens) makes ids; flat(sentences) joins sentences."))
    low, top = (int(ids.min()), int(ids.max())) if ids.size else (0, -1)
    vocab = top + 1 if vocab is None else vocab
    if low < 0 or top >= vocab:
        raise IndexRangeError(describe(f"an id is {low if low < 0 else top}; ids here are 0 to {vocab - 1}.",
                                       fix="the size of the vocabulary that encoded the text."))
    sizes = np.array([len(ids)]) if lengths is None else np.asarray(lengths, np.int64)
    if sizes.sum() != len(ids) or sizes.min(initial=0) < 0:
        raise ValueError(f"sentences of {sizes.sum()} tokens in all do not make a text of {len(ids)}")
    return ids, max(vocab, 1), np.repeat(sizes.cumsum(), sizes) - np.arange(len(ids))


def _append(rows: np.ndarray, ids: np.ndarray, start: int, tail: int, bits: int, at: np.ndarray | None,
            room: np.ndarray) -> np.ndarray:
    """Keys of the windows: the row of their first `start` tokens, then `tail` digits, 0 beyond the sentence."""
    digits = np.zeros(len(ids) + start + tail, np.int64)
    digits[:len(ids)] = ids
    digits[:len(ids)] += 1
    keys = rows.copy()
    for j in range(start, start + tail):
        keys <<= bits
        keys |= digits[j:j + len(ids)] if at is None else digits[at + j]
    left = (room if at is None else room[at]) - start
    short = np.flatnonzero(left < tail)
    if len(short):
        cut = bits * (tail - left[short])
        keys[short] = keys[short] >> cut << cut
    return keys


def _levels(keys: np.ndarray, tail: int, bits: int, *, ordered: bool, lowest: int) -> list[tuple[int, tuple[Any, Any]]]:
    """(digits kept, (distinct keys, counts)) from `lowest` to `tail` of them, from the keys of all windows."""
    found: list[tuple[int, tuple[Any, Any]]] = []
    counts = None
    if len(keys) and keys.max() < 4 * len(keys):                 # few n-grams are possible: no need to sort
        table = np.bincount(keys)
        keys = np.flatnonzero(table)
        counts = table[keys]
    elif not ordered:
        keys.sort()
    for j in range(tail, lowest - 1, -1):
        if j < tail:
            keys = keys >> bits
        if len(keys) and (counts is None or j < tail):
            start = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
            counts = np.diff(start, append=len(keys)) if counts is None else np.add.reduceat(counts, start)
            keys = keys[start]
        whole = keys & (1 << bits) - 1 != 0
        sizes = np.zeros(0, np.int64) if counts is None else counts
        found.append((j, (keys, sizes) if whole.all() else (keys[whole], sizes[whole])))
    return found[::-1]
