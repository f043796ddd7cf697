"""The door for a plain Jupyter kernel: what the hidden region of a test cell calls under stock nbgrader.

    from autograder.kernel import score
    score("03_rnn", "rnn-step-test")        # the cell's score, as its last expression

An honest submission gets the score that the sandbox gives, because Check and oracle are the same and InKernel passes
data through the same wire. A dishonest one runs in this process and can do what it likes: only the sandbox prevents
that. The seed is fixed and public, for the key of a course must never be in a kernel.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import linecache
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder import wire
from autograder.answers import function_at
from autograder.clock import Clock
from autograder.draws import arrays
from autograder.oracle import grade_cell
from autograder.result import CellResult
from autograder.session import DATA, ERRORS
from autograder.student import MissingName, StudentError, StudentTimeout, Untransferable

if TYPE_CHECKING:
    from autograder.assignment import Assignment

PUBLIC_SEED = "minigrad, plain nbgrader"


def score(assignment: str, grade_id: str) -> float:
    """Grade the function of a test cell in the notebook that calls this, print one line, return the points.

    Looks for checks/NAME or solutions/NAME from the working directory upwards. Raises FileNotFoundError where there is
    none, AssignmentError or KeyError where it does not fit the notebook: faults of the course, never of a student.
    """
    namespace = sys._getframe(1).f_globals
    with _quiet():
        from autograder.assignment import find_assignment

        found = _load(str(find_assignment(assignment, os.getcwd())))
    if grade_id not in found.checks:
        raise KeyError(f"{found.checks_path} has no Check for the cell '{grade_id}'")
    seed = hashlib.sha256(f"{PUBLIC_SEED}\0{assignment}\0{grade_id}".encode()).hexdigest()
    result = grade_cell(found.checks[grade_id], InKernel(namespace), seed)
    print(summary(result))      # to stdout: anything on stderr makes nbgrader's determine_grade say 0
    return float(result.score)


def summary(result: CellResult) -> str:
    """The verdict in one line: points, lost parts, the reason, the idea behind the mistake."""
    text = f"{result.function}: {result.score:g} of {result.points:g} points"
    lost = [p.name for p in result.parts if not p.ok]
    if lost and result.score:
        text += f"; lost: {', '.join(lost)}"
    reasons = [m.sentence.partition("\n")[0] for m in result.misconceptions]
    reasons = reasons or [line for line in (result.message or "").splitlines()[:1] if line]
    return " | ".join([text, *reasons])


@lru_cache(maxsize=4)
def _load(folder: str) -> Assignment:
    from autograder.assignment import Assignment

    return Assignment(Path(folder))


class InKernel:
    """A Student whose functions are in a namespace of this process. Copies go in, plain data comes out."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self.namespace = namespace
        self.seconds_used = 0.0

    def call(self, name: str, args: tuple[Any, ...], *, timeout: float | None = None,
             budget: float | None = None) -> tuple[Any, tuple[Any, ...]]:
        """See student.Student. A time-out needs the main thread of a Unix process; elsewhere it is seen afterwards."""
        value, copies = self._run(name, args, timeout, budget)
        return _sent(value), _sent(copies)

    def spoiled(self, name: str, args: tuple[Any, ...], *, timeout: float | None = None,
                budget: float | None = None) -> tuple[Any, ...]:
        """See student.Spoiler."""
        value, copies = self._run(name, args, timeout, budget)
        for array in arrays(value):
            if array.flags.writeable:
                array[...] = ~array if array.dtype == bool else array + 1
        return _sent(copies)

    def _run(self, name: str, args: tuple[Any, ...], timeout: float | None,
             budget: float | None) -> tuple[Any, tuple[Any, ...]]:
        function = self.namespace.get(name)
        if not callable(function):
            raise MissingName(name)
        copies = wire.loads(wire.dumps(args))
        clock = Clock(os.getpid(), os.cpu_count() or 1)
        began = clock.now()

        def over() -> bool:
            own = clock.own(began)
            # the smaller one: this kernel's linear algebra may have a thread on each core, all of which compute
            return (timeout is not None and own > timeout
                    or budget is not None and min(own, clock.computed(began)) > budget)

        limits = [seconds for seconds in (timeout, budget) if seconds is not None]
        too_long = StudentTimeout(f"{name} had not answered after {min(limits, default=0.0):g} s")
        try:
            with _quiet(), _alarm(min(limits, default=None), over):
                value = function(*copies)
        except _Alarm:
            signal.setitimer(signal.ITIMER_REAL, 0)     # it may have rung before _alarm could switch it off
            raise too_long from None
        except KeyboardInterrupt:           # nbclient interrupts a cell that takes too long
            raise StudentTimeout(f"{name} was interrupted") from None
        except BaseException as error:
            raise self._error(error) from None
        finally:
            late = over()
            self.seconds_used += clock.own(began)
            clock.close()
        if late:
            raise too_long
        return value, copies

    def _error(self, error: BaseException) -> StudentError:
        """The exception's type and the innermost line of the notebook's own code."""
        lines: list[str] = []
        number = 0
        for frame, at in traceback.walk_tb(error.__traceback__):
            if frame.f_globals is self.namespace:
                lines, number = linecache.getlines(frame.f_code.co_filename, frame.f_globals), at
        line = lines[number - 1].strip() if 1 <= number <= len(lines) else ""
        name = next((c.__name__ for c in type(error).__mro__ if c.__name__ in ERRORS), "Exception")
        # a class of the student's own could have any text for a name
        return StudentError(name, line, number, function=function_at(lines, number))


def _sent(value: Any) -> Any:
    """What arrives on the other side of the wire. Raises Untransferable, as the sandbox does."""
    try:
        return wire.loads(wire.dumps(value))
    except wire.NotData as refused:
        raise Untransferable(refused.type_name if refused.type_name in DATA else "object") from None


class _Alarm(BaseException):
    """The time of a call is over. A BaseException, so that `except Exception` in a loop does not swallow it."""


@contextlib.contextmanager
def _alarm(seconds: float | None, over: Callable[[], bool]) -> Iterator[None]:
    """Raise _Alarm in this thread once `seconds` have passed and `over` says so, where the system can do that."""
    if seconds is None or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        if over():
            raise _Alarm

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)     # again and again: one may fall into a bare `except:`
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Nowhere(io.TextIOBase):
    """A stream that keeps nothing: what is printed in a million calls takes no memory."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what is printed and warned: a warning on stderr would turn a right answer into 0 points."""
    with contextlib.redirect_stdout(_Nowhere()), contextlib.redirect_stderr(_Nowhere()), warnings.catch_warnings(), \
            np.errstate():
        warnings.simplefilter("ignore")
        yield
