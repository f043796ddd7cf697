"""Byte-pair encoding: the two symbols that stand together most often become one, again and again.

Gage 1994; Sennrich, Haddow & Birch 2016, on words with their counts; Radford et al. 2019, on bytes: 256 symbols are
enough for every text, so there is no unknown word.

    low lower lowest   ->   l o w, l o w e r, l o w e s t   ->   lo w, ...   ->   low, low e r, low e s t

Pairs are counted within words only (a word takes the space before it along), each different word once with its count.
A merge changes the counts of a few pairs, and only the words that hold the merged pair are looked at.
"""
from __future__ import annotations

import heapq
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..errors import IndexRangeError, describe

BYTES = 256
Pair = tuple[int, int]
_PIECE = re.compile(r" ?\w+| ?[^\w\s]+|\s+(?!\S)|\s")       # together they are the text


class BytePairs:
    """An encoding by its merges, first to last: id 256 + k is the pair merges[k]; ids below 256 are bytes.

    tokens: the bytes of each id.  Raises ValueError for a merge of an id that is made later.
    """

    def __init__(self, merges: Iterable[Sequence[int]]) -> None:
        self.merges: list[Pair] = []
        self.tokens = [bytes([b]) for b in range(BYTES)]
        for left, right in merges:
            if not (0 <= left < len(self) and 0 <= right < len(self)):
                raise ValueError(f"merge {len(self.merges)} joins {left} and {right}: ids below {len(self)} exist then")
            self.merges.append((left, right))
            self.tokens.append(self.tokens[left] + self.tokens[right])
        self._ids = {pair: BYTES + k for k, pair in enumerate(self.merges)}

    @classmethod
    def train(cls, text: str, merges: int) -> BytePairs:
        """The encoding of a text by at most this many merges; fewer where no pair stands in it twice any more.

        Of pairs that are equally frequent the one with the smaller ids is first. Raises ValueError below 0 merges.
        """
        if merges < 0:
            raise ValueError(f"an encoding has 0 merges or more, not {merges}")
        pieces = Counter(_PIECE.findall(text))
        words, times = [list(_bytes(piece)) for piece in pieces], list(pieces.values())
        counts: Counter[Pair] = Counter()
        holders: dict[Pair, set[int]] = defaultdict(set)            # the words with the pair: a superset is enough
        for k, word in enumerate(words):
            for pair in zip(word, word[1:], strict=False):
                counts[pair] += times[k]
                holders[pair].add(k)
        heap = [(-n, pair) for pair, n in counts.items()]           # entries go stale: compared with counts when popped
        heapq.heapify(heap)
        found: list[Pair] = []
        while heap and len(found) < merges:
            n, best = heapq.heappop(heap)
            if -n != counts[best]:
                continue
            if -n < 2:
                break
            new = BYTES + len(found)
            found.append(best)
            changed = set()
            for k in holders.pop(best):
                before, after = words[k], _merge(words[k], best, new)
                for pair in zip(before, before[1:], strict=False):
                    counts[pair] -= times[k]
                    changed.add(pair)
                for pair in zip(after, after[1:], strict=False):
                    counts[pair] += times[k]
                    changed.add(pair)
                    holders[pair].add(k)
                words[k] = after
            for pair in changed:
                if counts[pair] > 0:
                    heapq.heappush(heap, (-counts[pair], pair))
        return cls(found)

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> np.ndarray:
        """Any text -> ids (N,), int64; a word is split as in training: merges in their order."""
        known: dict[str, list[int]] = {}
        ids: list[int] = []
        for piece in _PIECE.findall(text):
            if piece not in known:
                known[piece] = self._encode(list(_bytes(piece)))
            ids += known[piece]
        return np.array(ids, np.int64)

    def _encode(self, word: list[int]) -> list[int]:
        while len(word) > 1:
            new = min(self._ids.get(pair, len(self)) for pair in zip(word, word[1:], strict=False))
            if new == len(self):
                break
            word = _merge(word, self.merges[new - BYTES], new)
        return word

    def decode(self, ids: Iterable[int] | np.ndarray) -> str:
        """Ids (N,) -> text; decode(encode(text)) is the text.

        Bytes that are no UTF-8 (a model may say any) become U+FFFD. Raises IndexRangeError for an id that is not of
        this encoding.
        """
        listed = ids.tolist() if isinstance(ids, np.ndarray) else [int(i) for i in ids]
        for i in listed:
            if not 0 <= i < len(self):
                raise IndexRangeError(describe(f"no token has the id {i}: this encoding has 0 to {len(self) - 1}.",
                                               fix="decode with the encoding that encoded the text."))
        joined = b"".join([self.tokens[i] for i in listed])
        try:
            return joined.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return joined.decode("utf-8", "replace")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the merges as JSON text."""
        Path(path).write_text(json.dumps({"merges": self.merges}) + "\n", encoding="ascii")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> BytePairs:
        """The encoding that `save` wrote. Raises ValueError for another file."""
        try:
            return cls(json.loads(Path(path).read_text(encoding="utf-8"))["merges"])
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is no file of BytePairs.save: {type(error).__name__}: {error}") from error

    def __repr__(self) -> str:
        return f"BytePairs({len(self.merges)} merges)"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")            # half a surrogate pair is a text too


def _merge(word: list[int], pair: Pair, new: int) -> list[int]:
    """The word with each `pair` as `new`, from left to right."""
    left, right = pair
    merged, k, last = [], 0, len(word) - 1
    while k <= last:
        if k < last and word[k] == left and word[k + 1] == right:
            merged.append(new)
            k += 2
        else:
            merged.append(word[k])
            k += 1
    return merged
