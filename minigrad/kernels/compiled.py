"""Kernels on a real GPU: CuPy compiles the source once for each set of macros and starts it."""
from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from .signature import Kernel, source

_PORTABLE = 8                                  # blocks of a cluster that every chip with clusters can run
_NON_PORTABLE = 14                             # CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED
_PLAIN_SHARED = 48 * 1024                      # bytes a block has without asking


@cache
def _module(file: Any, macros: tuple[tuple[str, int], ...]) -> Any:
    import cupy
    options = ("-std=c++17", *[f"-D{name}={value}" for name, value in macros])
    return cupy.RawModule(code=source(file), options=options)


@cache
def _function(kernel: Kernel, macros: tuple[tuple[str, int], ...], shared: int, cluster: int) -> Any:
    function = _module(kernel.file, macros).get_function(kernel.name)
    if shared > _PLAIN_SHARED:
        function.max_dynamic_shared_size_bytes = shared
    if cluster > _PORTABLE:
        from cupy_backends.cuda.api import driver
        driver.funcSetAttribute(function.kernel.ptr, _NON_PORTABLE, 1)
    return function


def run(kernel: Kernel, grid: int, block: int, args: Sequence[Any], shared: int, cluster: int,
        macros: dict[str, int]) -> None:
    """Start it on CuPy's current stream; returns at once."""
    function = _function(kernel, tuple(sorted(macros.items())), shared, cluster)
    function((grid,), (block,), tuple(np.uintp(0) if a is None else a for a in args), shared_mem=shared)
