"""Who is who: from the names that a platform uses to the ids of the gradebook.

A roster is any table that the platform itself gives out (Moodle's participants or grading worksheet, Canvas's
gradebook) or one of your own, with a column `id` and what else is known of a student: name, email, username, number.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path

from autograder import tables, times
from autograder.errors import AutograderError
from autograder.tables import fold, squash

# What a column is called, in English and in German; the first of a row's that is filled becomes the id.
IDS = ("id", "student_id", "student id", "username", "anmeldename", "sis login id", "sis user id", "id number",
       "id-nummer", "matrikelnummer", "email address", "e-mail-adresse", "email", "e-mail")
FULL = ("full name", "vollständiger name", "name", "student")
FIRST = ("first name", "first_name", "vorname", "firstname")
LAST = ("last name", "last_name", "surname", "nachname", "lastname")
EMAIL = ("email address", "e-mail-adresse", "email", "e-mail")
OTHER = ("username", "anmeldename", "github", "git", "sis login id", "sis user id", "id number", "id-nummer",
         "matrikelnummer", "number", "integration id")
IDENTIFIER = ("identifier",)
HANDED_IN = ("last modified (submission)", "zuletzt geändert (abgabe)")
GERMAN_IDENTIFIER = "teilnehmer"        # Moodle's first column is called ID there, and says "Teilnehmer/in 123"
NUMBERS = ("moodle", "canvas")
MAX_ID = 120


@dataclass
class Roster:
    """Ids by what a platform calls a student; a name that two have leads to none."""

    found: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    times: dict[str, datetime] = field(default_factory=dict)
    people: dict[str, dict[str, str]] = field(default_factory=dict)     # first_name, last_name, email, as nbgrader has
    ids: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def find(self, keys: list[tuple[str, str]]) -> tuple[str | None, str]:
        """The id for the first key that is known, or None and why.

        A platform's number and name must not be of two students: file names are partly the students' to choose.
        """
        known = [(text, ids) for kind, text in keys if (ids := self.found.get((kind, _form(kind, text))))]
        if not known:
            return None, "not in the roster"
        text, ids = known[0]
        if len(ids) > 1:
            return None, (f"the roster has {len(ids)} students called {text}: one with the platform's own numbers, as "
                          "Moodle's grading worksheet, tells them apart")
        if keys[0][0] in NUMBERS and any(ids.isdisjoint(other) for _, other in known[1:]):
            return None, f"the number {text} is one student's, and the name another's"
        return next(iter(ids)), ""

    def adopt(self, known: Mapping[str, str]) -> None:
        """Use the gradebook's own ids, by e-mail address, for students that it knows under another one.

        known: id -> address. A platform's tables do not all have the same columns, and a student must stay one student.
        """
        by_mail: dict[str, set[str]] = defaultdict(set)
        for student, mail in known.items():
            by_mail[fold(mail)].add(student)
        new = {}
        for student, person in self.people.items():
            ids = by_mail.get(fold(person["email"]), set()) if person["email"] else set()
            if student not in known and len(ids) == 1:
                new[student] = next(iter(ids))
        for key, ids in self.found.items():
            self.found[key] = {new.get(s, s) for s in ids}
        self.people = {new.get(s, s): person for s, person in self.people.items()}
        self.times = {new.get(s, s): time for s, time in self.times.items()}
        self.ids = [new.get(s, s) for s in self.ids]


def _form(kind: str, text: str) -> str:
    return squash(text) if kind == "squashed" else fold(text)


def read(path: Path, id_column: str | None = None, where: tzinfo | None = None) -> Roster:
    """The roster in a CSV file; `id_column` names the column of the ids. `where`: the zone of the times in it."""
    table = tables.read(path)
    canvas = table.column("SIS Login ID") is not None or (
        table.column("Student") is not None and table.column("Section") is not None)
    identifier = _identifier(table)
    columns = [table.column(id_column)] if id_column else [
        i for n in IDS if (i := table.column(n)) is not None and i != identifier and not (canvas and n == "id")]
    if canvas and not id_column and (number := table.column("ID")) is not None:
        columns.append(number)
    if id_column and columns == [None]:
        raise AutograderError(f"'{path}' has no column '{id_column}'; it has: {', '.join(table.header[:12])}")
    if not columns:
        raise AutograderError(f"'{path}' has no column for the students' ids (one of id, username, email ...); it has: "
                              f"{', '.join(table.header[:12])}. Name it by --id-column")
    roster = Roster()
    for row in table.rows:
        if canvas and (row[0].strip() == "Points Possible" or not any(c.strip() for c in row[:2])):
            continue
        raw = next((row[i].strip() for i in columns if i is not None and row[i].strip()), "")
        student = safe_id(raw)
        if student is None:
            roster.skipped.append(raw or " ".join(filter(None, row))[:60])
            continue
        roster.ids.append(student)
        roster.people[student] = _person(table, row)
        for kind, text in _names(table, row, identifier, canvas):
            roster.found[kind, _form(kind, text)].add(student)
        roster.found["id", fold(student)].add(student)
        if (i := table.column(*HANDED_IN)) is not None and (time := times.parse(row[i], where)):
            roster.times[student] = time
    if not roster.ids:
        raise AutograderError(f"'{path}' names no student")
    return roster


def _identifier(table: tables.Table) -> int | None:
    """Moodle's column of participant numbers, in its grading worksheet."""
    found = table.column(*IDENTIFIER)
    if found is None and table.rows and table.rows[0][0].casefold().startswith(GERMAN_IDENTIFIER):
        found = 0
    return found


def _person(table: tables.Table, row: list[str]) -> dict[str, str]:
    """First name, last name and e-mail address, as far as the table has them."""
    first, last, full = _cell(table, row, FIRST), _cell(table, row, LAST), _cell(table, row, FULL)
    if not (first or last) and full:
        if "," in full:                                 # Canvas's sortable name
            last, _, first = full.partition(",")
        else:
            first, _, last = full.rpartition(" ")
    return {"first_name": first.strip(), "last_name": last.strip(), "email": _cell(table, row, EMAIL)}


def _cell(table: tables.Table, row: list[str], names: tuple[str, ...]) -> str:
    i = table.column(*names)
    return row[i].strip() if i is not None else ""


def _names(table: tables.Table, row: list[str], identifier: int | None, canvas: bool) -> list[tuple[str, str]]:
    """All that a platform may call this student, as (kind, text)."""
    person, full = _person(table, row), _cell(table, row, FULL)
    first, last, email = person["first_name"], person["last_name"], person["email"]
    found = [("name", n) for n in (full, f"{first} {last}".strip(), f"{last} {first}".strip()) if n]
    found += [("squashed", n) for n in (full, f"{last} {first}") if squash(n)]
    found += [("login", text) for name in OTHER if (text := _cell(table, row, (name,)))]
    if email:
        found += [("email", email), ("login", email), ("login", email.partition("@")[0])]
    if identifier is not None and (number := re.search(r"\d+$", row[identifier].strip())):
        found.append(("moodle", number[0]))
    if canvas and (number_cell := _cell(table, row, ("ID",))):
        found.append(("canvas", number_cell))
    return found


def safe_id(text: str) -> str | None:
    """A student's id as it can name a folder; None for one that cannot."""
    text = unicodedata.normalize("NFC", text.strip())
    if not text or text.startswith((".", "-")) or len(text.encode("utf-8", "replace")) > MAX_ID:
        return None
    if not text.isprintable() or any(ch in text for ch in '/\\:*?"<>|{}'):
        return None
    return text
