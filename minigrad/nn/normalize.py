"""Layers that keep activations in range: normalisation of features or batches, and dropout."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..create import ones, zeros
from ..errors import ShapeError, describe
from ..tensor import Tensor, touch
from . import functional as F
from .inputs import tensors
from .module import Module, Parameter


class LayerNorm(Module):
    """(x - mean x) / sqrt(var x + eps) w + b over the last axes.  Ba et al. 2016; the Transformer's "Norm".

    x (..., *S) -> (..., *S); weight (S) starts at one, bias (S) at zero. elementwise_affine=False has neither.
    """

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
                 bias: bool = True) -> None:
        self.normalized_shape = ((int(normalized_shape),) if isinstance(normalized_shape, (int, np.integer))
                                 else tuple(normalized_shape))
        self.eps = eps
        self.weight = Parameter(ones(self.normalized_shape)) if elementwise_affine else None
        self.bias = Parameter(zeros(self.normalized_shape)) if elementwise_affine and bias else None

    def forward(self, x: Tensor) -> Tensor:
        """x (..., *S) -> (..., *S)"""
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine = "" if self.weight is not None else ", elementwise_affine=False"
        return f"{self.normalized_shape}, eps={self.eps}{affine}"


class BatchNorm1d(Module):
    """(x - m) / sqrt(v + eps) w + b for each feature, m and v of the batch.  Ioffe and Szegedy 2015.

    x (B, C) or (B, C, T). weight (C) starts at one, bias (C) at zero. The buffers running_mean, running_var (C) follow
    the batches of training by `momentum` (None: their plain mean) and count in eval(); num_batches_tracked counts them.
    track_running_stats=False: no buffers, and every batch is its own measure.
    """

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    dimensions: tuple[int, ...] = (2, 3)

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(ones(num_features)) if affine else None
        self.bias = Parameter(zeros(num_features)) if affine else None
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features) if tracked else None)
        self.register_buffer("running_var", ones(num_features) if tracked else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype=np.int64) if tracked else None)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C) or (B, C, T) -> the same shape"""
        tensors(type(self).__name__, x=x)
        if x.ndim not in self.dimensions or x.shape[1] != self.num_features:
            raise ShapeError(describe(f"{type(self).__name__}({self.num_features}) cannot take {tuple(x.shape)}.",
                                      x=x._made(), fix=f"x is (B, {self.num_features}) or (B, {self.num_features}, "
                                                       "...): features are axis 1"))
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            touch(self.num_batches_tracked)
            self.num_batches_tracked.data += 1
            if self.momentum is None:
                momentum = 1 / float(self.num_batches_tracked)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training, momentum,
                            self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm2d(BatchNorm1d):
    """`BatchNorm1d` for pictures: x (B, C, H, W)."""

    dimensions = (4,)


class Dropout(Module):
    """In training each entry is 0 with probability p, the others are divided by 1 - p; in eval() x itself.

    Srivastava et al. 2014. The mask is the same on every device (`F.dropout`).
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability, not {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x, thinned out"""
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
