"""What goes out to students is current, complete, and holds nothing of the solutions."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from autograder.__main__ import main
from autograder.course import Course
from autograder.errors import AutograderError
from autograder.release import leaks, release
from tests.autograder import several_help
from tests.autograder.grading_help import command

A = "01_mini"


def exchange(course: Path, root: Path) -> Path:
    root.mkdir()
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(f"\nc.Exchange.root = {str(root)!r}\n")
    return root / course.name / "outbound" / A / f"{A}.ipynb"


def put_into_release(course: Path, cell: str, text: str, **more: object) -> None:
    path = course / "release" / A / f"{A}.ipynb"
    notebook = json.loads(path.read_text())
    found = next(c for c in notebook["cells"] if c["id"] == cell)
    found["source"] = text
    found.update(more)
    path.write_text(json.dumps(notebook))


def test_it_goes_to_nbgraders_exchange_and_students_fetch_it(
        mini: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = exchange(mini, tmp_path / "exchange")
    assert main(["release", str(mini), A]) == 0
    got = capsys.readouterr()
    assert got.out.splitlines() == [str(place.parent)]
    assert got.err.splitlines() == ["students get 01_mini.ipynb: 2 cells to fill in, 10 points"]
    assert place.read_bytes() == (mini / "release" / A / f"{A}.ipynb").read_bytes()
    home = tmp_path / "home"
    home.mkdir()
    (home / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.Exchange.root = {str(tmp_path / 'exchange')!r}\n"
        f"c.CourseDirectory.course_id = {mini.name!r}\nc.Exchange.cache = {str(tmp_path / 'cache')!r}\n")
    command(home, "nbgrader", "fetch_assignment", A)
    assert (home / A / f"{A}.ipynb").read_bytes() == place.read_bytes()
    # what is out is not changed under the students' hands
    assert main(["release", str(mini), A]) == 2
    assert "Destination already exists, add --force" in capsys.readouterr().err
    assert main(["release", str(mini), A, "--force"]) == 0


def test_a_zip_or_a_folder_for_a_learning_platform(mini: Path, tmp_path: Path) -> None:
    (mini / "source" / A / "data.csv").write_text("1,2\n")
    (mini / "release" / A / "data.csv").write_text("1,2\n")
    did = release(mini, A, out=tmp_path / "out" / "a.zip")
    assert did.files == ["01_mini.ipynb", "data.csv"] and (did.answers, did.points) == (2, 10.0)
    with zipfile.ZipFile(tmp_path / "out" / "a.zip") as archive:
        assert archive.namelist() == [f"{A}/01_mini.ipynb", f"{A}/data.csv"]
    first = (tmp_path / "out" / "a.zip").read_bytes()
    release(mini, A, out=tmp_path / "out" / "a.zip")
    assert (tmp_path / "out" / "a.zip").read_bytes() == first
    assert release(mini, A, out=tmp_path / "lms").where == str(tmp_path / "lms" / A)
    assert (tmp_path / "lms" / A / "data.csv").read_text() == "1,2\n"
    with pytest.raises(AutograderError, match="lies in the course's own folders"):
        release(mini, A, out=mini / "release")


def test_a_changed_check_is_built_before_it_goes_out(mini: Path, tmp_path: Path) -> None:
    path = mini / "checks" / A / "notebook.py"
    path.write_text(path.read_text().replace("A small assignment", "A smaller assignment"))
    did = release(mini, A, out=tmp_path / "a.zip")
    assert f"release/{A}/{A}.ipynb" in did.updated
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert b"A smaller assignment" in archive.read(f"{A}/{A}.ipynb")
    assert release(mini, A, out=tmp_path / "a.zip").updated == []


@pytest.mark.parametrize(("text", "more", "said"), [
    ("def double(x):\n    y = 2 * x + 0 * x\n    return y", {}, "'y = 2 * x + 0 * x' in cell 'double'"),
    ("### BEGIN SOLUTION\npass", {}, "the marker '### BEGIN SOLUTION' in cell 'double'"),
    ("### BEGIN HIDDEN TESTS", {}, "the marker '### BEGIN HIDDEN TESTS'"),
    ("assert double(3 * 1) == 6 * 1", {}, "'assert double(3 * 1) == 6 * 1' in cell 'double'"),
    ("pass", {"outputs": [{"output_type": "stream", "name": "stdout", "text": "42"}]}, "an output in cell 'double'"),
], ids=["a solution's line", "a solution's marker", "hidden tests' marker", "a hidden test's line", "an output"])
def test_nothing_of_a_solution_or_a_hidden_test_goes_out(text: str, more: dict[str, object], said: str, mini: Path,
                                                         tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = mini / "checks" / A / "notebook.py"
    path.write_text(path.read_text().replace("    return 2 * x\n", "    y = 2 * x + 0 * x\n    return y\n").replace(
        "from autograder.kernel import score\nscore(\"01_mini\", \"double-test\")",
        "from autograder.kernel import score\nassert double(3 * 1) == 6 * 1\nscore(\"01_mini\", \"double-test\")"))
    release(mini, A, out=tmp_path / "first.zip")
    put_into_release(mini, "double", text, **more)
    assert any(said in line for line in leaks(Course.open(mini), A))
    assert main(["release", str(mini), A, "--out", str(tmp_path / "a.zip")]) == 2
    got = capsys.readouterr().err.splitlines()
    assert len(got) == 1 and got[0].startswith("autograder: not released: ") and said in got[0]
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize("name", ["checks.py", "notebook.py"])
def test_a_file_of_the_checks_does_not_go_out(name: str, mini: Path, tmp_path: Path) -> None:
    (mini / "release" / A / name).write_text("x")
    with pytest.raises(AutograderError, match=f"not released: {name} lies in the release"):
        release(mini, A, out=tmp_path / "a.zip")


def test_a_link_does_not_go_out(mini: Path, tmp_path: Path) -> None:
    (mini / "release" / A / "data.txt").symlink_to(mini / "gradebook.db")
    with pytest.raises(AutograderError, match="is a link: put the file there instead"):
        release(mini, A, out=tmp_path / "a.zip")


def test_an_assignment_of_several_notebooks_goes_out_whole(mini: Path, tmp_path: Path) -> None:
    several_help.write_several(mini)
    did = release(mini, several_help.A, out=tmp_path / "a.zip")
    assert did.files == ["maths.ipynb", "words.ipynb"] and did.points == 30.0 and did.answers == 7


def test_without_an_exchange_it_says_what_to_type(mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["release", str(mini), A]) == 2
    assert capsys.readouterr().err.startswith("autograder: nbgrader has no exchange here: write a zip for a learning "
                                              "platform by --out FILE.zip, or set c.Exchange.root in ")
    assert main(["release", str(mini), "01_mni"]) == 2
    assert "Did you mean '01_mini'?" in capsys.readouterr().err
