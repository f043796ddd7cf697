"""Huffman's code of a vocabulary: the tree of hierarchical softmax, in which frequent words have short paths.

Morin and Bengio 2005 replace one choice among V words by about log2 V choices between two branches; Mikolov et al. 2013
take Huffman's tree, which makes the mean path of a running text as short as any tree can.
"""
from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np


class Huffman(NamedTuple):
    """The path from the root to each of V words through V - 1 inner nodes; rows are padded to the longest path.

    nodes (V, L): ids of the inner nodes, 0 after the end.  signs (V, L): +1 for the one branch, -1 for the other, 0
    after the end.
    """

    nodes: np.ndarray
    signs: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """How many choices lead to each word: (V,)."""
        return np.abs(self.signs).sum(1).astype(np.int64)


def huffman(counts: np.ndarray) -> Huffman:
    """The tree for words that occur so often.  counts (V,).  Raises ValueError for fewer than two words."""
    words = len(counts)
    if words < 2:
        raise ValueError(f"a tree needs at least two words, not {words}")
    parent, branch = np.zeros(2 * words - 1, np.int64), np.zeros(2 * words - 1)
    heap = [(int(count), k) for k, count in enumerate(counts)]
    heapq.heapify(heap)
    for node in range(words, 2 * words - 1):   # the two rarest become the branches of a new node
        (first, a), (second, b) = heapq.heappop(heap), heapq.heappop(heap)
        parent[[a, b]], branch[[a, b]] = node, (1, -1)
        heapq.heappush(heap, (first + second, node))
    paths: list[list[tuple[int, float]]] = []
    for word in range(words):
        path, at = [], word
        while at != 2 * words - 2:             # the root is the node made last
            path.append((int(parent[at]) - words, float(branch[at])))
            at = int(parent[at])
        paths.append(path[::-1])
    longest = max(map(len, paths))
    nodes, signs = np.zeros((words, longest), np.int64), np.zeros((words, longest), np.float32)
    for word, path in enumerate(paths):
        nodes[word, :len(path)], signs[word, :len(path)] = zip(*path, strict=True)
    return Huffman(nodes, signs)
