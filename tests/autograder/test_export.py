"""What leaves the course: nbgrader's own numbers, in the forms that the platforms take, harmless to who opens them."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from autograder.__main__ import main
from autograder.anonymous import pseudonym
from autograder.collect import collect
from autograder.course import Course
from autograder.errors import AutograderError, UnknownName
from autograder.export import ABSENT, GRADED, PENDING, UNGRADED, export, grades
from autograder.tables import harmless
from tests.autograder import several_help
from tests.autograder.grading_help import command, copy_course, edit, hand_in, solved

A, PS = "01_mini", several_help.A
EVIL = "=HYPERLINK(1)"


@pytest.fixture(scope="module")
def graded_master(mini_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class in every state: full marks, a mistake, late, scored by a person, broken, not graded, absent."""
    from autograder.driver import grade
    from autograder.gradebook import Grades

    course = copy_course(mini_master, tmp_path_factory.mktemp("exports") / "graded course")
    (course / "course.toml").write_text((course / "course.toml").read_text().replace('policy = "none"',
                                                                                     'policy = "zero"'))
    right = solved(course, A)
    half = edit(right, "double", lambda c: c.update(source="def double(x):\n    return x * x"))
    for student, notebook in (("ada", right), ("bob", half), ("late", right), ("zoe", half), ("broken", b"{")):
        hand_in(course, student, notebook, A)
    (course / "submitted/late" / A / "timestamp.txt").write_text("2026-11-20 00:00:00.000000 UTC")
    (course / "submitted/ada" / A / "timestamp.txt").write_text("2026-11-10 08:30:00.000000 UTC")
    several_help.write_several(course)
    for student in ("ada", "bob"):
        several_help.hand_in(course, student, maths=several_help.answered(course, "maths"),
                             words=several_help.answered(course, "words"))
    with Grades(Course.open(course)) as g:
        g.book.update_or_create_assignment(A, duedate="2026-11-15 00:00:00")
        g.book.update_or_create_student("ada", first_name="Ada", last_name="Lovelace", email="ada@uni.de")
        g.book.update_or_create_student("bob", first_name="Bob", last_name=EVIL)
        g.book.update_or_create_student("absent", first_name="Abe", last_name="Sent")
    grade(course, A, jobs=1)
    grade(course, PS, jobs=1)
    with Grades(Course.open(course)) as g:
        row = g.book.find_grade("double-test", A, A, "zoe")
        row.manual_score, row.extra_credit, row.needs_manual_grade = 3.0, 0.5, False
        g.book.find_comment("double", A, A, "zoe").manual_comment = "Well <b>tried</b>, Zoe"
        g.book.db.commit()
    hand_in(course, "new", right, A)
    return course


@pytest.fixture
def graded(graded_master: Path, tmp_path: Path) -> Path:
    return copy_course(graded_master, tmp_path / "graded course")


def rows(path: Path, separator: str = ",") -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def scores(path: Path) -> dict[str, dict[str, str]]:
    head, *rest = rows(path)
    return {r[0]: dict(zip(head, r, strict=True)) for r in rest}


# numbers --------------------------------------------------------------------------------------------------------------

def test_the_numbers_are_those_of_nbgraders_own_export(graded: Path) -> None:
    command(graded, "nbgrader", "export", "--to", "theirs.csv", "--assignment", f"['{A}', '{PS}']")
    theirs = {(r["assignment"], r["student_id"]): r for r in csv.DictReader((graded / "theirs.csv").open())
              if r["timestamp"] or float(r["score"]) or float(r["raw_score"])}
    assert len(theirs) >= 5
    for assignment in (A, PS):
        export(graded, assignment, "csv", out=graded / "ours.csv")
        ours = scores(graded / "ours.csv")
        for (name, student), r in theirs.items():
            if name == assignment:
                for key, column in (("raw_score", "raw_score"), ("late_submission_penalty", "late_penalty"),
                                    ("score", "score"), ("max_score", "max_score")):
                    assert float(ours[student][column]) == float(r[key]), (name, student, key)
    # a late right one is 0 by the course's policy; manual score and extra credit count
    found = {g.id: g for g in grades(Course.open(graded), A)}
    assert (found["late"].raw_score, found["late"].penalty, found["late"].score) == (10.0, 10.0, 0.0)
    assert found["late"].seconds_late == 5 * 86400 and found["zoe"].score == 9.5
    assert {s: g.status for s, g in found.items()} == {
        **dict.fromkeys(("ada", "bob", "late", "zoe", "broken"), GRADED), "new": UNGRADED, "absent": ABSENT}


def test_who_handed_in_nothing_has_an_empty_cell_and_who_waits_is_flagged(
        graded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(graded), A, "--format", "csv"]) == 0
    got = capsys.readouterr()
    path = graded / "exports" / f"{A}.csv"
    assert got.out.splitlines() == [str(path)] and got.err.splitlines() == [
        "5 scores of 7 students", "1 handed in and not graded yet: new"]
    table = scores(path)
    assert (table["absent"]["score"], table["absent"]["status"], table["new"]["status"]) == ("", ABSENT, UNGRADED)
    assert (table["ada"]["submitted"], table["ada"]["double-test"], table["ada"]["total-test"]) == (
        "2026-11-10T08:30:00+00:00", "4", "6")
    assert (table["broken"]["score"], table["broken"]["status"]) == ("0", GRADED)

    found = export(graded, PS, "csv", out=graded / "ps.csv")
    assert found.notes == ["2 waiting for manual grading, flagged: ada, bob"]
    table = scores(graded / "ps.csv")
    assert table["ada"]["status"] == PENDING and table["ada"]["words/essay"] == ""
    assert table["ada"]["maths/double-test"] == "4" and table["ada"]["words/double-test"] == "3"
    found = export(graded, PS, "moodle", out=graded / "m.csv")
    assert rows(graded / "m.csv")[1:] == [] and "left out (--pending takes them)" in found.notes[0]
    export(graded, PS, "moodle", out=graded / "m.csv", pending=True)
    assert {r[0]: r[2] for r in rows(graded / "m.csv")[1:]} == {"ada": "15", "bob": "15"}


def test_json_holds_the_class_and_no_secret(graded: Path) -> None:
    export(graded, A, "json", out=graded / "x.json")
    text = (graded / "x.json").read_text()
    found = json.loads(text)
    students = {s["student"]: s for s in found["students"]}
    assert found["version"] == 1 and found["assignment"] == A and set(students) == {
        "ada", "bob", "late", "zoe", "broken", "new", "absent"}
    assert [c["score"] for c in students["bob"]["cells"]] == [0.0, 6.0]
    assert students["bob"]["cells"][0]["misconceptions"] == ["square"] and students["absent"]["score"] is None
    assert [c["comment"] for c in students["zoe"]["comments"]] == ["Well <b>tried</b>, Zoe"]
    secret = (graded / ".autograder/secret").read_text().strip()
    results = [json.loads(p.read_text()) for p in (graded / ".autograder/results" / A).glob("*.json")]
    seeds = {c["seed"] for r in results for c in r["cells"] if c.get("seed")}
    assert seeds and not any(word in text for word in (secret, *seeds)) and '"seed"' not in text


# Canvas and Moodle ----------------------------------------------------------------------------------------------------

CANVAS = """\
\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,First (11),01_mini (12),Assignments Current Score,Final Grade
,,,,,,Manual Posting,,
    Points Possible,,,,,5.00,10.00,(read only),(read only)
"Lovelace, Ada",501,4711,ada,A,3.00,,60,B
"=cmd|x, Bob",502,4712,bob,A,,7.00,,
"="=HYPERLINK(1)"",503,4713,late,A,,,,
"Sent, Abe",504,4714,absent,A,,EX,,
"Else, Someone",505,4715,nobody,A,1.00,2.00,,
"Student, Test",506,,0123456789abcdef,A,,,,
"""


def test_canvas_takes_its_own_gradebook_back_with_one_column_changed(graded: Path, tmp_path: Path) -> None:
    template = tmp_path / "gradebook.csv"
    template.write_bytes(CANVAS.replace('"="=HYPERLINK(1)""', '"=""=HYPERLINK(1)"""').encode())
    found = export(graded, A, "canvas", template=template, out=tmp_path / "out.csv")
    before, after = rows(template), rows(tmp_path / "out.csv")
    assert after[0] == before[0] and (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert [r[6] for r in after] == ["01_mini (12)", "Manual Posting", "10.00", "10", "6", "0", "EX", "2.00", ""]
    names = [r[0] for r in after[3:]]
    assert names == ["Lovelace, Ada", "'=cmd|x, Bob", '="=HYPERLINK(1)"', "Sent, Abe", "Else, Someone", "Student, Test"]
    assert [[c for i, c in enumerate(r) if i not in (0, 6)] for r in after] == [
        [c for i, c in enumerate(r) if i not in (0, 6)] for r in before]
    assert found.notes == ["1 handed in and not graded yet: new",
                           "not in the template: broken, zoe (--roster maps names to ids)"]
    export(graded, A, "canvas", template=template, out=tmp_path / "other.csv", column="First")
    assert rows(tmp_path / "other.csv")[3][5] == "10"
    with pytest.raises(AutograderError, match=r"no column for 'Frist'; name one by --column: First \(11\), 01_mini"):
        export(graded, A, "canvas", template=template, out=tmp_path / "x.csv", column="Frist")


def test_canvas_without_a_template_has_the_columns_that_its_import_asks_for(graded: Path, tmp_path: Path) -> None:
    export(graded, A, "canvas", out=tmp_path / "c.csv")
    head, points, *rest = rows(tmp_path / "c.csv")
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", A]
    assert points == ["    Points Possible", "", "", "", "", "10"]
    assert {r[3]: (r[0], r[5]) for r in rest}["ada"] == ("Lovelace, Ada", "10")
    assert {r[3]: r[0] for r in rest}["bob"] == f"'{EVIL}, Bob" and {r[3]: r[5] for r in rest}["absent"] == ""


def test_a_number_of_canvas_is_not_taken_for_another_students_number(graded: Path, tmp_path: Path) -> None:
    """Row 2's Canvas number is the gradebook id of row 1: the column that knows most decides, and no other."""
    for old, new in (("ada", "502"), ("bob", "777")):
        (graded / "submitted" / old).rename(graded / "submitted" / new)
    from autograder.driver import grade

    grade(graded, A, students=["502", "777"], jobs=1)
    template = tmp_path / "t.csv"
    template.write_text("Student,ID,SIS User ID,Section,01_mini (1)\nPoints Possible,,,,10\n"
                        "X,501,502,A,\nY,502,777,A,\n")
    export(graded, A, "canvas", template=template, out=tmp_path / "o.csv")
    assert [r[4] for r in rows(tmp_path / "o.csv")[2:]] == ["10", "6"]


WORKSHEET = ("Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
             "Last modified (submission),Last modified (grade),Feedback comments\n"
             'Participant 31,Ada Lovelace,ada@uni.de,Submitted,,10.00,Yes,"Tuesday, 10 November 2026, 8:30 AM",-,\n'
             "Participant 32,@bob,bob@uni.de,Submitted,,10.00,Yes,-,-,old words\n"
             "Participant 33,Abe Sent,absent@uni.de,No submission,,10.00,Yes,-,-,keep\n")


def test_moodle_takes_its_worksheet_back(graded: Path, tmp_path: Path) -> None:
    template = tmp_path / "w.csv"
    template.write_text(WORKSHEET)
    found = export(graded, A, "moodle", template=template, out=tmp_path / "o.csv")
    before, after = rows(template), rows(tmp_path / "o.csv")
    assert after[0] == before[0] and [r[4] for r in after[1:]] == ["10", "6", ""]
    assert [r[0] for r in after[1:]] == ["Participant 31", "Participant 32", "Participant 33"]
    assert after[1][9] == "double: 4 of 4. | total: 6 of 6." and after[2][9].startswith("double: 0 of 4. Twice x is")
    assert after[2][1] == "'@bob" and after[3] == before[3]
    assert "not in the template: broken, late, zoe (--roster maps names to ids)" in found.notes

    german = tmp_path / "g.csv"
    german.write_bytes("\ufeffID;Vollständiger Name;E-Mail-Adresse;Status;Bewertung;Bestwertung;"
                       "Feedback als Kommentar\r\n"
                       "Teilnehmer/in 31;Ada Lovelace;x@uni.de;;;20,00;\r\n"
                       "Teilnehmer/in 32;Zoe Z;zoe@uni.de;;;20,00;\r\n".encode())
    found = export(graded, A, "moodle", template=german, out=tmp_path / "o.csv")
    assert [r[4] for r in rows(tmp_path / "o.csv", ";")[1:]] == ["10", "9,5"]      # Ada by her name
    assert (tmp_path / "o.csv").read_bytes().count(b"\r\n") == 3
    assert any("the platform's maximum is 20,00, the course's 10" in note for note in found.notes)
    assert "Well &lt;b&gt;tried&lt;/b&gt;, Zoe" in rows(tmp_path / "o.csv", ";")[2][6]
    assert "double: 3.5 of 4." in rows(tmp_path / "o.csv", ";")[2][6]


def test_a_roster_maps_the_platforms_names_and_a_double_row_is_left(graded: Path, tmp_path: Path) -> None:
    template, roster = tmp_path / "w.csv", tmp_path / "r.csv"
    template.write_text(WORKSHEET + "Participant 34,Zoe Z,z@uni.de,,,10.00,Yes,-,-,\n")
    roster.write_text("id,name,email\nada,,ada@uni.de\nbob,,bob@uni.de\nzoe,Zoe Z,\n")
    export(graded, A, "moodle", template=template, roster=roster, out=tmp_path / "o.csv")
    assert [r[4] for r in rows(tmp_path / "o.csv")[1:]] == ["10", "6", "", "9.5"]
    template.write_text(WORKSHEET + "Participant 35,Ada Lovelace,ada@uni.de,,,10.00,Yes,-,-,\n")
    found = export(graded, A, "moodle", template=template, out=tmp_path / "o.csv")
    assert [r[4] for r in rows(tmp_path / "o.csv")[1:]] == ["", "6", "", ""]
    assert any("'ada' stands in 2 rows of the template" in note for note in found.notes)


def test_without_a_worksheet_moodles_import_gets_ids_addresses_and_feedback(graded: Path, tmp_path: Path) -> None:
    export(graded, A, "moodle", out=tmp_path / "m.csv")
    head, *rest = rows(tmp_path / "m.csv")
    assert head == ["ID number", "Email address", A, "Feedback comments"]
    assert {r[0]: r[1:3] for r in rest} == {"ada": ["ada@uni.de", "10"], "bob": ["", "6"], "late": ["", "0"],
                                            "zoe": ["", "9.5"], "broken": ["", "0"]}
    assert next(r[3] for r in rest if r[0] == "late").endswith("late: 10 points off.")


def test_the_scores_that_are_counted_are_those_in_the_file(
        graded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A platform's table has the students that it knows, and what waits for a person stays out of it."""
    template = tmp_path / "t.csv"
    template.write_text("Student,ID,SIS Login ID,Section,01_mini (1)\nL,1,ada,x,\nX,2,nobody,x,\n")
    (tmp_path / "w.csv").write_text(WORKSHEET)
    for words, said in (([A, "canvas", "--template", str(template)], "1 score of 7 students"),
                        ([A, "moodle", "--template", str(tmp_path / "w.csv")], "2 scores of 7 students"),
                        ([A, "canvas"], "5 scores of 7 students"), ([PS, "moodle"], "0 scores of 6 students"),
                        ([PS, "moodle", "--pending"], "2 scores of 6 students"),
                        ([PS, "csv"], "2 scores of 6 students")):
        assignment, format, *rest = words
        assert main(["export", str(graded), assignment, "--format", format, *rest]) == 0
        assert capsys.readouterr().err.splitlines()[0] == said
    assert export(graded, A, "canvas", template=template, out=tmp_path / "o.csv").to_dict()["written"] == 1


# anonymity and hostile text -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("format", ["csv", "json", "canvas", "moodle", "gradescope"])
def test_anonymous_exports_name_nobody_and_can_be_joined(format: str, graded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = export(graded, A, format, out=out, anonymous=True)
    files = [p for p in found.paths if p.is_file() and p.suffix != ".zip"]
    text = "\n".join([p.name + p.read_text() for p in files])
    course = Course.open(graded)
    for student in ("ada", "bob", "late", "zoe", "broken"):
        assert pseudonym(course, student) in text
    for word in ("Ada", "Lovelace", "ada", "bob", "zoe", "Zoe", "uni.de", "tried", "HYPERLINK"):
        assert not re.search(rf"\b{word}\b", text), word
    assert not re.search(r"\blate\b(?!:)", text.replace("seconds_late", "").replace("late_penalty", ""))


def test_an_anonymous_export_lies_apart_from_the_one_with_names(graded: Path) -> None:
    """In one folder the same scores stand under the name and under the pseudonym."""
    for format in ("json", "gradescope"):
        named, nameless = (export(graded, A, format, anonymous=choice).paths for choice in (False, True))
        assert not set(named) & set(nameless) and named[0].exists()
        assert nameless[0].name.startswith(f"{A}-anonymous")


def test_a_pseudonym_hangs_on_the_course_and_cannot_be_computed_from_the_roster(graded: Path, mini: Path) -> None:
    a, b = Course.open(graded), Course.open(mini)
    assert re.fullmatch(r"s-[0-9a-f]{10}", pseudonym(a, "ada")) and pseudonym(a, "ada") == pseudonym(a, "ada")
    (mini / ".autograder/secret").write_text("0" * 64)
    assert len({pseudonym(a, "ada"), pseudonym(a, "bob"), pseudonym(b, "ada")}) == 3
    with pytest.raises(AutograderError, match="--anonymous with --template"):
        export(graded, A, "canvas", template=graded / "course.toml", anonymous=True)
    with pytest.raises(AutograderError, match="--template is for the formats canvas and moodle, not for json"):
        export(graded, A, "json", template=graded / "course.toml")


@pytest.mark.parametrize(("text", "shown"), [
    ("=1+1", "'=1+1"), ("+cmd", "'+cmd"), ("-x", "'-x"), ("@SUM(A1)", "'@SUM(A1)"), ("  =1", "'  =1"), ("\t=1", "' =1"),
    ("\uff1d1+1", "'\uff1d1+1"), ("\r=1", "' =1"), ("-3.5", "-3.5"), ("+4", "+4"), ('="007"', '="007"'),
    ('="x"&cmd', "'=\"x\"&cmd"), ("ada", "ada"), ("a\x1b[2Jb", "a [2Jb"), ("Ada\n=1", "Ada\n=1")])
def test_no_text_of_a_students_is_a_formula(text: str, shown: str) -> None:
    assert harmless(text) == shown


@pytest.mark.parametrize(("words", "said"), [
    (["--format", "canvas", "--template", "bad.csv"],
     "'bad.csv' is no gradebook of Canvas: it has no columns Student and ID"),
    (["--format", "moodle", "--template", "bad.csv"], "'bad.csv' has no column 'Grade'; name one by --column: a, b"),
    (["--format", "csv", "--out", "folder"], "'folder' is a folder: name a file for --out")])
def test_what_cannot_be_exported_is_one_line(
        words: list[str], said: str, mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    (tmp_path / "folder").mkdir()
    assert main(["export", str(mini), A, *words]) == 2
    assert capsys.readouterr().err.splitlines() == [f"autograder: {said}"]


def test_the_export_of_a_class_costs_a_handful_of_queries(graded: Path) -> None:
    """nbgrader's rows have no index by notebook: reading them student by student costs the square of the class."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def count(assignment: str) -> int:
        seen: list[Any] = []
        event.listen(Engine, "before_cursor_execute", lambda *a, **k: seen.append(a[2]))
        grades(Course.open(graded), assignment)
        return len(seen)

    from autograder.driver import grade

    before = count(A)
    for i in range(6):
        hand_in(graded, f"more{i}", solved(graded, A), A)
    grade(graded, A, jobs=1)
    assert count(A) <= before + 1 and before < 40


def test_the_example_of_the_help_runs(graded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    main(["export", "--help"])
    examples = [shlex.split(line)[1:] for line in capsys.readouterr().out.splitlines()
                if line.startswith("    autograder ")]
    graded.rename(tmp_path / "mycourse")
    (tmp_path / "gradebook.csv").write_text("Student,ID,SIS Login ID,Section,01_mini (1)\nA,1,ada,x,\n")
    monkeypatch.chdir(tmp_path)
    for words in examples:
        assert main([A if word == "03_rnn" else word for word in words]) == 0
    assert examples and rows(tmp_path / "mycourse/exports" / f"{A}-canvas.csv")[1][4] == "10"


def test_a_format_that_is_none_is_named_with_those_that_are(mini: Path, tmp_path: Path) -> None:
    """By the Python API; the command line refuses it by itself."""
    with pytest.raises(UnknownName, match="no format 'csb' in export. Did you mean 'csv'"):
        export(mini, "01_mini", "csb")
    with pytest.raises(UnknownName, match="no format 'mooodle' in collect. Did you mean 'moodle'"):
        collect(mini, "01_mini", tmp_path, format="mooodle")
