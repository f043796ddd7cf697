"""Devices: where arrays live, which namespace computes on them, and the one source of random numbers.

    cpu      NumPy
    strict   a double of CuPy on NumPy that refuses what CuPy refuses: finds GPU mistakes without a GPU
    cuda     CuPy (`cuda.py`); imported on first use only

An operation gets its namespace from its tensors' device and never looks at an array's type. Random numbers are drawn on
the host by one `numpy.random.Generator`, so initial weights and data are the same on every device.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DeviceError, describe


class Device:
    """One place where arrays live.

    name: "cpu", "strict" or "cuda".  xp: its array namespace.  array: its array type.  blas: its matrix products
    (`blas.Blas`).  kernels: what starts its CUDA kernels (`kernels.Launcher`).  Both are None on "cpu".
    """

    __slots__ = ("name", "xp", "array", "blas", "kernels")

    def __init__(self, name: str, xp: Any, array: type, blas: Any = None, kernels: Any = None) -> None:
        self.name, self.xp, self.array, self.blas, self.kernels = name, xp, array, blas, kernels

    def __repr__(self) -> str:
        return f"device('{self.name}')"

    def __eq__(self, other: object) -> bool:
        return self is other or self.name == (other.name if isinstance(other, Device) else other)

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple:
        return device, (self.name,)            # copy.deepcopy(model): a device is one object, and a module has no copy

    def asarray(self, host: Any, dtype: Any = None) -> Any:
        """An array of this device from host data (array, list or number); no copy where none is needed."""
        return self.xp.asarray(host, dtype=dtype)

    def numpy(self, array: Any) -> np.ndarray:
        """The array as a NumPy array; on a GPU this waits for the device and copies."""
        return array if self.xp is np else self.xp.asnumpy(array)


cpu = Device("cpu", np, np.ndarray)
_devices = {"cpu": cpu}


def device(name: str | Device) -> Device:
    """The device of that name.

    Raises DeviceError if the name is unknown, or if CuPy or a usable GPU is missing (with what to install).
    """
    if isinstance(name, Device):
        return name
    if name not in _devices:
        if name == "strict":
            from . import blas, kernels, strict
            from .kernels.launcher import Launcher
            products = blas.Blas(blas.OnStrict())
            starts = kernels.enter(Launcher(strict, strict.ndarray, products, strict.launch, True, strict.SHARED))
            _devices[name] = Device(name, strict, strict.ndarray, products, starts)
        elif name == "cuda":
            ok, reason = cuda_status()
            if not ok:
                from .doctor import why
                raise DeviceError(describe("device 'cuda' cannot be used.", reason=reason, fix=why(reason)[1]))
            import cupy

            from . import cuda, kernels
            from .kernels import compiled
            from .kernels.launcher import Launcher
            products = cuda.blas
            chip = cupy.cuda.Device()
            starts = kernels.enter(Launcher(cuda, cupy.ndarray, products, compiled.run,
                                            int(chip.compute_capability) >= 90,
                                            chip.attributes["MaxSharedMemoryPerBlockOptin"], compiled.fits))
            _devices[name] = Device(name, cuda, cupy.ndarray, products, starts)
        else:
            raise DeviceError(describe(f"there is no device {name!r}.", fix="use 'cpu', 'cuda', or 'strict' for tests"))
    return _devices[name]


def cuda_status() -> tuple[bool, str]:
    """Is a GPU usable, and if not, why: a real kernel, a product and a sum, since CuPy imports without a driver."""
    try:
        import cupy
        if not cupy.is_available():
            raise RuntimeError("no CUDA driver or device")
        x = cupy.arange(4, dtype="f4")
        right = float((x[None] @ x[:, None] + x.sum())[0, 0]) == 20.0
        return right, "usable" if right else "a product of four numbers came out wrong"
    except Exception as error:                       # anything can fail here: driver, toolkit, headers, versions
        from .doctor import why
        return False, why(f"{type(error).__name__}: {error}")[0]


def add_at(xp: Any, out: Any, index: Any, values: Any) -> None:
    """out[index] += values into a new array, where an index that occurs twice is added twice.

    NumPy's add.at is three times as fast with numbers at flat places as with rows at ids (an embedding's gradient).
    """
    parts, flat = index if isinstance(index, tuple) else (index,), 0
    if xp is np and all(getattr(i, "dtype", np.dtype(bool)).kind in "iu" for i in parts):
        for ids, n in zip(parts, out.shape, strict=False):
            flat = flat * n + ids % n
        row = np.arange(out[(0,) * len(parts)].size if out.size else 0)
        out, index, values = out.reshape(-1), np.add.outer(flat * row.size, row).ravel(), values.ravel()
    xp.add.at(out, index, values)


def owner(array: Any) -> Any:
    """The array that owns the memory which a view shows."""
    while getattr(array, "base", None) is not None and hasattr(array.base, "dtype"):
        array = array.base
    return array


_generator = np.random.default_rng(0)


def manual_seed(seed: int) -> np.random.Generator:
    """Start the host generator of initial weights and data anew; the same on every device."""
    global _generator
    _generator = np.random.default_rng(seed)
    return _generator


def generator() -> np.random.Generator:
    """The host generator that `manual_seed` set."""
    return _generator
