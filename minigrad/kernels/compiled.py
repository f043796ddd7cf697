"""Kernels on a real GPU: CuPy compiles the source once for each set of macros and starts it.

CuPy loads a module once on each device, so a kernel's attributes, and whether its clusters fit, hold for one device.
"""
from __future__ import annotations

import ctypes as C
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ..doctor import library
from .signature import Kernel, source

_PORTABLE = 8                                  # blocks of a cluster that every chip with clusters can run
_NON_PORTABLE = 14                             # CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED

Macros = tuple[tuple[str, int], ...]


class _Launch(C.Structure):
    """CUlaunchConfig.  No attributes: the cluster's size is in the source, and whoever asks may leave it out."""

    _fields_ = [*[(f"{what}_{axis}", C.c_uint) for what in ("grid", "block") for axis in "xyz"], ("shared", C.c_uint),
                ("stream", C.c_void_p), ("attributes", C.c_void_p), ("count", C.c_uint)]


def run(kernel: Kernel, grid: int, block: int, args: Sequence[Any], shared: int, cluster: int,
        macros: dict[str, int]) -> None:
    """Start it on CuPy's current stream; returns at once."""
    function = _function(kernel, tuple(sorted(macros.items())), shared, cluster, _device())
    function((grid,), (block,), tuple(np.uintp(0) if a is None else a for a in args), shared_mem=shared)


def fits(kernel: Kernel, block: int, shared: int, cluster: int, macros: dict[str, int]) -> bool:
    """Can the current device run one such cluster? Slices of a chip may have no room for 16 blocks side by side.

    The driver is asked once, and waits for nothing; what it cannot answer is no. The first time loads the kernel.
    """
    return _fits(kernel, tuple(sorted(macros.items())), block, shared, cluster, _device())


def _device() -> int:
    import cupy
    return int(cupy.cuda.runtime.getDevice())


@cache
def _module(file: Any, macros: Macros) -> Any:
    import cupy
    options = ("-std=c++17", *[f"-D{name}={value}" for name, value in macros])
    return cupy.RawModule(code=source(file), options=options)


@cache
def _function(kernel: Kernel, macros: Macros, shared: int, cluster: int, device: int) -> Any:
    """The kernel on the current device, `device`, with what so much shared memory and so large a cluster ask for."""
    function = _module(kernel.file, macros).get_function(kernel.name)
    if shared > function.max_dynamic_shared_size_bytes:        # 48 KB at first; never less than another launch needs
        function.max_dynamic_shared_size_bytes = shared
    if cluster > _PORTABLE:
        from cupy_backends.cuda.api import driver
        driver.funcSetAttribute(function.kernel.ptr, _NON_PORTABLE, 1)
    return function


@cache
def _fits(kernel: Kernel, macros: Macros, block: int, shared: int, cluster: int, device: int) -> bool:
    from cupy_backends.cuda.api import driver
    ask = getattr(library(), "cuOccupancyMaxActiveClusters", None)         # of CUDA 11.8
    try:
        function = _function(kernel, macros, shared, cluster, device)
    except driver.CUDADriverError:             # an attribute that the chip does not know
        return False
    clusters, launch = C.c_int(), _Launch(cluster, 1, 1, block, 1, 1, shared)
    refused = ask is None or ask(C.byref(clusters), C.c_void_p(function.kernel.ptr), C.byref(launch))
    return not refused and clusters.value > 0
