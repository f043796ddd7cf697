"""Positional encodings as pictures: a row for each position, a column for each feature.

Télécom, *Positional Encoding (2)*: 20 words with 512 features, a left half of sines and a right one of cosines.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import BLUE, ORANGE, _figure, _styled, _title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def positions(panels: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """Tables of positions, one below the other, on one scale around 0: orange below, white at 0, blue above.

    panels: panel title -> (T, d); the first position is on top. Raises ValueError for no panel, or no table.
    """
    tables = {name: np.asarray(table, np.float64) for name, table in panels.items()}
    if not tables or any(table.ndim != 2 or not table.size for table in tables.values()):
        raise ValueError(f"positions needs tables (positions, features), not {[t.shape for t in tables.values()]}")
    from matplotlib.colors import LinearSegmentedColormap
    signed = LinearSegmentedColormap.from_list("signed", [ORANGE, "#FFFFFF", BLUE])
    reach = max(np.abs(table).max() for table in tables.values()) or 1.0
    figure = _figure(10, 0.8 + sum(1.0 + 0.09 * len(table) for table in tables.values()))
    with _styled():
        axes = figure.subplots(len(tables), 1, squeeze=False)[:, 0]
        shown: Any = None
        for ax, (name, table) in zip(axes, tables.items(), strict=True):
            shown = ax.imshow(table, cmap=signed, vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest")
            ax.set_title(name, loc="left", parse_math=False)
            ax.set_ylabel("position")
            ax.yaxis.get_major_locator().set_params(integer=True)
        axes[-1].set_xlabel("feature")
        figure.colorbar(shown, ax=list(axes), label="value added", fraction=0.03, pad=0.015).outline.set_visible(False)
        _title(figure, title)
    return figure
