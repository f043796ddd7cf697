"""The tape, first half: what a Tensor is, and how a computation is recorded.

Recording is here, walking backward is in `backward.py`. A primitive is a pure function of a namespace and arrays;
it returns its value and its vjp, the function that turns the gradient of the value into the gradients of the arguments
(`ops.py` holds them):

    @primitive
    def tanh(xp, a):
        '''y = tanh a;  da = g (1 - y^2)'''
        y = xp.tanh(a)
        return y, lambda g: (g * (1 - y * y),)

Everything that primitives share is in these two files, once: dtypes, devices, un-broadcasting, accumulation,
provenance, mutation checks, freeing. A Tensor holds its Node, a Node holds its inputs' nodes and its vjp, and no Node
holds its output: there are no reference cycles, so memory goes back when the last name goes.
"""
from __future__ import annotations

import functools
import itertools
import os
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from .backend import Device, cpu, device, owner
from .errors import (
    DeviceError,
    DTypeError,
    GradError,
    IndexRangeError,
    InplaceError,
    MinigradError,
    ShapeError,
    describe,
    place,
    shape_list,
)
from .handle import Handle

if TYPE_CHECKING:
    from .operators import Operators  # what `ops.py` attaches, for type checkers
else:
    Operators = object

# ---------------------------------------------------------------------------------------------- state

_next = itertools.count(1).__next__            # one clock for nodes and mutations: creation order is the tape's order
_recording = True
_last_write = 0                                # the clock at the last in-place write
_watch: Any = None                             # what `mg.debug` set: it is shown every value, vjp and write (debug.py)
_scope = ""                                    # dotted name of the module that is running (nn/module.py sets it)
_default_dtype = np.dtype(np.float32)
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_NUMPY = os.path.dirname(np.__file__) + os.sep     # np.sum(x) calls x.sum: the line to show is the one before
_USER_PARTS = tuple(_PACKAGE + part + os.sep for part in ("models", "experiments"))


class _Inside(dict):
    """filename -> is it the engine's or NumPy's?  Models and experiments count as user code: their lines are shown."""

    def __missing__(self, name: str) -> bool:
        self[name] = answer = name.startswith((_PACKAGE, _NUMPY)) and not name.startswith(_USER_PARTS)
        return answer


_inside = _Inside()


def caller() -> tuple[CodeType, int] | None:
    """The first frame outside of the engine as (code, instruction); `errors.place` turns it into a line later."""
    frame = sys._getframe(1)
    while frame is not None and _inside[frame.f_code.co_filename]:
        frame = frame.f_back                   # type: ignore[assignment]  # None below the bottom frame
    return (frame.f_code, frame.f_lasti) if frame is not None else None


def set_default_dtype(dtype: Any) -> None:
    """The float type that Python numbers and lists become: float32 unless set."""
    global _default_dtype
    if np.dtype(dtype).kind != "f":
        raise DTypeError(describe(f"the default dtype must be a float type, not {np.dtype(dtype)}."))
    _default_dtype = np.dtype(dtype)


def get_default_dtype() -> np.dtype:
    """The float type that Python numbers and lists become."""
    return _default_dtype


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside: values only. A context manager and a decorator; one setting for all threads."""
    global _recording
    before, _recording = _recording, False
    try:
        yield
    finally:
        _recording = before


def is_grad_enabled() -> bool:
    """Is the tape recording?"""
    return _recording


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Nodes made inside carry the module's name, and show it in errors and drawings."""
    global _scope
    before = _scope
    _scope = f"{before}.{name}" if before else name
    try:
        yield
    finally:
        _scope = before


# ---------------------------------------------------------------------------------------------- the graph

class Node:
    """One recorded operation.

    inputs: for each argument a Node or Port (recorded), a Tensor (a leaf), a Constant, or a plain Python value.
    shape, dtype: of the output; version: its mutation cell; ref: a weak reference to the output Tensor.
    """

    __slots__ = ("id", "op", "kw", "inputs", "vjp", "shape", "dtype", "version", "ref", "where", "scope", "hooks",
                 "ports", "freed")

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def __repr__(self) -> str:
        return f"<{self.op.name} -> {self.shape}>"


class Port:
    """One output of a node that has several (split, unbind, a whole RNN)."""

    __slots__ = ("node", "index", "shape", "dtype", "version", "ref")

    if TYPE_CHECKING:
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...


class Constant:
    """An argument that is not tracked: kept so that second order can call the primitive again."""

    __slots__ = ("data", "version", "device", "where")

    def __init__(self, data: Any, version: list, device: Device, where: Any) -> None:
        self.data, self.version, self.device, self.where = data, version, device, where


class Untracked(tuple):
    """The place of a value that has no gradient although its operand has one: `detach`, no_grad, argmax."""


class Tensor(Operators):
    """An array that remembers how it was made.

    data: the array (NumPy, CuPy or the strict double).  grad: a Tensor of the same shape and dtype after backward(), or
    None.  requires_grad: is a gradient wanted?  device: where it lives.  Build one with `minigrad.tensor`.
    """

    __slots__ = ("data", "grad", "requires_grad", "device", "edge", "version", "where", "hooks", "__weakref__")
    __array_ufunc__ = None                     # ndarray * Tensor must reach Tensor.__rmul__

    def __init__(self, data: Any, requires_grad: bool = False, device: Device = cpu) -> None:
        if requires_grad and data.dtype.kind != "f":
            raise DTypeError(describe(f"only float tensors have gradients, and this one is {data.dtype} {data.shape}.",
                                      made_at=place(caller()), fix="cast it: x.to(mg.float32)"))
        self.data = data
        self.grad: Tensor | None = None
        self.requires_grad = requires_grad
        self.device = device
        self.edge: Node | Port | None = None
        self.version: list = [0, 0, None]      # when it was last written in place, which memory, and where
        self.where = caller()
        self.hooks: dict | None = None

    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    dtype = property(lambda self: self.data.dtype)
    is_leaf = property(lambda self: self.edge is None)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        body = np.array2string(self.device.numpy(self.data), separator=", ", precision=4, prefix="tensor(")
        extras = [f"device='{self.device.name}'"] if self.device is not cpu else []
        extras += [f"dtype={self.dtype}"] if self.dtype != _default_dtype else []
        if self.edge is not None:
            extras.append(f"made by {_node(self.edge).op.name}")
        elif self.requires_grad:
            extras.append("requires_grad=True")
        return f"tensor({', '.join([body, *extras])})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ShapeError(describe(f"{self.data.size} values are not one truth.", made_at=self._made(),
                                      fix="(a == b).all(), or (a == b).any()"))
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"a {self.dtype} tensor cannot be an index")
        return int(self.item())

    def item(self) -> Any:
        """The single value as a Python number. Raises ShapeError if there are several."""
        if self.data.size != 1:
            raise ShapeError(describe(f"item() needs one value, and there are {self.data.size}.",
                                      fix="reduce first: x.sum() or x.mean()"))
        return self.data.item()

    def tolist(self) -> Any:
        """Nested Python lists of the values."""
        return self.data.tolist()

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array that shares memory (on cpu) or is copied from the device.

        Raises GradError on a tracked tensor: what NumPy computes is not recorded, so the gradient would end silently.
        """
        if self.requires_grad:
            raise GradError(describe("numpy() on a tensor that requires a gradient: NumPy would not record it.",
                                     made_at=self._made(), fix="x.detach().numpy()"))
        return self.device.numpy(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.device is not cpu:
            raise DeviceError(describe(f"NumPy cannot see a tensor on {self.device.name!r}.",
                                       made_at=self._made(), fix="x.detach().cpu().numpy(), which copies"))
        array = self.numpy()
        return np.array(array, dtype=dtype) if copy else np.asarray(array, dtype=dtype)

    def detach(self) -> Tensor:
        """The same values, outside of the graph. Shares memory, and the mutation check."""
        out = Tensor(self.data, False, self.device)
        out.version = self.version
        if self.requires_grad and out.where is not None:
            out.where = Untracked(out.where)
        return out

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for a gradient of this leaf, or no longer. Raises GradError on a recorded tensor."""
        if self.edge is not None:
            raise GradError(describe("requires_grad_() is for leaves, and this tensor was computed.",
                                     made_at=self._made(), fix="x = x.detach() makes a leaf"))
        if requires_grad and self.dtype.kind != "f":
            raise DTypeError(describe(f"only float tensors have gradients, and this one is {self.dtype}.",
                                      fix="cast it: x.to(mg.float32)"))
        self.requires_grad = requires_grad
        return self

    def to(self, target: Any) -> Tensor:
        """On another device (`"cuda"`), or of another dtype (`mg.float64`). Gradients come back to the original."""
        from . import ops
        where = destination(target)
        return ops.move(self, where) if isinstance(where, Device) else ops.astype(self, where)

    def cpu(self) -> Tensor:
        """On the host."""
        return self.to("cpu")

    def backward(self, gradient: Tensor | None = None, retain_graph: bool = False, create_graph: bool = False) -> None:
        """Add d(self)/d(leaf) to `.grad` of every leaf that requires it, and free the graph.

        gradient: of the loss with respect to this tensor, same shape; needed unless it is a single value.
        retain_graph: keep the saved values for another backward.  create_graph: record the backward itself.
        Raises GradError (not a scalar, or not tracked), GraphFreedError, InplaceError.
        """
        from .backward import accumulate
        accumulate(self, gradient, retain_graph or create_graph, create_graph)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call hook(gradient) when this tensor's gradient is known; what it returns, if anything, replaces it.

        The handle's `remove()` takes the hook away.  Raises GradError.
        """
        if not self.requires_grad:
            raise GradError(describe("register_hook() on a tensor without a gradient.", made_at=self._made()))
        if isinstance(self.edge, Port):
            raise GradError(describe("register_hook() on one of several outputs.", fix="hook y = x * 1 instead"))
        holder: Any = self.edge or self
        holder.hooks = {} if holder.hooks is None else holder.hooks
        return Handle(holder.hooks, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor in `.grad`, as leaves do: what its hooks made of it."""
        if self.edge is not None:
            me = weakref.ref(self)

            def keep(g: Tensor) -> None:
                if (tensor := me()) is not None:
                    tensor.grad = g
            self.register_hook(keep).last()

    def _made(self) -> str | None:
        return place(_node(self.edge).where if self.edge is not None else self.where)

    # Writing in place: for leaves and for values that no graph needs. The tape checks, at backward, whether it does.

    def copy_(self, other: Any) -> Tensor:
        """Overwrite the values."""
        self._write("copy_")[...] = self._other(other)
        return self

    def zero_(self) -> Tensor:
        """Overwrite with zeros."""
        self._write("zero_").fill(0)
        return self

    def add_(self, other: Any, alpha: float = 1) -> Tensor:
        """self += alpha * other, in place."""
        data = self._write("add_")
        data += self._other(other) * alpha if alpha != 1 else self._other(other)
        return self

    def mul_(self, other: Any) -> Tensor:
        """self *= other, in place."""
        data = self._write("mul_")
        data *= self._other(other)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        from .indexing import index_parts
        other, parts, data = self._other(value), index_parts(index, self), self._write("item assignment")
        for part in parts[:-1]:                # numbers and slices: a view
            data = data[part]
        data[parts[-1]] = other

    def _other(self, value: Any) -> Any:
        """The values to be written, as this device takes them; their gradient would be lost, so they must have none."""
        if isinstance(value, Tensor):
            if value.device is not self.device:
                raise DeviceError(describe(f"writing a value on {value.device.name} into one on {self.device.name}.",
                                           made_at=value._made(), fix=f"value.to({self.device.name!r})"))
            if _recording and value.requires_grad:
                raise InplaceError(describe("writing a value that requires a gradient cannot be recorded.",
                                            made_at=value._made(), fix="compute a new tensor (mg.where, mg.concat), or "
                                            "write value.detach()"))
            return value.data
        return self.device.asarray(value, self.dtype) if isinstance(value, (list, np.ndarray)) else value

    def _write(self, name: str) -> Any:
        if _recording and self.requires_grad:
            raise InplaceError(describe(f"{name} on a tensor that requires a gradient cannot be recorded.",
                                        made_at=self._made(), fix="compute a new tensor (mg.where, mg.concat), or "
                                        "write under mg.no_grad()"))
        if _watch is not None:
            _watch.write(self, name)
        touch(self)
        return self.data


def destination(target: Any) -> Device | np.dtype:
    """What `to` was given: a dtype, or a device.  Raises DeviceError: np.dtype(None) would be float64."""
    if target is not None and not isinstance(target, Device):
        with suppress(TypeError):              # no dtype of that name
            return np.dtype(target)
    return device(target)


def touch(*tensors: Tensor) -> None:
    """Note that memory of tensors is about to be written: backward then refuses to use an older saved value."""
    global _last_write
    _last_write, where = _next(), caller()
    for tensor in tensors:
        tensor.version[:] = _last_write, id(owner(tensor.data)), where


def _node(edge: Any) -> Node:
    return edge.node if type(edge) is Port else edge


# ---------------------------------------------------------------------------------------------- recording

class Op:
    """A primitive: its function (xp, *arrays, **options) -> (value, vjp), and its name.

    second: may its vjp be called with Tensors, which gives second-order gradients?  shown: the name in messages.
    """

    __slots__ = ("fn", "name", "second")

    def __init__(self, fn: Callable, second: bool) -> None:
        self.fn, self.name, self.second = fn, fn.__name__, second

    @property
    def shown(self) -> str:
        return self.name.strip("_")


def primitive(fn: Callable | None = None, *, second: bool = True) -> Any:
    """Make a recorded operation of a pure function; see the head of this file."""
    if fn is None:
        return functools.partial(primitive, second=second)
    op = Op(fn, second)

    @functools.wraps(fn)
    def call(*args: Any, **kw: Any) -> Any:
        if kw:                                 # PyTorch's words and NumPy's are both understood
            kw = {_WORDS.get(word, word): value.item() if isinstance(value, np.generic) else value
                  for word, value in kw.items()}
        return record(op, args, kw)
    call.op = op                               # type: ignore[attr-defined]
    return call


_WORDS = {"dim": "axis", "dims": "axis", "keepdim": "keepdims", "shifts": "shift", "diagonal": "k"}


def record(op: Op, args: Sequence[Any], kw: dict[str, Any], onto: Device | None = None) -> Any:
    """Run a primitive on the arrays of its arguments; if one of them is tracked, put a Node on the tape.

    onto: the device of the result, where it is not that of the operands (only `move`).

    Raises ShapeError, DTypeError, DeviceError, IndexRangeError with the lines that made the operands.
    """
    where: Device | None = None
    dtype: Any = None
    mixed = tracked = constants = False
    arrays: list[Any] = []
    inputs: list[Any] = []
    for x in args:
        if isinstance(x, Tensor):
            array = x.data
            if where is None:
                where, dtype = x.device, array.dtype
            elif x.device is not where:
                raise _two_devices(op, args)
            elif array.dtype is not dtype:
                mixed = True
            arrays.append(array)
            if x.requires_grad:
                tracked = True
                inputs.append(x.edge or x)
            else:
                constants = True
                inputs.append(x)
        else:
            if type(x) not in _PLAIN:
                if isinstance(x, (np.ndarray, list, range)):
                    mixed = True
                elif isinstance(x, np.generic):
                    x = x.item()               # a NumPy scalar must not widen a float32 tensor (NEP 50)
            arrays.append(x)
            inputs.append(x)
    if where is None:
        where, mixed = cpu, True
    if mixed:
        dtype = _unify(op, args, arrays, where)
    try:
        value, vjp = op.fn(where.xp, *arrays, **kw) if kw else op.fn(where.xp, *arrays)
    except (ValueError, TypeError, IndexError) as error:
        if isinstance(error, MinigradError):
            raise
        raise _refused(op, args, arrays, error) from error

    if onto is not None:
        where = onto
    if type(value) is tuple:                   # several outputs
        outs = tuple([_wrap(v, where, dtype, args) for v in value])
    else:
        out = _wrap(value, where, dtype, args)
    if _recording and tracked and vjp is not None:
        if constants:
            inputs = [Constant(x.data, x.version, where, x.where)
                      if isinstance(x, Tensor) and not x.requires_grad else x for x in inputs]
        node = Node()
        node.id = _next()
        node.op, node.kw, node.inputs, node.vjp, node.scope = op, kw, inputs, vjp, _scope
        node.hooks = node.freed = None
        frame = sys._getframe(1)               # `caller()`, written out: a call costs as much as the walk
        while frame is not None and _inside[frame.f_code.co_filename]:
            frame = frame.f_back               # type: ignore[assignment]
        node.where = frame and (frame.f_code, frame.f_lasti)
        if type(value) is tuple:
            node.ports = [_port(node, i, o) for i, o in enumerate(outs)]
            node.shape = tuple([o.data.shape for o in outs])
            node.dtype = node.version = node.ref = None
        else:
            node.ports = None
            node.shape, node.dtype, node.version = out.data.shape, out.data.dtype, out.version
            node.ref = weakref.ref(out)
            out.requires_grad, out.edge = True, node
    elif tracked and (made := caller()) is not None:
        for y in outs if type(value) is tuple else (out,):
            y.where = Untracked(made)
    elif constants:                            # `mg.explain` names the line where a history ended, ops later too
        for x in args:
            if isinstance(x, Tensor) and type(x.where) is Untracked:
                for y in outs if type(value) is tuple else (out,):
                    y.where = x.where
    result = outs if type(value) is tuple else out
    if _watch is not None:
        _watch.value(op, args, result)
    return result


_new = Tensor.__new__
_PLAIN = frozenset((float, int, bool, tuple, type(None)))     # what needs no look at all


def _wrap(value: Any, where: Device, dtype: Any, args: Sequence[Any] = ()) -> Tensor:
    """A tensor of a primitive's value; integers that NumPy divided or exponentiated become the default float type."""
    if type(value) is not where.array:
        value = where.asarray(value)
    if value.dtype is not dtype and value.dtype.kind == "f" and (dtype is None or dtype.kind != "f"):
        value = value.astype(_default_dtype, copy=False)
    out = _new(Tensor)
    out.data, out.device = value, where
    out.requires_grad = False
    out.grad = out.edge = out.where = out.hooks = None
    out.version = [0, 0, None]
    if value.base is not None:                 # a view: a write into either must be seen by both
        for x in args:
            if isinstance(x, Tensor) and owner(x.data) is owner(value):
                out.version = x.version
    return out


def _port(node: Node, index: int, out: Tensor) -> tuple[Any, Any, list]:
    """Tie one of several outputs to its node; T outputs cost O(T)."""
    port = Port()
    port.node, port.index, port.version = node, index, out.version
    port.shape, port.dtype, port.ref = out.data.shape, out.data.dtype, weakref.ref(out)
    out.requires_grad, out.edge = True, port
    return port.shape, port.dtype, port.version


def _unify(op: Op, args: Sequence[Any], arrays: list[Any], where: Device) -> Any:
    """One float type for all operands: integers follow it, two different ones are an error (they would widen).

    Works in place on arrays; returns the common dtype, or that of the last array where none is a float.
    """
    floats = []
    dtype = None
    for i, x in enumerate(arrays):
        if isinstance(x, np.ndarray) and where.xp is not np:
            raise _two_devices(op, args)
        if type(x) in (list, range):
            arrays[i] = x = np.asarray(x)
            if x.dtype == np.float64:
                arrays[i] = x.astype(_default_dtype)
        if hasattr(arrays[i], "dtype"):
            dtype = arrays[i].dtype
            if dtype.kind == "f":
                floats.append(arrays[i])
    if not floats:
        return dtype
    dtype = floats[0].dtype
    if any(x.dtype != dtype for x in floats):
        names = " and ".join(f"{x.dtype} {tuple(x.shape)}" for x in floats)
        raise DTypeError(describe(f"{op.shown} mixes {names}.", made_at=place(caller()), **_operands(args),
                                  fix="cast one of them: x.to(mg.float32), or array.astype('float32')"))
    for i, x in enumerate(arrays):
        if hasattr(x, "dtype") and x.dtype.kind in "iu":
            arrays[i] = x.astype(dtype)
    return dtype


def _operands(args: Sequence[Any]) -> dict[str, str | None]:
    tensors = [x for x in args if isinstance(x, Tensor)]
    return {f"operand {i}": f"{tuple(x.shape)}" + (f" from {made}" if (made := x._made()) else "")
            for i, x in enumerate(tensors, 1)}


def _two_devices(op: Op, args: Sequence[Any]) -> DeviceError:
    names = [x.device.name if isinstance(x, Tensor) else "NumPy" for x in args if hasattr(x, "shape")]
    devices = dict.fromkeys(names)
    fix = "move one: x.to('cuda'), mg.tensor(array, device=...)"
    if len(devices) == 2 and "NumPy" in devices:
        fix = f"mg.tensor(array, device={next(name for name in devices if name != 'NumPy')!r})"
    return DeviceError(describe(f"{op.shown} joins values on {' and '.join(devices)}.", **_operands(args),
                                made_at=place(caller()), fix=fix))


_JOINED = {"_concat": "all axes but the one along which they are joined must be equal",
           "_stack": "tensors that are stacked have one shape"}


def _refused(op: Op, args: Sequence[Any], arrays: list[Any], error: Exception) -> Exception:
    """The array library's complaint, as an error that names the operation, the shapes and the lines."""
    kind: type[Exception] = (IndexRangeError if isinstance(error, IndexError) else
                             DTypeError if isinstance(error, TypeError) else ShapeError)
    shapes, fix = shape_list(arrays), None
    headline = f"{op.shown} cannot take {shapes}: {error}."
    if op.name == "matmul" and len(arrays) == 2:
        a, b = (tuple(x.shape) for x in arrays)
        if a and b and a[-1] != b[-2 if len(b) > 1 else 0]:
            inner = b[-2 if len(b) > 1 else 0]
            headline = f"matmul cannot join {a} and {b}: {a[-1]} columns meet {inner} rows."
            fix = f"the right side should be ({a[-1]}, n); or transpose one of them with .T"
    elif "unexpected keyword argument 'out'" in str(error) or "unexpected keyword argument 'dtype'" in str(error):
        fix = (f"x.{op.shown}() takes no out and no dtype, which np.{op.shown}(x) asks for: "
               "call the tensor's own, then .to()")
    elif kind is ShapeError and len([x for x in arrays if hasattr(x, "shape")]) > 1:
        headline = f"{op.shown} cannot join {shapes}."
        fix = _JOINED.get(op.name, "axes are lined up from the right; each pair must be equal, or one of them 1")
    return kind(describe(headline, made_at=place(caller()), **_operands(args), fix=fix))
