"""Launches of device "cuda" without a GPU: what CuPy and the driver are told, and asked, by `kernels.compiled`."""
from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minigrad import strict
from minigrad.kernels import compiled
from minigrad.kernels.launcher import Launcher
from minigrad.kernels.signature import find

ASKED = ("lstm_forward", 512, 215040, 16, {"H": 512})      # a kernel, threads, shared bytes, blocks of a cluster


class Function:
    """CuPy's RawKernel, as far as a launch uses it: `calls` lists (grid, block, args, shared)."""

    def __init__(self, ptr: int) -> None:
        self.calls, self.kernel, self.max_dynamic_shared_size_bytes = [], SimpleNamespace(ptr=ptr), 48 * 1024

    def __call__(self, grid: Any, block: Any, args: Any, *, shared_mem: int = 0) -> None:
        self.calls.append((grid, block, args, shared_mem))


class DriverError(RuntimeError):
    """CuPy's CUDADriverError."""


class Machine:
    """A CuPy that compiles nothing, on a machine of several GPUs, of which `device` is the current one.

    options: of each module.  functions: (device, kernel) -> its Function.  told: what the driver was.  refuses: what it
    says to that.
    """

    def __init__(self) -> None:
        self.device, self.refuses = 0, False
        self.options: list[Any] = []
        self.functions: dict[Any, Function] = {}
        self.told: list[Any] = []

    def RawModule(self, *, code: str, options: tuple[str, ...]) -> Any:
        assert isinstance(code, str) and all(isinstance(o, str) for o in options)
        self.options.append(options)
        return SimpleNamespace(get_function=self.function)

    def function(self, name: str) -> Function:
        return self.functions.setdefault((self.device, name), Function(7 + self.device))

    def funcSetAttribute(self, ptr: int, attribute: int, value: int) -> None:
        if self.refuses:
            raise DriverError("CUDA_ERROR_INVALID_VALUE")
        self.told.append((ptr, attribute, value))


@pytest.fixture
def machine(monkeypatch) -> Iterator[Machine]:
    made = Machine()
    driver = SimpleNamespace(funcSetAttribute=made.funcSetAttribute, CUDADriverError=DriverError)
    runtime = SimpleNamespace(getDevice=lambda: made.device)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(RawModule=made.RawModule,
                                                             cuda=SimpleNamespace(runtime=runtime)))
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.api", SimpleNamespace(driver=driver))
    caches = compiled._module, compiled._function, compiled._fits
    for cached in caches:
        cached.cache_clear()
    yield made
    for cached in caches:
        cached.cache_clear()


@pytest.fixture(scope="session")
def library(tmp_path_factory) -> ctypes.CDLL:
    """The driver's question, in C."""
    target = tmp_path_factory.mktemp("driver") / "libcuda.so"
    source = Path(__file__).with_name("fake_driver.c")
    subprocess.run(["gcc", "-std=c99", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", target, source], check=True)
    found = ctypes.CDLL(str(target))
    for name in ("fake_calls", "fake_function", "fake_config"):
        getattr(found, name).restype = ctypes.c_long
    return found


@pytest.fixture
def driver(library, monkeypatch) -> ctypes.CDLL:
    """A driver that says: 3 clusters."""
    monkeypatch.setattr(compiled, "library", lambda: library)
    library.fake_answer(0, 3)
    return library


def fits() -> bool:
    name, *how = ASKED
    return compiled.fits(find(name), *how)


# ---------------------------------------------------------------------------------------------- starting

def test_a_launch_hands_over_arrays_numbers_of_the_c_type_and_null_pointers(machine):
    """CuPy passes a Python float as a double, and no None: every argument has the bytes of its C parameter."""
    launch = Launcher(strict, strict.ndarray, None, compiled.run, True, 232448)
    x, y = strict.zeros(5, dtype="float32"), strict.empty(5, dtype="float32")
    for _ in range(2):
        launch("dropout", 1, 256, x, y, 5, 2 ** 64 - 1, None, 7, 2)
    (grid, block, args, shared), again = machine.functions[0, "dropout"].calls
    assert (grid, block, shared) == again[:2] + again[3:] == ((1,), (256,), 0) and len(machine.options) == 1
    assert args[0] is x and args[1] is y
    assert [(type(a), int(a)) for a in args[2:]] == [(np.int64, 5), (np.uint64, 2 ** 64 - 1), (np.uintp, 0),
                                                     (np.uint32, 7), (np.float32, 2)]
    launch("dropout", 0, 256, x, y, 0, 0, None, 7, 2)
    assert len(machine.functions[0, "dropout"].calls) == 2   # CuPy would make one block of none


def test_large_clusters_and_much_shared_memory_are_asked_for_once(machine):
    """48 KB and 8 blocks are what every kernel has; more is an attribute of the function."""
    kernel = find("lstm_forward")
    for blocks, H, shared in ((8, 256, 43008), (16, 512, 215040), (16, 512, 215040)):
        compiled.run(kernel, blocks, 512, (), shared, blocks, {"H": H})
    assert machine.options == [("-std=c++17", "-DH=256"), ("-std=c++17", "-DH=512")]
    assert machine.told == [(7, 14, 1)]                      # CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED
    function = machine.functions[0, "lstm_forward"]
    assert function.max_dynamic_shared_size_bytes == 215040
    assert [call[3] for call in function.calls] == [43008, 215040, 215040]


def test_a_second_gpu_is_told_too(machine):
    """CuPy loads the module there anew, with a function of its own that has no attribute yet."""
    name, block, shared, cluster, macros = ASKED
    for machine.device in (0, 1, 0, 1):
        compiled.run(find(name), 16, block, (), shared, cluster, macros)
    assert machine.told == [(7, 14, 1), (8, 14, 1)]
    assert [machine.functions[d, name].max_dynamic_shared_size_bytes for d in (0, 1)] == [215040] * 2
    assert [len(machine.functions[d, name].calls) for d in (0, 1)] == [2, 2]


def test_a_launch_with_less_shared_memory_leaves_the_room_of_one_with_more(machine):
    """Both are one function of the driver: the larger launch may come again. Scores of 40,000 places, of 20,000."""
    kernel = find("bahdanau_attend")
    for shared in (160_000, 80_000, 160_000):
        compiled.run(kernel, 1, 256, (), shared, 1, {})
    assert machine.functions[0, kernel.name].max_dynamic_shared_size_bytes == 160_000


# ---------------------------------------------------------------------------------------------- room for a cluster

def test_the_driver_is_asked_for_one_cluster_as_it_would_be_launched(machine, driver):
    """After the attributes were set, for they count; without a cluster's size, which the source has."""
    assert fits() and machine.told == [(7, 14, 1)]
    assert [driver.fake_config(k) for k in range(10)] == [16, 1, 1, 512, 1, 1, 215040, 0, 0, 0]
    assert driver.fake_function() == machine.functions[0, "lstm_forward"].kernel.ptr
    assert machine.functions[0, "lstm_forward"].max_dynamic_shared_size_bytes == 215040


def test_the_driver_is_asked_once_on_each_gpu(machine, driver):
    """A second GPU may be another chip, or a slice of one."""
    assert fits() and fits() and driver.fake_calls() == 1
    machine.device = 1
    driver.fake_answer(0, 0)
    assert not fits() and not fits() and driver.fake_calls() == 1
    machine.device = 0
    assert fits() and driver.fake_calls() == 1


@pytest.mark.parametrize("status, clusters, room", [(0, 1, True), (0, 0, False), (1, 3, False), (912, 3, False)])
def test_no_room_and_no_answer_are_no(machine, driver, status, clusters, room):
    """1: invalid value.  912: invalid cluster size."""
    driver.fake_answer(status, clusters)
    assert fits() is room


@pytest.mark.parametrize("cuda", [None, SimpleNamespace()], ids=["no library", "older than CUDA 11.8"])
def test_a_driver_that_cannot_be_asked_is_no(machine, monkeypatch, cuda):
    monkeypatch.setattr(compiled, "library", lambda: cuda)
    assert not fits()


def test_a_chip_that_refuses_a_large_cluster_is_no_and_not_an_error(machine, driver):
    machine.refuses = True
    assert not fits() and driver.fake_calls() == 0
