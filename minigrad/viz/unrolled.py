"""A recurrent network rolled up and unrolled in time: where inputs enter, what is handed on, which steps answer.

Chemnitz, *Recurrent neural networks*; KTH, *Recurrent Neural Networks*; Escalera, *RNN: Computational Graph*, *... Many
to One*, *... One to Many*; Télécom, *What is an RNN ?*.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .figures import BLUE, FAINT, GREEN, INK, ORANGE, _figure, _styled, _title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDE, HIGH, BOX, DOT = 1.7, 1.5, 0.42, 0.3     # between steps, between rows; half a box, radius of a circle


def unrolled(layer: Any = None, steps: int = 4, *, inputs: Iterable[int] | None = None,
             outputs: Iterable[int] | None = None, words: Sequence[str] = (), loss: bool = False,
             title: str = "The same weights at every step") -> Figure:
    """Draw a recurrent layer twice: on the left with its loop, on the right one column a step.

    layer: `nn.RNN`, `LSTM` or `GRU`: its layers, its second direction and its `skip` are drawn; None for one plain
    layer.  inputs, outputs: the steps, from 1, that read and that answer; None for all. many to one: outputs=[T], one
    to many: inputs=[1].  words: what stands in the inputs instead of x_1 ... x_T.  loss: a loss L_t on each answer.
    Raises ValueError for fewer than one step, or a step that is not from 1 to T.
    """
    if steps < 1:
        raise ValueError(f"unrolled draws one step or more, not {steps}")
    every = range(1, steps + 1)
    reads, answers = (list(every) if s is None else list(s) for s in (inputs, outputs))
    if outside := [t for t in (*reads, *answers) if t not in every]:
        raise ValueError(f"unrolled has the steps 1 to {steps}, and {outside[0]} is none of them")
    rows, both, skip = (getattr(layer, name, default) or default
                        for name, default in (("num_layers", 1), ("bidirectional", False), ("skip", 0)))
    levels = rows * (1 + both)                 # a row of states for each layer and direction
    figure = _figure(2.6 + 1.15 * (steps + 1.6), 2.2 + 0.95 * (levels + 1 + loss))
    with _styled():
        ax = figure.add_subplot()
        top = HIGH * (levels + 1)
        for column, t in enumerate(("t", *every)):
            x = 0.0 if column == 0 else 1.5 + WIDE * column
            if column == 0 or t in reads:
                text = f"$x_{t}$" if column == 0 or len(words) < steps else words[column - 1]
                _circle(ax, x, 0, text, ORANGE)
                for level in range(1 + both):  # both directions of the first layer read the input
                    _arrow(ax, (x, DOT), (x, HIGH * (level + 1) - BOX), bend=0.3 * level)
            for level in range(levels):
                y = HIGH * (level + 1)
                _box(ax, x, y, rf"$h^{{{level // (1 + both) + 1}}}_{t}$" if rows > 1 else f"$h_{t}$",
                     back=bool(both and level % 2))
                if level // (1 + both) + 1 < rows:
                    _arrow(ax, (x, y + BOX), (x, y + HIGH * (1 + both) - BOX), bend=0.3 * both)
            if column == 0 or t in answers:
                for level in range(levels - 1 - both, levels):
                    _arrow(ax, (x, HIGH * (level + 1) + BOX), (x, top - DOT), bend=0.3 * (levels - 1 - level))
                _circle(ax, x, top, rf"$\hat y_{t}$", GREEN)
                if loss:
                    _arrow(ax, (x, top + DOT), (x, top + 0.95))
                    ax.text(x, top + 1.15, f"$L_{t}$", ha="center", va="center", fontsize=13)
        for level in range(levels):
            _through_time(ax, HIGH * (level + 1), steps, bool(both and level % 2), skip)
        ax.text(1.6, top / 2, "=", fontsize=26, ha="center", va="center")
        ax.set_xlim(-1.1, 2.4 + WIDE * steps)
        ax.set_ylim(-0.6, top + (1.5 if loss else 0.6))
        ax.set_aspect("equal")
        ax.axis("off")
        _title(figure, title)
    return figure


def _through_time(ax: Any, y: float, steps: int, back: bool, skip: int) -> None:
    """The loop on the left, and the arrows from step to step on the right: from the last to the first if `back`."""
    ax.annotate("", (-BOX, y - 0.15), (-BOX, y + 0.15), arrowprops={
        "arrowstyle": "-|>", "color": BLUE, "lw": 1.6, "connectionstyle": "arc3,rad=2.6", "shrinkA": 0, "shrinkB": 0})
    at = [1.5 + WIDE * t for t in range(1, steps + 1)]
    for one, two in zip(at, at[1:], strict=False):
        start, end = (two - BOX, one + BOX) if back else (one + BOX, two - BOX)
        _arrow(ax, (start, y), (end, y), colour=BLUE)
    for one, two in zip(at, at[skip:], strict=False) if skip else ():
        _arrow(ax, (one + BOX, y + 0.2), (two - BOX, y + 0.2), colour=INK, bend=-0.35, dashed=True)


def _arrow(ax: Any, start: tuple[float, float], end: tuple[float, float], colour: str = FAINT, bend: float = 0.0,
           dashed: bool = False) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.6, "shrinkA": 0, "shrinkB": 0,
                                            "linestyle": "--" if dashed else "-",
                                            "connectionstyle": f"arc3,rad={bend}"}, zorder=1)


def _box(ax: Any, x: float, y: float, text: str, back: bool) -> None:
    """A state; one of the second direction has a dashed frame."""
    from matplotlib.patches import FancyBboxPatch
    ax.add_patch(FancyBboxPatch((x - BOX + 0.08, y - BOX + 0.08), 2 * BOX - 0.16, 2 * BOX - 0.16,
                                boxstyle="round,pad=0.08", facecolor="#DCEBF5", edgecolor=BLUE, lw=1.4,
                                linestyle="--" if back else "-", zorder=3))
    ax.text(x, y, text, ha="center", va="center", fontsize=13, zorder=4)


def _circle(ax: Any, x: float, y: float, text: str, colour: str) -> None:
    from matplotlib.patches import Circle
    ax.add_patch(Circle((x, y), DOT, facecolor="white", edgecolor=colour, lw=1.8, zorder=3))
    ax.text(x, y, text, ha="center", va="center", fontsize=12 if text.startswith("$") else 9, zorder=4)
