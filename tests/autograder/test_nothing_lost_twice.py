"""What survives a regrade, what a second run on a course is told, and the copies of the gradebook."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder import backup, driver
from autograder.collect import collect
from autograder.course import Course
from autograder.errors import Busy, CourseError
from autograder.feedback import make as make_feedback
from autograder.make_course import make
from autograder.regrade import regrade
from autograder.release import release as release_out
from tests.autograder.grading_help import answer, command, hand_in, release, solved, totals
from tests.autograder.nothing_lost_help import A, class_of, differences, state


def sql(course: Path, *statements: str) -> list[Any]:
    """Run statements in a course's gradebook; the rows of the last."""
    with contextlib.closing(sqlite3.connect(course / "gradebook.db")) as db, db:
        return [list(db.execute(s)) for s in statements][-1]


# ----- Regrades

def by_hand(course: Path) -> dict[str, Any]:
    """What people wrote, and the late penalties."""
    where = "FROM {0} x JOIN base_cell c ON c.id = x.cell_id JOIN submitted_notebook n ON n.id = x.notebook_id " \
            "JOIN submitted_assignment a ON a.id = n.assignment_id ORDER BY a.student_id, c.name"
    return {"scores": sql(course, "SELECT a.student_id, c.name, manual_score, extra_credit " + where.format("grade")),
            "comments": sql(course, "SELECT a.student_id, c.name, manual_comment " + where.format("comment")),
            "penalties": sql(course, "SELECT a.student_id, late_submission_penalty FROM submitted_notebook n "
                                     "JOIN submitted_assignment a ON a.id = n.assignment_id ORDER BY a.student_id")}


def test_what_people_wrote_survives_all_three_ways_to_grade_again(mini: Path) -> None:
    """Scores, extra credit and comments that a person gave, and the penalty of a late submission."""
    late = hand_in(mini, "late", solved(mini, A), A).parent
    hand_in(mini, "timely", answer(release(mini, A), double="def double(x):\n    return 2 * x"), A)
    (late / "timestamp.txt").write_text("2026-02-12 12:00:00 UTC")
    sql(mini, "UPDATE assignment SET duedate = '2026-02-10 00:00:00.000000'")
    settings = mini / "course.toml"
    settings.write_text(settings.read_text().replace('policy = "none"', 'policy = "zero"', 1))
    driver.grade(mini, A, jobs=1)
    sql(mini, "UPDATE grade SET manual_score = 3.5, extra_credit = 0.5 WHERE auto_score = 4",
        "UPDATE comment SET manual_comment = 'See me: ' || id")
    driver.grade(mini, A, jobs=1)           # the late one has more points now, and all are taken off
    before = by_hand(mini)
    assert {s[2:] for s in before["scores"]} == {(3.5, 0.5), (None, None)}
    assert dict(before["penalties"]) == {"late": 10.0, "timely": None}
    driver.grade(mini, A, jobs=1, force=True)
    assert by_hand(mini) == before
    regrade(mini, A, jobs=1)
    assert by_hand(mini) == before
    command(mini, "nbgrader", "autograde", A, "--force")
    assert by_hand(mini) == before
    hand_in(mini, "timely", solved(mini, A), A)
    driver.grade(mini, A, jobs=1)
    assert by_hand(mini) == before and totals(mini, A)["timely"] == 10.0


def repeat(course: Path, count: int, jobs: int) -> list[str]:
    """Grade a class of all sorts, grade it again; where the two differ, in rows, results, notebooks or attempts."""
    class_of(course, count)
    driver.grade(course, A, jobs=jobs)
    first = state(course)
    shutil.rmtree(course / "autograded")
    driver.grade(course, A, jobs=jobs, force=True)
    return differences(first, state(course))


def test_a_regrade_of_a_class_repeats_every_byte(mini: Path) -> None:
    assert repeat(mini, 20, 1) == []


@pytest.mark.proof
def test_a_regrade_of_three_hundred_repeats_every_byte(mini: Path, proof_record: Any) -> None:
    assert repeat(mini, 300, 2) == []
    proof_record("regrade", {"submissions": 300, "compared": ["gradebook rows", "result JSON without its times",
                                                             "graded notebooks, byte by byte", "kept attempts"],
                             "differences": 0})


# ----- Two runs at a time

HOLDER = """
import sys, time
from autograder.course import Course
with Course.open(sys.argv[1]).lock():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held(mini: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the course's lock."""
    hand_in(mini, "ada", solved(mini, A), A)
    driver.grade(mini, A, jobs=1)
    hand_in(mini, "ada", answer(solved(mini, A), double="def double(x):\n    return x + x"), A)
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(mini)], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])})
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_whatever_writes_refuses_while_another_run_works_on_the_course(mini: Path, held: subprocess.Popen[str],
                                                                      tmp_path: Path, mini_solutions: Path) -> None:
    """At once, in one line that says what to do; and a lock whose holder was killed holds nothing."""
    before = state(mini)
    attempts = {
        "grade": lambda: driver.grade(mini, A, jobs=1), "regrade": lambda: regrade(mini, A, jobs=1),
        "course": lambda: make(mini, mini_solutions), "upgrade": lambda: make(mini, mini_solutions, upgrade=True),
        "collect": lambda: collect(mini, A, tmp_path), "release": lambda: release_out(mini, A, out=tmp_path / "out"),
        "feedback": lambda: make_feedback(mini, A), "restore": lambda: backup.restore(mini, copy),
    }
    (tmp_path / "bob").mkdir()
    shutil.copy(mini / "submitted" / "ada" / A / f"{A}.ipynb", tmp_path / "bob")
    copy = backup.backup(mini, "test")
    assert copy is not None
    for verb, attempt in attempts.items():
        began = time.monotonic()
        with pytest.raises(Busy, match=r"another run works on .*mini course.* wait for it") as e:
            attempt()
        assert time.monotonic() - began < 5 and "\n" not in str(e.value), verb
    assert differences(before, state(mini)) == []
    os.kill(held.pid, signal.SIGKILL)
    held.wait()
    assert [r["score"] for r in driver.grade(mini, A, jobs=1)] == [10.0]


@pytest.mark.proof
def test_of_two_commands_at_once_one_grades_and_one_says_why_not(mini: Path) -> None:
    class_of(mini, 6)
    words = [sys.executable, "-m", "autograder", "grade", str(mini), A, "--jobs", "1"]
    two = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                            cwd=Path(__file__).resolve().parents[2]) for _ in range(2)]
    said = {p.returncode: text for p in two if (text := p.communicate()[1]) is not None}
    assert set(said) in ({0, 2}, {0})           # the second may come when the first has ended
    if 2 in said:
        assert said[2].count("\n") == 1 and "another run works on" in said[2]
    assert len(totals(mini, A)) == 6


# ----- Copies of the gradebook

def test_the_gradebook_is_copied_before_a_whole_class_is_graded_again(mini: Path) -> None:
    course = Course.open(mini)
    class_of(mini, 3)
    driver.grade(mini, A, jobs=1)
    assert backup.backups(course) == []                     # nothing stood that could be lost
    driver.grade(mini, A, jobs=1, students=["s000"], force=True)
    assert backup.backups(course) == []
    driver.grade(mini, A, jobs=1, force=True)
    assert [p.name[26:] for p in backup.backups(course)] == ["grade-force.db"]
    regrade(mini, A, jobs=1)
    assert [p.name[26:] for p in backup.backups(course)] == ["regrade.db", "grade-force.db"]
    settings = mini / "course.toml"
    settings.write_text(settings.read_text().replace('policy = "zero"', 'policy = "none"', 1))
    sql(mini, "UPDATE assignment SET duedate = '2026-01-01'")
    driver.grade(mini, A, jobs=1)                           # one is late: no mass of rows
    assert len(backup.backups(course)) == 2


def test_a_copy_brings_everything_back(mini: Path) -> None:
    """Also under a gradebook that was destroyed, or left in the middle of a transaction."""
    class_of(mini, 3)
    driver.grade(mini, A, jobs=1)
    sql(mini, "UPDATE grade SET manual_score = 1")
    before = state(mini)
    copy = backup.backup(mini, "Before the exam: week 3!")
    assert copy is not None and copy.name.endswith("-before-the-exam-week-3.db")
    sql(mini, "DELETE FROM grade")
    put_aside = backup.restore(mini, copy.name)
    assert put_aside is not None and put_aside.name.endswith("-before-restore.db")
    assert differences(before, state(mini)) == []
    (mini / "gradebook.db").write_bytes(b"no database" * 1000)
    (mini / "gradebook.db-journal").write_bytes(b"of another one")
    put_aside = backup.restore(mini, copy)
    assert put_aside is not None and put_aside.name.endswith("-damaged.db")
    assert put_aside.read_bytes().startswith(b"no database")
    assert differences(before, state(mini)) == [] and not (mini / "gradebook.db-journal").exists()
    assert driver.grade(mini, A, jobs=1) and differences(before, state(mini)) == []


def test_the_last_twenty_copies_are_kept(mini: Path) -> None:
    course = Course.open(mini)
    made = [backup.backup(course, "test") for _ in range(22)]
    assert backup.backups(course) == made[:1:-1]
    assert not [p for p in backup.folder_of(course).iterdir() if p.name.startswith(".")]


def test_a_gradebook_that_cannot_be_copied_stops_what_would_change_it(mini: Path,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    class_of(mini, 3)
    driver.grade(mini, A, jobs=1)
    monkeypatch.setattr(backup, "PATIENCE", 0.3)
    with contextlib.closing(sqlite3.connect(mini / "gradebook.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CourseError, match=r"gradebook\.db is locked by another program for more than 0\.3 s.* "
                                              "close the formgrader"):
            backup.backup(mini, "test")
    data = (mini / "gradebook.db").read_bytes()
    (mini / "gradebook.db").write_bytes(data[:len(data) // 2])
    with pytest.raises(CourseError, match="cannot be read as a gradebook .* nothing was changed"):
        backup.backup(mini, "test")
    with pytest.raises(CourseError, match="there is no backup 'x.db' .* the latest are: none"):
        backup.restore(mini, "x.db")
    with contextlib.closing(sqlite3.connect(mini / "other.db")) as db, db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(CourseError, match="it has no table of submissions"):
        backup.restore(mini, mini / "other.db")
    (mini / "gradebook.db").unlink()
    assert backup.backup(mini, "test") is None
