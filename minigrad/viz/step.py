"""A page that plays backward(): `step(loss)`. One HTML file with the graph, the steps and a small script; nothing is
loaded from elsewhere, and the page's own policy forbids it.

Each step is one node: its formula, the gradient that came in, and the gradients that it sends on, with the sums that
they build. Names reach the page as JSON and as escaped text, never as markup.
"""
from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from html import escape as escape_markup
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..nn import Module
from ..tensor import Tensor
from .graph import svg, visible
from .walk import PREVIEW, Sight, Vertex, Walk, walk

LIMIT = 400                                    # steps: a page of more than that is slow


class Player:
    """A page that plays backward(). In a notebook it shows itself; `save(path)` writes an .html file; `.html` is it."""

    def __init__(self, html: str, steps: int) -> None:
        self.html, self.steps = html, steps

    def _repr_html_(self) -> str:
        return (f'<iframe srcdoc="{escape_markup(self.html)}" sandbox="allow-scripts" title="backward, step by step" '
                'style="width:100%;height:680px;border:1px solid #d5d9dd;border-radius:6px"></iframe>')

    def __repr__(self) -> str:
        return f"<player of {self.steps} steps>"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page. Open it with `#step=3` at the end of its address to begin there."""
        out = Path(path)
        out.write_text(self.html, encoding="utf-8")
        return out


def step(loss: Tensor, names: Module | Mapping[str, Tensor] | None = None, *, gradient: Tensor | None = None,
         limit: int = LIMIT) -> Player:
    """A page that steps through the backward pass of a loss. Nothing is freed, no `.grad` is written, no hook is run.

    names: a Module, or name -> tensor: what leaves are called.  gradient: of the final loss with respect to this
    tensor, needed unless it is a single value.  limit: at most so many steps, the first; the page says how many follow.
    Raises GradError if the tensor is not tracked or not a single value, GraphFreedError after a backward() that freed
    the graph.
    """
    w = walk(loss, names, gradient=gradient)
    shown, hidden = visible(w, limit)
    drawn = set(shown)
    moves = [_move(w, k) for k, m in enumerate(w.moves) if m.key in drawn]
    leaves = [{"key": v.key, "name": v.title, "size": v.size} for v in w.vertices.values() if v.kind == "leaf"]
    value = loss.detach().item() if loss.data.size == 1 else None
    data = {"moves": moves, "leaves": leaves, "hidden": hidden, "root": w.root, "given": gradient is not None,
            "loss": _number(value)}
    text = json.dumps(data, allow_nan=False).replace("<", "\\u003c")     # no "</script>" can end the block of data
    page = files(__package__).joinpath("player.html").read_text(encoding="utf-8")
    before, after = page.split("<!--GRAPH-->")
    return Player(before + svg(w, shown, hidden) + after.replace("null/*DATA*/", text), len(moves))


def _move(w: Walk, k: int) -> dict[str, Any]:
    move, v = w.moves[k], w.vertices[w.moves[k].key]
    formula, _, gradients = v.formula.partition(";")
    inputs = {key: i for i, (key, _) in reversed(list(enumerate(v.parents, 1)))}
    sent = [{"key": s.key, "name": _name(w.vertices[s.key], s.output), "input": inputs.get(s.key),
             "g": _sight(s.gradient), "stretched": None if s.stretched is None else str(s.stretched),
             "total": _sight(s.total) if s.total.norm != s.gradient.norm else None} for s in move.sent]
    return {"key": v.key, "op": v.title, "options": v.options, "formula": formula.strip(), "rule": gradients.strip(),
            "size": v.size, "dtype": v.dtype, "scope": v.scope, "source": v.source or "",
            "incoming": [None if s is None else _sight(s) for s in move.incoming], "sent": sent}


def _name(v: Vertex, output: int | None) -> str:
    return v.title + ("" if output is None else f" [output {output}]")


def _sight(s: Sight) -> dict[str, Any]:
    rows, columns = (1, *s.shape)[-2:] if s.shape else (1, 1)
    return {"shape": str(s.shape), "norm": _number(s.norm), "low": _number(s.low), "high": _number(s.high),
            "corner": [[_number(x) for x in row] for row in s.corner],
            "whole": len(s.shape) < 3 and max(rows, columns) <= PREVIEW}


def _number(x: float | None) -> float | str | None:
    """A number as JSON has it: NaN and infinities are text."""
    return x if x is None or math.isfinite(x) else "NaN" if math.isnan(x) else "Inf" if x > 0 else "-Inf"
