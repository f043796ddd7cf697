"""Assignments of several notebooks, with answers that a person grades, tasks, and tests that have no Check."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder import driver, nbgrader_plugin, notebook_out, pipeline, submission
from autograder.course import Course, read_json
from autograder.errors import AutograderError
from autograder.gradebook import Grades
from tests.autograder.grading_help import command, copy_course
from tests.autograder.several_help import (
    MATHS,
    WORDS,
    A,
    answered,
    hand_in,
    nbgrader_autograde,
    read,
    rows,
    words_source,
    write_several,
)

MEAN = "def total(x):\n    return x.mean(axis=0)"
WRONG = "def length(text):\n    return 7"


@pytest.fixture(scope="module")
def several_master(tmp_path_factory: pytest.TempPathFactory, mini_master: Path) -> Path:
    course = copy_course(mini_master, tmp_path_factory.mktemp("several") / "course")
    write_several(course)
    return course


@pytest.fixture
def several(several_master: Path, tmp_path: Path) -> Path:
    return copy_course(several_master, tmp_path / "course")


def grade(course: Path, **options: Any) -> dict[str, dict[str, Any]]:
    return {r["student"]: r for r in driver.grade(course, A, **({"jobs": 1} | options))}


def scores_of(result: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(c["notebook"], c["grade_id"]): c["score"] for c in result["cells"]}


def hand_in_a_class(course: Path) -> None:
    """All right; some of it wrong; a notebook forgotten; nothing written; cells deleted."""
    hand_in(course, "ada", maths=answered(course, MATHS),
            words=answered(course, WORDS, why="It cannot be changed.", sketch="def f(): pass"))
    hand_in(course, "bob", maths=answered(course, MATHS, total=MEAN), words=answered(course, WORDS, length=WRONG))
    hand_in(course, "cyd", maths=answered(course, MATHS))
    hand_in(course, "dan", maths=read(course, "release", MATHS), words=read(course, "release", WORDS))
    hand_in(course, "eve", maths=answered(course, MATHS), words=with_cells_deleted(course))


def with_cells_deleted(course: Path) -> dict[str, Any]:
    nb = answered(course, WORDS)
    nb["cells"] = [c for c in nb["cells"] if c["id"] not in ("why", "sketch", "essay", "double-test")]
    return nb


def test_a_submission_is_all_notebooks_of_the_assignment(several: Path) -> None:
    hand_in_a_class(several)
    results = grade(several)
    assert scores_of(results["ada"]) == {(MATHS, "double-test"): 4.0, (MATHS, "total-test"): 6.0,
                                         (WORDS, "double-test"): 3.0, (WORDS, "length-test"): 2.0}
    assert results["ada"]["score"] == 15.0 and results["ada"]["max_score"] == 30.0
    assert scores_of(results["bob"])[MATHS, "total-test"] < 6.0 and scores_of(results["bob"])[WORDS, "length-test"] == 0
    for student in results:
        folder = several / "autograded" / student / A
        assert sorted(p.name for p in folder.glob("*.ipynb")) == [f"{MATHS}.ipynb", f"{WORDS}.ipynb"]
        for path in folder.glob("*.ipynb"):
            nbformat.validate(nbformat.read(path, as_version=4))
        assert read_json(several / ".autograder" / "results" / A / f"{student}.json") == json.loads(
            json.dumps(results[student]))


def test_a_missing_notebook_costs_its_own_cells_and_says_so(several: Path) -> None:
    hand_in_a_class(several)
    (several / "submitted" / "fay" / A).mkdir(parents=True)
    results = grade(several)
    cyd = results["cyd"]
    assert cyd["status"] == "graded" and cyd["notebooks"] == {MATHS: "graded", WORDS: "missing"} and cyd["score"] == 10
    lost = [c for c in cyd["cells"] if c["notebook"] == WORDS]
    assert [c["reason"] for c in lost] == ["missing", "missing"] and "no file 'words.ipynb'" in lost[0]["message"]
    assert "words.ipynb: there is no file 'words.ipynb' in the submission" in cyd["notes"]
    assert {w for (n, _), (_, _, w, _) in rows(several)["cyd"].items() if n == WORDS} == {False}   # nothing to look at
    assert results["fay"]["status"] == "missing" and results["fay"]["score"] == 0.0


def test_a_cell_of_one_name_in_two_notebooks_is_two_cells(several: Path) -> None:
    """`double-test` is 4 points in one and 3 in the other; their seeds differ too."""
    same = answered(several, WORDS, upper="def upper(text): return text")
    hand_in(several, "ada", maths=answered(several, MATHS), words=same)
    result = grade(several)["ada"]
    assert scores_of(result)[MATHS, "double-test"] == 4.0 and scores_of(result)[WORDS, "double-test"] == 0.0
    found = rows(several)["ada"]
    assert (found[MATHS, "double-test"][0], found[WORDS, "double-test"][0]) == (4.0, 0.0)
    key = (b"k" * 32, "ps1", "double-test", "ada", "hash")
    assert len({pipeline.seed_of(*key, name) for name in (MATHS, WORDS, "ps1")}) == 3
    assert pipeline.seed_of(*key) == pipeline.seed_of(*key, "ps1")      # as it was before notebooks had names


def test_each_notebook_runs_in_a_process_of_its_own(several: Path) -> None:
    """What the first one defines, or breaks, is not there in the second."""
    hand_in(several, "ada", maths=answered(several, MATHS, double="import os\nos._exit(1)"),
            words=answered(several, WORDS, upper="def upper(t): return total(t)"))
    result = scores_of(grade(several)["ada"])
    assert result == {(MATHS, "double-test"): 0.0, (MATHS, "total-test"): 6.0,
                      (WORDS, "double-test"): 0.0, (WORDS, "length-test"): 2.0}


def test_the_time_of_a_submission_is_for_all_its_notebooks(several: Path) -> None:
    path = several / "course.toml"
    path.write_text(path.read_text().replace("submission = 60.0", "submission = 1.0"))
    hand_in(several, "ada", maths=answered(several, MATHS, total="import time\ntime.sleep(1.1)"),
            words=answered(several, WORDS))
    cells = grade(several)["ada"]["cells"]
    assert [c["reason"] for c in cells if c["notebook"] == WORDS] == ["timeout", "timeout"]
    assert "the submission had used its 1 s" in cells[-1]["message"]


def test_what_a_person_grades_waits_for_one(several: Path) -> None:
    hand_in_a_class(several)
    grade(several)
    found = rows(several)
    by_hand = {(WORDS, "why"): 5.0, (WORDS, "sketch"): 4.0, (WORDS, "essay"): 6.0}
    assert {k: v for k, v in found["ada"].items() if k in by_hand} == {k: (None, None, True, m) for k, m in
                                                                     by_hand.items()}
    assert found["dan"][WORDS, "why"] == (0.0, None, False, 5.0)        # nothing was written
    assert found["dan"][WORDS, "essay"] == (None, None, True, 6.0)      # a task has no place that could be empty
    assert found["eve"][WORDS, "sketch"] == (0.0, None, False, 4.0)     # the cell was deleted
    with Grades(Course.open(several)) as grades:
        nb = grades.book.find_submission_notebook(WORDS, A, "dan")
        assert {c.name: c.auto_comment for c in nb.comments if c.auto_comment} == dict.fromkeys(
            ("upper", "length", "why", "sketch"), "No response.")
        assert grades.book.find_submission(A, "ada").max_score == 30.0
        nb = grades.book.find_submission_notebook(WORDS, A, "ada")
        for grade_row in nb.grades:     # as the formgrader saves what a person types
            if grade_row.name == "essay":
                grade_row.manual_score, grade_row.needs_manual_grade = 5.5, False
        next(c for c in nb.comments if c.name == "essay").manual_comment = "Well read."
        grades.book.db.commit()
    grade(several, force=True)
    assert rows(several)["ada"][WORDS, "essay"] == (None, 5.5, False, 6.0)
    with Grades(Course.open(several)) as grades:
        nb = grades.book.find_submission_notebook(WORDS, A, "ada")
        assert [c.manual_comment for c in nb.comments if c.manual_comment] == ["Well read."] and nb.score == 10.5


def test_a_second_attempt_with_an_answer_for_a_person_counts_where_the_tests_give_the_same(several: Path) -> None:
    """Under `best` the points of the tests decide; an empty first attempt must not hide the second."""
    config = several / "course.toml"
    config.write_text(config.read_text().replace('policy = "last"', 'policy = "best"'))
    hand_in(several, "ada", maths=answered(several, MATHS), words=answered(several, WORDS, why="YOUR ANSWER HERE"))
    first = grade(several)["ada"]
    assert rows(several)["ada"][WORDS, "why"] == (0.0, None, False, 5.0)
    for source in ("Because it is so.", "Because it is so, and was."):
        hand_in(several, "ada", maths=answered(several, MATHS), words=answered(several, WORDS, why=source))
        second = grade(several)["ada"]
        assert (second["attempt"], second["score"]) == (2, first["score"])      # of two with an answer the first
    assert rows(several)["ada"][WORDS, "why"] == (None, None, True, 5.0)


def test_a_test_without_a_check_is_marked_and_the_student_is_not_told(several: Path) -> None:
    hand_in_a_class(several)
    result = grade(several)["ada"]
    assert {c["notebook"]: c.get("forgeable", False) for c in result["cells"]} == {MATHS: False, WORDS: True}
    assert all(c["notes"] == [pipeline.FORGEABLE] for c in result["cells"] if c["notebook"] == WORDS)
    assert "forgeable" not in (several / "autograded" / "ada" / A / f"{WORDS}.ipynb").read_text()


def test_a_renamed_notebook_is_found_and_never_taken_for_another(several: Path) -> None:
    folder = hand_in(several, "ada", maths=answered(several, MATHS), words=answered(several, WORDS))
    (folder / f"{WORDS}.ipynb").rename(folder / f"{WORDS} (1).ipynb")
    hand_in(several, "bob", words=answered(several, WORDS), other=answered(several, MATHS))
    results = grade(several)
    assert results["ada"]["score"] == 15.0 and "'words (1).ipynb'" in results["ada"]["notes"][0]
    assert results["bob"]["notebooks"] == {MATHS: "missing", WORDS: "graded"}


def test_only_a_changed_notebook_is_a_reason_to_grade_again(several: Path) -> None:
    hand_in_a_class(several)
    seeds = {c["grade_id"]: c["seed"] for c in grade(several)["ada"]["cells"] if c["notebook"] == MATHS}
    done: list[str] = []
    hand_in(several, "ada", words=answered(several, WORDS, length=WRONG))
    (several / "autograded" / "bob" / A / f"{WORDS}.ipynb").unlink()
    results = grade(several, finished=lambda r: done.append(r["student"]))
    assert sorted(done) == ["ada", "bob"]
    # a new answer in one notebook draws nothing new in the other
    assert {c["grade_id"]: c["seed"] for c in results["ada"]["cells"] if c["notebook"] == MATHS} == seeds


def test_a_notebook_keeps_the_text_that_the_instructor_wrote(several: Path) -> None:
    """Neutralised is what a student wrote, so an unanswered question keeps its checksum, which says "no response"."""
    template = submission.Template(A, (submission.CellSpec("q", "markdown", "*a* <br> b", "0" * 32, True, True, False,
                                                           points=1.0),), notebook=WORDS)
    for source, same in (("*a* <br> b", True), ("<script>1</script>", False)):
        cell = {"cell_type": "markdown", "source": source, "nbgrader": {}, "grade_id": "q", "id": "q", "tags": []}
        built = notebook_out.build(submission.rebuild(template, [cell]), {})
        assert (built.cells[0].source == source) is same


STOCK = "c = get_config()\nc.CourseDirectory.course_id = 'several'\n"


def hand_in_every_answer(course: Path) -> None:
    hand_in(course, "ada", maths=answered(course, MATHS, total=MEAN),
            words=answered(course, WORDS, length=WRONG, why="It cannot be changed."))
    hand_in(course, "bob", maths=read(course, "release", MATHS))


@pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")      # nbgrader's own
def test_both_doors_give_several_notebooks_one_score_and_result(several: Path, tmp_path: Path) -> None:
    """The driver and nbgrader's autograde with the course's configuration; every kind of cell and answer."""
    hand_in_every_answer(several)
    hand_in(several, "eve", maths=answered(several, MATHS), words=with_cells_deleted(several))
    plugin = copy_course(several, tmp_path / "plugin")
    grade(several)
    nbgrader_autograde(plugin, A)
    assert rows(several) == rows(plugin)

    def plain(course: Path, student: str) -> Any:
        result = read_json(course / ".autograder" / "results" / A / f"{student}.json")
        times = ("started", "seconds")
        return {k: v for k, v in result.items() if k not in (*times, "cells")}, [
            {k: v for k, v in c.items() if k not in times} for c in result["cells"]]

    for student in ("ada", "bob", "eve"):
        assert plain(several, student) == plain(plugin, student)


@pytest.mark.proof
def test_stock_nbgrader_gives_several_notebooks_the_same_score(several: Path, tmp_path: Path) -> None:
    """The third way, and a feedback page for each notebook."""
    hand_in_every_answer(several)
    stock = copy_course(several, tmp_path / "stock")
    (stock / "nbgrader_config.py").write_text(STOCK)
    grade(several)
    command(stock, "nbgrader", "autograde", A)
    assert rows(several) == rows(stock)
    command(several, "nbgrader", "generate_feedback", A)
    pages = sorted((several / "feedback" / "ada" / A).glob("*.html"))
    assert [p.name for p in pages] == [f"{MATHS}.html", f"{WORDS}.html"]
    assert "HIDDEN TESTS" not in pages[1].read_text().split("<body", 1)[1]


def test_a_source_without_a_release_says_what_to_type(several: Path) -> None:
    (several / "source" / "ps2").mkdir()
    (several / "source" / "ps2" / "part.ipynb").write_text("{}")
    with pytest.raises(AutograderError, match="'ps2' has a source notebook and no release yet: .* ps2 makes it"):
        driver.grade(several, "ps2", jobs=1)
    (several / "release" / "ps2").mkdir()       # made before a gradebook was put back: nbgrader would skip it
    with pytest.raises(AutograderError, match="'ps2' is not in the gradebook: .* ps2 --force makes it"):
        driver.grade(several, "ps2", jobs=1)


@pytest.mark.parametrize("file", ["course.toml", f"checks/{A}/{MATHS}/checks.py", f"release/{A}/{WORDS}.ipynb"])
def test_the_formgraders_process_notices_what_it_graded_with(several: Path, file: str) -> None:
    """It lives for days, with a warm worker for each assignment."""
    course = Course.open(several)
    before = nbgrader_plugin._state(course, A)
    assert nbgrader_plugin._state(course, A) == before
    os.utime(several / file, ns=(1, 1))
    assert nbgrader_plugin._state(course, A) != before


def test_the_instructors_notebook_has_every_kind_of_cell() -> None:
    kinds = {(c["metadata"]["nbgrader"]["grade"], c["metadata"]["nbgrader"]["solution"],
              c["metadata"]["nbgrader"]["task"], c["cell_type"]) for c in words_source()["cells"]}
    assert {(True, True, False, "markdown"), (True, True, False, "code"), (False, False, True, "markdown"),
            (True, False, False, "code")} <= kinds
