"""Is a GPU usable, and if not, why, and what to install: the words of `minigrad doctor` and of device "cuda".

NVIDIA's driver is asked directly and CuPy's distributions are read by name, so that the answer does not need a CuPy
that works. Whether the GPU can be used is decided by `backend.cuda_status`, which makes CuPy compute.
"""
from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from .install import install_line

OLDEST_CUPY = (14, 0)
EXTRAS = {"cuda13": (13, 0), "cuda12": (12, 0)}          # extra -> the CUDA that its CuPy is built for, newest first
DRIVERS = {"cuda13": "580", "cuda12": "525"}             # the first driver of that CUDA, on Linux
LEAST = {"cuda13": (7, 5), "cuda12": (5, 0)}             # the oldest compute capability that it compiles for
NAMES = ("cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x", "cupy-cuda14x")
CLUSTERS = (9, 0)                                        # thread-block clusters, for the persistent kernels

_NO_DEVICE = 100                                         # CUDA_ERROR_NO_DEVICE
_MAJOR, _MINOR = 75, 76                                  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_...


@dataclass(frozen=True)
class Chip:
    """One GPU.  capability: its compute capability, such as (9, 0).  memory: bytes."""

    name: str
    capability: tuple[int, int]
    memory: int


@dataclass(frozen=True)
class Driver:
    """NVIDIA's driver.  cuda: the newest CUDA that it runs.  chips: what it shows.  error: of cuInit, 0 for none."""

    cuda: tuple[int, int]
    chips: tuple[Chip, ...] = ()
    error: int = 0


def library() -> Any:
    """The driver's library, or None where there is none."""
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None


def driver() -> Driver | None:
    """What the driver says of itself and of the GPUs; None without one."""
    cuda = library()
    if cuda is None:
        return None

    def number(function: Any, *arguments: Any, kind: Any = ctypes.c_int) -> int:
        value = kind()
        function(ctypes.byref(value), *arguments)
        return value.value
    packed = number(cuda.cuDriverGetVersion)                                   # 12040 is CUDA 12.4
    version = packed // 1000, packed % 1000 // 10
    if error := cuda.cuInit(0):
        return Driver(version, error=error)
    chips = []
    for i in range(number(cuda.cuDeviceGetCount)):
        chip, name = number(cuda.cuDeviceGet, i), ctypes.create_string_buffer(256)
        cuda.cuDeviceGetName(name, len(name), chip)
        chips.append(Chip(name.value.decode(errors="replace"),
                          (number(cuda.cuDeviceGetAttribute, _MAJOR, chip),
                           number(cuda.cuDeviceGetAttribute, _MINOR, chip)),
                          number(cuda.cuDeviceTotalMem_v2, chip, kind=ctypes.c_size_t)))
    return Driver(version, tuple(chips))


def wheels() -> dict[str, str]:
    """CuPy's distributions in this environment, name -> version. They share one folder, so there should be one."""
    found = {}
    for name in NAMES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def extra_for(found: Driver | None) -> str:
    """The extra whose CuPy this driver and its first GPU can run; the newest where there is no driver."""
    for extra, cuda in EXTRAS.items():
        if found is None or found.cuda >= cuda and all(c.capability >= LEAST[extra] for c in found.chips[:1]):
            return extra
    return "cuda12"


def why(error: str) -> tuple[str, str]:
    """(reason, what to do) for a GPU that cannot be used.  error: what the attempt said."""
    if platform.system() == "Darwin":
        return "macOS has no CUDA", "stay on device='cpu': a GPU is optional"
    found, cupy = driver(), wheels()
    extra = extra_for(found)
    install = install_line(extra)
    if found is None:
        return ("there is no NVIDIA driver" + ("" if cupy else ", and no CuPy"),
                "install NVIDIA's driver" +
                ("" if cupy else f", then {install} (driver {DRIVERS['cuda13']} or newer; cuda12 from "
                                 f"{DRIVERS['cuda12']} on)") + "; a GPU is optional")
    if not found.chips:
        return _no_chip(found)
    if found.cuda < EXTRAS["cuda12"]:
        return (f"the driver is too old: it runs CUDA {_dotted(found.cuda)}, and CuPy 14 needs 12.0",
                f"update the driver to {DRIVERS['cuda12']} or newer")
    return _cupy(error, found, cupy, extra)


def _no_chip(found: Driver) -> tuple[str, str]:
    """A driver that shows no GPU."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if found.error not in (0, _NO_DEVICE):
        return (f"the driver does not start: cuInit gives error {found.error}",
                "restart the machine, or install the driver anew; in a container, one that fits the host's driver")
    if hidden is not None:
        return (f"the driver shows no GPU, and CUDA_VISIBLE_DEVICES is {hidden!r}",
                "unset CUDA_VISIBLE_DEVICES, or set it to 0")
    return ("the driver shows no GPU", "look at what nvidia-smi lists; start a container with --gpus all")


def _cupy(error: str, found: Driver, cupy: dict[str, str], extra: str) -> tuple[str, str]:
    """A driver and a GPU, so what is wrong is CuPy or what it needs."""
    install, names = install_line(extra), " ".join(cupy)
    if not cupy:
        return "CuPy is not installed", install
    if len(cupy) > 1:
        return (f"{len(cupy)} CuPy wheels overwrite each other: {', '.join(map(' '.join, cupy.items()))}",
                f"pip uninstall -y {names}; then {install}")
    (name, version), = cupy.items()
    built = next((e for e in EXTRAS if name == f"cupy-{e}x"), None)
    if _numbers(version) < OLDEST_CUPY:
        return f"CuPy {version} is too old: minigrad needs 14", f"pip uninstall -y {name}; then {install}"
    if built and found.cuda < EXTRAS[built]:
        return (f"the driver is too old for {name}: it runs CUDA {_dotted(found.cuda)}",
                f"update the driver to {DRIVERS[built]} or newer; or pip uninstall -y {name}, then {install}")
    chip = found.chips[0]
    if built and chip.capability < LEAST[built]:
        return (f"{chip.name} has compute capability {_dotted(chip.capability)}, too old for {name}",
                f"pip uninstall -y {name}; then {install}" if extra != built else "stay on device='cpu'")
    if re.search(r"CUDA headers|DynamicLibNotFound|lib(nvrtc|cublas|cudart)\b", error):
        return (f"{name} is there, but CUDA's headers, compiler (NVRTC) or cuBLAS are not: {_first_line(error)}",
                install_line(built or extra))
    return _first_line(error), f"{install_line(built or extra)}; python -c 'import cupy; cupy.show_config()' tells more"


def details() -> dict[str, Any]:
    """Of a GPU that is usable: name, compute capability, memory, CUDA, CuPy, and whether it has cluster kernels."""
    found, cupy = driver(), wheels()
    if found is None or not found.chips:
        return {}
    chip = found.chips[0]
    return {"name": chip.name, "devices": len(found.chips), "capability": _dotted(chip.capability),
            "memory_gib": round(chip.memory / 2 ** 30, 1), "cuda": _dotted(found.cuda), "cupy": cupy,
            "cluster_kernels": chip.capability >= CLUSTERS}


def lines(found: dict[str, Any]) -> list[str]:
    """`details` in words."""
    if not found:
        return []
    more = f", the first of {found['devices']} GPUs" if found["devices"] > 1 else ""
    cupy = ", ".join(f"CuPy {version} ({name})" for name, version in found["cupy"].items()) or "CuPy of unknown origin"
    said = [f"{found['name']}, compute capability {found['capability']}, {found['memory_gib']} GiB{more}",
            f"the driver runs CUDA up to {found['cuda']}; {cupy}",
            "cluster kernels: yes" if found["cluster_kernels"] else
            f"cluster kernels: no (compute capability {_dotted(CLUSTERS)} or newer has them); fused cells instead"]
    if len(found["cupy"]) > 1:
        said.append(f"{len(found['cupy'])} CuPy wheels overwrite each other: pip uninstall -y "
                    f"{' '.join(found['cupy'])}, then install one extra")
    return said


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:2])


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0][:200]
