"""Gradescope: the zip that an instructor uploads grades as the course does, in a folder that imitates its container."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from autograder import gradescope
from autograder.__main__ import main
from autograder.course import Course
from tests.autograder.grading_help import Notebook, edit, hand_in, solved

A = "01_mini"
ABOUT = {"created_at": "2026-11-30T14:22:32.365935-07:00", "users": [{"email": "ada@uni.de", "name": "Ada", "id": 1}]}


@pytest.fixture(scope="module")
def container(mini_master: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/autograder as Gradescope makes it from the zip. The course has students and grades, which must stay there."""
    course = tmp_path_factory.mktemp("gradescope") / "course"
    shutil.copytree(mini_master, course)
    hand_in(course, "CANARY-student", solved(course, A), A)
    assert main(["grade", str(course), A, "--jobs", "1"]) == 0
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("\ntoken = 'CANARY-token'\n")
    (course / "course.toml").write_text((course / "course.toml").read_text().replace("draw = 2.0", "draw = 1.5"))
    root = tmp_path_factory.mktemp("container") / "autograder"
    assert main(["export", str(course), A, "--format", "gradescope", "--out", str(root / "up.zip")]) == 0
    with zipfile.ZipFile(root / "up.zip") as archive:
        archive.extractall(root / "source")
        for name in ("setup.sh", "run_autograder"):
            assert stat.S_IMODE(archive.getinfo(name).external_attr >> 16) == 0o755
    (root / "run_autograder").write_bytes((root / "source/run_autograder").read_bytes())
    (root / "run_autograder").chmod(0o755)
    (root / "secret of the course").write_bytes((course / ".autograder/secret").read_bytes())
    return root


def submit(container: Path, files: dict[str, Notebook | bytes], tmp_path: Path, about: Any = ABOUT) -> Path:
    """A container of its own with this submission."""
    root = tmp_path / "autograder"
    for folder in ("submission", "results"):
        (root / folder).mkdir(parents=True)
    (root / "source").symlink_to(container / "source")
    for name, content in files.items():
        path = root / "submission" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    (root / "submission_metadata.json").write_text(json.dumps(about))
    return root


def valid(found: dict[str, Any]) -> dict[str, Any]:
    """The form that Gradescope's documentation gives, *Autograder Specifications*."""
    shown = {"hidden", "after_due_date", "after_published", "visible"}
    assert set(found) <= {"score", "execution_time", "output", "output_format", "test_output_format", "leaderboard",
                          "test_name_format", "visibility", "stdout_visibility", "extra_data", "tests"}
    assert isinstance(found["score"], float) and found["visibility"] in shown and found["stdout_visibility"] == "hidden"
    for test in found["tests"]:
        assert set(test) <= {"score", "max_score", "status", "name", "name_format", "number", "output", "output_format",
                             "tags", "visibility", "extra_data"}
        assert test["visibility"] in shown and test.get("status", "passed") in ("passed", "failed")
        assert test["output_format"] in ("text", "html", "simple_format", "md", "ansi")
        assert isinstance(test["name"], str) and isinstance(test["number"], str)
        assert "score" not in test or 0 <= test["score"] <= test["max_score"]
    return found


def test_run_autograder_grades_the_submission_from_the_zips_own_code(
        container: Path, mini: Path, tmp_path: Path) -> None:
    """End to end, as a process: the code is the zip's, not the one that is installed here."""
    half = edit(solved(mini, A), "double", lambda c: c.update(source="def double(x):\n    return x * x"))
    root = submit(container, {"01_mini (1).ipynb": half, "notes.txt": b"hi"}, tmp_path)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AUTOGRADER_ROOT": str(root),
           "AUTOGRADER_PYTHON": sys.executable, "PYTHONVERBOSE": "1"}
    got = subprocess.run([str(container / "run_autograder")], env=env, cwd=root, capture_output=True, text=True)
    assert got.returncode == 0, got.stderr[-2000:]
    assert str(root / "source/package/autograder/gradescope.py") in got.stderr.replace(str(container), str(root))
    assert got.stdout.splitlines()[-1] == "graded: 6"
    found = valid(json.loads((root / "results/results.json").read_text()))
    assert found["score"] == 6.0 and [(t["name"], t["score"], t["max_score"], t["status"]) for t in found["tests"]] == [
        ("double", 0.0, 4.0, "failed"), ("total", 6.0, 6.0, "passed")]
    assert "Twice x is x + x" in found["tests"][0]["output"]
    assert "'notes.txt' is no notebook and was left out" in found["output"]
    assert sorted(p.name for p in root.iterdir()) == ["results", "source", "submission", "submission_metadata.json"]


def test_the_zip_holds_no_student_no_grade_and_no_secret_of_the_course(container: Path) -> None:
    with zipfile.ZipFile(container / "up.zip") as archive:
        names = archive.namelist()
        texts = {name: archive.read(name) for name in names}
    secret = (container / "secret of the course").read_bytes().strip()
    for name, data in texts.items():
        if name.startswith("course/") or "/" not in name:
            assert b"CANARY" not in data and secret not in data, name
    assert {n.split("/")[0] for n in names} == {"setup.sh", "run_autograder", "requirements.txt", "course", "package"}
    never = ("__pycache__", "submitted", "results/", "nbgrader_config", ".pyc")
    assert not any(part in name for name in names for part in never)
    assert f"course/checks/{A}/checks.py" in names and "package/minigrad/course.py" in names
    with sqlite3.connect(container / "source/course/gradebook.db") as db:
        assert db.execute("SELECT count(*) FROM student").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM submitted_assignment").fetchone() == (0,)
    assert b"draw = 1.5" in texts["course/course.toml"]       # the course's limits hold there too


@pytest.mark.parametrize(("files", "about", "score", "said"), [
    ({}, ABOUT, 0.0, "not handed in: 01_mini.ipynb"),
    ({"01_mini.ipynb": b"{"}, {"users": []}, 0.0, "not a notebook"),
    ({"01_mini.ipynb": b"{}"}, "no dict", 0.0, ""),
], ids=["nothing", "broken", "empty"])
def test_what_cannot_be_read_is_a_0_with_a_reason(files: dict[str, bytes], about: Any, score: float, said: str,
                                                  container: Path, tmp_path: Path) -> None:
    found = valid(gradescope.grade(submit(container, dict(files), tmp_path, about)))
    assert found["score"] == score and said in found["output"] and len(found["tests"]) == 2


def test_a_hostile_submission_reaches_nothing_and_writes_no_result(
        container: Path, mini: Path, tmp_path: Path) -> None:
    """It tries to write results.json itself, and to read the checks that lie beside it."""
    root = tmp_path / "autograder"
    attack = ("import os\n"
              "def double(x):\n"
              f"    for path in ({str(root / 'results/results.json')!r}, {str(root / 'results/x')!r}):\n"
              "        try:\n"
              "            open(path, 'w').write('{\"score\": 10}')\n"
              "        except OSError as e:\n"
              "            pass\n"
              "    try:\n"
              f"        print('GOT', open({str(container / 'source/course/checks/01_mini/checks.py')!r}).read())\n"
              "    except OSError:\n"
              "        pass\n"
              "    return x\n")
    evil = edit(solved(mini, A), "double", lambda c: c.update(source=attack))
    root = submit(container, {"01_mini.ipynb": evil}, tmp_path)
    (root / "submission" / "link.ipynb").symlink_to(container / "source/course/source/01_mini/01_mini.ipynb")
    found = valid(gradescope.grade(root))
    assert found["score"] == 6.0 and os.listdir(root / "results") == ["results.json"]
    assert "GOT" not in json.dumps(found) and "'link.ipynb' is a link" in found["output"]


def test_where_the_grader_fails_nobody_gets_a_0(
        container: Path, mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    from autograder import workers
    from autograder.sandbox import NoSandbox

    root = submit(container, {"01_mini.ipynb": solved(mini, A)}, tmp_path)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise NoSandbox("no sandbox here")

    monkeypatch.setattr(workers, "Sandbox", refuse)
    assert gradescope.main([str(root)]) == 1
    assert capsys.readouterr().err == "autograder: not graded: no sandbox here\n"
    assert not (root / "results/results.json").exists()


def test_setup_installs_what_is_named_into_an_environment_of_its_own(container: Path, tmp_path: Path) -> None:
    """With stand-ins for apt-get and Python, which write down what they are asked for."""
    root, bin, log = tmp_path / "ag", tmp_path / "bin", tmp_path / "log"
    bin.mkdir()
    python = ('#!/bin/bash\necho "python $*" >> "$LOG"\nif [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" '
              '"$3/bin/python"; fi\n')
    for name, text in (("apt-get", '#!/bin/bash\necho "apt-get $*" >> "$LOG"\n'
                        'if [ "$4" = python3.12 ]; then cp "$PARKED" "$(dirname "$0")/python3.12"; fi\n'
                        'if [ "$4" = python3.13 ]; then exit 1; fi\n'), ("parked", python)):
        (bin / name).write_text(text)
        (bin / name).chmod(0o755)
    for name in ("bash", "basename", "dirname", "mkdir", "cp"):
        (bin / name).symlink_to(f"/usr/bin/{name}")
    env = {"PATH": str(bin), "LOG": str(log), "PARKED": str(bin / "parked"), "AUTOGRADER_ROOT": str(root)}
    got = subprocess.run(["/usr/bin/bash", str(container / "source/setup.sh")], env=env, capture_output=True, text=True)
    assert got.returncode == 0, got.stderr
    assert log.read_text().splitlines() == [
        "apt-get update -qq", "apt-get install -y -qq python3.13", "apt-get install -y -qq python3.12",
        "apt-get install -y -qq python3.12-venv bubblewrap", f"python -m venv {root}/venv",
        f"python -m pip install --quiet --requirement {root}/source/requirements.txt", "python -m autograder doctor"]
    lines = (container / "source/requirements.txt").read_text().splitlines()
    assert {"nbgrader", "numpy", "click", "filelock"} <= {line.partition("==")[0] for line in lines}
    assert all(line.partition("==")[2] for line in lines) and not any("minigrad" in line for line in lines)


def test_exported_results_have_the_gradebooks_scores_and_their_autograder_grades_alike(
        mini: Path, tmp_path: Path) -> None:
    """A person's score and a late penalty count; what only the instructor should read does not go out."""
    from autograder.driver import grade
    from autograder.gradebook import Grades
    from tests.autograder import several_help

    several_help.write_several(mini)
    several_help.hand_in(mini, "ada", maths=several_help.answered(mini, "maths"),
                         words=several_help.answered(mini, "words"))
    grade(mini, several_help.A, jobs=1)
    with Grades(Course.open(mini)) as g:
        row = g.book.find_grade("why", "words", several_help.A, "ada")
        row.manual_score, row.needs_manual_grade = 2.5, False
        g.book.db.commit()
    assert main(["export", str(mini), several_help.A, "--format", "gradescope", "--out", str(tmp_path / "out")]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["autograder.zip", "results"]
    found = valid(json.loads((tmp_path / "out/results/ada.json").read_text()))
    assert found["score"] == 17.5 and "a part still waits for manual grading" in found["output"]
    tests = {t["name"]: t for t in found["tests"]}
    assert tests["words: why"]["score"] == 2.5 and "score" not in tests["words: essay"]
    assert "forgeable" not in json.dumps(found) and "ran beside" not in json.dumps(found)

    # the autograder that was written beside them: several notebooks, and parts that wait for a person
    with zipfile.ZipFile(tmp_path / "out/autograder.zip") as archive:
        archive.extractall(tmp_path / "up" / "source")
    files: dict[str, Notebook | bytes] = {
        f"{name} (2).ipynb": several_help.answered(mini, name) for name in several_help.NOTEBOOKS}
    found = valid(gradescope.grade(submit(tmp_path / "up", files, tmp_path)))
    assert found["score"] == 15.0 and found["output"] == "15 points more are given by a person"
    assert [t["name"] for t in found["tests"]] == ["maths: double", "maths: total", "words: double-test",
                                                   "words: length-test"]
