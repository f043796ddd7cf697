"""The tape, second half: walking it from its newest node to its oldest.

Order is creation order: a heap gives the newest node that has a gradient, its vjp gives the gradients of its inputs,
and nothing is visited twice. There is no recursion and no sort, so a chain of 100,000 steps is walked in linear time.

Second order (`create_graph=True`) needs vjps that compute on Tensors. The tape kept arrays, and only those that the
first order needs; so the forward pass is replayed on Tensors: the same primitives, with minigrad itself as namespace.
"""
from __future__ import annotations

import heapq
from collections.abc import Sequence
from types import FunctionType
from typing import Any

from . import tensor as tape
from .backend import owner
from .errors import DTypeError, GradError, GraphFreedError, InplaceError, ShapeError, describe, place
from .tensor import Constant, Node, Port, Tensor, caller

_sweeps = 0                                    # backward passes so far, for "freed 1 step ago"


def grad(outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor], grad_outputs: Any = None,
         retain_graph: bool | None = None, create_graph: bool = False, allow_unused: bool = False
         ) -> tuple[Tensor | None, ...]:
    """Gradients of outputs with respect to inputs (leaves or computed tensors), returned and not stored.

    grad_outputs: the gradients of the outputs, needed where an output is not a single value.
    retain_graph: keep the saved values; defaults to create_graph.  create_graph: record the backward pass too, so that
    its result can be differentiated again.
    Raises GradError if an input is not part of the graph and allow_unused is False; GraphFreedError; InplaceError.
    """
    ys = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs or [None] * len(ys))
    starts = [(y, _seed(y, s)) for y, s in zip(ys, seeds, strict=True)]
    found = _sweep(starts, xs, create_graph if retain_graph is None else retain_graph, create_graph)
    for i, x in enumerate(xs):
        if id(x) not in found and not allow_unused:
            raise GradError(describe(f"input {i} {tuple(x.shape)} is not part of the graph.", made_at=x._made(),
                                     likely="it was detached, or replaced by another tensor",
                                     fix="pass allow_unused=True to get None"))
    return tuple(found[id(x)][1] if id(x) in found else None for x in xs)


def accumulate(y: Tensor, gradient: Tensor | None, retain: bool, create_graph: bool) -> None:
    """Tensor.backward: add the gradient of y to `.grad` of every leaf."""
    for leaf, g in _sweep([(y, _seed(y, gradient))], None, retain, create_graph).values():
        if leaf.grad is None:
            leaf.grad = g
        elif create_graph:
            leaf.grad = leaf.grad + g
        else:
            leaf.grad.data = leaf.grad.data + g.data


def detach(state: Any) -> Any:
    """A state cut from its history: a Tensor, or nested tuples, lists and dicts of them. Truncated BPTT in one call."""
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, dict):
        return {k: detach(v) for k, v in state.items()}
    if isinstance(state, (list, tuple)):
        parts = [detach(v) for v in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    return state


def _seed(y: Tensor, gradient: Tensor | None) -> Tensor:
    """The gradient that the walk starts with."""
    if not y.requires_grad:
        raise GradError(describe(
            f"there is no gradient of this {tuple(y.shape)} tensor: it is not tracked.", made_at=y._made(),
            likely="no input has requires_grad=True, or it was computed under no_grad() or after detach()"))
    if gradient is None:
        if y.data.size != 1:
            raise GradError(describe(f"backward() needs a single value, and this tensor is {tuple(y.shape)}.",
                                     made_at=y._made(), fix="loss.mean().backward() or loss.sum().backward(), or pass "
                                                            "gradient= of the same shape"))
        return tape._wrap(y.device.xp.ones_like(y.data), y.device, y.dtype)
    if not isinstance(gradient, Tensor):
        if not hasattr(gradient, "dtype"):
            raise TypeError(describe(f"gradient= is a Tensor or an array, not of type {type(gradient).__name__}.",
                                     fix=f"mg.tensor(...), {y.dtype} {tuple(y.shape)}"))
        gradient = tape._wrap(gradient, y.device, gradient.dtype)
    if gradient.shape != y.shape or gradient.dtype != y.dtype:
        raise ShapeError(describe(f"gradient= is {gradient.dtype} {tuple(gradient.shape)} for a tensor of {y.dtype} "
                                  f"{tuple(y.shape)}.", made_at=y._made()))
    return gradient


def _sweep(starts: list[tuple[Tensor, Tensor]], wanted: list[Tensor] | None, retain: bool, create_graph: bool
           ) -> dict[int, tuple[Tensor, Tensor]]:
    """id(tensor) -> (tensor, its gradient), for all leaves and for the computed tensors in `wanted`.

    With create_graph gradients are Tensors all the way; otherwise they are arrays until the end.
    """
    global _sweeps
    _sweeps += 1
    here = (_sweeps, caller())
    vjps = _replay([y.edge for y, _ in starts]) if create_graph else {}
    pending: dict[Node, Any] = {}              # node -> gradient of its output so far (a list, where it has ports)
    sums: set[int] = set()                     # ids of the targets whose gradient is a sum made here: safe to add into
    leaves: dict[int, tuple[Tensor, Any]] = {}
    heap: list[tuple[int, Node]] = []
    catch = {id(x.edge): x for x in wanted or () if x.edge is not None}
    caught: dict[int, tuple[Tensor, Any]] = {}
    shared: set[int] = set()                   # ids of arrays that somebody else may hold: seeds, and what hooks saw

    def add(old: Any, g: Any, target: Any) -> Any:
        """old + g, in place where old is a sum made here."""
        if create_graph or id(target) not in sums:
            sums.add(id(target))
            return old + g
        old += g
        return old

    def send(target: Any, g: Any) -> None:
        """Give a gradient to the value that it belongs to; a node that gets its first goes on the heap."""
        if g.shape != target.shape:
            g = _unbroadcast(g, target)
        if g.dtype is not target.dtype and g.dtype != target.dtype:
            raise DTypeError(describe(f"a gradient of {g.dtype} reached a value of {target.dtype} {target.shape}.",
                                      made_at=place(getattr(target, "where", None)), likely="a hook changed its dtype"))
        kind = type(target)
        if kind is Node:
            if target in pending:
                pending[target] = add(pending[target], g, target)
            else:
                pending[target] = g
                heapq.heappush(heap, (-target.id, target))
        elif kind is Port:
            node = target.node
            if node not in pending:
                pending[node] = [None] * len(node.ports)
                heapq.heappush(heap, (-node.id, node))
            slots = pending[node]
            slots[target.index] = g if slots[target.index] is None else slots[target.index] + g
            if id(target) in catch:
                caught[id(catch[id(target)])] = (catch[id(target)], slots[target.index])
        else:
            leaves[id(target)] = (target, add(leaves[id(target)][1], g, target) if id(target) in leaves else g)

    def run_hooks(hooks: dict, g: Any, device: Any) -> Any:
        for _, hook in sorted(hooks.items()):  # numbers: the order of registration, and the last at the end
            seen = g if create_graph else tape._wrap(g, device, g.dtype)
            shared.add(id(seen if create_graph else seen.data))
            answer = hook(seen)
            if answer is not None:
                _check_answer(answer, g)
                g = answer if create_graph else answer.data
                shared.add(id(g))
        return g

    for y, seed in starts:
        shared.add(id(seed.data))
        send(y.edge or y, seed if create_graph else seed.data)
    device, watch = starts[0][0].device, tape._watch
    while heap:
        node = heapq.heappop(heap)[1]
        g = pending.pop(node)
        if node.hooks is not None:
            g = run_hooks(node.hooks, g, device)
        if id(node) in catch:
            caught[id(catch[id(node)])] = (catch[id(node)], g)
        vjp, inputs = node.vjp, node.inputs
        if vjp is None:
            raise _freed(node)
        if tape._last_write > node.id:
            _check_saved(node)
        if create_graph:
            vjp = vjps[node]
        if watch is not None:
            vjp = watch.vjp(node, vjp)
        gs = vjp(g)
        if len(gs) < len(inputs):
            _check_rest(node, len(gs))
        for target, gx in zip(inputs, gs, strict=False):
            kind = type(target)
            if gx is not None and (kind is Node or kind is Port or isinstance(target, Tensor)):
                send(target, gx() if type(gx) is FunctionType else gx)
        if not retain:
            node.vjp, node.inputs, node.freed = None, (), here
    for key, (leaf, g) in leaves.items():
        caught[key] = (leaf, run_hooks(leaf.hooks, g, leaf.device) if leaf.hooks is not None else g)
    if create_graph:
        return caught
    for key, (x, g) in caught.items():         # a stored gradient owns its memory: g may be a view, or shared
        kept = x.device.asarray(g)             # an array where NumPy made a scalar of a 0-d one
        if kept.base is not None or id(g) in shared:
            kept = kept.copy()
        shared.add(id(kept))
        caught[key] = (x, tape._wrap(kept, x.device, x.dtype))
    return caught


def _check_rest(node: Node, n: int) -> None:
    """Raise GradError if an argument behind the n that the vjp knows is tracked: its gradient would be lost."""
    for i, x in enumerate(node.inputs[n:], n + 1):
        if isinstance(x, (Node, Port, Tensor)):
            raise GradError(describe(f"{node.op.shown} has no gradient of its argument {i}, which requires one.",
                                     made_at=place(node.where), fix="a number, or x.detach(); for clip's bounds "
                                     "mg.maximum and mg.minimum"))


def _check_answer(answer: Any, g: Any) -> None:
    """Raise GradError or ShapeError unless what a hook returned can stand for the gradient g."""
    if not isinstance(answer, Tensor):
        raise GradError(describe(f"a hook returned a value of type {type(answer).__name__}: it returns a Tensor, or "
                                 "None to leave the gradient as it is."))
    if answer.shape != g.shape or answer.dtype != g.dtype:
        raise ShapeError(describe(f"a hook returned {answer.dtype} {tuple(answer.shape)} for a gradient of {g.dtype} "
                                  f"{tuple(g.shape)}.", hook=answer._made()))


def _unbroadcast(g: Any, target: Any) -> Any:
    """Sum a gradient over the axes along which its value was stretched: an array or a Tensor, to target.shape."""
    shape = target.shape
    lead = g.ndim - len(shape)
    stretched = [i + lead for i, n in enumerate(shape) if n == 1 and lead >= 0 and g.shape[i + lead] != 1]
    out = g.sum(axis=(*range(lead), *stretched), keepdims=True) if lead > 0 or stretched else g
    if out.shape[max(lead, 0):] != shape:
        raise ShapeError(describe(f"a gradient of shape {tuple(g.shape)} reached a value of shape {tuple(shape)}.",
                                  made_at=place(getattr(target, "where", None)),
                                  likely="a hand-written vjp returned the wrong shape"))
    return out.reshape(shape)


def _freed(node: Node) -> GraphFreedError:
    sweep, where = node.freed or (_sweeps, None)
    ago = _sweeps - sweep
    steps = "in this pass" if ago == 0 else "1 backward ago" if ago == 1 else f"{ago} backwards ago"
    return GraphFreedError(describe(
        "backward() reached a node whose saved values were already freed.", node=f"{node.op.shown} -> {node.shape}",
        made_at=place(node.where), freed=f"by {place(where)}, {steps}",
        likely="the hidden state of the previous batch is still attached, or backward() ran twice",
        fix="h = mg.detach(h) before the next batch; or backward(retain_graph=True)"))


def _versions(node: Node) -> list[list]:
    """The mutation cells of a node's inputs and output."""
    cells = [x.version for x in node.inputs if isinstance(x, (Node, Port, Constant, Tensor))]
    cells += [node.version] if node.ports is None else [cell for _, _, cell in node.ports]
    return [c for c in cells if c[0] > node.id]


def _arrays(value: Any) -> list[Any]:
    """The arrays in a closure cell: in a list too, and in the cells of a function that the vjp calls (pow's db)."""
    if isinstance(value, (tuple, list)):
        return [a for v in value for a in _arrays(v)]
    if type(value) is FunctionType:
        return [a for cell in value.__closure__ or () if cell.cell_contents is not value
                for a in _arrays(cell.cell_contents)]
    return [value] if hasattr(value, "dtype") and hasattr(value, "base") else []


def _check_saved(node: Node) -> None:
    """Raise InplaceError if a value that was written since is one that the vjp saved (it is in its closure)."""
    written = {cell[1]: cell[2] for cell in _versions(node)}
    if written:
        for cell in getattr(node.vjp, "__closure__", None) or ():
            for array in _arrays(cell.cell_contents):
                if id(owner(array)) in written:
                    raise _overwritten(node, tuple(array.shape), written[id(owner(array))])


def _overwritten(node: Node, shape: tuple | None, where: Any) -> InplaceError:
    what = f"value {shape}" if shape is not None else "value"
    return InplaceError(describe(f"a {what} that the gradient of {node.op.shown} needs was overwritten.",
                                 node=f"{node.op.shown} -> {node.shape}", made_at=place(node.where),
                                 written=f"at {place(where)}" if where else None,
                                 fix="write after backward(), or into a copy: y = x.clone()"))


def _replay(edges: list[Any]) -> dict[Node, Any]:
    """Run the graph's primitives again on Tensors: node -> a vjp that takes and returns Tensors.

    A value that somebody still holds is used itself, so that it can be differentiated for; others are computed anew.
    """
    from . import ops
    nodes: set[Node] = set()
    stack = [tape._node(e) for e in edges if e is not None]
    while stack:
        node = stack.pop()
        if node not in nodes:
            nodes.add(node)
            stack += [tape._node(x) for x in node.inputs if isinstance(x, (Node, Port))]
    values: dict[Node, Any] = {}
    vjps: dict[Node, Any] = {}

    def value(x: Any) -> Any:
        if isinstance(x, Constant):
            return Tensor(x.data, False, x.device)
        if not isinstance(x, (Node, Port)):
            return x
        alive = x.ref() if x.ref is not None else None
        if alive is not None:
            return alive
        return values[x] if isinstance(x, Node) else values[x.node][x.index]

    for node in sorted(nodes, key=lambda n: n.id):
        if node.vjp is None:
            raise _freed(node)
        if not node.op.second:
            raise GradError(describe(f"{node.op.shown} has no second-order gradient.", made_at=place(node.where),
                                     fix="for create_graph=True use the readable form: fused=False, no mg.checkpoint"))
        for cell in _versions(node):
            raise _overwritten(node, None, cell[2])
        values[node], vjps[node] = node.op.fn(ops, *[value(x) for x in node.inputs], **node.kw)
    return vjps
