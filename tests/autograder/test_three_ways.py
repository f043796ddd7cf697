"""Three ways of grading give honest work one score: `autograder grade`, `nbgrader autograde` with the course's config,
and stock `nbgrader autograde`, where the hidden region calls the same Check in the student's kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autograder.assignment import Assignment
from tests.autograder.grading_help import Notebook, answer, command, copy_course, hand_in, release, scores, solved

A = "03_rnn"
STOCK = "c = get_config()\nc.CourseDirectory.course_id = 'rnn'\n"
FEEDBACK = ("<script>", "onerror", "HIDDEN TESTS", "autograder.kernel")


def honest(course: Path) -> dict[str, Notebook]:
    """The solution, some mistakes, a part of it, nothing, one that prints and warns everywhere and plots."""
    assignment = Assignment(course / "checks" / A)
    blank, right = release(course, A), solved(course, A)
    mistakes: dict[str, str] = {}
    noisy: dict[str, str] = {}
    for check in assignment.checks.values():
        name = next(c.grade_id for c in assignment.cells if c.solution and check.function in c.defines)
        source = assignment.solution_cell(check.function).source
        if len(mistakes) < 4:
            mistakes[name.replace("-", "_")] = str(check.source(check.mutants[len(mistakes) % len(check.mutants)]))
        head, _, rest = source.partition(":\n")
        noise = ("    import sys, warnings\n    print('inside')\n    warnings.warn('careful')\n"
                 "    print('also here', file=sys.stderr)\n")
        noisy[name.replace("-", "_")] = (f"import sys, warnings\nprint('loaded')\nwarnings.warn('outside')\n"
                                         f"print('to stderr', file=sys.stderr)\n{head}:\n{noise}{rest}\n0.5")
    step = next(iter(noisy))
    noisy[step] += "\nimport matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.title('my step')\nplt.show()"
    return {"solved": right, "mistakes": answer(right, **mistakes),
            "partly": answer(blank, **dict([*mistakes.items()][:2])), "blank": blank, "noisy": answer(right, **noisy)}


@pytest.mark.slow
@pytest.mark.parametrize("students", [
    ("mistakes", "blank", "noisy"), pytest.param(("solved", "partly"), marks=pytest.mark.proof)])
def test_three_ways_of_grading_give_honest_work_one_score(rnn: Path, tmp_path: Path, students: tuple[str, ...]) -> None:
    notebooks = honest(rnn)
    for student in students:
        hand_in(rnn, student, notebooks[student], A)
    plugin, stock = copy_course(rnn, tmp_path / "plugin"), copy_course(rnn, tmp_path / "stock")
    (stock / "nbgrader_config.py").write_text(STOCK)

    command(rnn, "autograder", "grade", str(rnn), A, "--jobs", "2")
    command(plugin, "nbgrader", "autograde", A)
    command(stock, "nbgrader", "autograde", A)

    ours, theirs, plain = scores(rnn, A), scores(plugin, A), scores(stock, A)
    assert ours == theirs
    assert ours == plain
    total: dict[str, Any] = {s: sum(v or 0.0 for v in cells.values()) for s, cells in ours.items()}
    whole = {"solved": 100.0, "noisy": 100.0, "blank": 0.0}
    assert all(points == whole[s] if s in whole else 0.0 <= points < 100.0 for s, points in total.items())

    command(rnn, "nbgrader", "generate_feedback", A)
    for student in ours:
        page = (rnn / "feedback" / student / A / f"{A}.html").read_text(encoding="utf-8")
        assert "of 14 points" in page and not any(word in page.split("<body", 1)[1] for word in FEEDBACK[1:])


@pytest.mark.slow
def test_the_plugin_writes_the_same_results_as_the_driver(mini: Path, tmp_path: Path) -> None:
    """The seeds are the same, so is everything but the times."""
    from autograder.course import read_json

    hand_in(mini, "ada", answer(solved(mini, "01_mini"), total="def total(x):\n    return x.mean(axis=0)"), "01_mini")
    hostile = answer(release(mini, "01_mini"), double="import os\ndef double(x):\n    os._exit(0)")
    hostile["cells"] = [c for c in hostile["cells"] if c["id"] != "total-test"]
    hand_in(mini, "eve", hostile, "01_mini")
    plugin = copy_course(mini, tmp_path / "plugin")
    command(mini, "autograder", "grade", str(mini), "01_mini")
    command(plugin, "nbgrader", "autograde", "01_mini")
    assert scores(mini, "01_mini") == scores(plugin, "01_mini")

    def plain(course: Path, student: str) -> Any:
        result = read_json(course / ".autograder" / "results" / "01_mini" / f"{student}.json")
        times = ("started", "seconds")
        return {k: v for k, v in result.items() if k not in (*times, "cells")}, [
            {k: v for k, v in c.items() if k not in times} for c in result["cells"]]

    for student in ("ada", "eve"):
        assert plain(mini, student) == plain(plugin, student)


@pytest.mark.slow
def test_a_link_to_the_gradebook_is_not_handed_out(mini: Path, tmp_path: Path) -> None:
    """nbgrader copies the files beside a notebook and follows links: this once gave a student the whole gradebook."""
    hand_in(mini, "eve", release(mini, "01_mini"), "01_mini")
    (mini / "submitted" / "eve" / "01_mini" / "data.bin").symlink_to(mini / "gradebook.db")
    plugin = copy_course(mini, tmp_path / "plugin")
    command(mini, "autograder", "grade", str(mini), "01_mini")
    command(plugin, "nbgrader", "autograde", "01_mini")
    for course in (mini, plugin):
        assert [p.name for p in (course / "autograded" / "eve" / "01_mini").iterdir()] == ["01_mini.ipynb"]


@pytest.mark.slow
def test_no_script_of_a_student_is_live_in_the_feedback_page(mini: Path) -> None:
    attack = "<img src=x onerror=alert(1)> <script>alert(1)</script> [a](javascript:alert(1)) $a<b$"
    nb = solved(mini, "01_mini")
    nb["cells"] += [
        {"cell_type": "markdown", "metadata": {}, "source": attack, "id": "m"},
        {"cell_type": "raw", "metadata": {"format": "text/html"}, "source": attack, "id": "r"},
        {"cell_type": "code", "metadata": {}, "id": "c", "execution_count": 1,
         "outputs": [{"output_type": "display_data", "metadata": {}, "data": {"text/html": attack}}],
         "source": "class H:\n    def _repr_html_(self): return '<script>alert(2)</script>'\nH()"}]
    hand_in(mini, "eve", nb, "01_mini")
    command(mini, "autograder", "grade", str(mini), "01_mini")
    command(mini, "nbgrader", "generate_feedback", "01_mini")
    page = (mini / "feedback" / "eve" / "01_mini" / "01_mini.html").read_text(encoding="utf-8")
    for live in ("<img src=x", "<img src=\"x", "<script>alert", "href=\"javascript"):
        assert live not in page
    notebook = (mini / "autograded" / "eve" / "01_mini" / "01_mini.ipynb").read_text(encoding="utf-8")
    assert "text/html" not in notebook and "<img src=x onerror" not in notebook.replace("# ", "")
