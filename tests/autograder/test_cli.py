"""The command line: what it says, where it says it, and its exit code."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autograder import cli
from autograder.__main__ import main
from minigrad.install import checkout_root, install_line, version
from tests.autograder.grading_help import CHECKOUT, hand_in, solved


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    got = capsys.readouterr()
    return got.out.splitlines(), got.err.splitlines()


@pytest.mark.parametrize("verb", [None, *cli.VERBS])
def test_help_fits_a_screen_and_has_an_example(verb: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"] if verb else ["--help"]) == 0
    out, err = lines(capsys)
    assert len(out) <= 24 and not err
    assert all(len(line) <= 80 and not line.endswith("...") for line in out[1:] if verb is None)
    assert any(line.strip() == "Example:" for line in out)


@pytest.mark.parametrize(("arguments", "said"), [
    (["grade", "nowhere", "03_rnn"], "autograder: there is no folder 'nowhere' (autograder course nowhere makes a "
     "course)"),
    (["status", "nowhere"], "autograder: there is no folder 'nowhere' (autograder course nowhere makes a course)"),
    (["grade", ".", "03_rnn"], "autograder: '.' is not a course: it has no course.toml (autograder course DIR makes a "
     "course)"),
    (["course", "new", "--solutions", "nothing"], "autograder: no solutions in 'nothing': name a folder with "
     "NN_topic/notebook.py and checks.py by --solutions"),
])
def test_what_the_user_can_mend_is_one_line_on_stderr_and_exit_code_2(
        arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert lines(capsys) == ([], [said])
    assert list(tmp_path.iterdir()) == []


def test_a_slip_in_a_verb_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grad"]) == 2
    assert "no command 'grad'. Did you mean 'grade'?" in capsys.readouterr().err


def test_a_bug_is_not_dressed_up_as_the_users_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from autograder.course import Course

    monkeypatch.setattr(Course, "open", lambda folder: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["status", str(tmp_path)])


def test_a_full_disk_is_one_line_that_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                                        capsys: pytest.CaptureFixture[str]) -> None:
    """Neither error says so by itself: a write names no file, and SQLite's comes with a page of SQL."""
    import sqlite3

    from sqlalchemy.exc import OperationalError

    from autograder.course import Course

    for error in (OSError(errno.ENOSPC, "No space left on device"),
                  OperationalError("UPDATE grade ...", {}, sqlite3.OperationalError("database or disk is full"))):
        def fails(folder: object, error: Exception = error) -> Course:
            raise error
        monkeypatch.setattr(Course, "open", fails)
        assert main(["status", str(tmp_path)]) == 2
        assert lines(capsys) == ([], ["autograder: the disk is full: make room and give the same command again; what "
                                      "is written stays"])


def test_the_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert lines(capsys) == ([f"autograder, version {version()}"], [])


def test_a_course_is_made_after_a_plain_installation_from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip install .` copies the package away from solutions/; pip's note says where the checkout is."""
    from autograder.make_course import find_solutions
    from minigrad import install

    monkeypatch.setattr(install, "checkout_root", lambda start=None: None)
    monkeypatch.setattr(install, "source_folder", lambda: CHECKOUT)
    assert "03_rnn" in [p.name for p in find_solutions()]
    monkeypatch.setattr(install, "source_folder", lambda: None)
    assert find_solutions() == []


@pytest.mark.parametrize("package", ["click", "nbgrader", "filelock"])
def test_without_the_grading_extra_the_install_line_is_printed(package: str, tmp_path: Path) -> None:
    """A stand-in that raises what Python raises for an absent package."""
    absent = f"raise ModuleNotFoundError('No module', name={package!r})"
    (tmp_path / f"{package}.py").write_text(absent)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "course.toml").write_text("")
    (tmp_path / "c" / "source" / "x").mkdir(parents=True)
    (tmp_path / "c" / "source" / "x" / "x.ipynb").write_text("{}")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(CHECKOUT)])}
    got = subprocess.run([sys.executable, "-m", "autograder", "grade", str(tmp_path / "c"), "x"], env=env, cwd=tmp_path,
                         capture_output=True, text=True)
    assert got.returncode == 2 and got.stdout == ""
    line = install_line("grading")
    assert got.stderr.splitlines()[-1].startswith(f"autograder: the package '{package}' is missing.")
    assert got.stderr.splitlines()[-1].endswith(f'{CHECKOUT}[grading]"'), line


def test_the_install_line_names_the_checkout_or_a_wheel_and_never_the_index(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "my checkout"
    (root / "minigrad").mkdir(parents=True)
    file = root / "minigrad" / "install.py"
    file.touch()
    monkeypatch.chdir(tmp_path)
    assert install_line("grading", file).startswith('pip install "minigrad_course-')
    assert install_line("grading", file).endswith('-py3-none-any.whl[grading]"')
    (root / "pyproject.toml").write_text('[project]\nname = "something-else"\n')
    assert checkout_root(file) is None
    (root / "pyproject.toml").write_text('[project]\nname = "minigrad-course"\n')
    assert install_line("grading", file) == 'pip install "./my checkout[grading]"'
    assert install_line(None, file) == 'pip install "./my checkout"'
    monkeypatch.chdir(root)
    assert install_line("grading", file) == 'pip install ".[grading]"'
    monkeypatch.chdir("/")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert install_line(None, file) == f'pip install "{root}"'


def test_grade_prints_the_table_to_stdout_and_progress_to_stderr(
        mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hand_in(mini, "ada", solved(mini, "01_mini"), "01_mini")
    hand_in(mini, "bob", b"{", "01_mini")
    assert main(["grade", str(mini), "01_mini", "--jobs", "1"]) == 0
    out, err = lines(capsys)
    assert [line.split() for line in out[:2]] == [["student", "double", "/4", "total", "/6", "total", "/10"],
                                                  ["ada", "4", "6", "10"]]
    assert out[2].split()[:4] == ["bob", "0", "0", "0"] and "unreadable: the file is not a notebook" in out[2]
    assert err[0] == "[1/2] ada: 10 of 10" and err[-1] == f"results: {mini / '.autograder' / 'results' / '01_mini'}"
    assert main(["grade", str(mini), "01_mini", "--json"]) == 0
    got = capsys.readouterr()
    assert {r["student"]: r["score"] for r in json.loads(got.out)} == {"ada": 10.0, "bob": 0.0}
    assert got.err.startswith("2 already graded and unchanged")
    assert main(["status", str(mini), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 1 and {
        "assignment": "01_mini", "submitted": 2, "graded": 2, "unreadable": 1, "mean": 5.0, "max_score": 10.0
        }.items() <= found[0].items()


def test_no_sandbox_stops_before_anything_is_graded(
        mini: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from autograder import workers
    from autograder.sandbox import NoSandbox

    def refuse(*args: Any) -> None:
        raise NoSandbox("no sandbox on this machine. bubblewrap: apt install bubblewrap. --sandbox none grades without")

    hand_in(mini, "ada", solved(mini, "01_mini"), "01_mini")
    monkeypatch.setattr(workers, "Sandbox", refuse)
    assert main(["grade", str(mini), "01_mini"]) == 2
    out, err = lines(capsys)
    assert out == [] and len(err) == 1 and "apt install bubblewrap" in err[0] and "--sandbox none" in err[0]
    assert not (mini / "autograded").exists()


def test_no_sandbox_by_choice_is_said(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hand_in(mini, "ada", solved(mini, "01_mini"), "01_mini")
    assert main(["grade", str(mini), "01_mini", "--sandbox", "none", "--json"]) == 0
    got = capsys.readouterr()
    assert "Students' code runs with your rights" in got.err and json.loads(got.out)[0]["layers"] == []


@pytest.mark.slow
@pytest.mark.parametrize("verb", [None, "course", "grade", "status", "report"])
def test_the_examples_of_the_help_run(verb: str | None, rnn: Path, mini_solutions: Path, tmp_path: Path,
                                      monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """build, doctor and demo have tests of their own: the first writes into the checkout, the others take long."""
    main([verb, "--help"] if verb else ["--help"])
    examples = [line for line in lines(capsys)[0] if line.strip().startswith("autograder ")]
    assert examples
    rnn.rename(tmp_path / "mycourse")
    hand_in(tmp_path / "mycourse", "ada", solved(tmp_path / "mycourse", "03_rnn"), "03_rnn")
    (tmp_path / "assignments").symlink_to(mini_solutions)
    monkeypatch.chdir(tmp_path)
    if verb == "report":
        main(["grade", "mycourse", "03_rnn"])
    for example in examples:
        assert main(shlex.split(example)[1:]) == 0, example


def test_check_says_what_each_mistake_costs_and_names_a_fault(
        mini_solutions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "01_mini"
    shutil.copytree(mini_solutions / "01_mini", folder)
    assert main(["check", str(folder), "--seeds", "2"]) == 0
    out, err = lines(capsys)
    assert [line.split() for line in out[1:]] == [
        ["double", "square", "4", "of", "4", "2", "of", "2", "2", "of", "2", "fails"],
        ["total", "mean", "4", "of", "6", "2", "of", "2", "2", "of", "2", "fails"],
        ["total", "other_axis", "6", "of", "6", "2", "of", "2", "2", "of", "2", "passes"],
        ["3", "mistakes", "(1", "passes", "the", "visible", "test),", "2", "right", "answers,", "0", "faults"]]
    assert not err

    with (folder / "checks.py").open("a") as file:
        file.write('double.mutant("same", replace="2 * x", by="x * 2", says="Nothing.", family="none")\n')
    assert main(["check", str(folder), "--seeds", "1"]) == 1
    out, err = lines(capsys)
    assert "mutant 'same' survives" in "\n".join(err) and out[-1].endswith("2 faults")
    assert main(["check", str(tmp_path)]) == 2
    assert "there is no notebook.py" in capsys.readouterr().err
