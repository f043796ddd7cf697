"""Functions of layers, composed from the primitives; names and arguments are PyTorch's. Losses are in `losses.py`."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import create, ops
from ..errors import DTypeError, IndexRangeError, ShapeError, describe
from ..ops import relu, sigmoid, softmax, tanh
from ..ops_more import gelu, leaky_relu, log_softmax, pad, silu, softplus
from ..ops_select import dropout as _dropout
from ..ops_windows import avg_pool2d, conv1d, conv2d, max_pool2d
from ..tensor import Tensor, touch
from .attention import scaled_dot_product_attention
from .fused.embedding import rows_of
from .fused.layer_norm import layer_norm as _layer_norm
from .inputs import tensors
from .losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    cosine_similarity,
    cross_entropy,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)

__all__ = ["avg_pool2d", "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits",
           "conv1d", "conv2d", "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "dropout", "embedding",
           "gelu", "huber_loss", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "linear", "log_softmax",
           "logsigmoid", "max_pool2d", "mse_loss", "nll_loss", "one_hot", "pad", "relu",
           "scaled_dot_product_attention", "sigmoid", "silu", "smooth_l1_loss", "softmax", "softplus", "tanh"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x W^T + b.  x (..., in), W (out, in), b (out) -> (..., out)."""
    y = input @ weight.T
    return y if bias is None else y + bias


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_o = x1^T W_o x2 + b_o.  x1 (..., I), x2 (..., J), W (O, I, J), b (O) -> (..., O).

    Luong's general attention score, with O = 1.  Raises ShapeError.
    """
    if (weight.ndim != 3 or input1.shape[:-1] != input2.shape[:-1] or input1.shape[-1] != weight.shape[1]
            or input2.shape[-1] != weight.shape[2]):
        raise ShapeError(describe(f"bilinear cannot join {tuple(input1.shape)} and {tuple(input2.shape)} by a weight "
                                  f"of {tuple(weight.shape)}.", weight=weight._made(),
                                  fix="x1 (..., I), x2 (..., J), weight (O, I, J)"))
    o, i, j = weight.shape
    half = (input1 @ ops.permute(weight, axes=(1, 0, 2)).reshape(i, o * j)).reshape(*input1.shape[:-1], o, j)
    y = ops.squeeze(half @ ops.expand_dims(input2, -1), -1)                          # (..., O, J) (..., J, 1)
    return y if bias is None else y + bias


def logsigmoid(input: Tensor) -> Tensor:
    """log 1 / (1 + e^-x), which overflows for no x."""
    return -softplus(-input)


def dropout(input: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Each entry 0 with probability p, the others divided by 1 - p; x itself when not training (Srivastava 2014).

    The mask is drawn by Philox from a key of the host generator: with one seed it is the same on every device.
    """
    return _dropout(input, p, training)


def layer_norm(input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None,
               bias: Tensor | None = None, eps: float = 1e-5, *, fused: bool = True) -> Tensor:
    """(x - mean x) / sqrt(var x + eps) w + b over the last axes (Ba et al. 2016).  x (..., *S), w and b of shape S.

    fused: one node (nn/fused/layer_norm.py), else the composition; both have gradients of every order.
    Raises ShapeError.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)
    if not shape or input.shape[-len(shape):] != shape:
        raise ShapeError(describe(f"layer_norm over {shape} cannot take {tuple(input.shape)}.", x=input._made(),
                                  fix="normalized_shape is the shape of the last axes"))
    for p in (weight, bias):
        if p is not None and p.shape != shape:
            raise ShapeError(describe(f"layer_norm over {shape} has a parameter of {tuple(p.shape)}.", made=p._made()))
    if fused:
        y: Tensor = _layer_norm(input, weight, bias, axes=len(shape), eps=eps)
        return y
    axes = tuple(range(-len(shape), 0))
    d = input - input.mean(axes, True)
    y = d / ops.sqrt((d * d).mean(axes, True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def batch_norm(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
               bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """(x - m) / sqrt(v + eps) w + b for each feature (Ioffe and Szegedy 2015).  x (B, C) or (B, C, ...), the rest (C).

    training: m and v are the batch's, over all axes but C, and the running ones move towards them in place by
    momentum (v without bias there, as in PyTorch). Otherwise, and where given, the running ones count.
    Raises ShapeError, also for a batch of one value a feature: its variance is 0; TypeError.
    """
    tensors("batch_norm", input=input)
    if input.ndim < 2:
        raise ShapeError(describe(f"batch_norm takes (B, C) or (B, C, ...), not {tuple(input.shape)}.",
                                  x=input._made()))
    n, c = input.data.size // max(input.shape[1], 1), input.shape[1]
    for p in (running_mean, running_var, weight, bias):
        if p is not None and p.shape != (c,):
            raise ShapeError(describe(f"batch_norm of {c} features has a parameter of {tuple(p.shape)}.",
                                      x=input._made()))

    def wide(p: Tensor) -> Tensor:
        return p.reshape(1, c, *[1] * (input.ndim - 2))
    if training or running_mean is None or running_var is None:
        if training and n < 2:
            raise ShapeError(describe(f"batch_norm in training needs more than one value a feature: "
                                      f"x is {tuple(input.shape)}.", x=input._made(), fix="a larger batch, or .eval()"))
        axes = (0, *range(2, input.ndim))
        mean = input.mean(axes, True)
        d = input - mean
        var = (d * d).mean(axes, True)
        if training and running_mean is not None and running_var is not None:
            for running, now in ((running_mean, mean.data), (running_var, var.data * (n / (n - 1)))):
                touch(running)
                running.data *= 1 - momentum
                running.data += now.reshape(c) * momentum
    else:
        d, var = input - wide(running_mean), wide(running_var)
    y = d / ops.sqrt(var + eps)
    y = y if weight is None else y * wide(weight)
    return y if bias is None else y + wide(bias)


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Rows of a table: ids (...), W (V, E) -> (..., E).  KTH, *Can We Build a Neural Language Model?*: e = E^T x.

    padding_idx: the id whose row gets no gradient. An id outside of 0 ... V - 1 raises IndexRangeError on cpu, and
    everywhere under `mg.debug()`; on another device its row is NaN, since to look would wait for the device.
    Raises DTypeError, DeviceError, TypeError (ids are no Tensor), and IndexRangeError for a padding_idx out of range.
    """
    tensors("embedding", input=input, weight=weight)
    return rows_of(weight, input, row_of(padding_idx, weight.shape[0]))


def row_of(padding_idx: int | None, n: int) -> int | None:
    """The id of a row among n, counted from the end where it is negative.  Raises IndexRangeError."""
    if padding_idx is not None and not -n <= padding_idx < n:
        raise IndexRangeError(f"padding_idx={padding_idx} is outside of a table of {n} rows: {-n} ... {n - 1}")
    return None if padding_idx is None else padding_idx % n


def one_hot(input: Tensor, num_classes: int = -1, dtype: Any = np.int64) -> Tensor:
    """1 at each id, 0 elsewhere.  ids (...) -> (..., V).  Chemnitz, *Representing words*.

    num_classes: V; the largest id + 1 if -1.  Raises IndexRangeError for an id outside of 0 ... V - 1, DTypeError,
    TypeError.
    """
    tensors("one_hot", input=input)
    if input.dtype.kind not in "iu":
        raise DTypeError(describe(f"one_hot of ids, which are integers, and these are {input.dtype}.",
                                  made_at=input._made(), fix="input.to(mg.int64)"))
    ids = input.data
    low, high = (int(ids.min()), int(ids.max())) if ids.size else (0, -1)
    n = high + 1 if num_classes < 0 else num_classes
    if low < 0 or high >= n:
        raise IndexRangeError(describe(f"id {low if low < 0 else high} is outside of 0 ... {n - 1}.",
                                       made_at=input._made(), fix="pass a larger num_classes"))
    hit = ops.unsqueeze(input, -1) == create.arange(n, device=input.device)
    return hit.to(np.dtype(dtype))
