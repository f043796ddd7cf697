"""The walk of backward(), one node at a time, for looking: nothing is freed, stored or hooked.

`walk(loss)` takes the steps that `backward._sweep` takes, in the same order and with the same vjps, and writes down
what it saw; a test holds its gradients equal to the engine's. Hooks are not run: what they change is not shown.
"""
from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from .. import backward
from ..backward import tape  # `from .. import tensor` would be mg.tensor, the function
from ..errors import GradError, GraphFreedError, describe, place
from ..nn import Module
from ..tensor import Constant, Node, Port, Tensor

PREVIEW = 6                                    # rows and columns of values that are kept for showing


@dataclass
class Sight:
    """What is kept of an array: shape, norm, extremes, and the values of its first corner."""

    shape: tuple[int, ...]
    norm: float
    low: float
    high: float
    corner: list[list[float]]

    @classmethod
    def of(cls, array: Any, device: Any) -> Sight:
        """Look at an array of a device; scalars and vectors become a row, higher ranks show their first matrix."""
        host = np.asarray(device.numpy(array), dtype=np.float64)
        flat = host.reshape(1, -1) if host.ndim < 2 else host.reshape(-1, *host.shape[-2:])[:1].reshape(host.shape[-2:])
        if not host.size:
            return cls(tuple(host.shape), 0.0, 0.0, 0.0, [])
        with np.errstate(all="ignore"):
            return cls(tuple(host.shape), float(np.sqrt((host * host).sum())), float(host.min()), float(host.max()),
                       flat[:PREVIEW, :PREVIEW].tolist())


@dataclass
class Vertex:
    """One thing in the graph: an operation, a leaf (wants a gradient), or data (does not).

    key: unique.  kind: "op", "leaf", "data".  title: op or name.  formula: first line of the op's docstring.
    parents: (key, output) of the inputs, in order; output is None where there is one.  gradient: of its value (one for
    each output), None where none came.  uses: how many gradients were added up in it.
    """

    key: str
    kind: str
    title: str
    shape: Any
    dtype: str
    source: str | None
    scope: str = ""
    formula: str = ""
    options: str = ""
    order: int = 0
    parents: list[tuple[str, int | None]] = field(default_factory=list)
    gradient: list[Sight | None] = field(default_factory=list)
    uses: int = 0

    @property
    def size(self) -> str:
        """Its shape, or its shapes, in words."""
        if self.shape and isinstance(self.shape[0], tuple):
            same = len(set(self.shape)) == 1
            return f"{len(self.shape)} x {self.shape[0]}" if same else ", ".join(map(str, self.shape))
        return str(tuple(self.shape))

    @property
    def norm(self) -> float | None:
        """The norm of its gradient, over all outputs; None where no gradient came."""
        found = [g.norm for g in self.gradient if g is not None]
        return float(np.sqrt(np.square(found).sum())) if found else None


@dataclass
class Sent:
    """A gradient on its way: to which key and output, what it is, and what the target has when it is added.

    stretched: the shape in which the vjp gave it, where the tape then summed it to the target's shape.
    """

    key: str
    output: int | None
    gradient: Sight
    total: Sight
    stretched: tuple[int, ...] | None


@dataclass
class Move:
    """One step of backward: a node, the gradients that came, and those that it sends.

    sent: what each input gets.
    """

    key: str
    incoming: list[Sight | None]
    sent: list[Sent]


@dataclass
class Walk:
    """The graph above a tensor and, where it was walked, the gradients."""

    vertices: dict[str, Vertex]
    moves: list[Move]
    root: str
    nodes: dict[str, Node]
    leaves: dict[int, str]                     # id(leaf) -> key
    arrays: dict[str, Any]                     # key -> gradient of a leaf


def walk(y: Tensor, names: Module | Mapping[str, Tensor] | None = None, *, gradient: Tensor | None = None,
         values: bool = True) -> Walk:
    """Read the graph that made y, and with `values` walk it backward.

    names: a Module, or name -> tensor: what leaves are called.  gradient: of the loss with respect to y.
    Raises GradError if y is not tracked, or not a single value and no gradient is given; GraphFreedError after a
    backward() that freed the graph; InplaceError if a value it needs was overwritten.
    """
    if not isinstance(y, Tensor):
        raise TypeError(f"a picture of the graph is drawn from a Tensor, not from {type(y).__name__}")
    if not y.requires_grad:
        raise GradError(describe(f"there is no graph to draw: this {tuple(y.shape)} tensor is not tracked.",
                                 made_at=y._made(), likely="no input has requires_grad=True, or it was computed under "
                                                           "no_grad() or after detach()"))
    w = _read(y, _names(names))
    return _pass(w, y, backward._seed(y, gradient)) if values else w


def _names(names: Module | Mapping[str, Tensor] | None) -> dict[int, str]:
    if names is None:
        return {}
    pairs = names.named_parameters() if isinstance(names, Module) else names.items()
    return {id(t.edge or t): str(n) for n, t in pairs}


def _read(y: Tensor, names: dict[int, str]) -> Walk:
    """Vertices and edges, without gradients."""
    top = y.edge or y
    w = Walk({}, [], _key(top), {}, {}, {})
    held: list[Any] = [top]
    while held:
        x = held.pop()
        key = _key(x)
        if key in w.vertices:
            continue
        if isinstance(x, (Node, Port)):
            node = tape._node(x)
            if node.vjp is None:
                raise _whole(node)
            w.nodes[key] = node
            w.vertices[key] = _operation(key, node)
            tensors = [i for i in node.inputs if isinstance(i, (Node, Port, Tensor, Constant))]
            w.vertices[key].parents = [(_key(i), i.index if isinstance(i, Port) else None) for i in tensors]
            held += tensors
        elif isinstance(x, Tensor):
            w.leaves[id(x)] = key
            kind = type(x).__name__.lower()
            w.vertices[key] = Vertex(key, "leaf", names.get(id(x), kind), tuple(x.shape), str(x.dtype), x._made())
        else:
            w.vertices[key] = Vertex(key, "data", "data", tuple(x.data.shape), str(x.data.dtype), None)
    for i, n in enumerate(sorted(w.nodes.values(), key=lambda n: n.id)):
        w.vertices[_key(n)].order = i + 1
        if id(n) in names:
            w.vertices[_key(n)].options = f"{w.vertices[_key(n)].options} = {names[id(n)]}".strip()
    return w


def _key(x: Any) -> str:
    """A name that is the same for the same thing: data goes by its array, for each use has its own Constant."""
    if isinstance(x, (Node, Port)):
        return f"n{tape._node(x).id}"
    return f"l{id(x)}" if isinstance(x, Tensor) else f"d{id(x.data)}"


def _operation(key: str, node: Node) -> Vertex:
    plain = [_short(i) for i in node.inputs if not isinstance(i, (Node, Port, Tensor, Constant)) and i is not None]
    plain += [f"{k}={_short(v)}" for k, v in node.kw.items() if v is not None and v is not False]
    formula = (node.op.fn.__doc__ or "").strip().split("\n")[0]
    shapes: Any = [tuple(s) for s, *_ in node.ports] if node.ports else tuple(node.shape)
    return Vertex(key, "op", node.op.name.strip("_"), shapes, str(node.ports[0][1] if node.ports else node.dtype),
                  place(node.where), node.scope, formula, ", ".join(plain))


def _short(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype} {tuple(value.shape)}"
    if isinstance(value, slice):
        parts = ["" if v is None else str(v) for v in (value.start, value.stop)]
        return ":".join(parts) + ("" if value.step is None else f":{value.step}")
    if isinstance(value, tuple):
        return f"({', '.join(_short(v) for v in value)})"
    text = f"{value:.6g}" if isinstance(value, float) else "..." if value is Ellipsis else repr(value)
    return text if len(text) <= 24 else text[:23] + "…"


def _whole(node: Node) -> GraphFreedError:
    return GraphFreedError(describe(
        "the graph cannot be drawn: backward() has freed it.", node=f"{node.op.name} -> {node.shape}",
        made_at=place(node.where), freed=f"by {place(node.freed[1])}" if node.freed else None,
        fix="draw before backward(), or call backward(retain_graph=True)"))


def _pass(w: Walk, y: Tensor, seed: Tensor) -> Walk:
    """Take backward's steps, and note what each saw."""
    device = y.device
    pending: dict[str, list[Any]] = {}
    heap: list[tuple[int, str]] = []

    def send(target: Any, g: Any) -> Any:
        """Add a gradient to what its target has, and give back the sum."""
        key, index = _key(target), target.index if isinstance(target, Port) else 0
        vertex = w.vertices[key]
        if key not in pending:
            pending[key] = [None] * (len(w.nodes[key].ports or (1,)) if key in w.nodes else 1)
            if key in w.nodes:
                heapq.heappush(heap, (-w.nodes[key].id, key))
        old = pending[key][index]
        pending[key][index] = g if old is None else old + g
        vertex.uses += 1
        return pending[key][index]

    send(y.edge or y, seed.data)
    while heap:
        key = heapq.heappop(heap)[1]
        node, slots = w.nodes[key], pending.pop(key)
        if tape._last_write > node.id:
            backward._check_saved(node)
        assert node.vjp is not None            # `_read` has looked
        seen = [None if g is None else Sight.of(g, device) for g in slots]
        move = Move(key, seen, [])
        w.vertices[key].gradient = seen
        for target, gx in zip(node.inputs, node.vjp(slots if node.ports else slots[0]), strict=False):
            if gx is not None and isinstance(target, (Node, Port, Tensor)):
                gx = gx() if type(gx) is FunctionType else gx
                given = tuple(gx.shape)
                if given != tuple(target.shape):
                    gx = backward._unbroadcast(gx, target)
                move.sent.append(Sent(_key(target), target.index if isinstance(target, Port) else None,
                                      Sight.of(gx, device), Sight.of(send(target, gx), device),
                                      given if given != tuple(target.shape) else None))
        w.moves.append(move)
    for key, slots in pending.items():         # what is left are the leaves
        w.arrays[key] = slots[0]
        w.vertices[key].gradient = [Sight.of(slots[0], device)]
    return w
