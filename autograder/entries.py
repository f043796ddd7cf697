"""What lies in a download, a zip or a folder, read so that nothing in it can do harm.

Every name and every byte was chosen by students. No name of theirs becomes a path here: a file is copied to a place
that the caller chose. Links are not followed, absolute names and `..` are refused, and what a file unpacks to is
counted while it unpacks, because the size that a zip states is a claim. nbgrader's own extractor follows links and
unpacks without a limit, so it is not used.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from autograder.errors import AutograderError
from autograder.plain_file import NotPlain, open_plain
from autograder.submission import MAX_BYTES

MAX_ENTRIES = 50_000            # 5,000 students with ten files
MAX_NESTED = 1_000
MAX_RATIO = 100                 # a notebook packs to a fifth; a bomb to a thousandth
SPARE = 2 << 30                 # beyond what any single hand-in may take (downloads.py)
CHUNK = 1 << 20
MAX_NAME = 1_000
NOISE = ("__MACOSX", ".ipynb_checkpoints", "__pycache__", ".DS_Store", "Thumbs.db", ".git")


class Refused(Exception):
    """A file that is not read, and why."""


@dataclass
class Budget:
    """The bytes that a zip may still unpack to. One that a student handed in is refused beyond them, and no other."""

    left: int
    students: bool = False

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0 and self.students:
            raise Refused("unpacks to far more than a submission")
        if self.left < 0:
            raise AutograderError("the zip unpacks to far more than it holds, as a bomb does; nothing was collected")


@dataclass(frozen=True)
class Entry:
    """One file: the parts of its name, the local time that the download records, and how to read it."""

    parts: tuple[str, ...]
    time: datetime | None
    open: Callable[[], IO[bytes]]
    budget: Budget | None = None

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def shown(self) -> str:
        return "/".join(self.parts)

    def copy(self, to: Path) -> None:
        """Copy the content to `to`; raises Refused, with nothing left there."""
        size = 0
        try:
            with self.open() as source, to.open("xb") as out:
                while chunk := source.read(CHUNK):
                    size += len(chunk)
                    if size > MAX_BYTES:
                        raise Refused(f"over {MAX_BYTES >> 20} MB")
                    if self.budget:
                        self.budget.take(len(chunk))
                    out.write(chunk)
        except (Refused, AutograderError):
            to.unlink(missing_ok=True)
            raise
        except Exception as e:      # damaged data: each unpacker has errors of its own, and zipfile a dozen
            to.unlink(missing_ok=True)
            raise Refused(f"cannot be read ({str(e)[:80] or type(e).__name__})") from None


@contextmanager
def opened(path: Path, refuse: Callable[[str, str], None]) -> Iterator[list[Entry]]:
    """The files of a zip or below a folder, by name; `refuse` is told a name and why it is left out."""
    if path.is_dir():
        yield sorted(_folder(path, refuse), key=lambda e: e.parts)
        return
    try:
        archive = zipfile.ZipFile(path)
    except PermissionError:
        raise
    except Exception:
        raise AutograderError(f"'{path}' is no zip, and no folder") from None
    with archive:
        packed = path.stat().st_size
        yield sorted(_zip(archive, refuse, MAX_ENTRIES, Budget(MAX_RATIO * packed + SPARE)), key=lambda e: e.parts)


@contextmanager
def nested(path: Path, name: str, refuse: Callable[[str, str], None]) -> Iterator[list[Entry]]:
    """The files of a zip that a student handed in as `name`; none where it cannot be read."""
    with ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
            found = list(_zip(archive, lambda inner, why: refuse(f"{name}: {inner}", why), MAX_NESTED,
                              Budget(3 * MAX_BYTES, students=True)))
        except Exception as e:
            refuse(name, f"cannot be read ({str(e)[:80] or type(e).__name__})")
            found = []
        yield found


def _zip(archive: zipfile.ZipFile, refuse: Callable[[str, str], None], most: int, budget: Budget) -> Iterator[Entry]:
    infos = archive.infolist()
    if len(infos) > most:
        raise AutograderError(f"the zip holds {len(infos)} files; at most {most} are read")
    for info in infos:
        name = _decoded(info)
        if name.endswith(("/", "\\")):
            continue
        parts = _parts(name)
        if parts is None:
            refuse(name, "its name leads out of the download")
        elif stat.S_ISLNK(info.external_attr >> 16):
            refuse(name, "is a link")
        elif info.flag_bits & 1:
            refuse(name, "is encrypted")
        elif not _noise(parts):
            def read(info: zipfile.ZipInfo = info) -> IO[bytes]:
                return archive.open(info)
            yield Entry(parts, _when(info), read, budget)


def _decoded(info: zipfile.ZipInfo) -> str:
    """The name: zip has a flag for UTF-8, and some programs write UTF-8 without it."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return info.filename


def _parts(name: str) -> tuple[str, ...] | None:
    """The parts of a name; None for one that is absolute or climbs."""
    name = name.replace("\\", "/")
    parts = tuple(p for p in name.split("/") if p not in ("", "."))
    drive = bool(parts) and len(parts[0]) == 2 and parts[0][1] == ":"
    bad = not parts or drive or name.startswith("/") or ".." in parts or len(name) > MAX_NAME
    return None if bad else parts


def _noise(parts: tuple[str, ...]) -> bool:
    return any(p in NOISE or p.startswith("._") for p in parts)


def _when(info: zipfile.ZipInfo) -> datetime | None:
    try:
        return datetime(*info.date_time)
    except ValueError:
        return None


def _folder(root: Path, refuse: Callable[[str, str], None]) -> Iterator[Entry]:
    count = 0
    for place, folders, files in os.walk(root, followlinks=False):
        here = Path(place)
        for name in [f for f in folders if (here / f).is_symlink()]:
            refuse(str((here / name).relative_to(root)), "is a link")
        folders[:] = sorted(f for f in folders if f not in NOISE and not (here / f).is_symlink())
        for name in sorted(files):
            path = here / name
            parts = path.relative_to(root).parts
            try:
                found = path.lstat()
            except OSError as e:
                refuse("/".join(parts), f"cannot be read ({e.strerror})")
                continue
            if not stat.S_ISREG(found.st_mode):
                refuse("/".join(parts), "is a link" if stat.S_ISLNK(found.st_mode) else "is no file")
            elif not _noise(parts):
                count += 1
                if count > MAX_ENTRIES:
                    raise AutograderError(f"'{root}' holds over {MAX_ENTRIES} files: name the folder of one assignment")

                def read(parts: tuple[str, ...] = parts) -> IO[bytes]:
                    return no_link(root, parts)
                yield Entry(parts, datetime.fromtimestamp(found.st_mtime), read)


def no_link(root: Path, parts: Sequence[str]) -> IO[bytes]:
    """A regular file below `root`, opened for reading; raises Refused."""
    try:
        return os.fdopen(open_plain(root, parts), "rb")
    except NotPlain:
        raise Refused("is no file") from None
    except OSError as e:
        raise Refused(f"cannot be read ({e.strerror})") from None
