"""Read what a student handed in, and rebuild it from the course's own cells.

A submitted file is input from a stranger. Nothing in it decides anything but the source of the cells that are the
student's to write: test cells, points, flags, tags and the order come from the course (`Template`), which the gradebook
and the release notebook give. That removes edited tests, changed points, skip tags, deleted, doubled, split and
reordered cells in one stroke, and it cannot fail: what cannot be read becomes a note and an empty answer.

No function here raises on a bad notebook, and none imports nbgrader or nbformat (over a second between them).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.plain_file import NotPlain, open_plain

MAX_BYTES = 32 << 20        # a notebook with many pictures has 5 MB
MAX_PARTS = 3_000_000       # values in its JSON; 32 MB of "[]," would take 800 MB of this process
MAX_CELLS = 1000
MAX_SOURCE = 256 << 10      # characters a cell; the longest honest cell seen has 9,000
MAX_SOURCES = 1 << 20       # of all cells; an honest notebook has 150,000. Pages of 32 MB can take hours to make

MISSING_CODE = "# this cell was missing from the submission"
MISSING_TEXT = "*(this cell was missing from the submission)*"
TYPES = ("code", "markdown", "raw")


@dataclass(frozen=True)
class CellSpec:
    """One cell of the assignment as the course has it; `source` holds the hidden tests of a test cell."""

    name: str
    cell_type: str
    source: str
    checksum: str | None = None
    grade: bool = False
    solution: bool = False
    locked: bool = True
    task: bool = False
    points: float | None = None
    picture: bool = False       # tagged so in the release: not run when grading

    @property
    def test(self) -> bool:
        """A cell whose score the grader decides (a manual answer is graded and a solution at once)."""
        return self.grade and not self.solution and self.cell_type == "code"

    @property
    def students(self) -> bool:
        """The source is the student's to write."""
        return not (self.locked or (self.grade and not self.solution))

    def metadata(self) -> dict[str, Any]:
        """Fresh nbgrader metadata, in the form that nbgrader's own preprocessors check."""
        nbgrader: dict[str, Any] = {
            "schema_version": 3, "grade_id": self.name, "cell_type": self.cell_type, "grade": self.grade,
            "solution": self.solution, "locked": not self.students, "task": self.task,
        }
        if self.checksum:
            nbgrader["checksum"] = self.checksum
        if self.points is not None and (self.grade or self.task):
            nbgrader["points"] = self.points
        locks = {} if self.students else {"editable": False}
        return {"nbgrader": nbgrader, "deletable": False, **locks}


@dataclass(frozen=True)
class Template:
    """One notebook of an assignment as the course has it: its cells in order, and what else the release says.

    `pictures` and `given` hold the sources of release cells that the gradebook does not know: pictures are not run
    when grading, and given text is the instructor's, so its HTML is left alone.
    """

    assignment: str
    cells: tuple[CellSpec, ...]
    kernelspec: dict[str, Any] = field(default_factory=dict)
    pictures: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    released: dict[str, str] = field(default_factory=dict)      # grade_id -> the text students got
    notebook: str = ""          # its name; empty: the assignment's

    @property
    def name(self) -> str:
        return self.notebook or self.assignment

    @property
    def points(self) -> float:
        return sum(c.points or 0.0 for c in self.cells if c.grade or c.task)

    def digest(self) -> str:
        """A hash of all that the course decides, so that a changed test is a reason to grade again."""
        return digest([dataclasses.astuple(c) for c in self.cells])


@dataclass
class Cell:
    """A cell of the rebuilt notebook; `spec` is None for one that the student added."""

    id: str
    cell_type: str
    source: str
    spec: CellSpec | None = None
    picture: bool = False
    trusted: bool = False       # the text is the course's, not the student's
    missing: bool = False

    @property
    def name(self) -> str:
        return self.spec.name if self.spec else self.id


@dataclass
class Submission:
    """A submitted notebook, rebuilt. `status`: graded (can be run), or missing | unreadable | refused (0, and why)."""

    assignment: str
    student: str
    cells: list[Cell]
    status: str = "graded"
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    incidents: list[dict[str, str]] = field(default_factory=list)
    kernelspec: dict[str, Any] = field(default_factory=dict)
    notebook: str = ""          # its name; empty: the assignment's
    file: tuple[str, bytes] | None = None   # the file that was read: its name and its content

    @property
    def name(self) -> str:
        return self.notebook or self.assignment

    @property
    def source_hash(self) -> str:
        """What the result depends on, from the student's side."""
        cells = [[c.id, c.cell_type, c.source, c.missing] for c in self.cells]
        return digest([self.status, self.reason, self.notes, cells])

    @property
    def solution_hash(self) -> str:
        """The hash of the answers: a remark in a given cell does not draw new inputs, a new answer does.

        Added code counts: an answer that calls a function of an added cell would meet the same inputs with another one.
        """
        added = [["", c.source] for c in self.cells if not c.spec and c.cell_type == "code" and not c.trusted]
        return digest([[c.name, c.source] for c in self.cells if c.spec and c.spec.students] + added)


def digest(value: object) -> str:
    """A short stable name of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


# reading --------------------------------------------------------------------------------------------------------------

class Unreadable(Exception):
    """Why a file cannot be taken: `status` is missing, refused or unreadable."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(_saved(reason))      # it may name a file
        self.status = status


def find(folder: Path, name: str, root: Path, siblings: Collection[str] = ()) -> tuple[Path, list[str]]:
    """The file of the notebook `name` in `folder`, and notes. Raises Unreadable where there is none.

    `siblings`: the names of the assignment's other notebooks, which are never taken for a renamed `name`.
    """
    _refuse_links(folder, root)
    path = folder / f"{name}.ipynb"
    if os.path.lexists(path):
        return path, []
    others = _renamed(folder, name, siblings)
    if len(others) != 1:
        raise Unreadable("missing", f"there is no file '{name}.ipynb' in the submission")
    # browsers rename a second download: "03_rnn (1).ipynb"
    return others[0], [f"the notebook is called '{_saved(others[0].name)}'; graded as '{name}.ipynb'"]


def read_plain(path: Path, root: Path, most: int) -> bytes:
    """The bytes of a plain file of at most `most` bytes; no link between `root` and it is followed, nor itself.

    Raises Unreadable.
    """
    _refuse_links(path.parent, root)
    try:
        fd = open_plain(root, path.relative_to(root).parts)
    except NotPlain:
        raise Unreadable("refused", f"'{path.name}' is not a plain file") from None
    except OSError as e:
        if path.is_symlink():
            raise Unreadable("refused", f"'{path.name}' is a symbolic link; links are not followed") from None
        raise Unreadable("unreadable", f"'{path.name}' cannot be opened ({e.strerror})") from None
    with os.fdopen(fd, "rb") as file:
        size = os.fstat(fd).st_size
        if size > most:
            raise Unreadable("refused", f"'{path.name}' has {size >> 20} MB; the limit is {most >> 20} MB")
        return file.read(most)


def _refuse_links(folder: Path, root: Path) -> None:
    place = root
    for part in folder.relative_to(root).parts:
        place = place / part
        if place.is_symlink():
            raise Unreadable("refused", f"'{place.relative_to(root)}' is a symbolic link; links are not followed")


def _renamed(folder: Path, name: str, siblings: Collection[str]) -> list[Path]:
    """Which file may be the notebook under another name: any, or, among siblings, one whose name begins alike."""
    found = sorted(p for p in folder.glob("*.ipynb") if p.stem not in siblings) if folder.is_dir() else []
    return [p for p in found if not siblings or re.fullmatch(re.escape(name) + r"[^0-9A-Za-z].*", p.stem, re.S)]


def read_cells(data: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """The cells of a notebook of any format as plain dictionaries (type, source, grade_id, id, metadata), and notes."""
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_PARTS:
        raise Unreadable("refused", f"the notebook has more than {MAX_PARTS // 1_000_000} million values: clear its "
                                    "outputs, save it and hand it in again")
    try:
        nb = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Unreadable("unreadable", "the file is not UTF-8 text") from None
    except (ValueError, RecursionError, MemoryError) as e:
        where = f" (line {e.lineno})" if isinstance(e, json.JSONDecodeError) else ""
        raise Unreadable("unreadable", f"the file is not a notebook: its JSON is broken{where}") from None
    if not isinstance(nb, dict):
        raise Unreadable("unreadable", "the file is JSON but not a notebook")
    notes = []
    major = nb.get("nbformat")
    raw = nb.get("cells")
    if major == 3 or (raw is None and isinstance(nb.get("worksheets"), list)):
        notes.append("the notebook is in the old format 3; its cells were read as they are")
        raw = [c for sheet in nb.get("worksheets") or [] if isinstance(sheet, dict) for c in sheet.get("cells") or []]
    elif major != 4:
        notes.append(f"the notebook says format {str(major)[:20]!r}; it was read as format 4")
    if not isinstance(raw, list):
        raise Unreadable("unreadable", "the notebook has no list of cells")
    if len(raw) > MAX_CELLS:
        notes.append(f"the notebook has {len(raw)} cells; the first {MAX_CELLS} were read")
    cells = [_plain(c, notes) for c in raw[:MAX_CELLS] if isinstance(c, dict)]
    if len(cells) < len(raw[:MAX_CELLS]):
        notes.append("some entries of the cell list are not cells and were left out")
    left = MAX_SOURCES
    for c in cells:
        left -= len(c["source"])
        if left < 0:
            c["source"] = ""
    if left < 0:
        notes.append(f"the notebook has more than {MAX_SOURCES} characters of source; what came after was left out")
    return cells, notes


def cells_of(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook of the course's or of a copy of ours; none where it cannot be read."""
    try:
        return read_cells(path.read_bytes())[0]
    except (OSError, Unreadable):
        return []


def _saved(text: str) -> str:
    """Without lone surrogates, which JSON and file names may hold and no file of ours can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(cell: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """One cell with every field of the type that it must have."""
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(s for s in source if isinstance(s, str))
    if not isinstance(source, str):
        source = ""
    source = _saved(source)
    source = source.replace("\r\n", "\n")
    kind = cell.get("cell_type")
    kind = kind if kind in TYPES else "markdown" if kind in ("heading", "html") else "code"
    meta = cell.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    nbgrader = meta.get("nbgrader")
    nbgrader = nbgrader if isinstance(nbgrader, dict) else {}
    grade_id, cell_id = nbgrader.get("grade_id"), cell.get("id")
    if len(source) > MAX_SOURCE:
        notes.append(f"a cell of {len(source)} characters was left out (limit {MAX_SOURCE})")
        source = ""
    return {
        "cell_type": kind, "source": source, "nbgrader": nbgrader,
        "grade_id": grade_id if isinstance(grade_id, str) else None,
        "id": cell_id if isinstance(cell_id, str) else None,
        "tags": [_saved(str(t)[:40]) for t in meta["tags"][:10]] if isinstance(meta.get("tags"), list) else [],
    }


# rebuilding -----------------------------------------------------------------------------------------------------------

def rebuild(template: Template, cells: Iterable[dict[str, Any]], student: str = "") -> Submission:
    """The assignment's cells in the assignment's order, with the student's source where it is the student's to write.

    A cell that the student added stays behind the assignment's cell that it followed. A cell that occurs twice (copied,
    or split in the editor) counts in its last place, as in nbgrader, and the others stay as added cells, so that the
    code runs in the order in which the student saw it run. A cell whose metadata was lost on the way through another
    editor is found by its cell id.
    """
    sub = Submission(template.assignment, student, [], kernelspec=dict(template.kernelspec), notebook=template.name)
    specs = {c.name: c for c in template.cells}
    cells = list(cells)
    has = {c["grade_id"] for c in cells}
    chosen: dict[str, int] = {}
    for i, c in enumerate(cells):
        name = c["grade_id"]
        if name not in specs and c["id"] in specs and c["id"] not in has:
            name = c["id"]
            sub.notes.append(f"{name}: its metadata was lost; found by the cell's id")
        if name in specs:
            if name in chosen:
                sub.notes.append(f"{name}: occurs more than once; the last one counts")
            chosen[name] = i
    names = {i: name for name, i in chosen.items()}

    behind: dict[str | None, list[Cell]] = {}
    anchor: str | None = None
    for i, c in enumerate(cells):
        if i in names:
            anchor = names[i]
            continue
        if not c["source"].strip():
            continue
        given = c["source"] in template.given
        kind = "markdown" if c["cell_type"] == "raw" else c["cell_type"]    # pages copy a raw cell as it stands
        behind.setdefault(anchor, []).append(
            Cell(f"student-{i:04d}", kind, c["source"], picture=c["source"] in template.pictures, trusted=given))

    sub.cells = behind.get(None, [])
    for spec in template.cells:
        sub.cells.append(_fill(spec, cells[chosen[spec.name]] if spec.name in chosen else None, template, sub))
        sub.cells.extend(behind.get(spec.name, []))
    order = [chosen[c.name] for c in template.cells if c.name in chosen]
    if order != sorted(order):
        sub.notes.append("cells were moved; the assignment's order counts")
    return sub


def _fill(spec: CellSpec, cell: dict[str, Any] | None, template: Template, sub: Submission) -> Cell:
    """The rebuilt cell of `spec`; what the student changed that does not count is noted."""
    if cell is None:
        missing = MISSING_CODE if spec.cell_type == "code" else MISSING_TEXT
        if spec.students or spec.test:
            sub.notes.append(f"{spec.name}: missing from the submission" + ("" if spec.students else "; put back"))
        return Cell(spec.name, spec.cell_type, missing if spec.students else spec.source, spec,
                    trusted=not spec.students, missing=True)
    changed = []
    if cell["cell_type"] != spec.cell_type:
        changed.append("type")
    meta = cell["nbgrader"]
    if meta:
        changed += [k for k, want in (("grade", spec.grade), ("solution", spec.solution)) if meta.get(k, want) != want]
        if spec.grade and meta.get("points", spec.points) != spec.points:
            changed.append("points")
    if cell["tags"]:
        changed.append("tags " + ", ".join(cell["tags"]))
    released = template.released.get(spec.name)
    if spec.test and released is not None and cell["source"].strip() != released.strip():
        changed.append("test")
    if changed:
        text = f"changed in the submission: {'; '.join(changed)}; the course's own count"
        sub.incidents.append({"kind": "changed", "cell": spec.name, "text": text})
    return Cell(spec.name, spec.cell_type, cell["source"] if spec.students else spec.source, spec,
                picture=spec.picture, trusted=not spec.students)


def unreadable(template: Template, student: str, status: str, reason: str) -> Submission:
    """A submission of which nothing can be read: every cell is missing, and `reason` says why."""
    sub = rebuild(template, [], student)
    sub.status, sub.reason, sub.notes = status, reason, [reason]
    return sub


def load(template: Template, root: Path, student: str, siblings: Collection[str] = (), folder: Path | None = None
         ) -> Submission:
    """The notebook of `student` below `root` (the folder `submitted`), rebuilt. Never raises on what is there.

    `folder`: where it lies, if not in STUDENT/ASSIGNMENT.
    """
    place, root = (folder, folder) if folder else (root / student / template.assignment, root)
    file = None
    try:
        path, notes = find(place, template.name, root, siblings)
        data = read_plain(path, root, MAX_BYTES)
        file = path.name, data
        cells, more = read_cells(data)
        sub = rebuild(template, cells, student)
        sub.notes[:0] = notes + more
        if not any(c.spec and c.spec.students and not c.missing for c in sub.cells):
            if not any(c.spec is None and c.cell_type == "code" and not c.trusted for c in sub.cells):
                raise Unreadable("unreadable", "the notebook has no cell of this assignment")
            sub.notes.append("no answer cell was found; added cells were run all the same")
    except Unreadable as e:
        sub = unreadable(template, student, e.status, str(e))
    except OSError as e:
        sub = unreadable(template, student, "unreadable", f"the submission cannot be read ({e.strerror})")
    sub.file = file
    return sub


def visible(source: str) -> str:
    """A test cell's source without its hidden region: the only part that reaches the student's process or eyes.

    The same rule as nbgrader's ClearHiddenTests. An unclosed region hides everything after it.
    """
    kept, hidden = [], False
    for line in source.split("\n"):
        if "BEGIN HIDDEN TESTS" in line:
            hidden = True
        elif "END HIDDEN TESTS" in line:
            hidden = False
        elif not hidden:
            kept.append(line)
    return "\n".join(kept).rstrip("\n")
