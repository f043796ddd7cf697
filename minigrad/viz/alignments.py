"""Who looks at what: attention weights as maps, a row for each word that is written, a column for each that is read.

Télécom, *Visualisation of the attention weights*: four sentences, each with a map of its alignment (Bahdanau et al.
2015). The heads of a Transformer are drawn alike, one panel a head.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import BLUE, INK, _figure, _styled, _title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELL, _SMALLEST = 0.27, 0.13                  # inches: side of a cell, and of one in a panel that has many
_LETTER = 0.085                                # inches: of a 10 point name
_WIDEST = 17.0                                 # inches


def alignments(panels: Mapping[str, tuple[np.ndarray, Sequence[str], Sequence[str]]], *, title: str,
               label: str = "weight") -> Figure:
    """Panels of weights, the darker the larger; all share one scale from 0 to the largest weight.

    panels: panel title -> (weights (T, S), T names of rows, S names of columns).  The first row is on top, the columns'
    names stand above the map.  label: what a weight is, beside the scale.
    A name that is a space is drawn as an open box. Raises ValueError for no panel, weights of another shape than the
    names, or weights that are negative or not finite.
    """
    if not panels:
        raise ValueError("alignments needs at least one panel: {title: (weights, rows, columns)}")
    drawn = {name: _read(name, *panel) for name, panel in panels.items()}
    longest = max(len(columns) for _, _, columns in drawn.values())
    side = max((_width(rows) for _, rows, _ in drawn.values()), default=0.0)
    cell = _CELL if longest <= 40 else max(_SMALLEST, 40 * _CELL / longest)
    n = _columns(len(drawn), side + longest * cell)
    grid = [list(drawn.items())[k:k + n] for k in range(0, len(drawn), n)]
    widths = [max(len(line[k][1][2]) for line in grid if k < len(line)) for k in range(n)]
    heights = [max(len(panel[1]) for _, panel in line) for line in grid]
    above = max(0.2 if _upright(columns) else _width(columns) for _, _, columns in drawn.values())
    figure = _figure(max(5.0, n * (side + 0.3) + cell * sum(widths) + 1.0),
                     0.7 + len(grid) * (above + 0.5) + cell * sum(heights))
    with _styled():
        axes = figure.subplots(len(grid), n, squeeze=False,
                               gridspec_kw={"width_ratios": widths, "height_ratios": heights})
        top = max(float(weights.max(initial=0)) for weights, _, _ in drawn.values()) or 1.0
        shown: Any = None
        for line, row, height in zip(axes, grid, heights, strict=True):
            for ax, (name, panel), width in zip(line, row, widths, strict=False):
                shown = _panel(ax, name, *panel, room=(height, width), top=top, size=min(10.0, 37 * cell))
            for ax in line[len(row):]:
                ax.remove()
        bar = figure.colorbar(shown, ax=figure.axes, label=label, fraction=0.03, pad=0.015, aspect=25)
        bar.outline.set_visible(False)
        _title(figure, title)
    return figure


def _read(name: str, weights: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> tuple[Any, Any, Any]:
    """A panel's weights in float64, and its names."""
    grid = np.asarray(weights, np.float64)
    if grid.shape != (len(rows), len(columns)) or not grid.size:
        raise ValueError(f"alignments: panel {name!r} has weights {grid.shape}, {len(rows)} rows and {len(columns)} "
                         "columns named; weights are (rows, columns)")
    if not (np.isfinite(grid) & (grid >= 0)).all():
        raise ValueError(f"alignments: panel {name!r} has weights that are negative or not finite; a softmax gives "
                         "numbers from 0 to 1")
    return grid, [_seen(r) for r in rows], [_seen(c) for c in columns]


def _seen(name: str) -> str:
    return "␣" if name == " " else name


def _width(names: Sequence[str]) -> float:
    return 0.1 + _LETTER * max(map(len, names), default=0)


def _upright(names: Sequence[str]) -> bool:
    """Names of a letter or two fit above their cells as they are."""
    return max(map(len, names), default=0) <= 2


def _columns(panels: int, width: float) -> int:
    """How many panels stand side by side: as many as fit, in rows of equal length where the number allows it."""
    fit = max(1, int(_WIDEST // width))
    wanted = panels if panels <= 3 else 2 if panels == 4 else 4 if panels % 4 == 0 else 3
    return min(fit, wanted)


def _panel(ax: Any, name: str, weights: np.ndarray, rows: Sequence[str], columns: Sequence[str], *,
           room: tuple[int, int], top: float, size: float) -> Any:
    """A map in `room` for so many rows and columns: a short sentence's cells are as large as those of a long one."""
    from matplotlib.colors import LinearSegmentedColormap
    light_to_dark = LinearSegmentedColormap.from_list("amount", ["#F7FAFC", "#8FC1E0", BLUE, "#062B49"])
    shown = ax.pcolormesh(weights, cmap=light_to_dark, vmin=0, vmax=top, edgecolors="white", lw=0.6)
    ax.set_xlim(0, room[1])
    ax.set_ylim(room[0], 0)                    # the first word on top
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=0 if _upright(columns) else 90, fontsize=size)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows, fontsize=size)
    for text in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        text.set_parse_math(False)             # a "$" is a token, not a formula
    ax.tick_params(length=0, pad=2)
    ax.set_title(name, loc="left", parse_math=False, color=INK)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return shown
