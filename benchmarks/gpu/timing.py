"""Times of a training step, ours beside PyTorch's, in one process on one GPU, in turns.

A turn is 50 steps that nobody waits for and one wait at the end. In each round every implementation has one turn, in
an order that is reversed every other round, and the one the ratios refer to has two: what those two differ by is what a
difference of 0 looks like (A against A). A round gives one ratio; the record keeps the median, p10 and p90.
device_us lies between two events on the stream: gaps in which the GPU waits for the host are in it.
"""
from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import blas

from .cases import Arrays, Side, Timed
from .environment import peer
from .parity import compare, verdict
from .record import Record

STEPS, ROUNDS, FEWEST = 50, 15, 3             # of a turn; of a case, at most and if they fit
AGREE = 1e-3                                   # ours in float32 against PyTorch's in float32: gradients of a long loop


@dataclass
class Contender:
    """One implementation: what a step is, and whether its products are in TF32."""

    name: str
    step: Callable[[], Any]
    tf32: bool


def set_tf32(on: bool) -> None:
    """The same setting on both sides, for cuDNN as for products."""
    import torch
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = on
    blas.allow_tf32(on)


def wait(device: str) -> None:
    """Until the GPU has done all that was asked of it."""
    if device == "cuda":
        import cupy
        cupy.cuda.Device().synchronize()


def contenders(case: Timed, device: str, sizes: dict[str, Any], results: dict[str, Any]
               ) -> tuple[list[Contender], dict[str, tuple[float, float]]]:
    """All implementations that can be made and run, warm; errors of those that cannot go into `results`.

    Also: how far what each left behind is from PyTorch's eager step in float32.
    """
    theirs = device if device == "cuda" else "cpu"
    found: list[Contender] = []
    left: dict[str, Arrays] = {}
    weights: Arrays = {}

    def enter(name: str, tf32: bool, make: Callable[[], tuple[Callable[[], Any], Callable[[], Arrays]]]) -> None:
        try:
            set_tf32(tf32)
            step, result = make()
            for _ in range(5):                 # a graph is captured in the third and replayed in the last two
                step()
            wait(device)
            left[name] = result()
            found.append(Contender(name, step, tf32))
        except Exception as error:
            results[name] = {"error": f"{type(error).__name__}: {error}"[:500]}

    def eager() -> tuple[Callable[[], Any], Callable[[], Arrays]]:
        side: Side = case.ours(device, **sizes)
        weights.update(side.weights)
        return side.step, side.result

    def graph() -> tuple[Callable[[], Any], Callable[[], Arrays]]:
        side: Side = case.ours(device, **sizes)
        return mg.graph(side.step, device=device), side.result

    def torch_eager() -> tuple[Callable[[], Any], Callable[[], Arrays]]:
        side: Side = case.theirs(theirs, weights, False, **sizes)
        return side.step, side.result

    def torch_graph() -> tuple[Callable[[], Any], Callable[[], Arrays]]:
        side: Side = case.theirs(theirs, weights, True, **sizes)
        return captured(side.step), side.result
    for setting in ("fp32", "TF32"):
        enter(f"minigrad eager {setting}", setting == "TF32", eager)
        enter(f"minigrad graph {setting}", setting == "TF32", graph)
        enter(f"PyTorch eager {setting}", setting == "TF32", torch_eager)
    enter(f"PyTorch graph {case.default}", case.default == "TF32", torch_graph)
    base = left.get("PyTorch eager fp32", {})
    far = {name: (_far(arrays, base), AGREE) for name, arrays in left.items() if name.startswith("minigrad") and base}
    return found, far


def _far(got: Arrays, want: Arrays) -> float:
    """The worst error of the gradients."""
    return compare({f"d {k}": a for k, a in got.items()}, {f"d {k}": a for k, a in want.items()})[0]


def captured(step: Callable[[], Any]) -> Callable[[], Any]:
    """A PyTorch step as a CUDA graph, in the way that its documentation gives."""
    import torch
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def replay(held: Any = step) -> None:      # `held`: what the graph reads stays in memory
        graph.replay()
    return replay


def turn(device: str, one: Contender, steps: int) -> tuple[float, float | None]:
    """Seconds of a step: on the wall, and on the device."""
    set_tf32(one.tf32)
    first = last = None
    if device == "cuda":
        import cupy
        first, last = cupy.cuda.Event(), cupy.cuda.Event()
    wait(device)
    gc.disable()
    try:
        start = time.perf_counter()
        if first is not None:
            first.record()
        for _ in range(steps):
            one.step()
        if last is not None:
            last.record()
        wait(device)
        wall = time.perf_counter() - start
    finally:
        gc.enable()
    if first is None:
        return wall / steps, None
    return wall / steps, cupy.cuda.get_elapsed_time(first, last) / 1e3 / steps


def measure(case: Timed, device: str, share: Callable[[], float], record: Record) -> dict[str, Any]:
    """A row of the record, and a row of parity with PyTorch beside it."""
    began, seconds = time.monotonic(), share()
    rehearsal = device != "cuda"
    if "cudnn" not in record.data["environment"]:
        record.data["environment"].update(peer())
    results: dict[str, Any] = {}
    found, far = contenders(case, device, case.small if rehearsal else case.sizes, results)
    if any(name.endswith("fp32") for name in far):
        record.data["parity"].append(verdict(f"PyTorch {case.name}", "PyTorch", {
            name: pair for name, pair in far.items() if name.endswith("fp32")}, began))
    base = next((c for c in found if c.name == f"PyTorch eager {case.default}"), None)
    order = found if base is None else [*found, Contender("again", base.step, base.tf32)]
    steps, rounds = (2, 2) if rehearsal else (STEPS, ROUNDS)
    walls: dict[str, list[float]] = {c.name: [] for c in order}
    devices: dict[str, list[float]] = {c.name: [] for c in order}
    for one in order:                          # clocks rise, and what is loaded late is loaded
        turn(device, one, max(1, steps // 5))
    for k in range(rounds):
        spent = time.monotonic() - began
        if k >= FEWEST and spent > 0.9 * seconds * k / (k + 1) or k and spent > 2 * seconds:
            break                              # one more would not fit
        for one in order[::-1] if k % 2 else order:
            wall, on_device = turn(device, one, steps)
            walls[one.name].append(wall)
            if on_device is not None:
                devices[one.name].append(on_device)
        gc.collect()
    for one in found:
        at = walls[one.name]
        results[one.name] = {"wall_us": {k: v * 1e6 for k, v in _spread(at).items()}, "steps": steps, "rounds": len(at),
                             "device_us": float(np.median(devices[one.name])) * 1e6 if devices[one.name] else None,
                             **({"error_to_PyTorch_fp32": far[one.name][0]} if one.name in far else {})}
    ratios = _ratios(walls, case.default)
    found = order = base = None                # type: ignore[assignment]
    _free(device)
    return {"case": case.name, "setting": case.default, "results": results, "ratios": ratios,
            "target": _target(case, ratios), "seconds": time.monotonic() - began}


def _free(device: str) -> None:
    """Memory of the last case, back to the device."""
    gc.collect()
    if device == "cuda":
        import cupy
        import torch
        cupy.get_default_memory_pool().free_all_blocks()
        torch.cuda.empty_cache()


def _spread(values: list[float]) -> dict[str, float]:
    low, middle, high = np.percentile(values, [10, 50, 90]).tolist()
    return {"median": middle, "p10": low, "p90": high}


def _ratios(walls: dict[str, list[float]], default: str) -> dict[str, dict[str, float]]:
    """Ours over PyTorch's, round by round, in both settings; graph over graph; and A over A."""
    pairs = {f"{way} {setting}": (f"minigrad {way} {setting}", f"PyTorch eager {setting}")
             for way in ("eager", "graph") for setting in ("fp32", "TF32")}
    pairs["graph against graph"] = (f"minigrad graph {default}", f"PyTorch graph {default}")
    pairs["A against A"] = ("again", f"PyTorch eager {default}")
    return {name: _spread([a / b for a, b in zip(walls[ours], walls[theirs], strict=True)])
            for name, (ours, theirs) in pairs.items() if walls.get(ours) and walls.get(theirs)}


def _target(case: Timed, ratios: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Did the ratio that the project set itself a limit for hold?"""
    if case.limit is None:
        return {}
    name = f"{case.by} {case.default}"
    ratio = ratios[name]["median"] if name in ratios else None
    return {"limit": case.limit, "ratio": name, "value": ratio, "held": ratio is not None and ratio <= case.limit}
