"""The table of docs/gpu.md, from the newest record of a GPU; without one every figure reads "not measured"."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from .cases import CASES, Timed
from .record import below, check

RESULTS = Path(__file__).parents[1] / "results"
ABSENT = "not measured"
LEGEND = ("A time is that of one step, forward and backward, in float32 / TF32; a ratio is ours over PyTorch's in the "
          "setting that PyTorch has by default, which stands in brackets, with its p10 and p90. Below 1 we are faster.")
HEAD = ("| training step | minigrad, eager | minigrad, graph | PyTorch, eager | PyTorch, graph | eager / eager | "
        "graph / eager | limit |\n|" + "---|" * 8)


def newest(folder: Path = RESULTS) -> dict[str, Any] | None:
    """The last record of a GPU in the folder, or None. Raises ValueError for one that is no such record."""
    paths = sorted(folder.glob("gpu-*.json"))  # their names begin with the date and the time
    if not paths:
        return None
    record = json.loads(paths[-1].read_text())
    try:
        check(record)
    except ValueError as error:
        raise ValueError(f"{paths[-1].name}: {error}") from None
    if record["rehearsal"]:
        raise ValueError(f"{paths[-1].name} is a rehearsal: nothing in it was measured on a GPU")
    return record


def table(record: dict[str, Any] | None) -> str:
    """The rows in the order of the cases, and below them what they were measured on."""
    rows = {row["case"]: row for row in record["timing"]} if record else {}
    lines = [HEAD, *[_line(case, rows.get(case.name), bool(record and record["rehearsal"])) for case in CASES]]
    if record is None:
        return "\n".join([*lines, "", LEGEND, "", "No run on a GPU is recorded yet: parity with NumPy there is "
                          f"{ABSENT}, and so is every time."])
    measured = [] if record["rehearsal"] else [_spread(record), _ceilings(record["environment"])]
    return "\n".join([*lines, "", LEGEND, "", _parity(record), *measured, _where(record)])


def _line(case: Timed, row: dict[str, Any] | None, rehearsal: bool) -> str:
    """A case: times in float32 / TF32, the ratios in the setting that PyTorch has by default."""
    if row is not None and rehearsal:
        run = sum("error" not in result for result in row["results"].values())
        return f"| {case.name} ({case.default}) |" + " rehearsed |" * 6 + f" {run} implementations ran |"
    row = row or {"results": {}, "ratios": {}, "target": {}}
    times = [f"{_time(row, f'{who} fp32')} / {_time(row, f'{who} TF32')}" for who in
             ("minigrad eager", "minigrad graph", "PyTorch eager")]
    times = [ABSENT if text == f"{ABSENT} / {ABSENT}" else text for text in times]
    once = _time(row, f"PyTorch graph {case.default}")
    ratios = [_ratio(row["ratios"].get(f"{way} {case.default}")) for way in ("eager", "graph")]
    limit = ""
    if case.limit is not None:
        held = {True: "held", False: "**missed**", None: ABSENT}[row["target"].get("held") if row["target"].get(
            "value") is not None else None]
        limit = f"{case.by} {case.limit:g}, {held}"
    return f"| {case.name} ({case.default}) | {' | '.join([*times, once, *ratios])} | {limit} |"


def _time(row: dict[str, Any], name: str) -> str:
    result = row["results"].get(name)
    if result is None or "error" in result:
        return ABSENT
    us = result["wall_us"]["median"]
    return f"{us:.0f} us" if us < 1000 else f"{us / 1000:.2f} ms"


def _ratio(spread: dict[str, float] | None) -> str:
    return ABSENT if spread is None else f"{spread['median']:.2f} ({spread['p10']:.2f} to {spread['p90']:.2f})"


def _parity(record: dict[str, Any]) -> str:
    """How many cases held, by kind; those that did not, by name."""
    kinds: dict[str, list[bool]] = {}
    for row in record["parity"]:
        kinds.setdefault(row["kind"], []).append(row["held"])
    lost = [row["case"] for row in record["parity"] if not row["held"]]
    told = ", ".join(f"{sum(held)} of {len(held)} ({kind})" for kind, held in kinds.items())
    more = f" **Not held: {', '.join(lost)}.**" if lost else ""
    left = f" The budget did not reach {len(record['left_out'])} cases." if record["left_out"] else ""
    return f"Parity, seed {record['seed']}: {told or ABSENT} held.{more}{left}"


def _spread(record: dict[str, Any]) -> str:
    same = [row["ratios"]["A against A"] for row in record["timing"] if "A against A" in row["ratios"]]
    if not same:
        return f"Two turns of one PyTorch step against each other: {ABSENT}."
    low, high = np.median([s["p10"] for s in same]), np.median([s["p90"] for s in same])
    return (f"Two turns of one PyTorch step against each other differ by {low:.2f} to {high:.2f} (p10 to p90, median "
            "over the cases): what a ratio of 1 looks like.")


def _ceilings(about: dict[str, Any]) -> str:
    products = about.get("products", {})
    if "copy_TB_per_s" not in about or not products:
        return f"Ceilings of this GPU: {ABSENT}."
    largest = {name.rpartition(", ")[2]: p["TFLOP_per_s"] for name, p in list(products.items())[:2]}
    return (f"Ceilings: copies {about['copy_TB_per_s']:.2f} TB/s; products of 8192 x 8192 "
            + ", ".join(f"{kind} {rate:.0f} TFLOP/s" for kind, rate in largest.items()) + ".")


def _where(record: dict[str, Any]) -> str:
    about = record["environment"]

    def part(name: str, key: str) -> str:
        return f"{name} {about[key]}" if key in about else f"{name} unknown"
    changed = ", with changes" if record["dirty"] else ""
    return (f"{record['date']}, `{record['command']}`, commit {record['commit'][:7]}{changed}; "
            f"{about.get('gpu', about.get('device', 'unknown'))}, {part('compute', 'compute_capability')}, "
            f"{part('driver', 'driver')}, {part('CUDA', 'cuda')}, {part('CuPy', 'cupy')}, {part('NumPy', 'numpy')}, "
            f"{part('PyTorch', 'torch')}, {part('cuDNN', 'cudnn')}.")


def lost(record: dict[str, Any]) -> list[str]:
    """What the summary of a run says of each parity case that did not hold."""
    return [f"{row['case']}: " + str(row.get("error") or {what: pair for what, pair in row["errors"].items()
                                                          if not below(*pair)})
            for row in record["parity"] if not row["held"]]
