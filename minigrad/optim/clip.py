"""Clipping gradients, between `backward()` and `step()`, in place and without waiting for a device."""
from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ..errors import MinigradError
from ..tensor import Tensor, touch


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
    flat = [g.data.reshape(-1) for g in grads]
    if norm_type == math.inf:
        norm = xp.max(xp.stack([xp.max(xp.absolute(f)) for f in flat]))
    elif norm_type == 2:
        norm = xp.sqrt(xp.sum(xp.stack([xp.dot(f, f) for f in flat])))
    else:
        norm = xp.sum(xp.stack([xp.sum(xp.absolute(f) ** norm_type) for f in flat])) ** (1 / norm_type)
    if error_if_nonfinite and not bool(xp.isfinite(norm)):
        raise MinigradError(f"the norm of the gradients is {float(norm)}")
    scale = xp.minimum(max_norm / (norm + 1e-6), 1.0)
    touch(*grads)
    for g in grads:
        g.data *= scale
    return Tensor(device.asarray(norm), False, device)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Every entry of every gradient into [-clip_value, clip_value], in place: the direction changes, unlike by norm."""
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    grads = [p.grad for p in parameters if p.grad is not None]
    touch(*grads)
    for g in grads:
        g.device.xp.clip(g.data, -clip_value, clip_value, out=g.data)
