"""What the sequence nodes share: copies that lay all steps side by side, and examples that end before the others."""
from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np


def side_by_side(steps: np.ndarray, out: np.ndarray) -> None:
    """Steps (T, G, B) -> out (G, T, B), the columns of one product over all steps.

    A row of B values moves as one item: 0.1 to 0.5 ns a value, up to twice as fast as by values.
    """
    row = np.dtype((np.void, steps.shape[-1] * steps.itemsize))
    np.copyto(out.view(row)[..., 0], steps.view(row)[..., 0].T)


def ended(alive: np.ndarray | None, reverse: bool) -> Any:
    """For each step, in the order of the walk: None, or the mask (B,) of the examples that have no such step.

    alive (T, B), or None: every example has every step.
    """
    if alive is None:
        return repeat(None)
    gone = [None if step.all() else ~step for step in alive]
    return gone[::-1] if reverse else gone


def backwards(gone: Any, steps: int) -> Iterator[Any]:
    """What `ended` gave, from the last step to the first."""
    return reversed(gone) if isinstance(gone, list) else repeat(None, steps)
