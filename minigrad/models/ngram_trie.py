"""The n-grams of a model as a tree: under each context stand the words that were seen after it.

Level n holds the distinct n-grams in order, so the words after one context are neighbours. An n-gram is the row of its
first n - 1 tokens in the level before and its last token, two numbers whatever n is; both together are its key.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.ngram_counts import count_all, lookup


@dataclass(frozen=True, eq=False)
class Level:
    """The n-grams of one length, each array (U,).

    context: row of the first n - 1 tokens in the level before.  word: the last token.  key: both, rising.
    suffix: row of the last n - 1 tokens in the level before, -1 where it has none.  first: the first token.
    count: how often each n-gram occurs; 0 in a model that was read from a file.
    """

    context: np.ndarray
    word: np.ndarray
    key: np.ndarray
    suffix: np.ndarray
    first: np.ndarray
    count: np.ndarray

    def __len__(self) -> int:
        return len(self.word)


class Trie:
    """Levels 1 ... N of n-grams; level 0 is the empty context alone.

    grams: (U_n, n) ids of each length n, in order and distinct.  counts: (U_n,) each.  vocab: ids are below it.
    Raises ValueError for an n-gram whose first n - 1 tokens are no (n-1)-gram.
    """

    def __init__(self, grams: Sequence[np.ndarray], counts: Sequence[np.ndarray], vocab: int) -> None:
        self.vocab = vocab
        none = np.zeros(1, np.int64)
        self.levels = [Level(none, none - 1, none - 1, none, none - 1, none)]
        for n, (rows, count) in enumerate(zip(grams, counts, strict=True), 1):
            context, word, before = self.rows(rows[:, :-1]), rows[:, -1].astype(np.int64), self.levels[-1]
            if (context < 0).any():
                bad = rows[np.argmax(context < 0)].tolist()
                raise ValueError(f"the {n}-gram {bad} is there, and its beginning {bad[:-1]} is not")
            # The last n - 1 tokens: the suffix of the context, one word on.
            suffix = self.find(n - 1, before.suffix[context], word) if n > 1 else np.zeros(len(rows), np.int64)
            self.levels.append(Level(context, word, context * vocab + word, suffix,
                                     before.first[context] if n > 1 else word, count))

    @classmethod
    def count(cls, ids: np.ndarray, lengths: np.ndarray, order: int, vocab: int) -> Trie:
        """The tree of a text: ids (T,), sentences of `lengths` one after another."""
        tables = count_all(ids, order, vocab=vocab, lengths=lengths)
        return cls([t.grams for t in tables], [t.counts for t in tables], vocab)

    @property
    def order(self) -> int:
        """N, the length of the longest n-grams."""
        return len(self.levels) - 1

    def find(self, n: int, context: np.ndarray, word: np.ndarray) -> np.ndarray:
        """Rows in level n of contexts (rows of level n - 1, or -1) and words; -1 for none.  (M,), (M,) -> (M,)"""
        return np.where(context >= 0, lookup(self.levels[n].key, context * self.vocab + word), -1)

    def rows(self, grams: Any) -> np.ndarray:
        """Rows (M,) of n-grams (M, n) in level n, -1 where there is none; n may be 0."""
        grams = np.asarray(grams, np.int64)
        rows = np.zeros(len(grams), np.int64)
        for n, column in enumerate(grams.T, 1):
            rows = self.find(n, rows, column)
        return rows

    def after(self, n: int, row: int) -> slice:
        """Where in level n + 1 the words after a context of n tokens stand."""
        low, high = np.searchsorted(self.levels[n + 1].context, [row, row + 1])
        return slice(int(low), int(high))

    def totals(self, n: int, values: np.ndarray) -> np.ndarray:
        """The sum of values (U_n,) of level n over the words after each context.  -> (U_{n-1},)"""
        return np.bincount(self.levels[n].context, weights=values, minlength=len(self.levels[n - 1]))

    def walk(self, ids: np.ndarray, past: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For n = 1 ... N and each token (T,): the row of the n - 1 tokens before it, the row of these with it.

        past (T,): how many tokens of its sentence stand before each. -1 where the tree has none, or the sentence began.
        """
        rows = np.zeros(len(ids), np.int64)
        for n in range(1, self.order + 1):
            context = rows if n == 1 else np.concatenate([[-1], rows[:-1]])[:len(ids)]
            context = np.where(past >= n - 1, context, -1)
            rows = self.find(n, context, ids)
            yield context, rows
