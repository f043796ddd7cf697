"""What the results of a class say: scores, hardest checks, misconceptions, incidents, times. Numbers and names only.

The input is the versioned result of each submission (pipeline.py writes it, DIR/.autograder/results/) and nothing else,
so a report can be made again years later, and on another machine. Results hold text that students chose: nothing here
interprets it, and whoever shows it must escape it. A field that an older version did not write counts as empty.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.course import Course

VERSION = 1
Result = Mapping[str, Any]

REASONS = {
    "ok": "right", "partial": "partly right", "wrong": "wrong", "not_written": "not written", "raises": "raises",
    "timeout": "too slow", "died": "process died", "missing": "missing", "untransferable": "no plain data",
    "check_error": "the check failed",
}
STATUSES = {
    "unreadable": "could not be read", "missing": "no notebook handed in", "refused": "refused",
    "error": "the grader failed: a person has to look",
}
KINDS = {
    "error": "Grader failed", "unreadable": "Unreadable", "refused": "Refused", "missing": "No notebook",
    "died": "Process ended", "timeout": "Too slow", "changed": "Edited test cells or settings",
}


class _Shares:
    """Shares of the points, one a student."""

    shares: list[float]

    @property
    def share(self) -> float:
        return _mean(self.shares)

    @property
    def full(self) -> int:
        return sum(s >= 1 for s in self.shares)


@dataclass
class PartRow(_Shares):
    """One part of a check: the mean share of its points, and how many earned all of it."""

    name: str
    points: float
    shares: list[float] = field(default_factory=list)


@dataclass
class CheckRow(_Shares):
    """One graded cell over the class."""

    grade_id: str
    function: str
    points: float
    order: int
    notebook: str = ""
    forgeable: bool = False         # bare asserts without a Check: they ran beside the student's code
    shares: list[float] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)      # of the cells that lost points
    named: int = 0                                              # of these, with a misconception named
    parts: dict[str, PartRow] = field(default_factory=dict)

    @property
    def zero(self) -> int:
        return sum(s <= 0 for s in self.shares)

    @property
    def partial(self) -> int:
        return len(self.shares) - self.full - self.zero


@dataclass
class MutantRow:
    """One misconception: the mistake in one function, and who has it."""

    function: str
    mutant: str
    sentence: str
    family: str
    equation: str = ""
    slide: str = ""
    students: list[str] = field(default_factory=list)


@dataclass
class FamilyRow:
    """The same idea in several functions; a student counts once."""

    family: str
    students: set[str] = field(default_factory=set)
    cells: int = 0
    mutants: dict[str, int] = field(default_factory=dict)


@dataclass
class Spread:
    """Five numbers and the mean."""

    low: float
    lower: float
    median: float
    upper: float
    high: float
    mean: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None for no values."""
        if not values:
            return None
        v = sorted(values)
        lower, median, upper = statistics.quantiles(v, n=4, method="inclusive") if len(v) > 1 else [v[0]] * 3
        return cls(v[0], lower, median, upper, v[-1], _mean(v))


@dataclass
class Summary:
    """A class at a glance; see `summarise`."""

    assignment: str
    results: list[Result]
    max_score: float
    scores: list[float]                 # of the submissions that could be graded
    spread: Spread | None
    checks: list[CheckRow]              # hardest first
    mutants: list[MutantRow]            # most frequent first
    families: list[FamilyRow]
    incidents: list[dict[str, str]]     # kind, student, cell, text; by kind
    notes: list[dict[str, str]]
    seconds: Spread | None
    total_seconds: float
    slowest: list[tuple[str, float]]
    layers: list[tuple[tuple[str, ...], int]]
    first: str                          # when the first and the last of the submissions was graded, ISO
    last: str

    @property
    def graded(self) -> int:
        return len(self.scores)

    @property
    def full(self) -> int:
        return sum(s >= self.max_score for s in self.scores)

    @property
    def zero(self) -> int:
        return sum(s <= 0 for s in self.scores)

    @property
    def forgeable(self) -> list[CheckRow]:
        """The cells whose score a student's code could have decided, in the order of the notebook."""
        return [c for c in self.check_order if c.forgeable]

    @property
    def unprotected(self) -> int:
        """How many ran without a sandbox."""
        return sum(n for layers, n in self.layers if set(layers) <= {"none"})

    @property
    def incident_groups(self) -> list[tuple[str, list[dict[str, str]]]]:
        """The incidents of each kind, the gravest kind first."""
        return [(kind, list(group)) for kind, group in groupby(self.incidents, key=lambda i: i["kind"])]

    @property
    def check_order(self) -> list[CheckRow]:
        """The checks in the order of the notebook."""
        return sorted(self.checks, key=lambda c: c.order)


def summarise(results: Iterable[Result]) -> Summary:
    """The class from its results. Never raises on account of what a submission holds."""
    results = sorted(results, key=lambda r: (str(r.get("student", "")).casefold(), str(r.get("student", ""))))
    graded = [r for r in results if r.get("status") == "graded"]
    scores = [_float(r.get("score")) for r in graded]
    times = [(str(r["student"]), _float(r.get("seconds"))) for r in results if r.get("seconds")]
    started = sorted(str(r["started"]) for r in results if r.get("started"))
    checks = _checks(graded)
    mutants = _mutants(graded, {c.function: c.order for c in checks})
    return Summary(
        assignment=next((str(r["assignment"]) for r in results if r.get("assignment")), ""),
        results=results, max_score=max((_float(r.get("max_score")) for r in results), default=0.0),
        scores=scores, spread=Spread.of(scores), checks=checks, mutants=mutants, families=_families(mutants),
        incidents=_incidents(results),
        notes=[{"student": str(r.get("student", "")), "text": str(n)} for r in graded for n in r.get("notes") or []],
        seconds=Spread.of([s for _, s in times]), total_seconds=sum(s for _, s in times),
        slowest=sorted(times, key=lambda t: -t[1])[:5],
        layers=Counter(tuple(map(str, r.get("layers") or ())) for r in graded).most_common(),
        first=started[0] if started else "", last=started[-1] if started else "")


def _checks(graded: Sequence[Result]) -> list[CheckRow]:
    rows: dict[tuple[str, str], CheckRow] = {}
    for r in graded:
        for order, c in enumerate(r.get("cells") or []):
            key = key_of(c)
            row = rows.setdefault(key, CheckRow(key[1], function_of(c), _float(c.get("points")), order, key[0]))
            row.forgeable |= bool(c.get("forgeable"))
            share = share_of(c.get("score"), row.points)
            row.shares.append(share)
            if share < 1:
                row.reasons[str(c.get("reason") or "wrong")] += 1
                row.named += bool(c.get("misconceptions"))
            for p in c.get("parts") or []:
                part = row.parts.setdefault(str(p.get("name")), PartRow(str(p.get("name")), _float(p.get("points"))))
                part.shares.append(share_of(p.get("earned"), part.points))
    for row in rows.values():       # a cell that was not written has no parts: it earned none of them
        for part in row.parts.values():
            part.shares += [0.0] * (len(row.shares) - len(part.shares))
    return sorted(rows.values(), key=lambda c: (c.share, c.order))


def _mutants(graded: Sequence[Result], order: Mapping[str, int]) -> list[MutantRow]:
    """Most frequent first; those that are equally frequent in the order of the notebook."""
    rows: dict[tuple[str, str], MutantRow] = {}
    for r in graded:
        for c in r.get("cells") or []:
            for m in c.get("misconceptions") or []:
                key = (function_of(c), str(m.get("mutant", "")))
                row = rows.setdefault(key, MutantRow(
                    *key, sentence_of(m, c), str(m.get("family") or ""), str(c.get("equation") or ""),
                    str(c.get("slide") or "")))
                row.students.append(str(r.get("student", "")))
    return sorted(rows.values(), key=lambda m: (-len(m.students), order.get(m.function, 0)))


def _families(mutants: Sequence[MutantRow]) -> list[FamilyRow]:
    rows: dict[str, FamilyRow] = {}
    for m in mutants:
        if m.family:
            row = rows.setdefault(m.family, FamilyRow(m.family))
            row.students |= set(m.students)
            row.cells += len(m.students)
            row.mutants[f"{m.function}: {readable(m.mutant)}"] = len(m.students)
    return sorted(rows.values(), key=lambda f: (-len(f.students), -f.cells, f.family))


def _incidents(results: Sequence[Result]) -> list[dict[str, str]]:
    """All that an instructor may want to look at, the gravest first."""
    found = []
    for r in results:
        student, status = str(r.get("student", "")), str(r.get("status", "error"))
        own = [{k: str(i.get(k, "")) for k in ("kind", "cell", "text")} for i in r.get("incidents") or []]
        if status != "graded" and not any(i["kind"] == status for i in own):
            text = "; ".join(map(str, r.get("notes") or [])) or STATUSES.get(status, status)
            own.insert(0, {"kind": status, "cell": "", "text": text})
        cells: dict[tuple[str, str], list[str]] = {}        # the same in several cells is one incident
        for i in own:
            cells.setdefault((i["kind"], i["text"]), []).append(i["cell"])
        found += [{"student": student, "kind": kind, "cell": " ".join(names), "text": text}
                  for (kind, text), names in cells.items()]
    kinds = list(KINDS)
    return sorted(found, key=lambda i: (kinds.index(i["kind"]) if i["kind"] in kinds else len(kinds), i["kind"]))


def findings(result: Result) -> list[str]:
    """What is behind each cell that lost points, one short line a cell: the misconceptions by name, else the reason."""
    if result.get("status") != "graded":
        status = str(result.get("status", "error"))
        return ["; ".join([status, *map(str, (result.get("notes") or [])[:1])])]
    return [f"{function_of(c)}: {finding(c)}" for c in result.get("cells") or []
            if share_of(c.get("score"), _float(c.get("points"))) < 1]


def finding(cell: Mapping[str, Any]) -> str:
    """The misconceptions of a cell by name, else the reason in words."""
    named = [readable(str(m.get("mutant", ""))) for m in cell.get("misconceptions") or []]
    return " and ".join(named) or REASONS.get(str(cell.get("reason")), readable(str(cell.get("reason") or "wrong")))


def sentence_of(misconception: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    """The sentence without the equation and the slide that the student reads below it."""
    text, equation = str(misconception.get("sentence", "")), str(cell.get("equation") or "")
    return text.partition("\n" + equation)[0] if equation else text


def function_of(cell: Mapping[str, Any]) -> str:
    """The function that a cell grades; the cell's own name where there is no Check."""
    return str(cell.get("function") or cell.get("grade_id") or "")


def key_of(cell: Mapping[str, Any]) -> tuple[str, str]:
    """A cell of an assignment: its notebook and its name there. A result of one notebook may leave the notebook out."""
    return str(cell.get("notebook") or ""), str(cell.get("grade_id", ""))


def readable(name: str) -> str:
    """A mutant's name as words."""
    return name.replace("_", " ")


def share_of(score: Any, points: float) -> float:
    """The share of the points, from 0 to 1; a cell of 0 points is right."""
    return min(1.0, max(0.0, _float(score) / points)) if points > 0 else 1.0


def load_results(course_dir: str | Path, assignment: str) -> list[dict[str, Any]]:
    """The results of an assignment, sorted by student.

    A file that is broken, or was written by a version that this one does not know, becomes a result with status
    `error`, so that no student vanishes from a report. Raises FileNotFoundError where nothing was graded yet.
    """
    from autograder.course import read_json

    folder = Path(course_dir) / ".autograder" / "results" / assignment
    if not folder.is_dir():
        raise FileNotFoundError(2, "no results (autograder grade makes them)", str(folder))
    found = []
    for path in sorted(p for p in folder.glob("*.json") if not p.name.startswith(".")):
        result = read_json(path)
        why = ""
        if not isinstance(result, dict) or not isinstance(result.get("cells", []), list):
            why = "the result file is broken; `autograder grade` makes it again"
        elif result.get("version") != VERSION:
            why = f"the result file is of version {result.get('version')!r}, not {VERSION}; grade again"
        found.append({"version": VERSION, "assignment": assignment, "student": path.stem, "status": "error",
                      "notes": [why], "score": 0.0, "max_score": 0.0, "cells": []} if why else result)
    return found


def gone(course: Course, assignment: str) -> list[str]:
    """Who was graded and has no folder in `submitted` any more: a student who left the class. Their results stay."""
    there = set(course.students(assignment))
    return sorted(p.stem for p in course.results(assignment).glob("*.json")
                  if not p.name.startswith(".") and p.stem not in there)


def _float(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if abs(number) < 1e12 else 0.0        # also false for NaN


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
