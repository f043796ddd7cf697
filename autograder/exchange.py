"""nbgrader's exchange, through nbgrader's own API: assignments out, submissions in.

Whatever exchange the course's nbgrader_config.py names is used (the folder, ngshare). For the folder some care is ours,
since anyone can write to it: nbgrader copies what a link in a submission points to, stops at a name that it cannot
read, and takes the newest of what comes in a student's name, whoever made it.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from nbgrader.exchange import default
from traitlets.config import Config

from autograder import entries
from autograder.course import Course
from autograder.downloads import MAX_FILES, MAX_SIZE
from autograder.errors import AutograderError
from autograder.nbgrader_api import call, course_config


class CarefulCollect(default.ExchangeCollect):
    """nbgrader's collection from a folder, with a copy that follows no link, and no name that can stop it."""

    refuse: ClassVar[Any]           # (name, why), set for each collection

    def _path_to_record(self, path: str) -> dict[str, Any]:
        try:
            record: dict[str, Any] = super()._path_to_record(path)
        except (ValueError, OverflowError):         # anyone may make a folder there, with any name
            name = os.path.split(path)[1]
            record = {"username": name.split("+")[0], "filename": name, "timestamp": datetime.min}
        return record

    def _sort_by_timestamp(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A student's submissions, newest first; without those of others in that name, where there are both.

        Anyone may write to the exchange. nbgrader warns and takes the newest, which would let one student replace the
        work of another.
        """
        own = [r for r in records if self._owner(r) == r["username"]] if self.check_owner else []
        for r in records if own else ():
            if r not in own:
                self.refuse(r["filename"], f"is owned by {self._owner(r)}, and the student has handed in as well")
        found: list[dict[str, Any]] = super()._sort_by_timestamp(own or records)
        return found

    def _owner(self, record: dict[str, Any]) -> str:
        try:
            return Path(self.inbound_path, record["filename"]).owner()
        except (KeyError, OSError):
            return "an unknown account"

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """Copy the regular files of a submission; what is refused is said, and does not stop the others."""
        name = os.path.basename(src)
        if os.path.islink(src):
            self.refuse(name, "is a link")
            return
        Path(dest).mkdir(parents=True)
        with entries.opened(Path(src), lambda inner, why: self.refuse(f"{name}: {inner}", why)) as found:
            size = 0
            for entry in found[:MAX_FILES]:
                if size > MAX_SIZE:
                    self.refuse(f"{name}: {entry.shown}", f"a hand-in has at most {MAX_SIZE >> 20} MB")
                    continue
                to = Path(dest, *entry.parts)
                to.parent.mkdir(parents=True, exist_ok=True)
                try:
                    entry.copy(to)
                    size += to.stat().st_size
                except entries.Refused as e:
                    self.refuse(f"{name}: {entry.shown}", str(e))


def root_of(settings: Config) -> Path | None:
    """The exchange's folder; None where another kind of exchange is configured."""
    if "ExchangeFactory" in settings and settings.ExchangeFactory:
        return None
    return Path(settings.Exchange.get("root") or default.Exchange.root.default_value)


def configured(course: Course) -> bool:
    """Whether there is an exchange to release to and to collect from."""
    settings = course_config(course)
    root = root_of(settings)
    return root is None or root.is_dir() or "root" in settings.Exchange


def release(course: Course, assignment: str, *, force: bool = False) -> str:
    """Put release/ASSIGNMENT into the exchange; returns where it is now. Raises AutograderError in nbgrader's words."""
    settings = course_config(course)
    if force:
        settings.ExchangeReleaseAssignment.force = True
    _run(settings, "release_assignment", assignment)
    root = root_of(settings)
    return "the exchange" if root is None else str(root / settings.CourseDirectory.course_id / "outbound" / assignment)


def release_feedback(course: Course, assignment: str, without: Sequence[str] = ()) -> None:
    """Put feedback/STUDENT/ASSIGNMENT into the exchange, but for the students `without`; raises AutograderError."""
    settings = course_config(course)
    settings.CourseDirectory.student_id_exclude = ",".join(sorted(without))
    _run(settings, "release_feedback", assignment)


def collect(course: Course, assignment: str, to: Path, inbound: Path | None, refuse: Callable[[str, str], None]
            ) -> list[str]:
    """Collect to `to`/STUDENT/ASSIGNMENT; returns nbgrader's warnings.

    `inbound`: a folder of submissions as an exchange has it, where it is not the configured one.
    """
    settings = course_config(course)
    if inbound is not None:         # a copy of an exchange may lie anywhere, and be read-only
        root = to.parent / "exchange"
        (root / "course").mkdir(parents=True)
        (root / "course" / "inbound").symlink_to(inbound)
        settings.Exchange.root, settings.CourseDirectory.course_id = str(root), "course"
        settings.pop("ExchangeFactory", None)
    settings.CourseDirectory.submitted_directory = str(to)
    if root_of(settings) is not None:
        careful = type("CarefulCollect", (CarefulCollect,), {"refuse": staticmethod(refuse)})
        settings.ExchangeFactory.collect = careful
    log = _run(settings, "collect", assignment)
    try:
        me = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:                # a container's account without a name
        me = "unknown id"
    claims = re.findall(r"([^/\n]+) claims to be submitted by (.+) but is owned by (.+); cheating", log)
    return [f"{name}: says it is {student}'s, and the folder is {owner}'s" for name, student, owner in claims
            if owner != me]         # a copy of an exchange is all ours


def _run(settings: Config, verb: str, assignment: str) -> str:
    """One call of nbgrader's API; its log. Raises AutograderError with what nbgrader says."""
    answer = call(settings, verb, assignment)
    log = str(answer.get("log") or "")
    if not answer.get("success"):
        said = re.findall(r"^\[(?:CRITICAL|ERROR|FATAL)\] (.*)", log, re.MULTILINE)
        last = str(answer.get("error") or "").strip().splitlines()[-1:]
        raise AutograderError(f"nbgrader's exchange: {(said or last or ['no reason given'])[0]}")
    return log


def inbound_of(folder: Path, assignment: str) -> Path | None:
    """The folder of submissions in an exchange, a course of one or that folder itself; None for another folder."""
    if folder.name == "inbound" or any(folder.glob(f"*+{assignment}+*")):
        return folder.resolve()
    places = [folder / "inbound", *sorted(folder.glob("*/inbound"))]
    found = [p for p in places if p.is_dir()]
    if len(found) > 1:
        raise AutograderError(f"'{folder}' is the exchange of {len(found)} courses: name one, as {found[0]}")
    return found[0].resolve() if found else None
