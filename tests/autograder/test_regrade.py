"""`autograder regrade`: the same numbers for the same answers, what changes is shown, and a person's word stands."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from autograder import cli, driver
from autograder.backup import backups
from autograder.course import Course, read_json
from autograder.errors import Busy, UnknownName
from autograder.regrade import regrade
from tests.autograder.grading_help import answer, hand_in, release, solved, totals
from tests.autograder.test_attempts import hand_in_and_grade, settings
from tests.autograder.test_upgrade import contents

A = "01_mini"
HALF = "def total(x):\n    return x.mean(axis=0)"


@pytest.fixture
def graded(mini: Path) -> Path:
    """ada: all; bob: not the sum; cyd: nothing. Then the check of `double` is worth nothing for what was right."""
    hand_in(mini, "ada", solved(mini, A), A)
    hand_in(mini, "bob", answer(solved(mini, A), total=HALF), A)
    hand_in(mini, "cyd", release(mini, A), A)
    driver.grade(mini, A, jobs=1)
    return mini


def thrice(course: Path) -> None:
    """The instructor changes the solution: `double` is asked to be three times x."""
    for name in ("notebook.py", "checks.py"):
        path = course / "checks" / A / name
        path.write_text(path.read_text().replace("return 2 * x", "return 3 * x").replace('"2 * x"', '"3 * x"'))


def seeds(course: Path) -> dict[str, Any]:
    return {s: [c["seed"] for c in read_json(course / ".autograder" / "results" / A / f"{s}.json")["cells"]]
            for s in ("ada", "bob", "cyd")}


def test_a_regrade_shows_what_changes_and_draws_the_same_numbers(graded: Path) -> None:
    drawn = seeds(graded)
    thrice(graded)
    report = regrade(graded, A, jobs=1)
    assert [(s.student, s.before, s.after) for s in report.students] == [
        ("ada", 10.0, 6.0), ("bob", 6.0, 2.0), ("cyd", 0.0, 0.0)]
    assert [(c.grade_id, c.before, c.after) for c in report.students[0].cells] == [("double-test", 4.0, 0.0)]
    assert report.summary() == "3 graded again, 2 changed, mean 5.3 -> 2.7" and seeds(graded) == drawn
    assert totals(graded, A) == {"ada": 6.0, "bob": 2.0, "cyd": 0.0}
    assert report.backup is not None
    with sqlite3.connect(report.backup) as db:
        assert db.execute("SELECT sum(auto_score) FROM grade").fetchone() == (16.0,)


def test_a_regrade_beside_another_run_stops_before_it_backs_anything_up(graded: Path) -> None:
    """The copy is the gradebook before the regrade, and not one in the middle of another run."""
    with Course.open(graded).lock(), pytest.raises(Busy):
        regrade(graded, A, jobs=1)
    assert backups(Course.open(graded)) == []


def test_nothing_changed_is_said(graded: Path) -> None:
    report = regrade(graded, A, jobs=1)
    assert report.rows() == [] and report.summary() == "3 graded again, 0 changed, mean 5.3 -> 5.3"


def test_a_dry_run_shows_the_same_and_writes_nothing(graded: Path) -> None:
    thrice(graded)
    before = contents(graded)
    shown = regrade(graded, A, jobs=1, dry_run=True)
    assert contents(graded) == before and shown.backup is None and backups(Course.open(graded)) == []
    assert shown.summary() == "3 graded again, 2 would change, mean 5.3 -> 2.7"
    assert regrade(graded, A, jobs=1).rows() == shown.rows()


@pytest.mark.parametrize("policy", ["best", "first"])
def test_a_dry_run_follows_the_attempts_policy(mini: Path, policy: str) -> None:
    """Under `best`, another attempt may count after a check was changed."""
    settings(mini, policy)
    hand_in_and_grade(mini, "total", "double")
    thrice(mini)
    hand_in(mini, "ada", answer(release(mini, A), double="def double(x):\n    return 3 * x"), A)
    shown = regrade(mini, A, jobs=1, dry_run=True)
    done = regrade(mini, A, jobs=1)
    assert shown.rows() == done.rows()
    assert [(s.attempt, s.after) for s in shown.students] == [(s.attempt, s.after) for s in done.students]
    assert done.students[0].attempt == 1 and totals(mini, A) == {"ada": 6.0}


def test_a_manual_score_stands_and_is_said(graded: Path) -> None:
    with sqlite3.connect(graded / "gradebook.db") as db:
        db.execute("UPDATE grade SET manual_score = 3.5 WHERE auto_score = 4")
        db.execute("UPDATE comment SET manual_comment = 'We talked.'")
    thrice(graded)
    report = regrade(graded, A, students=["ada"], jobs=1)
    assert ["ada", "double-test", "4", "0", "the manual score 3.5 stands"] in report.rows()
    with sqlite3.connect(graded / "gradebook.db") as db:
        assert db.execute("SELECT manual_score FROM grade WHERE manual_score IS NOT NULL").fetchall() == [(3.5,)] * 2
        assert set(db.execute("SELECT manual_comment FROM comment")) == {("We talked.",)}
    assert totals(graded, A)["bob"] == 6.0          # nobody else was graded


def test_the_command_prints_the_changes(graded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thrice(graded)
    hand_in(graded, "dan", release(graded, A), A)
    assert cli.run(["regrade", str(graded), A, "--jobs", "1"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "student  cell         before  after",
        "ada      double-test       4      0",
        "ada      total            10      6",
        "bob      double-test       4      0",
        "bob      total             6      2",
        "dan      total             -      0",
        "3 graded again, 2 changed, mean 5.3 -> 2.7; 1 graded for the first time"]
    assert "the gradebook of before: " in said.err and ".autograder/backups/gradebook-" in said.err
    with pytest.raises(UnknownName, match="no submission of 'adda' in .*Did you mean 'ada'"):
        regrade(graded, A, students=["adda"])
