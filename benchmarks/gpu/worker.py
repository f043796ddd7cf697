"""A worker: one process that goes through the cases that have no row yet, and ends when they or the time are up.

    python -m benchmarks.gpu.worker RECORD --device cuda --start SECONDS --budget 540 [--only NAME ...]

A kernel that writes where it must not leaves a process in which every later CUDA call fails. So a worker that has lost
its device ends with AGAIN, the supervisor starts another, and no case takes the others with it.
"""
from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .record import Record, say

AGAIN = 75                                     # exit status: go on in a new process
_PARENT = os.getppid()
PARITY, TIMING, ALL = 170 / 540, 470 / 540, 525 / 540          # of the budget: when the sections end


@dataclass(frozen=True)
class Case:
    """One case of a section.  run() -> its row."""

    section: str
    name: str
    run: Callable[[], dict[str, Any]]

    @property
    def key(self) -> str:
        """What the record calls it."""
        return f"{self.section}: {self.name}"


def parity_cases(record: Record, device: str) -> list[Case]:
    """Layers, losses, models and optimisers with the kernels they start, operations, graphs, curves."""
    from . import draws, parity
    from .layers import LAYERS, LOSSES
    from .models import MODELS, OPTIMISERS, TRAINED
    seed = record.data["seed"]

    def case(name: str, function: Callable[..., dict[str, Any]], *args: Any) -> Case:
        return Case("parity", name, functools.partial(function, *args))
    found = [case(f"{kind} {name}", parity.training_step, f"{kind} {name}", kind, training, device, seed)
             for kind, table in (("layer", LAYERS), ("loss", LOSSES), ("model", MODELS))
             for name, training in table.items()]
    for name, how in OPTIMISERS.items():
        own, graph = f"optimiser {name}", f"graph optimiser {name}"
        found.append(case(own, parity.optimising, own, "optimiser", TRAINED, device, seed, how))
        found.append(case(graph, parity.graph_replay, graph, TRAINED, device, seed, how))
    found += [case(f"op {name}", parity.operation, name, device, seed) for name in draws.op_cases().CASES]
    for kind, function in (("graph", parity.graph_replay), ("curve", parity.training_curve)):
        found += [case(f"{kind} {name}", function, f"{kind} {name}", training, device, seed)
                  for name, training in MODELS.items()]
    return found


def timing_cases(record: Record, device: str, share: Callable[[], float]) -> list[Case]:
    """The training steps beside PyTorch's.  share: seconds that the next one may take."""
    from . import cases, timing
    return [Case("timing", c.name, functools.partial(timing.measure, c, device, share, record)) for c in cases.CASES]


def go(record: Record, cases: list[Case], until: float, device: str) -> None:
    """Run what has no row, while there is time. A case that raises gets a row that says so."""
    done, start = record.done(), time.time()
    left = [case for case in cases if case.key not in done]
    for k, case in enumerate(left):
        if k % 50 == 0:
            say(f"{case.section}: {k} of {len(left)} cases after {time.time() - start:.0f} s")
        if time.time() > until or os.getppid() != _PARENT:     # without a supervisor nobody would end a worker
            return
        record.begin(case.key)
        try:
            row = case.run()
        except Exception as error:
            row = raised(case.key, f"{type(error).__name__}: {error}", traceback.format_exc())
        record.end(case.section, row)
        if row.get("error") or not row.get("held", True):
            say(f"{case.key}: {row.get('error') or row['errors']}")
        if row.get("error") and not alive(device):
            say("the device does not answer any more: on with a new process")
            sys.exit(AGAIN)


def raised(key: str, text: str, trace: str = "") -> dict[str, Any]:
    """The row of a case that came to no result.  key: "section: name" """
    section, _, name = key.partition(": ")
    row: dict[str, Any] = {"case": name, "seconds": 0.0, "error": text, "trace": trace[-2000:]}
    if section == "parity":
        return {**row, "kind": name.partition(" ")[0], "held": False, "errors": {}}
    return {**row, "setting": "", "results": {}, "ratios": {}, "target": {}}


def alive(device: str) -> bool:
    """Does the device still answer?"""
    if device != "cuda":
        return True
    import cupy
    try:
        cupy.cuda.Device().synchronize()
        return bool((cupy.arange(3).sum() == 3).item())
    except Exception:
        return False


def main(argv: list[str] | None = None) -> int:
    """Run. Returns 0 when all is done or the time is up, 2 without the device."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.worker", description=__doc__)
    parser.add_argument("record", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--start", type=float, required=True)
    parser.add_argument("--budget", type=float, required=True)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args(argv)
    os.environ.setdefault("CUPY_NVRTC_USE_PCH", "1")           # before cupy: a cold kernel takes a third of the time
    os.environ.setdefault("CUPY_CACHE_DIR", str(Path(tempfile.gettempdir()) / "minigrad-cupy-cache"))
    import minigrad as mg

    from . import environment, parity
    try:
        mg.device(options.device)
    except mg.MinigradError as error:
        print(f"benchmarks.gpu: {error}", file=sys.stderr)
        return 2
    record, device = Record(options.record), options.device
    until = {share: options.start + options.budget * share for share in (PARITY, TIMING, ALL)}
    if not record.data["environment"]:
        record.begin("environment: all of it")
        record.data["environment"] = environment.read(device)
        record.data["running"] = None
        record.write()

    def wanted(cases: list[Case]) -> list[Case]:
        return [c for c in cases if not options.only or any(name in c.name for name in options.only)]
    left = [0]
    done = record.done()

    def share() -> float:
        left[0] -= 1
        return (until[TIMING] - time.time()) / (left[0] + 1)
    checks = wanted(parity_cases(record, device))
    times = wanted(timing_cases(record, device, share))
    left[0] = sum(c.key not in done for c in times)
    record.data["left_out"] = [c.key for c in (*checks, *times) if c.key not in done]
    with parity.poisoned(device):
        go(record, checks, until[PARITY], device)
    go(record, times, until[TIMING], device)
    with parity.poisoned(device):              # what is left of the time is for the checks that were cut
        go(record, checks, until[ALL], device)
    if not options.only:
        record.data["parity"] = [row for row in record.data["parity"] if row["case"] != "all kernels"]
        record.data["parity"].append(parity.kernels_seen(record.data["parity"]))
    record.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
