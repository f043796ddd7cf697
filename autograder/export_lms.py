"""Tables that Canvas and Moodle take: the platform's own, filled in, or one that it can match.

Canvas reads a table whose first columns are Student, ID, (SIS User ID, SIS Login ID,) Section, then a column an
assignment, called "Title (number)"; the row "Points Possible" follows. An empty cell changes nothing there. (Canvas's
guide, *How do I import grades in the Gradebook*; its source, lib/gradebook_importer.rb.)

Moodle takes its grading worksheet back by the column Identifier, and skips an empty grade. (Moodle's documentation,
*Offline grading worksheet*; mod/assign/feedback/offline.) A worksheet is written in the language of its user. Without
one, its gradebook imports any CSV and asks which column is which. (*Grade import*.)

Only the cells of graded students are touched; what a student chose to be called is made harmless to spreadsheets.
"""

from __future__ import annotations

import html
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder import roster as rosters
from autograder import tables
from autograder.course import Course, read_record
from autograder.errors import AutograderError
from autograder.export import PENDING, Grade, number
from autograder.tables import Table, fold, harmless

POINTS = "Points Possible"
CANVAS_PEOPLE = ("Student", "LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID", "Integration ID",
                 "Root Account", "Section")
CANVAS_TOTALS = re.compile(r"(Current|Final|Override) (Score|Points|Grade|Status)")
FULL, FIRST, LAST = ("Student", "Full name", "Vollständiger Name", "Name"), ("FirstName", "First name", "Vorname"), (
    "LastName", "Last name", "Nachname")
GRADE = ("Grade", "Bewertung")
MAXIMUM = ("Maximum grade", "Bestwertung", "Maximale Bewertung")
FEEDBACK = ("Feedback comments", "Feedback als Kommentar")
MAX_FEEDBACK = 4_000
IDS = ("SIS Login ID", "SIS User ID", "ID", "Integration ID", "Username", "Anmeldename", "ID number", "ID-Nummer",
       "Matrikelnummer", "Email address", "E-Mail-Adresse", "Email")


def make(format: str, assignment: str, grades: Sequence[Grade], course: Course) -> Table:
    """A table without a template: Canvas matches by SIS Login ID or ID, Moodle by ID number or e-mail address."""
    if format == "canvas":
        table = Table(["Student", "ID", "SIS User ID", "SIS Login ID", "Section", harmless(assignment)])
        most = max((g.max_score for g in grades), default=0.0)
        table.rows.append([f"    {POINTS}", "", "", "", "", number(most)])
        for g in grades:
            record = read_record(course.collected_path(assignment, g.id))
            # without a roster, what came from Canvas has Canvas's own number as id
            own = g.student == g.id and record.get("format") == "canvas" and g.id.isdigit()
            table.rows.append([harmless(g.name or g.student), g.id if own else "", "", "" if own else
                               harmless(g.student), "", number(g.score)])
        return table
    table = Table(["ID number", "Email address", harmless(assignment), "Feedback comments"])
    for g in grades:
        if g.score is not None:     # an empty grade would be imported as one
            mail = g.email or (g.student if "@" in g.student else "")
            table.rows.append([harmless(g.student), harmless(mail), number(g.score), feedback(g)])
    return table


def fill(format: str, assignment: str, grades: Sequence[Grade], template: Path, column: str | None,
         roster: Path | None) -> tuple[Table, int, list[str]]:
    """The platform's own table with scores in it, how many, and what does not fit; raises AutograderError."""
    table = tables.read(template)
    names = rosters.read(roster) if roster else None
    if names:
        names.adopt({g.id: g.email for g in grades})
    canvas = format == "canvas"
    target = _canvas_column(table, assignment, column, template) if canvas else _moodle_column(table, column, template)
    comments = None if canvas else table.column(*FEEDBACK)
    comma = not canvas and any("," in row[i] for row in table.rows for i in [table.column(*MAXIMUM)] if i is not None)
    chosen = [i for n in (*FULL, *FIRST, *LAST) if (i := table.column(n)) is not None]
    found = _students(table, grades, names)
    twice = {s: n for s, n in Counter(g.id for g in found if g).items() if n > 1}
    notes = [f"'{s}' stands in {n} rows of the template, so none was filled in" for s, n in twice.items()]
    written = 0
    for row, grade in zip(table.rows, found, strict=True):
        for i in chosen if not _is_points(row) else ():
            row[i] = harmless(row[i])
        if grade is None or grade.id in twice or grade.score is None:
            continue
        row[target] = number(grade.score).replace(".", ",") if comma else number(grade.score)
        written += 1
        if comments is not None and (text := feedback(grade)):
            row[comments] = text
    there = {g.id for g in found if g}
    if missing := [g.student for g in grades if g.score is not None and g.id not in there]:
        notes.append(f"not in the template: {', '.join(missing[:8])}" + (
            f" and {len(missing) - 8} more" if len(missing) > 8 else "") + " (--roster maps names to ids)")
    notes += _points_differ(table, target, grades, canvas)
    return table, written, notes


def _is_points(row: Sequence[str]) -> bool:
    return row[0].strip() == POINTS


def _canvas_column(table: Table, assignment: str, column: str | None, template: Path) -> int:
    """The column of the assignment: called so by --column, or by its title with or without Canvas's number."""
    if table.column("Student", "LastName") is None or table.column("ID") is None:
        raise AutograderError(f"'{template}' is no gradebook of Canvas: it has no columns Student and ID")
    titles = {i: h for i, h in enumerate(table.header) if h and h not in CANVAS_PEOPLE and not CANVAS_TOTALS.search(h)}
    wanted = fold(column or assignment)
    for form in (lambda h: fold(h), lambda h: fold(re.sub(r"\s*\(\d+\)$", "", h))):
        found = [i for i, h in titles.items() if form(h) == wanted]
        if len(found) == 1:
            return found[0]
    some = ", ".join(list(titles.values())[:10]) or "none"
    raise AutograderError(f"'{template}' has no column for '{column or assignment}'; name one by --column: {some}")


def _moodle_column(table: Table, column: str | None, template: Path) -> int:
    found = table.column(column) if column else table.column(*GRADE)
    if found is None:
        raise AutograderError(f"'{template}' has no column '{column or 'Grade'}'; name one by --column: "
                              f"{', '.join(table.header[:14])}")
    return found


def _students(table: Table, grades: Sequence[Grade], names: rosters.Roster | None) -> list[Grade | None]:
    """Whose each row is: by the roster; or by the one column that knows most ids, and else by a name of one student.

    One column, not any: a number of Canvas may be another student's number elsewhere.
    """
    ids = {g.id: g for g in grades}
    if names:
        return [None if _is_points(row) else ids.get(names.find(_keys(table, row))[0] or "") for row in table.rows]
    known: dict[str, set[str]] = defaultdict(set)
    for g in grades:
        for text in (g.id, g.email):
            if text:
                known[fold(text)].add(g.id)
    columns = [i for n in IDS if (i := table.column(n)) is not None]
    best: list[Grade | None] = [None] * len(table.rows)
    for i in columns:
        found = [_only(known, row[i], row[i].partition("@")[0]) if not _is_points(row) else "" for row in table.rows]
        if sum(map(bool, found)) > sum(g is not None for g in best):
            best = [ids.get(student) for student in found]
    called: dict[str, set[str]] = defaultdict(set)
    for g in grades:
        for text in (f"{g.first_name} {g.last_name}", g.id.replace("_", " ")):
            called[fold(text)].add(g.id)
    taken = {g.id for g in best if g}
    for n, row in enumerate(table.rows):
        if best[n] is None and not _is_points(row):
            student = _only(called, *(text for kind, text in _keys(table, row) if kind == "name"))
            best[n] = ids.get(student) if student not in taken else None
    return best


def _only(known: dict[str, set[str]], *texts: str) -> str:
    """The one student whom the first known of these texts means, or an empty text."""
    found = next((known[fold(t)] for t in texts if t.strip() and fold(t) in known), set())
    return next(iter(found)) if len(found) == 1 else ""


def _keys(table: Table, row: list[str]) -> list[tuple[str, str]]:
    """What a row says of its student, as a roster may know it."""
    keys: list[tuple[str, str]] = []
    for column in IDS:
        if (i := table.column(column)) is not None and row[i].strip():
            keys += [("canvas", row[i])] if column == "ID" else [(kind, row[i]) for kind in ("login", "email", "id")]
    if number := re.search(r"\d+$", row[0].strip()):
        keys.append(("moodle", number[0]))
    first, last = ([row[i].strip() for n in part if (i := table.column(n)) is not None] for part in (FIRST, LAST))
    full = [row[i].strip() for n in FULL if (i := table.column(n)) is not None]
    full += [f"{b.strip()} {a.strip()}" for a, _, b in (n.partition(",") for n in full) if b]
    return keys + [("name", name) for name in (*full, *(f"{a} {b}" for a, b in zip(first, last, strict=False))) if name]


def _points_differ(table: Table, target: int, grades: Sequence[Grade], canvas: bool) -> list[str]:
    """Whether the platform counts from another maximum: scores are never scaled in silence."""
    most = {g.max_score for g in grades}
    cells = [row[target] for row in table.rows if _is_points(row)] if canvas else [
        row[i] for row in table.rows for i in [table.column(*MAXIMUM)] if i is not None and row[i].strip()]
    notes = []
    for text in list(dict.fromkeys(cells))[:1]:
        theirs = _float(text)
        if theirs is not None and most and theirs not in most:
            notes.append(f"the platform's maximum is {text.strip()}, the course's {number(max(most))}: set it there, "
                         "since the scores are written as they are")
    above = [g.student for g in grades if g.score is not None and g.score > g.max_score]
    if above and not canvas:
        notes.append(f"above the maximum by extra credit, which Moodle's worksheet skips: {', '.join(above[:8])}")
    return notes


def _float(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def feedback(grade: Grade) -> str:
    """What the student reads beside the grade: a line a cell. Moodle shows it as HTML, so it is escaped."""
    told: dict[Any, Any] = {(c.get("notebook"), c.get("grade_id")): c for c in grade.result.get("cells", [])}
    lines = []
    for c in grade.cells:
        r = told.get((c.notebook, c.grade_id)) or told.get((None, c.grade_id)) or {}
        got = "not graded yet" if c.score is None else f"{number(c.score)} of {number(c.max_score)}"
        says = [str(m.get("sentence", "")) for m in (r.get("misconceptions") or [])[:1]]
        lines.append(" ".join([f"{r.get('function') or c.grade_id}: {got}.", *says]).strip())
    lines += [f"{name}: {text}" for _, name, text in grade.comments]
    if grade.penalty:
        lines.append(f"late: {number(grade.penalty)} points off.")
    if grade.status == PENDING:
        lines.append("A part still waits for manual grading.")
    text = html.escape(" | ".join(" ".join(line.split()) for line in lines), quote=False)
    return harmless(text[:MAX_FEEDBACK])
