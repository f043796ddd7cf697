"""The inside of a recurrent cell: which vector goes through which gate.

Chemnitz, *Regular RNN; LSTM*; Riveill, *From vanilla Sort Term Memory...*, *... to LSTM*, *GRU*. Boxes are small layers
with weights, circles are elementwise operations, and the line at the top is what is kept from step to step.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .figures import BLUE, INK, ORANGE, _figure, _styled, _title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# name -> text, place; the text of a layer with weights begins with "=". Edges: from, to, what is written beside them.
Node = tuple[str, float, float]
_RNN: dict[str, Node] = {
    "h0": ("$h_{t-1}$", 0, 2), "x": ("$x_t$", 2, 0), "join": ("$[h; x]$", 2, 2), "tanh": ("=tanh", 4, 2),
    "h": ("$h_t$", 6.4, 2)}
_LSTM: dict[str, Node] = {
    "c0": ("$c_{t-1}$", 0, 4.4), "h0": ("$h_{t-1}$", 0, 0.9), "x": ("$x_t$", 1.6, -0.6), "join": ("$[h; x]$", 1.6, 0.9),
    "f": (r"=$\sigma$", 3.2, 2.0), "i": (r"=$\sigma$", 4.7, 2.0), "g": ("=tanh", 6.2, 2.0),
    "o": (r"=$\sigma$", 7.7, 2.0),
    "times_f": (r"$\times$", 3.2, 4.4), "times_i": (r"$\times$", 5.45, 3.2), "plus": ("$+$", 5.45, 4.4),
    "tanh": ("tanh", 9.2, 3.6), "times_o": (r"$\times$", 9.2, 2.0), "c": ("$c_t$", 11, 4.4), "h": ("$h_t$", 11, 2.0)}
_GRU: dict[str, Node] = {
    "h0": ("$h_{t-1}$", 0, 4.4), "x": ("$x_t$", 1.6, -1.4), "join": ("$[h; x]$", 1.6, 0.0),
    "r": (r"=$\sigma$", 3.2, 2.0), "times_r": (r"$\times$", 3.2, 2.9), "z": (r"=$\sigma$", 5.0, 1.0),
    "n": ("=tanh", 6.8, 2.0), "minus": ("$1-$", 5.0, 3.5), "keep": (r"$\times$", 5.0, 4.4),
    "write": (r"$\times$", 8.8, 2.0), "plus": ("$+$", 8.8, 4.4), "h": ("$h_t$", 10.8, 4.4)}
_CELLS: dict[str, tuple[dict[str, Node], str, str]] = {
    "rnn": (_RNN, "h0-join x-join join-tanh tanh-h", "An RNN cell: one layer"),
    "lstm": (_LSTM, "c0-times_f times_f-plus plus-c h0-join x-join join-f join-i join-g join-o f-times_f:f i-times_i:i "
             "g-times_i:g times_i-plus plus-tanh tanh-times_o o-times_o:o times_o-h",
             "An LSTM cell: four layers, and a memory that is only scaled and added to"),
    "gru": (_GRU, "h0-times_r h0-keep h0-join x-join join-r join-z r-times_r:r times_r-n:r⊙h join-n z-minus z-write:z "
            "minus-keep n-write:n write-plus keep-plus plus-h",
            "A GRU cell, as the decks draw it: z writes, r decides what the candidate sees"),
}


def cell(kind: str = "lstm", *, title: str | None = None) -> Figure:
    """Draw the inside of a cell, "rnn", "lstm" or "gru" (the decks' form, reset before the product).

    Raises ValueError for another kind.
    """
    if kind not in _CELLS:
        raise ValueError(f"cell draws {', '.join(_CELLS)}, not {kind!r}")
    nodes, edges, said = _CELLS[kind]
    xs, ys = [x for _, x, _ in nodes.values()], [y for _, _, y in nodes.values()]
    figure = _figure(0.78 * (max(xs) - min(xs)) + 1.6, 0.78 * (max(ys) - min(ys)) + 1.8)
    with _styled():
        ax = figure.add_subplot()
        for edge in edges.split():
            ends, _, label = edge.partition(":")
            start, end = ends.split("-")
            kept = start in ("c0", "times_f", "keep", "plus") and end in ("times_f", "plus", "c", "h") or (
                kind == "gru" and (start, end) == ("h0", "keep"))
            _edge(ax, nodes[start], nodes[end], label, kept)
        for node in nodes.values():
            _node(ax, *node)
        ax.set_xlim(min(xs) - 0.8, max(xs) + 0.8)
        ax.set_ylim(min(ys) - 0.7, max(ys) + 0.7)
        ax.set_aspect("equal")
        ax.axis("off")
        _title(figure, title or said)
    return figure


def _node(ax: Any, text: str, x: float, y: float) -> None:
    """A layer with weights is a box, an operation a circle, a vector its name alone."""
    from matplotlib.patches import Circle, FancyBboxPatch
    if text.startswith("="):
        ax.add_patch(FancyBboxPatch((x - 0.36, y - 0.24), 0.72, 0.48, boxstyle="round,pad=0.06", facecolor="#FBE9C6",
                                    edgecolor=ORANGE, lw=1.6, zorder=3))
    elif text in (r"$\times$", "$+$", "$1-$", "tanh"):
        ax.add_patch(Circle((x, y), 0.36, facecolor="white", edgecolor=BLUE, lw=1.6, zorder=3))
    else:
        ax.add_patch(FancyBboxPatch((x - 0.4, y - 0.2), 0.8, 0.4, boxstyle="round,pad=0.04", facecolor="white",
                                    edgecolor="none", zorder=3))
    ax.text(x, y, text.removeprefix("="), ha="center", va="center", fontsize=11 if "tanh" in text else 14, zorder=4)


def _edge(ax: Any, start: Node, end: Node, label: str, kept: bool) -> None:
    """An arrow that leaves sideways and arrives from below or above; straight where the two are in line."""
    (_, x0, y0), (_, x1, y1) = start, end
    straight = abs(x0 - x1) < 0.1 or abs(y0 - y1) < 0.1
    ax.annotate("", (x1, y1), (x0, y0), arrowprops={
        "arrowstyle": "-|>", "color": BLUE if kept else "#777777", "lw": 2.8 if kept else 1.4, "shrinkA": 18,
        "shrinkB": 19, "connectionstyle": "arc3,rad=0" if straight else "angle,angleA=0,angleB=90,rad=6"}, zorder=1)
    if label:
        ax.text(x0 + 0.5, y0 + 0.4, label, fontsize=12, color=INK, style="italic", zorder=5)
