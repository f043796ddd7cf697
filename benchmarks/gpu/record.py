"""The record of a run: one JSON file, written anew after each case, so that a run that ends early leaves what it knows.

    schema, date, commit, dirty, command, seed, budget_s, rehearsal       what was run
    environment                                                           on what, and its ceilings
    running                                  the case that began last and has not ended; None in between
    parity   [{case, kind, held, errors {what: [error, tolerance]}, seconds}]       with `error`: it raised, or ended
    timing   [{case, setting, results {implementation: {...}}, ratios, target}]     with `error` likewise
    left_out ["section: case"]               what the budget did not reach
    rehearsal: the device is the double on NumPy; nothing in the record is a measurement of a GPU.
"""
from __future__ import annotations

import datetime
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SCHEMA = 1
ROOT = Path(__file__).parents[2]

_TOP = {"schema": int, "date": str, "commit": str, "dirty": bool, "command": str, "seed": int, "budget_s": (int, float),
        "rehearsal": bool, "environment": dict, "running": (str, type(None)), "parity": list, "timing": list,
        "left_out": list, "seconds": (int, float)}
_PARITY = {"case": str, "kind": str, "held": bool, "errors": dict, "seconds": (int, float)}
_TIMING = {"case": str, "setting": str, "results": dict, "ratios": dict, "target": dict, "seconds": (int, float)}
_RESULT = {"wall_us": dict, "device_us": (int, float, type(None)), "steps": int, "rounds": int}
_WALL = {"median": (int, float), "p10": (int, float), "p90": (int, float)}


def commit() -> tuple[str, bool]:
    """The commit of the checkout, and does it hold changes? ("unknown", True) where git does not say."""
    try:
        sha, changes = (subprocess.run(["git", *words], capture_output=True, text=True, cwd=ROOT, check=True).stdout
                        for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no")))
    except (OSError, subprocess.CalledProcessError):
        return "unknown", True
    return sha.strip(), bool(changes.strip())


def new(command: str, seed: int, budget: float, rehearsal: bool) -> dict[str, Any]:
    """A record without results."""
    sha, dirty = commit()
    return {"schema": SCHEMA, "date": datetime.datetime.now(datetime.UTC).date().isoformat(), "commit": sha,
            "dirty": dirty, "command": command, "seed": seed, "budget_s": budget, "rehearsal": rehearsal,
            "environment": {}, "running": None, "parity": [], "timing": [], "left_out": [], "seconds": 0.0}


class Record:
    """A record in its file.  path: where; an old file there is read and gone on with."""

    def __init__(self, path: Path, fresh: dict[str, Any] | None = None) -> None:
        self.path = path
        self.data = fresh if fresh is not None else json.loads(path.read_text())
        self.write()

    def write(self) -> None:
        """Replace the file in one step: a reader, and a power cut, see the old text or the new one."""
        beside = self.path.with_suffix(f".{os.getpid()}.part")
        beside.write_text(json.dumps(_plain(self.data), indent=1) + "\n")
        os.replace(beside, self.path)

    def begin(self, case: str) -> None:
        """This case runs now."""
        self.data["running"] = case
        self.write()

    def end(self, section: str, row: dict[str, Any]) -> None:
        """It is done, and this is its row."""
        self.data["running"] = None
        self.data[section].append(row)
        self.data["left_out"] = [key for key in self.data["left_out"] if key != f"{section}: {row['case']}"]
        self.write()

    def done(self) -> set[str]:
        """The cases that have a row, as "section: name"."""
        return {f"{section}: {row['case']}" for section in ("parity", "timing") for row in self.data[section]}

    @property
    def lost(self) -> list[dict[str, Any]]:
        """The parity cases that did not hold."""
        return [row for row in self.data["parity"] if not row["held"]]


def _plain(value: Any) -> Any:
    """As JSON has it: NaN and infinities as words, for its numbers know none."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    number = float(value)
    return number if math.isfinite(number) else str(number)


def check(record: dict[str, Any]) -> None:
    """Raises ValueError that names what is missing or of a wrong type in a record, or contradicts itself."""
    wrong = _fields("record", record, _TOP)
    if not wrong and record["schema"] != SCHEMA:
        wrong.append(f"schema {record['schema']}, and this is the reader of {SCHEMA}")
    if not wrong:
        wrong = [text for row in record["parity"] for text in _parity(row)]
        wrong += [text for row in record["timing"] for text in _timing(row)]
    if wrong:
        raise ValueError("; ".join(wrong))


def _parity(row: dict[str, Any]) -> list[str]:
    where = f"parity {row.get('case')}"
    wrong = _fields(where, row, _PARITY)
    if not wrong:
        pairs = row["errors"].values()
        wrong = [f"{where}: {what} is no [error, tolerance]" for what, pair in row["errors"].items()
                 if not (isinstance(pair, list) and len(pair) == 2)]
        if not wrong and row["held"] and not (pairs and all(below(*pair) for pair in pairs)):
            wrong = [f"{where}: held, and its errors say it is not"]
    return wrong


def _timing(row: dict[str, Any]) -> list[str]:
    where = f"timing {row.get('case')}"
    wrong = _fields(where, row, _TIMING)
    for name, result in row["results"].items() if not wrong else ():
        missing = [] if "error" in result else _fields(f"{where}, {name}", result, _RESULT)
        if "error" not in result and not missing:
            missing = _fields(f"{where}, {name}, wall_us", result["wall_us"], _WALL)
        wrong += missing
    return wrong


def below(error: Any, tolerance: Any) -> bool:
    """Does an error hold its tolerance? NaN, a word in JSON, does not."""
    return isinstance(error, (int, float)) and isinstance(tolerance, (int, float)) and error <= tolerance


def _fields(where: str, row: dict[str, Any], fields: dict[str, Any]) -> list[str]:
    return [f"{where}: {name} is {type(row[name]).__name__}" if name in row else f"{where} has no {name}"
            for name, kind in fields.items() if not isinstance(row.get(name, ...), kind)]


def say(text: str) -> None:
    """A line of progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
