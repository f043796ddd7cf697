"""`python -m benchmarks.table`: the recorded results as the Markdown tables that the documents show.

A test holds docs/performance.md equal to them, so that no figure stands there which nobody measured.
"""
from __future__ import annotations

import json
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def table(name: str) -> str:
    """One benchmark: a row for each comparison, and when, on what and beside what it was measured."""
    record = json.loads((RESULTS / f"{name}.json").read_text())
    lines = ["| row | ratio | quartiles | ours | theirs | limit |", "|---|---|---|---|---|---|"]
    for r in record["rows"]:
        limit = "" if r["limit"] is None else f"{r['limit']:g}, {'held' if r['held'] else 'missed'}"
        lines.append(f"| {r['name']} | {r['ratio']:.2f} | {r['low']:.2f} to {r['high']:.2f} | {_time(r['ours'])} | "
                     f"{_time(r['theirs'])} | {limit} |")
    load = record.get("load") or [None, None]
    beside = "" if load[0] is None else f", load {load[0]:g} before and {load[1]:g} after"
    command = f"python -m benchmarks {name} --pairs {record['rows'][0]['pairs']}"
    machine = f"{record['machine']}, {record['cores']} cores{beside}"
    return "\n".join([*lines, "", f"{record['date']}, `{command}`, {machine}."])


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def main() -> None:
    """Print every table."""
    for path in sorted(RESULTS.glob("*.json")):
        print(f"{path.stem}\n\n{table(path.stem)}\n")


if __name__ == "__main__":
    main()
