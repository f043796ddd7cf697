"""The demo: a class whose every submission says what must come of it. Here a few of them; all 46 under `-m proof`."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from autograder import demo
from autograder.assignment import Assignment
from autograder.course import Course
from autograder.demo_class import COPIED, NAMES, WRITTEN, Classroom, Expected, differences
from autograder.errors import AutograderError
from autograder.pages import page
from autograder.similarity import compare
from tests.autograder.grading_help import copy_course
from tests.autograder.synthetic import cell, result, unreadable

ROOT = Path(__file__).resolve().parents[2]
FEW = ("the solution", "rnn_forward: state_reset", "clip_gradient: by_value", "nothing written yet",
       "a file that was cut off", "right; prints and warns in every call", "forged outputs and skip tags",
       "rnn_backward: reads the solution in the course folder")


@pytest.fixture(scope="module")
def classroom(rnn_master: Path) -> Classroom:
    release = rnn_master / "release" / "03_rnn" / "03_rnn.ipynb"
    return Classroom(Assignment(rnn_master / "checks" / "03_rnn"), json.loads(release.read_text()), rnn_master)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A demo with a handful of submissions, in a folder whose name has a space."""
    return demo.run(tmp_path_factory.mktemp("demo") / "a course", jobs=2, pick=lambda s: s.story in FEW)


def test_the_submissions_of_the_class_have_names_of_their_own(classroom: Classroom) -> None:
    people = classroom.submissions()
    assert len(people) == 46 and len({s.student for s in people}) == 46 and len(set(NAMES)) == len(NAMES)
    assert all(s.student.isascii() and s.student.count(".") == 1 for s in people)
    assert [s.student for s in people] == sorted(s.student for s in people)


def test_every_mutant_of_the_assignment_is_handed_in_once(classroom: Classroom) -> None:
    known = [(c.function, m.name) for c in classroom.checks.values() for m in c.mutants]
    alone = [next(iter(s.expected.named.items())) for s in classroom.submissions() if len(s.expected.named) == 1
             and len(next(iter(s.expected.named.values()))) == 1]
    assert sorted((f, m) for f, (m,) in alone) == sorted(known) and len(known) == 32


def test_no_two_students_hand_in_the_same_file_and_the_class_is_the_same_each_time(classroom: Classroom) -> None:
    people = classroom.submissions()
    assert len({s.notebook for s in people}) == 46
    assert people == classroom.submissions()


def test_two_of_the_class_handed_in_the_same_code_under_other_names_and_nobody_else(classroom: Classroom) -> None:
    """The report's comparison on the whole class, without grading it."""
    def sources(notebook: dict[str, Any]) -> list[str]:
        return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]

    given = sources(classroom.release)
    students = {s.student: {str(i): code for i, code in enumerate(sources(json.loads(s.notebook))) if code not in given}
                for s in classroom.submissions() if s.story != "a file that was cut off"}
    [pair] = compare(students, given).pairs
    stories = {s.student: s.story for s in classroom.submissions()}
    assert {stories[pair.first], stories[pair.second]} == {WRITTEN, COPIED} and pair.share > 0.8
    copied = next(s for s in classroom.submissions() if s.story == COPIED)
    assert len(set(re.findall(r"my_[a-z]+", copied.notebook.decode()))) > 10


def test_without_a_sandbox_nothing_harmful_is_left_in_the_class(classroom: Classroom) -> None:
    harmless = classroom.submissions(hostile=False)
    assert len(harmless) == 41
    for s in harmless:
        assert b"_exit" not in s.notebook and b"while True" not in s.notebook and b"open(" not in s.notebook
        assert b"skip-execution" not in s.notebook and b"np.allclose =" not in s.notebook


def test_the_thief_gets_full_marks_where_nothing_holds_it_back(classroom: Classroom) -> None:
    """Otherwise the 0 that it must get would prove nothing about the sandbox."""
    import numpy as np

    space: dict[str, Any] = {"np": np}
    exec(classroom.thief("rnn_backward"), space)
    rng = np.random.default_rng(0)
    case = [rng.normal(size=s) for s in [(3, 2, 4), (3, 2, 5), (2, 4), (3, 2, 4), (4, 5), (4, 4)]]
    stolen, right = space["rnn_backward"](*case), classroom.checks["rnn_backward"].reference()(*case)
    assert all(np.array_equal(a, b) for a, b in zip(stolen, right, strict=True))


@pytest.mark.parametrize(("got", "expected"), [
    (result("a", [cell(0, 1.0, [0])]), Expected()),                                         # a right answer lost points
    (result("a", [cell(0)]), Expected(named={"rnn_step": ("no_recurrence",)})),             # a wrong one did not
    (result("a", [cell(0, 0.5, [1])]), Expected(named={"rnn_step": ("no_recurrence",)})),   # another mistake was named
    (result("a", [cell(0, 0.5, [0, 1])]), Expected(named={"rnn_step": ("no_recurrence",)})),
    (result("a", [cell(0, 0.5)]), Expected(named={"rnn_step": ("no_recurrence",)})),        # none was
    (result("a", [cell(0, 0.5)]), Expected(reasons={"rnn_step": ("wrong",)})),              # a cheat earned something
    (result("a", [cell(0, 1.0, reason="died")]), Expected(reasons={"rnn_step": ("timeout",)})),
    (result("a", [cell(0)]), Expected(incident="changed")),                                 # nothing was recorded
    (result("a", [cell(0)]), Expected(status="unreadable")),
    (unreadable("a"), Expected()),
])
def test_an_outcome_that_is_not_the_expected_one_is_a_difference(got: dict[str, Any], expected: Expected) -> None:
    assert differences(got, expected)


def test_an_outcome_that_is_the_expected_one_is_no_difference() -> None:
    named = Expected(named={"rnn_step": ("Wh_transposed", "no_recurrence")}, reasons={"rnn_forward": ("timeout",)})
    assert not differences(result("a", [cell(0, 0.5, [0, 1]), cell(1, 1.0, reason="timeout"), cell(2)]), named)
    assert not differences(unreadable("a"), Expected(status="unreadable"))


def test_a_few_of_the_class_come_out_as_expected_in_result_and_gradebook(few: dict[str, Any]) -> None:
    assert few["unexpected"] == []
    assert few["submissions"] == (len(FEW) if few["layer"] != "none" else len(FEW) - 2)
    found = {r["story"]: r for r in few["rows"]}
    assert found["the solution"]["score"] == 100 and found["nothing written yet"]["score"] == 0
    assert found["rnn_forward: state_reset"]["found"] == ["rnn_forward: state reset"]


def test_the_demo_leaves_a_report_and_nbgraders_feedback_for_everybody(few: dict[str, Any]) -> None:
    root = Path(few["folder"])
    text = Path(few["report"]).read_text(encoding="utf-8")
    assert "Example from the class" in text and "Near-identical submissions" in text
    for row in few["rows"]:
        assert row["student"] in text
        feedback = page(root, row["student"], "03_rnn").read_text(encoding="utf-8")
        assert "HIDDEN TESTS" not in feedback and "autograder.kernel" not in feedback
    mistaken = next(r["student"] for r in few["rows"] if r["story"] == "clip_gradient: by_value")
    assert "clip the norm instead" in page(root, mistaken, "03_rnn").read_text(encoding="utf-8")


def test_the_table_names_the_misconception_and_a_surprise_is_exit_code_1(
        few: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(demo, "run", lambda *a, **k: few)
    assert demo.main() == 0
    shown = capsys.readouterr().out
    assert "rnn_forward: state reset" in shown and f"{few['submissions']} of {few['submissions']} came out" in shown
    assert few["report"] in shown and "7 functions: not written" in shown
    odd = few | {"unexpected": [{"student": "ada", "story": "x", "differences": ["0 points for a right answer"]}]}
    monkeypatch.setattr(demo, "run", lambda *a, **k: odd)
    assert demo.main() == 1 and "0 points for a right answer" in capsys.readouterr().out
    assert demo.main(as_json=True) == 1 and json.loads(capsys.readouterr().out)["unexpected"]


def test_the_demo_never_writes_into_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "course.toml").write_text("")
    with pytest.raises(AutograderError, match="not empty"):
        demo.run(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["course.toml"]


def test_a_system_without_a_sandbox_runs_the_harmless_class_and_says_so(
        tmp_path: Path, rnn_master: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "sandbox_layer", lambda: "none")
    monkeypatch.setattr(demo, "make_course", lambda root: Course.open(copy_course(rnn_master, root)))
    said: list[str] = []
    did = demo.run(tmp_path / "c", jobs=1, feedback=False, tell=said.append,
                   pick=lambda s: s.hostile or s.story in ("the solution", "truncated_bptt_chunks: drop_last"))
    assert did["unexpected"] == [] and did["submissions"] == 2 and demo.WITHOUT_SANDBOX in said
    assert "Without a sandbox" in Path(did["report"]).read_text(encoding="utf-8")


@pytest.mark.proof
def test_the_whole_class_comes_out_as_expected(tmp_path: Path, proof_record: Any) -> None:
    """The whole demo; on 2 free cores it takes 40 s."""
    began = time.perf_counter()
    did = demo.run(tmp_path / "course")
    seconds = round(time.perf_counter() - began, 1)
    proof_record("demo", {
        "submissions": did["submissions"], "as_expected": did["submissions"] - len({o["student"] for o in
                                                                                    did["unexpected"]}),
        "unexpected": did["unexpected"], "sandbox": did["layer"], "jobs": did["jobs"], "seconds": seconds,
        "seconds_by_phase": did["seconds"]})
    assert did["unexpected"] == []
