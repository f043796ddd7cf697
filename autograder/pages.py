"""nbgrader's own feedback pages for a class, in several processes.

`nbgrader generate_feedback` takes 0.3 s a page in one process, and 0.6 s where it is started anew for each student (it
then compiles its templates again). This runs the same converter with the course's own configuration, so the pages are
nbgrader's, byte for byte; each process converts a handful of students with one converter.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

from autograder import lean, nbgrader_api
from autograder.course import Course

HANDFUL = 25        # students a task at most: enough to share the templates, few enough to see progress


class Pages:
    """Worker processes for feedback. They load nbgrader (2 s) as soon as they are made: make them early.

    Use as a context manager, or call `close`.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = max(1, jobs)
        # spawn: the parent may hold threads and database handles, which a fork would share
        self._pool = ProcessPoolExecutor(self.jobs, multiprocessing.get_context("spawn"), initializer=_load)
        for _ in range(self.jobs):
            self._pool.submit(os.getpid)

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def make(self, folder: str | Path, assignment: str, students: Sequence[str],
             finished: Callable[[int], None] = lambda n: None) -> list[str]:
        """Write DIR/feedback/STUDENT/ASSIGNMENT/ for `students`; returns those for whom nbgrader failed.

        Existing pages are made again. `finished` is told how many students each finished task had.
        """
        root = Path(folder).resolve()
        size = max(1, min(HANDFUL, -(-len(students) // (2 * self.jobs))))        # two each: a slow half is shared
        waiting: dict[Future[None], Sequence[str]] = {}
        for start in range(0, len(students), size):
            some = students[start:start + size]
            waiting[self._pool.submit(_convert, root, assignment, some)] = some
        for future in as_completed(waiting):
            future.result()
            finished(len(waiting[future]))
        return [s for s in students if not written(root, s, assignment)]


def page(root: Path, student: str, assignment: str) -> Path:
    """Where nbgrader puts a student's feedback; an assignment of several notebooks has a page for each beside it."""
    return root / "feedback" / student / assignment / f"{assignment}.html"


def written(root: Path, student: str, assignment: str) -> bool:
    """Is there a page for each graded notebook of this student?"""
    notebooks = list((root / "autograded" / student / assignment).glob("*.ipynb"))
    here = page(root, student, assignment).parent
    return bool(notebooks) and all((here / f"{n.stem}.html").is_file() for n in notebooks)


def _load() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C goes to the whole group; the parent decides
    lean.prepare()
    import nbgrader.converters  # noqa: F401

    lean.keep_what_is_loaded()      # a tenth of the time


def _convert(root: Path, assignment: str, students: Sequence[str]) -> None:
    """In a worker: the pages of some students. nbgrader goes on after a failure; the caller looks what is there."""
    from nbgrader.converters import GenerateFeedback
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory

    config = nbgrader_api.course_config(Course.open(root))
    course = CourseDirectory(config=config)
    course.assignment_id = assignment
    everybody = [p.parent.name for p in (root / "autograded").glob(f"*/{assignment}")]
    course.student_id, course.student_id_exclude = "*", ",".join(sorted(set(everybody) - set(students)))
    converter = GenerateFeedback(coursedir=course, config=config)
    converter.force = True
    converter.log.setLevel(logging.CRITICAL + 1)
    try:
        converter.start()
    except NbGraderException:
        return
