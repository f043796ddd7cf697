"""Figures. Each function draws from plain arrays and returns a Matplotlib Figure; nothing is global or interactive.

Matplotlib (extra `viz`) is imported when a figure is drawn, so the rest of minigrad works without it. Colours are Okabe
and Ito's, which colour-blind readers can tell apart, and every colour comes with a marker or a label of its own.
"""
from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00",
                                               "#F0E442")
INK, FAINT = "#222222", "#9A9A9A"
_STYLE: Any = {"font.size": 11, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#666666",
          "axes.titlesize": 11, "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK}
_MARKS = [("X", FAINT), ("s", ORANGE), ("v", RED), ("D", SKY), ("^", GREEN), ("o", BLUE), ("P", PINK), ("*", YELLOW)]


def forecasts(windows: np.ndarray, truth: np.ndarray, models: Mapping[str, np.ndarray], *, title: str,
              steps: int = 26) -> Figure:
    """The end of some series, the value after each, and what every model forecast for it: one panel a series.

    windows (N, T, 1): only the last `steps` are drawn.  truth (N, 1).  models: name -> forecasts (N, 1).
    The forecasts stand side by side right of the series, so that each one's miss (its distance from the dashed line
    through the true value) can be seen.
    """
    n, length = windows.shape[:2]
    first = max(0, length - steps)
    figure = _figure(3.5 * n + 0.5, 5)
    with _styled():
        for k in range(n):
            ax = figure.add_subplot(1, n, k + 1)
            at = np.arange(first + 1, length + 1)
            ax.plot(at, windows[k, first:, 0], "-", color=INK, lw=1.3, marker=".", ms=4)
            ax.plot(length + 1, truth[k, 0], "*", color=INK, ms=15, zorder=4, label=f"true value of step {length + 1}")
            ax.plot([length + 1, length + 3.5 + 2 * len(models)], [truth[k, 0]] * 2, "--", color=INK, lw=1)
            ax.axvspan(length + 2, length + 3.5 + 2 * len(models), color="#F1F1F1", zorder=0, lw=0)
            for i, ((name, values), (mark, colour)) in enumerate(zip(models.items(), _MARKS, strict=False)):
                x = length + 3.5 + 2 * i
                ax.plot([x, x], [truth[k, 0], values[k, 0]], "-", color=colour, lw=1.5)
                ax.plot(x, values[k, 0], mark, color=colour, ms=8, mec=INK, mew=0.6, label=name)
            ax.set_xlim(first, length + 3.5 + 2 * len(models))
            ax.set_xticks([x for x in range(first - first % 10 + 10, length + 1, 10)])
            ax.set_xlabel("time step")
            ax.set_title(f"test series {k + 1}", loc="left")
            ax.set_title("forecasts", loc="right", fontsize=10)
            if k == 0:
                ax.set_ylabel("value")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", ncols=max(1, n), frameon=False, fontsize=10.5)
        _title(figure, title)
    return figure


def bars(ours: Mapping[str, float], slide: Mapping[str, float], *, title: str, label: str,
         floor: tuple[str, float] | None = None) -> Figure:
    """Horizontal bars: our number for each row beside the slide's, where the slide has one; shorter is better.

    ours, slide: row -> value.  label: of the axis.  floor: (name, value) of a line that no row can pass.
    """
    rows = list(ours)
    figure = _figure(8.6, 1.5 + 0.62 * len(rows))
    with _styled():
        ax = figure.add_subplot()
        at = np.arange(len(rows))[::-1]
        both = np.array([row in slide for row in rows])
        ax.barh(at + 0.19 * both, list(ours.values()), 0.36, color=BLUE, label="this run")
        ax.barh(at[both] - 0.19, [slide[row] for row in rows if row in slide], 0.36, facecolor="#F7DFAE",
                edgecolor=INK, lw=0.7, hatch="///", label="the slide")
        reach = max([*ours.values(), *slide.values()])
        for y, row, shift in zip(at, rows, both, strict=True):
            _value(ax, ours[row], y + 0.19 * shift, reach)
            if shift:
                _value(ax, slide[row], y - 0.19, reach)
        if floor:
            ax.axvline(floor[1], color=RED, lw=1.5, ls="--", label=f"{floor[0]} ({floor[1]:.2g})")
        ax.set_yticks(at, rows)
        ax.tick_params(axis="y", length=0)
        ax.set_xlim(0, 1.13 * reach)
        ax.set_xlabel(label)
        ax.legend(loc="lower right", frameon=False)
        _title(figure, title)
    return figure


def _value(ax: Any, value: float, y: float, reach: float) -> None:
    ax.text(value + 0.008 * reach, y, f"{value:#.3g}", va="center", fontsize=9)


def _title(figure: Figure, text: str) -> None:
    """A headline over the whole figure, in as many lines as it needs."""
    text = "\n".join(textwrap.wrap(text, int(8.4 * figure.get_figwidth())))       # 13 pt bold: 8.4 letters an inch
    figure.suptitle(text, x=0.01, ha="left", fontsize=13, fontweight="bold")


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure
    return Figure(figsize=(width, height), layout="constrained")


def _styled() -> Any:
    import matplotlib
    return matplotlib.rc_context(_STYLE)
