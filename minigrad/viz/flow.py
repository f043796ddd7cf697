"""Where gradients fade or grow: `flow(loss, model)` draws their norms for each parameter, and over time.

Time steps are found by the weights: whatever a step computes from W_hh is one product, so the nodes that take a
layer's W_hh are its steps, in the order in which they were recorded. A fused sequence is one node and hides them:
build the layer with `fused=False` to see its steps.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import GradError, describe, place
from ..nn import Module
from ..tensor import Tensor
from .figures import BLUE, GREEN, INK, ORANGE, PINK, RED, SKY, _figure, _styled, _title
from .walk import Walk, walk

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES = [("o", BLUE), ("s", ORANGE), ("^", GREEN), ("v", RED), ("D", PINK), ("P", SKY)]
_MOVES = ("permute", "swapaxes", "transpose", "clone", "cast", "reshape")      # may lie between W_hh and its product


def parameter_norms(loss: Tensor, model: Module, *, gradient: Tensor | None = None) -> dict[str, float | None]:
    """Name -> norm of the loss's gradient with respect to a parameter; None where it is not in the graph."""
    w = walk(loss, model, gradient=gradient)
    return _parameters(w, model)


def time_norms(loss: Tensor, model: Module, *, gradient: Tensor | None = None) -> dict[str, np.ndarray]:
    """Name of a W_hh -> norm of the gradient that reaches the product with it, for each time step, in time.

    That is dL/da_t, the gradient at the step before its activation (of all gates together): the weight's gradient is
    the sum over t of dL/da_t times h_(t-1). Steps without a gradient are 0.
    Raises GradError for a layer that ran fused: its steps are inside one node.
    """
    return _times(walk(loss, model, gradient=gradient), model)


def flow(loss: Tensor, model: Module, *, gradient: Tensor | None = None, title: str = "Gradient flow") -> Figure:
    """Draw the gradient norm of each parameter and, where the model has recurrent layers, over their time steps.

    Call it before backward(). Layers that ran fused show their parameters only, and the figure says so: build them
    with `fused=False`.  gradient: of the loss with respect to this tensor, needed unless it is a single value.
    Raises GradError, GraphFreedError, InplaceError as backward() does.
    """
    w = walk(loss, model, gradient=gradient)
    norms = _parameters(w, model)
    note = ""
    try:
        times = _times(w, model)
    except GradError:
        times, note = {}, "time steps are hidden in a fused node: build the layer with fused=False"
    figure = _figure(12.5 if times else 7.5, max(3.4, 1.5 + 0.34 * len(norms)))
    with _styled():
        _draw_parameters(figure.add_subplot(1, 1 + bool(times), 1), norms, note)
        if times:
            _draw_times(figure.add_subplot(1, 2, 2), times)
        _title(figure, title)
    return figure


def _parameters(w: Walk, model: Module) -> dict[str, float | None]:
    found = {n: w.leaves.get(id(p)) for n, p in model.named_parameters()}
    return {n: None if key is None else w.vertices[key].norm for n, key in found.items()}


def _times(w: Walk, model: Module) -> dict[str, np.ndarray]:
    children: dict[str, list[str]] = {}
    for v in w.vertices.values():
        for parent, _ in v.parents:
            children.setdefault(parent, []).append(v.key)
    out = {}
    for name, p in model.named_parameters():
        if not name.rpartition(".")[2].startswith("weight_hh") or id(p) not in w.leaves:
            continue
        steps: list[list[str]] = []            # the products of each step: several where it cuts W_hh into parts
        held: list[tuple[str, list[str] | None]] = [(w.leaves[id(p)], None)]
        while held:
            at, group = held.pop()
            for key in children.get(at, []):
                if w.vertices[key].title == "split":
                    steps.append([])
                    held.append((key, steps[-1]))
                elif w.vertices[key].title in _MOVES:
                    held.append((key, group))
                elif group is None:
                    steps.append([key])
                else:
                    group.append(key)
        for key in (k for step in steps for k in step):
            if w.nodes[key].op.name not in ("matmul", "linear"):
                raise GradError(describe(
                    f"{name} was used by one fused node ({w.nodes[key].op.name}), which hides its time steps.",
                    made_at=place(w.nodes[key].where), fix="build the layer with fused=False"))
        steps.sort(key=lambda step: min(w.nodes[k].id for k in step))
        norms = [math.hypot(*[w.vertices[k].norm or 0.0 for k in step]) for step in steps]
        out[name] = np.array(norms[::-1] if name.endswith("_reverse") else norms)
    return out


# ---------------------------------------------------------------------------------------------- drawing

def _draw_parameters(ax: Any, norms: dict[str, float | None], note: str) -> None:
    names = list(norms)
    at = np.arange(len(names))[::-1]
    good = [v for v in norms.values() if v and np.isfinite(v)]
    floor = min(good, default=1e-3) / 5
    for y, v in zip(at, norms.values(), strict=True):
        if v and np.isfinite(v):
            ax.barh(y, v, 0.62, left=0, color=BLUE)
            ax.text(v * 1.12, y, f"{v:.2g}", va="center", fontsize=9)
        else:
            text = "not in the graph" if v is None else "0" if v == 0 else "NaN or Inf"
            ax.text(floor * 1.15, y, text, va="center", fontsize=9, color=RED)
    ax.set_xscale("log")
    ax.set_xlim(floor, max(good, default=1.0) * 4)
    ax.set_yticks(at, [n if len(n) <= 34 else "…" + n[-33:] for n in names], parse_math=False)
    ax.set_ylim(-0.7, len(names) - 0.3)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("norm of the gradient")
    ax.set_title("parameters" + (f"\n({note})" if note else ""), loc="left")


def _draw_times(ax: Any, times: dict[str, np.ndarray]) -> None:
    for i, (name, values) in enumerate(times.items()):
        mark, colour = _LINES[i % len(_LINES)]
        t = np.arange(1, len(values) + 1)
        shown = np.where((values > 0) & np.isfinite(values), values, np.nan)
        line, = ax.plot(t, shown, marker=mark, ms=6 if len(t) < 30 else 4, mec=INK, mew=0.4, color=colour, lw=1.6)
        line.set_label(name.lstrip("_"))
        lost = t[~np.isfinite(shown)]
        if len(lost):
            ax.plot(lost, np.full(len(lost), 0.02), "x", color=colour, ms=6, clip_on=False,
                    transform=ax.get_xaxis_transform(), label="0, NaN or Inf")
    ax.set_yscale("log")
    ax.set_xlabel("time step t")
    ax.set_ylabel("norm of dL/da$_t$")
    ax.set_title("over time: a$_t$ is the step before its activation", loc="left")
    legend = ax.legend(frameon=False, fontsize=9.5)
    for text in legend.get_texts():
        text.set_parse_math(False)             # names are text, not formulas
