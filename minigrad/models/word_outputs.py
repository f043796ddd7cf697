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

from .. import kernels, nn
from ..backend import generator
from ..create import tensor, zeros
from ..data.huffman import huffman
from ..data.skipgram_pairs import Noise
from ..nn import functional as F
from ..nn.gpu import skipgram as on_device
from ..tensor import Tensor
from .lengths import counted


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
        self.paths: Tensor                                     # the same where the weights are: no copy in each step
        self.branches: Tensor
        self.register_buffer("paths", tensor(self.nodes), persistent=False)
        self.register_buffer("branches", tensor(self.signs), persistent=False)

    def forward(self, h: Tensor, word: Tensor) -> Tensor:
        """h (B, E), word (B,) -> the mean of -log p"""
        loss: Tensor = -self._log_p(h, word).mean()
        return loss

    def probabilities(self, h: Tensor) -> Tensor:
        """h (B, E) -> (B, V); a row sums to 1 by the tree alone."""
        b, v = h.shape[0], len(self.nodes)
        every = h.reshape(b, 1, -1) + zeros(1, v, 1, dtype=h.dtype, device=h.device)            # (B, V, E)
        words = tensor(np.tile(np.arange(v), b), device=h.device)
        return self._log_p(every.reshape(b * v, -1), words).exp().reshape(b, v)

    def _log_p(self, h: Tensor, word: Tensor) -> Tensor:
        """log p of one word for each row: (B,).  NaN for a word out of range, where nobody looks."""
        signs = F.embedding(word, self.branches)                                 # (B, L), 0 after the path's end
        nodes = Tensor(self.paths.data[word.data], False, h.device)
        u = F.embedding(nodes, self.weight)                                      # (B, L, E)
        scores = (u @ h.reshape(*h.shape, 1)).reshape(*signs.shape)              # (B, L)
        return (F.logsigmoid(signs * scores) * signs * signs).sum(-1)


class NegativeSampling(nn.Module):
    """-log sigmoid(u_w . h) - sum_(k = 1..K) log sigmoid(-u_k . h), noise words k with p proportional to count^0.75.

    Not a probability of words: at its best u_w . h = log(p(w | h) / (K p_noise(w))) (Levy and Goldberg 2014).
    weight U (V, E).  fused: one node where a device has kernels (`nn/gpu/skipgram.py`); False: always the formula.
    """

    def __init__(self, counts: np.ndarray, dim: int, negatives: int = 5) -> None:
        self.weight = nn.Parameter(zeros(len(counts), dim))
        self.noise, self.negatives, self.fused = Noise(counts), negatives, True

    def forward(self, h: Tensor, word: Tensor, noise: Any = None, centre: Tensor | None = None) -> Tensor:
        """h (B, E), word (B,) -> the mean loss.

        noise (B, M): ids, drawn if not given; a tensor of h's device is not uploaded. With M other than K their sum
        counts K / M times.  centre (B,): ids, if h is a table (N, E) whose rows are meant.
        """
        if noise is None:
            noise = self.noise.draw(generator(), (word.shape[0], self.negatives))
        noise = counted(noise, h.device)
        if self.fused and on_device.fits(h, word, noise):
            return on_device.sampled_loss(h, self.weight, word, noise, self.negatives, centre)
        if centre is not None:
            h = F.embedding(centre, h)
        u = F.embedding(word, self.weight)                                       # (B, E)
        u_k = F.embedding(noise, self.weight)                                    # (B, M, E)
        true = F.logsigmoid((u * h).sum(-1))                                     # (B,)
        false = F.logsigmoid(-(u_k @ h.reshape(*h.shape, 1)))                    # (B, M, 1)
        loss: Tensor = -true.mean() - false.mean() * self.negatives
        return loss

    def takes_table(self, table: Tensor, centre: Tensor) -> bool:
        """May `forward` be given a table and ids, which spares the rows between the two?"""
        return self.fused and centre.ndim == 1 and kernels.of(table.device.xp, table.dtype) is not None


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
