"""Choosing entries: the smallest and largest, gather and scatter, sort and top-k, dropout.

All are composed of an index (`getitem` and its mirror `put`), so gradients of every order come from there: values carry
gradients, the ids that chose them carry none.
"""
from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import create, kernels, philox
from .backend import generator
from .capture import capturing
from .errors import DeviceError, DTypeError, ShapeError, describe
from .indexing import axis_of, check_ids
from .ops import _split, _stretch, broadcast_to, getitem, neg, primitive, put, reshape, squeeze, where
from .tensor import Tensor

# ---------------------------------------------------------------------------------------------- smallest and largest

@primitive
def amax(xp, a, axis=None, keepdims=False):
    """y = max_i a_i;  da_i = g [a_i = y] / (how many tie)"""
    top = xp.amax(a, axis=axis, keepdims=True)
    y = top if keepdims else xp.squeeze(top) if axis is None else xp.squeeze(top, axis)

    def vjp(g):
        hit = xp.where(a == top, xp.ones_like(a), xp.zeros_like(a))
        share = hit / xp.sum(hit, axis=axis, keepdims=True)
        return (_stretch(xp, g, a.shape, axis, keepdims) * share,)
    return y, vjp


def amin(a: Tensor, axis: Any = None, keepdims: bool = False, **kw: Any) -> Tensor:
    """The smallest entries; ties share the gradient."""
    return neg(amax(neg(a), axis, keepdims, **kw))


@primitive
def argmax(xp, a, axis=None, keepdims=False):
    """y = the index of the largest entry, the first where they tie;  no gradient"""
    return xp.argmax(a, axis=axis, keepdims=keepdims), None


@primitive
def argmin(xp, a, axis=None, keepdims=False):
    """y = the index of the smallest entry, the first where they tie;  no gradient"""
    return xp.argmin(a, axis=axis, keepdims=keepdims), None


@primitive
def all(xp, a, axis=None, keepdims=False):
    """y = is every entry True, or not 0;  no gradient"""
    return xp.all(a, axis=axis, keepdims=keepdims), None


@primitive
def any(xp, a, axis=None, keepdims=False):
    """y = is one entry True, or not 0;  no gradient"""
    return xp.any(a, axis=axis, keepdims=keepdims), None


def max(a: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The largest entry (ties share the gradient); with dim, as in PyTorch, (values, indices): the first of equals."""
    return amax(a) if dim is None else _picked(a, argmax(a, dim, True), dim, keepdim)


def min(a: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest entry (ties share the gradient); with dim, as in PyTorch, (values, indices): the first of equals."""
    return amin(a) if dim is None else _picked(a, argmin(a, dim, True), dim, keepdim)


def _picked(a: Tensor, best: Tensor, dim: int, keepdim: bool) -> tuple[Tensor, Tensor]:
    values = getitem(a, index=_grid(a, best.data, dim)) if a.ndim else a
    return (values, best) if keepdim or not a.ndim else (squeeze(values, dim), squeeze(best, dim))


# ---------------------------------------------------------------------------------------------- gather, scatter, sort

def _ids(index: Any, of: Tensor, axis: int | None = None) -> Any:
    """An index tensor, list or array as an array of the device. With an axis, its range is checked."""
    if isinstance(index, Tensor):
        if index.device is not of.device:
            raise DeviceError(describe(f"an index on {index.device.name} into a tensor on {of.device.name}.",
                                       index=index._made(), fix=f"index.to({of.device.name!r})"))
        index = index.data
    else:
        index = of.device.asarray(np.asarray(index))
    if index.dtype.kind not in "iu":
        raise DTypeError(describe(f"an index is of integers, not {index.dtype}.", fix="index.to(mg.int64)"))
    if axis is not None:
        check_ids(index, axis_of(of.shape, axis), of, negative=False)
    return index


def _grid(of: Tensor, index: Any, dim: int) -> tuple:
    """The index tuple that reads of[i, index[i, j, k], k] for dim = 1: on other axes each place keeps its own.

    The index is copied: backward needs it, and a batch buffer may be filled again.
    """
    axis, n, xp = dim % of.ndim, index.ndim, of.device.xp
    return tuple([index.copy() if i == axis else xp.reshape(xp.arange(index.shape[i]), (-1,) + (1,) * (n - 1 - i))
                  for i in range(n)])


def gather(a: Tensor, dim: int, index: Any) -> Tensor:
    """y[i, j] = a[index[i, j], j] for dim = 0, as in PyTorch: index has a's rank, and may be shorter on any axis.

    Raises ShapeError, IndexRangeError; DTypeError unless the index is of integers.
    """
    ids = _ids(index, a, dim)
    if _too_long(ids, a, dim):
        raise ShapeError(describe(f"gather reads {tuple(a.shape)} along {dim} with an index of {tuple(ids.shape)}.",
                                  made_at=a._made(), fix="index: the same rank, nowhere longer except along dim"))
    return getitem(a, index=_grid(a, ids, dim)) if a.ndim else a[()]


def _too_long(ids: Any, a: Tensor, dim: int) -> bool:
    """Is an index of another rank, or longer than a on an axis other than dim?"""
    return ids.ndim != a.ndim or builtins.any(m > n for i, (m, n) in enumerate(zip(ids.shape, a.shape, strict=True))
                                              if i != axis_of(a.shape, dim))


def take_along_dim(a: Tensor, indices: Any, dim: int | None = None) -> Tensor:
    """y[i, j] = a[indices[i, j], j] for dim = 0: axes other than dim are broadcast. Without dim, of the flat tensor."""
    if dim is None:
        return reshape(a, (a.data.size,))[_ids(indices, a).reshape(-1)]
    ids, axis = _ids(indices, a, dim), axis_of(a.shape, dim)
    others = [tuple(n for i, n in enumerate(x.shape) if i != axis) for x in (ids, a)]
    if ids.ndim != a.ndim or builtins.any(m != n and 1 not in (m, n) for m, n in zip(*others, strict=True)):
        raise ShapeError(describe(f"take_along_dim reads {tuple(a.shape)} along {dim} by ids of {tuple(ids.shape)}.",
                                  made_at=a._made(), fix="the same rank; axes other than dim equal, or 1"))
    shape = np.broadcast_shapes(*others)
    ids = a.device.xp.broadcast_to(ids, (*shape[:axis], ids.shape[axis], *shape[axis:]))
    wide = broadcast_to(a, (*shape[:axis], a.shape[axis], *shape[axis:]))
    return getitem(wide, index=_grid(wide, ids, dim))


def scatter_add(a: Tensor, dim: int, index: Any, src: Tensor) -> Tensor:
    """y = a, with src[i, j] added at [index[i, j], j] for dim = 0; a place that occurs twice gets both."""
    ids = _ids(index, a, dim)
    if _too_long(ids, a, dim) or src.ndim != a.ndim or builtins.any(
            m > n for m, n in zip(ids.shape, src.shape, strict=True)):
        raise ShapeError(describe(f"scatter_add adds {tuple(src.shape)} at {tuple(ids.shape)} places of "
                                  f"{tuple(a.shape)}.", a=a._made(), src=src._made()))
    used = src if src.shape == ids.shape else src[tuple([slice(n) for n in ids.shape])]
    return a + put(used, index=_grid(a, ids, dim), shape=a.shape)


def split(a: Tensor, size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of one size (the last may be smaller), or of the sizes given; they must add up.  Raises ShapeError."""
    n = a.shape[axis_of(a.shape, dim)] if a.ndim else 0
    if not isinstance(size, (int, np.integer)):
        sizes = tuple(size)
    elif a.ndim and size > 0:
        sizes = tuple(builtins.min(size, n - s) for s in range(0, n, size)) or (0,)
    else:
        raise ShapeError(describe(f"split of {tuple(a.shape)} into pieces of {size}.", made_at=a._made(),
                                  fix="a size of at least 1, of a tensor that has an axis"))
    if sum(sizes) != n:
        raise ShapeError(describe(f"split of {sizes} does not add up to {n}: axis {dim} of {a.shape}.",
                                  made_at=a._made()))
    return _split(a, sizes=sizes, axis=dim)


def chunk(a: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """A number of pieces of equal size (the last may be smaller).  Raises ShapeError."""
    if chunks < 1 or not a.ndim:
        raise ShapeError(describe(f"chunk of {tuple(a.shape)} into {chunks} pieces.", made_at=a._made()))
    n = a.shape[axis_of(a.shape, dim)]
    return split(a, -(-n // chunks) if n else [0] * chunks, dim)


def index_select(a: Tensor, dim: int, index: Any) -> Tensor:
    """The entries of an axis that a vector of ids names, in that order."""
    return getitem(a, index=(slice(None),) * axis_of(a.shape, dim) + (_ids(index, a, dim).copy(),))


def masked_fill(a: Tensor, mask: Any, value: Any) -> Tensor:
    """One value where the mask is True, else a: no gradient there."""
    return where(mask, value, a)


def argsort(a: Tensor, dim: int = -1, descending: bool = False) -> Tensor:
    """The ids that sort along an axis; equal entries keep their order (stable, in both directions)."""
    if not a.ndim:
        return create.zeros(dtype=np.int64, device=a.device)
    return _argsort(a, axis=dim, descending=descending)


@primitive
def _argsort(xp, a, *, axis, descending):
    """y = the ids that sort a, equal entries in their order;  no gradient"""
    if not descending:
        return xp.argsort(a, axis=axis, kind="stable"), None
    return a.shape[axis] - 1 - xp.flip(xp.argsort(xp.flip(a, axis), axis=axis, kind="stable"), axis), None


def sort(a: Tensor, dim: int = -1, descending: bool = False) -> tuple[Tensor, Tensor]:
    """(values, indices) along an axis, stable; the gradient goes back through the values."""
    ids = argsort(a, dim, descending)
    return (getitem(a, index=_grid(a, ids.data, dim)) if a.ndim else a), ids


def topk(a: Tensor, k: int, dim: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest (or smallest) entries along an axis and their ids, in order."""
    axis = axis_of(a.shape, dim)
    if not 0 <= k <= (a.shape[axis] if a.ndim else 1):
        raise ShapeError(describe(f"topk of {k} among {tuple(a.shape)}, dim {dim}.", made_at=a._made()))
    if not a.ndim:
        return sort(a)
    ids = argsort(a, dim, largest)[(slice(None),) * axis + (slice(k),)]
    return getitem(a, index=_grid(a, ids.data, dim)), ids


# ---------------------------------------------------------------------------------------------- dropout

def dropout(a: Tensor, p: float = 0.5, training: bool = True, seed: int | None = None) -> Tensor:
    """0 with probability p, else a / (1 - p); a itself unless training.  Srivastava et al., *Dropout* (2014).

    seed: of the mask (`philox.py`), drawn from the generator of `manual_seed` if None: the same mask on every device.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout has a probability p in [0, 1], not {p!r}")
    if not training or p == 0:
        return a
    if p == 1:
        return a * 0.0
    y: Tensor = philox.dropout(a, p=float(p), **({"key": seed} if seed is not None else _drawn_key(a)))
    return y


def _drawn_key(a: Tensor) -> dict[str, Any]:
    """A key from the host generator; inside a graph, where the key stands that each replay draws."""
    def draw() -> int:
        return int(generator().integers(2 ** 64, dtype=np.uint64))
    if (graph := capturing()) is None:
        return {"key": draw()}
    if kernels.of(a.device.xp, a.dtype) is None:
        graph.refuse(f"dropout of {a.dtype} on {a.device.name!r} in a graph: every replay would drop the same.",
                     fix="float32 on a device with kernels, or mg.dropout(x, seed=...), which means it")
    return {"key": 0, "key_at": graph.scalar(np.uint64, lambda: [draw()])}


for _function in (all, any, amin, amax, argmin, argmax, max, min, gather, take_along_dim, scatter_add, split, chunk,
                  index_select, masked_fill, argsort, sort, topk):
    setattr(Tensor, _function.__name__, _function)

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "argsort", "chunk", "dropout", "gather", "index_select",
    "masked_fill", "max", "min", "scatter_add", "sort", "split", "take_along_dim", "topk",
]
