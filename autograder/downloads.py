"""From the files of a download to hand-ins: who handed in what, and when, in each platform's way of naming.

    Moodle    Ada Lovelace_12345_assignsubmission_file_/03_rnn.ipynb, or the same in one flat name.
              (Moodle's source: mod/assign/classes/downloader.php.)
    Canvas    lovelaceada_LATE_12345_67890_03_rnn-1.ipynb: name, LATE, the student's number, the file's number.
              (Canvas's source: lib/content_zipper.rb.)
    folder    ada.ipynb, ada/anything.ipynb, or nbgrader's ada/03_rnn/03_rnn.ipynb with its timestamp.txt.
    pattern   a regular expression with nbgrader's groups: (?P<student_id>), (?P<file_id>), (?P<timestamp>), names.

Names are taken apart by nbgrader's zip_collect plugin.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from autograder import entries as files
from autograder import times
from autograder.entries import Entry, Refused
from autograder.errors import AutograderError
from autograder.nbgrader_api import silent_log
from autograder.sheet import TIMESTAMP
from autograder.submission import MAX_BYTES

# Moodle writes no _ into a name, and a student may write anything into a file's: the first match is the platform's.
MOODLE = r"(?P<student_id>[^/_]+)_(?P<number>\d+)_assignsubmission_file_?(?P<file_id>.*)"
CANVAS = (r"(?:(?P<student_id>[^/]*?)_)?(?P<late>LATE_)?(?P<number>\d+|anon_[^_/]+)_(?P<file>\d+)_"
          r"(?P<file_id>[^/]+)")
MAX_SIZE, MAX_FILES = 2 * MAX_BYTES, 100        # of one hand-in
AT_ONCE, A_DAY = timedelta(minutes=10), timedelta(days=1)

Refuse = Callable[[str, str], None]


@dataclass(frozen=True)
class File:
    """One handed-in file: its name as handed in, our copy of it, and the platform's number of it (0: none)."""

    name: str
    path: Path
    order: int = 0
    time: datetime | None = None


@dataclass
class HandIn:
    """What one student handed in.

    `who` is how the platform shows the student, `own` the platform's own id, `keys` what a roster may know. `time` is
    the submission's (UTC; None: not known), `seen` a time by which it was there, and `late` the platform's own word.
    """

    who: str
    own: str
    keys: list[tuple[str, str]]
    files: list[File] = field(default_factory=list)
    time: datetime | None = None
    seen: datetime | None = None
    late: bool | None = None
    notes: list[str] = field(default_factory=list)
    size: int = 0
    count: int = 0


class Reader:
    """Copies files to a staging folder under names of its own, and keeps account of what is left out."""

    def __init__(self, staging: Path, where: tzinfo | None, refuse: Refuse) -> None:
        self.staging, self.where, self.refuse = staging, where, refuse
        self.count = 0

    def take(self, hand_in: HandIn, entry: Entry, name: str, order: int = 0) -> None:
        """Add a file to the hand-in; a zip is taken apart once."""
        kind = Path(name).suffix.casefold()
        if kind == ".zip":
            if copy := self._copy(hand_in, entry):
                with files.nested(copy, entry.shown, self.refuse) as inside:
                    for inner in inside:
                        if inner.name.casefold().endswith(".ipynb"):
                            self.take(hand_in, inner, inner.name, order)
            return
        if kind != ".ipynb":
            hand_in.notes.append(f"'{name}' is no notebook and was left out")
            return
        if copy := self._copy(hand_in, entry):
            when = times.to_utc(entry.time, self.where) if entry.time and entry.budget else None
            hand_in.files.append(File(name, copy, order, when))

    def _copy(self, hand_in: HandIn, entry: Entry) -> Path | None:
        """Our copy of a file; None, with the reason said, for one that is refused."""
        if hand_in.size > MAX_SIZE or hand_in.count >= MAX_FILES:      # one student must not stop a class's collection
            self.refuse(entry.shown, f"a hand-in has at most {MAX_SIZE >> 20} MB in {MAX_FILES} files")
            return None
        hand_in.count += 1
        self.count += 1
        path = self.staging / f"{self.count:06d}"
        try:
            entry.copy(path)
        except Refused as e:
            hand_in.size += MAX_BYTES       # so much may have been unpacked
            self.refuse(entry.shown, str(e))
            return None
        hand_in.size += path.stat().st_size
        return path


def kind_of(found: list[Entry]) -> str:
    """What wrote these names: moodle, canvas or folder."""
    tops = [e.parts[0] for e in found]
    if any("_assignsubmission_" in top for top in tops) or any(
            len(e.parts) > 1 and "_assignsubmission_" in e.parts[1] for e in found):
        return "moodle"
    work = [e for e in found if e.name.casefold().endswith((".ipynb", ".zip"))]     # Canvas adds pages for typed text
    if work and all(len(e.parts) == 1 and re.fullmatch(CANVAS, e.name) for e in work):
        return "canvas"
    return "folder"


def collector(pattern: str) -> Any:
    """nbgrader's plugin for names of this pattern; raises AutograderError for one that is none."""
    from nbgrader.plugins import FileNameCollectorPlugin

    try:
        groups = re.compile(pattern).groupindex
    except re.error as e:
        raise AutograderError(f"--pattern is no regular expression: {e}") from None
    if "student_id" not in groups:
        raise AutograderError("--pattern has no group (?P<student_id>...)")
    plugin = FileNameCollectorPlugin(named_regexp=rf"(?:{pattern})\Z")
    plugin.log = silent_log()
    return plugin


def hand_ins(kind: str, found: list[Entry], reader: Reader, *, pattern: str = "", assignment: str = "",
             made: datetime | None = None) -> list[HandIn]:
    """The hand-ins of a download of this kind, in the order of their names; `made`: when the download was made."""
    if kind == "folder":
        return list(_folder(found, reader, assignment))
    if kind == "pattern":
        return list(_pattern(found, reader, pattern))
    if kind == "canvas":        # its zip has the time of the download alone
        return list(_canvas(found, reader))
    got = list(_moodle(found, reader))
    _judge_times(got, made)
    return got


def _matched(found: Iterable[Entry], plugin: Any, reader: Reader, *, depth: int) -> Iterator[tuple[Entry, Any]]:
    """The entries whose name the plugin can take apart; `depth`: how many parts of the name it looks at."""
    for entry in found:
        groups = None
        for start in range(max(1, len(entry.parts) - depth + 1)):       # the zip may have a folder around all
            name = "/".join(entry.parts[start:])
            plugin.valid_ext = [os.path.splitext(name)[1]]              # what is no notebook is sorted out later
            if groups := plugin.collect(name):
                yield entry, groups
                break
        if not groups:
            reader.refuse(entry.shown, "its name is not of this platform's form")


def _moodle(found: list[Entry], reader: Reader) -> Iterator[HandIn]:
    by: dict[tuple[str, str], HandIn] = {}
    rest = []
    for entry in found:
        if any("_assignsubmission_onlinetext" in part for part in entry.parts):
            reader.refuse(entry.shown, "is a text written in Moodle, no notebook")
        else:
            rest.append(entry)
    for entry, groups in _matched(rest, collector(MOODLE), reader, depth=99):
        who, number = groups["student_id"], groups["number"]
        name = groups["file_id"].rpartition("/")[2].lstrip("_") or entry.name
        keys = [("moodle", number), ("name", who)]
        hand_in = by.setdefault((who, number), HandIn(f"{who} ({number})", who.replace(" ", "_"), keys))
        _seen(hand_in, entry, reader)
        reader.take(hand_in, entry, name)
    yield from by.values()


def _canvas(found: list[Entry], reader: Reader) -> Iterator[HandIn]:
    by: dict[tuple[str, str], HandIn] = {}      # a number with two names is two hand-ins: one is not who it says
    for entry, groups in _matched(found, collector(CANVAS), reader, depth=1):
        number = groups["number"]
        name = groups["student_id"] or "anonymous"
        keys = [("canvas", number), ("squashed", name)]
        hand_in = by.setdefault((number, name), HandIn(f"{name} ({number})", number, keys, late=False))
        hand_in.late = hand_in.late or bool(groups["late"])
        _seen(hand_in, entry, reader)
        reader.take(hand_in, entry, groups["file_id"], int(groups["file"][:18]))
    yield from by.values()


def _seen(hand_in: HandIn, entry: Entry, reader: Reader) -> None:
    if entry.time:
        when = times.to_utc(entry.time, reader.where)
        hand_in.seen = max(hand_in.seen or when, when)


def _judge_times(got: list[HandIn], made: datetime | None) -> None:
    """Whether the times in Moodle's zip are those of the submissions; `made`: the zip's own time.

    Moodle since 3.10 writes each entry with the time of the download (files/classes/local/archive_writer), older ones
    the file's. Where all come at once nothing is known but that the work was there by then, and what is not known is
    never late.
    """
    seen = [h.seen for h in got if h.seen]
    if not seen or (len(seen) > 1 and max(seen) - min(seen) <= AT_ONCE):
        return
    if len(seen) == 1 and made and abs(made - seen[0]) < A_DAY:         # a day: the zone may be wrong
        return
    for hand_in in got:
        hand_in.time = hand_in.seen


def _folder(found: list[Entry], reader: Reader, assignment: str) -> Iterator[HandIn]:
    for inside in (found, [_below(e) for e in found if len(e.parts) > 1]):
        ours = [e for e in inside if len(e.parts) > 2 and e.parts[1] == assignment]
        if ours:                # nbgrader's STUDENT/ASSIGNMENT/: the other assignments of the folder are not meant
            found = ours
            break
    else:
        if len({e.parts[0] for e in found}) == 1 and all(len(e.parts) > 2 for e in found):
            found = [_below(e) for e in found]          # one folder around the students'
    by: dict[str, HandIn] = {}
    for entry in found:
        who = entry.parts[0] if len(entry.parts) > 1 else re.sub(r"\.(ipynb|zip)$", "", entry.name, flags=re.IGNORECASE)
        hand_in = by.setdefault(who, HandIn(who, who, _any(who)))
        if entry.name == TIMESTAMP and len(entry.parts) > 1:
            hand_in.time = _recorded(entry)
        else:
            reader.take(hand_in, entry, entry.name)
    yield from by.values()


def _below(entry: Entry) -> Entry:
    return Entry(entry.parts[1:], entry.time, entry.open, entry.budget)


def _any(who: str) -> list[tuple[str, str]]:
    return [(kind, who) for kind in ("id", "login", "email", "name", "moodle", "canvas")]


def _recorded(entry: Entry) -> datetime | None:
    try:
        with entry.open() as file:
            return times.parse(file.read(200).decode("utf-8", "replace"), UTC)
    except (Refused, OSError, ValueError, RuntimeError):
        return None


def _pattern(found: list[Entry], reader: Reader, pattern: str) -> Iterator[HandIn]:
    by: dict[str, HandIn] = {}
    for entry, groups in _matched(found, collector(pattern), reader, depth=99):
        who = groups["student_id"]
        name = f"{groups.get('first_name') or ''} {groups.get('last_name') or ''}".strip()
        keys = [*_any(who), *((("name", name),) if name else ()),
                *((("email", groups["email"]),) if groups.get("email") else ())]
        hand_in = by.setdefault(who, HandIn(who, who, keys))
        when = times.parse(_dashed(groups.get("timestamp") or ""), reader.where)
        hand_in.time = max(filter(None, (hand_in.time, when)), default=None)
        name = groups.get("file_id") or entry.name
        reader.take(hand_in, entry, name if "." in name else name + ".ipynb")
    yield from by.values()


def _dashed(text: str) -> str:
    """2016-01-30-15-00-00, as nbgrader's example of a pattern has it."""
    return re.sub(r"^(\d{4}-\d\d-\d\d)[-_T](\d\d)[-.:](\d\d)[-.:](\d\d)$", r"\1 \2:\3:\4", text)
