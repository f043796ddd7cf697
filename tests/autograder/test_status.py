"""`autograder status`: what came in, what waits and for whom, read from files and by SQL alone."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import driver, pipeline, report, status
from autograder.__main__ import main
from autograder.backup import backup
from autograder.course import Course, read_json, write_atomically
from autograder.export import grades
from autograder.gradebook import Grades
from tests.autograder.grading_help import CHECKOUT, answer, hand_in, release, solved

A = "01_mini"


@pytest.fixture
def course(mini: Path) -> Path:
    """Ada has 10 of 10 points, Bob 4, Cyd's notebook is broken."""
    hand_in(mini, "ada", solved(mini, A), A)
    hand_in(mini, "bob", answer(release(mini, A), double="def double(x):\n    return 2 * x"), A)
    hand_in(mini, "cyd", b"{", A)
    driver.grade(mini, A, jobs=1)
    return mini


def sql(course: Path, statement: str) -> None:
    with sqlite3.connect(course / "gradebook.db") as db:
        db.execute(statement)


def test_a_course_without_submissions_is_all_zeros(mini: Path) -> None:
    (row,) = status.status(mini)
    assert (row.assignment, row.submitted, row.graded, row.waiting, row.mean, row.max_score) == (A, 0, 0, 0, None, 10.0)
    (mini / "gradebook.db").unlink()
    (row,) = status.status(mini)
    assert row.max_score is None and status.last_backup(mini) is None
    assert status.students(mini, A) == []
    assert not (mini / "gradebook.db").exists()


def test_counts_and_scores(course: Path) -> None:
    (row,) = status.status(course)
    assert (row.submitted, row.graded, row.unreadable, row.manual, row.errors, row.outdated) == (3, 3, 1, 0, 0, 0)
    assert (row.mean, row.median, row.max_score) == (4.67, 4.0, 10.0)
    assert row.last_graded == max(r["started"] for s in ("ada", "bob", "cyd")
                                  if (r := read_json(Course.open(course).result_path(A, s))))
    assert {r.student: (r.status, r.score) for r in status.students(course, A)} == {
        "ada": ("graded", 10.0), "bob": ("graded", 4.0), "cyd": ("unreadable", 0.0)}


def test_new_and_changed_submissions_wait_and_touched_ones_do_not(course: Path) -> None:
    hand_in(course, "dan", solved(course, A), A)
    hand_in(course, "bob", solved(course, A), A)
    os.utime(hand_in(course, "ada", solved(course, A), A))          # collected again, the same text
    (row,) = status.status(course)
    assert (row.submitted, row.graded, row.waiting) == (4, 3, 2)
    assert {r.student: r.status for r in status.students(course, A)} == {
        "ada": "graded", "bob": "changed", "cyd": "unreadable", "dan": "waiting"}


def test_a_changed_submission_is_seen_though_its_file_has_an_old_date(course: Path) -> None:
    """As from a zip archive, which keeps the student's own clock."""
    os.utime(hand_in(course, "bob", solved(course, A), A), (0, 0))
    assert status.status(course)[0].waiting == 1


def test_what_was_graded_by_other_checks_or_limits_is_counted(course: Path) -> None:
    checks = course / "checks" / A / "checks.py"
    text = checks.read_text()
    checks.write_text(text + "# edited\n")
    assert status.status(course)[0].outdated == 3
    checks.write_text(text)
    assert status.status(course)[0].outdated == 0
    settings = course / "course.toml"
    settings.write_text(settings.read_text().replace("draw = 2.0", "draw = 1.0"))
    assert status.status(course)[0].outdated == 3


def test_points_by_hand_extra_credit_late_penalties_and_cells_that_wait_for_a_person(course: Path) -> None:
    sql(course, "UPDATE assignment SET duedate = '2026-02-01 00:00:00.000000'")
    sql(course, "UPDATE submitted_assignment SET timestamp = '2026-02-02 12:00:00.000000' WHERE student_id = 'bob'")
    sql(course, "UPDATE submitted_notebook SET late_submission_penalty = 2 WHERE assignment_id = "
                "(SELECT id FROM submitted_assignment WHERE student_id = 'bob')")
    sql(course, "UPDATE grade SET manual_score = 3, extra_credit = 0.5, needs_manual_grade = 1 WHERE auto_score = 4 "
                "AND notebook_id IN (SELECT n.id FROM submitted_notebook n JOIN submitted_assignment s "
                "ON s.id = n.assignment_id WHERE s.student_id = 'bob')")
    bob = next(r for r in status.students(course, A) if r.student == "bob")
    assert (bob.score, bob.penalty, bob.late_hours, bob.manual) == (1.5, 2.0, 36.0, 1)      # 3 + 0.5 - 2
    assert bob.submitted == "2026-02-02T12:00:00+00:00"
    assert status.status(course)[0].manual == 1
    sql(course, "UPDATE submitted_assignment SET extension = '1970-01-02 00:00:00.000000' WHERE student_id = 'bob'")
    assert next(r for r in status.students(course, A) if r.student == "bob").late_hours == 12.0


def test_late_hours_and_scores_are_nbgraders_own(course: Path) -> None:
    from datetime import timedelta

    sql(course, "UPDATE assignment SET duedate = '2026-02-01 00:00:00.000000'")
    sql(course, "UPDATE submitted_assignment SET timestamp = '2026-02-02 12:00:00.000000'")
    with Grades(Course.open(course)) as grades:
        found = grades.book.find_submission(A, "bob")
        found.extension = timedelta(hours=5)
        grades.book.db.commit()
        late, score = found.total_seconds_late / 3600, found.score
    bob = next(r for r in status.students(course, A) if r.student == "bob")
    assert (bob.late_hours, bob.score) == (late, score) == (31.0, 4.0)


def test_the_scores_are_those_that_an_export_gives_also_after_a_late_penalty(course: Path) -> None:
    """Else a list shows full marks, and the platform gets a 0."""
    sql(course, "UPDATE submitted_notebook SET late_submission_penalty = 12 WHERE assignment_id = "
                "(SELECT id FROM submitted_assignment WHERE student_id = 'ada')")
    scores = {r.student: r.score for r in status.students(course, A)}
    assert scores == {g.id: g.score for g in grades(Course.open(course), A)} == {"ada": 0.0, "bob": 4.0, "cyd": 0.0}
    (row,) = status.status(course)
    assert (row.mean, row.median) == (1.33, 0.0)
    assert row.notes == [f"{A}: late penalties took points from 1 of the scores, as in an export; the report counts "
                         "without them"]


def test_who_left_the_class_is_counted_neither_here_nor_in_the_report_and_is_named_once(
        course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(course / "submitted" / "bob")
    (row,) = status.status(course)
    assert (row.submitted, row.graded, row.mean) == (2, 2, 5.0)
    assert main(["status", str(course)]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "bob" in line]
    assert said == [f"{A}: graded, and gone from submitted: bob; not counted here, the gradebook and an export have "
                    "the score still"]
    text = report.make(course, A).read_text()
    assert "ada" in text and "cyd" in text and "bob" not in text
    # an archive that kept no submission: the results are all there is
    for student in ("ada", "cyd"):
        shutil.rmtree(course / "submitted" / student)
    assert "bob" in report.make(course, A).read_text()


def test_the_cells_read_by_sql_are_those_that_nbgrader_reads(rnn: Path) -> None:
    """Else every result would look as if it were graded by other checks."""
    found = Course.open(rnn)
    with Grades(found) as grades:
        whole = grades.sheet("03_rnn")
    with status._gradebook(found) as book:
        assert status._sheet(book, found, "03_rnn") == whole
        ours = status._Found(found, book, "03_rnn").checks_hash
    assert ours == pipeline.checks_hash(whole, pipeline.load_checks(found, whole))


def test_errors_of_the_grader_are_counted(course: Path) -> None:
    path = Course.open(course).result_path(A, "bob")
    result = read_json(path)
    write_atomically(path, json.dumps(result | {"status": "error", "incidents": [
        {"kind": "error", "cell": "", "text": "the grader failed"}]}))
    assert status.status(course)[0].errors == 1
    assert "error" in next(r for r in status.students(course, A) if r.student == "bob").status


def test_the_command_lists_both_and_says_when_the_gradebook_was_copied(
        course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backup(Course.open(course), "regrade")
    assert main(["status", str(course)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1].split()[:8] == [A, "3", "3", "0", "0", "1", "0", "4.67"]
    assert "last backup of the gradebook: 20" in out
    assert main(["status", str(course), A]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["student", "ada", "bob", "cyd", "3"]
    assert main(["status", str(course), A, "--json"]) == 0
    assert [r["student"] for r in json.loads(capsys.readouterr().out)] == ["ada", "bob", "cyd"]
    assert main(["status", str(course), "02_mini"]) == 2
    assert "Did you mean '01_mini'" in capsys.readouterr().err


def test_nbgrader_is_not_imported_and_the_gradebook_is_opened_to_read(course: Path) -> None:
    before = (course / "gradebook.db").read_bytes()
    code = (f"import sys; from autograder import status; status.status({str(course)!r}); "
            f"status.students({str(course)!r}, {A!r}); sys.exit('nbgrader' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(CHECKOUT)}).returncode == 0
    assert (course / "gradebook.db").read_bytes() == before
