"""Sentences as strips: the words on top, one row a model below, in each cell the tag or number that it gives the word.

Télécom, *Many-to-Many : T_x = T_y*, and Riveill, *Named Entity Recognition / Part of Speech Tagging*, colour the words
of a text by their tags; here several models stand below one text.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import BLUE, FAINT, GREEN, INK, ORANGE, PINK, RED, SKY, YELLOW, _figure, _styled, _title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = [SKY, ORANGE, GREEN, PINK, YELLOW, "#8DA0CB", "#C4A484", FAINT, BLUE, RED]
_QUIET = "#F1F1F1"

Cells = Sequence[str] | np.ndarray
Panel = tuple[Sequence[str], Mapping[str, Cells]]


def strips(panels: Mapping[str, Panel], *, title: str, truth: str = "", plain: Sequence[str] = ("O",)) -> Figure:
    """One panel a sentence, one row a model: panel title -> (T words, row -> T tags, or T numbers from 0 to 1).

    Tags have one colour a kind, which B-PER and I-PER share; those in `plain` have none and are not written.  Numbers
    are the darker the larger.  truth: the row of right tags; what differs from it has a red frame.
    Raises ValueError for no panel, or a row of another length than its sentence.
    """
    if not panels:
        raise ValueError("strips needs at least one panel: {title: (words, {row: tags})}")
    for name, (words, rows) in panels.items():
        for row, cells in rows.items():
            if len(cells) != len(words):
                raise ValueError(f"row {row!r} of {name!r} has {len(cells)} cells for {len(words)} words")
    tags = [str(tag) for words, rows in panels.values() for cells in rows.values()
            if not isinstance(cells, np.ndarray) for tag in cells]
    colours = dict(zip(dict.fromkeys(map(_kind, (t for t in tags if t not in plain))), _COLOURS * 9, strict=False))
    longest = max(sum(_widths(words, rows)) for words, rows in panels.values())
    side = max(len(row) for _, rows in panels.values() for row in rows)
    heights = [1.3 + len(rows) for _, rows in panels.values()]
    figure = _figure(min(18, 0.6 + 0.085 * side + 0.098 * longest), 0.6 + 0.36 * sum(heights))
    with _styled():
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for ax, (name, (words, rows)) in zip(axes, panels.items(), strict=True):
            _panel(ax, words, rows, colours, truth)
            ax.set_xlim(0, longest)
            ax.set_title(name, loc="left", parse_math=False, pad=4)
        _title(figure, title)
    return figure


def _kind(tag: str) -> str:
    return tag[2:] if tag[:2] in ("B-", "I-") else tag


def _widths(words: Sequence[str], rows: Mapping[str, Cells]) -> list[float]:
    """Room for each word and for what stands below it, in letters."""
    tags = [cells for cells in rows.values() if not isinstance(cells, np.ndarray)]
    return [max(len(word), 3.2, *(0.95 * len(cells[t]) for cells in tags)) + 1.6 for t, word in enumerate(words)]


def _panel(ax: Any, words: Sequence[str], rows: Mapping[str, Cells], colours: Mapping[str, str], truth: str) -> None:
    from matplotlib.patches import Rectangle
    widths = _widths(words, rows)
    left = np.concatenate([[0.0], np.cumsum(widths)])
    for t, word in enumerate(words):
        ax.text(left[t] + widths[t] / 2, -0.5, word, ha="center", va="center", fontsize=10.5, parse_math=False)
    for r, (row, cells) in enumerate(rows.items()):
        for t, cell in enumerate(cells):
            colour, text, ink = _cell(cell, colours)
            ax.add_patch(Rectangle((left[t] + 0.1, r + 0.06), widths[t] - 0.2, 0.88, facecolor=colour, lw=0))
            if truth and row != truth and cell != rows[truth][t]:
                ax.add_patch(Rectangle((left[t] + 0.15, r + 0.09), widths[t] - 0.3, 0.82, fill=False, ec=RED, lw=1.8))
                text = text or "O"
            ax.text(left[t] + widths[t] / 2, r + 0.5, text, ha="center", va="center", fontsize=8.5, color=ink,
                    parse_math=False)
    ax.set_ylim(len(rows), -1)                                   # the first row on top
    ax.set_yticks(np.arange(len(rows)) + 0.5, list(rows))
    ax.set_xticks([])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _cell(cell: Any, colours: Mapping[str, str]) -> tuple[Any, str, str]:
    """Background, text and colour of the text."""
    from matplotlib.colors import to_rgb
    if not isinstance(cell, str):
        share = float(np.clip(cell, 0, 1))
        shade = np.array(to_rgb(_QUIET)) * (1 - share) + np.array(to_rgb(BLUE)) * share
        return tuple(shade), f"{cell:.2f}" if share >= 0.005 else "0", "white" if share > 0.55 else INK
    if _kind(cell) not in colours:
        return _QUIET, "", INK
    return tuple(1 - 0.6 * (1 - np.array(to_rgb(colours[_kind(cell)])))), cell, INK
