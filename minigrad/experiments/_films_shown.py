"""The three strips of `frames`: a pair of films, the labels of every frame, the next frames."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minigrad.data.films import LEFT, MOTIONS, Films
from minigrad.viz.film_strip import film_strip

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORT = ["←", "→", "← rests", "→ rests"]       # MOTIONS, narrow enough for a frame


def pair(tests: Films, answers: Mapping[str, np.ndarray], title: str) -> Figure:
    """The first two films, one the other backwards, and what each row of `answers` (N,) says of both."""
    films = {}
    for k, name in enumerate(("a film", "backwards")):
        said = "".join(f"\n{row}: to the {MOTIONS[int(a[k])]}" for row, a in answers.items())
        films[f"{name}, to the {MOTIONS[int(tests.y[k])]}{said}"] = tests.x[k]
    return film_strip(films, title=title)


def walk(tests: Films, answers: Mapping[str, np.ndarray], title: str) -> Figure:
    """Its labels, and what each row of `answers` (N, T) says, of the film that the last row knows least about."""
    *_, least = answers.values()
    k = int(((least != tests.y) & (tests.y >= LEFT)).sum(1).argmax())
    lines = {"truth": tests.y[k], **{row: np.where(tests.y[k] < 0, -100, a[k]) for row, a in answers.items()}}
    said = {row: [SHORT[label] if label >= 0 else "-" for label in line] for row, line in lines.items()}
    return film_strip({"a film": tests.x[k]}, labels={"a film": said}, title=title)


def following(film: np.ndarray, scores: Mapping[str, np.ndarray], title: str) -> Figure:
    """A film (T, size, size) and, below each frame, the chances that a row of `scores` (T - 1, ...) gave its pixels."""
    films = {"a film": film}
    for row, s in scores.items():
        e = np.exp(s - s.max((1, 2), keepdims=True))
        films[row] = np.concatenate([np.full_like(film[:1], np.nan), e / e.sum((1, 2), keepdims=True)])
    return film_strip(films, title=title)
