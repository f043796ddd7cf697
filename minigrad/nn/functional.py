"""Functions of layers and losses, composed from the primitives; names and arguments are PyTorch's."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import create, ops
from ..errors import DTypeError, IndexRangeError, ShapeError, describe
from ..ops import relu, sigmoid, tanh
from ..tensor import Tensor

__all__ = ["cross_entropy", "embedding", "linear", "log_softmax", "mse_loss", "nll_loss", "one_hot", "relu", "sigmoid",
           "softmax", "tanh"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x W^T + b.  x (..., in), W (out, in), b (out) -> (..., out)."""
    y = input @ weight.T
    return y if bias is None else y + bias


def softmax(input: Tensor, dim: int = -1) -> Tensor:
    """e^x / sum e^x along an axis; a row of -inf gives zeros."""
    return ops.softmax(input, dim)


def log_softmax(input: Tensor, dim: int = -1) -> Tensor:
    """x - log sum e^x along an axis: exact where softmax rounds to 0."""
    return input - ops.logsumexp(input, dim, keepdims=True)


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Rows of a table: ids (...), W (V, E) -> (..., E).  KTH, *Can We Build a Neural Language Model?*: e = E^T x.

    padding_idx: the id whose row gets no gradient. Raises IndexRangeError for an id outside of 0 ... V - 1.
    """
    rows = weight[input]
    if padding_idx is None:
        return rows
    return ops.where(ops.unsqueeze(input != padding_idx, -1), rows, rows.detach())


def one_hot(input: Tensor, num_classes: int = -1, dtype: Any = np.int64) -> Tensor:
    """1 at each id, 0 elsewhere.  ids (...) -> (..., V).  Chemnitz, *Representing words*.

    num_classes: V; the largest id + 1 if -1.  Raises IndexRangeError for an id outside of 0 ... V - 1.
    """
    ids = input.data
    low, high = (int(ids.min()), int(ids.max())) if ids.size else (0, -1)
    n = high + 1 if num_classes < 0 else num_classes
    if low < 0 or high >= n:
        raise IndexRangeError(describe(f"id {low if low < 0 else high} is outside of 0 ... {n - 1}.",
                                       made_at=input._made(), fix="pass a larger num_classes"))
    hit = ops.unsqueeze(input, -1) == create.arange(n, device=input.device)
    return hit.to(np.dtype(dtype))


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(x - y)^2, reduced.  Both of one shape.  KTH, *RNN in TensorFlow* (`loss="mse"`).

    Raises ShapeError where PyTorch warns: (32, 1) against (32,) would silently compare each with each.
    """
    if input.shape != target.shape:
        raise ShapeError(describe(f"mse_loss compares {tuple(input.shape)} with {tuple(target.shape)}.",
                                  input=input._made(), target=target._made(), fix="target.reshape(input.shape)"))
    error = input - target
    return _reduce(error * error, reduction)


def cross_entropy(input: Tensor, target: Tensor, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """-sum_k y_k log softmax(x)_k, reduced.  KTH, *Recurrent Neural Networks (4/4)*: cost = -sum y log yhat.

    input: logits (V), (B, V) or (B, V, ...).  target: class ids (), (B) or (B, ...); or probabilities, shaped as input.
    ignore_index: the id that counts neither in the sum nor in the mean. If every id is ignored the mean is NaN and the
    gradient 0, as in PyTorch.  Raises ShapeError, IndexRangeError.
    """
    axis = min(1, input.ndim - 1)
    if target.shape == input.shape and target.dtype.kind == "f":
        loss = -(target * log_softmax(input, axis)).sum(axis)
        return _reduce(loss, reduction)
    return nll_loss(log_softmax(input, axis), target, ignore_index, reduction)


def nll_loss(input: Tensor, target: Tensor, ignore_index: int = -100, reduction: str = "mean") -> Tensor:
    """-x[target], reduced: the cross-entropy of log-probabilities.  Shapes as in `cross_entropy`."""
    axis = min(1, input.ndim - 1)
    expected = input.shape[:axis] + input.shape[axis + 1:]
    if target.shape != expected:
        raise ShapeError(describe(f"cross_entropy of logits {tuple(input.shape)} needs class ids {tuple(expected)}, "
                                  f"and got {target.dtype} {tuple(target.shape)}.", input=input._made(),
                                  target=target._made(), fix="logits are (B, V) or (B, V, ...): classes are axis 1"))
    if target.dtype.kind not in "iu":
        raise DTypeError(describe(f"class ids are integers, and these are {target.dtype}.", target=target._made(),
                                  fix="target.to(mg.int64); probabilities have the shape of the logits"))
    n = input.shape[axis]
    rows = (input if axis == input.ndim - 1 else ops.moveaxis(input, axis, -1)).reshape(-1, n)   # (N, V)
    ids = target.reshape(-1)
    keep = ids != ignore_index
    _check_classes(ids, keep, n)
    picked = rows[create.arange(len(ids), device=ids.device), ops.where(keep, ids, 0)]           # (N,)
    loss = -ops.where(keep, picked, 0.0)
    if reduction != "mean":
        return _reduce(loss.reshape(target.shape), reduction)
    count = keep.to(loss.dtype).sum()
    share = ops.where(count > 0, 1 / ops.maximum(count, 1), np.nan)        # no 0/0: NumPy would warn
    return loss.sum() * share


def _check_classes(ids: Tensor, keep: Tensor, n: int) -> None:
    """A negative id would be read from the end: refuse it, unless it is the ignored one."""
    wrong = keep.data & ((ids.data < 0) | (ids.data >= n))
    if bool(wrong.any()):
        raise IndexRangeError(describe(f"class {int(ids.data[wrong][0])} is outside of 0 ... {n - 1}.",
                                       made_at=ids._made(), fix="mark positions without a class with ignore_index"))


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum, or the losses themselves."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")
