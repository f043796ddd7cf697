"""The three figures of `forecasting_many`: misses by hour, three days ahead, what folds promise."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minigrad import viz
from minigrad.data.hourly_series import noise_floor

from ._forecasting_many import FOLDS, KINDS, RULES, STEPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = "Noise: the least there is, on average"


def horizon(panels: Mapping[str, Mapping[str, np.ndarray]], title: str) -> Figure:
    """The miss against hours ahead: panel -> row -> (24,). What the noise alone costs is in every panel."""
    hours = np.arange(1, STEPS + 1)
    lines = {panel: {row: (hours, misses) for row, misses in rows.items()} for panel, rows in panels.items()}
    return viz.curves({panel: rows | {LEAST: (hours, noise_floor(STEPS))} for panel, rows in lines.items()},
                      xlabel="hours ahead", ylabel="root mean square miss", title=title)


def ahead(values: np.ndarray, cut: int, forecasts: Mapping[str, np.ndarray], title: str) -> Figure:
    """Three windows after `cut`: the day so far, the day that came, and forecasts of it, row -> (K, 24)."""
    past, after = np.arange(1 - STEPS, 1), np.arange(STEPS + 1)
    panels = {}
    for k in (len(next(iter(forecasts.values()))) * np.arange(1, 4)) // 4:
        now = cut + k + STEPS - 1              # the last hour of window k
        panels[f"from hour {now:,}"] = {"so far": (past, values[now + past]), "what came": (after, values[now + after]),
                                        **{row: (after[1:], f[k]) for row, f in forecasts.items()}}
    return viz.curves(panels, xlabel="hours ahead", ylabel="value", title=title)


def promises(found: Mapping[tuple[str, str], np.ndarray], later: Mapping[str, float], title: str) -> Figure:
    """The miss of each fold, (kind, rule) -> (FOLDS,), and `later`: that of the weeks after, a rule."""
    fold = np.arange(1, FOLDS + 1)
    return viz.curves({row: {**{words: (fold, found[kind, rule]) for kind, words in KINDS.items()},
                             "the weeks after them": (fold, np.full(FOLDS, later[rule]))}
                       for rule, (row, _) in RULES.items()},
                      xlabel="fold", ylabel="root mean square miss", title=title)
