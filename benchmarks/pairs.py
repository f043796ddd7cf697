"""Interleaved pairs: two processes take turns, and each pair of turns gives one ratio.

Two processes, because the thread pools of OpenBLAS and OpenMP spin after a call and would disturb the other side.
Within a turn the lower quartile counts (what a step costs when nobody disturbs it), over the pairs the median. A turn
waits for a moment in which the machine does nothing else.
"""
from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Row:
    """One comparison. ratio: median of ours / theirs, low and high its quartiles; times are medians in seconds."""

    name: str
    ratio: float
    low: float
    high: float
    ours: float
    theirs: float
    pairs: int
    threads: int
    limit: float | None = None
    work: float | None = None                  # floating-point operations of our step, where they are counted

    @property
    def held(self) -> bool | None:
        """Is the median within the limit that the project set itself? None where there is none."""
        return None if self.limit is None else self.ratio <= self.limit

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; with the GFLOP/s that ours reached, where its operations are counted."""
        row = {**asdict(self), "held": self.held}
        work = row.pop("work")
        return row if work is None else {**row, "gflops": round(work / self.ours / 1e9, 1)}


class Side:
    """A process that makes a step and times it on request; a new step replaces the old one."""

    def __init__(self, threads: int) -> None:
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        self.process = subprocess.Popen([sys.executable, "-m", "benchmarks.pairs"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **dict.fromkeys(names, str(threads))})
        self.threads = threads

    def ask(self, **job: Any) -> float:
        """Send a job and wait for its answer."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the side {job} ended: see its error above")
        return float(line)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(10)


def settle(limit: float = 2.0) -> None:
    """Wait, at most `limit` seconds, for a moment in which the machine is idle (Linux; elsewhere a short pause)."""
    def jiffies() -> list[int]:
        with open("/proc/stat") as f:
            return [int(v) for v in f.readline().split()[1:9]]
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            before = jiffies()
            time.sleep(0.05)
            used = [b - a for a, b in zip(before, jiffies(), strict=True)]
        except OSError:
            return time.sleep(0.05)
        if used[3] + used[4] >= 0.9 * sum(used):
            return


def compare(name: str, ours: str, theirs: str, args: list[Any] | None = None, *, pairs: int = 9, seconds: float = 0.15,
            threads: int = 1, limit: float | None = None, work: float | None = None,
            sides: tuple[Side, Side] | None = None) -> Row:
    """Time two steps in turns. ours, theirs: "module.function" that returns a callable step.

    sides: two processes that are there already, for many rows of one kind; their threads count.
    """
    both = sides or (Side(threads), Side(threads))
    for side, make in zip(both, (ours, theirs), strict=True):
        side.ask(make=make, args=args or [])
    times: list[list[float]] = [[], []]
    for _ in range(pairs):
        for side, taken in zip(both, times, strict=True):
            settle()
            taken.append(side.ask(seconds=seconds))
    if sides is None:
        for side in both:
            side.close()
    ratios = sorted(a / b for a, b in zip(*times, strict=True))
    return Row(name, statistics.median(ratios), ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4],
               statistics.median(times[0]), statistics.median(times[1]), pairs, both[0].threads, limit, work)


def _serve() -> None:
    """The other side of `Side`: a step is made, then timed in turns."""
    step: Any = None
    for line in sys.stdin:
        job = json.loads(line)
        if "make" in job:
            step = None                        # the old one's memory first
            module, function = job["make"].rsplit(".", 1)
            step = getattr(importlib.import_module(module), function)(*job["args"])
            for _ in range(3):
                step()
            print(0.0, flush=True)
        else:
            taken: list[float] = []
            end = time.perf_counter() + job["seconds"]
            while time.perf_counter() < end or len(taken) < 3:
                start = time.perf_counter()
                held = step()                  # what it returns is freed outside of the clock
                taken.append(time.perf_counter() - start)
                del held
            taken.sort()
            print(taken[len(taken) // 4], flush=True)


if __name__ == "__main__":
    _serve()
