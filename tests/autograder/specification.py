"""The measured table of docs/specification.md: `python -m tests.autograder.specification` writes it from docs/proofs/.

A proof that has never been run has no row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "specification.md"
BEGIN, END = "<!-- measured: python -m tests.autograder.specification -->\n", "<!-- end of measured -->\n"

Record = dict[str, Any]
CLUSTER = ("quiet", "kill", "stop", "lose_scheduler")


def hostile(r: Record) -> str:
    layers = ", ".join(r["layers"])
    return (f"{r['cases']} submissions, each under {layers}: {sum(len(v['unexpected']) for v in r['layers'].values())} "
            f"unexpected results; the slowest took {max(v['slowest'] for v in r['layers'].values()):.1f} s")


def sandbox(r: Record) -> str:
    more = ", ".join(f"{layer} {ms:.1f} ms" for layer, ms in r["more_ms"].items())
    return f"{more} more than the {r['none_ms']:.1f} ms without one; median of {r['submissions']}, load {r['load']:g}"


def cluster(r: Record) -> str:
    same = sum(r[event]["same_bytes"] for event in CLUSTER)
    return (f"{r['submissions']} submissions, {r['workers']} workers; in quiet, one killed, one stopped, the scheduler "
            f"lost: {same} of {len(CLUSTER)} runs with the same bytes")


ROWS: dict[str, tuple[str, Callable[[Record], str]]] = {
    "hostile": ("1, 2", hostile),
    "sandbox": ("4", sandbox),
    "reply_frames": ("6", lambda r: f"{r['frames']:,} frames, {r['other_exceptions']} crashes; the slowest took "
                     f"{r['slowest_ms']:.0f} ms, and {r['grown_MB']:.0f} MB of memory stayed"),
    "kills": ("7", lambda r: f"{r['kills']} kills over a class of {r['class']}, {r['differences']} differences"),
    "variants": ("8", lambda r: f"{r['full_marks']:,} of {r['forms']:,} right forms have full marks"),
    "busy": ("8", lambda r: f"{r['submissions']} submissions beside {r['hogs']} processes: {r['zeros']} zeros, "
             f"{r['lost_points']:g} points lost"),
    "regrade": ("9", lambda r: f"{r['submissions']} submissions, {r['differences']} differences"),
    "cluster": ("12", cluster),
    "scale": ("13", lambda r: f"{r['submissions']:,} submissions: {r['grown_mb']:.0f} MB more at the end; for each "
              f"{1000 * r['early_seconds_each']:.0f} ms at first, {1000 * r['late_seconds_each']:.0f} ms at last"),
}


def table() -> str:
    """The rows of the proofs that there are, in the order of the promises."""
    lines = ["| promise | counted | |", "|---|---|---|"]
    for name, (promise, told) in ROWS.items():
        path = ROOT / "docs" / "proofs" / f"{name}.json"
        if path.is_file():
            r = json.loads(path.read_text(encoding="utf-8"))
            lines.append(f"| {promise} | {told(r)} | {r['date']}, {r['machine']}, {r['cores']} cores |")
    return "\n".join(lines) + "\n"


def updated(page: str) -> str:
    """The page with the table as it should be."""
    head, rest = page.split(BEGIN)
    return head + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
