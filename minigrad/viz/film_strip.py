"""Films as strips, one frame beside the other, with what is said of each frame written below it."""
from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .figures import INK, RED, _figure, _styled, _title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE, _LINE, _NAMES = 0.72, 0.2, 1.9         # inches: a frame, a line of text, the column of names


def film_strip(films: Mapping[str, np.ndarray], *, title: str,
               labels: Mapping[str, Mapping[str, Sequence[str]]] | None = None) -> Figure:
    """One row a film, one column a frame; bright is 1, dark is 0.

    films: name -> frames (T, height, width), all of one T; a frame of NaN is left out.  labels: film -> line -> T
    words, written below its frames. The first line of a film is the truth; in the others a word that is not the
    truth's is red and in brackets.
    Raises ValueError for no film, films of unequal length, or a line that has not a word for each frame.
    """
    labels = labels or {}
    lengths = {len(frames) for frames in films.values()}
    if len(lengths) != 1 or any(np.ndim(frames) != 3 for frames in films.values()):
        raise ValueError("film_strip needs films (T, height, width) of one length, not "
                         + (", ".join(str(np.shape(f)) for f in films.values()) or "none"))
    T = lengths.pop()
    for name, lines in labels.items():
        for line, words in lines.items():
            if name not in films or len(words) != T:
                raise ValueError(f"line {line!r} of film {name!r} has {len(words)} words; films: {', '.join(films)}, "
                                 f"of {T} frames")
    tall = [_SIDE + 0.14 + _LINE * len(labels.get(name, ())) for name in films]
    width = _NAMES + _SIDE * T + 0.2
    above = 0.22 + 0.24 * math.ceil(len(title) / (8.4 * width))
    height = sum(tall) + above + 0.3
    figure = _figure(width, height)
    figure.set_layout_engine("none")           # frames stand where the numbers above put them
    with _styled():
        top = above
        for (name, frames), room in zip(films.items(), tall, strict=True):
            _name(figure, name, top + _SIDE / 2, height)
            for t, frame in enumerate(frames):
                left = _NAMES + t * _SIDE
                if not np.isnan(frame).all():
                    ax = figure.add_axes(((left + 0.03) / width, 1 - (top + _SIDE - 0.03) / height,
                                          (_SIDE - 0.06) / width, (_SIDE - 0.06) / height))
                    ax.imshow(frame, cmap="gray", vmin=0, vmax=1)
                    ax.set_xticks([])
                    ax.set_yticks([])
                    ax.spines[:].set_visible(True)             # a bright edge would melt into the page
                _lines(figure, labels.get(name, {}), t, (left + _SIDE / 2) / width, top + _SIDE, height)
            for k, line in enumerate(labels.get(name, {})):
                _name(figure, line, top + _SIDE + _LINE * (k + 0.5), height)
            top += room
        for t in range(T):
            figure.text((_NAMES + (t + 0.5) * _SIDE) / width, 1 - (top + 0.1) / height, f"{t + 1}", ha="center",
                        va="center", fontsize=9.5)
        _name(figure, "frame", top + 0.1, height)
        _title(figure, title)
    return figure


def _name(figure: Figure, text: str, down: float, height: float) -> None:
    wrapped = "\n".join(textwrap.fill(part, 26) for part in text.split("\n"))
    figure.text(0.1 / figure.get_figwidth(), 1 - down / height, wrapped, va="center", fontsize=9.5, parse_math=False)


def _lines(figure: Figure, lines: Mapping[str, Sequence[str]], t: int, across: float, down: float, height: float
           ) -> None:
    truth = next(iter(lines.values()))[t] if lines else ""
    for k, words in enumerate(lines.values()):
        wrong = words[t] != truth
        figure.text(across, 1 - (down + _LINE * (k + 0.5)) / height, f"({words[t]})" if wrong else words[t],
                    ha="center", va="center", fontsize=9.5, color=RED if wrong else INK, parse_math=False)
