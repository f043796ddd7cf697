"""`autograder course DIR`: a folder that stock nbgrader accepts, and that an update never robs of anything."""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from autograder.course import Course, write_atomically
from autograder.errors import AutograderError, Busy, CourseError, UnknownName
from autograder.make_course import find_solutions, make
from tests.autograder.assignment_help import NAMES, assignment
from tests.autograder.grading_help import CHECKOUT, command, hand_in, release, solved


def told(folder: Path, solutions: Path, **options: bool) -> str:
    lines: list[str] = []
    make(folder, solutions, tell=lines.append, **options)
    return "\n".join(lines)


def test_a_new_course_has_all_its_parts(mini: Path) -> None:
    course = Course.open(mini)
    assert course.assignments() == ["01_mini"] and course.name == "mini course" and course.late_policy == "none"
    assert sorted(p.name for p in (mini / "checks" / "01_mini").iterdir()) == ["checks.py", "notebook.py"]
    assert stat.S_IMODE((mini / ".autograder" / "secret").stat().st_mode) == 0o600
    assert len(course.secret()) == 64 and course.secret() == course.secret()
    with sqlite3.connect(mini / "gradebook.db") as db:
        cells = {name for (name,) in db.execute("SELECT name FROM source_cell")}
    assert cells == {"setup", "double", "double-test", "total", "total-test"}


def test_a_course_of_private_solutions_holds_nothing_of_the_public_ones(mini: Path) -> None:
    """`mini` is made by --solutions from a folder of its own: no public assignment, no function, no solution's line."""
    public: set[bytes] = set()
    for name in NAMES:
        for check in assignment(name).checks.values():
            lines = assignment(name).solution_cell(check.function).source.partition("BEGIN SOLUTION")[2].splitlines()
            public |= {line.strip().encode() for line in lines if len(line.split()) > 4 and "END SOLUTION" not in line}
            public |= {f"def {check.function}(".encode(), f'Check("{check.function}"'.encode()}
    files = [p for p in mini.rglob("*") if p.is_file()]
    assert {p.parent.name for p in files if p.suffix in (".ipynb", ".py")} <= {"01_mini", mini.name}
    assert any(p.name == "gradebook.db" for p in files) and len(public) > 300
    held = [(p, line) for p in files for data in [p.read_bytes()] for line in public if line in data]
    assert held == []


def test_nothing_of_a_solution_or_a_hidden_test_is_in_the_release_or_beside_a_source_notebook(mini: Path) -> None:
    text = (mini / "release" / "01_mini" / "01_mini.ipynb").read_text()
    assert "2 * x" not in text and "HIDDEN" not in text and "autograder" not in text
    assert [p.name for p in (mini / "source" / "01_mini").iterdir()] == ["01_mini.ipynb"]
    assert [p.name for p in (mini / "release" / "01_mini").iterdir()] == ["01_mini.ipynb"]


def test_the_release_is_what_students_get_from_exercises(rnn: Path) -> None:
    """Two ways make the students' notebook: `autograder build`, and nbgrader in a course. They give the same cells."""
    exercises = CHECKOUT / "exercises" / "03_rnn" / "03_rnn.ipynb"
    ours, theirs = json.loads(exercises.read_text()), release(rnn, "03_rnn")
    assert [(c["cell_type"], "".join(c["source"]), c["metadata"].get("nbgrader"), c["id"]) for c in ours["cells"]] == [
        (c["cell_type"], "".join(c["source"]), c["metadata"].get("nbgrader"), c["id"]) for c in theirs["cells"]]


def test_stock_nbgrader_accepts_the_course(mini: Path) -> None:
    """Run in a folder whose name has a space, by nbgrader's own command."""
    command(mini, "nbgrader", "generate_assignment", "01_mini", "--force")
    assert "Success" in command(mini, "nbgrader", "validate", "source/01_mini/01_mini.ipynb")


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, mini_solutions: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(CourseError, match="is not empty and not a course .it holds 'thesis.tex'.; nothing was changed"):
        make(tmp_path, mini_solutions)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_update_with_nothing_new_changes_nothing(mini: Path, mini_solutions: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in sorted(mini.rglob("*.*")) if p.is_file() and p.suffix != ".json"}
    assert told(mini, mini_solutions) == f"'{mini}' is up to date"
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_an_upgrade_keeps_grades_and_edited_files_and_says_so(
        mini: Path, mini_solutions: Path, tmp_path: Path) -> None:
    hand_in(mini, "ada", solved(mini, "01_mini"), "01_mini")
    with sqlite3.connect(mini / "gradebook.db") as db:
        db.execute("INSERT INTO student (id) VALUES ('ada')")
    toml = (mini / "course.toml").read_text()
    (mini / "course.toml").write_text(toml.replace("draw = 2.0", "draw = 1.5"))
    newer = shutil.copytree(mini_solutions, tmp_path / "newer")
    notebook = newer / "01_mini" / "notebook.py"
    notebook.write_text(notebook.read_text().replace("Twice x.", "Two times x."))
    text = told(mini, newer, upgrade=True)
    assert "updated  checks/01_mini/notebook.py" in text and "updated  release/01_mini/01_mini.ipynb" in text
    assert "Two times x." in (mini / "release" / "01_mini" / "01_mini.ipynb").read_text()
    assert Course.open(mini).limits("01_mini").draw == 1.5
    with sqlite3.connect(mini / "gradebook.db") as db:
        assert [i for (i,) in db.execute("SELECT id FROM student")] == ["ada"]
    assert (mini / "submitted" / "ada" / "01_mini" / "01_mini.ipynb").is_file()

    mine = mini / "checks" / "01_mini" / "checks.py"
    mine.write_text(mine.read_text() + "\n# mine\n")
    (newer / "01_mini" / "checks.py").write_text((newer / "01_mini" / "checks.py").read_text() + "\n# theirs\n")
    assert "kept     checks/01_mini/checks.py: edited here" in told(mini, newer, upgrade=True)
    assert mine.read_text().endswith("# mine\n")


def test_cells_are_not_added_under_submissions(mini: Path, mini_solutions: Path, tmp_path: Path) -> None:
    """nbgrader would refuse, and remove the release folder first."""
    from autograder.gradebook import Grades, Rows

    course = Course.open(mini)
    with Grades(course) as grades:
        grades.save("01_mini", Rows("ada", {("01_mini", "double-test"): 4.0, ("01_mini", "total-test"): 1.0},
                                      frozenset()))
    newer = shutil.copytree(mini_solutions, tmp_path / "newer")
    notebook = newer / "01_mini" / "notebook.py"
    notebook.write_text(notebook.read_text().replace('"grade_id": "setup"', '"grade_id": "set-up"'))
    text = told(mini, newer, upgrade=True)
    assert "kept     01_mini: students have handed in, and the new version adds or removes cells (set-up" in text
    assert (mini / "release" / "01_mini" / "01_mini.ipynb").is_file()
    assert "set-up" not in (mini / "checks" / "01_mini" / "notebook.py").read_text()


def test_no_solutions_is_said(tmp_path: Path, mini: Path) -> None:
    with pytest.raises(AutograderError, match="no solutions in .*--solutions"):
        make(tmp_path / "new", tmp_path)
    assert not (tmp_path / "new").exists()
    assert find_solutions(tmp_path) == []


@pytest.mark.parametrize(("old", "new", "said"), [
    ('policy = "none"', 'policy = "lenient"', "no late policy 'lenient'"),
    ('layer = "auto"', 'layer = "bwarp"', "Did you mean 'bwrap'"),
    ("draw = 2.0", "drw = 2.0", "no limit 'drw' in .*Did you mean 'draw'"),
    ("draw = 2.0", "draw = -1", "limit draw = -1 should be a number above 0"),
    ("draw = 2.0", "draw = 'fast'", "limit draw = 'fast' should be a number above 0"),
    ("[late]", "[late", "course.toml cannot be read"),
])
def test_a_slip_in_the_settings_is_named_before_anything_runs(mini: Path, old: str, new: str, said: str) -> None:
    path = mini / "course.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(AutograderError, match=said):
        Course.open(mini)


def test_an_assignment_may_have_limits_of_its_own(mini: Path) -> None:
    with (mini / "course.toml").open("a") as file:
        file.write("\n[assignments.01_mini.limits]\ncell = 3\nmemory = 512\n")
    course = Course.open(mini)
    assert course.limits("01_mini").cell == 3.0 and course.limits("01_mini").memory == 512 << 20
    assert course.limits("other").cell == 10.0


def test_a_name_where_there_are_none_is_told_in_a_whole_sentence() -> None:
    """`kind` may end in a preposition: "no result of 'ada'"."""
    assert str(UnknownName("result of", "ada", "results", [], "autograder grade rnn")) == (
        "no result of 'ada' in results. There are none yet. (autograder grade rnn)")


def test_an_unknown_assignment_names_the_closest(mini: Path) -> None:
    with pytest.raises(UnknownName, match="no assignment 'mini' in .*Did you mean '01_mini'"):
        Course.open(mini).require("mini")


def test_one_run_at_a_time(mini: Path) -> None:
    course = Course.open(mini)
    with course.lock(), pytest.raises(Busy, match="another run works on"), Course.open(mini).lock():
        pass


def test_the_course_above_a_folder_is_found(mini: Path, tmp_path: Path) -> None:
    assert Course.find(mini / "checks" / "01_mini").root == mini.resolve()
    with pytest.raises(CourseError, match="lies in no course"):
        Course.find(tmp_path)


def test_a_write_that_finds_no_room_leaves_the_old_file_and_no_part_of_the_new_one(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    write_atomically(tmp_path / "a.json", "old")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "a.json", "a new text")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"] and (tmp_path / "a.json").read_text() == "old"
