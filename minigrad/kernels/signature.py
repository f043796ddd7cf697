"""What a .cu file says of its kernels: names, parameters, macros, architecture.

The files keep to a form that this reader knows:

    extern "C" __global__ void name(const float* x, float* y /*?*/, int n) {

A pointer marked /*?*/ may be null. The head comment says `// macros: H=32 64` (the sizes it is compiled for; several
macros stand on one line each) and `// arch: 90` (the least compute capability; 75 where nothing is said).
"""
from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
COMMON = FOLDER / "common.cuh"
DTYPES = {"float": "float32", "int": "int32", "unsigned": "uint32", "unsigned int": "uint32", "long long": "int64",
          "unsigned long long": "uint64", "unsigned char": "bool"}
_KERNEL = re.compile(r'extern "C"\s+__global__\s+void\s+(\w+)\s*\(([^)]*)\)\s*\{')
_ATTRIBUTES = re.compile(r"__(?:cluster_dims|launch_bounds)__\s*\([^)]*\)\s*")


@dataclass(frozen=True)
class Parameter:
    """One parameter: its dtype, and whether it is an array, is only read, may be null."""

    name: str
    dtype: str
    pointer: bool
    const: bool
    optional: bool


@dataclass(frozen=True, eq=False)              # a key at each launch: to hash its parameters would take 10 us
class Kernel:
    """One kernel of a file."""

    name: str
    file: Path
    parameters: tuple[Parameter, ...]

    def __repr__(self) -> str:
        return f"kernel {self.name}"


def source(file: Path) -> str:
    """The whole text that a compiler gets: the common functions, then the file. Line numbers are the file's own."""
    return f"{COMMON.read_text()}\n#line 1 \"{file.name}\"\n{file.read_text()}"


def files() -> list[Path]:
    """All kernel files."""
    return sorted(FOLDER.glob("*.cu"))


@cache
def kernels(file: Path) -> dict[str, Kernel]:
    """The kernels of a file by name. Raises ValueError for a parameter that this reader does not know."""
    text = _ATTRIBUTES.sub("", file.read_text().replace("/*?*/", "@"))
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.S)
    return {name: Kernel(name, file, tuple(_parameter(p, name) for p in parameters.split(",")))
            for name, parameters in _KERNEL.findall(text)}


def _parameter(text: str, kernel: str) -> Parameter:
    words = text.replace("*", " * ").replace("@", " @ ").split()
    const, pointer, optional = "const" in words, "*" in words, "@" in words
    *kind, name = [w for w in words if w not in ("const", "*", "@", "__restrict__")]
    if " ".join(kind) not in DTYPES:
        raise ValueError(f"{kernel}: the parameter '{text.strip()}' is of no known type: {', '.join(DTYPES)}")
    return Parameter(name, DTYPES[" ".join(kind)], pointer, const, optional)


@cache
def find(name: str) -> Kernel:
    """The kernel of that name. Raises KeyError."""
    for file in files():
        if name in kernels(file):
            return kernels(file)[name]
    raise KeyError(f"no .cu file has a kernel {name!r}")


def macro_sets(file: Path) -> list[dict[str, int]]:
    """Every set of macros that the file is compiled with: one empty set where its head names none."""
    lines = re.findall(r"^// macros: (\w+)=([\d ]+)$", file.read_text(), flags=re.M)
    names = [name for name, _ in lines]
    return [dict(zip(names, values, strict=True))
            for values in itertools.product(*[[int(v) for v in text.split()] for _, text in lines])]


def arch(file: Path) -> int:
    """The least compute capability that the file is for, as NVRTC writes it: 75, 90."""
    found = re.search(r"^// arch: (\d+)$", file.read_text(), flags=re.M)
    return int(found[1]) if found else 75
