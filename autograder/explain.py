"""Replay the draws of one graded cell for the instructor: what went in, what was expected, what came.

    found = explain("rnn2026", "03_rnn", "ada", "rnn_step")
    found.same                              # the replay gave the verdict that is recorded
    found.draws[0].args["x"]                # a drawn array
    found.draws[0].results[0].got           # what ada's function made of it; .want is what was expected

It is the answer to "why did I lose these points". The seed and the limits are the recorded ones, the notebook is run as
the grader runs it, in the sandbox and up to this cell, and nothing in the course is written. What it shows holds drawn
values and expected ones: it is for the instructor alone. The text is made by explain_text.py.
"""

from __future__ import annotations

import base64
import dataclasses
import difflib
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autograder import attempts, pipeline, sheet
from autograder.check import Check
from autograder.compare import compare, same
from autograder.course import Course, read_json
from autograder.differences import Difference, differences
from autograder.draws import Draw
from autograder.errors import AutograderError, UnknownName
from autograder.gradebook import Grades
from autograder.misconception import Outcome, examples_axis, tolerance
from autograder.sandbox import Limits, Sandbox, Session
from autograder.sheet import Sheet
from autograder.student import MissingName, StudentDied, StudentError, StudentFailure, StudentTimeout
from autograder.submission import Submission, Template

VERDICT = ("score", "points", "reason", "message", "parts", "misconceptions", "question")
SMALL = 100                 # entries of an array that is told without being asked for in full
NOT_CALLED = "not called"
CALL = "the call"           # the name of our own cell in tracebacks


@dataclass
class ResultReplay:
    """One result of one draw."""

    name: str
    want: Any
    got: Any
    right: bool
    form: str                   # what is wrong with type, length, shape or dtype, "" if nothing
    sentence: str               # what is wrong with the values, in the grader's words
    differences: list[Difference]
    second: Any = None          # expected by the solution around the student's own earlier functions, where asked for
    carried: bool = False       # it equals that: an earlier mistake, which costs nothing here


@dataclass
class DrawReplay:
    """One draw: what went in, and what the student's function did with it."""

    number: int                 # counts from 1
    tags: dict[str, Any]
    parts: list[str]
    args: dict[str, Any]
    results: list[ResultReplay]
    seconds: float
    right: bool
    float32: bool = False
    mixed: bool = False
    budget: float | None = None
    failure: str = ""           # why nothing came
    traceback: list[str] = field(default_factory=list)      # of an exception, from a second call of the same function
    printed: str = ""           # in that second call
    judged: dict[str, str] = field(default_factory=dict)    # a judge's objections, by part


@dataclass(frozen=True)
class Near:
    """A known mistake, and on how many draws the student's result is what this mistake gives."""

    mutant: str
    result: str
    equal: int
    draws: int
    tells: int                  # draws on which the mistake's result is not the solution's
    named: bool


@dataclass
class Explanation:
    """All that is known about one cell of one student's."""

    assignment: str
    student: str
    notebook: str
    cell: str
    function: str
    recorded: dict[str, Any]                # the cell of the saved result
    result: dict[str, Any]                  # the saved result, without its cells
    layers: list[str]                       # of the replay's sandbox
    replayed: dict[str, Any] | None = None  # None where there was nothing to run
    warnings: list[str] = field(default_factory=list)
    draws: list[DrawReplay] = field(default_factory=list)
    mutants: list[Near] = field(default_factory=list)
    source: str = ""                        # the student's cell before the test
    output: str = ""                        # what a cell of bare asserts showed

    @property
    def same(self) -> bool:
        """Does the replay give the recorded verdict, word for word?"""
        return self.replayed is not None and not self.differs

    @property
    def differs(self) -> list[str]:
        """In what the replay's verdict is not the recorded one."""
        if self.replayed is None:
            return []
        return [key for key in VERDICT if self.replayed.get(key) != self.recorded.get(key)]

    def to_dict(self, full: bool = False) -> dict[str, Any]:
        """Plain data. Without `full`, arrays of more than SMALL entries are told by shape and dtype."""
        found: dict[str, Any] = _plain({f.name: getattr(self, f.name) for f in dataclasses.fields(self)}, full)
        return found | {"same": self.same, "differs": self.differs}


def explain(folder: str | Path, assignment: str, student: str, cell: str, *, attempt: int | None = None,
            layer: str | None = None) -> Explanation:
    """Replay one cell of a graded submission.

    cell: the test cell's grade_id, the solution cell's, or the function's name; "NOTEBOOK:CELL" where an assignment has
    several notebooks. attempt: by default the one that counts. layer: of the sandbox, by default the course's.
    Raises UnknownName for an unknown assignment, student or cell, AutograderError where nothing is graded, NoSandbox.
    """
    course = Course.open(folder)
    course.require(assignment)
    kept = attempts.kept(course, assignment, student)
    result = read_json(course.result_path(assignment, student))
    if attempt is not None:
        result = next((a.result for a in kept if a.number == attempt), None)
        if result is None:
            there = ", ".join(str(a.number) for a in kept) or "none"
            raise AutograderError(f"{student} has no graded attempt {attempt} of '{assignment}'; there are: {there}")
    if not isinstance(result, dict):
        graded = [p.stem for p in course.results(assignment).glob("*.json")]
        raise UnknownName("result of", student, f"{course.results(assignment)}", graded,
                          f"autograder grade {course.shown} {assignment}")
    with Grades(course) as grades:
        whole = grades.sheet(assignment)
    checks = pipeline.load_checks(course, whole)
    notebook, name = find_cell(whole, {n: a.checks for n, a in checks.items()}, cell, f"{course.source / assignment}")
    recorded = next((c for c in result.get("cells", []) if c["grade_id"] == name
                     and c.get("notebook", assignment) == notebook), None)
    if recorded is None:
        raise AutograderError(f"'{name}' of {student} has no verdict ({'; '.join(result.get('notes', [])[:1])}): "
                              f"autograder grade {course.shown} {assignment} --student {student}")
    told = Explanation(assignment, student, notebook, name, recorded.get("function", ""), recorded,
                       {k: v for k, v in result.items() if k != "cells"}, [])
    place = next((a.folder for a in kept if a.number == result.get("attempt")), None)
    work = sheet.load(whole, course.submitted, student, place)
    if result.get("source_hash") != work.source_hash:
        where = "submitted/ now" if place is None else str(place)
        told.warnings.append(f"the submission is not the one that was graded: this replays what lies in {where}")
    elif kept and sheet.load(whole, course.submitted, student).source_hash != kept[-1].result.get("source_hash"):
        told.warnings.append(f"this is attempt {result['attempt']}, and a newer submission waits for grading")
    if result.get("checks_hash") != pipeline.checks_hash(whole, checks):
        told.warnings.append("the checks, their points or this program have changed since it was graded")
    sub = work.notebook(notebook)
    if sub.status in pipeline.EMPTY:
        return told
    limits = Limits(**{f.name: result.get("limits", {}).get(f.name, getattr(course.limits(assignment), f.name))
                       for f in dataclasses.fields(Limits)})
    wanted = layer or course.layer
    with Sandbox(None if wanted == "auto" else wanted, limits) as sandbox, sandbox.session() as session:
        told.layers = [part for part in sandbox.layers if part != "none"]
        found = checks.get(notebook)
        _replay(told, found.checks if found else {}, sub, session, limits, result)
    return told


def find_cell(whole: Sheet, checks: Mapping[str, Mapping[str, Check]], wanted: str, where: str) -> tuple[str, str]:
    """(notebook, grade_id) of the test cell that `wanted` names; `checks` by notebook.

    Raises UnknownName with the nearest name that there is, and AutograderError for a name in several notebooks.
    """
    notebook, colon, short = wanted.partition(":")
    chosen = [t for t in whole if not colon or t.name == notebook]
    names = {t.name: _names(t, checks.get(t.name, {})) for t in chosen}
    short = short if colon else wanted
    found = [(place, cells[short]) for place, cells in names.items() if short in cells]
    if len(found) == 1:
        return found[0]
    if found:
        places = " or ".join(f"{n}:{short}" for n, _ in found)
        raise AutograderError(f"'{short}' is in {len(found)} notebooks: say {places}")
    if any(c.name == short and c.points is not None for t in chosen for c in t.cells):
        raise AutograderError(f"'{short}' is graded by hand: there are no draws to replay. The formgrader shows it")
    known = [name for cells in names.values() for name in cells]
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    tests = list(dict.fromkeys(cell for cells in names.values() for cell in cells.values()))
    raise UnknownName("test cell", wanted, where, known, "" if near or not tests else f"there are {', '.join(tests)}")


def _names(template: Template, checks: Mapping[str, Check]) -> dict[str, str]:
    """What the test cells of a notebook may be called -> their grade_ids."""
    tests = [c.name for c in template.cells if c.test]
    names = {name: name for name in tests}
    solution = ""
    for c in template.cells:        # a test cell belongs to the solution cell before it
        if c.solution and not c.grade:
            solution = c.name
        elif c.test and solution:
            names.setdefault(solution, c.name)
    return names | {check.function: check.cell for check in checks.values() if check.cell in tests}


# ----- The replay

def _replay(told: Explanation, checks: Mapping[str, Check], sub: Submission, session: Session, limits: Limits,
            result: Mapping[str, Any]) -> None:
    """Run the notebook as the grader does, up to this cell, and keep what its grading saw."""
    seeds = {c["grade_id"]: c.get("seed") for c in result.get("cells", []) if c.get("notebook", sub.name) == sub.name}
    gradings: list[Any] = []
    last = next(i for i, c in enumerate(sub.cells) if c.spec and c.name == told.cell)
    until = dataclasses.replace(sub, cells=sub.cells[:last + 1])
    own = [c.source for c in sub.cells[:last] if c.cell_type == "code" and c.spec and c.spec.students]
    told.source = own[-1] if own else ""
    run = pipeline.run_notebook(until, checks, session, limits, lambda name: seeds.get(name) or "0",
                                watch=gradings.append)
    told.replayed = run.cells[-1].to_dict()
    grading = next((g for g in gradings if g.check.cell == told.cell), None)
    if grading is None:
        told.output = "".join(o.get("text", "") for o in run.outputs.get(sub.cells[last].id, [])[2:])
        return
    told.draws = [_draw(grading, i, outcome) for i, outcome in enumerate(grading.outcomes)]
    if not all(part["ok"] for part in told.replayed["parts"]):
        told.mutants = _nearest(grading, {m["mutant"] for m in told.replayed["misconceptions"]})
    for draw in told.draws:
        if isinstance(grading.outcomes[draw.number - 1].failure, StudentError):
            _call_again(draw, grading.check, grading.outcomes[draw.number - 1].draw, session)


def _draw(grading: Any, i: int, outcome: Outcome) -> DrawReplay:
    check: Check = grading.check
    draw = outcome.draw
    drawn = [o.draw for o in grading.outcomes]
    parts = [p.name for p in check.parts if i in check.draws_of(p, drawn)]
    args = {named.name: value for named, value in zip(check.args, draw.args, strict=True)}
    shown = DrawReplay(i + 1, draw.tags, parts, args, [], outcome.seconds, False, draw.float32, draw.mixed, draw.budget,
                       _failure(outcome))
    second = grading.carried.known(i)
    want = outcome.want or check.split(check.run(check.reference(), draw)) or []
    for k, name in enumerate(check.names):
        verdict = outcome.verdicts[k] if outcome.verdicts else None
        got = outcome.got[k] if outcome.got is not None else None
        tol, axis = tolerance(check, k, draw), examples_axis(check, k, draw)
        shown.results.append(ResultReplay(
            name, want[k], got, bool(verdict and verdict.mismatch is None),
            verdict.form.sentence if verdict and verdict.form else "",
            verdict.value.sentence if verdict and verdict.value else "",
            list(differences(verdict.got, want[k], tol, axis)) if verdict else [], second[k] if second else None,
            bool(verdict and second) and compare(got, second[k], tol, examples=axis) is None))
    if check.judge and outcome.got is not None:
        shown.judged = {part: said for part, said in grading.judge_one(outcome, outcome.want).items() if said}
        shown.right = not shown.judged
    else:
        shown.right = bool(shown.results) and all(r.right or r.carried for r in shown.results)
    return shown


def _failure(outcome: Outcome) -> str:
    """Why this draw has no results."""
    failure = outcome.failure
    if failure is None:
        never = outcome.got is None and not outcome.problem
        return f"{NOT_CALLED}: the cell had ended before" if never else outcome.problem
    if isinstance(failure, StudentError):
        where = f" in line {failure.number} of its cell: {failure.line}" if failure.number else ""
        return f"raised {failure.ename}{where}"
    if isinstance(failure, MissingName):
        return f"there is no function {failure.name}"
    said = "too slow" if isinstance(failure, StudentTimeout) else "returned no plain data"
    return f"{'its process ended' if isinstance(failure, StudentDied) else said}: {failure}"


def _nearest(grading: Any, named: set[str]) -> list[Near]:
    """The mistakes that were tried, nearest first: for each result that is wrong somewhere, on how many draws it is
    what the mistake gives."""
    check: Check = grading.check
    outcomes = [o for o in grading.outcomes if o.got is not None and o.verdicts]
    found = []
    for k, mutant in itertools.product(range(len(check.names)), check.mutants):
        if all(o.right(k) for o in outcomes):
            continue
        function = check.mutated(mutant)
        equal = tells = 0
        for o in outcomes:
            assert o.got is not None and function is not None
            try:
                theirs = check.split(check.run(function, o.draw))
            except Exception:       # a mutant may raise where the student's function does not
                theirs = None
            if theirs is not None:
                tol, axis = tolerance(check, k, o.draw), examples_axis(check, k, o.draw)
                equal += same(o.got[k], theirs[k], tol, examples=axis)
                tells += not same(theirs[k], o.want[k], 10 * tol, examples=axis)
        found.append(Near(mutant.name, check.names[k], equal, len(outcomes), tells, mutant.name in named))
    return sorted(found, key=lambda near: (not near.named, -near.equal))


# ----- What an exception said

def _call_again(shown: DrawReplay, check: Check, draw: Draw, session: Session) -> None:
    """Call the function once more as a cell, whose traceback and prints come back: a graded call tells its type alone.

    The arguments go in as text, so nothing of the pipe's protocol needs to know about this.
    """
    words = ", ".join(f"_explained[{i}]" for i in range(len(draw.args)))
    source = f"_explained = {_literal(draw.args)}\n{check.called}({words});"
    try:
        run = session.run_cell(source, keep=False, name=CALL)
    except StudentFailure:
        return                      # it hangs or dies this time, or the notebook's time is used up
    shown.printed = "".join(o.get("text", "") for o in run.outputs if o.get("output_type") == "stream")
    if run.error:
        lines = list(run.error["traceback"])
        ours = next((i for i, line in enumerate(lines) if f'"<cell {CALL}>"' in line), None)
        if ours is not None:
            after = next((i for i, line in enumerate(lines[ours + 1:], ours + 1) if line.startswith("  File")), ours)
            lines[ours:after] = []
        shown.traceback = lines


def _literal(value: Any) -> str:
    """Python source that makes this value in a process with NumPy."""
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return (f"__import__('numpy').frombuffer(__import__('base64').b64decode({data!r}), {value.dtype.str!r})"
                f".reshape({value.shape}).copy()")
    if isinstance(value, np.generic):
        return f"{_literal(np.asarray(value))}[()]"
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"{type(value).__name__}([{', '.join(_literal(v) for v in value)}])"
    if type(value) is dict:
        return "{" + ", ".join(f"{_literal(k)}: {_literal(v)}" for k, v in value.items()) + "}"
    return f"float({str(value)!r})" if type(value) is float else repr(value)


def _plain(value: Any, full: bool) -> Any:
    """Data for json.dumps; texts of a student's without control characters."""
    from autograder.show import printable

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name), full) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        form = {"shape": list(value.shape), "dtype": str(value.dtype)}
        return form | ({"values": _plain(value.tolist(), full)} if full or value.size <= SMALL else {})
    if isinstance(value, np.generic):
        return _plain(value.item(), full)
    if isinstance(value, Mapping):
        return {printable(k): _plain(v, full) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        if len(value) > 10 * SMALL and not full:
            return {"type": type(value).__name__, "length": len(value)}
        return [_plain(v, full) for v in value]
    if isinstance(value, str):
        return "\n".join(printable(line) for line in value.split("\n"))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)           # JSON has no NaN
    return value if isinstance(value, (bool, int, float, type(None))) else printable(value)
