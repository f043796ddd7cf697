"""Linear layers, tables, and modules one after another."""
from __future__ import annotations

import math
from typing import Any

from ..create import zeros
from ..errors import ShapeError, describe
from ..ops_more import flatten
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, ModuleList, Parameter


class Linear(Module):
    """y = x W^T + b.  x (..., in) -> (..., out).

    weight (out, in), bias (out): both start uniform in +-1 / sqrt(in), as in PyTorch.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / math.sqrt(in_features) if in_features else 0.0
        self.weight = init.uniform_(Parameter(zeros(out_features, in_features)), -bound, bound)
        self.bias = init.uniform_(Parameter(zeros(out_features)), -bound, bound) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) -> (..., out).  Raises ShapeError, with this layer's sizes."""
        try:
            return F.linear(x, self.weight, self.bias)
        except ShapeError:                     # no look at shapes where all is well
            if not isinstance(x, Tensor) or x.shape[-1:] == (self.in_features,):
                raise
            raise ShapeError(describe(f"{self._tree()} cannot take {tuple(x.shape)}.", x=x._made(),
                                      fix=f"x is (..., {self.in_features})")) from None

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Bilinear(Module):
    """y_o = x1^T W_o x2 + b_o.  x1 (..., in1), x2 (..., in2) -> (..., out).

    weight (out, in1, in2), bias (out): both start uniform in +-1 / sqrt(in1), as in PyTorch.
    """

    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True) -> None:
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        bound = 1 / math.sqrt(in1_features)
        self.weight = init.uniform_(Parameter(zeros(out_features, in1_features, in2_features)), -bound, bound)
        self.bias = init.uniform_(Parameter(zeros(out_features)), -bound, bound) if bias else None

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """x1 (..., in1), x2 (..., in2) -> (..., out)"""
        return F.bilinear(x1, x2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (f"{self.in1_features}, {self.in2_features}, {self.out_features}"
                + ("" if self.bias is not None else ", bias=False"))


class Embedding(Module):
    """A table of rows: ids (...) -> (..., E).  Télécom, *Matrix*: e = E o, the one-hot product as a look-up.

    weight (V, E) starts standard normal. padding_idx: the id whose row is zero and not trained.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = F.row_of(padding_idx, num_embeddings)
        self.weight = init.normal_(Parameter(zeros(num_embeddings, embedding_dim)))
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, ids: Tensor) -> Tensor:
        """ids (...) -> (..., E)"""
        return F.embedding(ids, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class Flatten(Module):
    """Axes start_dim ... end_dim as one: (B, T, D) -> (B, T D).  KTH, *RNN in TensorFlow (2/5)*."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, n)"""
        return flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Sequential(ModuleList):
    """Modules one after another: each takes what the one before it gives."""

    def __init__(self, *modules: Any) -> None:
        super().__init__(modules[0] if len(modules) == 1 and isinstance(modules[0], (list, tuple)) else modules)

    def forward(self, x: Any) -> Any:
        """The last module's output."""
        for module in self:
            x = module(x)
        return x
