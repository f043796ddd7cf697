"""Execute the .cu sources without a GPU: by g++, one fiber a CUDA thread, in a random order between barriers.

    with emulated(seed=1):                     # launches on "strict" run the source instead of its twin
        y, h = model(x)

    for m in mutants("lstm_cluster.cu"):       # the source without one of its barriers
        with replaced(m):
            with emulated(), pytest.raises((AssertionError, EmulatorError)):
                check()

Each array goes in through a fenced copy: a write before its start, behind its end or into what is `const` is an error,
and so is a write beyond the shared memory that the launch asked for, and a deadlock.
"""
from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import strict
from minigrad.kernels.signature import DTYPES, FOLDER, Kernel, kernels, source

HEADER = Path(__file__).with_name("emulator.h")
FENCE = 64                                     # bytes before and behind an array
_C = {dtype: name for name, dtype in DTYPES.items()} | {"bool": "unsigned char"}
_WHY = {1: "deadlock: threads wait at a barrier that others never reach", 2: "a block wrote beyond its shared memory"}
_replaced: dict[str, str] = {}                 # file name -> text that stands for it


class EmulatorError(AssertionError):
    """A kernel did what would crash, hang or corrupt memory on a GPU."""


@dataclass(frozen=True)
class Mutant:
    """A file without one of its barriers."""

    file: str
    line: int
    barrier: str
    text: str

    def __repr__(self) -> str:
        return f"{self.file}:{self.line} without {self.barrier}"


def mutants(file: str, also: Sequence[str] = ()) -> list[Mutant]:
    """The file with each barrier deleted in turn; `also`: other exact texts to delete, each at every place."""
    text = (FOLDER / file).read_text()
    found = [m for m in re.finditer("|".join([r"__syncthreads\(\);", r"cl_sync\(\);", r"__syncwarp\(\);",
                                              *map(re.escape, also)]), text)
             if "//" not in text[text.rfind("\n", 0, m.start()) + 1:m.start()]]
    return [Mutant(file, text.count("\n", 0, m.start()) + 1, m[0], text[:m.start()] + text[m.end():]) for m in found]


@contextmanager
def replaced(mutant: Mutant) -> Iterator[None]:
    """The emulator takes the mutant's text for its file."""
    _replaced[mutant.file] = mutant.text
    try:
        yield
    finally:
        del _replaced[mutant.file]


@contextmanager
def emulated(seed: int = 0) -> Iterator[list[str]]:
    """Launches on device "strict" execute the source itself; yields the list of kernels that were started."""
    started: list[str] = []
    order = np.random.default_rng(seed)

    def body(kernel: Kernel, grid: int, block: int, args: Sequence[Any], shared: int, cluster: int,
             macros: dict[str, int]) -> None:
        started.append(kernel.name)
        execute(kernel, grid, block, args, shared, cluster, macros, int(order.integers(2 ** 31)))
    before, strict.body = strict.body, body
    try:
        yield started
    finally:
        strict.body = before


def execute(kernel: Kernel, grid: int, block: int, args: Sequence[Any], shared: int = 0, cluster: int = 1,
            macros: dict[str, int] | None = None, seed: int = 0) -> None:
    """Run one launch on NumPy arrays. Raises EmulatorError."""
    library = _library(kernel.file, _replaced.get(kernel.file.name) or "", tuple(sorted((macros or {}).items())))
    passed: list[Any] = []
    fenced: list[tuple[Any, np.ndarray, np.ndarray]] = []
    for p, value in zip(kernel.parameters, args, strict=True):
        if p.pointer:
            if value is None:
                passed.append(ctypes.c_void_p(0))
                continue
            room = np.full(value.nbytes + 2 * FENCE + 16, 0xA5, np.uint8)
            start = FENCE + -(room.ctypes.data + FENCE) % 16
            inside = room[start:start + value.nbytes].view(value.dtype).reshape(value.shape)
            inside[...] = value
            fenced.append((p, value, room))
            passed.append(ctypes.c_void_p(inside.ctypes.data))
        else:
            passed.append(np.ctypeslib.as_ctypes_type(np.dtype(p.dtype))(value.item()))
    code = library[kernel.name](grid, block, ctypes.c_long(shared), cluster, ctypes.c_uint(seed), *passed)
    if code:
        raise EmulatorError(f"{kernel}: {_WHY[code]}")
    for p, value, room in fenced:
        start = FENCE + -(room.ctypes.data + FENCE) % 16
        inside = room[start:start + value.nbytes].view(value.dtype).reshape(value.shape)
        if (room[:start] != 0xA5).any() or (room[start + value.nbytes:] != 0xA5).any():
            raise EmulatorError(f"{kernel} wrote outside of {p.name} {value.shape}")
        if p.const:
            if inside.tobytes() != value.tobytes():
                raise EmulatorError(f"{kernel} wrote into {p.name}, which is const")
        else:
            value[...] = inside


@cache
def _library(path: Path, text: str, macros: tuple[tuple[str, int], ...]) -> dict[str, Any]:
    """The kernels of a file, or of `text` in its place, as functions of a shared library."""
    file = path.name
    body = source(path) if not text else source(path).replace(path.read_text(), text)
    if "__shared__" in body.split(f'#line 1 "{file}"')[1]:
        raise EmulatorError(f"{file}: take shared memory by SMEM(name), so that the emulator can fence it")
    entries = []
    for k in kernels(path).values():
        parameters = ", ".join(f"{_C[p.dtype]}{' *' if p.pointer else ' '}{p.name}" for p in k.parameters)
        names = ", ".join(p.name for p in k.parameters)
        entries.append(f'extern "C" int emulate_{k.name}(int grid_, int block_, long shared_, int cluster_, '
                       f"unsigned seed_, {parameters}) {{\n  return emu::run(grid_, block_, shared_, cluster_, seed_, "
                       f"[=] {{ {k.name}({names}); }});\n}}")
    code = f'{HEADER.read_text()}\n{body}\n{chr(10).join(entries)}\n'.replace("#pragma once", "")
    options = ["-std=c++20", "-O1", "-w", "-fPIC", "-shared", "-ffp-contract=off",
               *[f"-D{n}={v}" for n, v in macros]]
    folder = Path(tempfile.gettempdir()) / f"minigrad-emulator-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    built = folder / f"{hashlib.sha256((code + repr(options)).encode()).hexdigest()[:32]}.so"
    if not built.exists():
        if not shutil.which("g++"):
            raise EmulatorError("the kernels run on the CPU by g++, which is missing: apt-get install g++")
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".so", delete=False) as half:
            done = subprocess.run(["g++", *options, "-x", "c++", "-", "-o", half.name], input=code, text=True,
                                  capture_output=True)
        if done.returncode:
            Path(half.name).unlink()
            raise EmulatorError(f"{file}: g++ refuses it\n{done.stderr[:3000]}")
        os.replace(half.name, built)           # two processes may build the same at once
    library = ctypes.CDLL(str(built))
    return {name: getattr(library, f"emulate_{name}") for name in kernels(path)}
