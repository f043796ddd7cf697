"""The processes that grade: a plan goes to each once, then a student's name, and an outcome comes back to be written.

Each has a warm sandbox of its own and writes nothing of the course: driver.py, the one writer, does.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder import pipeline, submission
from autograder.course import Course
from autograder.sandbox import Limits, Sandbox
from autograder.submission import Template


@dataclass(frozen=True)
class Plan:
    """All that a worker needs to grade a submission of one assignment; it can be sent to another process."""

    root: Path
    template: Template
    layer: str | None
    limits: Limits


@dataclass(frozen=True)
class Outcome:
    """One submission, graded: the result, the notebook's JSON text, cells without an answer, when it was handed in."""

    student: str
    result: dict[str, Any]
    notebook: str
    blank: frozenset[str]
    timestamp: str | None


class Worker:
    """Grades submissions one after the other in one warm sandbox."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.course = Course.open(plan.root)
        self.assignment = self.course.load(plan.template.assignment)
        self.sandbox = Sandbox(plan.layer, plan.limits)

    def grade(self, student: str) -> Outcome:
        """Read and grade one student's submission."""
        sub = submission.load(self.plan.template, self.course.submitted, student)
        return outcome(self.course, sub, self.grade_loaded(sub))

    def grade_loaded(self, sub: submission.Submission) -> pipeline.Graded:
        """Grade a submission that has been read.

        Whatever fails on our side (a sandbox that was killed from outside, a bug) is tried once more in a new sandbox,
        and then left for a person to grade: it must not stop the class, and it is no reason for a 0.
        """
        plan = self.plan
        for attempt in (1, 2):
            try:
                return pipeline.grade_submission(
                    self.course, plan.template, self.assignment, sub, self.sandbox, plan.limits)
            except Exception as e:
                if attempt == 2:
                    return pipeline.not_graded(plan.template, sub, plan.limits, e)
                self.sandbox.close()
                self.sandbox = Sandbox(plan.layer, plan.limits)
        raise AssertionError

    def close(self) -> None:
        self.sandbox.close()


def outcome(course: Course, sub: submission.Submission, graded: pipeline.Graded) -> Outcome:
    """Put what is to be written into a form that another process can send."""
    import nbformat

    blank = {c.name for c in sub.cells if c.spec and c.spec.solution and (c.missing or c.source == c.spec.source)}
    return Outcome(sub.student, graded.result, nbformat.writes(graded.notebook, version=4), frozenset(blank),
                   timestamp(course.submitted / sub.student / sub.assignment))


def timestamp(folder: Path) -> str | None:
    """When the submission came in: nbgrader's collect writes `timestamp.txt`. None where it holds no date."""
    path = folder / "timestamp.txt"
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 1000:
        return None
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        from nbgrader.utils import parse_utc

        return text if text and parse_utc(text) else None
    except (ValueError, OverflowError, TypeError):
        return None


def cores() -> int:
    """The cores that this process may use (a container often has fewer than the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ----- One worker a process

_worker: Worker | None = None


def _start(plan: Plan) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)    # Ctrl-C goes to the whole group; the parent decides
    signal.signal(signal.SIGTERM, _stop)
    _worker = Worker(plan)
    atexit.register(_worker.close)                  # removes the sandbox's folder


def _stop(*signal_and_frame: object) -> None:
    """End at once, also in the middle of a notebook; the pool would catch a SystemExit and go on."""
    if _worker is not None:
        _worker.close()
    os._exit(1)


def _grade(student: str) -> Outcome:
    assert _worker is not None
    return _worker.grade(student)


def outcomes(plan: Plan, students: Sequence[str], jobs: int) -> Iterator[Outcome]:
    """Grade `students` in up to `jobs` processes and yield each as it is done.

    The first worker lives here: it raises NoSandbox before anything is started, and where a worker process is lost (the
    machine ran out of memory) it grades what that one left.
    """
    if not students:
        return
    left = list(students)
    own = Worker(plan)
    try:
        if min(jobs, len(left)) > 1:
            for out in _parallel(plan, list(left), min(jobs, len(left))):
                left.remove(out.student)
                yield out
        for student in left:
            yield own.grade(student)
    finally:
        own.close()


def _parallel(plan: Plan, students: list[str], jobs: int) -> Iterator[Outcome]:
    # spawn: this process has threads and database handles by now, which a fork would share
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_start, initargs=(plan,))
    waiting: set[Future[Outcome]] = set()
    try:
        waiting = {pool.submit(_grade, s) for s in students}
        while waiting:
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ready:
                yield future.result()
    except BrokenProcessPool:
        return
    except BaseException:       # Ctrl-C, a full disk: do not wait a minute for the notebook that each worker is at
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
