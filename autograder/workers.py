"""The processes that grade: a plan goes to each once, then a student's name, and an outcome comes back to be written.

Each has a warm sandbox of its own and writes nothing of the course: driver.py, the one writer, does. A run needs as
much memory for a class of 5,000 as for one of 50: a few submissions are under way at a time, and nothing is kept.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from autograder import lean, pipeline, sheet
from autograder.course import Course
from autograder.sandbox import Limits, NoSandbox, Sandbox
from autograder.sheet import HandedIn, Sheet

How = Callable[["Plan", Sequence[str]], Iterator["Outcome"]]     # grade these: here, or elsewhere (cluster.py)
AHEAD = 2               # submissions a process that are sent out and not written: none waits for the writer


@dataclass(frozen=True)
class Plan:
    """All that a worker needs to grade a submission of one assignment; it can be sent to another process."""

    root: Path
    sheet: Sheet
    layer: str | None
    limits: Limits
    folders: dict[str, Path] = field(default_factory=dict)      # whose notebooks lie elsewhere: an earlier attempt


@dataclass(frozen=True)
class Used:
    """Seconds of a processor: what students' code computed, and what the grader did around it."""

    students: float = 0.0
    grader: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """One submission, graded: the result, its notebooks' JSON texts by name, the (notebook, cell) pairs without an
    answer, when it was handed in, what it took, and the files that were read."""

    student: str
    result: dict[str, Any]
    notebooks: dict[str, str]
    blank: frozenset[tuple[str, str]]
    timestamp: str | None
    used: Used = field(default=Used(), compare=False)
    files: dict[str, bytes] = field(default_factory=dict, compare=False)


class Worker:
    """Grades submissions one after the other in one warm sandbox."""

    def __init__(self, plan: Plan) -> None:
        lean.prepare()
        self.plan = plan
        self.course = Course.open(plan.root)
        self.checks = pipeline.load_checks(self.course, plan.sheet)
        self.sandbox = Sandbox(plan.layer, plan.limits)

    def grade(self, student: str) -> Outcome:
        """Read and grade one student's submission."""
        began, before = time.process_time(), self.sandbox.students_seconds
        work = sheet.load(self.plan.sheet, self.course.submitted, student, self.plan.folders.get(student))
        graded = self.grade_loaded(work)
        students = self.sandbox.students_seconds - before       # below 0: a new sandbox, which counts from 0
        return outcome(work, graded, students if students > 0 else self.sandbox.students_seconds, began)

    def grade_loaded(self, work: HandedIn) -> pipeline.Graded:
        """Grade a submission that has been read.

        Whatever fails on our side (a sandbox that was killed from outside, a bug) is tried once more in a new sandbox,
        and then left for a person to grade: it must not stop the class, and it is no reason for a 0.
        """
        plan = self.plan
        for attempt in (1, 2):
            try:
                return pipeline.grade_submission(
                    self.course, plan.sheet, self.checks, work, self.sandbox, plan.limits)
            except Exception as e:
                if attempt == 2:
                    return pipeline.not_graded(plan.sheet, work, plan.limits, e)
                self.sandbox.close()
                self.sandbox = Sandbox(plan.layer, plan.limits)
        raise AssertionError

    def close(self) -> None:
        self.sandbox.close()


def outcome(work: HandedIn, graded: pipeline.Graded, students: float, began: float) -> Outcome:
    """Put what is to be written into a form that another process can send. `began`: our process time at its start."""
    from nbformat import v4  # nbformat.writes would read what we built through a schema first, a third of its time

    texts = {name: v4.writes(notebook) for name, notebook in graded.notebooks.items()}
    return Outcome(work.student, graded.result, texts, work.blank, work.timestamp,
                   Used(students, time.process_time() - began), work.files)


def cores() -> int:
    """The cores that this process may use (a container often has fewer than the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ----- One worker a process

_worker: Worker | Exception | None = None


def _start(plan: Plan, number: Any) -> None:
    """Begin a process of the pool. `number`: how many have begun, shared by all, where each is to have its own core."""
    global _worker
    if number is not None:
        with number.get_lock():
            turn, number.value = number.value, number.value + 1
        with contextlib.suppress(OSError, IndexError):
            os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[turn]})
    signal.signal(signal.SIGINT, signal.SIG_IGN)    # Ctrl-C goes to the whole group; the parent decides
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _worker = Worker(plan)
        lean.keep_what_is_loaded()
    except Exception as e:      # an error here would reach the parent as a broken pool, without a word why
        _worker = e if isinstance(e, NoSandbox) else RuntimeError(f"{type(e).__name__}: {e}")
    else:
        atexit.register(_worker.close)              # removes the sandbox's folder


def _stop(*signal_and_frame: object) -> None:
    """End at once, also in the middle of a notebook; the pool would catch a SystemExit and go on."""
    if isinstance(_worker, Worker):
        _worker.close()
    os._exit(1)


def _end_with_parent() -> None:
    """Where the parent is killed, a worker would wait for work for ever: each holds the other end of its queue."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _stop()


def _grade(student: str) -> Outcome:
    if isinstance(_worker, Exception):
        raise _worker
    assert _worker is not None
    return _worker.grade(student)


def outcomes(plan: Plan, students: Sequence[str], jobs: int) -> Iterator[Outcome]:
    """Grade `students` in up to `jobs` processes and yield each as it is done. Raises NoSandbox before the first.

    Where a process is lost (the machine ran out of memory) half as many take over what is left, and in the end this one
    alone, which grades in any case when there is one job.
    """
    left = dict.fromkeys(students)
    while (jobs := min(jobs, len(left))) > 1:
        for out in _parallel(plan, list(left), jobs):
            del left[out.student]
            yield out
        jobs //= 2
    if left:
        own = Worker(plan)
        try:
            for student in left:
                yield own.grade(student)
        finally:
            own.close()


def _parallel(plan: Plan, students: Sequence[str], jobs: int) -> Iterator[Outcome]:
    """Outcomes of a pool of processes, until all are there or a process was lost."""
    # spawn: this process has threads and database handles by now, which a fork would share
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    # A worker and a student's process take turns, a hundred times a submission. On one core: to wake each other on
    # another one took a tenth of a run on two. And a flood of processes stays there.
    own_core = jobs == cores() and plan.limits.threads <= 1 and hasattr(os, "sched_setaffinity")
    number = context.Value("i", 0) if own_core else None
    pool = ProcessPoolExecutor(jobs, context, initializer=_start, initargs=(plan, number))
    waiting: set[Future[Outcome]] = set()
    to_send = iter(students)
    try:
        while True:
            while len(waiting) < AHEAD * jobs and (student := next(to_send, None)) is not None:
                try:
                    with lean.one_thread():     # a process may start now, and reads this before it loads NumPy
                        waiting.add(pool.submit(_grade, student))
                except OSError as e:            # another one died meanwhile; or the machine has no room for one more
                    raise BrokenProcessPool(str(e)) from e
            if not waiting:
                return
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            while ready:                    # each is let go of when it is written
                yield ready.pop().result()
    except BrokenProcessPool:
        # The pool has ended the processes that it knew; one that was being started when another died waits for ever
        # for the lock that the dead one held, and the pool for it.
        _terminate(set(multiprocessing.active_children()) - others)
    except BaseException:       # Ctrl-C, a full disk: do not wait a minute for the notebook that each worker is at
        _terminate(set(multiprocessing.active_children()) - others)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _terminate(children: set[BaseProcess]) -> None:
    for child in children:
        child.terminate()
