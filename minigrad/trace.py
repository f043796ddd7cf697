"""Watching the tape: what `mg.debug` and `mg.explain` see, as numbers that hold no array.

The tape has one module variable, `tensor._watch`. It is None, and costs one comparison, unless `watching` set it; then
it is shown each value, each vjp before it is called, and each write in place.
"""
from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from . import backend, backward
from .backward import tape
from .errors import place
from .tensor import Node, Op, Port, Tensor

last: Record | None = None                     # of the newest `mg.debug(trace=True)`; `mg.explain` reads it


class Watch:
    """What may be watched; each method does nothing until a subclass says otherwise."""

    def value(self, op: Op, args: Any, result: Any) -> None:
        """A primitive made result (a Tensor, or a tuple of them) of args."""

    def vjp(self, node: Node, vjp: Callable) -> Callable:
        """Backward is about to call node's vjp: what is returned is called instead."""
        return vjp

    def write(self, tensor: Tensor, name: str) -> None:
        """The method `name` is about to write into tensor's memory."""


class Several(Watch):
    """Watches one after another."""

    def __init__(self, *parts: Watch | None) -> None:
        self.parts = [p for p in parts if p is not None]

    def value(self, op: Op, args: Any, result: Any) -> None:
        for part in self.parts:
            part.value(op, args, result)

    def vjp(self, node: Node, vjp: Callable) -> Callable:
        for part in self.parts:
            vjp = part.vjp(node, vjp)
        return vjp

    def write(self, tensor: Tensor, name: str) -> None:
        for part in self.parts:
            part.write(tensor, name)


@contextmanager
def watching(*parts: Watch, alone: bool = False) -> Iterator[None]:
    """Show the tape's work to these too; alone: to these only."""
    before = tape._watch
    tape._watch = Several(None if alone else before, *parts)
    try:
        yield
    finally:
        tape._watch = before


def host(array: Any) -> np.ndarray:
    """An array, number or Tensor of any device as a NumPy array."""
    array = array.data if isinstance(array, Tensor) else array
    for device in backend._devices.values():
        if type(array) is device.array:
            return device.numpy(array)
    return np.asarray(array)


class Extent(NamedTuple):
    """An array in five numbers: entries, zeros, NaNs, infinities, and the largest finite magnitude."""

    size: int
    zeros: int
    nans: int
    infs: int
    top: float

    @property
    def zero(self) -> bool:
        """Is every entry exactly 0?"""
        return self.zeros == self.size

    @property
    def finite(self) -> bool:
        """Is no entry NaN or infinite?"""
        return not self.nans and not self.infs


def extent(value: Any) -> Extent:
    """The five numbers; of several arrays (a node with ports) together."""
    if isinstance(value, (list, tuple)):
        return union([extent(v) for v in value if v is not None])
    array = host(value)
    if array.dtype.kind != "f" or not array.size:
        return Extent(array.size, int((array == 0).sum()), 0, 0, float(np.abs(array).max()) if array.size else 0.0)
    good = np.isfinite(array)
    nans = int(np.isnan(array).sum())
    return Extent(array.size, int((array == 0).sum()), nans, int(array.size - good.sum()) - nans,
                  float(np.abs(np.where(good, array, 0)).max()))


def union(parts: list[Extent]) -> Extent:
    """Several arrays as one."""
    return Extent(sum(p.size for p in parts), sum(p.zeros for p in parts), sum(p.nans for p in parts),
                  sum(p.infs for p in parts), max((p.top for p in parts), default=0.0))


class Step(NamedTuple):
    """One primitive of a forward pass."""

    op: str
    operands: tuple
    shape: tuple
    where: Any
    scope: str
    extent: Extent
    recorded: bool

    def __str__(self) -> str:
        flag = "" if self.recorded else "  (not recorded)"
        return f"{self.op:<10} {' '.join(map(str, self.operands))} -> {self.shape}  {place(self.where) or ''}{flag}"


class Part(NamedTuple):
    """A gradient that a node sent to one of its inputs. target: a node's number, or ("leaf", id).

    flat: in how many entries a gradient arrived and none was passed on (None where the shapes differ).
    """

    operand: int
    target: Any
    extent: Extent
    flat: int | None
    leaf: Any


class Visit:
    """A node as backward passed it: where it was made, the gradient that came, and those that went on."""

    __slots__ = ("id", "op", "where", "scope", "shape", "came", "parts")

    def __init__(self, node: Node, came: Extent) -> None:
        self.id, self.op, self.where, self.scope, self.shape = node.id, node.op.name, node.where, node.scope, node.shape
        self.came = came
        self.parts: list[Part] = []

    def __str__(self) -> str:
        return f"{self.op:<10} {self.shape}  max |g| {self.came.top:.3g}  {place(self.where) or ''}"


def key(target: Any) -> Any:
    """How a record names an input without holding it."""
    return target.id if type(target) is Node else target.node.id if type(target) is Port else ("leaf", id(target))


class Record(Watch):
    """The light record: a Step for each primitive, a Visit for each node of the last backward pass, no arrays."""

    def __init__(self, forward: bool = True) -> None:
        self.forward = forward
        self.steps: list[Step] = []
        self.visits: list[Visit] = []
        self._used: dict[int, tuple[Any, list[Step]]] = {}
        self._depth, self._ahead, self._sweeps = 0, False, 0    # vjps that are running; values since the last of them

    @property
    def current(self) -> bool:
        """Did no backward pass run that this record has not seen?"""
        return self._sweeps == backward._sweeps

    def value(self, op: Op, args: Any, result: Any) -> None:
        if not self.forward:
            return
        self._ahead, self._sweeps = self._ahead or not self._depth, backward._sweeps
        ys = result if isinstance(result, tuple) else (result,)
        step = Step(op.name, tuple(tuple(a.shape) for a in args if hasattr(a, "shape")), tuple(ys[0].shape),
                    tape.caller(), tape._scope, extent([y.data for y in ys]), ys[0].edge is not None)
        self.steps.append(step)
        for x in args:
            if isinstance(x, Tensor) and x.edge is None and x.requires_grad:
                self._used.setdefault(id(x), (weakref.ref(x), []))[1].append(step)

    def uses(self, leaf: Tensor) -> list[Step]:
        """The primitives that took this leaf."""
        ref, steps = self._used.get(id(leaf), (None, []))
        return steps if ref is not None and ref() is leaf else []

    def vjp(self, node: Node, vjp: Callable) -> Callable:
        def watched(g: Any) -> list[Any]:
            if self._ahead and not self._depth:            # a new forward pass: the old backward is history
                self.visits, self._ahead = [], False
            visit = Visit(node, extent(g))
            self.visits.append(visit)
            self._depth += 1                               # a checkpoint computes and walks inside its vjp
            try:
                found = vjp(g)
            finally:
                self._depth -= 1
                self._sweeps = backward._sweeps
            return [self._seen(visit, i, target, g, gx)
                    for i, (target, gx) in enumerate(zip(node.inputs, found, strict=False))]
        return watched

    def _seen(self, visit: Visit, i: int, target: Any, g: Any, gx: Any) -> Any:
        if gx is None or not isinstance(target, (Node, Port, Tensor)):
            return gx
        if type(gx) is FunctionType:           # the tape calls it, now that it is wanted
            def later() -> Any:
                found = gx()
                self._note(visit, i, target, g, found)
                return found
            return later
        self._note(visit, i, target, g, gx)
        return gx

    def _note(self, visit: Visit, i: int, target: Any, g: Any, gx: Any) -> None:
        flat = None
        if not isinstance(g, list) and tuple(g.shape) == tuple(gx.shape):
            flat = int(((host(g) != 0) & (host(gx) == 0)).sum())
        visit.parts.append(Part(i, key(target), extent(gx), flat,
                                weakref.ref(target) if isinstance(target, Tensor) else None))

    def __str__(self) -> str:
        lines = [f"{i:5d} {s}" for i, s in enumerate(self.steps)]
        return "\n".join([*lines, *(["backward:"] if self.visits else []), *(f"      {v}" for v in self.visits)])
