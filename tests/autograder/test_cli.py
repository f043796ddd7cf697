"""The command line: what it says, where it says it, and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import cli
from autograder.__main__ import main
from minigrad.install import checkout_root, install_line

CHECKOUT = Path(__file__).resolve().parents[2]


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    got = capsys.readouterr()
    return got.out.splitlines(), got.err.splitlines()


@pytest.mark.parametrize("verb", [None, *cli.main.commands])
def test_help_fits_a_screen_and_has_an_example(verb: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"] if verb else ["--help"]) == 0
    out, err = lines(capsys)
    assert len(out) <= 24 and not err
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
