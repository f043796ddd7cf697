"""The second door: plain `nbgrader autograde` with the sandbox and the oracle.

    c.Autograde.sanitize_preprocessors  = ["autograder.nbgrader_plugin.RebuildSubmission"]
    c.Autograde.autograde_preprocessors = ["autograder.nbgrader_plugin.HardenedExecute", ...]

HardenedExecute stands where Execute stood. It grades through the same function as `autograder grade`, from the
submitted files themselves, so both doors give one grade. RebuildSubmission takes the place of nbgrader's own repair
steps, which stop at a flipped flag or a missing cell. nbgrader calls both once a notebook; a submission of several is
graded as a whole at its first one. It is an attempt here as well, and what goes on to SaveAutoGrades and
AssignLatePenalties is the attempt that counts.
"""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import compute_checksum

from autograder import attempts, driver, notebook_out, pipeline, sheet, workers
from autograder.course import CONFIG, Course
from autograder.errors import AutograderError
from autograder.gradebook import Grades
from autograder.sandbox import NoSandbox
from autograder.sheet import HandedIn

_workers: dict[tuple[Path, str], tuple[object, workers.Worker]] = {}
_waiting: dict[tuple[Path, str, str, str], dict[str, Any]] = {}     # graded notebooks that nbgrader has not asked for


def _worker(resources: Any) -> workers.Worker:
    """The warm worker of this process for the assignment being graded; its sandbox serves all submissions of a run.

    The formgrader's process lives for days: a worker is made anew when a file that it was made from has changed.
    SystemExit, not an exception: nbgrader would log a traceback for each submission and mark it as failed, though
    nothing is wrong with any.
    """
    name = resources["nbgrader"]["assignment"]
    try:
        course = _course(resources)
        state, key = _state(course, name), (course.root, name)
        if key not in _workers or _workers[key][0] != state:
            course.require(name)
            with Grades(course) as grades:
                whole = grades.sheet(name)
            if key in _workers:
                _workers.pop(key)[1].close()
            worker = workers.Worker(driver.plan_of(course, whole))
            atexit.register(worker.close)
            _workers[key] = state, worker
    except (AutograderError, NoSandbox) as e:
        raise SystemExit(f"autograder: {e}") from None
    return _workers[key][1]


def _state(course: Course, name: str) -> object:
    """Changes with the settings, the checks and the release of an assignment."""
    files = [course.root / CONFIG, *course.release.glob(f"{name}/*.ipynb"), *course.checks.glob(f"{name}/**/*.py")]
    return sorted((str(path), path.stat().st_mtime_ns) for path in files)


def _course(resources: Any) -> Course:
    """The course of the gradebook that nbgrader writes to, or of the notebook's folder."""
    url = str(resources["nbgrader"]["db_url"])
    start = Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite:///") else Path.cwd()
    return Course.find(start)


class RebuildSubmission(NbGraderPreprocessor):
    """First pass: the notebook that goes into `autograded`, from the course's cells and the student's answers."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Replace `nb` by the rebuilt notebook with no outputs."""
        worker = _worker(resources)
        work = _load(worker, resources)
        _drop_linked_files(worker.course, work)
        sub = work.notebook(resources["nbgrader"]["notebook"])
        return notebook_out.build(sub, {}), resources


class HardenedExecute(NbGraderPreprocessor):
    """Second pass: run the student's code in the sandbox, judge it outside, write the verdict as first output."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Grade the submission that `nb` was made from; also writes its result JSON, before SaveAutoGrades' rows."""
        worker = _worker(resources)
        work, name = _load(worker, resources), resources["nbgrader"]["notebook"]
        key = (worker.course.root, work.assignment, work.student, work.source_hash)
        if name not in _waiting.get(key, {}):
            try:
                with worker.course.lock():
                    out = _grade(worker, work)
            except AutograderError as e:
                raise SystemExit(f"autograder: {e}") from None
            _waiting.clear()
            _waiting[key] = {n: _unanswered(n, text, out.blank) for n, text in out.notebooks.items()}
        return _waiting[key].pop(name), resources


def _grade(worker: workers.Worker, work: HandedIn) -> workers.Outcome:
    """Grade and keep an attempt, and earlier ones that count and are old; write the one that counts.

    SaveAutoGrades writes its rows once more, of those notebooks that the last attempt has.
    """
    course, whole = worker.course, worker.plan.sheet
    checks_hash = pipeline.checks_hash(whole, worker.checks)
    need = driver.Run(course, whole, worker.plan.limits, checks_hash, force=False).need(work.student, None)
    found = attempts.kept(course, work.assignment, work.student)
    number, again = (need.number, need.again) if need and need.number else (found[-1].number, True)
    for earlier in need.earlier if need else ():
        folder = attempts.place(course, work.assignment, work.student) / f"{earlier:03d}"
        attempts.keep(course, _outcome(worker, sheet.load(whole, course.submitted, work.student, folder)), earlier,
                      again=True)
    out = _outcome(worker, work)
    if out.result["status"] == pipeline.ERROR:
        raise RuntimeError(out.result["notes"][0])      # nbgrader then leaves no row and goes on
    attempts.keep(course, out, number, again=again)
    with Grades(course) as grades:
        return driver.settle(course, grades, whole, work.student, out)


def _outcome(worker: workers.Worker, work: HandedIn) -> workers.Outcome:
    return workers.outcome(work, worker.grade_loaded(work), 0.0, 0.0)


def _load(worker: workers.Worker, resources: Any) -> HandedIn:
    return sheet.load(worker.plan.sheet, worker.course.submitted, resources["nbgrader"]["student"])


def _unanswered(notebook: str, text: str, blank: frozenset[tuple[str, str]]) -> Any:
    """The notebook; nbgrader's own test for an empty answer, the checksum, holds also for a cell that was deleted."""
    nb = nbformat.reads(text, as_version=4)
    for cell in nb.cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("solution") and (notebook, about["grade_id"]) in blank:
            about["checksum"] = compute_checksum(cell)
    return nb


def _drop_linked_files(course: Course, work: HandedIn) -> None:
    """nbgrader has copied the submission's folder by now, and follows links: a link to the gradebook became a copy.

    The driver copies nothing, so only this door needs it.
    """
    there, here = (folder / work.student / work.assignment for folder in (course.submitted, course.autograded))
    for path in here.rglob("*"):
        twin = there / path.relative_to(here)
        parts = [twin, *twin.parents[:len(path.relative_to(here).parts)]]
        if path.is_file() and any(p.is_symlink() for p in parts):
            path.unlink()
