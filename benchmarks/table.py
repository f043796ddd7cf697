"""`python -m benchmarks.table`: the recorded results as the Markdown tables that the documents show.

Tests hold docs/performance.md and docs/gpu.md equal to them, so that no figure stands there which nobody measured. Of a
GPU the newest record counts, results/gpu-*.json, which `python -m benchmarks.gpu` writes; see gpu/page.py.
"""
from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from .gpu import page

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parents[1] / "docs"


def table(name: str) -> str:
    """One benchmark: a row for each comparison, and when, on what and beside what it was measured."""
    record = json.loads((RESULTS / f"{name}.json").read_text())
    if "geometric_means" in record:
        return _grid(record)
    if name == "grading":
        return _grading(record)
    if name == "further":
        return _further(record)
    lines = ["| row | ratio | quartiles | ours | theirs | limit |", "|---|---|---|---|---|---|"]
    for r in record["rows"]:
        limit = "" if r["limit"] is None else f"{r['limit']:g}, {'held' if r['held'] else 'missed'}"
        lines.append(f"| {r['name']} | {r['ratio']:.2f} | {r['low']:.2f} to {r['high']:.2f} | {_time(r['ours'])} | "
                     f"{_time(r['theirs'])} | {limit} |")
    return "\n".join([*lines, "", _when(record)])


def _grid(record: dict[str, Any]) -> str:
    """Many sizes of a few cells: a row a size, a column a cell, a table for each number of threads."""
    lines = []
    for threads, peak in record["gemm_peak_gflops"].items():
        cells: dict[str, dict[str, str]] = {}
        for r in record["rows"]:
            if str(r["threads"]) == threads:
                cell, _, size = r["name"].removesuffix("s").removesuffix(f", {threads} thread").partition(" ")
                text = f"{r['ratio']:.2f} ({r['low']:.2f} to {r['high']:.2f}), {r['gflops']:.0f}"
                cells.setdefault(size, {})[cell] = text if r["held"] else f"**{text}**"
        names = ["RNN", "GRU", "LSTM"]
        limits = {c: next(r["limit"] for r in record["rows"] if r["name"].startswith(c + " ") and
                          str(r["threads"]) == threads) for c in names}
        keys = {c: f"{c}, {threads} thread{'s' * (threads != '1')}" for c in names}
        lines += [f"{threads} thread{'s' * (threads != '1')}; the machine's product of 1024 x 1024 matrices reaches "
                  f"{peak:.0f} GFLOP/s:", "", f"| size | {' | '.join(f'{c}, limit {limits[c]:g}' for c in names)} |",
                  "|---|" + "---|" * len(names)]
        lines += [f"| {size} | {' | '.join(found.get(c, '') for c in names)} |" for size, found in cells.items()]
        means = [f"{record['geometric_means'][k]:.2f}, limit {record['limits_of_means'][k]:g}" for k in keys.values()]
        lines += [f"| geometric mean | {' | '.join(means)} |", ""]
    every = record["geometric_means"]["all rows"], record["limits_of_means"]["all rows"]
    return "\n".join([*lines, f"All rows together: {every[0]:.2f}, limit {every[1]:g}.", "", _when(record)])


def _grading(record: dict[str, Any]) -> str:
    """Whole commands on a class."""
    lines = ["| | `autograder grade` | stock `nbgrader autograde` | times faster | at least |", "|---|---|---|---|---|"]
    for r in record["rows"]:
        lines.append(f"| {r['name']} | {r['ours']:.1f} s | {r['theirs']:.0f} s | {1 / r['ratio']:.1f} | "
                     f"{1 / r['limit']:.0f}, {'held' if r['held'] else 'missed'} |")
    return "\n".join([*lines, "", _when(record)])


def _further(record: dict[str, Any]) -> str:
    """What one more submission costs."""
    one = record["a_further_submission"]
    text = (f"Between {one['between'][0]} and {one['between'][1]} submissions, one more takes "
            f"{one['wall_seconds'] * 1e3:.0f} ms of the wall; its student's code computes for "
            f"{one['students_processor_seconds'] * 1e3:.0f} ms on one of {record['cores']} cores, so the grader's own "
            f"part is {one['own_wall_seconds'] * 1e3:.0f} ms (limit {record['limit_own_wall_seconds'] * 1e3:.0f}, "
            f"{'held' if record['held'] else 'missed'}).")
    return f"{text}\n\n{_when(record)}"


def _when(record: dict[str, Any]) -> str:
    """Date, command, machine."""
    load = record.get("load") or [None, None]
    beside = "" if load[0] is None else f", load {load[0]:g} before and {load[1]:g} after"
    pairs = record["rows"][0]["pairs"] if record["rows"] else len(record["all"])
    command = f"python -m benchmarks {record['benchmark']} --pairs {pairs}"
    if record["benchmark"] == "grading":
        command += " --class " + " ".join(r["name"].rpartition(" ")[2] for r in record["rows"])
    return f"{record['date']}, `{command}`, {record['machine']}, {record['cores']} cores{beside}."


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def names() -> list[str]:
    """The recorded benchmarks of this module's own kind: all but the runs on a GPU."""
    return [path.stem for path in sorted(RESULTS.glob("*.json")) if not path.stem.startswith("gpu-")]


def updated(text: str) -> str:
    """A document with the tables renewed that stand between `<!-- NAME -->` and `<!-- /NAME -->`, or `gpu table`.

    Marks with the name of no benchmark are somebody else's.
    """
    def renewed(mark: re.Match[str]) -> str:
        if mark[1] not in ("gpu table", *names()):
            return mark[0]
        made = page.table(page.newest(RESULTS)) if mark[1] == "gpu table" else table(mark[1])
        return f"<!-- {mark[1]} -->\n{made}\n<!-- /{mark[1]} -->"

    return re.sub(r"<!-- (gpu table|\w+) -->\n.*?<!-- /\1 -->", renewed, text, flags=re.S)


def main() -> None:
    """Print every table, or put those that have marks into the documents."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=__doc__)
    parser.add_argument("--update", action="store_true", help="renew the tables between marks in docs/*.md")
    if parser.parse_args().update:
        for path in sorted(DOCS.glob("*.md")):
            old = path.read_text(encoding="utf-8")
            if (new := updated(old)) != old:
                path.write_text(new, encoding="utf-8")
                print(path)
        return
    for name in names():
        print(f"{name}\n\n{table(name)}\n")
    print(f"gpu table\n\n{page.table(page.newest(RESULTS))}")


if __name__ == "__main__":
    main()
