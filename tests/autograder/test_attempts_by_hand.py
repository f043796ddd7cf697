"""Attempts of an assignment that a person grades too: a score by hand belongs to the text that was read."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from autograder import backup, driver
from autograder.errors import AutograderError
from autograder.late import Late
from autograder.regrade import regrade
from tests.autograder.grading_help import copy_course
from tests.autograder.several_help import MATHS, WORDS, A, answered, hand_in, nbgrader_autograde, write_several
from tests.autograder.test_attempts import settings

FIRST, SECOND = "It cannot be changed.", "Its letters stay as they are."
WRONG = "def length(text):\n    return 7"


@pytest.fixture(scope="module")
def several_master(tmp_path_factory: pytest.TempPathFactory, mini_master: Path) -> Path:
    course = copy_course(mini_master, tmp_path_factory.mktemp("by hand") / "course")
    write_several(course)
    return settings(course, "best")


@pytest.fixture
def several(several_master: Path, tmp_path: Path) -> Path:
    return copy_course(several_master, tmp_path / "course")


def attempt(course: Path, why: str, *, right: bool, behind: str = "") -> int:
    """Hand in, with less than all points where not `right`, and grade; the number of the attempt that counts."""
    notebook = answered(course, WORDS, why=why, **({} if right else {"length": WRONG}))
    if behind:
        names = [c["id"] for c in notebook["cells"]]
        cell = {"cell_type": "markdown", "id": "mine", "metadata": {}, "source": behind}
        notebook["cells"].insert(names.index("why") + 1, cell)
    hand_in(course, "ada", maths=answered(course, MATHS), words=notebook)
    return int(driver.grade(course, A, jobs=1)[0]["attempt"])


def sql(course: Path, statement: str, *values: Any) -> list[Any]:
    with contextlib.closing(sqlite3.connect(course / "gradebook.db")) as db, db:
        return list(db.execute(statement, values))


CELL = "SELECT id FROM base_cell WHERE name = ?"


def mark(course: Path, score: float, comment: str, cell: str = "why") -> None:
    """As the formgrader saves what a person types."""
    sql(course, f"UPDATE grade SET manual_score = ?, needs_manual_grade = 0 WHERE cell_id IN ({CELL})", score, cell)
    sql(course, f"UPDATE comment SET manual_comment = ? WHERE cell_id IN ({CELL})", comment, cell)


def row(course: Path, cell: str = "why") -> tuple[Any, ...]:
    """The score by hand of an answer, whether it waits for a person, and the comment."""
    grade = sql(course, f"SELECT manual_score, needs_manual_grade FROM grade WHERE cell_id IN ({CELL})", cell)
    comment = sql(course, f"SELECT manual_comment FROM comment WHERE cell_id IN ({CELL})", cell)
    return *grade[0], comment[0][0]


def test_the_same_text_in_a_better_attempt_keeps_its_score_and_waits_for_nobody(several: Path) -> None:
    assert attempt(several, FIRST, right=False) == 1 and row(several) == (None, 1, None)
    mark(several, 4.0, "Why?")
    assert attempt(several, FIRST, right=True) == 2
    assert row(several) == (4.0, 0, "Why?")
    regrade(several, A, jobs=1)
    assert row(several) == (4.0, 0, "Why?")


def test_an_attempt_that_does_not_count_changes_nothing_that_a_person_gave(several: Path) -> None:
    attempt(several, FIRST, right=True)
    mark(several, 4.0, "Why?")
    assert attempt(several, SECOND, right=False) == 1 and row(several) == (4.0, 0, "Why?")


def test_another_text_waits_and_each_text_gets_back_what_it_was_given(several: Path, tmp_path: Path) -> None:
    """A second person's 2 points are not the first text's, whose 4 points come back with it; by both doors."""
    attempt(several, FIRST, right=False)
    mark(several, 4.0, "Why?")
    assert attempt(several, SECOND, right=True) == 2
    assert row(several) == (4.0, 1, "Why?")         # as a proposal, and a person has to look
    mark(several, 2.0, "Which letters?")
    for course in (several, copy_course(several, tmp_path / "plugin")):
        grade = nbgrader_autograde if course.name == "plugin" else lambda course, a: driver.grade(course, a, jobs=1)
        grade(settings(course, "first"), A)
        assert row(course)[::2] == (4.0, "Why?")
        grade(settings(course, "best"), A)
        assert row(course)[::2] == (2.0, "Which letters?")
    assert row(several)[1] == 0         # nbgrader's own command has each answer looked at again


def test_a_text_that_waits_goes_on_to_wait_when_it_comes_back(several: Path) -> None:
    attempt(several, FIRST, right=False)
    mark(several, 4.0, "Why?")
    attempt(several, SECOND, right=True)
    for policy, waits in (("first", 0), ("best", 1), ("best", 1)):
        driver.grade(settings(several, policy), A, jobs=1, force=True)
        assert row(several) == (4.0, waits, "Why?")


def test_the_cells_behind_an_answer_are_a_part_of_it_and_a_task_is_read_with_all_that_was_added(several: Path) -> None:
    attempt(several, FIRST, right=False, behind="And it has no append.")
    mark(several, 4.0, "Why?")
    mark(several, 6.0, "Well read.", "essay")
    assert attempt(several, FIRST, right=True, behind="And it has no append.") == 2
    assert row(several) == (4.0, 0, "Why?") and row(several, "essay") == (6.0, 0, "Well read.")
    assert attempt(settings(several, "last"), FIRST, right=True, behind="And it has an index.") == 3
    assert row(several) == (4.0, 1, "Why?") and row(several, "essay") == (6.0, 1, "Well read.")


def test_a_run_that_ends_in_the_middle_of_the_rows_leaves_none_and_no_text(several: Path,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    attempt(several, FIRST, right=False)
    mark(several, 4.0, "Why?")
    copy = backup.backup(several, "test")

    def fail(*args: Any) -> float:
        raise AutograderError("no")

    with monkeypatch.context() as patch, pytest.raises(AutograderError):
        patch.setattr(Late, "penalty", fail)
        attempt(several, SECOND, right=True)
    assert row(several) == (4.0, 0, "Why?")
    assert attempt(several, SECOND, right=True) == 2 and row(several) == (4.0, 1, "Why?")
    mark(several, 2.0, "Which letters?")
    assert copy is not None
    backup.restore(several, copy)           # of the time of the first text: which text it was comes back too
    driver.grade(several, A, jobs=1)
    assert row(several) == (4.0, 1, "Why?")
    driver.grade(settings(several, "first"), A, jobs=1)
    assert row(several) == (4.0, 0, "Why?")


def test_scores_of_a_time_before_texts_were_noted_stay_and_wait(several: Path) -> None:
    attempt(several, FIRST, right=False)
    mark(several, 4.0, "Why?")
    sql(several, "DROP TABLE autograder_by_hand")
    attempt(several, FIRST, right=True)
    assert row(several) == (4.0, 1, "Why?")
