"""Twelve words as five numbers that somebody chose.   Télécom, *Word embedding*.

The numbers are printed on the slide. In them king - man + woman is queen exactly, and boat and plane are one point, as
are France and Germany.
"""
from __future__ import annotations

import numpy as np

FEATURES = ("gender", "royal", "age", "country", "transport")
WORDS = ("man", "woman", "king", "queen", "uncle", "aunt", "president", "chancellor", "France", "Germany", "boat",
         "plane")
_ROWS = [
    [-1, 1, -1, 1, -1, 1, -0.7, -0.3, 0, 0, 0, 0],
    [0, 0, 1, 1, 0, 0, 0.5, 0.5, 0, 0, 0, 0],
    [0, 0, 0.7, 0.7, 0.5, 0.5, 0.7, 0.7, 0, 0, 0, 0],
    [0, 0, 0.5, 0.5, 0, 0, 0.5, 0.2, 1, 1, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1],
]


def telecom_table() -> tuple[tuple[str, ...], np.ndarray]:
    """The words, and a row of five features for each: (12, 5), float64."""
    return WORDS, np.array(_ROWS, dtype=np.float64).T
