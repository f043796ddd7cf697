"""Making tensors: from data, filled, or random. Python floats become the default dtype, NumPy arrays keep their own."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import backend
from .errors import DTypeError, GradError, ShapeError, describe, place
from .tensor import Tensor, caller, get_default_dtype


def tensor(data: Any, dtype: Any = None, device: Any = "cpu", requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of the data (number, nested lists, NumPy array, Tensor).

    dtype: kept for arrays; Python floats become the default dtype (float32), Python integers int64.
    Raises DTypeError if a gradient is asked of integers or the data are no numbers, ShapeError for lists of different
    lengths, GradError for lists of tensors that require one, DeviceError if the device is not usable.
    """
    try:
        host = np.array(_on_host(data), copy=True)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ShapeError(describe("the lists of one tensor differ in length.", made_at=place(caller()),
                                  fix="pad them: nn.utils.rnn.pad_sequence")) from error
    if host.dtype.kind not in "biuf":
        what = type(data).__name__ if host.dtype == object else str(host.dtype)
        raise DTypeError(describe(f"a tensor holds numbers, and not what stands in this {what}.",
                                  made_at=place(caller()), fix="numbers, nested lists of them, or an array"))
    if dtype is None and host.dtype == np.float64 and not hasattr(data, "dtype"):
        dtype = get_default_dtype()
    return _place(host if dtype is None else host.astype(dtype), device, requires_grad)


def _on_host(data: Any) -> Any:
    """What NumPy can copy: of a tensor its values, and of a list of tensors theirs, unless they require a gradient."""
    if isinstance(data, Tensor):
        return data.device.numpy(data.data)
    if not isinstance(data, (list, tuple)) or not any(isinstance(v, Tensor) for v in data):
        return data
    if any(isinstance(v, Tensor) and v.requires_grad for v in data):
        raise GradError(describe("mg.tensor copies values: the gradient of these tensors would end here.",
                                 made_at=place(caller()), fix="mg.stack([...]), or mg.cat"))
    return [_on_host(v) for v in data]


def from_numpy(array: np.ndarray, requires_grad: bool = False) -> Tensor:
    """A tensor on the host that shares the array's memory."""
    return Tensor(array, requires_grad)


def _place(host: np.ndarray, device: Any, requires_grad: bool) -> Tensor:
    home = backend.device(device)
    return Tensor(home.asarray(host), requires_grad, home)


def _shape(shape: Sequence[Any]) -> tuple[int, ...]:
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else tuple(shape)


def full(shape: Sequence[int], value: float, dtype: Any = None, device: Any = "cpu",
         requires_grad: bool = False) -> Tensor:
    """A tensor of one value."""
    home = backend.device(device)              # filled where it lives: a start state must not cost an upload a step
    return Tensor(home.xp.full(tuple(shape), value, dtype=dtype or get_default_dtype()), requires_grad, home)


def zeros(*shape: Any, dtype: Any = None, device: Any = "cpu", requires_grad: bool = False) -> Tensor:
    """Zeros: `zeros(2, 3)` or `zeros((2, 3))`."""
    return full(_shape(shape), 0, dtype, device, requires_grad)


def ones(*shape: Any, dtype: Any = None, device: Any = "cpu", requires_grad: bool = False) -> Tensor:
    """Ones: `ones(2, 3)` or `ones((2, 3))`."""
    return full(_shape(shape), 1, dtype, device, requires_grad)


def eye(n: int, dtype: Any = None, device: Any = "cpu", requires_grad: bool = False) -> Tensor:
    """The identity matrix (n, n)."""
    return _place(np.eye(n, dtype=dtype or get_default_dtype()), device, requires_grad)


def arange(*bounds: Any, dtype: Any = None, device: Any = "cpu") -> Tensor:
    """Evenly spaced values as `range` has them; floats become the default dtype."""
    host = np.arange(*bounds, dtype=dtype)
    return _place(host.astype(get_default_dtype()) if dtype is None and host.dtype.kind == "f" else host, device, False)


def randn(*shape: Any, dtype: Any = None, device: Any = "cpu", requires_grad: bool = False) -> Tensor:
    """Standard normal values from the host generator (`manual_seed`): the same on every device."""
    host = backend.generator().standard_normal(_shape(shape)).astype(dtype or get_default_dtype())
    return _place(np.asarray(host), device, requires_grad)


def rand(*shape: Any, dtype: Any = None, device: Any = "cpu", requires_grad: bool = False) -> Tensor:
    """Uniform values in [0, 1) from the host generator (`manual_seed`): the same on every device."""
    host = np.asarray(backend.generator().random(_shape(shape)))
    return _place(host.astype(dtype or get_default_dtype()), device, requires_grad)
