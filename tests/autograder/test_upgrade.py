"""A course keeps what it was made with: a newer version changes it when asked, after it was shown and backed up."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from autograder import cli, driver, record
from autograder.changes import stat
from autograder.course import Course
from autograder.errors import AutograderError
from autograder.make_course import make
from tests.autograder.grading_help import NOTEBOOK, hand_in, release, solved
from tests.autograder.several_help import MATHS
from tests.autograder.several_help import A as SEVERAL

A = "01_mini"


@pytest.fixture
def newer(mini_solutions: Path, tmp_path: Path) -> Path:
    """Solutions of a later version: other words in a check, and a second assignment."""
    folder = shutil.copytree(mini_solutions, tmp_path / "newer")
    checks = folder / A / "checks.py"
    checks.write_text(checks.read_text().replace("not x times x.", "not x squared."))
    shutil.copytree(mini_solutions / A, folder / "02_more")
    notebook = folder / "02_more" / "notebook.py"
    notebook.write_text(NOTEBOOK.replace("01_mini", "02_more"))
    return folder


def told(folder: Path, solutions: Path | None, **options: bool) -> list[str]:
    lines: list[str] = []
    make(folder, solutions, tell=lines.append, **options)
    return lines


def contents(course: Path) -> dict[str, bytes]:
    """Every file but the lock, which an open course makes."""
    return {str(p.relative_to(course)): p.read_bytes() for p in sorted(course.rglob("*"))
            if p.is_file() and p.name != "lock" and "__pycache__" not in p.parts}


def test_the_same_command_adds_what_is_new_and_changes_nothing_else(mini: Path, newer: Path) -> None:
    before = contents(mini)
    lines = told(mini, newer)
    after = contents(mini)
    assert {name for name in after if after[name] != before.get(name)} == {
        "checks/02_more/checks.py", "checks/02_more/notebook.py", "source/02_more/02_more.ipynb",
        "release/02_more/02_more.ipynb", "gradebook.db", ".autograder/written.json", ".autograder/course.json"}
    assert lines[-1] == (f"newer here: 01_mini. Nothing of it was changed; autograder course '{mini}' --upgrade shows "
                         "what changes, backs up and brings it up to date (with --dry-run it only shows)")
    assert Course.open(mini).assignments() == [A, "02_more"]


def test_an_upgrade_is_shown_before_it_is_made(mini: Path, newer: Path) -> None:
    for student in ("ada", "bob"):
        hand_in(mini, student, solved(mini, A), A)
    driver.grade(mini, A, jobs=1, students=["ada"])
    before = contents(mini)
    lines = told(mini, newer, upgrade=True, dry_run=True)
    assert contents(mini) == before
    assert lines[:2] == ["changes  checks/01_mini/checks.py  +1 -1",
                         "01_mini: 2 handed in, 1 graded: the next `autograder grade` grades 1 again"]
    assert any(line.startswith("makes    checks/02_more/notebook.py  +") for line in lines)


def test_an_upgrade_backs_up_what_it_replaces_and_then_grades_again(mini: Path, newer: Path) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    driver.grade(mini, A, jobs=1)
    before = contents(mini)
    lines = told(mini, newer, upgrade=True)
    shown = [i for i, line in enumerate(lines) if line.startswith("changes ")]
    saved = next(i for i, line in enumerate(lines) if line.startswith("backed up to "))
    done = [i for i, line in enumerate(lines) if line.startswith("updated ")]
    assert max(shown) < saved < min(done)
    backups = mini / ".autograder" / "backups"
    assert len(list(backups.glob("gradebook-*-upgrade.db"))) == 1
    kept = {p.relative_to(folder).as_posix(): p.read_bytes() for folder in backups.glob("files-*-upgrade")
            for p in folder.rglob("*") if p.is_file()}
    assert kept["checks/01_mini/checks.py"] == before["checks/01_mini/checks.py"]
    assert all(before[name] == data for name, data in kept.items())
    again: list[str] = []
    driver.grade(mini, A, jobs=1, finished=lambda r: again.append(r["student"]))
    assert again == ["ada"]
    assert told(mini, newer, upgrade=True) == [f"'{mini}' is up to date"]


def test_an_upgrade_without_changed_checks_grades_nothing_again(mini: Path, mini_solutions: Path) -> None:
    """nbgrader's configuration is newer, and no assignment is."""
    hand_in(mini, "ada", release(mini, A), A)
    driver.grade(mini, A, jobs=1)
    config, written = mini / "nbgrader_config.py", mini / ".autograder" / "written.json"
    config.write_text("c = get_config()\n")
    written.write_text(json.dumps(json.loads(written.read_text()) | {"nbgrader_config.py": _hash(config)}))
    assert told(mini, mini_solutions)[-1].startswith("newer here: the course's own files. Nothing of it was changed")
    assert told(mini, mini_solutions, upgrade=True)[-1] == "updated  nbgrader_config.py"
    again: list[str] = []
    driver.grade(mini, A, jobs=1, finished=lambda r: again.append(r["student"]))
    assert again == []


def _hash(path: Path) -> str:
    from autograder.changes import hash_of

    return hash_of(path.read_text())


def test_a_course_records_version_and_checks(mini: Path) -> None:
    found = record.read(Course.open(mini))
    assert found["version"] == record.version() and set(found["checks"]) == {A}
    assert record.differences(Course.open(mini), A) == []


def test_grade_says_in_a_line_what_is_no_longer_as_recorded(
        mini: Path, mini_solutions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    checks = mini / "checks" / A / "checks.py"
    checks.write_text(checks.read_text().replace("not x times x.", "not x squared."))
    assert cli.run(["grade", str(mini), A, "--jobs", "1"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "recorded" in line]
    assert lines == [f"checks/01_mini was edited since it was recorded: its present text counts "
                     f"(autograder course '{mini}' makes the release anew and takes note)"]
    told(mini, mini_solutions)
    assert record.differences(Course.open(mini), A) == []
    monkeypatch.setattr(record, "version", lambda: "99.0")
    assert record.differences(Course.open(mini), A) == [
        f"the course was made with version {record.read(Course.open(mini))['version']} and this is 99.0: "
        f"autograder course '{mini}' --upgrade --dry-run shows what would change"]


def test_an_edited_check_brings_the_release_along(mini: Path, mini_solutions: Path) -> None:
    """The instructor's own change is no upgrade: the plain command follows it."""
    notebook = mini / "checks" / A / "notebook.py"
    notebook.write_text(notebook.read_text().replace("Twice x.", "Two times x."))
    assert "updated  release/01_mini/01_mini.ipynb and its cells in gradebook.db" in told(mini, mini_solutions)
    assert "Two times x." in json.dumps(release(mini, A))


def test_an_edited_check_is_kept_and_the_newer_one_is_named_with_the_way_to_take_it(mini: Path, newer: Path) -> None:
    checks = mini / "checks" / A / "checks.py"
    checks.write_text(checks.read_text() + "# mine\n")
    lines = told(mini, newer, upgrade=True)
    path = newer / A / "checks.py"
    both = f"{shlex.quote(str(checks))} {shlex.quote(str(path))}"
    assert (f"kept     checks/01_mini/checks.py: edited here. The newer one is {path}: diff {both} compares them; to "
            "take it, move the edited file away and give --upgrade again") in lines
    assert told(mini, newer, upgrade=True, dry_run=True)[-2:] == [f"'{mini}' is up to date, but for what is kept",
                                                                  "dry run: nothing was written"]
    checks.rename(checks.with_suffix(".mine"))
    told(mini, newer, upgrade=True)
    assert checks.read_text() == path.read_text()
    assert told(mini, newer, upgrade=True) == [f"'{mini}' is up to date"]


def test_an_assignment_of_several_notebooks_is_made_from_a_folder_of_folders(
        mini: Path, mini_solutions: Path, tmp_path: Path) -> None:
    several = tmp_path / "mine" / SEVERAL
    for name in (MATHS, "again"):
        shutil.copytree(mini_solutions / A, several / name)
        text = NOTEBOOK.replace('score("01_mini"', f'score("{SEVERAL}/{name}"')
        (several / name / "notebook.py").write_text(text)
    told(mini, tmp_path / "mine")
    course = Course.open(mini)
    assert sorted(p.name for p in (course.release / SEVERAL).iterdir()) == ["again.ipynb", f"{MATHS}.ipynb"]
    assert course.load(SEVERAL, MATHS) is not None and course.load(SEVERAL) is None
    assert told(mini, tmp_path / "mine") == [f"'{mini}' is up to date"]


def test_solutions_that_are_not_there_are_said(mini: Path, tmp_path: Path) -> None:
    with pytest.raises(AutograderError, match="no solutions in .*nowhere"):
        make(mini, tmp_path / "nowhere")


@pytest.mark.parametrize(("old", "new", "counted"), [
    ("a\nb\n", "a\nc\nd\n", "+2 -1"), ("", "a\n", "+1 -0"), ("- a\n", "+ a\n", "+1 -1")])
def test_a_diff_is_counted(old: str, new: str, counted: str) -> None:
    assert stat(old, new) == counted
