"""Word vectors as a map: each word at its place, arrows for the relations between words."""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .figures import FAINT, INK, _figure, _styled, _title
from .flow import _LINES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LETTER, _LINE = 5.3, 10.5                     # points: a letter's width and a line's height at 9 points
_SIDES = [(gap * dx, gap * dy) for gap in (7.0, 14.0) for dx, dy in                # from a point to its label
          [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]]
_MARGIN = 0.09                                 # of the panel, left free on each side for labels


def space(maps: Mapping[str, Mapping[str, Sequence[float]]], *, title: str, arrows: Iterable[tuple[str, str]] = (),
          groups: Mapping[str, str] | None = None, width: float = 5.6, height: float = 4.6) -> Figure:
    """Labelled points in two dimensions; up to three panels a row.

    maps: panel title -> word -> (x, y); words at one place share a label.  arrows: pairs of words, drawn from the first
    to the second in each panel that has both.  groups: word -> its group, which has a colour and a mark of its own;
    words of none are grey.  width, height: of a panel in inches. Both axes of a panel have one scale, so distances and
    directions are true.
    Raises ValueError for no words, or a place that is not two finite numbers.
    """
    if not maps or not all(maps.values()):
        raise ValueError("space needs at least one panel, and a word in each")
    groups, arrows, columns = dict(groups or {}), list(arrows), min(3, len(maps))
    names = list(dict.fromkeys(groups[word] for words in maps.values() for word in words if word in groups))
    rows = math.ceil(len(maps) / columns)
    figure = _figure(width * columns, height * rows + 0.55 + 0.3 * bool(names))
    with _styled():
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for ax, (panel, words) in zip(axes, maps.items(), strict=False):
            at = np.array([_place(word, place) for word, place in words.items()])
            _limits(ax, at, width / height)
            drawn = [(words[a], words[b]) for a, b in arrows if a in words and b in words]
            for start, end in drawn:
                ax.annotate("", xy=end, xytext=start, zorder=2, arrowprops={
                    "arrowstyle": "->", "color": "#777777", "lw": 1.1, "shrinkA": 4, "shrinkB": 4})
            for k, name in enumerate([*names, None]):
                mark, colour = _LINES[k % len(_LINES)] if name else ("o", FAINT)
                mine = np.array([groups.get(word) == name for word in words])
                if mine.any():
                    ax.plot(*at[mine].T, mark, color=colour, ms=6, mec=INK, mew=0.4, label=name, zorder=3)
            _labels(ax, list(words), at, np.array(drawn).reshape(-1, 2, 2), width * 72, height * 72)
            ax.set_title(panel, loc="left", parse_math=False)
            ax.set_xticks([])
            ax.set_yticks([])
            for spine in ax.spines.values():
                spine.set_visible(True)
                spine.set_color("#CCCCCC")
        for ax in axes[len(maps):]:
            ax.remove()
        if names:
            found = {label: handle for ax in figure.axes for handle, label in
                     zip(*ax.get_legend_handles_labels(), strict=True)}
            figure.legend([found[name] for name in names], names, loc="outside lower left", frameon=False, fontsize=10,
                          ncols=len(names))
        _title(figure, title)
    return figure


def _place(word: str, place: Sequence[float]) -> np.ndarray:
    at = np.asarray(place, np.float64)
    if at.shape != (2,) or not np.isfinite(at).all():
        raise ValueError(f"the place of {word!r} is two finite numbers, not {place}")
    return at


def _limits(ax: Any, at: np.ndarray, ratio: float) -> None:
    """One scale for both axes, and room for labels."""
    low, high = at.min(0), at.max(0)
    span = max((high - low)[0] / ratio, (high - low)[1]) or 1.0
    middle, half = (low + high) / 2, span / 2 / (1 - 2 * _MARGIN)
    ax.set_xlim(middle[0] - half * ratio, middle[0] + half * ratio)
    ax.set_ylim(middle[1] - half, middle[1] + half)


def _labels(ax: Any, words: list[str], at: np.ndarray, arrows: np.ndarray, width: float, height: float) -> None:
    """Each label beside its point, on the side where it covers least of other labels, points and arrows."""
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
    points, ends = ((a - low) / (high - low) * (width, height) for a in (at, arrows))       # about where they will be
    together: dict[tuple[int, int], list[int]] = {}
    for k, (x, y) in enumerate(points):
        together.setdefault((round(x), round(y)), []).append(k)
    boxes = [(x - 3, y - 3, x + 3, y + 3) for x, y in points]
    for start, end in ends:                    # an arrow as a row of small boxes
        count = 1 + int(np.linalg.norm(end - start) / 6)
        boxes += [(x - 2, y - 2, x + 2, y + 2) for x, y in np.linspace(start, end, count)]
    for same in together.values():
        text, (x, y) = ", ".join(words[k] for k in same), points[same[0]]
        w, h = _LETTER * len(text), _LINE
        best = min(_SIDES, key=lambda side: _covered(_box(x, y, w, h, *side), boxes, width, height))
        boxes.append(_box(x, y, w, h, *best))
        ax.annotate(text, at[same[0]], xytext=best, textcoords="offset points", fontsize=9,
                    ha=("center", "left", "right")[int(np.sign(best[0]))], zorder=4, parse_math=False,
                    va=("center", "bottom", "top")[int(np.sign(best[1]))])


def _box(x: float, y: float, w: float, h: float, dx: float, dy: float) -> tuple[float, float, float, float]:
    """Where a label of that size lies, its nearest edge or corner (dx, dy) off: left, bottom, right, top."""
    left = x + dx - (w / 2, 0, w)[int(np.sign(dx))]
    bottom = y + dy - (h / 2, 0, h)[int(np.sign(dy))]
    return left, bottom, left + w, bottom + h


def _covered(box: tuple[float, float, float, float], others: list[tuple[float, float, float, float]], width: float,
             height: float) -> float:
    """The area of a box that lies on others, or outside of the panel."""
    a, b, c, d = box
    area = sum(max(0.0, min(c, r) - max(a, p)) * max(0.0, min(d, s) - max(b, q)) for p, q, r, s in others)
    inside = max(0.0, min(c, width) - max(a, 0.0)) * max(0.0, min(d, height) - max(b, 0.0))
    return area + (c - a) * (d - b) - inside
