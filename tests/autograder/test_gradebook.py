"""The rows of a submission: all there, also after a later release, and for few statements."""

from __future__ import annotations

from pathlib import Path

from nbgrader.api import Comment, Grade
from sqlalchemy import event

from autograder import driver
from autograder.course import Course
from autograder.gradebook import Grades, Rows
from tests.autograder.grading_help import answer, hand_in, release, solved

A = "01_mini"


def test_a_cell_that_a_later_release_added_gets_its_rows_in_submissions_that_were_there(mini: Path) -> None:
    """Without them its score would be lost without a word, and the submission graded again at each run."""
    hand_in(mini, "ada", solved(mini, A), A)
    driver.grade(mini, A, jobs=1)
    with Grades(Course.open(mini)) as grades:
        before = grades.scores(A)["ada"]
        grades.book.add_grade_cell("later", A, A, max_score=3, cell_type="code")
        grades.book.add_solution_cell("later", A, A)
        # nbgrader mirrors a cell into submissions that come, not into those that are there
        for kind in (Grade, Comment):
            for row in grades.book.db.query(kind).all():
                assert row.cell.name != "later"
    with Grades(Course.open(mini)) as grades:
        grades.save(A, Rows("ada", before | {(A, "later"): 2.0}, frozenset({(A, "later")})))
        assert grades.scores(A)["ada"] == before | {(A, "later"): 2.0}
        found = grades.book.find_submission(A, "ada").notebooks[0]
        assert [c.auto_comment for c in found.comments if c.name == "later"] == ["No response."]
        grades.save(A, Rows("ada", before | {(A, "later"): 3.0}, frozenset()))
        assert len([g for g in found.grades if g.name == "later"]) == 1


def test_the_rows_of_a_submission_cost_as_few_statements_in_a_large_class(mini: Path) -> None:
    hand_in(mini, "ada", answer(release(mini, A), double="def double(x):\n    return 2 * x"), A)
    driver.grade(mini, A, jobs=1)
    counts = []
    with Grades(Course.open(mini)) as grades:
        scores = grades.scores(A)["ada"]
        event.listen(grades.book.engine, "before_cursor_execute", lambda *args: counts.append(args[2].split()[0]))
        for i in range(12):
            counts.clear()
            grades.save(A, Rows(f"s{i}", scores, frozenset()))
            if i:           # the first reads the assignment's cells
                assert len(counts) <= 10 and counts.count("SELECT") <= 4, counts
        counts.clear()
        grades.save(A, Rows("s3", scores, frozenset()))
        assert set(counts) == {"SELECT"} and len(counts) <= 6, counts
