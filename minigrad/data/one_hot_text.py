"""A text as one-hot letters, and the letter after each.   Escalera, *Example: Character-level Language Model*.

The deck: vocabulary h, e, l, o and the training sequence "hello": inputs h, e, l, l, and answers e, l, l, o.
"""
from __future__ import annotations

import numpy as np


def one_hot_text(text: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Inputs x (1, T, V), answers y (1, T) and the V letters in the order of their first appearance; T = len(text) - 1.

    x is one-hot in float32, and y[0, t] is the index of the letter after the one at t.
    Raises ValueError for a text of fewer than two letters: nothing follows.
    """
    if len(text) < 2:
        raise ValueError(f"one_hot_text needs at least two letters, not {text!r}")
    letters = "".join(dict.fromkeys(text))
    ids = np.array([letters.index(letter) for letter in text])
    return np.eye(len(letters), dtype=np.float32)[ids[None, :-1]], ids[None, 1:], letters
