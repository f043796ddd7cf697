"""What the tests of killed, repeated and simultaneous runs share: a class of all sorts, a run to kill, its state.

`state` is all that a run writes, without the times: the gradebook's rows, the results, the notebooks byte by byte.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.course import Course
from autograder.result import timeless
from tests.autograder.grading_help import CHECKOUT, answer, hand_in, release, solved

A = "01_mini"
ANSWERS = [         # of the cell `double`; the other cell is solved for every second student
    "def double(x):\n    return 2 * x",
    "def double(x):\n    print('x is', x)\n    return x + x",
    "def double(x):\n    return x * x",
    "def double(x):\n    raise ValueError('no')",
    "def double(x):\n    return 2 * x[0]",
    "import os\ndef double(x):\n    os._exit(3)",
    "def double(x):\n    return None",
    "import warnings\ndef double(x):\n    warnings.warn('careful')\n    return 2.0 * x",
    "def double(x):\n    return [2 * v for v in x]",
    "def double(x:\n    return 2 * x",
]
DAMAGED = [b"{", b"", b"null"]


def class_of(course: Path, count: int, assignment: str = A) -> list[str]:
    """Hand in the work of `count` students: right, wrong, blank, broken; some late. Returns their names."""
    full, blank = solved(course, assignment), release(course, assignment)
    students = [f"s{i:03}" for i in range(count)]
    for i, student in enumerate(students):
        if i % 13 == 12:
            path = hand_in(course, student, DAMAGED[i % 3], assignment)
        elif i % 13 == 11:
            path = hand_in(course, student, blank, assignment)
        else:
            text = f"{ANSWERS[i % len(ANSWERS)]}\n# {student}"
            path = hand_in(course, student, answer(full if i % 2 else blank, double=text), assignment)
        if i % 4 == 0:
            (path.parent / "timestamp.txt").write_text(f"2026-02-{1 + i % 28:02} 12:00:00 UTC")
    with contextlib.closing(sqlite3.connect(course / "gradebook.db")) as db, db:
        db.execute("UPDATE assignment SET duedate = '2026-02-10 00:00:00.000000'")
    policy = course / "course.toml"
    policy.write_text(policy.read_text().replace('policy = "none"', 'policy = "zero"', 1))
    Course.open(course).secret()        # the key of the seeds, so that copies of the course draw the same
    return students


# ----- What a run leaves

def gradebook(course: Path) -> list[tuple[Any, ...]]:
    """All rows of all tables, sorted, with names in the place of the random numbers that join them."""
    with contextlib.closing(sqlite3.connect(course / "gradebook.db")) as db:
        db.row_factory = sqlite3.Row
        tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {t: [dict(r) for r in db.execute(f'SELECT * FROM "{t}"')] for t in tables}
    names: dict[Any, str] = {r["id"]: r["name"] for r in rows["assignment"]}
    for table, parent in (("notebook", "assignment_id"), ("base_cell", "notebook_id")):
        names |= {r["id"]: f"{names[r[parent]]}/{r['name']}" for r in rows[table]}
    names |= {r["id"]: f"{r['student_id']}:{names[r['assignment_id']]}" for r in rows["submitted_assignment"]}
    names |= {r["id"]: f"{names[r['assignment_id']]}/{names[r['notebook_id']]}" for r in rows["submitted_notebook"]}
    own = ("grade", "comment")          # nothing points at these, so their numbers mean nothing
    found = [(table, *sorted((k, names.get(v, v) if isinstance(v, str) else v) for k, v in row.items()
                             if not (k == "id" and table in own)))
             for table in tables for row in rows[table]]
    return sorted(found, key=repr)


def results(course: Path) -> dict[str, Any]:
    """All saved results, in full but for the times."""
    folder = course / ".autograder" / "results"
    return {str(p.relative_to(folder)): timeless(json.loads(p.read_text(encoding="utf-8")))
            for p in sorted(folder.rglob("*.json"))}


def files(course: Path) -> dict[str, bytes]:
    """All that lies under `autograded`, byte by byte."""
    return {str(p.relative_to(course)): p.read_bytes() for p in sorted((course / "autograded").rglob("*")) if
            p.is_file()}


def kept_attempts(course: Path) -> dict[str, Any]:
    """All that is kept of all attempts."""
    folder = course / ".autograder" / "attempts"
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix in (".json", ".gz"):
            found[str(path.relative_to(folder))] = timeless(json.loads(
                gzip.decompress(data) if path.suffix == ".gz" else data))
        else:
            found[str(path.relative_to(folder))] = data
    return found


def state(course: Path) -> dict[str, Any]:
    return {"gradebook": gradebook(course), "results": results(course), "files": files(course),
            "attempts": kept_attempts(course)}


def differences(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """Where two states differ, in a few words; a comparison of two whole gradebooks tells nobody anything."""
    found = [f"rows: {r}" for r in sorted({*map(repr, a["gradebook"])} ^ {*map(repr, b["gradebook"])})]
    for kind in ("results", "files", "attempts"):
        found += [f"{kind}: {k}" for k in sorted({*a[kind], *b[kind]}) if a[kind].get(k) != b[kind].get(k)]
    return found[:10]


def half_written(course: Path) -> list[str]:
    """Files that a killed run was in the middle of."""
    return [str(p) for p in course.rglob("*") if p.name.endswith((".part", "-journal", "-wal"))]


# ----- A run to kill

class Run:
    """`autograder grade` in processes of its own: the command, or a fork of this one (no imports to wait for)."""

    def __init__(self, course: Path, scratch: Path, *, jobs: int = 1, force: bool = False, fork: bool = False,
                 before: Callable[[], object] = lambda: None) -> None:
        self.course, self.scratch, self.began = course, scratch, time.time()
        scratch.mkdir(exist_ok=True)
        if fork:
            self.pid = self._fork(jobs, force, before)
        else:
            words = ["-m", "autograder", "grade", str(course), A, "--jobs", str(jobs), *(["--force"] if force else [])]
            self.process = subprocess.Popen(    # kept: else the next Popen would take its status away
                [sys.executable, *words], cwd=CHECKOUT, env={**os.environ, "TMPDIR": str(scratch)},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            self.pid = self.process.pid

    def _fork(self, jobs: int, force: bool, before: Callable[[], object]) -> int:
        pid = os.fork()
        if pid:
            return pid
        try:
            import tempfile

            from autograder import driver

            os.setsid()
            os.environ["TMPDIR"] = tempfile.tempdir = str(self.scratch)
            before()
            driver.grade(self.course, A, jobs=jobs, force=force)
            os._exit(0)
        finally:
            os._exit(1)

    def kill(self, whom: str) -> bool:
        """kill -9 of the `group`, the `parent` alone or one `worker`; False where it has ended already."""
        victims = [self.pid] if whom != "worker" else self.workers()
        while not victims and not self.ended():
            time.sleep(0.01)                    # no worker yet
            victims = self.workers()
        if self.ended():
            return False
        with contextlib.suppress(ProcessLookupError):
            if whom == "group":
                os.killpg(self.pid, signal.SIGKILL)
            else:
                os.kill(victims[0], signal.SIGKILL)
            return True
        return False

    def ended(self) -> bool:
        """Without taking its status, which `wait` takes."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def workers(self) -> list[int]:
        """The grading processes of the run: those of multiprocessing that run Python and no tracker."""
        return [pid for pid, words in processes() if parent_of(pid) == self.pid and "spawn_main" in words]

    def left(self, seconds: float = 10.0) -> list[str]:
        """Processes that still live after `seconds` of patience, and scratch folders of theirs."""
        until = time.monotonic() + seconds
        while True:
            living = [f"{pid} {words[:90]}" for pid, words in processes()
                      if str(self.scratch) in words + environment(pid)]
            if not living or time.monotonic() > until:
                return living
            time.sleep(0.02)

    def folders(self) -> list[str]:
        return [p.name for p in self.scratch.glob("autograder-*")]

    def phase(self, count: int) -> str:
        """How far it has come, of `count` submissions."""
        folder = self.course / ".autograder" / "results" / A
        done = sum(p.stat().st_mtime >= self.began for p in folder.glob("*.json"))
        return "before the first result" if not done else "after the last" if done == count else "among the results"


def processes() -> list[tuple[int, str]]:
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            found.append((int(entry), Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ").decode(
                "utf-8", "replace")))
    return found


def parent_of(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def environment(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace")
    return ""


def kill_at_random(run: Run, rng: random.Random, whom: str, seconds: float, count: int) -> str | None:
    """Kill at a moment drawn from the run's length; the phase that it was in, or None where it was faster."""
    time.sleep(rng.uniform(0, seconds))
    phase = run.phase(count)
    killed = run.kill(whom)
    return phase if killed else None
