"""The one way to start a kernel: every argument is checked against the C signature first.

CuPy checks nothing: it passes a Python float as a double, ignores strides, and takes any number of arguments.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..errors import DeviceError, DTypeError, MinigradError, ShapeError, describe
from .signature import Kernel, Parameter, find

_MOST = 2 ** 31 - 2 ** 26                       # of an int: kernels add a block's or a tile's part to it, then compare

Run = Callable[[Kernel, int, int, Sequence[Any], int, int, dict[str, int]], None]
Fits = Callable[[Kernel, int, int, int, dict[str, int]], bool]


class Launcher:
    """Starts the kernels of one device:  k("lstm_cell", blocks, 256, gates, c, h, B, shared=0, H=128).

    xp: the device's namespace.  array: its array type.  blas: its products.  run: what executes a checked launch.
    clusters: does the chip have thread-block clusters (compute capability 9.0 or newer)?  shared: the bytes of shared
    memory that a block can ask for.  fits: is there room for one cluster of a kernel?
    """

    def __init__(self, xp: Any, array: Any, blas: Any, run: Run, clusters: bool, shared: int,
                 fits: Fits = lambda kernel, block, shared, cluster, macros: True) -> None:
        self.xp, self.array, self.blas, self.run, self.clusters, self.shared = xp, array, blas, run, clusters, shared
        self.fits = fits

    def clustered(self, block: int, launches: Mapping[str, Mapping[str, int]]) -> bool:
        """Can the device run clusters of these kernels, of `block` threads a block? Of none it is no.

        launches: kernel -> {"shared", "cluster", its macros}, as a launch takes them.
        """
        return self.clusters and bool(launches) and all(self._fits(name, block, **how)
                                                        for name, how in launches.items())

    def _fits(self, name: str, block: int, *, shared: int, cluster: int, **macros: int) -> bool:
        return shared <= self.shared and self.fits(find(name), block, shared, cluster, macros)

    def __call__(self, name: str, grid: int, block: int, /, *args: Any, shared: int = 0, cluster: int = 1,
                 **macros: int) -> None:
        """Start `grid` blocks of `block` threads; a grid of 0 starts nothing.

        args: arrays, numbers, or None where the signature says /*?*/.  shared: bytes of shared memory a block.
        cluster: blocks that run together.  macros: what the file is compiled with.
        Raises DTypeError, DeviceError, ShapeError, MinigradError, naming the kernel and the parameter.
        """
        kernel = find(name)
        if len(args) != len(kernel.parameters):
            raise MinigradError(describe(f"{kernel} takes {len(kernel.parameters)} arguments and got {len(args)}.",
                                         parameters=", ".join(p.name for p in kernel.parameters)))
        if grid % cluster:
            raise ShapeError(f"{kernel}: {grid} blocks are no whole number of clusters of {cluster}")
        checked = [self._argument(kernel, p, value) for p, value in zip(kernel.parameters, args, strict=True)]
        if grid:
            self.run(kernel, grid, block, checked, shared, cluster, macros)

    def _argument(self, kernel: Kernel, p: Parameter, value: Any) -> Any:
        """The argument as it goes to the device: an array, None, or a NumPy number of the C type."""
        if not p.pointer:
            return _number(kernel, p, value)
        if value is None and p.optional:
            return None
        if not isinstance(value, self.array):
            raise DeviceError(describe(f"{kernel}: {p.name} is a {type(value).__name__}, not an array of this device.",
                                       fix="None is for parameters marked /*?*/; move host data first, and once"))
        if value.dtype != p.dtype:
            raise DTypeError(describe(f"{kernel}: {p.name} is {value.dtype}, and the kernel reads {p.dtype}.",
                                      fix=f"x.astype({p.dtype!r})"))
        if not value.flags.c_contiguous:
            raise ShapeError(describe(f"{kernel}: {p.name} {value.shape} is not C-contiguous, strides "
                                      f"{value.strides}.", fix="xp.ascontiguousarray(x)"))
        return value


def blocks(count: int, threads: int) -> int:
    """How many blocks of `threads` give each of `count` things a thread.

    Raises ShapeError where the kernel's int cannot tell the threads apart.
    """
    if count > _MOST:
        raise ShapeError(f"a launch has a thread for each of at most {_MOST} things, and these are {count}")
    return -(-count // threads)


@cache
def _limits(dtype: str) -> tuple[int, int]:
    """The least and the largest number of a parameter; NumPy takes 2 us a time to tell one of them."""
    found = np.iinfo(dtype)
    return int(found.min), _MOST if dtype == "int32" else int(found.max)


def _number(kernel: Kernel, p: Parameter, value: Any) -> np.generic:
    kind = np.dtype(p.dtype)
    if isinstance(value, np.generic) and value.dtype == kind:
        return value
    if kind.kind == "f":
        if isinstance(value, (int, float)):
            return kind.type(value)
    elif isinstance(value, (int, np.integer)):
        least, most = _limits(p.dtype)
        if least <= value <= most:
            return kind.type(value)
    limit = "" if kind.kind == "f" else f" of at most {_limits(p.dtype)[1]}"
    raise DTypeError(f"{kernel}: {p.name} is {value!r} ({type(value).__name__}), and the kernel takes one "
                     f"{p.dtype}{limit}")
