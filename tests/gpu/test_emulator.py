"""What the emulator, the signature reader and the launcher refuse; else a wrong kernel passes, or a GPU crashes."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import strict
from minigrad.errors import DeviceError, DTypeError, MinigradError, ShapeError
from minigrad.kernels import of, signature

from . import emulator, nvrtc
from .emulator import EmulatorError, execute, mutants, replaced

WRONG = Path(__file__).with_name("wrong.cu")
KERNELS = signature.kernels(WRONG)


def run(name: str, seed: int = 0, shared: int = 256) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    execute(KERNELS[name], 1, 64, (x, y), shared, macros={"N": 64}, seed=seed)
    return x, y


@pytest.mark.parametrize("seed", range(3))
def test_a_right_kernel_is_right_in_every_order_of_threads(seed):
    x, y = run("turned", seed)
    assert np.array_equal(y, x[::-1] + 32)


@pytest.mark.parametrize("name, why", [("beyond_the_end", "outside of y"), ("into_const", "into x, which is const"),
                                       ("beyond_shared", "beyond its shared memory"), ("half_a_barrier", "deadlock")])
def test_what_would_crash_or_hang_a_gpu_is_an_error(name, why):
    with pytest.raises(EmulatorError, match=why):
        run(name)


def test_a_deleted_barrier_is_caught(monkeypatch):
    monkeypatch.setattr(emulator, "FOLDER", WRONG.parent)
    found = mutants("wrong.cu")
    assert [m.line for m in found] == [7, 17, 18, 18]
    with replaced(found[0]):
        wrong = [not np.array_equal(y, x[::-1] + 32) for x, y in (run("turned", seed) for seed in range(3))]
    assert any(wrong)


def test_the_reader_knows_types_const_and_null():
    x, y = KERNELS["half_a_barrier"].parameters
    assert (x.dtype, x.pointer, x.const, x.optional) == ("float32", True, True, False)
    assert (y.dtype, y.pointer, y.const, y.optional) == ("float32", True, False, True)
    assert signature.macro_sets(WRONG) == [{"N": 64}] and signature.arch(WRONG) == 75


@pytest.fixture
def launch(monkeypatch):
    """The launcher of "strict", which knows the kernels of wrong.cu, and two arrays."""
    monkeypatch.setattr("minigrad.kernels.launcher.find", KERNELS.__getitem__)
    monkeypatch.setattr(strict, "body", lambda *a: None)
    k = mg.device("strict").kernels
    return k, strict.zeros((8, 8), dtype="float32"), strict.zeros((8, 8), dtype="float32")


def test_a_launch_is_counted_and_an_empty_grid_starts_nothing(launch):
    k, x, y = launch
    with strict.counting() as counts:
        k("turned", 1, 64, x, y)
        k("turned", 0, 64, x, y)
        k("half_a_barrier", 1, 64, x, None)
    assert counts.launch == 2 and counts.calls["launch: kernel turned"] == 1


@pytest.mark.parametrize("change, error, words", [
    (lambda x, y: (x,), MinigradError, "kernel turned takes 2 arguments and got 1"),
    (lambda x, y: (x.T, y), ShapeError, "x .* is not C-contiguous"),
    (lambda x, y: (x.astype("float64"), y), DTypeError, "x is float64, and the kernel reads float32"),
    (lambda x, y: (np.zeros((8, 8), np.float32), y), DeviceError, "x is a ndarray, not an array of this device"),
    (lambda x, y: (x, None), DeviceError, "None is for parameters marked"),
])
def test_a_wrong_argument_is_named(launch, change, error, words):
    k, x, y = launch
    with pytest.raises(error, match=words):
        k("turned", 1, 64, *change(x, y))


@pytest.mark.parametrize("dtype, value", [("int32", 2 ** 31), ("int32", 1.0), ("uint64", -1), ("float32", "1"),
                                          ("float32", np.float64(1).astype("float16"))])
def test_a_number_must_fit_its_c_type(dtype, value):
    """CuPy would pass 8 bytes of a Python float to a parameter of 4."""
    from minigrad.kernels.launcher import _number
    p = signature.Parameter("n", dtype, False, False, False)
    with pytest.raises(DTypeError, match=f"the kernel takes one {dtype}"):
        _number(KERNELS["turned"], p, value)


def test_only_float32_on_a_device_with_kernels_has_a_launcher():
    k = mg.device("strict").kernels
    assert of(strict, np.float32) is k and of(strict, np.dtype(np.float64)) is None
    assert of(np, np.float32) is None and of(mg.ops, np.float32) is None


def test_nvrtc_refuses_what_is_wrong_and_counts_registers():
    assert nvrtc.library() is not None, 'pip install "nvidia-cuda-nvrtc==13.0.*"'
    used, log, ptx = nvrtc.compiled(signature.source(WRONG), "wrong.cu", 90, {"N": 64})
    assert used["turned"].registers > 0 and used["turned"].spills == 0 and "warning" not in log
    assert ".visible .entry turned" in ptx
    with pytest.raises(nvrtc.CompileError, match="N"):
        nvrtc.compiled(signature.source(WRONG), "wrong.cu", 90, {})
