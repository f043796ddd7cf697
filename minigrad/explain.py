"""Why is this gradient None, zero, NaN or huge?  `print(mg.explain(p, loss))` names the node and the line.

Before backward it walks the live graph (the values once more, and a backward pass that frees and stores nothing). After
backward the graph is gone; then `mg.explain(p)` reads what `mg.debug(trace=True)` kept, or says what p itself tells.
KTH, *Exploding and vanishing gradients*: a gradient through time is a product of Jacobians, so it shrinks or grows by a
factor a step; the factor is what is shown.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import backward
from . import trace as watch
from .backend import owner
from .backward import tape
from .debug_text import CAUSES, born, forward_text
from .errors import describe, place
from .memory import graph_nodes
from .tensor import Constant, Node, Port, Tensor, Untracked, no_grad
from .trace import Extent, Part, Record, Visit, extent, union, watching

HUGE, TINY = 1e3, 1e-7                         # the largest entry from which on a gradient is called so
FLAT = 0.5                                     # the share of entries without a slope that is worth a line

# Operations whose derivative can be 0: what it means there, and what helps.
DEAD = {
    "tanh": ("saturated: tanh' = 1 - y^2 is 0 where |y| = 1", "smaller weights or inputs; normalise before the tanh"),
    "sigmoid": ("saturated: y (1 - y) is 0 where y is 0 or 1",
                "smaller weights or inputs; binary_cross_entropy_with_logits on the scores"),
    "relu": ("dead units: relu' is 0 where the input is not above 0",
             "a smaller learning rate, a bias above 0, leaky_relu"),
    "leaky_relu": ("a negative slope of 0", "a negative_slope above 0"),
    "clip": ("every entry was clipped", "wider limits; or clip gradients, not values"),
    "where": ("masked: the condition chose the other side everywhere", "look at the mask: True where the value counts"),
    "masked_fill": ("masked: every entry was filled", "look at the mask: True where the value is to be replaced"),
    "mul": ("multiplied by 0: a mask, or a factor that is 0 (zero initial weights)", "look at the other operand"),
    "matmul": ("multiplied by a matrix of zeros", "initial weights that are not all 0"),
    "softmax": ("saturated: one entry is 1 and the others 0", "smaller scores: divide them by sqrt(d)"),
    "amax": ("another entry is the largest", "mean or logsumexp let every entry through"),
    "maximum": ("the other operand is larger everywhere", "look at the other operand"),
    "minimum": ("the other operand is smaller everywhere", "look at the other operand"),
    "sign": ("sign' is 0 everywhere", "tanh is a sign with a slope"),
    "getitem": ("the index took entries that do not depend on it", "look at the index"),
}


@dataclass
class Explanation:
    """What `explain` found. kind: "none", "zero", "nan", "huge", "tiny" or "fine"; print it for the whole text."""

    kind: str
    text: str
    path: list[Visit] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def explain(tensor: Tensor, loss: Tensor | None = None) -> Explanation:
    """Why tensor's gradient is None, zero, NaN, huge or tiny: the cause, the node and the line that made it.

    loss: walks its live graph, before backward() (or after backward(retain_graph=True)); nothing is freed or stored,
    hooks are not called. Without it, or once the graph is freed: what the newest `mg.debug(trace=True)` kept, if any.
    Huge is above 1e3, tiny below 1e-7, of the largest entry.
    """
    if loss is not None and loss.edge is not None and tape._node(loss.edge).vjp is not None:
        return _live(tensor, loss)
    if not tensor.requires_grad:
        return _untracked(tensor)
    if loss is not None and not loss.requires_grad:
        return _silent(tensor, loss)
    record = watch.last
    if record is not None and not record.current:
        record = None                          # a backward pass ran since, without being watched
    if record is not None and record.visits:
        return _judge(tensor, tensor.grad, record.visits, record, None)
    return _alone(tensor, loss, record)


def _answer(state: str, headline: str, tensor: Tensor, path: Sequence[Visit] = (), **lines: str | None) -> Explanation:
    return Explanation(state, describe(headline, tensor=f"{tuple(tensor.shape)}" + (
        f" from {made}" if (made := tensor._made()) else ""), **lines), list(path))


# ---------------------------------------------------------------------------------------------- without a graph

def _untracked(tensor: Tensor) -> Explanation:
    if isinstance(tensor.where, Untracked):
        return _answer("none", "the gradient is None: this tensor was cut from its history.", tensor,
                       likely="detach(), no_grad(), or an operation without a gradient (argmax)",
                       fix="use the tensor that it was made of")
    if tensor.dtype.kind != "f":
        return _answer("none", f"the gradient is None: {tensor.dtype} tensors have none.", tensor,
                       fix="cast it before use: x.to(mg.float32)")
    return _answer("none", "the gradient is None: requires_grad is False.", tensor,
                   fix="x.requires_grad_() before the forward pass; or nn.Parameter(x) in a module")


def _silent(tensor: Tensor, loss: Tensor) -> Explanation:
    cut = isinstance(loss.where, Untracked)
    return _answer("none", "no gradient can come from this loss: it is not tracked.", tensor, loss=loss._made(),
                   likely="its history was cut there, by no_grad() or detach()" if cut else
                   "it was computed from nothing that requires a gradient",
                   fix="compute the loss outside of no_grad(), from the parameters themselves")


def _computed(tensor: Tensor) -> Explanation:
    return _answer("none", "the gradient is None: this tensor is not a leaf, and only leaves keep theirs.", tensor,
                   likely="the name was given to a computed value, as in w = randn(..., requires_grad=True) * 0.1",
                   fix="w = (...).detach().requires_grad_(); or w.retain_grad() before backward, or mg.grad(loss, w)")


def _alone(tensor: Tensor, loss: Tensor | None, record: Record | None) -> Explanation:
    """What a tensor tells by itself, after backward or before it."""
    g = tensor.grad
    freed = tape._node(loss.edge).freed if loss is not None and loss.edge is not None else None
    gone = f"by {place(freed[1])}" if freed is not None else None
    more = "mg.explain(p, loss) before backward(), or with mg.debug(trace=True): around the step"
    if g is None:
        if tensor.edge is not None:
            return _computed(tensor)
        if record is not None and record.steps:
            return _outside(tensor, [], record)
        return _answer("none", "the gradient is None: no backward() has reached this leaf.", tensor, freed=gone,
                       likely="backward() was not called, zero_grad() was, or the leaf is not part of the loss's graph",
                       fix=more)
    state = _state(extent(g.data))
    size = extent(g.data)
    headline = {"nan": f"the gradient holds {size.nans} NaN and {size.infs} Inf in {size.size} entries.",
                "zero": f"the gradient is 0 in all {size.size} entries.",
                "huge": f"the gradient is huge: up to {size.top:.3g}.",
                "tiny": f"the gradient is tiny: {size.top:.3g} at most.",
                "fine": f"the gradient is in order: up to {size.top:.3g}, 0 in {size.zeros} of {size.size} entries."}
    return _answer(state, headline[state], tensor, freed=gone, fix=None if state == "fine" else f"for the line: {more}")


def _state(found: Extent) -> str:
    if not found.finite:
        return "nan"
    if found.zero:
        return "zero"
    return "huge" if found.top > HUGE else "tiny" if found.top < TINY else "fine"


# ---------------------------------------------------------------------------------------------- the live graph

def _live(tensor: Tensor, loss: Tensor) -> Explanation:
    nodes = graph_nodes([loss])
    inside = (tape._node(tensor.edge) in nodes if tensor.edge is not None else
              any(x is tensor for n in nodes for x in n.inputs))
    if not inside:
        if not tensor.requires_grad and not _enters(tensor, nodes):
            return _untracked(tensor)
        return _outside(tensor, nodes, watch.last)
    record = Record(forward=False)
    hooks, passes = [(n, n.hooks) for n in nodes], backward._sweeps
    for n in nodes:
        n.hooks = None
    try:
        with watching(record, alone=True):
            seeds = [(loss, backward._seed(loss, None))]
            found = backward._sweep(seeds, [tensor], True, False).get(id(tensor))
    finally:
        backward._sweeps = passes
        for n, kept in hooks:
            n.hooks = kept
    if tensor.edge is not None and tensor.grad is None and not any(h for n, h in hooks if n is tensor.edge):
        own = _computed(tensor)
        if found is None or _state(extent(found[1].data)) == "fine":
            return own
    return _judge(tensor, found[1] if found is not None else None, record.visits, None, nodes)


def _enters(tensor: Tensor, nodes: list[Node]) -> list[tuple[Node, int, Constant]]:
    """Where the very memory of tensor enters a graph as a constant."""
    root = owner(tensor.data)
    return [(n, i, x) for n in nodes for i, x in enumerate(n.inputs)
            if isinstance(x, Constant) and (x.version is tensor.version or owner(x.data) is root)]


def _outside(tensor: Tensor, nodes: list[Node], record: Record | None) -> Explanation:
    """tensor is not part of the graph: was it detached, used under no_grad, replaced, or never used?"""
    headline = "the gradient is None: this tensor is not part of the loss's graph."
    for n, i, x in _enters(tensor, nodes):
        if not tensor.requires_grad and not isinstance(tensor.where, Untracked):
            return _answer("none", "the gradient is None: requires_grad is False.", tensor, used_at=place(n.where),
                           fix="x.requires_grad_() before the forward pass; or nn.Parameter(x) in a module")
        cut = isinstance(x.where, Untracked)
        return _answer("none", headline, tensor, enters=f"{'detached' if cut else 'as plain data'}, operand {i + 1} of "
                       f"{n.op.name} -> {n.shape}", used_at=place(n.where), cut=f"at {place(x.where)}" if cut else None,
                       fix="use the tensor itself, not its detach(), .data or numpy()")
    uses = record.uses(tensor) if record is not None else []
    silent = [s for s in uses if not s.recorded]
    if uses and len(silent) == len(uses):
        return _answer("none", headline, tensor, used=f"{len(uses)} times, never recorded; first by {uses[0].op}",
                       used_at=place(uses[0].where), likely="the forward pass ran under no_grad()",
                       fix="leave no_grad() out around what is to be trained")
    cuts = {place(x.where): (n, x) for n in nodes for x in n.inputs
            if isinstance(x, Constant) and isinstance(x.where, Untracked) and x.data.dtype.kind == "f"}
    if cuts:
        line, (n, x) = next(iter(cuts.items()))
        return _answer("none", headline, tensor, cut=f"at {line}", used_at=place(n.where),
                       enters=f"a {tuple(x.data.shape)} without history, in {n.op.name} -> {n.shape}",
                       others=f"{len(cuts) - 1} more such lines" if len(cuts) > 1 else None,
                       likely="its use lies behind a detach() or under no_grad()",
                       fix="leave detach() or no_grad() out on the way from this tensor to the loss")
    twins = {id(x): x for n in nodes for x in n.inputs
             if isinstance(x, Tensor) and x.requires_grad and x.shape == tensor.shape}
    twin = next(iter(twins.values()), None)
    if twin is not None:
        return _answer("none", headline, tensor, instead=f"a leaf of the same shape, from {twin._made()}",
                       likely="another tensor took its place: its name was set anew after the optimiser was built",
                       fix="write into it under no_grad(), as in p.copy_(...), instead of replacing it")
    return _answer("none", headline, tensor, likely="it was not used, or its use does not reach the loss",
                   fix="follow it from forward() to the loss; mg.viz.graph(loss) draws what is there")


# ---------------------------------------------------------------------------------------------- the verdict

def _judge(tensor: Tensor, g: Tensor | None, visits: list[Visit], record: Record | None,
           nodes: list[Node] | None) -> Explanation:
    path = _path(tensor, visits)
    if g is None and path:
        sent = [p.extent for v in path for p in v.parts if _is(p, tensor)]
        state = _state(union(sent))
        if record is not None and tensor.edge is not None and state == "fine":
            return _computed(tensor)
    elif g is None:
        return _outside(tensor, nodes or [], record) if tensor.edge is None else _computed(tensor)
    else:
        state = _state(extent(g.data))
    found = extent(g.data) if g is not None else union(sent)
    if state == "nan":
        return _nan(tensor, found, path, nodes, record)
    growth = _growth(path)
    if state == "zero":
        return _zero(tensor, found, path, growth)
    flat = _flattest(path)
    if state == "huge":
        return _answer(state, f"the gradient is huge: up to {found.top:.3g}.", tensor, path, grows=growth,
                       largest=None if growth else _jump(path),
                       likely="a product of Jacobians, one a step, each larger than 1" if growth else
                       "a large slope at one line, or a sum over many terms",
                       fix="clip_grad_norm_(parameters, 1.0); smaller or orthogonal initial weights; fewer steps"
                       if growth else "smaller values at that line, or clip_grad_norm_(parameters, 1.0)")
    if state == "tiny":
        return _answer(state, f"the gradient is tiny: {found.top:.3g} at most.", tensor, path, shrinks=growth,
                       flat=flat, likely="a product of Jacobians, one a step, each smaller than 1" if growth else None,
                       fix="LSTM or GRU, orthogonal initial weights, or fewer steps between loss and input" if growth
                       else "a larger scale of the loss, or a mean over fewer terms")
    return _answer(state, f"the gradient is in order: up to {found.top:.3g}, 0 in {found.zeros} of {found.size} "
                   "entries.", tensor, path, flat=flat)


def _is(part: Part, tensor: Tensor) -> bool:
    return part.leaf is not None and part.leaf() is tensor


def _path(tensor: Tensor, visits: list[Visit]) -> list[Visit]:
    """The visits that lie between the loss and tensor, the newest first."""
    goal = tape._node(tensor.edge).id if tensor.edge is not None else None
    on: set[Any] = set()
    for v in reversed(visits):
        if any(_is(p, tensor) or p.target == goal or p.target in on for p in v.parts):
            on.add(v.id)
    return [v for v in visits if v.id in on]


def _onward(v: Visit, tensor: Tensor, on: set[Any]) -> list[Part]:
    goal = tape._node(tensor.edge).id if tensor.edge is not None else None
    return [p for p in v.parts if _is(p, tensor) or p.target == goal or p.target in on]


def _zero(tensor: Tensor, found: Extent, path: list[Visit], growth: str | None) -> Explanation:
    """Where the gradient became 0: at one operation, by underflow, or as a sum that cancels."""
    on = {v.id for v in path}
    headline = f"the gradient is 0 in all {found.size} entries."
    dead = [v for v in path if not v.came.zero and all(p.extent.zero for p in _onward(v, tensor, on))]
    dead.sort(key=lambda v: v.op == "checkpoint")          # rather the node inside of it
    if not dead:
        return _answer("zero", headline, tensor, path,
                       likely="several paths reach this tensor and cancel, or the loss does not depend on its value",
                       fix="mg.viz.step(loss) shows the gradients that are added")
    v = dead[0]
    line = f"{v.op} -> {v.shape}{_in(v)}, where {v.came.top:.3g} came and 0 went on"
    more = f"{len(dead) - 1} more such nodes" if len(dead) > 1 else None
    if v.came.top < 1e-30:
        return _answer("zero", headline, tensor, path, dies_in=line, made_at=place(v.where), shrinks=growth,
                       likely="underflow: through time the gradient shrank below what the dtype holds",
                       fix="LSTM or GRU, orthogonal initial weights, or fewer steps between loss and input")
    part = _onward(v, tensor, on)[0]
    share = f"in {part.flat} of {v.came.size} entries the slope is 0" if part.flat else None
    likely, fix = DEAD.get(v.op, ("the derivative is 0 there", None))
    return _answer("zero", headline, tensor, path, dies_in=line, made_at=place(v.where), slope=share, also=more,
                   likely=likely, fix=fix)


def _in(v: Visit) -> str:
    """The module that ran, if one did."""
    return f" in {v.scope}" if v.scope else ""


def _flattest(path: list[Visit]) -> str | None:
    """The node that passes least: its share of entries where a gradient came and 0 went on."""
    shares = [(p.flat / v.came.size, v) for v in path for p in v.parts if p.flat and v.came.size]
    share, v = max(shares, key=lambda s: s[0], default=(0.0, None))
    return f"{v.op} passes nothing in {share:.0%} of its entries, {place(v.where)}" if v and share >= FLAT else None


def _growth(path: list[Visit]) -> str | None:
    """The factor a step, along the line that made the most nodes (at least three of one operation)."""
    groups: dict[tuple[str, str], list[Visit]] = {}
    for v in path:
        if v.came.top > 0 and v.came.finite:
            groups.setdefault((v.op, place(v.where) or ""), []).append(v)
    (op, line), series = max(groups.items(), key=lambda item: len(item[1]), default=(("", ""), []))
    if len(series) < 3:
        return None
    rate = (series[-1].came.top / series[0].came.top) ** (1 / (len(series) - 1))
    ends = f"from {series[0].came.top:.3g} to {series[-1].came.top:.3g}"
    return f"by {rate:.3g} a step over {len(series)} steps, {ends}, at {op}: {line}"


def _jump(path: list[Visit]) -> str | None:
    """The single node that multiplied the gradient most."""
    jumps = [(max((p.extent.top for p in v.parts), default=0) / v.came.top, v) for v in path if v.came.top > 0]
    factor, v = max(jumps, key=lambda j: j[0], default=(0.0, None))
    return f"{v.op} multiplied it by {factor:.3g}, {place(v.where)}" if v and factor > 2 else None


# ---------------------------------------------------------------------------------------------- NaN and Inf

def _nan(tensor: Tensor, found: Extent, path: list[Visit], nodes: list[Node] | None,
         record: Record | None) -> Explanation:
    headline = f"the gradient holds {found.nans} NaN and {found.infs} Inf in {found.size} entries."
    if nodes is not None:
        text = _born_forward(nodes)
        if text is not None:
            first, *rest = text.split("\n")
            return Explanation("nan", "\n".join([headline, f"  born in forward: {first}", *rest]), path)
    elif record is not None:
        step = next((s for s in record.steps if not s.extent.finite), None)
        if step is not None:
            likely, fix = CAUSES.get(step.op, (None, None))
            return _answer("nan", headline, tensor, path, born_in=f"forward, by {step.op} -> {step.shape}",
                           made_at=place(step.where), likely=likely, fix=fix)
    for v in path:
        bad = [p for p in v.parts if not p.extent.finite]
        if v.came.finite and bad:
            likely, fix = CAUSES.get(v.op, (None, None))
            what = f"the gradient of {v.op} -> {v.shape}{_in(v)} for operand {bad[0].operand + 1}"
            return _answer("nan", headline, tensor, path, born_in=f"backward, by {what}", made_at=place(v.where),
                           grows=_growth(path), likely=likely, fix=fix)
    return _answer("nan", headline, tensor, path, fix="mg.debug(nan=True) around the step stops at the first")


def _born_forward(nodes: list[Node]) -> str | None:
    """Compute every value once more, in order, and stop at the first NaN or Inf that finite operands made."""
    values: dict[Node, Any] = {}

    def tensor(x: Any) -> Any:
        if isinstance(x, Node):
            return values[x]
        if isinstance(x, Port):
            return values[x.node][x.index]
        return Tensor(x.data, False, x.device) if isinstance(x, Constant) else x

    for node in nodes:
        args = [tensor(x) for x in node.inputs]
        with no_grad(), watching(alone=True):
            y = tape.record(node.op, args, node.kw, onto=node.kw.get("target") if node.op.name == "_move" else None)
        for one in y if isinstance(y, tuple) else (y,):
            at = born(one.data, args)
            if at is not None:
                return forward_text(node.op, args, one.data, at, node.where)
        values[node] = y
    return None
