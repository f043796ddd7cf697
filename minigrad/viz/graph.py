"""The recorded graph as a drawing: `graph(loss)`. SVG without graphviz; `.dot` is there for those who have it.

Inputs are at the top, the loss at the bottom; gradients flow upwards. A box shows the operation, the shape of its
value, the norm of the gradient that reaches it, and the line that made it. Everything that a program may have named is
escaped: a leaf called "<script>" is drawn as that text.
"""
from __future__ import annotations

import html
import math
import os
from collections.abc import Mapping
from pathlib import Path

from ..nn import Module
from ..tensor import Tensor
from .layout import Layout, layered
from .walk import Vertex, Walk, walk

LIMIT = 400                                    # boxes: more than that nobody reads
_WIDE, _PAD = 46, 20
# op, leaf, data: fill and border; the gradient's band: what its norm says
_FILL = {"op": ("#FFFFFF", "#5B6B7B"), "leaf": ("#E8F1FA", "#0072B2"), "data": ("#F3F3F0", "#9A9A9A")}
BANDS = {"none": ("#C9C9C4", "no gradient"), "vanished": ("#56B4E9", "below 1e-6"),
         "normal": ("#009E73", "1e-6 to 1e3"), "huge": ("#E69F00", "above 1e3"), "broken": ("#D55E00", "NaN or Inf")}
_CSS = ("text{font-family:ui-sans-serif,system-ui,'Segoe UI','DejaVu Sans',sans-serif;fill:#222}"
        ".t{font-size:14px;font-weight:600}.s{font-size:12px}.g{font-size:12px;fill:#222}"
        ".l{font-size:11px;fill:#5c5c5c;font-family:ui-monospace,'DejaVu Sans Mono',monospace}"
        "path{fill:none;stroke:#8b97a3;stroke-width:1.3}")


class Drawing:
    """A graph, drawn. In a notebook it shows itself; `save(path)` writes .svg or .dot; `.svg` and `.dot` are texts."""

    def __init__(self, svg: str, dot: str, walk: Walk) -> None:
        self.svg, self.dot, self._walk = svg, dot, walk

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        kinds = [v.kind for v in self._walk.vertices.values()]
        return f"<graph of {kinds.count('op')} operations and {kinds.count('leaf')} leaves>"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing; the ending chooses .svg or .dot. Raises ValueError for another ending."""
        out = Path(path)
        if out.suffix not in (".svg", ".dot"):
            raise ValueError(f"a graph is saved as .svg or .dot, not as {out.name!r}")
        out.write_text(self.svg if out.suffix == ".svg" else self.dot, encoding="utf-8")
        return out


def graph(loss: Tensor, names: Module | Mapping[str, Tensor] | None = None, *, gradient: Tensor | None = None,
          limit: int = LIMIT) -> Drawing:
    """Draw the graph that made a tensor. Nothing is freed and no `.grad` is written; hooks are not run.

    names: a Module, or name -> tensor: what leaves are called.  gradient: of the final loss with respect to this
    tensor; without it, gradients are shown where the tensor is a single value.  limit: at most so many operations,
    the newest; the drawing says how many are left out.
    Raises GradError if the tensor is not tracked, GraphFreedError after a backward() that freed the graph.
    """
    w = walk(loss, names, gradient=gradient, values=gradient is not None or isinstance(loss, Tensor)
             and loss.data.size == 1)
    shown, hidden = visible(w, limit)
    return Drawing(svg(w, shown, hidden), _dot(w, shown), w)


def visible(w: Walk, limit: int) -> tuple[list[str], int]:
    """The keys that are drawn, parents before children, and how many operations are not: the oldest ones."""
    if limit < 1:
        raise ValueError(f"limit is how many operations are drawn, at least 1, not {limit}")
    ops = sorted((v for v in w.vertices.values() if v.kind == "op"), key=lambda v: v.order)
    kept = ops[-limit:]
    inside = {v.key for v in kept}
    ends = dict.fromkeys(p for v in kept for p, _ in v.parents if w.vertices[p].kind != "op")
    root = [] if inside or ends else [w.root]
    return [*root, *ends, *(v.key for v in kept)], len(ops) - len(kept)


# ---------------------------------------------------------------------------------------------- SVG

def svg(w: Walk, shown: list[str], hidden: int) -> str:
    """The drawing as a text: <g id="box-KEY"> for a box, <path class="from-CHILD to-PARENT"> for an edge."""
    inside = set(shown)
    lines = _texts(w, shown)
    sizes = {k: (max([_WIDE, *(_measure(t, c) for c, t in lines[k])]) + _PAD, 12 + 17.0 * len(lines[k]))
             for k in shown}
    parents = {k: [p for p, _ in w.vertices[k].parents if p in inside] for k in shown}
    plan = layered(parents, sizes, shown)
    walked = bool(w.moves or w.arrays)
    foot = (40 if walked else 0) + (22 if hidden else 0)
    width, height = max(plan.width + 24, 560 if walked else 120), plan.height + 24 + foot
    shift = (width - plan.width) / 2
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
             f'height="{height:.0f}" role="img" aria-label="the recorded graph"><style>{_CSS}</style>'
             '<defs><marker id="mg-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
             'markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path d="M0 0.5 L7 4 L0 7.5" '
             'style="stroke-width:1.4;stroke:context-stroke"/></marker></defs>'
             f'<rect width="100%" height="100%" fill="#fff"/><g transform="translate({shift:.1f} 12)">']
    parts += [_edge(plan, sizes, p, k) for k in shown for p in dict.fromkeys(parents[k])]
    parts += [_box(w.vertices[k], lines[k], plan.center[k], sizes[k]) for k in shown]
    parts.append("</g>")
    if walked:
        parts.append(_legend(12, height - 14))
    if hidden:
        parts.append(f'<text class="s" x="12" y="{height - (44 if walked else 10):.0f}">{hidden:,} older operations '
                     'are not drawn</text>')
    return "".join([*parts, "</svg>"])


def _texts(w: Walk, shown: list[str]) -> dict[str, list[tuple[str, str]]]:
    """key -> what its box says. A file's name is left out where all lines are of one file."""
    names = {s.split(":")[0] for k in shown if (s := w.vertices[k].source)}
    return {k: _lines(w.vertices[k], len(names) == 1) for k in shown}


def _lines(v: Vertex, one_file: bool) -> list[tuple[str, str]]:
    """(class, text) of each line of a box."""
    options = f"  {_cut(v.options, 22)}" if v.options else ""
    out = [("t", _cut(v.title, 40) + options), ("s", v.size + ("" if v.dtype == "float32" else f" {v.dtype}"))]
    if v.gradient:
        norm = v.norm
        several = f", a sum of {v.uses}" if v.uses > 1 == len(v.gradient) else ""
        text = "no gradient" if norm is None else f"|g| = {norm:.3g}{several}"
        out.append(("g", text))
    if v.source:
        text = " ".join(v.source.split())
        out.append(("l", _cut("line " + text.partition(":")[2] if one_file else text, 34)))
    return out


def escape(text: str) -> str:
    """Text for HTML and SVG: nothing in it is markup, and no control character breaks the file."""
    return html.escape("".join(c if c >= " " or c == "\n" else "\ufffd" for c in text))


def _cut(text: str, n: int) -> str:
    return text if len(text) <= n else text[:n - 1] + "…"


def _measure(text: str, kind: str) -> float:
    return len(text) * {"t": 7.9, "s": 6.7, "g": 6.7, "l": 6.75}[kind]


def band(v: Vertex) -> str:
    """Which of BANDS the gradient of a box is in."""
    norm = v.norm
    if norm is None:
        return "none"
    if not math.isfinite(norm):
        return "broken"
    return "vanished" if norm < 1e-6 else "huge" if norm > 1e3 else "normal"


def _box(v: Vertex, lines: list[tuple[str, str]], at: tuple[float, float], size: tuple[float, float]) -> str:
    (x, y), (w, h) = (at[0] - size[0] / 2, at[1] - size[1] / 2), size
    fill, border = _FILL[v.kind]
    dash = ' stroke-dasharray="4 3"' if v.kind == "data" else ""
    radius = 5 if v.kind == "op" else 14
    tip = "\n".join(t for t in (f"{v.title} {v.options}".strip(), v.formula, f"{v.size} {v.dtype}",
                                f"module: {v.scope}" if v.scope else "", v.source or "") if t)
    out = [f'<g id="box-{v.key}" class="box {v.kind}"><title>{escape(tip)}</title>',
           f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="{radius}" fill="{fill}" '
           f'stroke="{border}" stroke-width="1.3"{dash}/>']
    if v.gradient:
        out.append(f'<rect class="band" x="{x + 5:.1f}" y="{y + 8:.1f}" width="4" height="{h - 16:.1f}" rx="2" '
                   f'fill="{BANDS[band(v)][0]}"/>')
    out += [f'<text class="{c}" x="{x + 15:.1f}" y="{y + 19 + 17 * i:.1f}">{escape(t)}</text>'
            for i, (c, t) in enumerate(lines)]
    return "".join([*out, "</g>"])


def _edge(plan: Layout, sizes: Mapping[str, tuple[float, float]], p: str, k: str) -> str:
    (px, py), (kx, ky) = plan.center[p], plan.center[k]
    py, ky = py + sizes[p][1] / 2, ky - sizes[k][1] / 2 - 2
    points = [(px, py), *plan.bends[p, k], (kx, ky)]
    d = [f"M{px:.1f} {py:.1f}"]
    for (ax, ay), (bx, by) in zip(points, points[1:], strict=False):
        half = (ay + by) / 2
        d.append(f"C{ax:.1f} {half:.1f} {bx:.1f} {half:.1f} {bx:.1f} {by:.1f}")
    return f'<path class="edge from-{k} to-{p}" d="{" ".join(d)}" marker-end="url(#mg-arrow)"/>'


def _legend(x: float, y: float) -> str:
    out = [f'<text class="s" x="{x}" y="{y}">|g|, norm of the gradient:</text>']
    x += 158
    for colour, text in BANDS.values():
        out.append(f'<rect x="{x:.0f}" y="{y - 11:.0f}" width="5" height="13" rx="2" fill="{colour}"/>'
                   f'<text class="s" x="{x + 10:.0f}" y="{y:.0f}">{text}</text>')
        x += 22 + 6.6 * len(text)
    return "".join(out)


# ---------------------------------------------------------------------------------------------- DOT

def _dot(w: Walk, shown: list[str]) -> str:
    """The same for graphviz: `dot -Tpdf`."""
    inside = set(shown)
    lines = _texts(w, shown)
    out = ["digraph minigrad {", "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];"]
    for k in shown:
        label = "\\n".join(_quoted(text) for _, text in lines[k])
        out.append(f'  {k} [label="{label}", fillcolor="{_FILL[w.vertices[k].kind][0]}"];')
    out += [f"  {p} -> {k};" for k in shown for p in dict.fromkeys(p for p, _ in w.vertices[k].parents) if p in inside]
    return "\n".join([*out, "}"]) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
