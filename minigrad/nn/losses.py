"""Losses, composed from the primitives; names, arguments and reductions are PyTorch's.

x is the input (what the model says), y the target. reduction: "mean", "sum", or "none" for the losses themselves.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels, ops, ops_more
from .. import tensor as tape
from ..backend import Device, cpu
from ..errors import DTypeError, IndexRangeError, ShapeError, describe
from ..tensor import Tensor
from .fused.softmax_cross_entropy import softmax_cross_entropy
from .inputs import tensors

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "cosine_similarity",
           "cross_entropy", "huber_loss", "kl_div", "l1_loss", "mse_loss", "nll_loss", "smooth_l1_loss"]


# ---------------------------------------------------------------------------------------------- of two tensors alike

def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean", *, half: bool = False) -> Tensor:
    """(x - y)^2, reduced.  Both of one shape.  KTH, *RNN in TensorFlow* (`loss="mse"`).

    half: (x - y)^2 / 2, whose gradient is x - y: Chemnitz, *BPTT: Backpropagation through time*, dL/dh = -(t - h).
    Raises ShapeError where PyTorch warns: (32, 1) against (32,) would silently compare each with each.
    """
    _same_shape("mse_loss", input, target)
    error = input - target
    return _reduce(error * error * 0.5 if half else error * error, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """|x - y|, reduced.  Both of one shape.  Raises ShapeError where PyTorch warns."""
    _same_shape("l1_loss", input, target)
    return _reduce(ops.abs(input - target), reduction)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d^2 / 2 where d = |x - y| is at most delta, else delta (d - delta / 2), reduced (Huber 1964)."""
    _same_shape("huber_loss", input, target)
    if delta <= 0:
        raise ValueError(f"delta of huber_loss is above 0, not {delta}")
    far = ops.abs(input - target)
    near = ops_more.minimum(far, delta)        # d^2/2 up to delta, then a line: near (d - near / 2) is both
    return _reduce(near * (far - near * 0.5), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """`huber_loss` divided by beta; |x - y| where beta is 0."""
    if beta == 0:
        return l1_loss(input, target, reduction)
    return huber_loss(input, target, reduction, beta) * (1 / beta)


def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None,
                                     reduction: str = "mean", pos_weight: Tensor | None = None) -> Tensor:
    """-w (p y log s(x) + (1 - y) log (1 - s(x))), s the logistic function, reduced.  Both of one shape.

    Computed as (1 - y) x + (1 + (p - 1) y) log(1 + e^-x), which overflows for no x.
    weight: w, for each entry.  pos_weight: p, how much a positive example counts; both broadcast to the input's shape.
    """
    _same_shape("binary_cross_entropy_with_logits", input, target)
    log_term = ops_more.softplus(-input, threshold=math.inf)       # log(1 + e^-x), to the last digit also for x > 20
    loss = (1 - target) * input + (log_term if pos_weight is None else (1 + (pos_weight - 1) * target) * log_term)
    return _reduce(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None,
                         reduction: str = "mean") -> Tensor:
    """-w (y log x + (1 - y) log (1 - x)) of probabilities x, reduced; logarithms are at least -100, as in PyTorch.

    Logits are safer: `binary_cross_entropy_with_logits`.  Raises ValueError for what is no probability, on cpu, and
    everywhere under `mg.debug()`: to look would wait for the device.
    """
    _same_shape("binary_cross_entropy", input, target)
    if input.device is cpu or tape._watch is not None:
        wrong = (input.data < 0) | (input.data > 1)
        if bool(wrong.any()):
            raise ValueError(describe(f"binary_cross_entropy takes probabilities, and one is "
                                      f"{float(input.data[wrong][0]):g}.", input=input._made(),
                                      likely="these are logits", fix="F.binary_cross_entropy_with_logits"))

    def log(p: Tensor) -> Tensor:
        return ops.maximum(ops.log(ops.maximum(p, 1e-45 if p.dtype == "float32" else 1e-300)), -100.0)
    loss = -(target * log(input) + (1 - target) * log(1 - input))
    return _reduce(loss if weight is None else loss * weight, reduction)


def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """y (log y - x), reduced: the divergence of y from e^x, entry by entry.  x are log-probabilities.

    reduction: "batchmean" is the sum over the batch size, the divergence itself; "mean" divides by all entries.
    log_target: y is given as its logarithm. An entry with y = 0 counts 0.
    """
    _same_shape("kl_div", input, target)
    if log_target:
        loss = ops.exp(target) * (target - input)
    else:
        some = target > 0
        loss = ops.where(some, target * (ops.log(ops.where(some, target, 1.0)) - input), 0.0)
    return loss.sum() * (1 / input.shape[0]) if reduction == "batchmean" else _reduce(loss, reduction)


# ---------------------------------------------------------------------------------------------- of directions

def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (|x1| |x2|) along an axis; a norm is at least eps.  Chemnitz, *Representing words*."""
    def length(x: Tensor) -> Tensor:           # the larger of the squares: no gradient of sqrt at 0
        return ops.sqrt(ops.maximum((x * x).sum(dim), eps * eps))
    return (x1 * x2).sum(dim) / (length(x1) * length(x2))


def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0,
                          reduction: str = "mean") -> Tensor:
    """1 - cos where y = 1, max(0, cos - margin) where y = -1, reduced.  inputs (B, E), y (B); or (E) and ()."""
    if input1.shape != input2.shape or target.shape != input1.shape[:-1]:
        raise ShapeError(describe(
            f"cosine_embedding_loss takes (B, E), (B, E), (B): {tuple(input1.shape)}, {tuple(input2.shape)}, "
            f"{tuple(target.shape)}.", target=target._made()))

    def square(x: Tensor) -> Tensor:           # PyTorch's epsilon of this loss
        return (x * x).sum(-1) + 1e-12
    cos = (input1 * input2).sum(-1) / ops.sqrt(square(input1) * square(input2))
    loss = ops.where(target == 1, 1 - cos, ops.where(target == -1, ops.relu(cos - margin), 0.0))
    return _reduce(loss, reduction)


# ---------------------------------------------------------------------------------------------- of classes

def cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100,
                  reduction: str = "mean", label_smoothing: float = 0.0, *, fused: bool = True) -> Tensor:
    """-sum_k w_k y_k log softmax(x)_k, reduced.  KTH, *Recurrent Neural Networks (4/4)*: cost = -sum y log yhat.

    input: logits (V), (B, V) or (B, V, ...).  target: class ids (), (B) or (B, ...); or probabilities, shaped as input.
    weight: w (V); the mean is then over the weights of the targets.  ignore_index: the id that counts neither in the
    sum nor in the mean, whatever its logits are. If every id is ignored the mean is NaN and the gradient 0, as in
    PyTorch.
    label_smoothing: e; y becomes (1 - e) y + e / V.  fused: class ids without smoothing as one node
    (nn/fused/softmax_cross_entropy.py), else the composition; both have gradients of every order.
    Raises ShapeError, DTypeError, IndexRangeError; a class id out of range: see `nll_loss`.
    """
    tensors("cross_entropy", input=input, target=target, **({} if weight is None else {"weight": weight}))
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing is a share from 0 to 1, not {label_smoothing!r}")
    axis = min(1, input.ndim - 1)
    if weight is not None and weight.shape != (input.shape[axis],):
        raise ShapeError(describe(f"cross_entropy of {input.shape[axis]} classes has a weight of "
                                  f"{tuple(weight.shape)}.", weight=weight._made()))
    if target.shape == input.shape and target.dtype.kind == "f":
        if label_smoothing:
            target = target * (1 - label_smoothing) + label_smoothing / input.shape[axis]
        logs = ops_more.log_softmax(input, axis) * target
        losses = -(logs if weight is None else logs * _along(weight, axis, input.ndim)).sum(axis)
        n = losses.data.size
        return losses.sum() * (1 / n if n else math.nan) if reduction == "mean" else _reduce(losses, reduction)
    if fused and not label_smoothing:
        rows, place, scale, total = _classes("cross_entropy", input, target, weight, ignore_index, reduction)
        loss = softmax_cross_entropy(rows, scale, place=place)
        return loss.reshape(target.shape) if reduction == "none" else _sum(loss, total)
    logs = ops_more.log_softmax(input, axis)
    loss = nll_loss(logs, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return loss
    weighted = logs if weight is None else logs * _along(weight, axis, input.ndim)
    rows, place, scale, total = _classes("cross_entropy", weighted, target, weight, ignore_index, reduction,
                                         smooth=True)
    smooth = -(ops.where(scale != 0, rows.sum(-1), 0.0) * scale)
    smooth = smooth.reshape(target.shape) if reduction == "none" else _sum(smooth, total)
    return loss * (1 - label_smoothing) + smooth * (label_smoothing / input.shape[axis])


def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100,
             reduction: str = "mean") -> Tensor:
    """-w x[target], reduced: the cross-entropy of log-probabilities.  Shapes as in `cross_entropy`.

    A class id out of range raises IndexRangeError on cpu, and everywhere under `mg.debug()`. On another device the loss
    becomes NaN: to look would wait for the device in every step.
    """
    tensors("nll_loss", input=input, target=target, **({} if weight is None else {"weight": weight}))
    rows, place, scale, total = _classes("nll_loss", input, target, weight, ignore_index, reduction)
    picked = ops.getitem(rows, index=place)        # the ids are checked above
    loss = -(ops.where(scale != 0, picked, 0.0) * scale)
    return loss.reshape(target.shape) if reduction == "none" else _sum(loss, total)


def _classes(name: str, input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str,
             smooth: bool = False) -> tuple[Tensor, Any, Tensor, Tensor | None]:
    """Logits as rows (N, V), places of the class ids in them, multipliers of the losses (N), and what `_sum` adds.

    A multiplier is the weight of the class, 0 where it is ignored; divided by the sum of all for the mean.
    smooth: each row counts 1, but the divisor of the mean is still that of the weights.
    """
    axis = min(1, input.ndim - 1)
    expected = input.shape[:axis] + input.shape[axis + 1:]
    if target.shape != expected:
        rows = "" if target.shape != input.shape[:-1] else (       # a layer's output over time: classes stand last
            f"; here logits.reshape(-1, {input.shape[-1]}), target.reshape(-1)")
        raise ShapeError(describe(f"{name} of logits {tuple(input.shape)} needs class ids {tuple(expected)}, "
                                  f"and got {target.dtype} {tuple(target.shape)}.", input=input._made(),
                                  target=target._made(),
                                  fix=f"logits are (B, V) or (B, V, ...): classes are axis 1{rows}"))
    if target.dtype.kind not in "iu":
        raise DTypeError(describe(f"class ids are integers, and these are {target.dtype}.", target=target._made(),
                                  fix="target.to(mg.int64); probabilities have the shape of the logits"))
    for x in (target,) if weight is None else (target, weight):
        if x.device is not input.device:
            raise tape._two_devices(softmax_cross_entropy.op, (input, x))
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")
    n, xp, dtype = input.shape[axis], input.device.xp, input.dtype
    rows = (input if axis == input.ndim - 1 else ops_more.moveaxis(input, axis, -1)).reshape(-1, n)     # (N, V)
    ids = target.data.reshape(-1)
    if (input.device is cpu and weight is None and ids.size and not 0 <= ignore_index < n
            and ids.min() >= 0 and ids.max() < n):
        scale = np.full(ids.size, 1 / ids.size if reduction == "mean" else 1, dtype)       # the usual batch: all count
        return rows, (np.arange(ids.size), ids.copy()), Tensor(scale), None
    if tape._watch is None and (k := kernels.of(xp, dtype)):
        return rows, *_by_kernel(k, input.device, ids, weight, n, ignore_index, reduction == "mean", smooth)
    counts = ids != ignore_index
    wrong = counts & ((ids < 0) | (ids >= n))
    if (input.device is cpu or tape._watch is not None) and bool(wrong.any()):
        raise IndexRangeError(describe(f"class {int(ids[wrong][0])} is outside of 0 ... {n - 1}.",
                                       made_at=target._made(), fix="mark positions without a class with ignore_index"))
    inside = counts & ~wrong
    ids = xp.where(inside, ids, xp.zeros_like(ids))
    shares = ones = xp.where(counts, xp.ones_like(ids), xp.zeros_like(ids)).astype(dtype)
    if weight is not None:
        shares = weight.data[ids] * ones
    total = xp.sum(shares) if reduction == "mean" else None
    scale = ones if smooth else shares
    if total is not None:
        scale = scale / xp.where(total > 0, total, xp.ones_like(total))
    if input.device is not cpu:                # NaN, where the check would have waited for the device
        scale = xp.where(wrong, xp.full_like(scale, float("nan")), scale)
    nothing = None                             # no 0/0, for NumPy would warn
    if total is not None:
        nothing = xp.where(total > 0, xp.zeros_like(total), xp.full_like(total, float("nan")))
        nothing = Tensor(input.device.asarray(nothing), False, input.device)
    return rows, (xp.arange(len(ids)), ids), Tensor(scale, False, input.device), nothing


def _by_kernel(k: Any, device: Device, target: Any, weight: Tensor | None, n: int, ignore_index: int, mean: bool,
               smooth: bool) -> tuple[Any, Tensor, Tensor | None]:
    """The last three of `_classes` in one launch."""
    xp, count = device.xp, len(target)
    target = xp.ascontiguousarray(target.astype("int64", copy=False))
    place, ids = xp.empty_like(target), xp.empty_like(target)
    scale, nothing = xp.empty(count, "float32"), xp.empty((), "float32")
    k("cross_entropy_classes", 1, min(1024, 32 * max(1, -(-count // 32))), target,
      None if weight is None else xp.ascontiguousarray(weight.data), place, ids, scale, nothing, count, n,
      ignore_index, int(mean), int(smooth), shared=128)
    return (place, ids), Tensor(scale, False, device), Tensor(nothing, False, device) if mean else None


def _sum(loss: Tensor, nothing: Tensor | None) -> Tensor:
    """The sum of scaled losses; nothing: 0, or NaN where the mean is one of nothing; None for no mean."""
    return loss.sum() if nothing is None else loss.sum() + nothing


def _along(weight: Tensor, axis: int, ndim: int) -> Tensor:
    """A vector as an array that stretches along one axis of `ndim`."""
    return weight.reshape(*[-1 if i == axis else 1 for i in range(ndim)])


def _same_shape(name: str, input: Tensor, target: Tensor) -> None:
    tensors(name, input=input, target=target)
    if input.shape != target.shape:
        raise ShapeError(describe(f"{name} compares {tuple(input.shape)} with {tuple(target.shape)}.",
                                  input=input._made(), target=target._made(), fix="target.reshape(input.shape)"))


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    """The mean, the sum, or the losses themselves."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")
