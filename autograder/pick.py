"""Which of the files that a student handed in is which notebook of the assignment.

Browsers, platforms and students rename files. The name decides where it still tells, and else the cells inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from autograder import submission
from autograder.course import Course
from autograder.downloads import File

SUFFIX = re.compile(r"(?:[ _.-]*\(\d+\)|[ _-]*(?:copy|kopie)\d*|[ _-]v?\d+|[ _-](?:final|solved|fertig))$")


def notebooks(course: Course, assignment: str) -> dict[str, set[str]]:
    """The assignment's notebooks, each with the ids of its cells that hold answers or tests.

    Cells of other kinds, such as the imports, may have the same id in every assignment of a course.
    """
    folder = course.release / assignment
    if not any(folder.glob("*.ipynb")):
        folder = course.source / assignment
    found = {}
    for path in sorted(folder.glob("*.ipynb")):
        cells = [c for c in submission.cells_of(path) if any(map(c["nbgrader"].get, ("grade", "solution", "task")))]
        found[path.stem] = {c["grade_id"] for c in cells if c["grade_id"]}
    return found


def _cells(path: Path) -> set[str]:
    """What its cells are called; the cell's own id is left where an editor lost nbgrader's."""
    return {name for c in submission.cells_of(path) for name in (c["grade_id"], c["id"]) if name}


def names_of(name: str) -> list[str]:
    """What a file name may have been before a browser, a platform or a student added to it, nearest first."""
    stem = re.sub(r"\.ipynb$", "", name.casefold().strip())
    stem = re.sub(r"^(?:copy of|kopie von) ", "", stem)
    found = [stem]
    while (shorter := SUFFIX.sub("", stem)) != stem and shorter:
        stem = shorter
        found.append(stem)
    return found


def choose(files: list[File], wanted: Mapping[str, set[str]]) -> tuple[dict[str, File], list[File], list[str]]:
    """The file for each notebook of the assignment, those that are left, and notes."""
    chosen: dict[str, File] = {}
    notes: list[str] = []
    left = sorted(files, key=lambda f: (f.order, f.time or datetime.min.replace(tzinfo=UTC), f.name))
    for name in wanted:
        ranked = [(names_of(f.name).index(name.casefold()), f) for f in left if name.casefold() in names_of(f.name)]
        if not ranked:
            continue
        # the newest; of those that came at once, the one whose name was changed least
        best = max(ranked, key=lambda rf: (rf[1].order, rf[1].time or datetime.min.replace(tzinfo=UTC), -rf[0]))[1]
        chosen[name] = best
        left.remove(best)
    for name, ids in wanted.items():
        if name in chosen or not left:
            continue
        shared = {f.path: len(_cells(f.path) & ids) for f in left}
        best = max(left, key=lambda f: shared[f.path])
        if shared[best.path] or (len(files) == 1 and len(wanted) == 1):
            chosen[name] = best
            left.remove(best)
            notes.append(f"'{best.name}' was taken as {name}.ipynb" + (
                "" if shared[best.path] else ", though it has no cell of this assignment"))
    if missing := [n for n in wanted if n not in chosen]:
        notes.append("not handed in: " + ", ".join(f"{n}.ipynb" for n in missing))
    return chosen, left, notes
