"""What one unit of an LSTM does while it reads: its gates as strips, its cell and state as lines, the tokens below.

Chemnitz, *LSTM cell*: is the input worth storing, is the memory still needed, is it time to answer?  Télécom, *LSTM
regimes*: gates that keep, overwrite, add, reset.  Riveill, *Naïve RNN vs LSTM*: c changes slowly, h fast.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import BLUE, INK, ORANGE, RED, _figure, _styled, _title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STRIPS = {"i": "i   write?", "f": "f   keep?", "o": "o   reveal?", "g": "g   what"}
_SHADE = "#F6E7B4"


def gates(panels: Mapping[str, Sequence[Any]], *, title: str) -> Figure:
    """One panel a unit, one below the other: i, f, o and g as strips of colour, c and h as lines over the tokens.

    panels: panel title -> (trace, tokens) or (trace, tokens, steps to mark).  trace: i, f, g, o, c, h of one unit, each
    (T,): `nn.gate_trace` gives (T, B, H), so unit j of example b is {name: part[:, b, j] for name, part in
    trace.items()}.  tokens: T words.
    Raises ValueError for no panel, a trace that lacks one of the six, or another number of tokens than steps.
    """
    for name, (trace, tokens, *_) in panels.items():
        _check(name, trace, tokens)
    if not panels:
        raise ValueError("gates needs at least one panel")
    longest = max(len(panel[1]) for panel in panels.values())
    figure = _figure(min(18, max(7.5, 2.4 + 0.3 * longest)), 0.7 + 4.1 * len(panels))
    with _styled():
        grid = figure.add_gridspec(2 * len(panels), 1, height_ratios=[1, 1.25] * len(panels))
        for k, (name, (trace, tokens, *rest)) in enumerate(panels.items()):
            strips, lines = figure.add_subplot(grid[2 * k]), figure.add_subplot(grid[2 * k + 1])
            marked: list[int] = list(*rest)
            shown = _strips(strips, name, trace, marked)
            _lines(lines, trace, tokens, marked)
            if not k:                          # one scale and one legend speak for all panels
                bar = figure.colorbar(shown, cax=strips.inset_axes((1.012, 0, 0.014, 1)), ticks=[-1, 0, 1])
                bar.outline.set_visible(False)
                lines.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=10)
        _title(figure, title)
    return figure


def _check(name: str, trace: Mapping[str, np.ndarray], tokens: Sequence[str]) -> None:
    shapes = {part: np.shape(trace[part]) if part in trace else () for part in "ifgoch"}
    wrong = {part: shape for part, shape in shapes.items() if shape != (len(tokens),)}
    if wrong or not len(tokens):
        raise ValueError(f"panel {name!r} has {len(tokens)} tokens, so each of i, f, g, o, c, h has that many steps, "
                         "not " + ", ".join(f"{part} {shape}" for part, shape in wrong.items()))


def _strips(ax: Any, name: str, trace: Mapping[str, np.ndarray], marked: Sequence[int]) -> Any:
    """Gates from white (0) to blue (1); g from orange (-1) over white to blue: one scale for all four."""
    from matplotlib.colors import LinearSegmentedColormap
    signed = LinearSegmentedColormap.from_list("signed", [ORANGE, "#FFFFFF", BLUE])
    shown = ax.pcolormesh(np.stack([trace[part] for part in _STRIPS]), cmap=signed, vmin=-1, vmax=1,
                          edgecolors="#E4E4E4", lw=0.5)
    ax.invert_yaxis()
    ax.set_yticks(np.arange(len(_STRIPS)) + 0.5, list(_STRIPS.values()))
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.set_title(name, loc="left", parse_math=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for t in marked:                           # a bracket over the strips, since their colours fill the cells
        ax.plot([t, t + 1], [-0.12, -0.12], color=INK, lw=3, solid_capstyle="butt", clip_on=False)
    return shown


def _lines(ax: Any, trace: Mapping[str, np.ndarray], tokens: Sequence[str], marked: Sequence[int]) -> None:
    at = np.arange(len(tokens)) + 0.5
    for t in marked:
        ax.axvspan(t, t + 1, color=_SHADE, lw=0, zorder=0)
    ax.axhline(0, color=INK, lw=0.6)
    ax.plot(at, trace["c"], "-", color=BLUE, marker="o", ms=4.5, lw=1.8, label="c, the cell")
    ax.plot(at, trace["h"], "--", color=RED, marker="v", ms=4.5, lw=1.3, label="h, the state")
    ax.set_xlim(0, len(tokens))
    ax.set_xticks(at, tokens, rotation=90, fontsize=9.5)
    for t, label in enumerate(ax.get_xticklabels()):
        label.set_parse_math(False)
        if t in marked:
            label.set_fontweight("bold")
    ax.tick_params(axis="x", length=2)
    ax.set_ylabel("value")
