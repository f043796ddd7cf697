"""Grade one submission: run the rebuilt notebook in the sandbox, let the oracle judge, make result and notebooks.

Both doors use `grade_submission`: the fast driver (driver.py, many at once) and the preprocessor for plain
`nbgrader autograde` (nbgrader_plugin.py). What a student's code does ends in a score with a reason, never in an
exception here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from autograder import notebook_out, submission
from autograder.assignment import Assignment
from autograder.course import Course
from autograder.oracle import CellResult, grade_cell
from autograder.sandbox import Limits, Sandbox, Session
from autograder.sheet import HandedIn, Sheet
from autograder.student import StudentDied, StudentTimeout
from autograder.submission import Cell, Submission

VERSION = 1                 # of the result's form
MAX_SLOW_CELLS = 3          # a notebook that hangs in every cell must not cost a course its evening
ERROR = "error"             # the grader failed, not the student: the cells wait for a person
EMPTY = ("missing", "unreadable", "refused")
FORGEABLE = "score forgeable: no Check for this cell, so its asserts ran beside the student's code"


@dataclass
class Graded:
    """What grading one submission gave: the result as plain JSON, and its notebooks for people to look at, by name."""

    result: dict[str, Any]
    notebooks: dict[str, Any]


@dataclass
class Run:
    """The state of one pass over a notebook."""

    sub: Submission
    checks: Mapping[str, Any]
    limits: Limits
    seed: Callable[[str], str]
    outputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    cells: list[CellResult] = field(default_factory=list)
    incidents: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    slow: int = 0
    forgeable: set[str] = field(default_factory=set)       # test cells whose asserts ran beside the student's code
    watch: Callable[[Any], None] | None = None      # see oracle.grade_cell

    def incident(self, kind: str, cell: str, text: str) -> None:
        self.incidents.append({"kind": kind, "cell": cell, "text": text})

    def stopped(self, session: Session) -> str:
        """Why nothing more of this notebook is run, or an empty text."""
        if self.slow >= MAX_SLOW_CELLS:
            return (f"{self.slow} cells of this notebook ran into their time limit before this one, "
                    "so it was not run. Look for a loop that does not end.")
        if session.spent >= self.limits.submission:
            return f"the submission had used its {self.limits.submission:g} s before this cell, so it was not run."
        return ""


def run_notebook(sub: Submission, checks: Mapping[str, Any], session: Session, limits: Limits,
                 seed: Callable[[str], str], watch: Callable[[Any], None] | None = None) -> Run:
    """Run the code cells in order in `session`; judge each test cell right after its visible test has run."""
    run = Run(sub, checks, limits, seed, watch=watch)
    for cell in sub.cells:
        if cell.cell_type != "code":
            continue
        if cell.spec and cell.spec.test:
            _test(run, cell, session)
        elif cell.source.strip() and not cell.picture:
            run.outputs[cell.id], _ = _execute(run, cell, cell.source, session, keep=True)
    return run


def _execute(run: Run, cell: Cell, source: str, session: Session, *, keep: bool) -> tuple[list[dict[str, Any]], bool]:
    """Run one cell: what it shows, demoted, and whether it went through.

    A cell that hangs or dies becomes an incident and a line in its output.
    """
    why = run.stopped(session)
    if why:
        return [notebook_out.stdout(f"not run: {why}\n")], False
    try:
        got = session.run_cell(source, keep=keep, name=cell.name)
    except StudentTimeout as e:
        run.slow += 1
        run.incident("timeout", cell.name, str(e) or f"longer than {run.limits.cell:g} s")
        return [notebook_out.stdout(f"stopped: this cell ran longer than {run.limits.cell:g} s\n")], False
    except StudentDied as e:
        run.incident("died", cell.name, str(e) or "the process ended")
        text = "the process that ran this cell ended (os._exit, a crash, or too much memory)\n"
        return [notebook_out.stdout(text)], False
    run.notes += [f"{cell.name}: {note}" for note in got.notes]
    outputs = list(got.outputs)
    if got.error and not any(o.get("output_type") == "error" for o in outputs):
        outputs.append({"output_type": "error", **got.error})
    return notebook_out.demoted(outputs), bool(got.ok)


def _test(run: Run, cell: Cell, session: Session) -> None:
    """The visible test for the student's eyes, then the verdict."""
    assert cell.spec is not None
    check = run.checks.get(cell.spec.name)
    shown: list[dict[str, Any]] = []
    source = submission.visible(cell.source)
    if check is None:
        result, shown = _without_check(run, cell, session)
    else:
        slow = run.slow
        if source.strip() and not cell.picture:
            shown, _ = _execute(run, cell, source, session, keep=False)
        result = _judge(run, cell, check, session)
        if result.reason == "timeout":
            run.slow = slow + 1     # one slow cell, though its visible test was slow as well
    run.cells.append(result)
    plain = result.to_dict()
    run.outputs[cell.id] = [notebook_out.verdict(result.score, result.reason),
                            notebook_out.stdout(notebook_out.message(plain)), *shown]
    if check is None:           # for the instructor: the student's page need not say it
        run.forgeable.add(cell.name)
        result.notes.append(FORGEABLE)


def _judge(run: Run, cell: Cell, check: Any, session: Session) -> CellResult:
    why = run.stopped(session)
    if why:
        return zero(cell, "timeout", why, check)
    right = {c.function: c.sound for c in run.cells}
    failed = {c.function: c.cause or (c.function, c.reason) for c in run.cells}
    result = grade_cell(check, session, run.seed(cell.name), run.limits, watch=run.watch, right=right, failed=failed)
    if result.reason not in ("missing", "not_written"):
        session.tested(check.function)
    assert cell.spec is not None
    points = cell.spec.points or 0.0
    if result.points != points:     # the gradebook's points count; nbgrader refuses a score above them
        result.score = round(result.score * points / result.points, 1) if result.points else 0.0
        result.notes.append(f"the check gives {result.points:g} points, the gradebook {points:g}: scaled")
        result.points = points
    if result.reason in ("timeout", "died"):
        run.incident(result.reason, cell.name, result.message.splitlines()[0] if result.message else result.reason)
    elif result.reason == "check_error":    # ours to mend: it must not look like a student's 0
        run.incident(ERROR, cell.name, "; ".join(result.notes) or "the Check failed")
    return result


def _without_check(run: Run, cell: Cell, session: Session) -> tuple[CellResult, list[dict[str, Any]]]:
    """A test cell with bare asserts and no Check: run beside the student's code, as stock nbgrader does.

    The machine is safe, the score is not: the student's process sees these asserts and could answer for them. The
    result and the report say so.
    """
    why = run.stopped(session)
    if why:
        return zero(cell, "timeout", why), []
    shown, ok = _execute(run, cell, cell.source, session, keep=False)
    result = zero(cell, "ok" if ok else "wrong", "" if ok else "a test in this cell failed")
    result.score = result.points if ok else 0.0
    return result, shown


def zero(cell: Cell, reason: str, message: str, check: Any = None) -> CellResult:
    """A result of 0 points that no Check was asked for."""
    assert cell.spec is not None
    return CellResult(grade_id=cell.spec.name, function=getattr(check, "function", "") or "",
                      points=cell.spec.points or 0.0, score=0.0, parts=[], reason=reason, message=message,
                      misconceptions=[], question=None, notes=[], seed="", seconds=0.0)


def seed_of(secret: bytes, assignment: str, grade_id: str, student: str, solution_hash: str, notebook: str = "") -> str:
    """The seed of one cell: the same on a regrade, another for a new attempt, not to be guessed without the secret.

    `notebook` counts where it has another name than the assignment.
    """
    more = () if notebook in ("", assignment) else (notebook,)
    text = "\0".join((assignment, *more, grade_id, student, solution_hash))
    return hmac.new(secret, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def load_checks(course: Course, sheet: Sheet) -> dict[str, Assignment]:
    """The checks of each notebook that has some; in the others a test cell's own asserts are run."""
    found = {t.name: course.load(sheet.assignment, t.name) for t in sheet}
    return {name: assignment for name, assignment in found.items() if assignment is not None}


def checks_hash(sheet: Sheet, checks: Mapping[str, Assignment]) -> str:
    """All that the verdict depends on from the course's side: cells and points, and the checks' text.

    Not the version of this software: a newer one is no reason to grade a term again unasked (record.differences tells).
    """
    texts = [p.read_text(encoding="utf-8") for _, a in sorted(checks.items()) for p in sorted(a.folder.glob("*.py"))]
    return submission.digest([sheet.digest(), texts])


def grade_submission(course: Course, sheet: Sheet, checks: Mapping[str, Assignment], work: HandedIn,
                     sandbox: Sandbox, limits: Limits) -> Graded:
    """Grade what one student handed in, each notebook in a session of its own; `limits.submission` holds for all.

    Raises nothing on account of what the student wrote.
    """
    began, started = time.perf_counter(), datetime.now(UTC)
    secret, used = course.secret(), 0.0
    cells: list[dict[str, Any]] = []
    notes, incidents, notebooks = work.notes, work.incidents, {}
    for sub in work:
        run, used = _grade_notebook(sub, checks.get(sub.name), secret, sandbox, limits, used)
        cells += [{"notebook": sub.name, **c.to_dict()} | ({"forgeable": True} if c.grade_id in run.forgeable else {})
                  for c in run.cells]
        notes += [work.told(sub, note) for note in run.notes]
        incidents += [work.marked(sub, i) for i in run.incidents]
        notebooks[sub.name] = notebook_out.build(sub, run.outputs)
    layers = [part for part in sandbox.layers if part != "none"]
    record = _result(sheet, work, limits, started=started.isoformat(timespec="seconds"),
                     seconds=round(time.perf_counter() - began, 3), layers=layers, cells=cells,
                     score=round(sum(c["score"] for c in cells), 1), incidents=incidents, notes=notes,
                     checks_hash=checks_hash(sheet, checks))
    return Graded(record, notebooks)


def _grade_notebook(sub: Submission, assignment: Assignment | None, secret: bytes, sandbox: Sandbox, limits: Limits,
                    used: float) -> tuple[Run, float]:
    """Run and judge one notebook, and the seconds that the submission has used after it, of `used` before it."""
    checks = assignment.checks if assignment else {}
    solution_hash = sub.solution_hash

    def seed(grade_id: str) -> str:
        return seed_of(secret, sub.assignment, grade_id, sub.student, solution_hash, sub.name)

    if sub.status in EMPTY:
        run = Run(sub, checks, limits, seed)
        for cell in sub.cells:
            if cell.spec and cell.spec.test:
                result = zero(cell, "missing", f"Nothing could be graded: {sub.reason}.", checks.get(cell.name))
                run.cells.append(result)
                run.outputs[cell.id] = [notebook_out.verdict(0.0, "missing"),
                                        notebook_out.stdout(notebook_out.message(result.to_dict()))]
        return run, used
    session = sandbox.session()
    session.seconds_used = used
    try:
        return run_notebook(sub, checks, session, limits, seed), session.seconds_used
    finally:
        session.close()


def not_graded(sheet: Sheet, work: HandedIn, limits: Limits, error: Exception) -> Graded:
    """What stands for a submission that the grader itself failed on: no scores, every cell waiting for a person."""
    text = f"the grader failed on this submission ({type(error).__name__}: {str(error)[:300]}); nothing was scored"
    result = _result(sheet, work, limits, status=ERROR, notes=[text, *work.notes],
                     incidents=[*work.incidents, {"kind": ERROR, "cell": "", "text": text}])
    shown = notebook_out.verdict(0.0, "", "not graded yet: the grader failed, and a person will look at this")
    return Graded(result, {s.name: notebook_out.build(s, {c.id: [shown] for c in s.cells if c.spec and c.spec.test})
                           for s in work})


def _result(sheet: Sheet, work: HandedIn, limits: Limits, **found: Any) -> dict[str, Any]:
    """The form of a result (version 1), with `found` in it."""
    return {
        "version": VERSION, "assignment": sheet.assignment, "student": work.student,
        "submitted": work.submitted, "started": "", "seconds": 0.0,
        "layers": [], "limits": limits_dict(limits), "status": work.status,
        "notebooks": {s.name: s.status for s in work}, "notes": work.notes, "score": 0.0,
        "max_score": sheet.points, "cells": [], "incidents": [], "source_hash": work.source_hash,
        "answers_hash": work.answers_hash, "checks_hash": "",
    } | found


def limits_dict(limits: Limits) -> dict[str, float]:
    return dataclasses.asdict(limits)


def to_json(result: Mapping[str, Any]) -> str:
    """A result as it is saved: small, and one line a change in a diff."""
    return json.dumps(result, indent=1, sort_keys=False, ensure_ascii=False, default=str) + "\n"
