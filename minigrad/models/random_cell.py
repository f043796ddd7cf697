"""A recurrent cell whose W_h is random and has a set spectral radius: what the decks' thresholds are about.

Chemnitz, *Vanishing and exploding gradients*: |W_h| above 1 explodes, below 1 vanishes; Escalera, *Vanilla RNN Gradient
Flow*: the largest singular value. Of a normal matrix (H, H) the radius is near sqrt(H) and the largest singular value
near 2 sqrt(H): the two rules speak of different numbers.
"""
from __future__ import annotations

import numpy as np

import minigrad as mg

from ..nn import GRUCell


def spectral_radius_(weight: mg.Tensor, radius: float, rng: np.random.Generator) -> float:
    """Fill W_hh (gates H, H) in place: each gate's block normal, scaled so that its largest |eigenvalue| is `radius`.

    Returns the largest singular value among the blocks. Raises ValueError for a negative radius.
    """
    if radius < 0:
        raise ValueError(f"a spectral radius is not negative, and this is {radius}")
    rows, n = weight.shape
    blocks = rng.normal(size=(rows // n, n, n))
    blocks *= radius / np.abs(np.linalg.eigvals(blocks)).max(-1)[:, None, None]
    with mg.no_grad():
        weight.copy_(mg.tensor(blocks.reshape(rows, n), dtype=weight.dtype, device=weight.device))
    return float(np.linalg.norm(blocks, 2, axis=(1, 2)).max())


def update_bias_(cell: GRUCell, value: float) -> GRUCell:
    """The bias of a GRU's update gate z, the second of r, z, n: `value` in bias_ih and 0 in bias_hh.

    What a high forget bias is to an LSTM (Télécom, *Forget Gate LSTM*), a low one is to a GRU whose z writes.
    """
    n = cell.hidden_size
    with mg.no_grad():
        for name, p in cell.named_parameters():
            if name.startswith("bias"):
                p[n:2 * n] = value if name == "bias_ih" else 0.0
    return cell
