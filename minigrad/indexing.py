"""What stands between the brackets of x[...], and axes: checked, and as the arrays of a device take them.

NumPy refuses what is out of range; CuPy takes the remainder in silence. Both are asked here first.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DeviceError, DTypeError, IndexRangeError, describe, place
from .tensor import Tensor, caller


def axis_of(shape: tuple, axis: int) -> int:
    """An axis counted from the front. A single value has the axes 0 and -1, as in PyTorch.  Raises IndexRangeError."""
    n = len(shape) or 1
    if not -n <= axis < n:
        raise IndexRangeError(describe(f"there is no axis {axis} in {tuple(shape)}: {-n} ... {n - 1}.",
                                       made_at=place(caller())))
    return axis % n


def index_parts(index: Any, of: Tensor) -> tuple:
    """An index as what is applied in turn: itself, or two where numbers stand apart from arrays.

    x[0, :, ids] is x[0][:, ids], as in PyTorch: NumPy takes the 0 for an array, and moves the axes of ids to the front.
    """
    index = _plain(index, of)
    if type(index) is not tuple or not any(hasattr(i, "dtype") and i.ndim for i in index):
        return (index,)
    number = [i.dtype.kind in "iu" and not i.ndim if hasattr(i, "dtype") else type(i) is int for i in index]
    chosen = [k for k, i in enumerate(index) if number[k] or hasattr(i, "dtype")]
    if not any(number) or chosen[-1] - chosen[0] == len(chosen) - 1:
        return (index,)
    first: list[Any] = []
    for i, one in zip(index, number, strict=True):
        whole = i.ndim if getattr(i, "dtype", None) == np.bool_ else i is not None
        first += [int(i)] if one else [i] if i is Ellipsis else [slice(None)] * whole
    return tuple(first), tuple([i for i, one in zip(index, number, strict=True) if not one])


def _plain(index: Any, of: Tensor) -> Any:
    """An index as the device's arrays take it: tensors, lists and NumPy arrays become its arrays, ids are checked."""
    if isinstance(index, tuple):
        out = tuple(_plain_part(i, of) for i in index)
        axis = 0
        for i in out:
            if i is Ellipsis:
                break                          # ids behind an ellipsis are left to the array library
            check_ids(i, axis, of)
            axis += 0 if i is None else i.ndim if getattr(i, "dtype", None) == np.bool_ else 1
        return out
    index = _plain_part(index, of)
    check_ids(index, 0, of)
    return index


def _plain_part(index: Any, of: Tensor) -> Any:
    if isinstance(index, Tensor):
        if index.device is not of.device:
            raise DeviceError(describe(f"an index on {index.device.name} into a tensor on {of.device.name}.",
                                       index=index._made(), fix=f"index.to({of.device.name!r})"))
        found = index.data
    elif isinstance(index, (list, range, np.ndarray)):         # an empty list is ids; an empty array may be a mask
        ids = type(index) is list and not index
        found = of.device.asarray(np.asarray(index, dtype=np.int64 if ids else None))
    else:
        return index
    if of.requires_grad and not isinstance(index, (list, range)):
        found = found.copy()                   # backward needs it, and a batch buffer may be filled again
    if found.dtype.kind not in "iub":
        raise DTypeError(describe(f"an index is of integers or booleans, not {found.dtype}.", made_at=place(caller()),
                                  fix="index.to(mg.int64)"))
    return found


def check_ids(index: Any, axis: int, of: Tensor, negative: bool = True) -> None:
    """NumPy refuses an id outside of its axis, CuPy takes the remainder in silence: so look first.

    negative: do ids below 0 count from the end? In x[ids] they do; in gather and its like they are slips, as in
    PyTorch.
    """
    if not hasattr(index, "dtype") or index.dtype.kind not in "iu" or not index.size or axis >= of.ndim:
        return
    n, low, high = of.shape[axis], int(index.min()), int(index.max())
    if low < (-n if negative else 0) or high >= n:
        raise IndexRangeError(describe(
            f"index {high if high >= n else low} is outside of axis {axis} of {of.shape}: 0 ... {n - 1}.",
            made_at=place(caller()), table=of._made(),
            likely="a token id at or above the vocabulary's size, or an unknown word",
            fix="map unknown words to an id of their own, or enlarge the table"))
