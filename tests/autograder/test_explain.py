"""`autograder explain`: the replay gives the recorded verdict and shows the instructor what the student never sees."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder import driver, explain_text, pipeline
from autograder.__main__ import main
from autograder.assignment import Assignment
from autograder.compare import judge
from autograder.course import Course, read_json, write_atomically
from autograder.differences import differences
from autograder.errors import AutograderError, UnknownName
from autograder.explain import Explanation, explain, find_cell
from autograder.explain_text import text
from autograder.gradebook import Grades
from autograder.make_course import make
from autograder.sheet import Sheet
from autograder.status import status
from tests.autograder import several_help
from tests.autograder.assignment_help import NAMES
from tests.autograder.grading_help import CHECKOUT, answer, copy_course, hand_in, release, solved
from tests.autograder.several_help import MATHS, WORDS, answered, write_several

A = "01_mini"
Told = Callable[[str, str], Explanation]
CALLS = {
    "right": ("def double(x):\n    return 2 * x", "def total(x):\n    return x.sum(axis=0)"),
    "mean": ("def double(x):\n    return x * x", "def total(x):\n    return x.mean(axis=0)"),
    "raises": ("def double(x):\n    y = 2\n    raise ValueError(f'what \\x1b[31m is {x}')",
               "def total(x):\n    print('of', len(x), 'rows')\n    if len(x) == 1:\n        return x[5]\n"
               "    return x.sum(axis=0)"),
    "slow": ("def double(x):\n    while len(x) == 5:\n        pass\n    return 2 * x",
             "import os\ndef total(x):\n    os._exit(3)"),
    "forms": ("def double(x):\n    return [2 * v for v in x.tolist()]", "def total(x):\n    return np.full(3, np.nan)"),
}


@pytest.fixture(scope="module")
def graded(mini_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course in which each of CALLS, a blank and a broken notebook are graded."""
    course = copy_course(mini_master, tmp_path_factory.mktemp("explain") / "course")
    settings = course / "course.toml"
    settings.write_text(settings.read_text().replace("draw = 2.0", "draw = 0.5"))
    for student, (double, total) in CALLS.items():
        hand_in(course, student, answer(solved(course, A), double=double, total=total), A)
    hand_in(course, "blank", release(course, A), A)
    hand_in(course, "broken", b"{", A)
    driver.grade(course, A, jobs=1)
    return course


@pytest.fixture(scope="module")
def told(graded: Path) -> Told:
    """Each explanation is made once: every one starts a sandbox of its own."""
    return functools.cache(lambda student, cell: explain(graded, A, student, cell))


def contents(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(("student", "cell"), [
    ("right", "total"), ("mean", "total"), ("raises", "double"), ("slow", "double"), ("slow", "total"),
    ("forms", "double"), ("blank", "double")])
def test_the_replay_gives_the_recorded_verdict(graded: Path, told: Told, student: str, cell: str) -> None:
    """Right, wrong, raising, hanging, dying and unwritten functions; all of the verdict, not only its score."""
    found = told(student, cell)
    assert found.same and found.differs == [] and found.warnings == []
    saved = read_json(Course.open(graded).result_path(A, student))
    assert found.recorded == next(c for c in saved["cells"] if c["grade_id"] == f"{cell}-test")
    assert "the replay gives the verdict that is recorded" in text(found)
    json.dumps(found.to_dict(full=True), allow_nan=False)


def test_nothing_in_the_course_is_written(graded: Path) -> None:
    before = contents(graded)
    explain(graded, A, "mean", "total")
    assert contents(graded) == before


def test_a_wrong_entry_is_shown_with_what_was_expected_there_and_what_is_allowed(told: Told) -> None:
    found = told("mean", "total")
    first = found.draws[0]
    x, result = first.args["x"], first.results[0]
    assert first.parts == ["shape", "value"] and not first.right and first.seconds > 0
    np.testing.assert_array_equal(result.want, x.sum(axis=0))
    np.testing.assert_array_equal(result.got, x.mean(axis=0))
    difference = result.differences[0]
    assert (difference.wrong, difference.size) == (3, 3)
    worst = difference.entries[0]
    gaps = np.abs(x.sum(axis=0) - x.mean(axis=0))
    assert worst.index == (int(gaps.argmax()),) and difference.largest == pytest.approx(gaps.max())
    assert worst.want == result.want[worst.index] and worst.allowed == pytest.approx(
        1e-7 * (1 + np.abs(x.sum(axis=0)).max()))
    shown = text(found)
    assert f"{worst.want:.12g}" in shown and f"{worst.got:.12g}" in shown
    assert "draw 4 of 4  B = 1, D = 3" in shown         # one row: the mean is the sum there
    assert found.draws[3].right and shown.count("WRONG") == 3
    assert "what the student wrote\n  | def total(x):\n  |     return x.mean(axis=0)\n" in shown


def test_the_mistakes_that_were_tried_are_ranked_by_the_draws_that_they_explain(told: Told) -> None:
    found = told("mean", "total")
    assert [dataclasses.astuple(near) for near in found.mutants] == [
        ("mean", "y", 4, 4, 3, True), ("other_axis", "y", 0, 4, 4, False)]
    assert told("right", "total").mutants == []


def test_what_was_raised_is_told_with_text_line_and_prints_but_no_control_characters(told: Told) -> None:
    found = told("raises", "double")
    shown = text(found)
    value = found.draws[0].args["x"]
    assert "raised ValueError in line 3 of its cell" in shown and f"ValueError: what ?[31m is {value}" in shown
    assert all(ch.isprintable() or ch == "\n" for ch in shown)
    total = text(told("raises", "total"), only=4)
    assert "printed, when it was called once more:\n  | of 1 rows" in total
    assert "IndexError: index 5 is out of bounds" in total and "draw 3" not in total


def test_the_draw_that_hung_and_the_calls_that_were_not_made_are_told(told: Told) -> None:
    shown = text(told("slow", "double"))
    assert "too slow: double had not answered after 0.5 s" in shown and "NOT CALLED" in shown
    assert "its process left with exit code 3" in text(told("slow", "total"))


def test_wrong_forms_and_nan_are_told(told: Told) -> None:
    shown = text(told("forms", "double"), full=True)
    assert "y: a list came, an array is expected" in shown
    found = told("forms", "total")
    assert "y: NaN, 3 of 3 entries" in text(found)
    assert found.to_dict()["draws"][0]["results"][0]["got"]["values"] == ["nan"] * 3


@pytest.mark.parametrize(("got", "want", "wrong", "index"), [
    (np.array([1.0, 2.5]), np.array([1.0, 2.0]), 1, (1,)),
    (np.array([1.0, np.nan]), np.array([1.0, 2.0]), 1, (1,)),
    (np.array([1.0, np.nan]), np.array([1.0, np.nan]), 0, None),
    (np.array([-np.inf, 0.0]), np.array([-np.inf, 0.0]), 0, None),
    (np.array([np.inf, 0.0]), np.array([-np.inf, 0.0]), 1, (0,)),
    (np.array([1, 3]), np.array([1, 2]), 1, (1,)),
    (2.0, 3.0, 1, ()),
    (np.array([[1e6 + 1e-4], [2.0 + 1e-4]]), np.array([[1e6], [2.0]]), 1, (1, 0)),     # each example by its own
    (np.zeros((0, 3)), np.zeros((0, 3)), 0, None),
])
def test_entries_are_wrong_by_the_rule_that_judges(got: Any, want: Any, wrong: int, index: Any) -> None:
    (found,) = differences(got, want, 1e-7, 0)
    assert found.wrong == wrong and [e.index for e in found.entries] == ([index] if wrong else [])
    assert (judge(got, want, 1e-7, examples=0).value is not None) is bool(wrong)


def test_lists_and_dicts_are_told_with_their_places() -> None:
    found = list(differences([{"a": 1}, (2.0, 3.0)], [{"a": 2}, (2.0, 4.0)], 1e-7, None))
    assert [(d.where, d.wrong) for d in found] == [("[0]['a']", 1), ("[1][0]", 0), ("[1][1]", 1)]


def test_a_submission_that_was_not_run_says_why(graded: Path) -> None:
    found = explain(graded, A, "broken", "total")
    assert found.replayed is None and not found.same and found.draws == []
    assert "JSON is broken" in text(found) and "nothing to replay" in text(found)


def test_what_the_grader_failed_on_has_no_verdict_and_says_what_to_type(mini: Path) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    driver.grade(mini, A, jobs=1)
    path = Course.open(mini).result_path(A, "ada")
    write_atomically(path, json.dumps(read_json(path) | {"status": "error", "cells": [], "notes": ["no disk"]}))
    with pytest.raises(AutograderError, match="of ada has no verdict \\(no disk\\): autograder grade .*ada"):
        explain(mini, A, "ada", "total")


def test_without_a_sandbox_the_command_says_so(graded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(graded), A, "right", "total", "--sandbox", "none"]) == 0
    got = capsys.readouterr()
    assert "runs with your rights" in got.err and "sandbox of the replay: none" in got.out


def test_checks_that_changed_since_are_told_and_replayed_all_the_same(mini: Path) -> None:
    hand_in(mini, "ada", answer(solved(mini, A), total=CALLS["mean"][1]), A)
    driver.grade(mini, A, jobs=1)
    checks = mini / "checks" / A / "checks.py"
    checks.write_text(checks.read_text().replace("(n, 3)", "(n, 2)"))
    found = explain(mini, A, "ada", "total")
    assert "the checks" in found.warnings[0] and found.draws[0].args["x"].shape[1] == 2


def test_every_attempt_can_be_replayed_and_a_newer_submission_is_told(mini: Path) -> None:
    for total in (CALLS["mean"][1], CALLS["right"][1]):
        hand_in(mini, "ada", answer(solved(mini, A), total=total), A)
        driver.grade(mini, A, jobs=1)
    assert (explain(mini, A, "ada", "total").recorded["score"], explain(mini, A, "ada", "total").same) == (6.0, True)
    first = explain(mini, A, "ada", "total", attempt=1)
    assert first.recorded["score"] == 2.0 and first.same and "attempt 1" in text(first)
    hand_in(mini, "ada", release(mini, A), A)
    assert "a newer submission waits" in explain(mini, A, "ada", "total").warnings[0]
    with pytest.raises(AutograderError, match="no graded attempt 3 of '01_mini'; there are: 1, 2"):
        explain(mini, A, "ada", "total", attempt=3)
    shutil.rmtree(mini / ".autograder" / "attempts")
    found = explain(mini, A, "ada", "total")
    assert "not the one that was graded" in found.warnings[0] and not found.same
    assert "careful: the replay gives another verdict, 0 points" in text(found)


def test_a_cell_is_named_by_its_id_by_that_of_its_solution_or_by_its_function(rnn: Path) -> None:
    course = Course.open(rnn)
    with Grades(course) as grades:
        whole = grades.sheet("03_rnn")
    checks = {name: found.checks for name, found in pipeline.load_checks(course, whole).items()}
    for name in ("rnn-step-test", "rnn-step", "rnn_step", "03_rnn:rnn_step"):
        assert find_cell(whole, checks, name, "") == ("03_rnn", "rnn-step-test")
    twice = Sheet("both", (dataclasses.replace(whole.notebooks[0], notebook="a"),
                           dataclasses.replace(whole.notebooks[0], notebook="b")))
    assert find_cell(twice, {}, "b:rnn-step", "") == ("b", "rnn-step-test")
    with pytest.raises(AutograderError, match="in 2 notebooks: say a:rnn-step or b:rnn-step"):
        find_cell(twice, {}, "rnn-step", "")


def test_of_several_notebooks_a_cell_is_named_with_its_own_and_bare_asserts_show_what_they_said(mini: Path) -> None:
    write_several(mini)
    several_help.hand_in(mini, "ada", maths=answered(mini, MATHS),
                         words=answered(mini, WORDS, length="def length(text):\n    return 7"))
    driver.grade(mini, "ps1", jobs=1)
    found = explain(mini, "ps1", "ada", "length-test")
    assert (found.notebook, found.draws, found.same) == (WORDS, [], True)
    assert "what the cell showed" in text(found) and "AssertionError" in text(found)
    assert explain(mini, "ps1", "ada", "maths:double-test").notebook == MATHS
    with pytest.raises(AutograderError, match="say maths:double-test or words:double-test"):
        explain(mini, "ps1", "ada", "double-test")
    with pytest.raises(AutograderError, match="'why' is graded by hand"):
        explain(mini, "ps1", "ada", "why")
    row = next(r for r in status(mini) if r.assignment == "ps1")
    assert (row.submitted, row.graded, row.waiting, row.outdated, row.manual) == (1, 1, 0, 0, 3)


def test_the_arrays_of_a_list_have_lines_of_their_own_and_no_line_is_longer_than_a_terminal() -> None:
    value = [np.arange(12.0).reshape(2, 2, 3) / 7, (np.ones(500), 3), *([np.zeros(2)] * 15)]
    lines = list(explain_text._value("grads got", value, 24))
    assert lines[:3] == ["  grads got: a list of 17", "    [0]: (2, 2, 3) float64",
                         "      [[[0.       0.142857 0.285714]"]
    assert "    [1]: a tuple of 2" in lines and "      [0]: (500,) float64" in lines and "      [1]: 3" in lines
    assert lines[-1] == "    ... and 5 more (--full)"
    for shown in (value, "a word " * 50, {"key": [np.ones(90)]}, list(range(99))):
        assert all(len(line) <= 100 for line in explain_text._value("x", shown, explain_text.ALL))


def test_names_that_there_are_not_are_answered_with_the_nearest(graded: Path) -> None:
    with pytest.raises(UnknownName, match="no test cell 'totl' in .*Did you mean 'total'"):
        explain(graded, A, "right", "totl")
    with pytest.raises(UnknownName, match="there are double-test, total-test"):
        explain(graded, A, "right", "xxxxxxxx")
    with pytest.raises(UnknownName, match="no result of 'rigt' in .*Did you mean 'right'"):
        explain(graded, A, "rigt", "total")
    with pytest.raises(AutograderError, match="Did you mean '01_mini'"):
        explain(graded, "1_mini", "right", "total")


def test_the_command_prints_text_or_json(graded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(graded), A, "mean", "total", "--draw", "2"]) == 0
    out = capsys.readouterr().out
    assert "draw 2 of 4" in out and "draw 1 of 4" not in out and "what the student reads" in out
    assert main(["explain", str(graded), A, "mean", "total", "--json"]) == 0
    got = json.loads(capsys.readouterr().out)
    assert got["same"] is True and len(got["draws"]) == 4 and got["draws"][0]["args"]["x"]["shape"]
    assert main(["explain", str(graded), A, "mean", "total", "--draw", "9"]) == 2
    assert "there is no draw 9: this cell has 4" in capsys.readouterr().err


def test_a_real_assignments_error_carried_forward_shows_the_second_expected_value(rnn: Path) -> None:
    """rnn_forward around a wrong rnn_step: full points, and the draw says against what it was held."""
    wrong = "def rnn_step(x, h, W_x, W_h, b):\n    return np.tanh(x @ W_x.T + h @ W_h.T)"
    hand_in(rnn, "ada", answer(solved(rnn, "03_rnn"), rnn_step=wrong), "03_rnn")
    driver.grade(rnn, "03_rnn", jobs=1)
    found: Explanation = explain(rnn, "03_rnn", "ada", "rnn_forward")
    assert found.same and found.recorded["score"] == found.recorded["points"]
    assert all(draw.right for draw in found.draws)
    result = next(r for d in found.draws for r in d.results if r.carried)
    assert not result.right
    np.testing.assert_allclose(result.got, result.second, rtol=1e-9)
    assert not np.allclose(result.got, result.want)
    assert "right, apart from an earlier function" in text(found)
    assert "right by the solution around the student's own earlier functions" in text(found, only=1)


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES)
def test_every_function_with_a_known_mistake_replays_as_recorded(name: str, tmp_path: Path) -> None:
    """All forms of arguments and results that the ten assignments have, and those that fit no table."""
    found = Assignment(CHECKOUT / "solutions" / name)
    make(tmp_path / "course", CHECKOUT / "solutions" / name)
    wrong = {found.solution_cell(c.function).grade_id.replace("-", "_"): str(c.source(c.mutants[0]))
             for c in found.checks.values()}
    hand_in(tmp_path / "course", "ada", answer(solved(tmp_path / "course", name), **wrong), name)
    driver.grade(tmp_path / "course", name, jobs=1)
    for cell in found.checks:
        told = explain(tmp_path / "course", name, "ada", cell)
        assert told.same, (cell, told.differs)
        full = told.recorded["score"] == told.recorded["points"]
        assert full == all(draw.right for draw in told.draws), cell
        assert text(told) and text(told, full=True) and json.dumps(told.to_dict(full=True), allow_nan=False)
