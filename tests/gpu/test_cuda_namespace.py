"""The namespace and the BLAS of device "cuda", without a GPU: CuPy is the double "strict", cuBLAS the one in C."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend, kernels, strict
from minigrad.kernels import compiled
from minigrad.tensor import Tensor

from .test_blas import fake


class FakeCupy(ModuleType):
    """CuPy's names by "strict"; `asked` lists which were looked up."""

    def __init__(self) -> None:
        super().__init__("cupy")
        self.asked: list[str] = []
        self.ndarray = strict.ndarray
        self.cuda = SimpleNamespace(get_current_stream=lambda: SimpleNamespace(ptr=0),
                                    Device=lambda: SimpleNamespace(
                                        compute_capability="90", attributes={"MaxSharedMemoryPerBlockOptin": 232448}))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self.asked.append(name)
        return getattr(strict, name)


@pytest.fixture
def cupy(monkeypatch) -> Iterator[FakeCupy]:
    """A machine that seems to have CuPy, cuda.pathfinder and a GPU."""
    found = FakeCupy()
    fake().fake_reset()
    library = SimpleNamespace(abs_path=fake()._name)
    monkeypatch.setitem(sys.modules, "cupy", found)
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
    pathfinder = SimpleNamespace(load_nvidia_dynamic_lib=lambda name: {"cublas": library}[name])
    monkeypatch.setitem(sys.modules, "cuda.pathfinder", pathfinder)
    monkeypatch.setattr(strict.ndarray, "data", property(lambda a: SimpleNamespace(ptr=a._host.ctypes.data)),
                        raising=False)
    monkeypatch.setattr(backend, "cuda_status", lambda: (True, "usable"))
    monkeypatch.setattr(backend, "_devices", {k: v for k, v in backend._devices.items() if k != "cuda"})
    monkeypatch.setattr(kernels, "_launchers", dict(kernels._launchers))
    monkeypatch.delitem(sys.modules, "minigrad.cuda", raising=False)
    yield found
    sys.modules.pop("minigrad.cuda", None)         # it holds the fake
    vars(mg).pop("cuda", None)


def test_the_device_joins_namespace_products_and_kernels(cupy):
    """One BLAS for the namespace, for `device.blas` and for the kernels' nodes."""
    home = mg.device("cuda")
    assert (home.name, home.array, home.xp.__name__) == ("cuda", strict.ndarray, "minigrad.cuda")
    assert home.blas is home.xp.blas is home.kernels.blas and home.kernels.clusters
    assert home.kernels.run is compiled.run and home.kernels.fits is compiled.fits
    assert kernels.of(home.xp, np.dtype("float32")) is home.kernels and kernels.of(home.xp, np.dtype("float64")) is None


def test_what_is_not_a_product_is_cupys_and_is_looked_up_once(cupy):
    """The second look-up finds it in the module."""
    xp = mg.device("cuda").xp
    cupy.asked.clear()
    assert xp.float32 is np.float32 and xp.float32 is np.float32 and cupy.asked == ["float32"]
    with pytest.raises(AttributeError):
        _ = xp.no_such_name
    with pytest.raises(AttributeError, match="__path__"):
        _ = xp.__path__


def test_products_of_floats_go_to_cublas_and_others_to_cupy(cupy):
    """matmul and dot; the inner product of vectors is a sum, which needs no cuBLAS."""
    xp = mg.device("cuda").xp
    a = xp.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    cupy.asked.clear()
    out = xp.zeros((2, 2), dtype="float32")
    assert xp.matmul(a, a.T).tolist() == xp.dot(a, a.T).tolist() == [[5.0, 14.0], [14.0, 50.0]]
    assert xp.matmul(a, a.T, out=out) is out and xp.matmul(a, a.T, out) is out and out.tolist()[1] == [14.0, 50.0]
    assert fake().fake_count(0) == 4 and "matmul" not in cupy.asked and "dot" not in cupy.asked
    assert xp.dot(a[1], a[1]).tolist() == 50.0 and fake().fake_count(0) == 4
    ids = a.astype("int64")
    assert xp.matmul(ids, ids.T).tolist() == [[5, 14], [14, 50]] and "matmul" in cupy.asked
    assert xp.dot(ids, ids.T).tolist() == [[5, 14], [14, 50]] and "dot" in cupy.asked
    assert fake().fake_count(0) == 4


def test_a_layer_and_its_gradients_are_those_of_the_host(cupy):
    """The tape's products by cuBLAS, forward and backward."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((4, 2, 3)), rng.standard_normal((5, 3))
    found = []
    for name in ("cpu", "cuda"):
        a, b = (mg.tensor(v, dtype="float32", device=name, requires_grad=True) for v in (x, w))
        y: Tensor = mg.nn.functional.linear(a, b)
        (y * y).sum().backward()
        found.append([np.asarray(t.device.numpy(t.data)) for t in (y, a.grad, b.grad)])
    for host, device in zip(*found, strict=True):
        np.testing.assert_allclose(device, host, rtol=1e-5, atol=1e-5)
    assert fake().fake_count(0) == 3


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_many_arrays_are_joined_without_a_table_of_pointers(cupy, axis):
    """CuPy uploads where more than 8 arrays lie, which a capture refuses. CuPy's own sum was looked up before."""
    xp = mg.device("cuda").xp
    assert all(callable(getattr(xp, name)) for name in ("sum", "max", "min", "abs", "any", "all"))
    host = np.arange(60, dtype=np.float32).reshape(10, 2, 3)
    parts = [strict.asarray(a) for a in host]
    out = strict.empty((20, 3), dtype="float32")
    cupy.asked.clear()
    with strict.counting(forbid=("h2d", "sync")):
        joined = [xp.stack(parts, axis), xp.concatenate(parts, axis), xp.concatenate(parts, 0, out)]
    wanted = [np.stack(host, axis), np.concatenate(host, axis), np.concatenate(host)]
    assert not {"stack", "concatenate"} & set(cupy.asked) and joined[2] is out
    for got, want in zip(joined, wanted, strict=True):
        np.testing.assert_array_equal(strict.asnumpy(got), want)
