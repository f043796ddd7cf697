"""Clipping gradients, between `backward()` and `step()`, in place and without waiting for a device.

On a device with kernels the norm of float32 gradients takes one launch for 16 of them and one for all, their scaling
another one for 16.
"""
from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import kernels
from ..errors import MinigradError
from ..tensor import Tensor, touch

_AT_ONCE, _THREADS = 16, 256                   # gradients of a launch (clip.cu), threads of a block
_EACH, _BLOCKS = 1024, 1024                    # elements a block at least, blocks at most


def clip_grad_norm_(parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0,
                    error_if_nonfinite: bool = False) -> Tensor:
    """Scale all gradients by min(1, max_norm / norm), in place; returns the norm before.

    The norm is that of all gradients together.  Chemnitz, *Vanishing and exploding gradients (2)*; Télécom, *Exploding:
    gradient clipping*; Escalera's code compares the squared norm by mistake.  To clip a part, pass its parameters.
    norm_type: 2, another power, or math.inf for the largest entry.
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    grads = [p.grad for p in parameters if p.grad is not None]
    if not grads:
        return Tensor(np.zeros((), np.float32))
    device, xp = grads[0].device, grads[0].device.xp
    k = kernels.of(xp, grads[0].dtype)
    if k is not None and norm_type == 2 and all(g.dtype == np.float32 for g in grads):
        pair = _norm_by_kernel(xp, k, [g.data for g in grads], max_norm)
        _refuse_nonfinite(xp, pair[0], error_if_nonfinite)
        touch(*grads)
        _scale_by_kernel(k, [g.data for g in grads], pair[1:])
        return Tensor(pair[0], False, device)
    flat = [g.data.reshape(-1) for g in grads]
    if norm_type == math.inf:
        norm = xp.max(xp.stack([xp.max(xp.absolute(f)) for f in flat]))
    elif norm_type == 2:
        norm = xp.sqrt(xp.sum(xp.stack([xp.dot(f, f) for f in flat])))
    else:
        norm = xp.sum(xp.stack([xp.sum(xp.absolute(f) ** norm_type) for f in flat])) ** (1 / norm_type)
    _refuse_nonfinite(xp, norm, error_if_nonfinite)
    scale = xp.minimum(max_norm / (norm + 1e-6), 1.0)
    touch(*grads)
    for g in grads:
        g.data *= scale
    return Tensor(device.asarray(norm), False, device)


def _refuse_nonfinite(xp: Any, norm: Any, asked: bool) -> None:
    if asked and not bool(xp.isfinite(norm)):
        raise MinigradError(f"the norm of the gradients is {float(norm)}")


def _blocks(arrays: list[Any]) -> int:
    return min(_BLOCKS, max(1, -(-sum(a.size for a in arrays) // _EACH)))


def _sixteen(arrays: list[Any]) -> tuple[Any, ...]:
    """The arrays of a launch and their sizes, filled up with None and 0."""
    none = _AT_ONCE - len(arrays)
    return *arrays, *[None] * none, *[a.size for a in arrays], *[0] * none


def _norm_by_kernel(xp: Any, k: Any, grads: list[Any], largest: float) -> Any:
    """(norm of all gradients together, factor that brings it to at most `largest`): (2,)."""
    grads = [g if g.flags.c_contiguous else xp.ascontiguousarray(g) for g in grads]
    groups = [grads[i:i + _AT_ONCE] for i in range(0, len(grads), _AT_ONCE)]
    blocks = [_blocks(group) for group in groups]
    parts, out, offset = xp.empty(sum(blocks), dtype="float32"), xp.empty(2, dtype="float32"), 0
    for group, n in zip(groups, blocks, strict=True):
        k("gradient_squares", n, _THREADS, parts, offset, n, *_sixteen(group), shared=128)
        offset += n
    k("gradient_norm", 1, _THREADS, parts, offset, largest, out, shared=128)
    return out


def _scale_by_kernel(k: Any, grads: list[Any], factor: Any) -> None:
    """Every gradient times factor (1,), in place."""
    for g in grads:
        if not g.flags.c_contiguous:           # a kernel would see a copy
            g *= factor
    whole = [g for g in grads if g.flags.c_contiguous]
    for i in range(0, len(whole), _AT_ONCE):
        group = whole[i:i + _AT_ONCE]
        k("gradient_scale", _blocks(group), _THREADS, factor, *_sixteen(group))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Every entry of every gradient into [-clip_value, clip_value], in place: the direction changes, unlike by norm."""
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    grads = [p.grad for p in parameters if p.grad is not None]
    touch(*grads)
    for g in grads:
        g.device.xp.clip(g.data, -clip_value, clip_value, out=g.data)
