"""Grade one submission: run the rebuilt notebook in the sandbox, let the oracle judge, write result, notebook and rows.

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

import autograder
from autograder import notebook_out, submission
from autograder.assignment import Assignment
from autograder.course import Course
from autograder.oracle import CellResult, grade_cell
from autograder.sandbox import Limits, Sandbox, Session
from autograder.student import StudentDied, StudentTimeout
from autograder.submission import Cell, Submission, Template

VERSION = 1                 # of the result's form
MAX_SLOW_CELLS = 3          # a notebook that hangs in every cell must not cost a course its evening
ERROR = "error"             # the grader failed, not the student: the cells wait for a person
EMPTY = ("missing", "unreadable", "refused")


@dataclass
class Graded:
    """What grading one submission gave: the result as plain JSON, and the notebook for people to look at."""

    result: dict[str, Any]
    notebook: Any


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

    def incident(self, kind: str, cell: str, text: str) -> None:
        self.incidents.append({"kind": kind, "cell": cell, "text": text})

    def stopped(self, session: Session) -> str:
        """Why nothing more of this notebook is run, or an empty text."""
        if self.slow >= MAX_SLOW_CELLS:
            return (f"{self.slow} cells of this notebook ran into their time limit before this one, "
                    "so it was not run. Look for a loop that does not end.")
        if session.seconds_used >= self.limits.submission:
            return f"the notebook had used its {self.limits.submission:g} s before this cell, so it was not run."
        return ""


def run_notebook(sub: Submission, checks: Mapping[str, Any], session: Session, limits: Limits,
                 seed: Callable[[str], str]) -> Run:
    """Run the code cells in order in `session`; judge each test cell right after its visible test has run."""
    run = Run(sub, checks, limits, seed)
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


def _judge(run: Run, cell: Cell, check: Any, session: Session) -> CellResult:
    why = run.stopped(session)
    if why:
        return zero(cell, "timeout", why, check)
    result = grade_cell(check, session, run.seed(cell.name), run.limits)
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
    result says so.
    """
    why = run.stopped(session)
    if why:
        return zero(cell, "timeout", why), []
    shown, ok = _execute(run, cell, cell.source, session, keep=False)
    result = zero(cell, "ok" if ok else "wrong", "" if ok else "a test in this cell failed")
    result.score = result.points if ok else 0.0
    result.notes.append("no Check for this cell: its asserts ran beside the student's code, so the score can be forged")
    return result, shown


def zero(cell: Cell, reason: str, message: str, check: Any = None) -> CellResult:
    """A result of 0 points that no Check was asked for."""
    assert cell.spec is not None
    return CellResult(grade_id=cell.spec.name, function=getattr(check, "function", "") or "",
                      points=cell.spec.points or 0.0, score=0.0, parts=[], reason=reason, message=message,
                      misconceptions=[], question=None, notes=[], seed="", seconds=0.0)


def seed_of(secret: bytes, assignment: str, grade_id: str, student: str, solution_hash: str) -> str:
    """The seed of one cell: the same on a regrade, another for a new attempt, not to be guessed without the secret."""
    text = "\0".join((assignment, grade_id, student, solution_hash))
    return hmac.new(secret, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def checks_hash(template: Template, assignment: Assignment | None) -> str:
    """All that the verdict depends on from the course's side: cells and points, the checks' text, this version."""
    texts = []
    if assignment is not None:
        texts = [p.read_text(encoding="utf-8") for p in sorted(assignment.folder.glob("*.py"))]
    return submission.digest([template.digest(), texts, getattr(autograder, "__version__", "")])


def grade_submission(course: Course, template: Template, assignment: Assignment | None, sub: Submission,
                     sandbox: Sandbox, limits: Limits) -> Graded:
    """Grade one rebuilt submission. Raises nothing on account of what the student wrote."""
    began, started = time.perf_counter(), datetime.now(UTC)
    checks = assignment.checks if assignment else {}
    solution_hash, secret = sub.solution_hash, course.secret()

    def seed(grade_id: str) -> str:
        return seed_of(secret, template.assignment, grade_id, sub.student, solution_hash)

    if sub.status in EMPTY:
        run = Run(sub, checks, limits, seed)
        for cell in sub.cells:
            if cell.spec and cell.spec.test:
                result = zero(cell, "missing", f"Nothing could be graded: {sub.reason}.", checks.get(cell.name))
                run.cells.append(result)
                run.outputs[cell.id] = [notebook_out.verdict(0.0, "missing"),
                                        notebook_out.stdout(notebook_out.message(result.to_dict()))]
    else:
        session = sandbox.session()
        try:
            run = run_notebook(sub, checks, session, limits, seed)
        finally:
            session.close()
    cells = [c.to_dict() for c in run.cells]
    layers = [part for part in sandbox.layers if part != "none"]
    record = _result(template, sub, limits, started=started.isoformat(timespec="seconds"),
                     seconds=round(time.perf_counter() - began, 3), layers=layers, cells=cells,
                     score=round(sum(c["score"] for c in cells), 1), incidents=[*sub.incidents, *run.incidents],
                     notes=[*sub.notes, *run.notes],
                     checks_hash=checks_hash(template, assignment))
    return Graded(record, notebook_out.build(sub, run.outputs))


def not_graded(template: Template, sub: Submission, limits: Limits, error: Exception) -> Graded:
    """What stands for a submission that the grader itself failed on: no scores, every cell waiting for a person."""
    text = f"the grader failed on this submission ({type(error).__name__}: {str(error)[:300]}); nothing was scored"
    result = _result(template, sub, limits, status=ERROR, notes=[text, *sub.notes],
                     incidents=[*sub.incidents, {"kind": ERROR, "cell": "", "text": text}])
    shown = notebook_out.verdict(0.0, "", "not graded yet: the grader failed, and a person will look at this")
    return Graded(result, notebook_out.build(sub, {c.id: [shown] for c in sub.cells if c.spec and c.spec.test}))


def _result(template: Template, sub: Submission, limits: Limits, **found: Any) -> dict[str, Any]:
    """The form of a result (version 1), with `found` in it."""
    return {
        "version": VERSION, "assignment": template.assignment, "student": sub.student, "started": "", "seconds": 0.0,
        "layers": [], "limits": limits_dict(limits), "status": sub.status, "notes": list(sub.notes), "score": 0.0,
        "max_score": template.points, "cells": [], "incidents": [], "source_hash": sub.source_hash, "checks_hash": "",
    } | found


def limits_dict(limits: Limits) -> dict[str, float]:
    return dataclasses.asdict(limits)


def to_json(result: Mapping[str, Any]) -> str:
    """A result as it is saved: small, and one line a change in a diff."""
    return json.dumps(result, indent=1, sort_keys=False, ensure_ascii=False, default=str) + "\n"
