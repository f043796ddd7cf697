"""The second door: plain `nbgrader autograde` with the sandbox and the oracle.

    c.Autograde.sanitize_preprocessors  = ["autograder.nbgrader_plugin.RebuildSubmission"]
    c.Autograde.autograde_preprocessors = ["autograder.nbgrader_plugin.HardenedExecute", ...]

HardenedExecute stands where Execute stood. It grades through the same function as `autograder grade`, from the
submitted file itself, so both doors give one grade. RebuildSubmission takes the place of nbgrader's own repair steps,
which stop at a flipped flag or a missing cell.
"""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import Any

from nbgrader.preprocessors import NbGraderPreprocessor

from autograder import notebook_out, pipeline, submission, workers
from autograder.course import Course, write_atomically
from autograder.errors import AutograderError
from autograder.gradebook import Grades
from autograder.sandbox import NoSandbox
from autograder.submission import Submission

_workers: dict[tuple[Path, str], workers.Worker] = {}


def _worker(resources: Any) -> workers.Worker:
    """The warm worker of this process for the assignment being graded; its sandbox serves all submissions of a run.

    SystemExit, not an exception: nbgrader would log a traceback for each submission and mark it as failed, though
    nothing is wrong with any.
    """
    name = resources["nbgrader"]["assignment"]
    try:
        course = _course(resources)
        key = (course.root, name)
        if key not in _workers:
            course.require(name)
            with Grades(course) as grades:
                template = grades.template(name)
            layer = None if course.layer == "auto" else course.layer
            _workers[key] = workers.Worker(workers.Plan(course.root, template, layer, course.limits(name)))
            atexit.register(_workers[key].close)
    except (AutograderError, NoSandbox) as e:
        raise SystemExit(f"autograder: {e}") from None
    return _workers[key]


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
        sub = _load(worker, resources["nbgrader"]["student"])
        _drop_linked_files(worker.course, sub)
        return notebook_out.build(sub, {}), resources


class HardenedExecute(NbGraderPreprocessor):
    """Second pass: run the student's code in the sandbox, judge it outside, write the verdict as first output."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Grade the submission that `nb` was made from; also writes its result JSON, before SaveAutoGrades' rows."""
        worker = _worker(resources)
        sub = _load(worker, resources["nbgrader"]["student"])
        graded = worker.grade_loaded(sub)
        if graded.result["status"] == pipeline.ERROR:
            raise RuntimeError(graded.result["notes"][0])       # nbgrader then leaves no row and goes on
        write_atomically(worker.course.result_path(sub.assignment, sub.student), pipeline.to_json(graded.result))
        return graded.notebook, resources


def _load(worker: workers.Worker, student: str) -> Submission:
    return submission.load(worker.plan.template, worker.course.submitted, student)


def _drop_linked_files(course: Course, sub: Submission) -> None:
    """nbgrader has copied the submission's folder by now, and follows links: a link to the gradebook became a copy.

    The driver copies nothing, so only this door needs it.
    """
    there, here = (folder / sub.student / sub.assignment for folder in (course.submitted, course.autograded))
    for path in here.rglob("*"):
        twin = there / path.relative_to(here)
        parts = [twin, *twin.parents[:len(path.relative_to(here).parts)]]
        if path.is_file() and any(p.is_symlink() for p in parts):
            path.unlink()
