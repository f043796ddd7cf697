"""A course folder: where its parts lie, its settings and its secret.

    DIR/course.toml              limits, late policy, attempts, sandbox layer
    DIR/nbgrader_config.py       the same course for stock nbgrader commands
    DIR/source/NN/NN.ipynb       the instructor's notebooks, as nbgrader wants them
    DIR/release/NN/NN.ipynb      what students get
    DIR/checks/NN/               checks.py and notebook.py (the solution): read by the trusted side alone;
                                 checks/NN/NOTEBOOK/ where an assignment has several notebooks
    DIR/submitted/STUDENT/NN/    what students hand in
    DIR/autograded/STUDENT/NN/   graded notebooks, for the formgrader and `nbgrader generate_feedback`
    DIR/.autograder/             secret (mode 600), results/NN/STUDENT.json, attempts/NN/STUDENT/001/, backups/, a lock
    DIR/gradebook.db             nbgrader's gradebook

nbgrader copies every file beside a source notebook into the release, so the checks have a folder that it never sees.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.assignment import CHECKS, Assignment, AssignmentError
from autograder.errors import Busy, CourseError, UnknownName
from autograder.sandbox import LAYERS, Limits

CONFIG = "course.toml"
LATE_POLICIES = ("none", "zero")
ATTEMPT_POLICIES = ("last", "best", "first")
MEGABYTES = ("memory", "output", "files")       # written in MB in course.toml, counted in bytes by the sandbox


@dataclass(frozen=True)
class Course:
    """An existing course folder. Make one with `Course.open`."""

    root: Path
    settings: dict[str, Any] = field(default_factory=dict)
    shown: str = ""             # the folder as the user wrote it, for messages

    @classmethod
    def open(cls, folder: str | Path) -> Course:
        """The course in `folder`; raises CourseError with what to type where there is none."""
        root = Path(folder)
        if not root.is_dir():
            raise CourseError(f"there is no folder '{folder}' (autograder course {_quoted(folder)} makes a course)")
        if not (root / CONFIG).is_file():
            raise CourseError(f"'{folder}' is not a course: it has no {CONFIG} (autograder course DIR makes a course)")
        try:
            settings = tomllib.loads((root / CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError) as e:
            raise CourseError(f"{root / CONFIG} cannot be read: {e}") from None
        course = cls(root.resolve(), settings, _quoted(folder))
        course.check_settings()
        return course

    @classmethod
    def find(cls, start: str | Path) -> Course:
        """The course that `start` lies in; raises CourseError."""
        here = Path(start).resolve()
        for folder in (here, *here.parents):
            if (folder / CONFIG).is_file():
                return cls.open(folder)
        raise CourseError(f"'{start}' lies in no course: no folder above it has a {CONFIG}")

    # places ---------------------------------------------------------------------------------------------------------

    @property
    def source(self) -> Path:
        return self.root / "source"

    @property
    def release(self) -> Path:
        return self.root / "release"

    @property
    def submitted(self) -> Path:
        return self.root / "submitted"

    @property
    def autograded(self) -> Path:
        return self.root / "autograded"

    @property
    def checks(self) -> Path:
        return self.root / "checks"

    @property
    def private(self) -> Path:
        return self.root / ".autograder"

    @property
    def database(self) -> Path:
        return self.root / "gradebook.db"

    @property
    def db_url(self) -> str:
        return f"sqlite:///{self.database}"

    def results(self, assignment: str) -> Path:
        return self.private / "results" / assignment

    def result_path(self, assignment: str, student: str) -> Path:
        return self.results(assignment) / f"{student}.json"

    def collected_path(self, assignment: str, student: str) -> Path:
        """Where the collection notes what the platform calls a student and when the work came."""
        return self.private / "collected" / assignment / f"{student}.json"

    def assignments(self) -> list[str]:
        """The assignments that have a source notebook, of any name."""
        return sorted({p.parent.name for p in self.source.glob("*/*.ipynb") if not p.parent.name.startswith(".")})

    def require(self, assignment: str) -> None:
        """Raises UnknownName, with the closest match, unless the course has this assignment."""
        if assignment not in self.assignments():
            raise UnknownName("assignment", assignment, str(self.source), self.assignments(),
                              f"autograder status {self.shown or self.root} lists all")

    def load(self, assignment: str, notebook: str = "") -> Assignment | None:
        """The notebook with its checks; None where the course has none for it (then its own asserts are run).

        They lie in checks/ASSIGNMENT where the notebook has the assignment's name, which is the default, and in
        checks/ASSIGNMENT/NOTEBOOK for any.
        """
        folder = self.checks / assignment / (notebook or assignment)
        if notebook in ("", assignment) and not (folder / CHECKS).is_file():
            folder = self.checks / assignment
        return open_assignment(folder) if (folder / CHECKS).is_file() else None

    def students(self, assignment: str) -> list[str]:
        """Who handed in something for this assignment: the folders of `submitted`."""
        return sorted(p.parent.name for p in self.submitted.glob(f"*/{assignment}")
                      if not p.parent.name.startswith(".") and (p.is_dir() or p.is_symlink()))

    # settings -------------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return str(self.settings.get("course", {}).get("name") or self.root.name)

    @property
    def late_policy(self) -> str:
        return str(self.settings.get("late", {}).get("policy", "none"))

    @property
    def attempts(self) -> tuple[str, int]:
        """Which attempt counts (last, best or first), and how many may (0: all)."""
        table = self._table("attempts")
        policy, limit = str(table.get("policy", "last")), table.get("limit", 0)
        if policy not in ATTEMPT_POLICIES:
            raise UnknownName("attempts policy", policy, str(self.root / CONFIG), ATTEMPT_POLICIES,
                              ", ".join(ATTEMPT_POLICIES))
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise CourseError(f"{self.root / CONFIG}: attempts limit = {limit!r} should be a whole number, 0: no limit")
        return policy, limit

    @property
    def layer(self) -> str:
        return str(self.settings.get("sandbox", {}).get("layer", "auto"))

    def limits(self, assignment: str) -> Limits:
        """The limits of an assignment: the defaults, then `[limits]`, then `[assignments.NAME.limits]`."""
        values = {**self._table("limits"), **self._table("assignments", assignment, "limits")}
        known = [f.name for f in dataclasses.fields(Limits)]
        for key, value in values.items():
            if key not in known:
                raise UnknownName("limit", key, str(self.root / CONFIG), known)
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise CourseError(f"{self.root / CONFIG}: limit {key} = {value!r} should be a number above 0")
        counted: dict[str, Any] = {k: int(v * (1 << 20)) if k in MEGABYTES else int(v) if k == "threads" else float(v)
                                   for k, v in values.items()}
        return Limits(**counted)

    def check_settings(self) -> None:
        """Raises CourseError where a setting has a value that nothing knows: better now than in the middle of a run."""
        if self.late_policy not in LATE_POLICIES:
            raise UnknownName("late policy", self.late_policy, str(self.root / CONFIG), LATE_POLICIES, "none or zero")
        layers = ("auto", *LAYERS)
        if self.layer not in layers:
            raise UnknownName("sandbox layer", self.layer, str(self.root / CONFIG), layers, ", ".join(layers))
        _ = self.attempts
        for assignment in {"", *self._table("assignments")}:
            self.limits(assignment)

    def _table(self, *names: str) -> dict[str, Any]:
        table: Any = self.settings
        for name in names:
            table = table.get(name, {})
            if not isinstance(table, dict):
                raise CourseError(f"{self.root / CONFIG}: [{'.'.join(names)}] should be a table")
        return table

    # the secret and the lock ----------------------------------------------------------------------------------------

    def secret(self) -> bytes:
        """The key of the seeds; made at the first need, readable by its owner alone."""
        path = self.private / "secret"
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_bytes().strip()
            if len(key) < 32:
                raise CourseError(f"{path} is damaged: restore it, or delete it (new seeds are drawn then)") from None
            return key
        except FileNotFoundError:
            self.private.mkdir(mode=0o700, exist_ok=True)
            return self.secret()
        with os.fdopen(fd, "wb") as file:
            key = secrets.token_hex(32).encode()
            file.write(key + b"\n")
        return key

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One run at a time on a course; raises Busy at once where another run holds it."""
        from filelock import FileLock, Timeout

        self.private.mkdir(mode=0o700, exist_ok=True)
        lock = FileLock(self.private / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise Busy(f"another run works on {self.root} (its lock is {self.private / 'lock'}); wait for it") from None
        try:
            yield
        finally:
            lock.release()


def open_assignment(folder: Path) -> Assignment:
    """The assignment in `folder`; raises CourseError with file and line where its files do not fit together."""
    try:
        return Assignment(folder)
    except AssignmentError as e:
        raise CourseError(str(e)) from None


def _quoted(path: str | Path) -> str:
    """The path as it can be pasted into a shell."""
    import shlex

    return shlex.quote(str(path))


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, also when this process is killed half-way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)        # of a run that was killed; what else may have come there is not written through
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)    # a disk that is full now would stay fuller by it
        raise


def read_json(path: Path) -> Any:
    """The JSON in a file, or None where there is none or it is broken (a killed run, a full disk)."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def read_record(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none or it is broken."""
    found = read_json(path)
    return found if isinstance(found, dict) else {}
