"""One row a model, one panel a measure: numbers of the same models side by side, the best of each panel marked."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import BLUE, INK, RED, _figure, _styled, _title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FAINT, _DASHES = "#A9CCE3", [("--", RED), (":", INK)]


def rows(panels: Mapping[str, Mapping[str, float]], *, title: str, log: str = "", sizes: str = "",
         levels: Mapping[str, Mapping[str, float]] | None = None,
         limits: Mapping[str, tuple[float, float]] | None = None) -> Figure:
    """A dot for each value, with its number beside it: panel title -> row -> value; panels share their rows.

    The smallest value of a panel is dark, for it is the best; not so in the panel `sizes`.
    log: the panel with a logarithmic axis.  levels: panel -> label -> value of a line, such as a bound.
    limits: panel -> (low, high) of its axis; what lies beyond is an arrow at the edge, with its number.
    Raises ValueError for no panels.
    """
    if not panels:
        raise ValueError("rows needs panels: {title: {row: value}}")
    names = list(dict.fromkeys(name for values in panels.values() for name in values))
    figure = _figure(2.2 + 3.3 * len(panels), 1.7 + 0.36 * len(names))
    with _styled():
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for ax, (panel, values) in zip(axes, panels.items(), strict=True):
            if panel == log:
                ax.set_xscale("log")
                ax.minorticks_off()
            else:
                ax.xaxis.get_major_locator().set_params(nbins=5)
            ax.set_xlim(*(limits or {}).get(panel, _reach(values, panel == log)))
            best = None if panel == sizes else min(values, key=values.__getitem__)
            for name, value in values.items():
                _dot(ax, value, len(names) - 1 - names.index(name), name == best)
            for (dash, colour), (label, value) in zip(_DASHES * 9, (levels or {}).get(panel, {}).items(), strict=False):
                ax.axvline(value, color=colour, lw=1.5, ls=dash, label=f"{label}: {_short(value)}", zorder=1)
            ax.set_title(panel, loc="left", parse_math=False)
            ax.tick_params(axis="y", length=0)
            ax.set_ylim(-0.6, len(names) - 0.4)
        axes[0].set_yticks(np.arange(len(names))[::-1], names)
        lines = [line for ax in axes for line in ax.get_legend_handles_labels()[0]]
        if lines:
            figure.legend(handles=lines, loc="outside lower right", frameon=False, fontsize=10, ncols=len(lines))
        _title(figure, title)
    return figure


def _reach(values: Mapping[str, float], log: bool) -> tuple[float, float]:
    """Limits that leave room for the numbers right of the dots."""
    low, high = min(values.values()), max(values.values())
    if log:
        return 0.6 * low, high * max(2.0, (high / low) ** 0.35)
    return min(0.0, low), 1.25 * high


def _dot(ax: Any, value: float, y: float, best: bool) -> None:
    """A dot at the end of a thin line, or an arrow at the right edge if it lies beyond."""
    low, high = ax.get_xlim()
    inside = value <= high
    ax.hlines(y, low, min(value, high), color=BLUE if best else _FAINT, lw=2.2 if best else 1.6, zorder=2)
    if inside:
        ax.plot(value, y, "o", color=BLUE if best else _FAINT, ms=8, mec=INK, mew=0.7, zorder=3)
    else:
        ax.plot(high, y, ">", color=_FAINT, ms=8, mec=INK, mew=0.7, zorder=3, clip_on=False)
    ax.annotate(_short(value), (value if inside else high, y), (8, 0) if inside else (-8, 0), va="center", fontsize=9,
                textcoords="offset points", ha="left" if inside else "right", fontweight="bold" if best else "normal",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}, zorder=4)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.4g}".rstrip(".")
