"""Where a model looks, word by word: its weights drawn over the picture.   Escalera, *Image Captioning with Attention*.

Chemnitz, *One to Many: image caption generation (3)*, too, has a row of pictures, one for each word. What is not looked
at is dim; the place of the largest weight has a frame, and its weight is written below, so that no colour is needed to
read it. Without weights a panel is the picture alone, with what is said of it (`captioned`).
"""
from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import INK, _figure, _styled, _title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DIM = 0.22                                    # of the brightness is left where the weight is 0


def over_image(rows: Sequence[tuple[np.ndarray, Sequence[str], np.ndarray]], *, title: str,
               notes: Sequence[str] | None = None) -> Figure:
    """A row of panels for each (picture, words, weights): the picture alone, then one panel a word.

    picture (3, H, W) in 0 ... 1; T words; weights (T, P) over P = S x S places, row by row, that sum to 1.
    notes: what stands under the picture of each row.
    Raises ValueError for no rows, weights of another shape, or places that are no square.
    """
    for picture, words, weights in rows:
        _check(picture, words, weights)
    if not rows:
        raise ValueError("over_image needs at least one row: (picture, words, weights)")
    columns = 1 + max(len(words) for _, words, _ in rows)
    figure = _figure(1.3 * columns + 0.3, 1.75 * len(rows) + 0.9)
    with _styled():
        axes = figure.subplots(len(rows), columns, squeeze=False)
        for k, ((picture, words, weights), line) in enumerate(zip(rows, axes, strict=True)):
            _show(line[0], picture, "")
            line[0].set_xlabel("\n".join(textwrap.wrap(notes[k] if notes else "largest weight:", 16)), fontsize=9)
            for ax, word, weight in zip(line[1:], words, weights, strict=False):
                _look(ax, picture, word, weight)
            for ax in line[1 + len(words):]:
                ax.remove()
        _title(figure, title)
    return figure


def captioned(panels: Sequence[tuple[np.ndarray, str, bool | None]], *, title: str, columns: int = 4,
              marks: tuple[str, str] = ("true", "FALSE")) -> Figure:
    """Pictures with a text under each, and whether that is so: (picture (3, H, W), text, True, False or None).

    marks: what stands before a text that is so, and before one that is not.

    Raises ValueError for no panels.
    """
    if not panels:
        raise ValueError("captioned needs at least one panel: (picture, text, right)")
    lines = math.ceil(len(panels) / columns)
    figure = _figure(2.4 * columns + 0.3, 2.75 * lines + 0.8)
    with _styled():
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for ax, (picture, text, right) in zip(axes, panels, strict=False):
            _show(ax, picture, "")
            mark = "" if right is None else marks[0 if right else 1] + ": "
            ax.set_xlabel("\n".join(textwrap.fill(part, 27) for part in (mark + text).split("\n")), fontsize=10,
                          fontweight="bold" if right is False else "normal")
        for ax in axes[len(panels):]:
            ax.remove()
        _title(figure, title)
    return figure


def _check(picture: np.ndarray, words: Sequence[str], weights: np.ndarray) -> None:
    shape = np.shape(weights)
    if len(shape) != 2 or shape[0] != len(words) or math.isqrt(shape[1]) ** 2 != shape[1]:
        raise ValueError(f"{len(words)} words have weights ({len(words)}, P), P a square number of places, not {shape}")
    if np.ndim(picture) != 3 or np.shape(picture)[0] != 3:
        raise ValueError(f"a picture is (3, H, W), not {np.shape(picture)}")


def _show(ax: Any, picture: np.ndarray, name: str) -> None:
    ax.imshow(np.clip(np.moveaxis(np.asarray(picture), 0, -1), 0, 1), interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(name, fontsize=10, parse_math=False)
    for spine in ax.spines.values():
        spine.set_visible(True)


def _look(ax: Any, picture: np.ndarray, word: str, weight: np.ndarray) -> None:
    """The picture, dimmed by 1 - weight / the largest one; a frame around the place of the largest."""
    from matplotlib.patches import Rectangle
    side, (_, height, width) = math.isqrt(len(weight)), picture.shape
    rows, columns = (np.arange(n) * side // n for n in (height, width))
    bright = (weight / max(weight.max(), 1e-12)).reshape(side, side)[rows[:, None], columns]
    _show(ax, picture * (_DIM + (1 - _DIM) * bright), word)
    row, column = divmod(int(weight.argmax()), side)
    ax.add_patch(Rectangle((column * width / side - 0.5, row * height / side - 0.5), width / side, height / side,
                           fill=False, ec="white", lw=3.2))
    ax.add_patch(Rectangle((column * width / side - 0.5, row * height / side - 0.5), width / side, height / side,
                           fill=False, ec=INK, lw=1.4, ls="--"))
    ax.set_xlabel(f"{weight.max():.2f}", fontsize=9)
