"""The trusted side of one submission: run its cells, call its functions, own the clocks.

A session has two child processes, seldom more. The *stage* runs every cell, and what it prints is shown. The *probe*
runs the same cells with their output dropped, and its functions are called with drawn inputs. So no process whose
output a student reads has ever seen an input of a hidden test, and a function that kills its process costs the stage
nothing. A *witness* is asked about an earlier function when an error is carried forward; it has seen no draw, and no
cell that came after that function's test.

All limits count the student's own seconds (see clock.py): what it waits for a processor on a busy machine costs it
nothing. A process that hangs, dies, floods its folder or sends nonsense is killed; the next use forks a fresh one and
runs the kept cells again. What children send is hostile: each answer has its form checked, and each text its length.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autograder import wire
from autograder.answers import DATA, ERRORS, CellRun, cause, cell_run, function_at
from autograder.clock import Clock, ask_for_sender, sender
from autograder.student import (
    MissingName,
    StudentDied,
    StudentError,
    StudentFailure,
    StudentTimeout,
    Untransferable,
)

if TYPE_CHECKING:
    from autograder.sandbox import Worker

STARTS_MAX = 40             # processes of one session; each costs milliseconds and a replay
WALL = 10                   # times a limit: on a machine that busy, the wall's time ends a request
SCRATCH_FILES = 256         # files that a scratch folder may hold
OUTPUTS = 8                 # times the output of a cell: what a notebook of a thousand cells may show in all


@dataclass(frozen=True)
class Limits:
    """What a submission may use: seconds of its own (see clock.py), bytes, threads of the linear algebra."""

    draw: float = 2.0           # one call of a function
    cell: float = 10.0          # one cell
    submission: float = 60.0    # all together, with what had to be run again
    memory: int = 1 << 30       # address space of a process
    output: int = 1 << 20       # what a cell prints and shows; all cells of a notebook may show eight times as much
    files: int = 16 << 20       # one file; the scratch folder may hold four times as much
    threads: int = 1


@dataclass
class _Cell:
    source: str
    file: str
    spoiled: bool = False       # it went through once and then hung or died when it was run again


class _Process:
    """One child and the socket to it."""

    def __init__(self, worker: Worker, limits: Limits) -> None:
        self.worker, self.limits = worker, limits
        self.done = 0           # kept cells that it has run
        self.scratch = worker.take_scratch()
        self.spent = 0.0        # own seconds of the last request
        self.clock = Clock(None)
        self.socket, theirs = socket.socketpair()
        ask_for_sender(self.socket)
        try:
            self.pid = worker.fork(theirs)
        except BaseException:
            self.socket.close()
            worker.give_scratch(self.scratch)
            raise
        finally:
            theirs.close()
        try:
            wire.send(self.socket, worker.terms(self.scratch, limits), time.monotonic() + 10)
            self.clock = Clock(sender(self.socket, 10), limits.threads)
            ready = wire.recv(self.socket, time.monotonic() + 10)
        except (wire.WireError, EOFError, OSError) as e:
            ready = {"failed": f"the child did not answer ({type(e).__name__})"}
        self._ready = self.clock.now()
        if ready != {"ready": True}:
            self.end()
            raise worker.broken(str(ready.get("failed") if type(ready) is dict else ready)[:500])

    def ask(self, request: dict[str, Any], seconds: float, budget: float | None,
            watch: Callable[[], None]) -> dict[str, Any]:
        """The answer to `request` within `seconds` of its own and a budget of a processor's seconds.

        Raises what wire.recv and `watch` raise, and WireError; TimeoutError also for an answer that cost too much.
        """
        request["id"] = number = secrets.randbits(62)       # a thread cannot have an answer ready
        began = self.clock.now()

        def later() -> float:
            left = seconds - self.clock.own(began)
            if budget is not None:
                left = min(left, budget - self.clock.computed(began))
            if left <= 0 or time.monotonic() >= began.wall + WALL * seconds:
                raise TimeoutError
            return time.monotonic() + max(left, 1e-3)

        try:
            wire.send(self.socket, request, began.wall + seconds)
            reply = wire.recv(self.socket, began.wall + min(seconds, budget or seconds), watch, later)
            if budget is not None and self.clock.computed(began) > budget:
                raise TimeoutError
        finally:
            self.spent = self.clock.own(began)
        watch()
        if type(reply) is not dict or type(got := reply.pop("id", None)) is not int or got != number:
            raise wire.WireError("an answer to no question")      # an array is equal to a number in a way of its own
        return reply

    def watch(self) -> None:
        """Raises _Flood when the scratch folder holds too much: the limit on one file leaves the number of files."""
        size, count = 0, 0
        with os.scandir(self.scratch) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_size
                count += 1
                if count > SCRATCH_FILES or size > 4 * self.limits.files:
                    raise _Flood

    def end(self, patience: float = 0.0) -> int:
        """Kill it, empty its folder, and say how it ended (a status of waitpid)."""
        self.worker.students_seconds += self.clock.computed(self._ready)
        try:
            return self.worker.kill(self.pid, patience)     # first: at the end of its socket it would leave by itself
        finally:
            self.socket.close()
            self.clock.close()
            self.worker.give_scratch(self.scratch)


class _Flood(Exception):
    pass


class _Role:
    """Stage, probe or witness: a process, or none at the moment."""

    def __init__(self) -> None:
        self.process: _Process | None = None


class Session:
    """One submission in the sandbox. Implements student.Student and student.Spoiler.

    Make it with Sandbox.session(); close it.
    """

    def __init__(self, worker: Worker, limits: Limits) -> None:
        self._worker, self._limits = worker, limits
        self._stage, self._probe, self._witness = _Role(), _Role(), _Role()
        self._tested: dict[str, int] = {}               # function -> how many cells were kept at its test
        self._earlier: dict[int, _Role] = {}            # the witnesses that know so many cells
        self._kept: list[_Cell] = []
        self._sources: dict[str, list[str]] = {}
        self._starts = 0
        self._shown = 0                                 # characters of all cells
        self._replayed = 0.0
        self._watched = 0.0                             # when all folders were looked at
        self._closed = False
        self.restarts = 0           # processes that were lost
        self.seconds_used = 0.0     # the student's own, without replays
        self._start(self._stage)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the processes and empty their folders. Nothing can be asked afterwards."""
        self._closed = True
        for role in self._roles():
            process, role.process = role.process, None
            if process is not None:
                process.end()

    # ----- What the grader asks

    def run_cell(self, source: str, *, keep: bool = True, name: str | None = None) -> CellRun:
        """Run a cell on the stage: its outputs and its error. `keep`: later calls and fresh processes know it, too.

        `name` (a grade_id) stands in tracebacks. Raises StudentTimeout and StudentDied, nothing else on account of
        what the student wrote.
        """
        cell = self._cell(source, name)
        process = self._caught_up(self._stage)
        began = time.monotonic()
        reply = self._ask(self._stage, self._run_request(cell), self._limits.cell, f"this cell ran longer than "
                          f"{self._limits.cell:g} s")
        with self._form_checked(self._stage):
            run = cell_run(reply, time.monotonic() - began, self._limits.output)
        if run.shown and self._shown >= (most := OUTPUTS * self._limits.output):
            run = run.silenced(f"the cells before this one had shown {most / (1 << 20):g} MB")
        self._shown += run.shown
        if keep:
            self._kept.append(cell)
            process.done = len(self._kept)
        return run

    def call(self, name: str, args: tuple[Any, ...], *, timeout: float | None = None,
             budget: float | None = None) -> tuple[Any, tuple[Any, ...]]:
        """Call the notebook's global function in the probe. See student.Student.call."""
        return self._call(self._probe, name, args, timeout, budget)

    def apart(self, name: str, args: tuple[Any, ...], *, timeout: float | None = None,
              budget: float | None = None) -> tuple[Any, tuple[Any, ...]]:
        """The same in the witness, a process that was never given a draw.

        An earlier function that knew what a later one has answered could make that answer right.
        """
        known = self._tested.get(name)
        role = self._witness if known is None else self._earlier.setdefault(known, _Role())
        return self._call(role, name, args, timeout, budget, known=known)

    def spoiled(self, name: str, args: tuple[Any, ...], *, timeout: float | None = None,
                budget: float | None = None) -> tuple[Any, ...]:
        """Call it in the probe, then have its result changed there. See student.Spoiler."""
        return self._call(self._probe, name, args, timeout, budget, spoil=True)[1]

    def tested(self, name: str) -> None:
        """This function has had its test: `apart` asks for it as it is now. A later cell could make another of it."""
        self._tested[name] = len(self._kept)

    def _call(self, role: _Role, name: str, args: tuple[Any, ...], timeout: float | None, budget: float | None, *,
              spoil: bool = False, known: int | None = None) -> tuple[Any, tuple[Any, ...]]:
        self._caught_up(role, known)
        seconds = self._limits.draw if timeout is None else timeout
        reply = self._ask(role, {"op": "call", "name": name, "args": tuple(args), "spoil": spoil}, seconds,
                          f"{name} had not answered after {min(seconds, budget or seconds):g} s", budget)
        with self._form_checked(role):
            keys = set(reply)
            if keys == {"value", "args"}:
                after = reply["args"]
                if after is None or type(after) is tuple and len(after) == len(args):
                    return reply["value"], tuple(args) if after is None else after
            if keys == {"missing"}:
                raise MissingName(name)
            if keys == {"nodata"}:
                raise Untransferable(reply["nodata"] if reply["nodata"] in DATA else "object")
            if keys == {"raised", "file", "line"}:
                raise self._student_error(reply)
            raise wire.WireError("an answer of no known form")

    # ----- Processes and clocks

    def _start(self, role: _Role) -> _Process:
        if self._closed:
            raise RuntimeError("this session is closed")
        if self._starts >= STARTS_MAX:
            raise StudentDied(f"its process had to be started {STARTS_MAX} times: no more")
        self._starts += 1
        role.process = _Process(self._worker, self._limits)
        return role.process

    def _caught_up(self, role: _Role, known: int | None = None) -> _Process:
        """The role's process with the kept cells run in it, or so many of them. Raises StudentTimeout, StudentDied."""
        process = role.process or self._start(role)
        while process.done < (len(self._kept) if known is None else known):
            cell = self._kept[process.done]
            process.done += 1
            if cell.spoiled:
                continue
            try:
                self._replay(role, cell)
            except (StudentTimeout, StudentDied):
                cell.spoiled = True
                raise
        return process

    def _replay(self, role: _Role, cell: _Cell) -> None:
        """Run a kept cell again. It counts for the submission alone, not for the cell that needs it."""
        paid = self.seconds_used
        try:
            self._ask(role, self._run_request(cell), 2 * self._limits.cell, "a cell that had run hung when run again")
        finally:
            self._replayed += self.seconds_used - paid
            self.seconds_used = paid

    @property
    def spent(self) -> float:
        """Own seconds of all processes together, of limits.submission."""
        return self.seconds_used + self._replayed

    def _ask(self, role: _Role, request: dict[str, Any], seconds: float, too_long: str,
             budget: float | None = None) -> dict[str, Any]:
        left = self._limits.submission - self.spent
        if left <= 0:
            raise StudentTimeout(f"the {self._limits.submission:g} s of the submission are used up")
        process = role.process
        assert process is not None
        process.spent = 0.0
        try:
            return process.ask(request, min(seconds, left), budget, lambda: self._watch(process))
        except wire.NotData:
            raise               # of ours: nothing has been sent
        except TimeoutError:
            self._lose(role)
            if left < min(seconds, budget or seconds):
                too_long = f"the {self._limits.submission:g} s of the submission are used up"
            raise StudentTimeout(too_long) from None
        except _Flood:
            self._lose(role)
            raise StudentDied("it wrote more files than it may, and was ended") from None
        except wire.WireError as e:
            self._lose(role)
            raise StudentDied(f"its process sent what is no answer ({e}), and was ended") from None
        except (EOFError, OSError):
            raise StudentDied(cause(self._lose(role, patience=0.1))) from None
        except BaseException:   # Ctrl-C: a child in the middle of an answer is of no more use
            self._lose(role)
            raise
        finally:
            self.seconds_used += process.spent

    def _roles(self) -> tuple[_Role, ...]:
        return self._stage, self._probe, self._witness, *self._earlier.values()

    def _watch(self, asked: _Process) -> None:
        """Raises _Flood for the process that is asked. Another one that floods its folder is lost, and that is all.

        A thread that a cell left on the stage writes on while the probe is asked.
        """
        asked.watch()
        if (now := time.monotonic()) < self._watched + wire.TICK:
            return
        self._watched = now
        for role in self._roles():
            if role.process is not None and role.process is not asked:
                try:
                    role.process.watch()
                except _Flood:
                    self._lose(role)

    def _lose(self, role: _Role, patience: float = 0.0) -> int:
        process, role.process = role.process, None
        assert process is not None
        self.restarts += 1
        began = time.monotonic()
        try:
            return process.end(patience)
        finally:
            self.seconds_used += time.monotonic() - began

    @contextlib.contextmanager
    def _form_checked(self, role: _Role) -> Iterator[None]:
        try:
            yield
        except StudentFailure:
            raise
        except Exception as e:      # an answer is made of any data: indexing an array by a text is an IndexError
            self._lose(role)
            raise StudentDied(f"its process sent what is no answer ({type(e).__name__}), and was ended") from None

    # ----- Cells and errors

    def _cell(self, source: str, name: str | None) -> _Cell:
        source = source.encode("utf-8", "replace").decode()     # a submission's JSON may hold lone surrogates
        file = f"<cell {name or len(self._sources) + 1}>"
        self._sources[file] = source.split("\n")
        return _Cell(source, file)

    def _run_request(self, cell: _Cell) -> dict[str, Any]:
        return {"op": "run", "source": cell.source, "file": cell.file, "limit": self._limits.output}

    def _student_error(self, reply: dict[str, Any]) -> StudentError:
        """The line is looked up here: what the child says of itself is two numbers and a name of a known type."""
        names, file, number = reply["raised"], reply["file"], reply["line"]
        if type(names) is not list or type(file) is not str or type(number) is not int:
            raise wire.WireError("an error of no known form")
        ename = next((n for n in names if type(n) is str and n in ERRORS), "Exception")
        lines = self._sources.get(file, [])
        if not 1 <= number <= len(lines):
            return StudentError(ename)
        line = lines[number - 1].strip()[:200]      # a character that turns it round would turn ours round, too
        return StudentError(ename, "".join(ch if ch.isprintable() else " " for ch in line), number,
                            function=function_at(lines, number))
