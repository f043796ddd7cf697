"""Every kernel compiles for every chip that it is for, without a spill or a warning; no GPU is needed.

registers.json holds what each needs. After a change:  python -m tests.gpu.test_nvrtc
"""
from __future__ import annotations

import ast
import inspect
import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from minigrad.kernels.signature import files, kernels, macro_sets, source

from .nvrtc import compiled, library

ARCHS = (75, 80, 90, 120)
RECORD = Path(__file__).with_name("registers.json")
FILES = [pytest.param(f, id=f.stem) for f in files()]


def uses(file: Path) -> dict[str, dict[str, int]]:
    """"kernel H=256 sm_90" -> registers, spills, stack; raises CompileError, AssertionError on a warning."""
    from minigrad.kernels.signature import arch
    found = {}
    for macros in macro_sets(file):
        for chip in ARCHS:
            if chip < arch(file):
                continue
            used, log, ptx = compiled(source(file), file.name, chip, macros)
            assert "warning" not in log, f"{file.name} for sm_{chip} with {macros}:\n{log}"
            atomics = re.findall(r"\b(?:atom|red)\.\S*add\S*f(?:16|32|64)\S*", ptx)
            assert not atomics, f"{file.name} sums floats in an order that differs from run to run: {atomics}"
            assert used.keys() == kernels(file).keys()
            for name, u in used.items():
                words = [name, *[f"{m}={v}" for m, v in macros.items()], f"sm_{chip}"]
                found[" ".join(words)] = {"registers": u.registers, "spills": u.spills, "stack": u.stack}
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_kernel_compiles_without_spills_and_as_recorded(file):
    assert library() is not None, 'pip install "nvidia-cuda-nvrtc==13.0.*"'
    found = uses(file)
    assert {k: u for k, u in found.items() if u["spills"]} == {}
    assert found == json.loads(RECORD.read_text()).get(file.stem), "python -m tests.gpu.test_nvrtc records anew"


@pytest.mark.parametrize("file", FILES)
def test_every_kernel_has_a_twin_of_the_same_parameters(file):
    """The twin's positional parameters are the kernel's; behind the star stand the macros."""
    twins = import_module(f"minigrad.kernels.{file.stem}")
    macros = set().union(*[set(m) for m in macro_sets(file)])
    for name, kernel in kernels(file).items():
        parameters = inspect.signature(getattr(twins, name)).parameters.values()
        positional = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY and p.kind is not p.VAR_KEYWORD]
        assert positional == [p.name for p in kernel.parameters], name
        assert {p.name for p in parameters if p.kind is p.KEYWORD_ONLY} <= macros, name


@pytest.mark.parametrize("file", FILES)
def test_no_kernel_includes_a_header_or_takes_static_shared_memory(file):
    """A header is not there on a bare machine; the emulator can fence only what SMEM(name) gives."""
    own = source(file).split("#line 1")[1]
    assert "#include" not in source(file) and "__shared__" not in own


def test_each_twin_is_a_function_of_numpy_alone():
    for file in files():
        tree = ast.parse(file.with_suffix(".py").read_text())
        imported = {n.names[0].name if isinstance(n, ast.Import) else n.module or "." for n in ast.walk(tree)
                    if isinstance(n, (ast.Import, ast.ImportFrom))}
        known = {"__future__", "numpy", "math", "common", "typing", "."} | {f.stem for f in files()}
        assert imported <= known, file.name


if __name__ == "__main__":
    RECORD.write_text(json.dumps({f.stem: uses(f) for f in files()}, indent=1, sort_keys=True) + "\n")
