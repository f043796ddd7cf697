"""docs/students.md: its install lines are the tested ones, and its messages are what the notebook and grader print."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from autograder import notebook_out
from autograder.build import release_notebook
from autograder.kernel import InKernel
from autograder.oracle import grade_cell
from autograder.prove import seeds
from minigrad import course
from minigrad.install import DISTRIBUTION, install_line

from .assignment_help import ROOT, assignment, mutated

GUIDE = ROOT / "docs" / "students.md"
GUIDES = [GUIDE, ROOT / "docs" / "instructors.md"]
NAME, CELL = "01_autograd", "value-test"


def quoted(path: Path, start: str) -> list[str]:
    """The text blocks of a guide whose first line starts so."""
    blocks = re.findall(r"^```text\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S)
    return [block for block in blocks if block.startswith(start)]


def visible_message(function: str) -> str:
    """What the visible test of the first function says, with this source of it."""
    space = assignment(NAME).namespace(replace={"Value": function})
    cell = next(c for c in release_notebook(assignment(NAME)).cells if c.id == CELL)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            exec(cell.source, space)
        except course.VisibleTestFailed as failed:
            print(failed)
    return out.getvalue()


def test_red_and_green_are_what_the_first_function_prints():
    check = assignment(NAME).checks[CELL]
    stub = next(c for c in release_notebook(assignment(NAME)).cells if c.id == "value").source
    mistake = check.source(next(m for m in check.mutants if m.name == "sub_plus"))
    assert quoted(GUIDE, "Value: the visible") == [visible_message(s) for s in (stub, mistake, check.source())]


def test_the_feedback_is_what_the_grader_writes_about_a_green_function():
    check = assignment(NAME).checks[CELL]
    mutant = next(m for m in check.mutants if m.name == "tanh_at_x")
    assert mutant.visible is False
    result = grade_cell(check, InKernel(mutated(NAME, CELL, mutant.name)), seeds(1)[0])
    assert [b.rstrip() for b in quoted(GUIDE, "Value: 10")] == [notebook_out.message(result.to_dict()).rstrip()]


def test_the_first_cell_prints_what_the_guide_shows(capsys):
    course.environment(NAME)
    versions = re.compile(r"\d+(\.\d+)+")
    assert [versions.sub("N", b) for b in quoted(GUIDE, f"{NAME}: Python")] == [
        versions.sub("N", capsys.readouterr().out)]


@pytest.mark.parametrize("words", [
    "is not written yet", "which is not written yet", "returns nothing yet. Is there a", "or newer is needed",
    "There is no matplotlib here", "the function changed its argument", "an array of", "does not pass yet",
    "not run yet", "comes from a cell that stopped, because",
])
def test_a_message_of_the_table_is_one_that_course_has(words):
    assert words in GUIDE.read_text(encoding="utf-8")
    assert words in Path(course.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", GUIDES, ids=lambda p: p.name)
def test_every_install_line_of_a_guide_is_the_tested_one(path, monkeypatch):
    """From the checkout's folder, or from a wheel; with or without an extra."""
    monkeypatch.chdir(ROOT)
    wheel = Path("/nowhere/minigrad/install.py")
    allowed = {install_line(extra, start) for extra in (None, "course", "grading,viz") for start in (None, wheel)}
    lines = re.findall(r'pip install [^`\n]*', path.read_text(encoding="utf-8"))
    assert lines and set(lines) <= allowed
    assert DISTRIBUTION.replace("-", "_") in path.read_text(encoding="utf-8") or path != GUIDE
