"""Rows of a table as one node; equal to `weight[ids]` (test_fused_ops.py).

    y_i = W[id_i];   dW[v] = sum of g_i over the i with id_i = v

Many rows are brought together by sorting their ids, on the host, and added as runs: 0.75 to 0.9 of the time that adding
each at its place takes. A device with kernels does the same (`nn/gpu/embedding.py`).
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ... import kernels
from ... import tensor as tape
from ...backend import add_at, cpu
from ...errors import DTypeError, IndexRangeError, describe
from ...ops import _under, getitem, put
from ...tensor import Tensor, primitive
from ..gpu import embedding as gpu

SORTED = 256                                   # ids from which sorting them pays
FEW, RUNS = 4, 64                              # a run costs 0.5 us to start, so short ones are added otherwise if many


@primitive
def _embedding(xp: Any, w: Any, *, ids: Any, padding: int | None, source: list | None = None) -> Any:
    """y_i = W[id_i];  dW = sum over i of g_i at id_i

    w (V, E), ids (...) -> (..., E); a row of NaN without a gradient where an id is outside of 0 ... V - 1.
    padding: the id whose row gets no gradient.  source: with kernels, the array to read, once; it is copied to ids.
    """
    shape, n = w.shape, w.shape[0]
    if xp is np:
        return w.take(ids, 0), lambda g: (_add_rows(g, ids, shape, padding),)
    if (k := kernels.of(xp, w.dtype)) is not None:
        return gpu.rows(xp, k, w, source.pop() if source else ids, ids, padding)
    known = (ids >= 0) & (ids < n)
    trained = known if padding is None else known & (ids != padding)
    inside = ids * known

    def vjp(g: Any) -> Any:
        return (_under(xp, put, xp.where(_wide(trained), g, xp.zeros_like(g)), index=inside, shape=shape),)
    y = _under(xp, getitem, w, index=inside)
    if isinstance(y, Tensor):                  # second order: the recorded index would not stop at such a row
        y = xp.where(_wide(trained), y, y.detach())
    return xp.where(_wide(known), y, xp.full_like(y, float("nan"))), vjp


def _wide(mask: Any) -> Any:
    return mask.reshape((*mask.shape, 1))


def _add_rows(g: np.ndarray, ids: np.ndarray, shape: tuple, padding: int | None) -> np.ndarray:
    """Zeros (V, E) with the rows of g added at their ids."""
    out = np.zeros(shape, g.dtype)
    if ids.size < SORTED:
        add_at(np, out, ids, g)
    else:
        flat, rows = ids.reshape(-1), g.reshape(ids.size, *shape[1:])
        narrow = flat.astype(np.uint16) if shape[0] <= 65536 else flat     # NumPy sorts these by radix: 4 times faster
        order = np.argsort(narrow, kind="stable")
        known = flat[order]
        starts = np.flatnonzero(np.concatenate(([True], known[1:] != known[:-1])))
        counts = np.diff(starts, append=len(flat))
        few = FEW if len(starts) > RUNS else 0
        for k in range(few):                   # ids that occur up to `few` times: all their k-th rows in one call
            at = starts[(counts > k) & (counts <= few)]
            out[known[at]] += rows.take(order[at + k], 0)
        many = counts > few                    # the frequent ones: as runs
        if many.any():
            ends = np.cumsum(counts[many])
            runs = rows.take(order[np.repeat(many, counts)], 0)
            out[known[starts[many]]] = np.add.reduceat(runs, ends - counts[many], axis=0)
    if padding is not None:
        out[padding] = 0
    return out


def check_ids(weight: Tensor, ids: Tensor) -> None:
    """Raise DTypeError, DeviceError, or IndexRangeError for ids that a table of rows cannot take.

    The range is looked at on cpu, and everywhere under `mg.debug()`: elsewhere to look would wait for the device.
    """
    if ids.dtype.kind not in "iu":
        raise DTypeError(describe(f"ids are integers, and these are {ids.dtype}.", ids=ids._made(),
                                  fix="ids.to(mg.int64)"))
    if ids.device is not weight.device:
        raise tape._two_devices(_embedding.op, (weight, ids))
    array, n = ids.data, weight.shape[0]
    if ids.device is cpu or tape._watch is not None:
        low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
        if low < 0 or high >= n and array.size:
            raise IndexRangeError(describe(
                f"id {low if low < 0 else high} is outside of 0 ... {n - 1}.", table=weight._made(), ids=ids._made(),
                likely="a token id at or above the vocabulary's size, or an unknown word",
                fix="map unknown words to an id of their own, or enlarge the table"))


def rows_of(weight: Tensor, ids: Tensor, padding: int | None) -> Tensor:
    """`_embedding` of checked ids. On a device where nobody looked at them, the row of an id out of range is NaN."""
    check_ids(weight, ids)
    array, options = ids.data, {}
    if kernels.of(ids.device.xp, weight.dtype) is None:
        array = array.copy()                   # a batch buffer may be filled again
    else:
        array, options = ids.device.xp.empty(array.shape, "int64"), {"source": [array]}
    rows: Tensor = _embedding(weight, ids=array, padding=padding, **options)
    return rows
