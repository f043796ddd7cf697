"""Stopping where it goes wrong: `with mg.debug(nan=True, readonly=True): ...`.

    nan       the first NaN or Inf, forward or backward, raises NonFiniteError with the node, the line and the operand
    readonly  arrays that a live graph saved cannot be written, by NumPy neither, until backward or the graph's end
    trace     keeps a light record (no arrays) of every primitive and of the last backward, for `mg.explain(p)` after it

Off, this costs the tape one comparison a node. On, nan looks at every value, which on a GPU waits for each of them.
"""
from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, TracebackType
from typing import Any

import numpy as np

from . import trace as watch
from .backend import owner
from .backward import _arrays, tape
from .debug_text import backward_text, born, forward_text, kind
from .errors import InplaceError, NonFiniteError, describe, place
from .tensor import Node, Op, Tensor
from .trace import Record, Watch, extent, watching


@contextmanager
def debug(nan: bool = True, readonly: bool = False, trace: bool = False) -> Iterator[Record | None]:
    """Watch every operation inside; see the head of this file for what each switch does.

    Gives the record of `trace` (print it: one line a primitive), or None.
    Raises NonFiniteError where a NaN or Inf is born; InplaceError where a saved array is written.
    Not stopped: an Inf made of an Inf operand (a mask's -Inf), for it was put there on purpose.
    """
    parts: list[Watch] = []
    locks, record = Locks() if readonly else None, Record() if trace else None
    if nan:
        parts.append(Finite())
    if locks is not None:
        parts.append(locks)
    if record is not None:
        watch.last = record
        parts.insert(0, record)                # it notes the visit that `nan` may end
    try:
        with watching(*parts):
            yield record
    except ValueError as error:
        if locks is not None and "read-only" in str(error):
            raise locks.refused(error.__traceback__) from error
        raise
    finally:
        if locks is not None:
            locks.release_all()


# ---------------------------------------------------------------------------------------------- NaN and Inf

class Finite(Watch):
    """Raises at the first value or gradient that is not finite although what it was made of is."""

    def value(self, op: Op, args: Any, result: Any) -> None:
        for y in result if isinstance(result, tuple) else (result,):
            bad = born(y.data, args)
            if bad is not None:
                raise NonFiniteError(forward_text(op, args, y.data, bad))

    def vjp(self, node: Node, vjp: Callable) -> Callable:
        def watched(g: Any) -> list[Any]:
            if not extent(g).finite:
                raise NonFiniteError(describe(
                    f"the gradient that reached {node.op.name} holds {kind(extent(g))}.",
                    made_at=place(node.where), likely="the gradient= of backward(), or a hook, brought it"))
            return [checked(i, target, g, gx)
                    for i, (target, gx) in enumerate(zip(node.inputs, vjp(g), strict=False))]

        def checked(i: int, target: Any, g: Any, gx: Any) -> Any:
            if type(gx) is FunctionType:
                return lambda: checked(i, target, g, gx())
            if gx is not None and not extent(gx).finite:
                raise NonFiniteError(backward_text(node, i, target, g, gx))
            return gx
        return watched


# ---------------------------------------------------------------------------------------------- read-only

class Locks(Watch):
    """Arrays in the closures of live vjps, locked by NumPy's flag until the vjp is freed (backward, or its last name).

    Views that were taken before the lock keep their own flag; a write through them the tape's version counter sees.
    """

    def __init__(self) -> None:
        self.held: dict[int, list[Any]] = {}   # id of the owner -> [how many vjps, the node's name, its place, arrays]
        self.vjps: dict[int, Any] = {}         # weak references with the callback that unlocks

    def value(self, op: Op, args: Any, result: Any) -> None:
        edge = (result[0] if isinstance(result, tuple) else result).edge
        if edge is None:
            return
        node = tape._node(edge)
        owners: set[int] = set()
        for cell in getattr(node.vjp, "__closure__", None) or ():
            for array in _arrays(cell.cell_contents):
                if isinstance(array, np.ndarray) and array.flags.writeable:
                    self._lock(array, node, owners)
                elif id(owner(array)) in self.held:
                    owners.add(id(owner(array)))
        if owners:
            for one in owners:
                self.held[one][0] += 1
            number = node.id
            self.vjps[number] = weakref.ref(node.vjp, lambda _: self._release(number, owners))

    def _lock(self, array: np.ndarray, node: Node, owners: set[int]) -> None:
        root = owner(array)
        entry = self.held.setdefault(id(root), [0, f"{node.op.name} -> {node.shape}", node.where, []])
        for a in (root, array):
            if isinstance(a, np.ndarray) and a.flags.writeable:
                a.flags.writeable = False
                entry[3].append(a)
        owners.add(id(root))

    def _release(self, number: int, owners: set[int]) -> None:
        self.vjps.pop(number, None)
        for one in owners & self.held.keys():
            self.held[one][0] -= 1
            if self.held[one][0] <= 0:
                self._unlock(one)

    def _unlock(self, one: int) -> None:
        for array in self.held.pop(one)[3]:    # the owner is first: a view can be unlocked only after it
            array.flags.writeable = True

    def release_all(self) -> None:
        """Unlock everything: the context is left."""
        self.vjps.clear()
        for one in list(self.held):
            self._unlock(one)

    def write(self, tensor: Tensor, name: str) -> None:
        entry = self.held.get(id(owner(tensor.data)))
        if entry is not None:
            what = f"a value {tuple(tensor.shape)}"
            raise InplaceError(self._text(f"{name} would overwrite {what} that a live graph needs.", entry,
                                          tape.caller()))

    def refused(self, traceback: TracebackType | None) -> InplaceError:
        """NumPy's "read-only" as an error that names the line, and the node that needs the value."""
        where, entry, name = None, None, "NumPy"
        while traceback is not None:
            frame = traceback.tb_frame
            if not tape._inside[frame.f_code.co_filename]:
                where = (frame.f_code, traceback.tb_lasti)
                words = re.findall(r"\w+", place(where) or "")
                for local, value in {**frame.f_globals, **frame.f_locals}.items():
                    array = value.data if isinstance(value, Tensor) else value
                    if local in words and isinstance(array, np.ndarray) and id(owner(array)) in self.held:
                        entry, name = self.held[id(owner(array))], f"NumPy (perhaps through {local})"
            traceback = traceback.tb_next
        return InplaceError(self._text(f"{name} would overwrite a value that a live graph needs.", entry, where))

    def _text(self, headline: str, entry: list[Any] | None, where: Any) -> str:
        return describe(headline, written=f"at {place(where)}" if where else None, node=entry[1] if entry else None,
                        made_at=place(entry[2]) if entry else None,
                        fix="write after backward(), or into a copy: y = x.clone()")
