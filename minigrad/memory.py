"""Where a graph's memory is, and how to trade it for time.

    memory_ledger(loss)      which line's saved arrays hold how many bytes
    checkpoint(fn, *args)    save fn's inputs alone, and compute fn once more in backward

A vjp keeps what it needs in its closure; the ledger reads those cells, as the tape's check for overwritten values does.
Checkpointing: Chen et al., *Training Deep Nets with Sublinear Memory Cost* (2016): an unrolled network of T steps in
blocks of sqrt(T) holds sqrt(T) states and one block, for one more forward pass.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, NamedTuple

from . import backend
from .backend import owner
from .backward import grad, tape
from .errors import GradError, describe, place
from .tensor import Node, Op, Port, Tensor, no_grad
from .trace import Watch, watching

# ---------------------------------------------------------------------------------------------- the ledger

class Row(NamedTuple):
    """One line of source: the bytes that its nodes saved first, how many nodes it made, and of which operations."""

    bytes: int
    nodes: int
    ops: str
    line: str


@dataclass
class Ledger:
    """What a graph keeps alive. rows: by line, the largest first.  total: their sum.  leaves: bytes of parameters and
    other leaves that vjps use; they exist without the graph, and are not in total."""

    rows: list[Row]
    total: int
    leaves: int
    nodes: int

    def __str__(self) -> str:
        table = [("bytes", "nodes", "operations", "line"),
                 *((f"{r.bytes:,}", f"{r.nodes}", r.ops, r.line) for r in self.rows)]
        w = [max(len(row[i]) for row in table) for i in range(3)]
        lines = [f"{b:>{w[0]}}  {n:>{w[1]}}  {o:<{w[2]}}  {line}".rstrip() for b, n, o, line in table]
        head = f"{self.total:,} bytes saved by {self.nodes} nodes; leaves hold {self.leaves:,} more"
        return "\n".join([head, *lines])

    __repr__ = __str__


@dataclass
class _Line:
    bytes: int = 0
    nodes: int = 0
    ops: dict[str, None] = field(default_factory=dict)


def memory_ledger(loss: Tensor | Iterable[Tensor]) -> Ledger:
    """The bytes that the graph of loss (or of several tensors) saved for backward, by the line that made the node.

    An array that several nodes saved counts once, for the oldest of them; a view counts as the array whose memory it
    keeps alive. After backward() the ledger is empty: the graph is freed.  Raises GradError if nothing is recorded.
    """
    ends = [loss] if isinstance(loss, Tensor) else list(loss)
    if not any(y.edge is not None for y in ends):
        raise GradError(describe("memory_ledger() of a tensor that has no graph.",
                                 made_at=ends[0]._made() if ends else None,
                                 likely="it is a leaf, or was computed under no_grad(), or from nothing tracked"))
    nodes = graph_nodes(ends)
    leaf_arrays = {id(owner(x.data)): owner(x.data) for n in nodes for x in n.inputs if isinstance(x, Tensor)}
    seen: set[int] = set(leaf_arrays)
    lines: dict[str, _Line] = {}
    for node in nodes:
        line = lines.setdefault(place(node.where) or "(unknown)", _Line())
        line.nodes += 1
        line.ops[node.op.name] = None
        for identity, size in saved(node.vjp):
            if identity not in seen:
                seen.add(identity)
                line.bytes += size
    rows = sorted((Row(v.bytes, v.nodes, ", ".join(v.ops), k) for k, v in lines.items() if v.bytes),
                  key=lambda r: (-r.bytes, r.line))
    return Ledger(rows, sum(r.bytes for r in rows), sum(a.nbytes for a in leaf_arrays.values()), len(nodes))


def graph_nodes(ends: Iterable[Tensor]) -> list[Node]:
    """All nodes behind some tensors, in the order of their creation."""
    found: set[Node] = set()
    stack = [tape._node(y.edge) for y in ends if y.edge is not None]
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack += [tape._node(x) for x in node.inputs if isinstance(x, (Node, Port))]
    return sorted(found, key=lambda n: n.id)


def saved(value: Any, depth: int = 0) -> Iterable[tuple[int, int]]:
    """(identity, bytes) of every array that a vjp, or a value in its closure, keeps alive.

    A fused node's workspace tells its own `nbytes`.
    """
    if depth > 4 or value is None or isinstance(value, (Tensor, int, float, str, type)):
        return
    if hasattr(value, "dtype") and hasattr(value, "nbytes"):
        root = owner(value)
        if hasattr(root, "nbytes"):
            yield id(root), int(root.nbytes)
    elif isinstance(value, FunctionType):
        for cell in value.__closure__ or ():
            try:
                inside = cell.cell_contents
            except ValueError:                 # a name that is not yet bound
                continue
            yield from saved(inside, depth + 1)
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from saved(v, depth + 1)
    elif hasattr(value, "space"):              # a Lease: the workspace is the graph's as long as it lives
        yield id(value.space), int(value.space.nbytes)


# ---------------------------------------------------------------------------------------------- recomputing

class _Outside(Watch):
    """Collects tracked tensors that a function uses and was not given: parameters, and values from around it."""

    def __init__(self, given: list[Tensor]) -> None:
        self.given = {id(t) for t in given}
        self.found: dict[int, Tensor] = {}

    def value(self, op: Op, args: Any, result: Any) -> None:
        for x in args:
            if isinstance(x, Tensor) and x.requires_grad and id(x) not in self.given:
                self.found[id(x)] = x


def checkpoint(fn: Callable[..., Any], *args: Any) -> Any:
    """fn(*args), of which only the inputs are kept; backward computes fn once more, then walks through it.

    args: Tensors, or nested tuples, lists and dicts of them; other values are passed on. fn returns a Tensor or a tuple
    of them. Parameters (and any tracked tensors) that fn uses get their gradients; checkpoints may be nested. Random
    numbers of the host generator are drawn again alike. fn must not depend on anything else that changes meanwhile.
    No second order: create_graph=True raises GradError.  An input that is overwritten before backward: InplaceError.
    """
    if not tape.is_grad_enabled():
        return fn(*args)
    given: list[Tensor] = []
    _map(args, given.append)
    fresh = [Tensor(t.data, t.requires_grad, t.device) for t in given]     # so that a given tensor used from around fn
    after = iter(fresh)                                                    # is seen as such
    outside = _Outside(fresh)
    generator = backend.generator()
    state = generator.bit_generator.state
    with no_grad(), watching(outside):
        first = fn(*_map(args, lambda _: next(after)))
    ys = list(first) if isinstance(first, (tuple, list)) else [first]
    if not all(isinstance(y, Tensor) for y in ys):
        raise GradError(describe("checkpoint() takes a function that returns a Tensor or a tuple of them, and it "
                                 f"returned {type(first).__name__}."))
    extra = list(outside.found.values())
    several = isinstance(first, (tuple, list))
    box = [tuple([y.data for y in ys])]        # taken once: a node must not hold its output

    def run(xp: Any, *arrays: Any) -> Any:
        def vjp(g: Any) -> list[Any]:
            return _again(fn, args, given, extra, arrays, g if several else [g], (generator, state))
        values = box.pop() if box else tuple([y.data for y in _once_more(fn, args, given, arrays)])
        return values if several else values[0], vjp

    op = Op(run, second=False)
    op.name = "checkpoint"
    del first, ys, fresh
    return tape.record(op, [*given, *extra], {})


def _once_more(fn: Callable[..., Any], args: Any, given: list[Tensor], arrays: Any) -> list[Tensor]:
    """fn's values alone: `mg.explain` runs a graph's primitives again."""
    after = iter([Tensor(a, False, x.device) for a, x in zip(arrays, given, strict=False)])
    with no_grad():
        y = fn(*_map(args, lambda _: next(after)))
    return list(y) if isinstance(y, (tuple, list)) else [y]


def _again(fn: Callable[..., Any], args: Any, given: list[Tensor], extra: list[Tensor], arrays: Any, gs: list[Any],
           random: tuple[Any, Any]) -> list[Any]:
    """fn on fresh leaves, recorded, and its gradients for the given and the other tensors."""
    fresh = [Tensor(a, x.requires_grad, x.device) for a, x in zip(arrays, given, strict=False)]
    generator, state = random
    now, generator.bit_generator.state = generator.bit_generator.state, state
    held = [(x.edge, x.hooks) for x in extra]
    was, tape._recording = tape._recording, True
    try:
        for x in extra:                        # a leaf for this while: the walk must not go on into the outer graph
            x.edge = x.hooks = None
        after = iter(fresh)
        y = fn(*_map(args, lambda _: next(after)))
        ys = list(y) if isinstance(y, (tuple, list)) else [y]
        pairs = [(v, tape._wrap(g, v.device, g.dtype)) for v, g in zip(ys, gs, strict=True)
                 if g is not None and v.requires_grad]
        wanted = [x for x in [*fresh, *extra] if x.requires_grad]
        if not pairs:
            return [None] * (len(fresh) + len(extra))
        found = iter(grad([v for v, _ in pairs], wanted, [g for _, g in pairs], allow_unused=True))
    finally:
        tape._recording = was
        for x, (edge, hooks) in zip(extra, held, strict=True):
            x.edge, x.hooks = edge, hooks
        generator.bit_generator.state = now
    parts = [next(found) if x.requires_grad else None for x in [*fresh, *extra]]
    return [None if p is None else p.data for p in parts]


def _map(value: Any, fn: Callable[[Tensor], Any]) -> Any:
    """fn on every Tensor of nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return fn(value)
    if isinstance(value, dict):
        return {k: _map(v, fn) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        parts = [_map(v, fn) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
