"""Films of a moving ball, and what cannot be told from one frame.   Escalera, *Process Sequences*; Chemnitz, *LSTM*.

    drifting_films    one label a film: does it move left or right?  In pairs, the second played backwards
    walking_films     one label a frame: moving left, right, or resting since it did.  In pairs, mirrored
    bouncing_films    no label: what is the next frame?

A frame is size x size pixels. In the first two the ball is 2 x 2 of them, in noise, and goes around: out at one side
and in at the other, from any place, so where it is says nothing about where it goes. In the third it is one pixel.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

LEFT, RIGHT, LEFT_RESTS, RIGHT_RESTS = range(4)
MOTIONS = ["left", "right", "rests after left", "rests after right"]
NOISE = 0.15                                   # of a pixel; the ball's are 1, the others 0


class Films(NamedTuple):
    """x (N, T, size, size), float32; y (N,) or (N, T), int64, -100 where a frame has no label."""

    x: np.ndarray
    y: np.ndarray


def drifting_films(rng: np.random.Generator, pairs: int, frames: int = 8, size: int = 8) -> Films:
    """Films of a ball that moves 1 or 2 pixels a frame -> x (2 pairs, T, size, size), y (2 pairs,): LEFT or RIGHT.

    Film 2 k + 1 is film 2 k backwards, noise and all: the same frames, so the same mean, and the other label.
    Raises ValueError for no pair, or a size below 5: 2 pixels to the right would be 2 to the left.
    """
    _check("drifting_films", pairs, frames, size, least=5)
    speed = rng.integers(1, 3, (pairs, 1)) * rng.choice([-1, 1], (pairs, 1))
    columns = rng.integers(size, size=(pairs, 1)) + speed * np.arange(frames)              # (pairs, T)
    x = _noisy(_drawn(columns, rng.integers(size - 1, size=(pairs, 1)), size), rng)
    y = np.where(speed[:, 0] < 0, LEFT, RIGHT)
    return _interleaved(x, x[:, ::-1], y, 1 - y)


def walking_films(rng: np.random.Generator, pairs: int, frames: int = 12, size: int = 8) -> Films:
    """Films of a ball that walks left or right for 1 to 4 frames, rests for 1 to 4, and so on -> y (2 pairs, T).

    A frame's label is the last motion, and whether it still goes on: LEFT, RIGHT, LEFT_RESTS or RIGHT_RESTS; the first
    frame has none. Two frames tell a motion; what a long rest comes after must be remembered. Film 2 k + 1 is film 2 k
    in a mirror, so that left and right are equally frequent.  Raises ValueError for no pair.
    """
    _check("walking_films", pairs, frames, size, least=4)
    step, side = np.zeros((2, pairs, frames), int)
    for k in range(pairs):
        t, moves = 1, True
        while t < frames:
            end = t + int(rng.integers(1, 5))
            side[k, t:end] = rng.choice([-1, 1]) if moves else side[k, t - 1]
            step[k, t:end] = side[k, t:end] * moves
            t, moves = end, not moves
    columns = rng.integers(size, size=(pairs, 1)) + step.cumsum(1)
    x = _noisy(_drawn(columns, rng.integers(size - 1, size=(pairs, 1)), size), rng)
    y = np.where(side < 0, LEFT, RIGHT) + 2 * (step == 0)
    mirrored = y ^ 1                           # LEFT and RIGHT, LEFT_RESTS and RIGHT_RESTS
    y[:, 0] = mirrored[:, 0] = -100
    return _interleaved(x, x[..., ::-1], y, mirrored)


def bouncing_films(rng: np.random.Generator, count: int, frames: int = 10, size: int = 8) -> np.ndarray:
    """Films of a lit pixel that moves by one along both axes each frame and turns at walls: (count, T, size, size).

    Once two frames have been seen, the next is certain; one tells four places, or fewer at a wall.
    Raises ValueError for no film.
    """
    _check("bouncing_films", count, frames, size, least=2)
    way = 2 * (size - 1)                       # there and back
    start = rng.integers(way, size=(2, count, 1))
    rows, columns = np.abs((start + np.arange(frames) + size - 1) % way - (size - 1))      # each (count, T)
    return _drawn(columns, rows, size, ball=1)


def _check(name: str, count: int, frames: int, size: int, least: int) -> None:
    if count < 1 or frames < 2 or size < least:
        raise ValueError(f"{name} needs at least 1 film, 2 frames and {least} x {least} pixels, not {count}, {frames} "
                         f"and {size} x {size}")


def _drawn(columns: np.ndarray, rows: np.ndarray, size: int, ball: int = 2) -> np.ndarray:
    """A ball with its upper left corner there, around the borders: both (N, T) or (N, 1) -> (N, T, size, size)."""
    at = np.arange(size)
    across, down = ((at - corner[..., None]) % size < ball for corner in (columns, rows))
    return (down[..., :, None] & across[..., None, :]).astype(np.float32)


def _noisy(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return x + rng.normal(0, NOISE, x.shape).astype(np.float32)


def _interleaved(x: np.ndarray, other: np.ndarray, y: np.ndarray, other_y: np.ndarray) -> Films:
    """Films 2 k and 2 k + 1 are a pair."""
    both = np.stack([x, other], 1).reshape(-1, *x.shape[1:]), np.stack([y, other_y], 1).reshape(-1, *y.shape[1:])
    return Films(both[0], both[1].astype(np.int64))
