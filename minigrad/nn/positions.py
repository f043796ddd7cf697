"""Where in the sequence?  Attention sees a set; a vector that is added to each embedding gives it an order.

Vaswani et al. 2017, section 3.5; Télécom, *Positional Encoding (1)* and *(2)*, whose picture of 20 words with 512
features is `sinusoidal(20, 512, layout="halves")`.
"""
from __future__ import annotations

import numpy as np

from ..create import tensor, zeros
from ..errors import ShapeError, describe
from ..tensor import Tensor, get_default_dtype
from . import functional as F
from . import init
from .module import Module, Parameter

LAYOUTS, FREQUENCIES, KINDS = ("interleaved", "halves"), ("paper", "tensor2tensor"), ("sinusoidal", "learned")


def sinusoidal(length: int, d: int, layout: str = "interleaved", freq: str = "paper") -> np.ndarray:
    """PE(p, i-th pair) = (sin p w_i, cos p w_i), w_i = 10000^(-2i / d), i = 0 ... d/2 - 1.  -> (length, d) float64.

    Moving by k places is one rotation of each pair, the same for every p: PE(p + k) is a linear map of PE(p).

    layout: "interleaved", a pair in columns 2i and 2i + 1 (the paper); "halves", sines left and cosines right (the
    deck's picture).  freq: w_i as the paper prints it, or as tensor2tensor computes it, 10000^(-i / (d/2 - 1)): there
    the slowest pair has 1 / 10000 exactly.
    Raises ShapeError for an odd d, ValueError for another word.
    """
    _known("layout", layout, LAYOUTS)
    _known("freq", freq, FREQUENCIES)
    if d < 2 or d % 2:
        raise ShapeError(describe(f"a sine and a cosine each: positions of width {d} leave one alone.",
                                  fix="an even width"))
    steps = d / 2 if freq == "paper" else max(d / 2 - 1, 1)
    angles = np.arange(length)[:, None] * 10000.0 ** (-np.arange(d // 2) / steps)            # (T, d / 2)
    pairs = np.stack([np.sin(angles), np.cos(angles)], -1 if layout == "interleaved" else 1)
    return pairs.reshape(length, d)


class PositionalEncoding(Module):
    """x + PE[start], x + PE[start + 1], ...: the same vectors for every example.  x (B, T, d) -> (B, T, d).

    kind: "sinusoidal", a fixed table that is not saved; or "learned" (BERT, GPT), a parameter weight (longest, d) that
    starts normal with standard deviation 0.02.  layout, freq: `sinusoidal`'s.  dropout: of the sum (the paper).
    """

    def __init__(self, d: int, longest: int, kind: str = "sinusoidal", layout: str = "interleaved",
                 freq: str = "paper", dropout: float = 0.0) -> None:
        _known("kind", kind, KINDS)
        self.d, self.longest, self.kind, self.dropout = d, longest, kind, dropout
        self.weight: Tensor
        if kind == "learned":
            self.weight = init.normal_(Parameter(zeros(longest, d)), std=0.02)
        else:
            self.register_buffer("weight", tensor(sinusoidal(longest, d, layout, freq), dtype=get_default_dtype()),
                                 persistent=False)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """x (B, T, d) at places start ... start + T - 1 -> (B, T, d).  Raises ShapeError beyond `longest`."""
        if x.ndim < 2 or x.shape[-1] != self.d:
            raise ShapeError(describe(f"positions of width {self.d} cannot be added to {tuple(x.shape)}.",
                                      x=x._made(), fix=f"x is (B, T, {self.d})"))
        end = start + x.shape[-2]
        if start < 0 or end > self.longest:
            raise ShapeError(describe(f"places {start} ... {end - 1} are asked for, and there are {self.longest}.",
                                      x=x._made(), fix=f"longest={max(end, 1)}, or shorter sequences"))
        return F.dropout(x + self.weight[start:end], self.dropout, self.training)

    def extra_repr(self) -> str:
        return f"{self.d}, longest={self.longest}, kind={self.kind!r}"


def _known(name: str, word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        raise ValueError(f"{name} is {' or '.join(map(repr, words))}, not {word!r}")
