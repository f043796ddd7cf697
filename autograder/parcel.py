"""Files as bytes, for a worker on another machine: what of a course it needs, and what one student handed in.

The worker lays them out in a folder of its own and grades there as it would here, so a submission must arrive as it
lies, with all that is odd about it: a link stays a link (to nowhere; no reader follows it), a huge file a huge one
(without its bytes), a pipe a pipe. Nothing else of the course travels: no gradebook, no other submission.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.course import CONFIG, Course
from autograder.sheet import TIMESTAMP
from autograder.submission import MAX_BYTES

MOST_FILES = 100            # of a submission; the grader reads the named notebooks and, at most, one renamed one


@dataclass(frozen=True)
class Item:
    """One entry of a folder. kind: file | folder | link | pipe | closed (a file that cannot be opened)."""

    path: str               # below the course's folder
    kind: str
    data: bytes = b""
    size: int = 0           # of a file, which may be larger than its data


Parcel = tuple[Item, ...]


def of_course(course: Course, assignment: str) -> Parcel:
    """The settings, the key of the seeds and the checks of one assignment."""
    course.secret()         # made, where it is not there yet
    files = [course.root / CONFIG, course.private / "secret"]
    files += sorted(p for p in (course.checks / assignment).rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return tuple(Item(str(p.relative_to(course.root)), "file", data := p.read_bytes(), len(data)) for p in files)


def of_submission(course: Course, assignment: str, student: str, names: Iterable[str],
                  folder: Path | None = None) -> Parcel:
    """What `student` handed in: the notebooks `names`, what else is called a notebook, and the time.

    `folder`: where it lies, if not among the submissions; it arrives as if it did.
    """
    return tuple(_submission(course, assignment, student, [f"{n}.ipynb" for n in names], folder))


def _submission(course: Course, assignment: str, student: str, named: list[str], folder: Path | None) -> Iterator[Item]:
    arrives = course.submitted.relative_to(course.root) / student / assignment
    for place in (arrives.parent, arrives) if folder is None else ():
        item = _item(course.root / place, place)
        if item is None:
            return
        yield item
        if item.kind != "folder":
            return
    lies = folder or course.root / arrives
    others = sorted(p.name for p in lies.glob("*.ipynb") if p.name not in named)[:MOST_FILES]
    for name in [*named, *others, TIMESTAMP]:
        if (item := _item(lies / name, arrives / name)) is not None:
            yield item


def _item(path: Path, arrives: Path) -> Item | None:
    """What lies at `path`; None for nothing."""
    where = str(arrives)
    try:
        info = path.lstat()
        if stat.S_ISLNK(info.st_mode):
            return Item(where, "link")
        if stat.S_ISDIR(info.st_mode):
            return Item(where, "folder")
        if not stat.S_ISREG(info.st_mode):
            return Item(where, "pipe")
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        return Item(where, "closed")
    with os.fdopen(fd, "rb") as file:
        size = os.fstat(fd).st_size
        return Item(where, "file", file.read(MAX_BYTES) if size <= MAX_BYTES else b"", size)


def lay_out(parcel: Parcel, root: Path) -> None:
    """Put the items below `root`. The parcel comes from the course's own grader."""
    for item in parcel:
        path = root / item.path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if item.kind == "folder":
            path.mkdir(mode=0o700, exist_ok=True)
        elif item.kind == "link":
            path.symlink_to("nowhere")
        elif item.kind == "pipe":
            os.mkfifo(path)
        else:
            _write(path, item)


def _write(path: Path, item: Item) -> None:
    mode = 0o600 if item.kind == "file" else 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(item.data)
        if item.size > len(item.data):
            file.truncate(item.size)        # takes no room on the disk
