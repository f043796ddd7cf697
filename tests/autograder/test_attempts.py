"""Attempts: each is kept, the policy says which one counts, and nothing is run to follow another policy."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.utils import determine_grade

from autograder import attempts, driver, sheet
from autograder.__main__ import main
from autograder.course import Course, read_json
from autograder.errors import AutograderError, CourseError
from tests.autograder.grading_help import answer, copy_course, hand_in, release, scores, solved, totals
from tests.autograder.several_help import nbgrader_autograde

A = "01_mini"
DOUBLE = "def double(x):\n    return 2 * x"
TOTAL = "def total(x):\n    return x.sum(axis=0)"


def settings(course: Path, policy: str = "last", limit: Any = 0) -> Path:
    path = course / "course.toml"
    lines = path.read_text().splitlines()
    at = lines.index(next(line for line in lines if line.startswith("[attempts]")))
    lines[at + 1:at + 3] = [f'policy = "{policy}"', f"limit = {limit}"]
    path.write_text("\n".join(lines) + "\n")
    return course


def grade(course: Path, **options: Any) -> dict[str, Any]:
    return driver.grade(course, A, **({"jobs": 1} | options))[0]


def hand_in_and_grade(course: Path, *tries: str, student: str = "ada") -> None:
    """Attempts worth 4 ("double"), 6 ("total"), 10 ("both") or 0 points ("none"), each graded."""
    sources = {"double": {"double": DOUBLE}, "total": {"total": TOTAL}, "both": {"double": DOUBLE, "total": TOTAL},
               "none": {}}
    for word in tries:
        hand_in(course, student, answer(release(course, A), **sources[word]), A)
        grade(course, students=[student])


def places(course: Path, student: str = "ada") -> Path:
    return course / ".autograder" / "attempts" / A / student


def count_the_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The students whose code is run from here on."""
    ran: list[str] = []
    real = driver.outcomes
    monkeypatch.setattr(driver, "outcomes", lambda plan, students, jobs: (ran.extend(students),
                                                                         real(plan, students, jobs))[1])
    return ran


def test_each_changed_submission_is_an_attempt_and_is_kept(mini: Path) -> None:
    hand_in_and_grade(mini, "double", "both", "total")
    found = attempts.results(Course.open(mini), A, "ada")
    assert [(r["attempt"], r["score"]) for r in found] == [(1, 4.0), (2, 10.0), (3, 6.0)]
    assert sorted(p.name for p in places(mini).iterdir()) == ["001", "002", "003"]
    first = json.loads((places(mini) / "001" / f"{A}.ipynb").read_text())
    assert first == answer(release(mini, A), double=DOUBLE)
    assert totals(mini, A) == {"ada": 6.0}


@pytest.mark.parametrize(("policy", "limit", "number", "points"), [
    ("last", 0, 3, 6.0), ("best", 0, 2, 10.0), ("first", 0, 1, 4.0),
    ("last", 2, 2, 10.0), ("best", 1, 1, 4.0), ("first", 1, 1, 4.0), ("last", 3, 3, 6.0)])
def test_the_policy_says_which_one_counts(mini_with_three: Path, policy: str, limit: int, number: int, points: float,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, result and graded notebook are those of one attempt, and nothing was run to make them so."""
    course = settings(mini_with_three, policy, limit)
    ran = count_the_runs(monkeypatch)
    result = grade(course)
    assert ran == [] and (result["attempt"], result["score"]) == (number, points)
    assert result["attempts"] == {"made": 3, "policy": policy, "limit": limit}
    assert totals(course, A) == {"ada": points}
    assert scores(course, A)["ada"] == {c["grade_id"]: c["score"] for c in result["cells"]}
    cells = nbformat.read(course / "autograded" / "ada" / A / f"{A}.ipynb", as_version=4).cells
    assert scores(course, A)["ada"] == {c.id: determine_grade(c)[0] for c in cells if c.id.endswith("-test")}


@pytest.fixture(scope="module")
def three_master(tmp_path_factory: pytest.TempPathFactory, mini_master: Path) -> Path:
    course = copy_course(mini_master, tmp_path_factory.mktemp("attempts") / "course")
    hand_in_and_grade(course, "double", "both", "total")
    return course


@pytest.fixture
def mini_with_three(three_master: Path, tmp_path: Path) -> Path:
    """Three attempts of ada's: 4, 10 and 6 points."""
    return copy_course(three_master, tmp_path / "course")


def test_the_student_reads_which_attempt_counts(mini_with_three: Path) -> None:
    grade(settings(mini_with_three, "best", 2))
    notebook = mini_with_three / "autograded" / "ada" / A / f"{A}.ipynb"
    first = json.loads(notebook.read_text())["cells"][0]
    assert first["cell_type"] == "markdown" and first["source"] == (
        "- Attempt 3 is over the limit of 2, recorded, and does not count.\n"
        "- Attempt 2 of 3 counts: the best one does in this course.")
    grade(settings(mini_with_three, "last", 0))
    assert json.loads(notebook.read_text())["cells"][0]["id"] != "which-attempt"    # nothing to explain


def test_the_same_answers_again_are_no_new_attempt(mini: Path) -> None:
    """Run again in the browser and handed in again: other outputs, other bytes, the same work."""
    hand_in_and_grade(mini, "both")
    nb = answer(release(mini, A), double=DOUBLE, total=TOTAL)
    for cell in nb["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "hello"}]
    hand_in(mini, "ada", nb, A)
    grade(mini, force=True)
    assert [a.number for a in attempts.kept(Course.open(mini), A, "ada")] == [1]


def test_a_changed_test_of_the_course_is_no_new_attempt_and_old_ones_are_graded_again(
        mini_with_three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `best` all attempts must be judged by the new checks, from the files that were kept."""
    course = settings(mini_with_three, "best")
    checks = course / "checks" / A / "checks.py"
    checks.write_text(checks.read_text().replace("not x times x.", "not x squared."))
    with sqlite3.connect(course / "gradebook.db") as db:
        db.execute("UPDATE source_cell SET source = source || '\n# new' WHERE name = 'double-test'")
    before = attempts.results(Course.open(course), A, "ada")
    ran = count_the_runs(monkeypatch)
    assert grade(course)["attempt"] == 2
    assert ran == ["ada"] * 3
    after = attempts.results(Course.open(course), A, "ada")
    assert [r["score"] for r in after] == [4.0, 10.0, 6.0]
    assert {r["checks_hash"] for r in after} != {r["checks_hash"] for r in before} and len(after) == 3
    assert [c["seed"] for r in after for c in r["cells"]] == [c["seed"] for r in before for c in r["cells"]]
    ran.clear()
    grade(course)
    assert ran == []


def test_a_log_has_a_line_for_what_was_run_and_one_for_all_that_was_written_anew(
        mini_with_three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings(mini_with_three, "best")
    hand_in(mini_with_three, "new", solved(mini_with_three, A), A)
    assert main(["grade", str(mini_with_three), A, "--jobs", "1"]) == 0
    said = capsys.readouterr().err
    assert "[1/1] new: 10 of 10" in said and "ada: " not in said and "1 submission in" in said
    assert "1 written anew without running anything" in said
    assert main(["grade", str(mini_with_three), A]) == 0
    assert "anew" not in capsys.readouterr().err


def test_only_what_the_policy_looks_at_is_graded_again(mini_with_three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = mini_with_three / "checks" / A / "checks.py"
    checks.write_text(checks.read_text().replace("not x times x.", "not x squared."))
    ran = count_the_runs(monkeypatch)
    assert grade(mini_with_three)["attempt"] == 3 and ran == ["ada"]


def test_the_time_of_the_attempt_that_counts_decides_about_the_penalty(mini: Path) -> None:
    """The best was in time, the last is late."""
    settings(mini, "best")
    with sqlite3.connect(mini / "gradebook.db") as db:
        db.execute("UPDATE assignment SET duedate = '2026-02-01 00:00:00.000000'")
    path = mini / "course.toml"
    path.write_text(path.read_text().replace('policy = "none"', 'policy = "zero"'))
    stamp = mini / "submitted" / "ada" / A / "timestamp.txt"
    stamp.parent.mkdir(parents=True)
    stamp.write_text("2026-01-31 12:00:00 UTC")
    hand_in_and_grade(mini, "both")
    stamp.write_text("2026-02-03 12:00:00 UTC")
    hand_in_and_grade(mini, "double")
    assert [r["submitted"] for r in attempts.results(Course.open(mini), A, "ada")] == [
        "2026-01-31T12:00:00+00:00", "2026-02-03T12:00:00+00:00"]
    with sqlite3.connect(mini / "gradebook.db") as db:
        assert db.execute("SELECT late_submission_penalty FROM submitted_notebook").fetchall() == [(None,)]
    grade(settings(mini, "last"))
    with sqlite3.connect(mini / "gradebook.db") as db:
        assert db.execute("SELECT late_submission_penalty FROM submitted_notebook").fetchall() == [(4.0,)]


def test_of_equally_good_attempts_the_first_counts(mini: Path) -> None:
    settings(mini, "best")
    hand_in_and_grade(mini, "both", "none")
    hand_in(mini, "ada", solved(mini, A), A)        # all right as well, written differently
    assert grade(mini)["attempt"] == 1


@pytest.mark.parametrize("gone", ["result.json", "outcome.json.gz"])
def test_a_run_killed_while_it_kept_an_attempt_makes_it_again(mini: Path, gone: str) -> None:
    """Nothing is counted twice: the number of the unfinished attempt is used again."""
    hand_in_and_grade(mini, "double", "both")
    (places(mini) / "002" / gone).unlink()
    (mini / ".autograder" / "results" / A / "ada.json").unlink()
    assert grade(mini)["attempt"] == 2 and sorted(p.name for p in places(mini).iterdir()) == ["001", "002"]


def test_a_run_killed_before_the_rows_writes_them_without_running(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in_and_grade(mini, "double", "both")
    with sqlite3.connect(mini / "gradebook.db") as db:
        db.execute("UPDATE grade SET auto_score = 1")
    ran = count_the_runs(monkeypatch)
    assert grade(mini)["score"] == 10.0 and ran == [] and totals(mini, A) == {"ada": 10.0}


def test_a_damaged_attempt_is_named(mini_with_three: Path) -> None:
    (places(mini_with_three) / "002" / "outcome.json.gz").write_bytes(b"\x1f\x8bhalf")
    with pytest.raises(CourseError, match="002/outcome.json.gz is damaged .*delete .*002/result.json and grade again"):
        grade(settings(mini_with_three, "best"))


def test_no_link_and_no_giant_is_kept(mini: Path) -> None:
    folder = hand_in(mini, "ada", solved(mini, A), A).parent
    (folder / "secret.ipynb").symlink_to(mini / "gradebook.db")
    os.mkfifo(folder / "pipe.ipynb")
    with (folder / "big.ipynb").open("wb") as file:
        file.truncate(40 << 20)
    grade(mini)
    assert sorted(p.name for p in (places(mini) / "001").iterdir()) == [f"{A}.ipynb", "outcome.json.gz", "result.json"]


def while_it_runs(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object], *, after: bool) -> None:
    """`change` happens once, before or after the student's code has run; the driver has looked at the submission."""
    real, changes = driver.outcomes, [change]

    def outcomes(plan: Any, students: Sequence[str], jobs: int) -> Iterator[Any]:
        if not after and students:
            changes.pop()()
        for out in real(plan, students, jobs):
            if after:
                changes.pop()()
            yield out
    monkeypatch.setattr(driver, "outcomes", outcomes)


@pytest.mark.parametrize("after", [False, True])
def test_the_kept_files_are_those_that_were_graded(mini: Path, monkeypatch: pytest.MonkeyPatch, after: bool) -> None:
    """An upload in the middle of a run: what is kept must give the kept score when it is graded again."""
    hand_in(mini, "ada", answer(release(mini, A), double=DOUBLE), A)
    better = answer(release(mini, A), double=DOUBLE, total=TOTAL)
    with monkeypatch.context() as patch:
        while_it_runs(patch, lambda: hand_in(mini, "ada", better, A), after=after)
        assert grade(mini)["score"] == (4.0 if after else 10.0)
    kept = json.loads((places(mini) / "001" / f"{A}.ipynb").read_text())
    assert (kept == better) is not after
    assert (grade(mini)["score"], grade(mini)["attempt"]) == (10.0, 2 if after else 1)


def test_what_comes_while_an_attempt_is_graded_again_is_an_attempt_of_its_own(
        mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in_and_grade(mini, "double")
    better = answer(release(mini, A), double=DOUBLE, total=TOTAL)
    while_it_runs(monkeypatch, lambda: hand_in(mini, "ada", better, A), after=False)
    assert grade(mini, force=True)["attempt"] == 2
    assert [r["score"] for r in attempts.results(Course.open(mini), A, "ada")] == [4.0, 10.0]
    assert json.loads((places(mini) / "002" / f"{A}.ipynb").read_text()) == better


def test_a_submission_that_is_a_link_is_recorded_and_nothing_of_it_kept(mini: Path) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    (mini / "submitted" / "eve").mkdir()
    (mini / "submitted" / "eve" / A).symlink_to(mini / "submitted" / "ada" / A)
    driver.grade(mini, A, jobs=1)
    assert [r["status"] for r in attempts.results(Course.open(mini), A, "eve")] == ["refused"]
    assert not list((places(mini, "eve") / "001").glob("*.ipynb"))


@pytest.mark.parametrize(("policy", "limit", "said"), [
    ("bets", 0, "no attempts policy 'bets' in .*Did you mean 'best'"),
    ("best", -1, "limit = -1 should be a whole number"), ("best", "true", "limit = True should be a whole number"),
    ("best", 1.5, "limit = 1.5 should be a whole number")])
def test_a_slip_in_the_settings_is_named(mini: Path, policy: str, limit: Any, said: str) -> None:
    with pytest.raises(AutograderError, match=said):
        Course.open(settings(mini, policy, limit))


def test_nbgraders_autograde_keeps_attempts_and_follows_the_policy(mini_with_three: Path, tmp_path: Path) -> None:
    """The fourth attempt by the other door: recorded, and the best one stays in the gradebook."""
    settings(mini_with_three, "best")
    hand_in(mini_with_three, "ada", release(mini_with_three, A), A)
    plugin = copy_course(mini_with_three, tmp_path / "plugin")
    grade(mini_with_three)
    nbgrader_autograde(plugin, A)
    assert totals(plugin, A) == totals(mini_with_three, A) == {"ada": 10.0}
    assert [r["score"] for r in attempts.results(Course.open(plugin), A, "ada")] == [4.0, 10.0, 6.0, 0.0]
    ours, theirs = (read_json(c / ".autograder" / "results" / A / "ada.json") for c in (mini_with_three, plugin))
    assert ours["attempt"] == theirs["attempt"] == 2 and ours["attempts"] == theirs["attempts"]
    for course in (mini_with_three, plugin):
        text = (course / "autograded" / "ada" / A / f"{A}.ipynb").read_text()
        assert "Attempt 2 of 4 counts" in text


def test_what_an_attempt_is_does_not_depend_on_the_courses_own_cells(mini: Path) -> None:
    from autograder.gradebook import Grades

    hand_in(mini, "ada", solved(mini, A), A)
    course = Course.open(mini)
    with Grades(course) as grades:
        before = sheet.load(grades.sheet(A), course.submitted, "ada")
    with sqlite3.connect(mini / "gradebook.db") as db:
        db.execute("UPDATE source_cell SET source = source || '\n# new' WHERE name IN ('double-test', 'setup')")
    with Grades(course) as grades:
        after = sheet.load(grades.sheet(A), course.submitted, "ada")
    assert before.answers_hash == after.answers_hash and before.source_hash != after.source_hash
