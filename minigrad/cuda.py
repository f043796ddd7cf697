"""The array namespace of device "cuda": CuPy's, but for what a CUDA graph cannot capture.

CuPy 14 refuses its own cuBLAS calls during a capture (`NotImplementedError`), so nothing here may reach them: `matmul`
and `dot` are by `blas.py`, `einsum` is composed of them where the engine uses it (`ops_more.py`). It joins more than 8
arrays by a table of pointers that it uploads; here each is copied to its place.
"""
from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import cupy

from .blas import Blas, OnCuda, takes

blas = Blas(OnCuda())
_TABLE = 8                                     # arrays that CuPy joins without uploading where they lie


def __getattr__(name: str) -> Any:
    if name.startswith("__"):                  # CuPy's own __path__ and the like are not this module's
        raise AttributeError(name)
    found = getattr(cupy, name)
    globals()[name] = found                    # the next look-up costs nothing; and sum, max, any, ... are CuPy's here
    return found


def matmul(a: Any, b: Any, *args: Any, **kw: Any) -> Any:
    """a b. Float32 and float64 by `blas.Blas.matmul`; other dtypes and options by CuPy's own kernels."""
    out = args[0] if args else kw.get("out")
    if len(args) > 1 or not kw.keys() <= {"out"} or not takes(a, b, out):
        return cupy.matmul(a, b, *args, **kw)
    return blas.matmul(a, b, out)


def dot(a: Any, b: Any, out: Any = None) -> Any:
    """The inner product of two vectors, as a sum; the product of matrices by `matmul`."""
    if not takes(a, b, out) or a.ndim == 0 or b.ndim == 0 or b.ndim > 2:
        return cupy.dot(a, b, out)
    if a.ndim == b.ndim == 1:
        return cupy.sum(a * b, out=out)
    return blas.matmul(a, b, out)


def stack(tup: Sequence[Any], axis: int = 0, **kw: Any) -> Any:
    """Arrays of one shape side by side along a new axis."""
    if len(tup) <= _TABLE or kw:
        return cupy.stack(tup, axis, **kw)
    return concatenate([cupy.expand_dims(a, axis) for a in tup], axis)


def concatenate(tup: Sequence[Any], axis: int = 0, out: Any = None, **kw: Any) -> Any:
    """Arrays one after another along an axis."""
    if len(tup) <= _TABLE or kw:
        return cupy.concatenate(tup, axis, out, **kw)
    shape, ends = list(tup[0].shape), [*accumulate(a.shape[axis] for a in tup)]
    shape[axis] = ends[-1]
    if out is None:
        out = cupy.empty(shape, dtype=cupy.result_type(*tup))
    along = cupy.moveaxis(out, axis, 0)
    for a, end in zip(tup, ends, strict=True):
        along[end - a.shape[axis]:end] = cupy.moveaxis(a, axis, 0)
    return out
