"""Grade on a Dask cluster: the same plan and the same worker, in processes on other machines; the one writer is here.

    for outcome in cluster.outcomes(plan, students, jobs, "tcp://scheduler:8786", tell): ...

A Dask worker gets the settings, the checks and the key of one assignment, then one submission after the other, as bytes
(parcel.py), and sends the outcome back. It must run the same code on the same NumPy and Python minor version, in a
sandbox; one that does not is refused. Scores do not hang on where they were made, for a seed decides every draw. So a
submission whose worker is lost or slow is sent to another one, and the first answer counts; the rest is graded here.
"""

from __future__ import annotations

import atexit
import dataclasses
import hashlib
import logging
import os
import platform
import queue
import shutil
import statistics
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from autograder import lean, parcel, workers
from autograder.course import Course
from autograder.errors import AutograderError
from autograder.sandbox import NoSandbox
from autograder.workers import Outcome, Plan, Worker

PLANS_MOST = 4              # that a worker holds: several runs may use one cluster
CONNECT_SECONDS = 15
ALONE_SECONDS = 30          # without any worker, while new ones may be on their way
ANSWER_SECONDS = 60         # for a worker to say what it is and to start its sandbox
SILENT_SECONDS = 60         # for the scheduler to answer, which it does within milliseconds
LOOK_SECONDS = 1.0          # how often workers that came or went are looked for
SLOW = 5.0                  # an answer is late after so many times the usual, when others have nothing to do,
SLOW_SECONDS = 5.0          # and after so many seconds at least

Tell = Callable[[str], None]


class ClusterError(AutograderError):
    """The cluster cannot be used: nothing answers, a worker does not fit, or the scheduler has become silent."""


class NoPlan(Exception):
    """A worker's process is another one than was prepared: its nanny has started it anew."""


# ----- On a worker

@dataclass(frozen=True)
class Setup:
    """All that a worker must know of the course to grade one assignment."""

    token: str
    plan: Plan
    course: parcel.Parcel


@dataclass
class _Place:
    worker: Worker
    folder: Path
    lock: threading.Lock = field(default_factory=threading.Lock)


_places: dict[str, _Place] = {}


@cache
def fingerprint() -> dict[str, str]:
    """What must be the same on both sides: Python, NumPy, and the source of both packages."""
    import numpy as np

    import minigrad

    digest = hashlib.sha256()
    for package in (Path(__file__).parent, Path(minigrad.__file__).parent):
        for path in sorted(package.rglob("*.py")):
            digest.update(str(path.relative_to(package.parent)).encode() + b"\0" + path.read_bytes() + b"\0")
    return {"Python": ".".join(platform.python_version_tuple()[:2]), "NumPy": np.__version__,
            "autograder": digest.hexdigest()[:12]}


def prepare(setup: Setup) -> str:
    """Make the course's folder and the sandbox in this process; returns why it cannot be, or an empty text."""
    if setup.token in _places:
        return ""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        if (value := os.environ.get(name)) != lean.THREADS[name]:
            return (f"has {name} {'unset' if value is None else '= ' + value}: its linear algebra would take other "
                    f"workers' cores. Start it with {name}=1")
    for old in list(_places)[:1 - PLANS_MOST]:      # of runs that were killed and could not say that they are over
        forget(old)
    from distributed import get_worker

    # readable by its owner alone; what a killed worker has left there, Dask removes when the next one starts
    folder = Path(tempfile.mkdtemp(prefix="course-", dir=get_worker().local_directory))
    try:
        parcel.lay_out(setup.course, folder)
        _places[setup.token] = _Place(Worker(dataclasses.replace(setup.plan, root=folder)), folder)
    except NoSandbox as e:
        shutil.rmtree(folder, ignore_errors=True)
        return f"has no sandbox: {e}"
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return ""


def grade(token: str, student: str, handed_in: parcel.Parcel) -> Outcome:
    """Grade one submission in this process, one at a time. Raises NoPlan."""
    place = _places.get(token)
    if place is None:
        raise NoPlan
    with place.lock:
        try:
            parcel.lay_out(handed_in, place.folder)
            return place.worker.grade(student)
        finally:
            _remove(place.worker.course.submitted)


def forget(token: str) -> None:
    """Close the sandbox of a run and remove its folder."""
    if place := _places.pop(token, None):
        place.worker.close()
        shutil.rmtree(place.folder, ignore_errors=True)


@atexit.register
def _forget_all() -> None:
    for token in list(_places):
        forget(token)


def _remove(submitted: Path) -> None:
    for entry in list(submitted.iterdir()) if submitted.is_dir() else []:
        entry.unlink() if entry.is_symlink() else shutil.rmtree(entry, ignore_errors=True)


# ----- Here

@dataclass
class _Sent:
    """One submission under way: its copies and when the last of them left."""

    student: str
    copies: dict[Any, frozenset[str]]       # future -> the workers that may take it
    at: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)


def outcomes(plan: Plan, students: Sequence[str], *, jobs: int, address: str, tell: Tell) -> Iterator[Outcome]:
    """As workers.outcomes, on the cluster whose scheduler is at `address`; `jobs` are for what is left to grade here.

    Raises ClusterError where nothing answers, a worker does not fit or the scheduler falls silent, which whoever
    started it can mend; later losses are told and made up for.
    """
    left = dict.fromkeys(students)
    if left:
        with Cluster(address, plan, tell) as cluster:
            for out in cluster.grade(list(left)):
                del left[out.student]
                yield out
    if left:
        tell(f"{len(left)} of {len(students)} submissions are graded on this machine")
        yield from workers.outcomes(plan, list(left), jobs)


class Cluster:
    """A connection to a scheduler whose workers have been checked and prepared for one plan."""

    def __init__(self, address: str, plan: Plan, tell: Tell) -> None:
        try:
            from distributed import Client
        except ModuleNotFoundError as e:
            from minigrad.install import install_line

            raise ClusterError(f"--scheduler needs the package '{e.name}': {install_line('cluster')}") from None

        class Bounded(Client):
            def start(self, **kwargs: Any) -> None:     # Dask's own limit is for the connection, not for an answer
                super().start(**kwargs, callback_timeout=CONNECT_SECONDS)

        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)      # what is lost, `tell` says in a line
        self.plan, self.tell, self.address = plan, tell, address
        self.course = Course.open(plan.root)
        there = dataclasses.replace(plan, folders={})
        self.setup = Setup(uuid.uuid4().hex, there, parcel.of_course(self.course, plan.sheet.assignment))
        self.good: set[str] = set()         # addresses of workers that can be used
        self.bad: set[str] = set()
        self.looked = 0.0
        self.took: deque[float] = deque(maxlen=200)
        self.manned = time.monotonic()      # when there was a worker
        self.answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        try:
            self.client = Bounded(address, timeout=CONNECT_SECONDS, set_as_default=False, name="autograder")
        except (OSError, TimeoutError, ValueError) as e:
            raise ClusterError(f"no Dask scheduler answers at '{address}' ({type(e).__name__}). Is it running, not "
                               "stopped, its port open from here? An address looks like tcp://10.0.0.5:8786") from None
        try:
            self.look(first=True)
            if not self.good:
                raise ClusterError(f"the scheduler at {address} has no workers: start some "
                                   f"(dask worker {address} --nworkers -1 --nthreads 1)")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Have the workers forget the plan; the cluster itself goes on."""
        if self.client.status == "running" and self.good:
            _answers([self._ask(address, forget, self.setup.token) for address in self.good], 5.0)
        with suppress(TimeoutError):        # what a silent scheduler has not read yet cannot be sent to its end
            self.client.close(timeout=5)

    def heard(self, ask: str) -> Any:
        """What the scheduler answers. Raises ClusterError where it is silent: one that is stopped keeps its connection,
        and Dask would wait for ever."""
        try:
            return self.client.sync(getattr(self.client.scheduler, ask), workers=None, callback_timeout=SILENT_SECONDS)
        except TimeoutError:
            self.good.clear()       # nor can these be told that the run is over
            raise ClusterError(f"the scheduler at {self.address} has said nothing for {SILENT_SECONDS:g} s: is its "
                               "process stopped, its machine overloaded or off the network? What is graded stays; give "
                               "the same command again when it answers, or without --scheduler") from None

    # ----- Workers

    def look(self, first: bool = False) -> None:
        """Check and prepare workers that are new. One that does not fit stops a run at its start, and is told later."""
        self.looked = time.monotonic()
        there = set(self.heard("ncores"))
        self.good &= there
        for address, why in self.check(sorted(there - self.good - self.bad)).items():
            if not why:
                self.good.add(address)
                continue
            self.bad.add(address)
            if first:
                raise ClusterError(f"the worker {address} {why}")
            self.tell(f"a new worker is not used: {address} {why}")

    def check(self, addresses: Sequence[str]) -> dict[str, str]:
        """Why each worker cannot be used; empty for one that is ready."""
        # in words: the byte code of another Python could not be read there
        told = self._all(addresses, eval, "__import__('autograder.cluster').cluster.fingerprint()")
        why = {address: _differs(answer) for address, answer in told.items()}
        ready = self._all([a for a, w in why.items() if not w], prepare, self.setup)
        return why | {a: answer if isinstance(answer, str) else _failed(answer) for a, answer in ready.items()}

    def _all(self, addresses: Sequence[str], function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """What each worker answers, or the exception that came in its place."""
        futures = [self._ask(address, function, *args) for address in addresses]
        found = dict(zip(addresses, _answers(futures, ANSWER_SECONDS), strict=True))
        if any(isinstance(answer, TimeoutError) for answer in found.values()):
            self.heard("ncores")        # or no worker is to blame
        return found

    def _ask(self, address: str, function: Callable[..., Any], *args: Any) -> Any:
        return self.client.submit(function, *args, workers=[address], pure=False, priority=100,
                                  key=f"autograder-{uuid.uuid4().hex}")

    # ----- Submissions

    def grade(self, students: Sequence[str]) -> Iterator[Outcome]:
        """Outcomes as they come. What no worker could answer is left out; so is all else once the scheduler is lost."""
        todo, sent = list(reversed(students)), dict[str, _Sent]()
        try:
            while todo or sent:
                while todo and len(sent) < workers.AHEAD * len(self.good):
                    student = todo.pop()
                    sent[student] = _Sent(student, {})
                    self.send(sent[student], self.good)
                if out := self.next(sent):
                    yield out
                if self.client.status != "running":
                    raise ConnectionError
                if time.monotonic() - self.looked > LOOK_SECONDS:
                    self.look()
                    if self.good:
                        self.manned = time.monotonic()
                    elif time.monotonic() - self.manned > ALONE_SECONDS:
                        self.tell("the cluster has lost all its workers")
                        return
                    self.hurry(sent, idle=not todo)
        except Exception as e:
            if self.client.status == "running" and not isinstance(e, (OSError, TimeoutError, CancelledError)):
                raise
            self.tell(f"the scheduler at {self.address} is lost; what is graded stays")

    def send(self, item: _Sent, allowed: set[str]) -> None:
        """One more copy of a submission, to any of the workers `allowed`."""
        names = [t.name for t in self.plan.sheet]
        handed_in = parcel.of_submission(self.course, self.plan.sheet.assignment, item.student, names,
                                         self.plan.folders.get(item.student))
        future = self.client.submit(grade, self.setup.token, item.student, handed_in, workers=sorted(allowed),
                                    pure=False, key=f"autograder-{uuid.uuid4().hex}")
        item.copies[future] = frozenset(allowed)
        item.at = time.monotonic()
        future.add_done_callback(lambda done: self.answers.put((item.student, done)))

    def next(self, sent: dict[str, _Sent]) -> Outcome | None:
        """The next answer that counts, if one comes within LOOK_SECONDS."""
        try:
            student, future = self.answers.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return None
        item = sent.get(student)
        if item is None or future not in item.copies:
            return None                     # a second answer
        if future.status == "finished":
            try:
                out: Outcome = future.result(timeout=SILENT_SECONDS)
            except TimeoutError:
                self.heard("ncores")
                del item.copies[future]     # the worker that has it does not give it: another one grades it
                self.client.cancel([future])
                return None
            self.took.append(time.monotonic() - item.began)
            self.drop(sent.pop(student))
            return out
        if self.client.status != "running":
            raise ConnectionError
        del item.copies[future]
        if future.status == "error" and isinstance(future.exception(), NoPlan):
            self.good.clear()               # one of them is not what it was: all are looked at again
            self.look()                     # and what has no copy left is sent again
        elif not item.copies:               # the workers that had it died, several times; or an error of ours
            sent.pop(student)
        return None

    def drop(self, item: _Sent) -> None:
        self.client.cancel(list(item.copies))

    def hurry(self, sent: dict[str, _Sent], idle: bool) -> None:
        """Send again what is late or waits for workers that are gone; give up what has been sent twice."""
        held = {key: worker for worker, keys in self.heard("processing").items() for key in keys}
        limit = 2 * self.plan.limits.submission + ANSWER_SECONDS
        late = max(SLOW_SECONDS, SLOW * statistics.median(self.took)) if idle and self.took else limit
        for item in list(sent.values()):
            for future in [f for f, allowed in item.copies.items() if not allowed & self.good]:
                del item.copies[future]
                self.client.cancel([future])
            waited = time.monotonic() - item.at
            others = self.good - {held[f.key] for f in item.copies if f.key in held}
            if not item.copies or (len(item.copies) == 1 and waited > late and others):
                if others:
                    self.send(item, others)
            elif waited > limit:
                self.drop(sent.pop(item.student))


def _answers(futures: Sequence[Any], seconds: float) -> list[Any]:
    """What came within a time for all together: each answer, or the exception in its place."""
    until, found = time.monotonic() + seconds, []
    for future in futures:
        try:
            found.append(future.result(timeout=max(until - time.monotonic(), 0.01)))
        except Exception as e:
            found.append(e)
    return found


def _differs(answer: Any) -> str:
    """Why a worker with this answer to `check` cannot be used, or an empty text."""
    fix = "Install the same on both sides and start the worker again"
    if isinstance(answer, ImportError):
        return f"cannot import autograder ({answer}). {fix}"
    if not isinstance(answer, dict):
        return _failed(answer)
    for name, here in fingerprint().items():
        if answer.get(name) != here:
            return f"has {name} {answer.get(name)}, and this machine {here}: scores could differ. {fix}"
    return ""


def _failed(answer: Any) -> str:
    if isinstance(answer, TimeoutError):
        return f"did not answer within {ANSWER_SECONDS} s: is it overloaded or stopped?"
    return f"failed before it graded anything: {type(answer).__name__}: {str(answer)[:200]}"
