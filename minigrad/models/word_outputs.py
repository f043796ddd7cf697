"""Three ways to say which word it is, given a vector h: the upper halves of CBOW and skip-gram.

    FullSoftmax            -log softmax(U h)_w                              V products
    HierarchicalSoftmax    -sum_j log sigmoid(+- u_j . h) on w's path       about log2 V products
    NegativeSampling       -log sigmoid(u_w . h) - sum_k log sigmoid(-u_k . h), k drawn as noise     K + 1 products

Chemnitz, *word2vec (1)* draws the first, a dense layer over the one-hot vocabulary; the others are Mikolov et al. 2013.
Each is a module: (h, word) -> the mean loss. `probabilities(h)` exists where it is one: (B, E) -> (B, V).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..backend import generator
from ..create import tensor, zeros
from ..data.huffman import huffman
from ..data.skipgram_pairs import Noise
from ..nn import functional as F
from ..tensor import Tensor


class FullSoftmax(nn.Module):
    """p(w | h) = softmax(U h)_w.  U (V, E) starts at 0, as in word2vec."""

    def __init__(self, counts: np.ndarray, dim: int) -> None:
        self.weight = nn.Parameter(zeros(len(counts), dim))

    def forward(self, h: Tensor, word: Tensor) -> Tensor:
        """h (B, E), word (B,) -> the mean of -log p"""
        return F.cross_entropy(h @ self.weight.T, word)

    def probabilities(self, h: Tensor) -> Tensor:
        """h (B, E) -> (B, V)"""
        return F.softmax(h @ self.weight.T, -1)


class HierarchicalSoftmax(nn.Module):
    """p(w | h) = prod_j sigmoid(s_j u_j . h) over the inner nodes j from the root to w, s_j = +1 or -1 by the branch.

    Morin and Bengio 2005, with Huffman's tree of the counts. weight (V - 1, E): a vector for each inner node.
    """

    def __init__(self, counts: np.ndarray, dim: int) -> None:
        self.weight = nn.Parameter(zeros(len(counts) - 1, dim))
        self.nodes, self.signs = huffman(counts)               # (V, L): a word's path

    def forward(self, h: Tensor, word: Tensor) -> Tensor:
        """h (B, E), word (B,) -> the mean of -log p"""
        loss: Tensor = -self._log_p(h, word.cpu().numpy()).mean()
        return loss

    def probabilities(self, h: Tensor) -> Tensor:
        """h (B, E) -> (B, V); a row sums to 1 by the tree alone."""
        b, v = h.shape[0], len(self.nodes)
        every = h.reshape(b, 1, -1) + zeros(1, v, 1, dtype=h.dtype, device=h.device)            # (B, V, E)
        words = np.tile(np.arange(v), b)
        return self._log_p(every.reshape(b * v, -1), words).exp().reshape(b, v)

    def _log_p(self, h: Tensor, word: np.ndarray) -> Tensor:
        """log p of one word for each row: (B,)"""
        signs = tensor(self.signs[word], dtype=h.dtype, device=h.device)         # (B, L), 0 after the path's end
        u = F.embedding(tensor(self.nodes[word], device=h.device), self.weight)  # (B, L, E)
        scores = (u @ h.reshape(*h.shape, 1)).reshape(*signs.shape)              # (B, L)
        return (F.logsigmoid(signs * scores) * signs * signs).sum(-1)


class NegativeSampling(nn.Module):
    """-log sigmoid(u_w . h) - sum_(k = 1..K) log sigmoid(-u_k . h), noise words k with p proportional to count^0.75.

    Not a probability of words: at its best u_w . h = log(p(w | h) / (K p_noise(w))) (Levy and Goldberg 2014).
    weight U (V, E).
    """

    def __init__(self, counts: np.ndarray, dim: int, negatives: int = 5) -> None:
        self.weight = nn.Parameter(zeros(len(counts), dim))
        self.noise, self.negatives = Noise(counts), negatives

    def forward(self, h: Tensor, word: Tensor, noise: Any = None) -> Tensor:
        """h (B, E), word (B,) -> the mean loss.

        noise (B, M): ids, drawn if not given. With M other than K their sum counts K / M times.
        """
        if noise is None:
            noise = self.noise.draw(generator(), (word.shape[0], self.negatives))
        u = F.embedding(word, self.weight)                                       # (B, E)
        u_k = F.embedding(tensor(noise, device=h.device), self.weight)           # (B, M, E)
        true = F.logsigmoid((u * h).sum(-1))                                     # (B,)
        false = F.logsigmoid(-(u_k @ h.reshape(*h.shape, 1)))                    # (B, M, 1)
        loss: Tensor = -true.mean() - false.mean() * self.negatives
        return loss


OUTPUTS = {"softmax": FullSoftmax, "hierarchical": HierarchicalSoftmax, "negative": NegativeSampling}


def output_named(name: str, counts: np.ndarray, dim: int, negatives: int) -> Any:
    """One of the three by its name. Raises ValueError for another name."""
    if name not in OUTPUTS:
        raise ValueError(f"output is one of {', '.join(map(repr, OUTPUTS))}, not {name!r}")
    return NegativeSampling(counts, dim, negatives) if name == "negative" else OUTPUTS[name](counts, dim)


def small_table(words: int, dim: int) -> nn.Embedding:
    """A table of e's as word2vec starts it: uniform in +-1 / (2 E)."""
    table = nn.Embedding(words, dim)
    nn.init.uniform_(table.weight, -0.5 / dim, 0.5 / dim)
    return table
