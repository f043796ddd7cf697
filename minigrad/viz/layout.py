"""Where the boxes of a graph go: layers from top to bottom, few crossings, short edges.

Sugiyama's method in its simplest form (Sugiyama, Tagawa, Toda 1981): layer by longest path, bend long edges at one
point a layer, sort each layer by the mean place of its neighbours, then pull boxes towards their neighbours.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GAP_X, GAP_Y, BEND = 22.0, 44.0, 14.0


@dataclass
class Layout:
    """center: key -> (x, y) of its middle.  bends: (parent, child) -> points on the way.  width, height of it all."""

    center: dict[str, tuple[float, float]]
    bends: dict[tuple[str, str], list[tuple[float, float]]]
    width: float
    height: float


def layered(parents: Mapping[str, Sequence[str]], sizes: Mapping[str, tuple[float, float]], order: Sequence[str]
            ) -> Layout:
    """Lay out a graph without cycles.

    parents: key -> the keys above it (each once).  sizes: key -> (width, height).  order: all keys, parents before
    children.
    """
    layer = _layers(parents, order)
    edges = [(p, k) for k in order for p in dict.fromkeys(parents[k])]
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for k in order:
        rows[layer[k]].append(k)
    width = {k: sizes[k][0] for k in order}
    up: dict[str, list[str]] = {k: [] for k in order}
    down: dict[str, list[str]] = {k: [] for k in order}
    chains: dict[tuple[str, str], list[str]] = {}
    for p, k in edges:
        chain = [f"{p}>{k}@{i}" for i in range(layer[p] + 1, layer[k])]
        for i, bend in enumerate(chain):
            rows[layer[p] + 1 + i].append(bend)
            width[bend], up[bend], down[bend] = BEND, [], []
        for a, b in zip([p, *chain], [*chain, k], strict=True):
            down[a].append(b)
            up[b].append(a)
        chains[p, k] = chain
    _untangle(rows, up, down)
    x = _columns(rows, up, down, width)
    heights = [max((sizes[k][1] for k in row if k in sizes), default=0.0) for row in rows]
    tops = [sum(heights[:i]) + GAP_Y * i for i in range(len(rows))]
    middle = {k: tops[i] + heights[i] / 2 for i, row in enumerate(rows) for k in row}
    left = min((x[k] - width[k] / 2 for k in x), default=0.0)
    right = max((x[k] + width[k] / 2 for k in x), default=0.0)
    return Layout({k: (x[k] - left, middle[k]) for k in order},
                  {e: [(x[b] - left, middle[b]) for b in chain] for e, chain in chains.items()},
                  right - left, sum(heights) + GAP_Y * max(len(rows) - 1, 0))


def _layers(parents: Mapping[str, Sequence[str]], order: Sequence[str]) -> dict[str, int]:
    """As near to the bottom as the longest path allows: what a time step needs stands beside that step."""
    below = dict.fromkeys(order, 0)
    for k in reversed(order):
        for p in parents[k]:
            below[p] = max(below[p], below[k] + 1)
    top = max(below.values(), default=0)
    return {k: top - n for k, n in below.items()}


def _untangle(rows: list[list[str]], up: dict[str, list[str]], down: dict[str, list[str]]) -> None:
    """Sort each row by the mean place of its neighbours, downwards and upwards in turn."""
    for turn in range(8):
        near, walk = (up, range(1, len(rows))) if turn % 2 == 0 else (down, range(len(rows) - 2, -1, -1))
        for i in walk:
            beside = rows[i - 1 if turn % 2 == 0 else i + 1]
            at = {k: j / max(len(beside) - 1, 1) for j, k in enumerate(beside)}
            here = {k: j / max(len(rows[i]) - 1, 1) for j, k in enumerate(rows[i])}
            rows[i].sort(key=lambda k: sum(at[n] for n in near[k]) / len(near[k]) if near[k] else here[k])  # noqa: B023


def _columns(rows: list[list[str]], up: dict[str, list[str]], down: dict[str, list[str]], width: dict[str, float]
             ) -> dict[str, float]:
    """x of every box: pulled to the mean of its neighbours, pushed apart where boxes would touch."""
    x: dict[str, float] = {}
    for row in rows:
        edge = 0.0
        for k in row:
            x[k] = edge + width[k] / 2
            edge += width[k] + GAP_X
        for k in row:
            x[k] -= edge / 2
    for turn in range(24):
        for row in rows if turn % 2 == 0 else reversed(rows):
            near = up if turn % 2 == 0 else down
            wish = [sum(x[n] for n in near[k]) / len(near[k]) if near[k] else x[k] for k in row]
            for k, place in zip(row, _apart(wish, [width[k] for k in row]), strict=True):
                x[k] = place
    return x


def _apart(wish: list[float], width: list[float]) -> list[float]:
    """The places nearest to the wishes (least squares) that keep order and gaps: neighbours that touch move as one."""
    offset = [0.0]
    for a, b in zip(width, width[1:], strict=False):
        offset.append(offset[-1] + (a + b) / 2 + GAP_X)
    blocks: list[tuple[float, int]] = []       # (mean wish without offsets, members): pool adjacent violators
    for w, o in zip(wish, offset, strict=True):
        mean, n = w - o, 1
        while blocks and blocks[-1][0] > mean:
            before, m = blocks.pop()
            mean, n = (before * m + mean * n) / (m + n), m + n
        blocks.append((mean, n))
    means = [mean for mean, n in blocks for _ in range(n)]
    return [mean + o for mean, o in zip(means, offset, strict=True)]
