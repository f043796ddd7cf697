"""Grade again with the seeds of before, and show what that changes: after a check was mended, or a complaint.

Seeds depend on the student's answers, so the same answers meet the same numbers. Manual scores and comments stay. The
gradebook is backed up first; `dry_run` runs everything and writes nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autograder import attempts, driver, pipeline
from autograder.backup import backup
from autograder.course import Course, read_json
from autograder.gradebook import Grades
from autograder.sheet import Sheet
from autograder.show import printable
from autograder.workers import How


@dataclass
class CellChange:
    """One cell whose automatic score changes. `manual`: the score that a person gave it, which goes on to count."""

    notebook: str
    grade_id: str
    before: float | None
    after: float | None
    manual: float | None = None


@dataclass
class Regraded:
    """One student. `before`: None where nothing was graded yet; `attempt`: the one that counts afterwards."""

    student: str
    before: float | None
    after: float
    attempt: int = 1
    cells: list[CellChange] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.cells) or self.before != self.after

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Report:
    """What a regrade did, or would do, sorted by student; `backup` is the gradebook as it was."""

    students: list[Regraded]
    backup: Path | None = None
    dry_run: bool = False

    def rows(self) -> list[list[str]]:
        """A table of what changes: student, cell, before, after, remark; a student's cells and then the total."""
        table = []
        for s in self.students:
            if not s.changed:
                continue
            several = len({c.notebook for c in s.cells}) > 1
            table += [[printable(s.student), f"{c.notebook}/{c.grade_id}" if several else c.grade_id,
                       _points(c.before), _points(c.after),
                       "" if c.manual is None else f"the manual score {c.manual:g} stands"] for c in s.cells]
            table.append([printable(s.student), "total", _points(s.before), _points(s.after), ""])
        return table

    def summary(self) -> str:
        """How many were graded again, how many changed, the mean before and after."""
        known = [s for s in self.students if s.before is not None]
        changed, n = sum(s.changed for s in known), len(known)
        means = [sum(float(x or 0.0) for x in scores) / max(n, 1)
                 for scores in ([s.before for s in known], [s.after for s in known])]
        text = f"{n} graded again, {changed} {'would change' if self.dry_run else 'changed'}"
        text += f", mean {means[0]:.1f} -> {means[1]:.1f}" if n else ""
        new = len(self.students) - n
        return text + (f"; {new} graded for the first time" if new else "")

    def to_dict(self) -> dict[str, Any]:
        return {"dry_run": self.dry_run, "backup": str(self.backup) if self.backup else None,
                "students": [s.to_dict() for s in self.students]}


def regrade(folder: str | Path, name: str, *, students: Sequence[str] = (), jobs: int | None = None,
            layer: str | None = None, dry_run: bool = False,
            started: Callable[[int, int], None] = lambda new, old: None,
            finished: Callable[[dict[str, Any]], None] = lambda result: None,
            used: Callable[[float, float], None] = lambda students, grader: None, scheduler: str = "",
            tell: Callable[[str], None] = lambda text: None) -> Report:
    """Grade the submissions of an assignment again. Arguments and errors are those of `driver.grade`.

    Raises CourseError where the gradebook cannot be backed up; nothing has changed then.
    """
    course = Course.open(folder)
    course.require(name)
    chosen = sorted(set(driver.choose(course, name, students)))
    after: dict[str, dict[str, Any]] = {}

    def done(result: dict[str, Any]) -> None:
        after[result["student"]] = result
        finished(result)

    copy = None
    with nullcontext() if dry_run else course.lock():       # nothing may come between what was before and what is after
        before = {s: read_json(course.result_path(name, s)) for s in chosen}
        with Grades(course) as grades:
            whole, manual = grades.sheet(name), grades.scores(name, manual=True)
        if dry_run:
            _preview(course, whole, chosen, layer, driver.how_to_grade(jobs, scheduler, tell), started, done, used)
        else:
            copy = backup(course, "regrade")
            driver.grade(folder, name, students=chosen, jobs=jobs, layer=layer, force=True, started=started,
                         finished=done, used=used, scheduler=scheduler, tell=tell, locked=True)
    found = [compare(before[s], after[s], manual.get(s, {})) for s in chosen if s in after]
    return Report(found, copy, dry_run)


def _points(score: float | None) -> str:
    return "-" if score is None else f"{score:g}"


def compare(before: dict[str, Any] | None, after: dict[str, Any],
            manual: Mapping[tuple[str, str], float | None]) -> Regraded:
    """What differs between two results of a student, cell by cell."""
    old = {driver.key(c): float(c["score"]) for c in (before or {}).get("cells", [])}
    new = {driver.key(c): float(c["score"]) for c in after["cells"]}
    cells = [CellChange(*k, old.get(k), new.get(k), manual.get(k)) for k in dict.fromkeys([*old, *new])
             if old.get(k) != new.get(k)] if before else []
    return Regraded(after["student"], float(before["score"]) if before else None, float(after["score"]),
                    int(after.get("attempt", 1)), cells)


def _preview(course: Course, whole: Sheet, students: Sequence[str], layer: str | None, how: How,
             started: Callable[[int, int], None], finished: Callable[[dict[str, Any]], None],
             used: Callable[[float, float], None]) -> None:
    """Run what a regrade would run, and hand each result that would count to `finished`."""
    name, plan = whole.assignment, driver.plan_of(course, whole, layer)
    run = driver.Run(course, whole, plan.limits, pipeline.checks_hash(whole, pipeline.load_checks(course, whole)), True)
    needs = {s: need for s in students if (need := run.need(s, None))}
    started(len(needs), 0)
    results = {s: {a.number: a.result for a in attempts.kept(course, name, s)} for s in needs}
    for these in driver.rounds({s: need.earlier for s, need in needs.items()}):
        folders = {s: attempts.place(course, name, s) / f"{n:03d}" for s, n in these.items()}
        for out in how(dataclasses.replace(plan, folders=folders), list(these)):
            results[out.student][these[out.student]] = out.result | {"attempt": these[out.student]}
            used(out.used.students, out.used.grader)
    for out in how(plan, [s for s, need in needs.items() if need.number]):
        number = needs[out.student].number
        results[out.student][number] = out.result | {"attempt": number}
        used(out.used.students, out.used.grader)
        finished(attempts.best_of(course, results.pop(out.student)))
    for student in list(results):
        finished(attempts.best_of(course, results.pop(student)))
