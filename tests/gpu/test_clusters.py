"""Recurrent layers where a chip, or a slice of one, may have no room for their clusters: the same by steps."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

DEVICE = mg.device("strict")
LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
EACH = pytest.mark.parametrize("name", LAYERS)
T, B, D = 4, 5, 6


class Log:
    """What the device was asked about, and what was started on it: (kernel, threads, shared, cluster, macros).

    no: the kernels whose clusters have no room.
    """

    def __init__(self, *no: str) -> None:
        self.no, self.asked, self.started = no, list[Any](), list[Any]()

    def fits(self, kernel: Any, *how: Any) -> bool:
        self.asked.append((kernel.name, *how))
        return kernel.name not in self.no


@pytest.fixture
def log(monkeypatch):
    """Put in force by `log(*no)`."""
    run = DEVICE.kernels.run

    def begin(*no: str) -> Log:
        made = Log(*no)

        def started(kernel, grid, block, args, shared, cluster, macros):
            made.started.append((kernel.name, block, shared, cluster, macros))
            run(kernel, grid, block, args, shared, cluster, macros)
        monkeypatch.setattr(DEVICE.kernels, "fits", made.fits)
        monkeypatch.setattr(DEVICE.kernels, "run", started)
        return made
    return begin


def trained(name: str, H: int = 32, graph: bool = False) -> list[np.ndarray]:
    """The losses of three steps on one batch, and the weights after them."""
    mg.manual_seed(0)
    layer = LAYERS[name](D, H).to("strict")
    x = mg.tensor(np.random.default_rng(0).standard_normal((T, B, D)).astype("f4"), device="strict")
    sgd = mg.optim.SGD(layer.parameters(), lr=0.5)

    def step(x):
        sgd.zero_grad()
        loss = (layer(x)[0] ** 2).mean()
        loss.backward()
        sgd.step()
        return loss
    run = mg.graph(step, warmup=1) if graph else step
    losses = np.array([run(x).item() for _ in range(3)])
    return [losses, *[p.detach().cpu().numpy() for p in layer.parameters()]]


@pytest.mark.parametrize("no", [["forward"], ["backward"], ["forward", "backward"]], ids=" and ".join)
@EACH
def test_without_room_for_a_cluster_a_walk_goes_by_steps_with_the_same_result(name, no, log):
    """A layer that has no room on the way there or back takes steps both ways."""
    want = trained(name)
    seen = log(*[f"{name}_{way}" for way in no])
    for a, b in zip(trained(name), want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    walks = {kernel for kernel, *_ in seen.started if kernel.startswith(name)}
    assert walks == {f"{name}_cell_forward", f"{name}_cell_backward"}


@EACH
def test_a_graph_records_the_steps_too(name, log):
    want = trained(name)
    seen = log(f"{name}_forward")
    for a, b in zip(trained(name, graph=True), want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert (f"{name}_cell_forward", 256, 0, 1, {}) in seen.started


@pytest.mark.parametrize("H", [32, 64, 512])
@EACH
def test_what_the_device_is_asked_about_is_what_is_started(name, H, log):
    """Before the first launch; else the answer would be for another one."""
    seen = log()
    trained(name, H)
    walks = [how for how in seen.started if how[0] in (f"{name}_forward", f"{name}_backward")]
    assert seen.asked == walks and len(walks) == 6
    assert max(cluster for *_, cluster, _ in walks) == {32: 1, 64: 2, 512: 8 if name == "rnn" else 16}[H]


@EACH
def test_other_sizes_and_older_chips_are_not_asked(name, log, monkeypatch):
    """The question compiles the kernels, which a chip without clusters cannot."""
    seen = log()
    trained(name, 33)
    monkeypatch.setattr(DEVICE.kernels, "clusters", False)
    trained(name, 32)
    assert seen.asked == []


@EACH
def test_a_chip_with_less_shared_memory_is_not_asked_either(name, log, monkeypatch):
    seen = log()
    monkeypatch.setattr(DEVICE.kernels, "shared", 1024)
    trained(name)
    assert seen.asked == [] and not [kernel for kernel, *_ in seen.started if kernel == f"{name}_forward"]
