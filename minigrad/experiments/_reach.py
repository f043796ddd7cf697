"""How far back the gradient of a cell reaches: its norm at each distance, and the words for it. Part of `vanishing`."""
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import float64
from minigrad.experiments import Context
from minigrad.models.random_cell import spectral_radius_
from minigrad.nn import bptt

H, D, STEPS, FADES, DIES, EXPLODES = 32, 4, 100, 1e-3, 1e-6, 1e6


def reach(ctx: Context, cell: Any, radius: float, size: float = 1.0) -> tuple[list[np.ndarray], float]:
    """|dL/dh_{T-d}| / |dL/dh_T| for d = 0 ... STEPS, and along c where there is one; W_h's largest singular value.

    The cell gets a random W_h of that spectral radius, normal inputs of that size, and L = v h_T with a normal v.
    """
    sigma = spectral_radius_(ctx.to_device(cell.to(float64)).weight_hh, radius, ctx.rng)
    states = bptt.unroll(cell, ctx.tensor(size * ctx.rng.normal(size=(STEPS + 1, 1, D))))
    rows = bptt.gradients(states.h[-1] @ ctx.tensor(ctx.rng.normal(size=(H, 1))), *filter(None, states))
    norms = [np.linalg.norm(row[::-1, 0], axis=1) for row in rows]
    return [n / n[0] for n in norms], sigma


def band(curves: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Distances, and the smallest, the median and the largest of some curves: what viz.curves draws."""
    return np.arange(len(curves[0])), np.min(curves, 0), np.median(curves, 0), np.max(curves, 0)


def fate(curves: list[np.ndarray], floor: float = DIES) -> str:
    """Where the median draw dies (below `floor` of its start) or explodes, and the draws' range; else what is left."""
    a = np.array(curves)
    for word, past in (("dies", a < floor), ("explodes", a > 1 / floor)):
        at = np.where(past.any(1), past.argmax(1), a.shape[1])                 # the first step back, or one too many
        if np.median(at) < a.shape[1]:
            last = at.max() if at.max() < a.shape[1] else f"over {a.shape[1] - 1}"
            return f"{word} {np.median(at):.0f} ({at.min()}-{last})"
    return f"{np.median(a[:, -1]):.2g} left"
