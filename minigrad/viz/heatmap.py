"""A matrix as colours with its numbers written in: probabilities, gates, gradients at each step, scores of a grid."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import BLUE, INK, ORANGE, _figure, _styled, _title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def heatmap(values: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, title: str, label: str = "",
            xlabel: str = "", ylabel: str = "", numbers: bool = True) -> Figure:
    """One cell for each value, the darker the larger; its number stands in it.

    values (R, C), with names `rows` and `columns`; NaN is an empty cell.  label: what a value is, beside the scale of
    colours.  numbers: False leaves them out, for a grid too fine to read.  Values on both sides of 0 get a scale of two
    colours with white at 0, so that the sign can be seen.
    Raises ValueError unless there is a name for each row and column.
    """
    grid = np.asarray(values, dtype=float)
    if grid.shape != (len(rows), len(columns)):
        raise ValueError(f"heatmap of {grid.shape} values has {len(rows)} rows and {len(columns)} columns named")
    low, high, colours = _scale(grid)
    side = max(map(len, rows), default=0)
    figure = _figure(min(16, max(5.2, 2.2 + 0.09 * side + (0.62 if numbers else 0.3) * grid.shape[1])),
                     min(12, max(2.6, 1.7 + (0.42 if numbers else 0.26) * grid.shape[0])))
    with _styled():
        ax = figure.add_subplot()
        shown = ax.pcolormesh(np.ma.masked_invalid(grid), cmap=colours, vmin=low, vmax=high, edgecolors="white", lw=1)
        ax.set_aspect("auto")
        ax.invert_yaxis()                      # the first row on top, as in a table
        _names(ax, rows, columns)
        ax.set_xlabel(xlabel)
        ax.set_ylabel(ylabel)
        for spine in ax.spines.values():
            spine.set_visible(False)
        if numbers:
            _write(ax, grid, shown)
        bar = figure.colorbar(shown, ax=ax, label=label, fraction=0.05, pad=0.02)
        bar.outline.set_visible(False)
        _title(figure, title)
    return figure


def _scale(grid: np.ndarray) -> tuple[float, float, Any]:
    """Smallest and largest value of the scale, and its colours: white to blue, or orange, white, blue around 0."""
    from matplotlib.colors import LinearSegmentedColormap
    seen = grid[np.isfinite(grid)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    if low < 0 < high:
        reach = max(-low, high)
        return -reach, reach, LinearSegmentedColormap.from_list("signed", [ORANGE, "#FFFFFF", BLUE])
    if 0 <= low and high <= 1:                 # probabilities and gates: the same colour means the same in all figures
        low, high = 0.0, 1.0
    return low, max(high, low + 1e-12), LinearSegmentedColormap.from_list("amount", ["#F7FAFC", "#8FC1E0", BLUE])


def _names(ax: Any, rows: Sequence[str], columns: Sequence[str]) -> None:
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    wide = max(map(len, columns), default=0) > 6
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=40 if wide else 0, ha="right" if wide else "center",
                  rotation_mode="anchor" if wide else None)
    ax.tick_params(length=0)


def _write(ax: Any, grid: np.ndarray, shown: Any) -> None:
    """Each number in its cell, white on dark."""
    reach = np.nanmax(np.abs(grid), initial=0)
    seen = grid[np.isfinite(grid)]
    whole = bool((seen == np.round(seen)).all()) and reach < 1e4       # counts are written as counts
    for (r, c), value in np.ndenumerate(grid):
        if np.isfinite(value):
            red, green, blue, _ = shown.cmap(shown.norm(value))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            ax.text(c + 0.5, r + 0.5, f"{value:.0f}" if whole else _short(value, reach), ha="center", va="center",
                    fontsize=9, color="white" if dark else INK)


def _short(value: float, reach: float) -> str:
    """Three digits that fit a cell, for values of up to `reach`: 0.02, 12.3, 345; 1e-05 where the largest is small."""
    if not 0.1 <= reach < 1e4:
        return f"{value:.0e}" if value else "0"
    return f"{value:.{max(0, 2 - int(np.log10(max(abs(value), 1))))}f}"
