"""The primitives: each is its value and its gradient, side by side.

A primitive gets an array namespace `xp` (NumPy, CuPy, the strict double, or this very module, which gives second order)
and arrays; it returns its value and its vjp: gradient of the value in, one gradient per argument out. Rules:

  - the vjp closes over arrays and shapes; it returns new arrays, or g itself or a view of it, never a saved array;
  - it need not undo broadcasting: the tape sums each gradient to its argument's shape;
  - an entry may be None (no gradient) or a function, which the tape calls only if that gradient is wanted.

The first line of a docstring is the formula: g is the incoming gradient, da the gradient of a.
"""
from __future__ import annotations

import builtins
import functools
import itertools
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from .backend import Device, add_at
from .errors import ShapeError, describe, place
from .indexing import axis_of, index_parts
from .tensor import Tensor, caller, primitive, record

_here = sys.modules[__name__]


def _under(xp: Any, call: Any, *args: Any, **kw: Any) -> Any:
    """A primitive's value inside another primitive: recorded where xp is this module, plain otherwise."""
    return call(*args, **kw) if xp is _here else call.op.fn(xp, *args, **kw)[0]


# ---------------------------------------------------------------------------------------------- arithmetic

@primitive
def add(xp, a, b):
    """y = a + b;  da = g, db = g"""
    return a + b, lambda g: (g, g)


@primitive
def sub(xp, a, b):
    """y = a - b;  da = g, db = -g"""
    return a - b, lambda g: (g, lambda: -g)


@primitive
def mul(xp, a, b):
    """y = a b;  da = g b, db = g a"""
    return a * b, lambda g: (lambda: g * b, lambda: g * a)


@primitive
def div(xp, a, b):
    """y = a / b;  da = g / b, db = -g y / b"""
    y = a / b
    return y, lambda g: (lambda: g / b, lambda: -g * y / b)


@primitive
def neg(xp, a):
    """y = -a;  da = -g"""
    return -a, lambda g: (-g,)


@primitive
def pow(xp, a, b):
    """y = a^b;  da = g b a^(b-1), db = g y log a (0 where a <= 0)

    At a = 0, b = 0 da is 0, as in PyTorch.
    """
    y = a ** b

    def da(g):
        if not hasattr(b, "dtype"):
            return g * (b * a ** (b - 1)) if b else xp.zeros_like(g)
        if not hasattr(a, "dtype"):
            return None
        return g * (b * xp.where(a == 0, xp.where(b == 0, xp.ones_like(g), a), a) ** (b - 1))

    def db(g):
        if not hasattr(a, "dtype"):            # a Python number: an array of its log would widen float32
            return g * (y * (math.log(a) if a > 0 else 0.0))
        positive = a > 0
        return g * y * xp.where(positive, xp.log(xp.where(positive, a, xp.ones_like(a))), xp.zeros_like(a))
    return y, lambda g: (lambda: da(g), lambda: db(g))


@primitive
def where(xp, condition, a, b):
    """y = a where the condition holds, else b;  da = g there, db = g elsewhere"""
    return xp.where(condition, a, b), lambda g: (None, lambda: xp.where(condition, g, xp.zeros_like(g)),
                                                 lambda: xp.where(condition, xp.zeros_like(g), g))


# ---------------------------------------------------------------------------------------------- elementwise

@primitive
def exp(xp, a):
    """y = e^a;  da = g y"""
    y = xp.exp(a)
    return y, lambda g: (g * y,)


@primitive
def log(xp, a):
    """y = log a;  da = g / a"""
    return xp.log(a), lambda g: (g / a,)


@primitive
def sqrt(xp, a):
    """y = sqrt a;  da = g / (2 y)"""
    y = xp.sqrt(a)
    return y, lambda g: (g * 0.5 / y,)


@primitive
def tanh(xp, a):
    """y = tanh a;  da = g (1 - y^2)"""
    y = xp.tanh(a)
    return y, lambda g: (g * (1 - y * y),)


@primitive
def sigmoid(xp, a):
    """y = 1 / (1 + e^-a);  da = g y (1 - y)"""
    y = xp.tanh(a * 0.5)                       # no overflow for any a
    y *= 0.5                                   # in place on arrays; a new value on Tensors
    y += 0.5
    return y, lambda g: (g * (y * (1 - y)),)


@primitive
def relu(xp, a):
    """y = max(a, 0);  da = g [a > 0]"""
    y = xp.maximum(a, 0)
    return y, lambda g: (g * (y > 0),)


@primitive
def clone(xp, a):
    """y = a, in memory of its own;  da = g"""
    return xp.copy(a), lambda g: (g,)


@primitive
def cast(xp, a, *, dtype):
    """y = a as dtype;  da = g as a's dtype"""
    old = a.dtype
    return a.astype(dtype), (lambda g: (g.astype(old),)) if np.dtype(dtype).kind == "f" else None


def astype(a: Tensor, dtype: Any) -> Tensor:
    """The tensor as another dtype. Integers and booleans have no gradient; they become exactly what was asked."""
    return cast(a, dtype=np.dtype(dtype)) if a.dtype.kind == "f" else Tensor(a.data.astype(dtype), False, a.device)


@primitive(second=False)
def _move(xp, a, *, source, target):
    """y = a on another device;  da = g on a's device"""
    return target.asarray(source.numpy(a)), lambda g: (source.asarray(target.numpy(g)),)


def move(a: Tensor, target: Device) -> Tensor:
    """The tensor on another device; itself if it is there."""
    if a.device is target:
        return a
    return record(_move.op, (a,), {"source": a.device, "target": target}, onto=target)


# ---------------------------------------------------------------------------------------------- reductions

def _stretch(xp, g, shape, axis, keepdims):
    """The gradient of a reduction, laid over the axes that it summed."""
    return xp.broadcast_to(g if keepdims or axis is None else xp.expand_dims(g, axis), shape)


@primitive
def sum(xp, a, axis=None, keepdims=False):
    """y = sum_i a_i;  da_i = g"""
    shape = a.shape
    return xp.sum(a, axis=axis, keepdims=keepdims), lambda g: (_stretch(xp, g, shape, axis, keepdims),)


@primitive
def mean(xp, a, axis=None, keepdims=False):
    """y = sum_i a_i / n;  da_i = g / n"""
    shape, n = a.shape, _count(a.shape, axis)
    return xp.sum(a, axis=axis, keepdims=keepdims) / n, lambda g: (_stretch(xp, g / n, shape, axis, keepdims),)


def _count(shape: tuple, axis: Any) -> int:
    """How many entries a reduction joins; of none there is no mean."""
    n = math.prod(shape if axis is None else [shape[axis_of(shape, i)] if shape else 1
                                              for i in ((axis,) if isinstance(axis, int) else axis)])
    if n == 0:
        raise ShapeError(describe(f"there is no mean of no values: shape {shape}, dim {axis}.",
                                  made_at=place(caller()), likely="an empty batch, or a mask that keeps nothing"))
    return n


@primitive
def logsumexp(xp, a, axis=-1, keepdims=False):
    """y = log sum_i e^(a_i);  da = g softmax(a)

    A row of -inf (a fully masked attention row) gives -inf and a zero gradient, not NaN.
    """
    top = xp.amax(a, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))       # -inf minus -inf is NaN
    e = xp.exp(a - top)
    s = xp.sum(e, axis=axis, keepdims=True)
    alive = s != 0                                                  # a NaN is, and stays
    s = xp.where(alive, s, xp.ones_like(s))                         # log 0 warns, and CuPy cannot be told not to
    y = xp.where(alive, xp.log(s) + top, xp.full_like(s, -np.inf))
    return (y if keepdims else xp.squeeze(y, axis),
            lambda g: ((g if keepdims else xp.expand_dims(g, axis)) * (e / s),))


@primitive
def softmax(xp, a, axis=-1):
    """y = e^a / sum e^a;  da = y (g - sum g y)

    A row of -inf gives zeros and a zero gradient.
    """
    top = xp.amax(a, axis=axis, keepdims=True)
    e = xp.exp(a - xp.where(xp.isfinite(top), top, xp.zeros_like(top)))
    s = xp.sum(e, axis=axis, keepdims=True)
    y = e / xp.where(s != 0, s, xp.ones_like(s))
    return y, lambda g: (y * (g - xp.sum(g * y, axis=axis, keepdims=True)),)


# ---------------------------------------------------------------------------------------------- products

@primitive
def matmul(xp, a, b):
    """y = a b;  da = g b^T, db = a^T g"""
    if b.ndim == 2 and a.ndim > 2:             # a weight: one large product instead of one for each leading index
        flat, rows = a.shape[:-1], xp.reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))
        y = xp.reshape(xp.matmul(rows, b), (*flat, b.shape[1]))

        def weight_vjp(g):
            gs = xp.reshape(g, (rows.shape[0], b.shape[1]))
            return (lambda: xp.reshape(xp.matmul(gs, xp.swapaxes(b, 0, 1)), a.shape),
                    lambda: xp.matmul(xp.swapaxes(rows, 0, 1), gs))
        return y, weight_vjp

    def vjp(g):
        left = a if a.ndim > 1 else xp.expand_dims(a, 0)
        right = b if b.ndim > 1 else xp.expand_dims(b, 1)
        if b.ndim == 1:
            g = xp.expand_dims(g, -1)
        if a.ndim == 1:
            g = xp.expand_dims(g, -2)

        def db():
            d = xp.matmul(xp.swapaxes(left, -1, -2), g)
            return d if b.ndim > 1 else xp.squeeze(d, -1)
        return lambda: xp.matmul(g, xp.swapaxes(right, -1, -2)), db
    return xp.matmul(a, b), vjp


# ---------------------------------------------------------------------------------------------- shapes

@primitive
def reshape(xp, a, shape):
    """y = a in another shape;  da = g in a's shape"""
    old = a.shape
    return xp.reshape(a, shape), lambda g: (xp.reshape(g, old),)


@primitive
def permute(xp, a, *, axes):
    """y = a with its axes in another order;  da = g in the inverse order"""
    inverse = tuple(sorted(range(len(axes)), key=lambda i: axes[i] % len(axes)))
    return xp.transpose(a, axes), lambda g: (xp.transpose(g, inverse),)


@primitive
def swapaxes(xp, a, axis0, axis1):
    """y = a with two axes exchanged;  da = g with the same two exchanged"""
    return xp.swapaxes(a, axis0, axis1), lambda g: (xp.swapaxes(g, axis0, axis1),)


@primitive
def expand_dims(xp, a, axis):
    """y = a with an axis of one;  da = g in a's shape"""
    old = a.shape
    return xp.expand_dims(a, axis), lambda g: (xp.reshape(g, old),)


@primitive
def squeeze(xp, a, axis=None):
    """y = a without its axes of one;  da = g in a's shape"""
    old = a.shape
    return xp.squeeze(a, axis), lambda g: (xp.reshape(g, old),)


@primitive
def broadcast_to(xp, a, shape):
    """y = a stretched to a shape;  da = g summed over what was stretched (by the tape)"""
    return xp.broadcast_to(a, shape), lambda g: (g,)


# ---------------------------------------------------------------------------------------------- indexing, joining

@primitive
def getitem(xp, a, *, index):
    """y = a[index];  da = zeros, with g added at index"""
    shape = a.shape
    return a[index], lambda g: (_under(xp, put, g, index=index, shape=shape),)


@primitive
def put(xp, a, *, index, shape):
    """y = zeros of a shape, with a added at index (twice where it occurs twice);  da = g[index]"""
    if xp is _here:                            # a third order: memory is written by the arrays' own call
        return put(a, index=index, shape=shape), lambda g: (g[index],)
    y = xp.zeros(shape, dtype=a.dtype)
    if any(hasattr(i, "dtype") for i in (index if isinstance(index, tuple) else (index,))):
        add_at(xp, y, index, a)
    else:
        y[index] = a
    return y, lambda g: (g[index],)


def _joined(tensors: Sequence[Any]) -> list[Any]:
    if isinstance(tensors, Tensor):
        raise ShapeError(describe("concat and stack take a list of tensors.", fix="mg.stack([a, b])"))
    found = list(tensors)
    if not found:
        raise ShapeError(describe("concat and stack of no tensors.", made_at=place(caller()),
                                  likely="a loop that ran no time"))
    return found


@primitive
def _concat(xp, *arrays, axis):
    """y = the arrays one after another;  da_i = the part of g that came from a_i"""
    axis = axis_of(arrays[0].shape, axis)
    sizes = tuple(a.shape[axis] if axis < a.ndim else 0 for a in arrays)       # the join says what does not fit
    return xp.concatenate(arrays, axis=axis), lambda g: tuple([g[i] for i in _places(g.shape, sizes, axis)])


def concatenate(tensors: Sequence[Any], axis: int = 0, dim: int | None = None) -> Tensor:
    """Tensors one after another along an axis that exists."""
    return _concat(*_joined(tensors), axis=axis if dim is None else dim)


@primitive
def _stack(xp, *arrays, axis):
    """y = the arrays side by side along a new axis;  da_i = g[i]"""
    return xp.stack(arrays, axis=axis), lambda g: tuple(xp.moveaxis(g, axis, 0))


def stack(tensors: Sequence[Any], axis: int = 0, dim: int | None = None) -> Tensor:
    """Tensors side by side along a new axis."""
    return _stack(*_joined(tensors), axis=axis if dim is None else dim)


@primitive
def unbind(xp, a, axis=0):
    """y_i = a[i];  da = stack of g_i (zero where an output was not used)"""
    def vjp(gs):
        zero = xp.zeros_like(next(g for g in gs if g is not None))
        return (xp.stack([zero if g is None else g for g in gs], axis=axis),)
    return tuple(xp.moveaxis(a, axis, 0)), vjp


def _places(shape: tuple, sizes: Sequence[int], axis: int) -> list[tuple]:
    """The indices of pieces of the given sizes along an axis."""
    ends = list(itertools.accumulate(sizes))
    return [(slice(None),) * (axis % len(shape)) + (slice(end - n, end),) for n, end in zip(sizes, ends, strict=True)]


@primitive
def _split(xp, a, *, sizes, axis):
    """y_i = the i-th piece of a;  da = the g_i one after another (zero where a piece was not used)"""
    shape, places = a.shape, _places(a.shape, sizes, axis)

    def vjp(gs):
        if not builtins.any(g is None for g in gs):
            return (xp.concatenate(gs, axis=axis),)
        used = [_under(xp, put, g, index=place, shape=shape)
                for g, place in zip(gs, places, strict=True) if g is not None]
        return (functools.reduce(lambda x, y: x + y, used),)
    return tuple([a[place] for place in places]), vjp


# ---------------------------------------------------------------------------------------------- without a gradient

@primitive
def _compare(xp, a, b, *, name):
    """y = a (name) b: a comparison, a bitwise operation or a whole quotient;  no gradient"""
    return getattr(a, f"__{name}__")(b) if hasattr(a, "dtype") else getattr(b, f"__{_MIRROR[name]}__")(a), None


_MIRROR = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne", "and": "rand", "or": "ror",
           "xor": "rxor", "floordiv": "rfloordiv"}


@primitive
def isfinite(xp, a):
    """y = is it neither NaN nor infinite;  no gradient"""
    return xp.isfinite(a), None


@primitive
def zeros_like(xp, a):
    """y = zeros of a's shape and dtype;  no gradient"""
    return xp.zeros_like(a), None


@primitive
def ones_like(xp, a):
    """y = ones of a's shape and dtype;  no gradient"""
    return xp.ones_like(a), None


@primitive
def full_like(xp, a, value):
    """y = one value in a's shape and dtype;  no gradient"""
    return xp.full_like(a, value), None


# the names that array namespaces use, for second order; and PyTorch's
copy, concat, cat, unsqueeze = clone, concatenate, concatenate, expand_dims


def __getattr__(name: str) -> Any:
    """What the core does not need stands elsewhere; found here too: this module is the namespace of second order."""
    if not name.startswith("__"):              # the import machinery asks for __path__ while this file is half read
        from . import ops_more, ops_select, ops_windows
        for module in (ops_more, ops_select, ops_windows):
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# ---------------------------------------------------------------------------------------------- operators and methods

def _attach() -> None:
    """Bolt operators and methods on Tensor, so that `tensor.py` reads without them."""
    for name, op in (("add", add), ("sub", sub), ("mul", mul), ("truediv", div), ("pow", pow), ("matmul", matmul)):
        setattr(Tensor, f"__{name}__", _operator(op))
        setattr(Tensor, f"__r{name}__", _operator(op, reflected=True))
    for name in _MIRROR:
        setattr(Tensor, f"__{name}__", _untracked(name))
    for name in ("and", "or", "xor", "floordiv"):
        setattr(Tensor, f"__r{name}__", _untracked(name, reflected=True))
    methods = dict(
        __neg__=neg, __pos__=lambda a: a, __iter__=_iterate,
        __invert__=lambda a: _compare(a, True if a.dtype == np.bool_ else -1, name="xor"),
        __getitem__=_read,
        T=property(lambda a: permute(a, axes=tuple(range(a.ndim))[::-1])),
        mT=property(lambda a: swapaxes(a, -1, -2)),
        reshape=lambda a, *shape: reshape(a, _axes(shape)), permute=lambda a, *axes: permute(a, axes=_axes(axes)),
        astype=astype, unsqueeze=expand_dims, numel=lambda a: a.data.size,
        size=lambda a, dim=None: a.shape if dim is None else a.shape[dim])
    methods["view"] = methods["reshape"]
    for op in (add, sub, mul, div, pow, matmul, exp, log, sqrt, tanh, sigmoid, relu, clone, sum, mean, logsumexp,
               softmax, squeeze, unbind, isfinite, copy, zeros_like, ones_like, swapaxes, broadcast_to):
        methods.setdefault(op.__name__, op)
    for name, method in methods.items():
        setattr(Tensor, name, method)
    Tensor.__hash__ = object.__hash__          # type: ignore[method-assign]  # == is elementwise, identity still hashes


def _axes(values: tuple) -> tuple:
    return tuple(values[0]) if len(values) == 1 and isinstance(values[0], (tuple, list)) else values


def _operator(op: Any, reflected: bool = False) -> Any:
    """An operator that leaves foreign operands to Python, which then names both types."""
    raw = op.op
    if reflected:
        return lambda a, b: record(raw, (b, a), {}) if isinstance(b, _OPERANDS) else NotImplemented
    return lambda a, b: record(raw, (a, b), {}) if isinstance(b, _OPERANDS) else NotImplemented


def _read(a: Tensor, index: Any) -> Tensor:
    for part in index_parts(index, a):
        a = record(getitem.op, (a,), {"index": part})
    return a


def _iterate(a: Tensor) -> Any:
    if not a.ndim:
        raise TypeError(describe("a single value cannot be iterated over.", made_at=a._made()))
    return iter(unbind(a))


def _untracked(name: str, reflected: bool = False) -> Any:
    def method(a, b):
        if not isinstance(b, _OPERANDS):
            return NotImplemented
        return _compare(b, a, name=name) if reflected else _compare(a, b, name=name)
    return method


_OPERANDS = (Tensor, int, float, np.ndarray, np.generic, list)
_attach()

__all__ = [
    "add", "broadcast_to", "cat", "clone", "concat", "div", "exp", "isfinite", "log", "logsumexp", "matmul",
    "mean", "mul", "neg", "ones_like", "permute", "pow", "relu", "reshape", "sigmoid", "softmax", "sqrt", "squeeze",
    "stack", "sub", "sum", "swapaxes", "tanh", "unbind", "unsqueeze", "where", "zeros_like",
]
