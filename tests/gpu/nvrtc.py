"""Compile CUDA C++ without a GPU or a driver, by NVRTC alone:  pip install "nvidia-cuda-nvrtc==13.0.*" """
from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class CompileError(AssertionError):
    """NVRTC refuses the source."""


@dataclass(frozen=True)
class Used:
    """What a kernel needs of a chip: registers a thread, bytes of its stack, of spills, of static shared memory."""

    registers: int
    stack: int
    spills: int
    shared: int


@cache
def library() -> Any:
    """libnvrtc, or None where it is not installed."""
    spec = find_spec("nvidia")
    for root in map(Path, spec.submodule_search_locations or () if spec else ()):
        for found in sorted(root.glob("*/lib/libnvrtc.so.*"), reverse=True):
            for part in sorted(found.parent.glob("libnvrtc-builtins.so.*")):
                ctypes.CDLL(str(part), ctypes.RTLD_GLOBAL)     # it would look for it by a name that no path has
            return ctypes.CDLL(str(found))
    return None


def compiled(text: str, name: str, arch: int, macros: dict[str, int]) -> tuple[dict[str, Used], str, str]:
    """Compile as CuPy does. Returns what each kernel uses, the log, and the PTX. Raises CompileError."""
    nvrtc, program = library(), ctypes.c_void_p()

    def ok(code: int) -> None:
        if code:
            nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
            raise CompileError(f"{name}: {nvrtc.nvrtcGetErrorString(code).decode()}")
    ok(nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(), 0, None, None))
    options = [f"-arch=sm_{arch}", "-std=c++17", "-ftz=true", "--ptxas-options=-v",
               *[f"-D{n}={v}" for n, v in macros.items()]]
    code = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(
        *[o.encode() for o in options]))
    size = ctypes.c_size_t()

    def said(what: str) -> str:
        ok(getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
        buffer = ctypes.create_string_buffer(size.value)
        ok(getattr(nvrtc, f"nvrtcGet{what}")(program, buffer))
        return buffer.value.decode()
    log = said("ProgramLog")
    if code:
        raise CompileError(f"{name} for sm_{arch} with {macros}:\n{log[:3000]}")
    ptx = said("PTX")
    ok(nvrtc.nvrtcDestroyProgram(ctypes.byref(program)))
    used = {}
    for m in re.finditer(r"entry function '(\w+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes "
                         r"spill loads.*?Used (\d+) registers([^\n]*)", log, re.S):
        shared = re.search(r"(\d+) bytes smem", m[6])
        used[m[1]] = Used(int(m[5]), int(m[2]), int(m[3]) + int(m[4]), int(shared[1]) if shared else 0)
    return used, log, ptx
