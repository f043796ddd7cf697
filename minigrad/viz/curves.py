"""Curves: losses over steps, norms over distances. One panel a setting, one line a series, and its spread over seeds.

A series that occurs in several panels has one colour and one mark, and the legend names it once, under all panels.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import FAINT, INK, _figure, _styled, _title
from .flow import _LINES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SERIES = [*_LINES, ("X", FAINT)]
_DASHES = ["--", ":", "-."]
_MARKS_A_LINE = 9                              # more hide the line that they are to tell apart


def curves(panels: Mapping[str, Mapping[str, Sequence[Any]]], *, title: str, xlabel: str, ylabel: str, log: str = "",
           levels: Mapping[str, float] | None = None, sharey: bool = True,
           ylim: tuple[float, float] | None = None) -> Figure:
    """Lines from plain arrays, side by side: at most three panels a row.

    panels: panel title -> series name -> (x, y), or (x, low, middle, high) for a line in its band; all (N,).
    log: "", "x", "y" or "xy".  levels: label -> y of a dashed line in every panel.  sharey: all panels have one y axis.
    ylim: what of the y axis is shown.
    What an axis cannot hold (NaN, infinity, and on a logarithmic axis what is not positive) is a gap in the line.
    Raises ValueError for no panels, a series of another form, or another `log`.
    """
    if not panels or log not in ("", "x", "y", "xy"):
        raise ValueError(f"curves needs panels (there are {len(panels)}) and log '', 'x', 'y' or 'xy', not {log!r}")
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = _figure(max(7.5, 4.1 * columns + 0.5), 3.2 * rows + 1.2 + 0.22 * math.ceil(len(names) / 3))
    with _styled():
        axes = figure.subplots(rows, columns, squeeze=False, sharey=sharey).ravel()
        for ax, (panel, series) in zip(axes, panels.items(), strict=False):
            for name, values in series.items():
                _line(ax, name, names.index(name), _read(panel, name, values), log)
            for dash, (label, y) in zip(_DASHES * 9, (levels or {}).items(), strict=False):
                ax.axhline(y, color=INK, lw=1.1, ls=dash, label=label, zorder=1)
            if "x" in log:
                ax.set_xscale("log")
            elif all(np.equal(np.mod(line.get_xdata(), 1), 0).all() for line in ax.lines):
                ax.xaxis.get_major_locator().set_params(integer=True)            # steps and distances: no step 2.5
            if "y" in log:
                ax.set_yscale("log")
            if ylim:
                ax.set_ylim(*ylim)
            ax.set_title(panel, loc="left", parse_math=False)
        for ax in axes[len(panels):]:
            ax.remove()
        for i, ax in enumerate(axes[:len(panels)]):              # the left column, and whatever has no panel below it
            ax.set_ylabel("" if i % columns else ylabel)
            ax.set_xlabel("" if i + columns < len(panels) else xlabel)
        _legend(figure, figure.axes)
        _title(figure, title)
    return figure


def _read(panel: str, name: str, values: Sequence[Any]) -> list[np.ndarray]:
    """x and y, or x, low, middle, high, as float64 vectors of one length."""
    arrays = [np.asarray(v, np.float64) for v in values]
    if len(arrays) not in (2, 4) or any(a.shape != arrays[0].shape or a.ndim != 1 for a in arrays):
        raise ValueError(f"{name!r} in panel {panel!r} is (x, y) or (x, low, middle, high), vectors of one length, "
                         f"not {len(arrays)} arrays of {', '.join(str(a.shape) for a in arrays)}")
    return arrays


def _line(ax: Any, name: str, index: int, arrays: list[np.ndarray], log: str) -> None:
    mark, colour = _SERIES[index % len(_SERIES)]
    dash = ["-", *_DASHES][index // len(_SERIES) % 4]            # the eighth series has the first one's colour, dashed
    x, *ys = arrays
    ys = [np.where(np.isfinite(y) & ((y > 0) | ("y" not in log)), y, np.nan) for y in ys]
    if len(ys) == 3:
        ax.fill_between(x, ys[0], ys[2], color=colour, alpha=0.18, lw=0, zorder=1.5)
    step = max(1, round(len(x) / _MARKS_A_LINE))
    ax.plot(x, ys[len(ys) // 2], dash, color=colour, lw=1.6, marker=mark, ms=5.5, mec=INK, mew=0.4, label=name,
            markevery=(index * step // max(6, index + 1), step))           # marks of neighbours stand side by side


def _legend(figure: Figure, axes: Sequence[Any]) -> None:
    """One legend for all panels, in as many columns as its longest name allows."""
    found = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    if not found:
        return
    wide = 0.75 + 0.082 * max(map(len, found))                   # inches: a handle, and letters of 10 points
    legend = figure.legend(list(found.values()), list(found), loc="outside lower left", frameon=False, fontsize=10,
                           ncols=max(1, min(len(found), int(figure.get_figwidth() / wide))))
    for text in legend.get_texts():
        text.set_parse_math(False)             # names are text, not formulas
