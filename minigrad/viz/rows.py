"""One row a model, one panel a measure: numbers of the same models side by side, the best of each in a dark bar."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from .figures import BLUE, RED, _figure, _styled, _title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rows(panels: Mapping[str, Mapping[str, float]], *, title: str, log: str | tuple[str, ...] = (),
         levels: Mapping[str, Mapping[str, float]] | None = None, plain: str | tuple[str, ...] = ()) -> Figure:
    """Horizontal bars that share their rows: panel title -> row -> value. A row without a value in a panel is empty.

    log: panels with a logarithmic axis.  levels: panel -> label -> value of a dashed line, such as a bound.
    plain: panels that are sizes, where the smallest is not the best.
    Raises ValueError for no panels.
    """
    if not panels:
        raise ValueError("rows needs panels: {title: {row: value}}")
    names = list(dict.fromkeys(name for values in panels.values() for name in values))
    figure = _figure(2.2 + 3.3 * len(panels), 1.7 + 0.36 * len(names))
    log, plain = ((log,) if isinstance(log, str) else log), ((plain,) if isinstance(plain, str) else plain)
    with _styled():
        axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for ax, (panel, values) in zip(axes, panels.items(), strict=True):
            best = None if panel in plain else min(values, key=values.__getitem__)
            lines = (levels or {}).get(panel, {})
            seen = [*values.values(), *lines.values()]
            left = 0.7 * min(seen) if panel in log else 0.0
            right = max(seen) * (max(seen) / left) ** 0.25 if left else 1.22 * max(seen)
            for name, value in values.items():
                y = len(names) - 1 - names.index(name)
                ax.barh(y, value - left, 0.62, left=left, color=BLUE if name == best else "#A9CCE3")
                at = value * (right / left) ** 0.012 if left else value + 0.012 * right
                ax.text(at, y, _short(value), va="center", fontsize=9)
            for label, value in lines.items():
                ax.axvline(value, color=RED, lw=1.4, ls="--", label=f"{label}: {_short(value)}")
            if panel in log:
                ax.set_xscale("log")
                ax.minorticks_off()
            ax.set_xlim(left, right)
            ax.set_title(panel, loc="left", parse_math=False)
            ax.tick_params(axis="y", length=0)
        axes[0].set_yticks(np.arange(len(names))[::-1], names)
        handles, labels = zip(*[ax.get_legend_handles_labels() for ax in axes], strict=True)
        if any(labels):
            figure.legend(sum(handles, []), sum(labels, []), loc="outside lower left", frameon=False, fontsize=10)
        _title(figure, title)
    return figure


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.4g}".rstrip(".")
