"""What a course was made with: the version of autograder and a hash of the checks of each assignment.

`.autograder/course.json` holds it. `autograder grade` uses the copies in the course, so neither stops a run; where they
are no longer what was recorded, it says so in a line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from autograder import submission
from autograder.course import Course, read_record, write_atomically

PACKAGE = "minigrad-course"


def version() -> str:
    """The version of this software, as it is installed or as the checkout says."""
    import minigrad

    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return minigrad.__version__


def digest(files: Mapping[str, str]) -> str:
    """The hash of an assignment's checks: texts by name, relative to checks/ASSIGNMENT."""
    return submission.digest(sorted(files.items()))


def checks_of(course: Course, assignment: str) -> dict[str, str]:
    """The texts in checks/ASSIGNMENT, by name; also of its notebooks' folders."""
    folder = course.checks / assignment
    return {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in sorted(folder.rglob("*.py"))}


def read(course: Course) -> dict[str, Any]:
    """The record; without entries where the course was made before there was one."""
    return read_record(_path(course))


def write(course: Course, checks: Mapping[str, str], *, made_with: str) -> None:
    """Record `checks`, hashes by assignment, and the version that the course's files come from; "": as it was."""
    old = read(course)
    new = {"version": made_with or old.get("version", ""), "made": old.get("made") or _now(),
           "checks": {**old.get("checks", {}), **checks}}
    if new != {k: old.get(k) for k in new}:
        new["changed"] = _now()
        write_atomically(_path(course), json.dumps(new, indent=1, sort_keys=True) + "\n")


def differences(course: Course, assignment: str) -> list[str]:
    """What is no longer as it was recorded, a line each."""
    known = read(course)
    told = []
    made_with = known.get("version")
    if made_with and made_with != version():
        told.append(f"the course was made with version {made_with} and this is {version()}: "
                    f"autograder course {course.shown} --upgrade --dry-run shows what would change")
    recorded = known.get("checks", {}).get(assignment)
    if recorded and recorded != digest(checks_of(course, assignment)):
        told.append(f"checks/{assignment} was edited since it was recorded: its present text counts "
                    f"(autograder course {course.shown} makes the release anew and takes note)")
    return told


def _path(course: Course) -> Path:
    return course.private / "course.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
