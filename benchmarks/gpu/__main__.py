"""`python -m benchmarks.gpu --out DIR --budget 540`: parity with NumPy on a GPU, then times beside PyTorch on it.

    --device strict    a rehearsal without a GPU, on the double of CuPy: parity is real, times mean nothing
    --only NAME ...    the cases whose names contain one of these
    --seed N           the draws of an earlier run; it stands in its JSON
    --commit SHA       of a copy of the checkout that has no git

DIR gets one file, gpu-<date>T<time>-<commit>.json (rehearsal-... on strict), replaced after each case; the table comes
last, on stdout. Exit status: 0; 1 if parity is lost; 2 without the device; 3 if workers end without doing anything.
"""
from __future__ import annotations

import argparse
import datetime
import secrets
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from . import page
from . import record as records
from .record import ROOT, Record, say
from .worker import raised

HUNG = 75.0                                    # seconds without a result, after which a case is taken for hung
WORKERS = 12                                   # at most, one after the other
MOST, LONGEST = 30, 300                        # lost cases that are printed, and letters of each


def supervise(path: Path, words: list[str], end: float) -> int:
    """Start workers until one has done all, or the time is up. Returns 0, 2 without a device, 3 if they do nothing."""
    idle = 0
    for _ in range(WORKERS):
        worker = subprocess.Popen([sys.executable, "-m", "benchmarks.gpu.worker", str(path), *words], cwd=ROOT)
        try:
            why = _wait(worker, path, end)
        finally:
            worker.kill()
            worker.wait()
            for part in path.parent.glob(f"{path.stem}.*.part"):       # it was writing
                part.unlink()
        if worker.returncode in (0, 2) or time.time() > end:
            return worker.returncode if worker.returncode == 2 else 0
        record = Record(path)
        running = record.data["running"]
        idle = 0 if running or why == "again" else idle + 1
        if running:
            record.end(running.partition(":")[0], raised(running, why)) if not running.startswith("environment") else \
                _no_environment(record, why)
            say(f"{running}: {why}")
        if idle > 1:
            return 3
    return 0


def _no_environment(record: Record, why: str) -> None:
    record.data["environment"], record.data["running"] = {"error": why}, None
    record.write()


def _wait(worker: subprocess.Popen, path: Path, end: float) -> str:
    """Until the worker has ended, or hangs, or the time is up: why."""
    last, since = path.stat().st_mtime_ns, time.monotonic()
    while worker.poll() is None:
        time.sleep(0.05)
        now = path.stat().st_mtime_ns
        if now != last:
            last, since = now, time.monotonic()
        if time.monotonic() - since > HUNG:
            return f"no result for {HUNG:.0f} s: it hangs"
        if time.time() > end:
            return "the budget was spent before it ended"
    code = worker.returncode
    if code < 0:
        return f"the process was ended by {signal.Signals(-code).name}"
    return "again" if code == 75 else f"the process ended with status {code}"


def summary(data: dict[str, Any]) -> str:
    """What held, what did not, and the table."""
    lost = page.lost(data)
    lines = [f"parity: {len(data['parity']) - len(lost)} of {len(data['parity'])} cases held, seed {data['seed']}",
             *[f"  LOST {text[:LONGEST]}" for text in lost[:MOST]],
             *([f"  and {len(lost) - MOST} more, in the file"] if len(lost) > MOST else [])]
    for row in data["parity"]:
        if row.get("not_started"):
            lines.append(f"  kernels that no case started: {', '.join(row['not_started'])}")
    lines += [f"timing: {row['case']}: {row['error']}" for row in data["timing"] if row.get("error")]
    lines += [f"timing: {row['case']}: {name}: {result['error'][:LONGEST]}" for row in data["timing"]
              for name, result in row["results"].items() if "error" in result]
    if data["running"]:
        lines.append(f"ended during {data['running']}")
    if data["left_out"]:
        lines.append(f"left out, the budget being spent: {len(data['left_out'])} cases, {data['left_out'][0]} first")
    return "\n".join([*lines, "", page.table(data)])


def main(argv: list[str] | None = None) -> int:
    """Run it all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the JSON goes")
    parser.add_argument("--budget", type=float, default=540.0, metavar="S", help="seconds for all (default 540)")
    parser.add_argument("--device", choices=["cuda", "strict"], default="cuda")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--commit", metavar="SHA", help="of a copy that has no git (default: what git says)")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="default: a fresh one, printed")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _ended)
    start = time.time()
    seed = secrets.randbits(31) if options.seed is None else options.seed
    rehearsal = options.device != "cuda"
    command = f"python -m benchmarks.gpu --budget {options.budget:g} --device {options.device} --seed {seed}"
    fresh = records.new(" ".join([command, *(["--only", shlex.join(options.only)] if options.only else [])]), seed,
                        options.budget, rehearsal)
    if options.commit:
        fresh.update(commit=options.commit, dirty=False)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%S")
    options.out.mkdir(parents=True, exist_ok=True)
    path = (options.out / f"{'rehearsal' if rehearsal else 'gpu'}-{now}-{fresh['commit'][:7]}.json").resolve()
    Record(path, fresh)
    say(f"seed {seed}, {path}")
    words = ["--device", options.device, "--start", str(start), "--budget", str(options.budget), "--only",
             *options.only]
    status = supervise(path, words, start + options.budget)
    if status == 2:
        path.unlink()
        return 2
    record = Record(path)
    record.data["seconds"] = time.time() - start
    record.write()
    print(summary(record.data), flush=True)
    return 1 if record.lost else status


def _ended(number: int, frame: Any) -> NoReturn:
    raise SystemExit(128 + number)             # so that the worker is ended too; the file is whole


if __name__ == "__main__":
    sys.exit(main())
