"""One vector from all steps of a sequence: the last state, the mean, or the largest values, padding left out.

    last   h_T at each example's own end   Télécom, *Sentiment Classification / using a RNN*; KTH, *Sequence-to-Vector*
    mean   1/T sum_t h_t                   Télécom, *Sentiment Classification / using a simple model* (of embeddings)
    max    max_t h_t, of each unit         pooling over time: Collobert & Weston 2008; Kim 2014

A batch is as long as its longest example. What stands behind the end of a shorter one is not part of it: a state that
is read there, or a mean that counts those steps, would depend on which others are in the batch.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError, describe
from ..nn import Module
from ..nn import functional as F
from ..nn.recurrent import Recurrent
from ..ops import concatenate, expand_dims, unsqueeze, where
from ..tensor import Tensor
from ._judging import judging
from .lengths import counted, on_device, on_host, steps, within

READINGS = ("last", "mean", "max")


def check_reading(reading: str) -> str:
    """The name of a reading. Raises ValueError for another."""
    if reading not in READINGS:
        raise ValueError(f"reading is one of {', '.join(READINGS)}, not {reading!r}")
    return reading


def pooled(h: Tensor, lengths: Any = None, reading: str = "mean") -> Tensor:
    """Steps h (B, T, H) of examples of these lengths (B,) -> one vector each, (B, H).  lengths: None for T of all.

    Raises ValueError for another reading, ShapeError for lengths that do not fit.
    """
    check_reading(reading)
    if lengths is None:
        return h[:, -1] if reading == "last" else h.amax(1) if reading == "max" else h.mean(1)
    n = _lengths(h, lengths)
    if reading == "last":
        return at_place(h, n - 1)
    alive = unsqueeze(within(n, h.shape[1]), 2)
    if reading == "max":
        return where(alive, h, -np.inf).amax(1)
    return where(alive, h, 0.0).sum(1) / unsqueeze(n.astype(h.dtype), 1)


def at_place(h: Tensor, at: Tensor) -> Tensor:
    """One step of each example: h (B, T, H), at (B,) -> (B, H).

    By a mask: an index is looked at before it is used, and the host would wait for it.
    """
    there = expand_dims(steps(h.shape[1], h.device) == unsqueeze(at, 1), 2)                # (B, T, 1)
    return where(there, h, 0.0).sum(1)


def real(h: Tensor, lengths: Any) -> Tensor:
    """Which steps of h (B, T, H) are part of their examples: (B, T, 1), bool, on h's device. Raises ShapeError."""
    return unsqueeze(within(_lengths(h, lengths), h.shape[1]), 2)


def last_state(layer: Recurrent, x: Tensor, lengths: Any = None) -> Tensor:
    """A batch_first layer's states after all of x (B, T, D): the top layer's, (B, H), of two directions (B, 2 H).

    The forward direction ends at each example's own end, the reverse one at its first step.
    """
    _, state = layer(x, lengths=lengths)
    h = state[0] if isinstance(state, tuple) else state                                    # (layers * ways, B, H)
    return concatenate(h.unbind(0)[-(1 + layer.bidirectional):], -1)


def summary(layer: Recurrent, x: Tensor, lengths: Any = None, reading: str = "last") -> Tensor:
    """What a batch_first layer makes of x (B, T, D), by `last_state` or by `pooled` over its outputs: (B, ways * H)."""
    if check_reading(reading) == "last":
        return last_state(layer, x, lengths)
    return pooled(layer(x, lengths=lengths)[0], lengths, reading)


def prefixes(model: Module, x: Tensor) -> np.ndarray:
    """How an answer forms: class probabilities (T, K) after 1, 2, ... T steps of one sequence x (1, T, ...).

    model: of `model(x, lengths) -> scores (B, K)`. It is asked for all beginnings in one batch.
    Raises ShapeError for more than one sequence.
    """
    if x.shape[0] != 1:
        raise ShapeError(describe(f"prefixes follows one sequence, not the {x.shape[0]} of {tuple(x.shape)}.",
                                  made_at=x._made(), fix="x[k:k + 1]"))
    steps = x.shape[1]
    with judging(model):
        scores = model(concatenate([x] * steps, 0), np.arange(1, steps + 1))
        return np.asarray(F.softmax(scores, -1).cpu().numpy())


def _lengths(h: Tensor, lengths: Any) -> Tensor:
    """Lengths as a Tensor of h's device; those that came from the host were looked at."""
    B, T = h.shape[:2]
    if on_device(lengths) and lengths.dtype.kind in "iu" and lengths.shape == (B,):
        return counted(lengths, h.device)
    n = on_host(lengths)
    if n.dtype.kind not in "iu" or n.shape != (B,) or n.min() < 1 or n.max() > T:
        raise ShapeError(describe(f"lengths {n.tolist()} do not fit steps of {tuple(h.shape)}.", made_at=h._made(),
                                  fix=f"({B},) integers, each from 1 to {T}"))
    return counted(n, h.device)
