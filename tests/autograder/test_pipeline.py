"""Grading: what a student's code does ends in a score with a reason, and a run can be killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder import driver, notebook_out, pipeline
from autograder.__main__ import main
from autograder.course import Course, read_json
from autograder.errors import AutograderError, UnknownName
from tests.autograder.grading_help import answer, by_cell, edit, hand_in, release, scores, solved, totals

A = "01_mini"
GOOD = "def double(x):\n    return 2 * x"


def grade(course: Path, **options: Any) -> dict[str, dict[str, Any]]:
    return {r["student"]: r for r in driver.grade(course, A, **({"jobs": 1} | options))}


def quick(course: Path, **limits: float) -> Path:
    """Short limits, so that a test of a hanging notebook takes seconds."""
    path = course / "course.toml"
    text = path.read_text()
    for name, value in ({"draw": 0.5, "cell": 1.0, "submission": 20.0} | limits).items():
        old = next(line for line in text.splitlines() if line.startswith(f"{name} ="))
        text = text.replace(old, f"{name} = {value}")
    path.write_text(text)
    return course


def graded_notebook(course: Path, student: str) -> Any:
    path = course / "autograded" / student / A / f"{A}.ipynb"
    nb = nbformat.read(path, as_version=4)
    nbformat.validate(nb)
    return nb


def cell(nb: Any, grade_id: str) -> Any:
    return next(c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def test_scores_results_and_notebooks_agree(mini: Path) -> None:
    hand_in(mini, "solved", solved(mini, A), A)
    hand_in(mini, "half", answer(release(mini, A), double=GOOD), A)
    hand_in(mini, "blank", release(mini, A), A)
    results = grade(mini)
    assert {s: r["score"] for s, r in results.items()} == {"solved": 10.0, "half": 4.0, "blank": 0.0} == totals(mini, A)
    for student, result in results.items():
        saved = read_json(mini / ".autograder" / "results" / A / f"{student}.json")
        assert saved == json.loads(json.dumps(result)) and saved["version"] == 1 and saved["layers"]
        nb = graded_notebook(mini, student)
        from nbgrader.utils import determine_grade

        assert {c: determine_grade(cell(nb, c))[0] for c in ("double-test", "total-test")} == scores(mini, A)[student]
    assert by_cell(results["blank"])["double-test"]["reason"] == "not_written"
    with sqlite3.connect(mini / "gradebook.db") as db:
        assert set(db.execute("SELECT needs_manual_grade FROM grade")) == {(0,)}
        comments = db.execute("SELECT count(*) FROM comment WHERE auto_comment = 'No response.'").fetchone()
    assert comments == (3,)       # two cells of blank, one of half


def test_the_student_reads_why(mini: Path) -> None:
    hand_in(mini, "ada", answer(release(mini, A), double="def double(x):\n    return x * x"), A)
    grade(mini)
    nb = graded_notebook(mini, "ada")
    test = cell(nb, "double-test")
    text = test.outputs[1].text
    assert test.outputs[0].output_type == "error"
    for part in ("double: 0 of 4 points", "Twice x is x + x", "y = 2 x", "A deck, Twice", "What is twice 3"):
        assert part in text
    assert "HIDDEN" not in test.source and "autograder" not in test.source


@pytest.mark.parametrize(("source", "reason"), [
    ("import os\ndef double(x):\n    os._exit(0)", "died"),
    ("def double(x):\n    while True: pass", "timeout"),
    ("def double(x):\n    raise ValueError('no')", "raises"),
    ("import os\nos._exit(0)", "missing"),
    ("def double(x:", "missing"),
])
def test_a_bad_function_costs_its_own_points_alone(mini: Path, source: str, reason: str) -> None:
    hand_in(quick(mini), "ada", answer(solved(mini, A), double=source), A)
    result = grade(mini)["ada"]
    assert by_cell(result)["double-test"]["score"] == 0.0 and by_cell(result)["total-test"]["score"] == 6.0
    assert by_cell(result)["double-test"]["reason"] == reason


def test_forged_outputs_tags_flags_and_points_do_not_count(mini: Path) -> None:
    """Each of these gave an all-wrong notebook full marks under stock nbgrader."""
    def forge(c: dict[str, Any]) -> None:
        c["outputs"] = [{"output_type": "execute_result", "data": {"text/plain": "4.0"}, "metadata": {},
                         "execution_count": 1}]
        c["metadata"]["tags"] = ["skip-execution"]
        c["metadata"]["nbgrader"] |= {"points": 2000, "locked": False}
        c["source"] = "4.0"

    print_score = "import sys\nsys.displayhook(4.0)\nprint(4.0)\ndef double(x):\n    sys.displayhook(4.0)\n    return x"
    hand_in(mini, "forger", edit(answer(release(mini, A), double=print_score), "double-test", forge), A)
    hand_in(mini, "flipper", edit(release(mini, A), "double-test",
                                  lambda c: c["metadata"]["nbgrader"].update(grade=False)), A)
    results = grade(mini)
    assert totals(mini, A) == {"forger": 0.0, "flipper": 0.0}
    assert {i["kind"] for i in results["forger"]["incidents"]} == {"changed"}


def test_what_cannot_be_read_gets_a_row_a_reason_and_a_page(mini: Path) -> None:
    hand_in(mini, "broken", b"{", A)
    (mini / "submitted" / "empty" / A).mkdir(parents=True)
    target = hand_in(mini, "ada", solved(mini, A), A)
    (mini / "submitted" / "linked" / A).mkdir(parents=True)
    (mini / "submitted" / "linked" / A / f"{A}.ipynb").symlink_to(target)
    results = grade(mini)
    assert {s: r["status"] for s, r in results.items()} == {
        "ada": "graded", "broken": "unreadable", "empty": "missing", "linked": "refused"}
    assert totals(mini, A) == {"ada": 10.0, "broken": 0.0, "empty": 0.0, "linked": 0.0}
    assert "Nothing could be graded: the file is not a notebook" in cell(graded_notebook(mini, "broken"),
                                                                        "double-test").outputs[1].text


def test_deleted_cells_are_put_back(mini: Path) -> None:
    nb = solved(mini, A)
    gone = ("setup", "double-test")
    nb["cells"] = [c for c in nb["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") not in gone]
    hand_in(mini, "ada", nb, A)
    assert grade(mini)["ada"]["score"] == 10.0


def test_after_three_slow_cells_the_rest_is_not_run(mini: Path) -> None:
    nb = solved(mini, A)
    loop = {"cell_type": "code", "source": "while True: pass", "metadata": {}, "outputs": [], "execution_count": None}
    nb["cells"] = [loop | {"id": f"loop-{i}"} for i in range(3)] + nb["cells"]
    hand_in(quick(mini, cell=0.3), "ada", nb, A)
    began = time.perf_counter()
    result = grade(mini)["ada"]
    assert time.perf_counter() - began < 10
    assert {c["reason"] for c in result["cells"]} == {"timeout"} and result["score"] == 0.0
    assert "3 cells of this notebook ran into their time limit" in result["cells"][0]["message"]
    assert [i["kind"] for i in result["incidents"]] == ["timeout"] * 3


def test_a_submission_has_a_budget(mini: Path) -> None:
    nb = solved(mini, A)
    slow = {"cell_type": "code", "source": "import time; time.sleep(0.6)", "metadata": {}, "outputs": [], "id": "slow",
            "execution_count": None}
    nb["cells"] = [slow, slow | {"id": "slow-2"}] + nb["cells"]
    hand_in(quick(mini, submission=1.0), "ada", nb, A)
    result = grade(mini)["ada"]
    assert result["score"] == 0.0 and {c["reason"] for c in result["cells"]} == {"timeout"}


def test_manual_scores_and_comments_survive_a_regrade(mini: Path) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    grade(mini)
    with sqlite3.connect(mini / "gradebook.db") as db:
        db.execute("UPDATE grade SET manual_score = 1.5, extra_credit = 0.5 WHERE auto_score = 4")
        db.execute("UPDATE comment SET manual_comment = 'See me.'")
    hand_in(mini, "ada", release(mini, A), A)
    grade(mini, force=True)
    with sqlite3.connect(mini / "gradebook.db") as db:
        assert set(db.execute("SELECT auto_score, manual_score, extra_credit, needs_manual_grade FROM grade")) == {
            (0.0, 1.5, 0.5, 1), (0.0, None, None, 0)}
        assert set(db.execute("SELECT manual_comment FROM comment")) == {("See me.",)}


def test_what_is_done_is_not_done_again_until_something_changes(mini: Path) -> None:
    for student in ("ada", "bob"):
        hand_in(mini, student, solved(mini, A), A)
    done: list[str] = []

    def again(**options: Any) -> list[str]:
        done.clear()
        grade(mini, finished=lambda r: done.append(r["student"]), **options)
        return sorted(done)

    assert again() == ["ada", "bob"]
    assert again() == []
    hand_in(mini, "ada", release(mini, A), A)
    assert again() == ["ada"]
    (mini / ".autograder" / "results" / A / "bob.json").write_text("{half a")
    assert again() == ["bob"]
    (mini / "autograded" / "bob" / A / f"{A}.ipynb").unlink()
    assert again() == ["bob"]
    with sqlite3.connect(mini / "gradebook.db") as db:      # killed between the notebook and the rows
        db.execute("UPDATE grade SET auto_score = NULL WHERE id = (SELECT id FROM grade LIMIT 1)")
    assert len(again()) == 1
    assert again(force=True, students=["bob"]) == ["bob"]
    quick(mini)
    assert again() == ["ada", "bob"]
    checks = mini / "checks" / A / "checks.py"
    checks.write_text(checks.read_text().replace("not x times x", "not x squared"))
    assert again() == ["ada", "bob"]


def test_a_killed_run_goes_on(mini: Path) -> None:
    """Killed hard after the first submission; nothing is half there, and the next run does the rest."""
    for i in range(6):
        hand_in(mini, f"s{i}", solved(mini, A), A)
    run = subprocess.Popen([sys.executable, "-m", "autograder", "grade", str(mini), A, "--jobs", "1"], text=True,
                           stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=Path(__file__).resolve().parents[2])
    assert run.stderr is not None
    for line in run.stderr:
        if line.startswith("[1/6]"):
            break
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stderr.close()
    before = len(totals(mini, A))
    assert 1 <= before < 6
    done: list[str] = []
    results = grade(mini, finished=lambda r: done.append(r["student"]))
    assert len(done) <= 6 - before + 1 and len(results) == 6
    assert set(totals(mini, A).values()) == {10.0}


def test_sigterm_ends_a_run_as_ctrl_c_does(mini: Path) -> None:
    """Twice, as `timeout` sends it: one line, no worker left, nothing of Python's about leaked semaphores."""
    for i in range(6):
        hand_in(mini, f"s{i}", solved(mini, A), A)
    run = subprocess.Popen([sys.executable, "-m", "autograder", "grade", str(mini), A, "--jobs", "2"], text=True,
                           stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).resolve().parents[2])
    assert run.stderr is not None
    for line in run.stderr:
        if line.startswith("[1/6]"):
            break
    run.send_signal(signal.SIGTERM)
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=60)      # ends when the last process that holds the pipes has ended
    assert (run.returncode, out) == (143, "")
    assert err.splitlines()[-1] == "autograder: stopped. What is graded stays; the same command goes on from there."
    assert "semaphore" not in err and "Traceback" not in err


@pytest.mark.parametrize(("verb", "said"), [("collect", "What is collected stays"),
                                            ("report", "What is written stays")])
def test_what_a_stopped_verb_leaves_is_said_in_its_own_words(
        verb: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Course, "open", stop)
    assert main([verb, "anywhere", A]) == 130
    assert f"autograder: stopped. {said}" in capsys.readouterr().err


def test_several_workers_give_the_same_as_one(mini: Path) -> None:
    for i in range(4):
        hand_in(mini, f"s{i}", answer(release(mini, A), double=GOOD + f" + 0 * {i}"), A)
    one = grade(mini, force=True)
    two = grade(mini, force=True, jobs=2)
    assert sorted(one) == sorted(two) == ["s0", "s1", "s2", "s3"] and all(r["cells"] for r in one.values())
    for student in one:
        assert [(c["score"], c["seed"], c["reason"]) for c in one[student]["cells"]] == [
            (c["score"], c["seed"], c["reason"]) for c in two[student]["cells"]]


def test_seeds_repeat_on_a_regrade_and_differ_between_students_and_attempts(mini: Path) -> None:
    for student in ("ada", "bob"):
        hand_in(mini, student, solved(mini, A), A)

    def seeds() -> dict[str, str]:
        return {s: by_cell(r)["double-test"]["seed"] for s, r in grade(mini, force=True).items()}

    first = seeds()
    assert first == seeds() and first["ada"] != first["bob"]
    hand_in(mini, "ada", answer(solved(mini, A), double=GOOD), A)
    assert seeds()["ada"] != first["ada"] and seeds()["bob"] == first["bob"]


def test_unknown_names_and_an_empty_course_are_said(mini: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean '01_mini'"):
        driver.grade(mini, "1_mini")
    with pytest.raises(AutograderError, match="no submissions for '01_mini': put each into .*STUDENT"):
        grade(mini)
    hand_in(mini, "ada", release(mini, A), A)
    with pytest.raises(UnknownName, match="no submission of 'adda' in .*Did you mean 'ada'"):
        grade(mini, students=["adda"])


def test_no_sandbox_is_explicit_and_recorded(mini: Path) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    assert grade(mini, layer="none")["ada"]["layers"] == []
    assert totals(mini, A) == {"ada": 10.0}


def test_late_work_follows_the_courses_policy(mini: Path) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    (mini / "submitted" / "ada" / A / "timestamp.txt").write_text("2026-02-02 12:00:00 UTC")
    with sqlite3.connect(mini / "gradebook.db") as db:
        db.execute("UPDATE assignment SET duedate = '2026-02-01 00:00:00.000000'")

    def penalty() -> Any:
        grade(mini, force=True)
        with sqlite3.connect(mini / "gradebook.db") as db:
            return db.execute("SELECT late_submission_penalty FROM submitted_notebook").fetchone()[0]

    assert penalty() is None
    path = mini / "course.toml"
    path.write_text(path.read_text().replace('policy = "none"', 'policy = "zero"'))
    assert penalty() == 10.0


def test_a_cell_with_bare_asserts_and_no_check_is_run_and_marked(mini: Path) -> None:
    """An instructor's own nbgrader assignment: safe for the machine, and the result says that the score is not."""
    (mini / "checks" / A / "checks.py").unlink()
    with sqlite3.connect(mini / "gradebook.db") as db:
        db.execute("UPDATE source_cell SET source = 'assert double(2) == 4' WHERE name = 'double-test'")
        db.execute("UPDATE source_cell SET source = 'assert total(2) == 4' WHERE name = 'total-test'")
    hand_in(mini, "ada", answer(release(mini, A), double=GOOD), A)
    result = grade(mini)["ada"]
    assert {c["grade_id"]: c["score"] for c in result["cells"]} == {"double-test": 4.0, "total-test": 0.0}
    assert all(c["forgeable"] and "score forgeable" in c["notes"][0] for c in result["cells"])


@pytest.mark.parametrize(("outputs", "kept"), [
    ([{"output_type": "execute_result", "data": {"text/plain": "4.0"}}], ["stream stdout"]),
    ([{"output_type": "error", "ename": "E", "evalue": "x", "traceback": ["boom"]}], ["stream stdout"]),
    ([{"output_type": "stream", "name": "stderr", "text": "careful"}], ["stream stdout"]),
    ([{"output_type": "display_data", "data": {"text/html": "<script>", "image/svg+xml": "<svg>"}}], []),
    ([{"output_type": "display_data", "data": {"image/png": "no picture"}}], []),
    ([{"output_type": "stream", "text": "a"}, {"output_type": "stream", "text": "b"}], ["stream stdout"]),
])
def test_no_output_of_a_student_counts(outputs: list[dict[str, Any]], kept: list[str]) -> None:
    assert [f"{o['output_type']} {o.get('name', '')}".strip() for o in notebook_out.demoted(outputs)] == kept


def test_the_secret_is_not_in_what_is_written(mini: Path) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    grade(mini)
    secret = Course.open(mini).secret().decode()
    for path in [*(mini / "autograded").rglob("*"), *(mini / ".autograder" / "results").rglob("*.json")]:
        if path.is_file():
            assert secret not in path.read_text()
    assert oct(os.stat(mini / ".autograder" / "secret").st_mode)[-3:] == "600"


def test_a_result_is_plain_json_with_a_version() -> None:
    assert json.loads(pipeline.to_json({"version": pipeline.VERSION})) == {"version": 1}
