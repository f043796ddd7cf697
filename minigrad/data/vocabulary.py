"""Words to numbers and back, with four special tokens.   Télécom, *How to build a language model ?*.

The deck: keep the N commonest words of the corpus, give each a number, call all others <UNK>, and end a sentence with
<EOS>. Here special tokens come first, then the others by falling count; ties in the order of the alphabet, so that
the same corpus gives the same numbers, whatever the order of its sentences.

    <pad>   fills a batch up (id 0)          <bos>   stands before a sentence
    <unk>   any token that is not kept       <eos>   stands after it
"""
from __future__ import annotations

import difflib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import IndexRangeError, describe

PAD, UNK, BOS, EOS = SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")


class UnknownTokenError(KeyError):
    """A token without an id, in a vocabulary that has no <unk> to stand for it."""

    def __str__(self) -> str:
        return str(self.args[0])               # KeyError shows the repr of its text: one line with \n in it


class Vocabulary:
    """Tokens by id, and ids by token: `Vocabulary(tokens)` from a ready list, `Vocabulary.build(corpus)` by counting.

    tokens: the list by id.  counts: int64 by id, how often each stood in the corpus (0 for a ready list).
    pad, unk, bos, eos: ids of the special tokens, None for one that is absent.
    Raises ValueError for a token that stands in the list twice, or counts of another length.
    """

    def __init__(self, tokens: Iterable[str], counts: Sequence[int] | np.ndarray | None = None) -> None:
        self.tokens = list(tokens)
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self._ids) < len(self.tokens):
            twice, times = Counter(self.tokens).most_common(1)[0]
            raise ValueError(describe(f"a vocabulary names each token once, and {twice!r} stands in it {times} times.",
                                      fix="Vocabulary.build(tokens) counts the tokens of a text."))
        self.counts = np.zeros(len(self), np.int64) if counts is None else np.array(counts, np.int64)
        if self.counts.shape != (len(self),):
            raise ValueError(f"{len(self)} tokens need {len(self)} counts, not {self.counts.shape}")
        self.pad, self.unk, self.bos, self.eos = map(self._ids.get, SPECIALS)

    @classmethod
    def build(cls, tokens: Iterable[str], *, min_count: int = 1, max_size: int | None = None,
              specials: Iterable[str] = SPECIALS) -> Vocabulary:
        """The vocabulary of a corpus: special tokens, then what stands in it at least `min_count` times.

        tokens: all tokens of the corpus, one after another (a text gives its characters).
        max_size: the size at most, special tokens included; the commonest are kept.
        What is not kept counts as <unk>. Raises ValueError where max_size has no room for the special tokens.
        """
        found = Counter(tokens)
        first = list(specials)
        if max_size is not None and max_size < len(first):
            raise ValueError(describe(f"max_size {max_size} has no room for {len(first)} special tokens.",
                                      fix=f"max_size of {len(first) + 1} or more, or fewer specials."))
        counts = [found.pop(token, 0) for token in first]
        by_count = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        kept = [item for item in by_count if item[1] >= min_count][:None if max_size is None else max_size - len(first)]
        if UNK in first:
            counts[first.index(UNK)] += found.total() - sum(n for _, n in kept)
        return cls(first + [token for token, _ in kept], counts + [n for _, n in kept])

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def __getitem__(self, token: str) -> int:
        """The id of a token, or that of <unk>.

        Raises UnknownTokenError (a KeyError) if there is no <unk>, and TypeError for a number: `tokens[id]` goes back.
        """
        if not isinstance(token, str):
            raise TypeError(f"vocabulary[token] wants a token, not {token!r}; vocabulary.tokens[id] is the way back")
        if (known := self._ids.get(token, self.unk)) is not None:
            return known
        close = difflib.get_close_matches(token, self.tokens, 1)
        raise UnknownTokenError(describe(f"{token!r} is none of the {len(self)} tokens, and there is no {UNK}.",
                                         near=repr(close[0]) if close else None,
                                         fix=f"Vocabulary.build(tokens, specials=({UNK!r},)) has an id for it."))

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """Tokens -> ids (N,), int64. Raises UnknownTokenError as vocabulary[token] does, and TypeError for numbers."""
        tokens = list(tokens)
        try:
            return np.fromiter(map(self._ids.__getitem__, tokens), np.int64, len(tokens))
        except (KeyError, TypeError):                                       # not all known: one by one
            return np.fromiter([self[t] for t in tokens], np.int64, len(tokens))

    def decode(self, ids: Iterable[int] | np.ndarray) -> list[str]:
        """Ids (N,) -> their tokens. Raises IndexRangeError for an id that no token has, ValueError unless (N,)."""
        array = np.asarray(ids if hasattr(ids, "__array__") else list(ids))
        if array.size == 0:
            return []
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise ValueError(describe(f"decode takes whole numbers (N,), not {array.dtype} {array.shape}.",
                                      fix="[vocabulary.decode(row) for row in ids] for a batch."))
        if array.min() < 0 or array.max() >= len(self):
            bad = array[(array < 0) | (array >= len(self))][0]
            raise IndexRangeError(describe(f"no token has the id {bad}: the vocabulary's ids are 0 to {len(self) - 1}.",
                                           fix="decode with the vocabulary that encoded the text."))
        return [self.tokens[i] for i in array.tolist()]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write tokens and counts as JSON text."""
        state = {"tokens": self.tokens, "counts": self.counts.tolist()}
        Path(path).write_text(json.dumps(state, indent=0) + "\n", encoding="ascii")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """The vocabulary that `save` wrote. Raises ValueError for another file."""
        try:
            state = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(state["tokens"], state["counts"])
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is no file of Vocabulary.save: {type(error).__name__}: {error}") from error

    def __repr__(self) -> str:
        kept = [name for name in SPECIALS if name in self]
        return f"Vocabulary({len(self)} tokens{', with ' if kept else ''}{' '.join(kept)})"
