"""`autograder check` measures what the author of an assignment only believes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from autograder.__main__ import main
from autograder.assignment import Assignment
from autograder.prove import Proof, alike, assignment_at, measure, visible_test_passes
from tests.autograder.grading_help import copy_course


@pytest.fixture
def folder(mini_solutions: Path, tmp_path: Path) -> Path:
    """The small assignment, to be changed."""
    shutil.copytree(mini_solutions / "01_mini", tmp_path / "01_mini")
    return tmp_path / "01_mini"


def measured(folder: Path, *more: str) -> dict[str, Proof]:
    """What `measure` finds for each function, with lines added to checks.py."""
    with (folder / "checks.py").open("a") as file:
        file.write("\n" + "\n".join(more) + "\n")
    found = Assignment(folder)
    proofs = {c.function: Proof(c.function, 1) for c in found.checks.values()}
    for check in found.checks.values():
        measure(found, check, proofs[check.function])
    return proofs


def test_the_visible_test_is_run_on_each_mutant(folder: Path) -> None:
    proofs = measured(folder)
    assert proofs["double"].noticed == {"square": True} and proofs["double"].faults == []
    assert proofs["total"].noticed == {"mean": True, "other_axis": False} and proofs["total"].faults == []


@pytest.mark.parametrize(("old", "new", "said"), [
    ("visible=False", "visible=True", "says that the visible test notices mutant 'other_axis', and it passes with it"),
    ("x.mean(axis=0)\", visible=True", "x.mean(axis=0)\", visible=False",
     "passes with mutant 'mean', and it notices it")])
def test_a_flag_that_says_otherwise_is_a_fault(folder: Path, old: str, new: str, said: str) -> None:
    text = (folder / "checks.py").read_text()
    assert text.count(old) == 1
    (folder / "checks.py").write_text(text.replace(old, new))
    assert said in "\n".join(measured(folder)["total"].faults)


def test_mutants_that_nobody_can_tell_apart_are_a_fault_if_they_say_different_things(folder: Path) -> None:
    proofs = measured(
        folder, 'double.mutant("power", replace="2 * x", by="x ** 2", says="Another sentence.", family="none")',
        'total.mutant("mean_again", replace="x.sum(axis=0)", by="np.mean(x, 0)", says="The sum, not the mean.")')
    assert proofs["double"].alike == [("square", "power")] and proofs["total"].alike == [("mean", "mean_again")]
    [fault] = [f for f in proofs["double"].faults if "power" in f and "same on 20 draws" in f]
    assert "keep one, or draw what separates them" in fault
    assert not any("same on" in f for f in proofs["total"].faults)


def test_mutants_that_fail_alike_are_alike_and_those_that_fail_otherwise_are_not(folder: Path) -> None:
    measured(folder, 'double.mutant("one", replace="2 * x", by="1 / 0", says="One.")',
             'double.mutant("two", replace="2 * x", by="x / x[99]", says="Two.")',
             'double.mutant("three", replace="2 * x", by="0 // 0", says="Three.")')
    [check] = [c for c in Assignment(folder).checks.values() if c.function == "double"]
    assert [(a.name, b.name) for a, b in alike(check)] == [("one", "three")]


def test_a_mutant_that_never_ends_is_noticed_and_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.prove.VISIBLE_SECONDS", 0.3)
    found = Assignment(folder)
    assert not visible_test_passes(found, found.checks["double-test"], "def double(x):\n    while True: pass")


def test_the_visible_test_decides_under_grading_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There it prints and goes on; a failure must not look like a pass."""
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    found = Assignment(folder)
    assert not visible_test_passes(found, found.checks["double-test"], "def double(x):\n    return x")


def test_an_assignment_is_found_in_a_folder_and_in_a_course(mini: Path, tmp_path: Path) -> None:
    course = copy_course(mini, tmp_path / "course")
    assert [a.name for path in (course / "01_mini", course / "checks" / "01_mini") for a in assignment_at(path)] == [
        "01_mini", "01_mini"]


def test_a_course_of_several_notebooks_has_each_checked(folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        part = tmp_path / "course" / "checks" / "week" / name
        shutil.copytree(folder, part)
        book = part / "notebook.py"
        book.write_text(book.read_text().replace('"01_mini"', f'"{name}"'))
    (tmp_path / "course" / "course.toml").write_text("")
    assert [a.name for a in assignment_at(tmp_path / "course" / "week")] == ["one", "two"]


def test_the_table_fits_a_terminal_and_json_has_what_was_measured(
        folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder), str(folder), "--seeds", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert max(map(len, out)) <= 100 and out[-1] == "6 mistakes (2 pass the visible test), 4 right answers, 0 faults"
    assert main(["check", str(folder), "--seeds", "1", "--json"]) == 0
    [double, total] = json.loads(capsys.readouterr().out)
    assert double["assignment"] == "01_mini" and double["noticed"] == {"square": True} and double["alike"] == []
    assert total["killed"] == {"mean": 1, "other_axis": 1} == total["named"]
