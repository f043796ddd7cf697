"""Handwritten digits, 8 x 8 pixels, and two ways to split them.   Télécom, *Handwritten Character Recognition*.

The 1,797 pictures come with scikit-learn (the extra `data`) in the order of their file: the test set of Alpaydin and
Kaynak 1998, written by 13 people. The file runs through them, so the last pictures are by other people than the first:
the ordered split trains on the first and tests on the last. A random split tests on people whose hand was trained on,
and is the easier question.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import MinigradError, describe
from ..install import install_line

SPLITS = ("random", "ordered")


class MissingDigitsError(MinigradError, ImportError):
    """The digits are asked for, and scikit-learn, which brings them, is not installed."""


class Digits(NamedTuple):
    """Pictures x (N, 8, 8), float32 from 0 (paper) to 1 (ink), and what they show, y (N,), to train on and to test."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def digit_images() -> tuple[np.ndarray, np.ndarray]:
    """All pictures x (1797, 8, 8), float32 in [0, 1], and digits y (1797,), int64, in the order of the file.

    Raises MissingDigitsError without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as missing:
        raise MissingDigitsError(describe("the handwritten digits come with scikit-learn, which is not installed.",
                                          fix=install_line("data"))) from missing
    found = load_digits()
    return (found.images / 16).astype(np.float32), found.target.astype(np.int64)


def digit_sets(rng: np.random.Generator, split: str = "random", test: float = 0.25) -> Digits:
    """The digits, of which the share `test` is to test on: drawn ("random"), or the last ones ("ordered").

    Raises ValueError for another split, or a share that leaves one part empty; MissingDigitsError.
    """
    if split not in SPLITS:
        raise ValueError(f"split is one of {', '.join(SPLITS)}, not {split!r}")
    x, y = digit_images()
    first = len(y) - round(test * len(y))
    if not 0 < first < len(y):
        raise ValueError(f"a share of {test} of {len(y)} pictures leaves one part empty")
    order = rng.permutation(len(y)) if split == "random" else np.arange(len(y))
    train, held = order[:first], order[first:]
    return Digits(x[train], y[train], x[held], y[held])
