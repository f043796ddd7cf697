"""Making tensors: from data, filled, or random. Python floats become the default dtype, NumPy arrays keep their own."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import backend
from .tensor import Tensor, get_default_dtype


def tensor(data: Any, dtype: Any = None, device: Any = "cpu", requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of the data (number, nested lists, NumPy array, Tensor).

    dtype: kept for arrays; Python floats become the default dtype (float32), Python integers int64.
    Raises DTypeError if a gradient is asked of integers, DeviceError if the device is not usable.
    """
    host = np.array(data.device.numpy(data.data) if isinstance(data, Tensor) else data, copy=True)
    if dtype is None and host.dtype == np.float64 and not isinstance(data, (np.ndarray, np.generic, Tensor)):
        dtype = get_default_dtype()
    return _place(host if dtype is None else host.astype(dtype), device, requires_grad)


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
