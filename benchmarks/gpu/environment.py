"""What a run was measured on: the chip, the software with its TF32 settings, the ceilings of copies and products."""
from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import blas

SHAPES = ((8192, 8192, 8192), (6400, 1024, 256), (6400, 2048, 512), (64, 1024, 256), (64, 2048, 512))
COPY = 1 << 30                                 # floats: 4 GiB, far more than a cache holds


def read(device: str) -> dict[str, Any]:
    """Names and versions as text, and ceilings. What cannot be read is an error text, and the rest is there."""
    parts: dict[str, Callable[[], dict[str, Any]]] = {"software": software}
    if device == "cuda":
        parts = {**parts, "gpu": gpu, "ceilings": ceilings}
    found: dict[str, Any] = {"device": device}
    for name, part in parts.items():
        try:
            found.update(part())
        except Exception as error:             # versions of three packages and a driver: anything may be missing
            found[f"{name} error"] = f"{type(error).__name__}: {error}"
    return found


def software() -> dict[str, Any]:
    """Python, NumPy and PyTorch; what importing PyTorch tells is added when something is timed (`peer`)."""
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch = "not installed"
    return {"python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine(),
            "cores": os.cpu_count(), "torch": torch}


def peer() -> dict[str, Any]:
    """PyTorch as it is before anybody sets anything: cuDNN, and where TF32 is on."""
    import torch
    return {"torch": torch.__version__, "torch_cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(),
            "torch_cudnn_tf32": torch.backends.cudnn.allow_tf32,
            "torch_matmul_tf32": torch.backends.cuda.matmul.allow_tf32}


def gpu() -> dict[str, Any]:
    """The chip, its driver, CUDA and CuPy."""
    import cupy
    about = cupy.cuda.runtime.getDeviceProperties(0)
    home = mg.device("cuda")
    found = {"gpu": about["name"].decode(), "compute_capability": f"{about['major']}.{about['minor']}",
             "multiprocessors": about["multiProcessorCount"], "l2_bytes": about["l2CacheSize"],
             "shared_bytes": about["sharedMemPerBlockOptin"], "memory_bytes": about["totalGlobalMem"],
             "driver_cuda": cupy.cuda.runtime.driverGetVersion(), "cuda": cupy.cuda.runtime.runtimeGetVersion(),
             "nvrtc": list(cupy.cuda.nvrtc.getVersion()), "cupy": cupy.__version__, "clusters": home.kernels.clusters}
    try:
        query = "nvidia-smi --query-gpu=driver_version,clocks.max.sm,power.limit --format=csv,noheader -i 0".split()
        found["driver"] = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found["driver"] = "unknown"
    return found


def ceilings() -> dict[str, Any]:
    """Copies in TB/s (bytes read and written), products in TFLOP/s, in float32 and in TF32."""
    import cupy
    home = mg.device("cuda")
    of, to = cupy.zeros(COPY, "f4"), cupy.empty(COPY, "f4")
    found: dict[str, Any] = {"copy_TB_per_s": 8 * COPY / 1e9 / milliseconds(
        lambda: to.data.copy_from_device_async(of.data, 4 * COPY), 10)}
    of = to = None                             # 8 GiB, before the products
    rng, before = np.random.default_rng(0), blas.allow_tf32()
    products: dict[str, Any] = {}
    for m, n, k in SHAPES:
        x, y = (cupy.asarray(rng.standard_normal(s, dtype=np.float32)) for s in ((m, k), (k, n)))
        out = cupy.empty((m, n), "f4")
        for tf32 in (False, True):
            blas.allow_tf32(tf32)
            ms = milliseconds(lambda x=x, y=y, out=out: home.blas.matmul(x, y, out=out), 10)     # type: ignore[misc]
            products[f"{m} x {n} x {k}, {'TF32' if tf32 else 'fp32'}"] = {"us": ms * 1e3,
                                                                         "TFLOP_per_s": 2 * m * n * k / ms / 1e9}
    blas.allow_tf32(before)
    return {**found, "products": products}


def milliseconds(call: Callable[[], Any], times: int) -> float:
    """The median device time of a call, between events."""
    import cupy
    for _ in range(3):
        call()
    found = []
    for _ in range(times):
        first, last = cupy.cuda.Event(), cupy.cuda.Event()
        first.record()
        call()
        last.record()
        last.synchronize()
        found.append(cupy.cuda.get_elapsed_time(first, last))
    return statistics.median(found)
