"""Late penalties: the course's own nbgrader plugin runs unchanged by both doors, and again on each regrade."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from autograder import driver
from autograder.course import Course, read_json
from autograder.errors import AutograderError, CourseError
from autograder.late import Late
from tests.autograder.grading_help import command, copy_course, hand_in, solved
from tests.autograder.several_help import nbgrader_autograde

A = "01_mini"
PLUGIN = '''\
from nbgrader.plugins import BasePlugin
from traitlets import Float


class TenPercentADay(BasePlugin):
    """A tenth of the score for each day begun."""

    share = Float(0.1).tag(config=True)

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return self.share * score * -(-total_seconds_late // 86400)
'''
CONFIGURED = '\nc.AssignLatePenalties.plugin_class = "late_days.TenPercentADay"\n'


def with_plugin(course: Path, more: str = "", plugin: str = PLUGIN) -> Path:
    (course / "late_days.py").write_text(plugin)
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(CONFIGURED + more)
    return course


def due(course: Path, when: str = "2026-02-01 00:00:00.000000") -> None:
    with sqlite3.connect(course / "gradebook.db") as db:
        db.execute("UPDATE assignment SET duedate = ?", (when,))


def hand_in_late(course: Path, student: str = "ada", when: str = "2026-02-02 12:00:00 UTC") -> None:
    hand_in(course, student, solved(course, A), A)
    (course / "submitted" / student / A / "timestamp.txt").write_text(when)


def penalty(course: Path) -> Any:
    with sqlite3.connect(course / "gradebook.db") as db:
        return db.execute("SELECT late_submission_penalty FROM submitted_notebook").fetchone()[0]


def set_manual_score(course: Path, score: float) -> None:
    with sqlite3.connect(course / "gradebook.db") as db:
        db.execute("UPDATE grade SET manual_score = ? WHERE auto_score = 6", (score,))


@pytest.mark.slow
def test_a_late_submission_is_regraded_with_the_courses_plugin_by_both_doors(mini: Path, tmp_path: Path) -> None:
    """A day and a half late, 20 %; then a person lowers a score, and both doors recompute from the new one."""
    due(with_plugin(mini))
    hand_in_late(mini)
    stock = copy_course(mini, tmp_path / "stock")
    driver.grade(mini, A, jobs=1)
    command(stock, "nbgrader", "autograde", A)
    assert penalty(mini) == penalty(stock) == pytest.approx(2.0)
    for course in (mini, stock):
        set_manual_score(course, 1.0)
    driver.grade(mini, A, jobs=1, force=True)
    nbgrader_autograde(stock, A)        # what the formgrader's button does
    assert penalty(mini) == penalty(stock) == pytest.approx(1.0)
    assert read_json(mini / ".autograder" / "results" / A / "ada.json")["submitted"] == "2026-02-02T12:00:00+00:00"


def test_a_penalty_follows_what_changed_without_grading_again(mini: Path) -> None:
    """A manual score, a later due date, the plugin's own setting: nothing is run again, the penalty is new."""
    due(with_plugin(mini))
    hand_in_late(mini)
    driver.grade(mini, A, jobs=1)
    done: list[str] = []

    def again() -> Any:
        driver.grade(mini, A, jobs=1, finished=lambda r: done.append(r["student"]))
        return penalty(mini)

    set_manual_score(mini, 1.0)
    assert again() == pytest.approx(1.0)
    with (mini / "nbgrader_config.py").open("a") as file:
        file.write("c.TenPercentADay.share = 0.25\n")
    assert again() == pytest.approx(2.5)
    due(mini, "2026-02-05 00:00:00.000000")
    assert again() is None and done == []
    (mini / "submitted" / "ada" / A / "timestamp.txt").write_text("2026-02-05 00:00:01 UTC")
    assert again() == pytest.approx(1.25) and done == ["ada"]       # a new time is a new fact about the submission


def test_a_penalty_is_never_more_than_the_score_and_never_a_gift(mini: Path) -> None:
    for share, expected in (("9", 8.0), ("-3", 0.0)):
        course = with_plugin(mini, f"c.TenPercentADay.share = {share}\n")
        late = Late(Course.open(course))
        assert late.penalty("ada", 8.0, 100.0) == expected and late.penalty("ada", 8.0, 0.0) is None


def test_without_a_plugin_course_toml_decides(mini: Path) -> None:
    assert Late(Course.open(mini)).penalty("ada", 8.0, 100.0) is None
    path = mini / "course.toml"
    path.write_text(path.read_text().replace('policy = "none"', 'policy = "zero"'))
    assert Late(Course.open(mini)).penalty("ada", 8.0, 100.0) == 8.0
    (mini / "nbgrader_config.py").unlink()
    assert Late(Course.open(mini)).penalty("ada", 8.0, 100.0) == 8.0
    (mini / "nbgrader_config.py").write_text("c = get_config()\nc.AssignLatePenalties.enabled = False\n")
    assert Late(Course.open(mini)).penalty("ada", 8.0, 100.0) is None


def test_two_courses_in_one_process_may_each_have_a_plugin_of_one_name(mini: Path, tmp_path: Path) -> None:
    other = copy_course(mini, tmp_path / "other")
    with_plugin(mini)
    with_plugin(other, plugin=PLUGIN.replace("0.1", "0.5"))
    assert [Late(Course.open(c)).penalty("ada", 10.0, 1.0) for c in (mini, other, mini)] == [1.0, 5.0, 1.0]


@pytest.mark.parametrize(("config", "plugin", "said"), [
    ("c.Autograde.x =", PLUGIN, r"nbgrader_config.py cannot be used, line \d+: SyntaxError"),
    ("\n1 / 0", PLUGIN, r"nbgrader_config.py cannot be used, line \d+: ZeroDivisionError"),
    (CONFIGURED.replace("TenPercentADay", "Twenty"), PLUGIN, "late plugin 'late_days.Twenty' cannot be made"),
    (CONFIGURED.replace("late_days.TenPercentADay", "builtins.dict"), PLUGIN, "should be a class of nbgrader.plu"),
    ("", "import nowhere", "late plugin 'late_days.TenPercentADay' cannot be made .*nowhere"),
])
def test_a_slip_is_said_before_anything_is_graded(mini: Path, config: str, plugin: str, said: str) -> None:
    with_plugin(mini, config + "\n", plugin)
    hand_in_late(mini)
    with pytest.raises(CourseError, match=said):
        driver.grade(mini, A, jobs=1)
    assert penalty_rows(mini) == 0


def penalty_rows(course: Path) -> int:
    with sqlite3.connect(course / "gradebook.db") as db:
        return int(db.execute("SELECT count(*) FROM submitted_notebook").fetchone()[0])


def test_a_plugin_that_fails_is_named_with_the_student(mini: Path) -> None:
    due(with_plugin(mini, plugin=PLUGIN.replace("self.share *", "self.shar *")))
    hand_in_late(mini)
    with pytest.raises(AutograderError, match="TenPercentADay of .* failed for ada, 129600 s late .AttributeError"):
        driver.grade(mini, A, jobs=1)
