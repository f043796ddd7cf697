"""docs/instructors.md: the tutorial's files are built, proved and graded as it says; table and commands are true."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from autograder import cli
from autograder.assignment import Assignment

from .assignment_help import NAMES, ROOT, assignment
from .grading_help import answer, hand_in, release, solved, totals

GUIDE = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
TUTORIAL = "11_leaky"
HOURS = {"4 and a half": 4.5, "5 and a half": 5.5}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", GUIDE, re.M | re.S)


def commands() -> list[list[str]]:
    return [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", *words], cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tutorial's two files were written, each as a whole, as a reader copies them."""
    folder = tmp_path_factory.mktemp("desk")
    for name, text in re.findall(r"^`(mine/[\w/]+\.py)`:\n\n```py\n(.*?)^```$", GUIDE, re.M | re.S):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    assert sorted(p.name for p in (folder / "mine" / TUTORIAL).iterdir()) == ["checks.py", "notebook.py"]
    return folder


def test_the_tutorials_notebook_is_built(desk):
    assert ["autograder", "build", "--solutions", "mine", "--exercises", "handout"] in commands()
    done = run(desk, "autograder", "build", "--solutions", "mine", "--exercises", "handout")
    assert done.returncode == 0, done.stderr
    text = (desk / "handout" / TUTORIAL / f"{TUTORIAL}.ipynb").read_text(encoding="utf-8")
    assert "YOUR CODE HERE" in text and "BEGIN" not in text


@pytest.mark.slow
def test_the_tutorials_checks_are_proved_with_the_table_that_it_shows(desk):
    done = run(desk, "autograder", "check", f"mine/{TUTORIAL}")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout in blocks("text")


@pytest.mark.slow
def test_weaker_draws_bring_the_faults_that_it_shows(desk, tmp_path):
    source = (desk / "mine" / TUTORIAL / "checks.py").read_text(encoding="utf-8")
    first, second = source.split("forward = Check(")
    (tmp_path / TUTORIAL).mkdir()
    weak = first.replace("float(rng.uniform(0.05, 0.4))", "0.5")
    assert weak != first
    (tmp_path / TUTORIAL / "checks.py").write_text(weak + "forward = Check(" + second, encoding="utf-8")
    (tmp_path / TUTORIAL / "notebook.py").write_bytes((desk / "mine" / TUTORIAL / "notebook.py").read_bytes())
    done = run(tmp_path, "autograder", "check", TUTORIAL, "--seeds", "1")
    assert done.returncode == 1 and done.stderr in blocks("text")


def test_the_flags_of_its_mutants_are_measured(desk):
    """As for the ten assignments: `visible` says whether the visible test catches the mistake."""
    found = Assignment(desk / "mine" / TUTORIAL)
    for check in found.checks.values():
        test = re.sub(r"### BEGIN HIDDEN TESTS.*", "", found.graded[check.cell].source, flags=re.S)
        for mutant in check.mutants:
            space = found.namespace(replace={check.function: str(check.source(mutant))})
            try:
                exec(test, space)
                passes = True
            except AssertionError:
                passes = False
            assert mutant.visible is not passes, mutant.name


@pytest.mark.slow
def test_the_trial_course_grades_its_three_students_as_shown(desk):
    assert ["autograder", "course", "trial", "--solutions", "mine"] in commands()
    assert run(desk, "autograder", "course", "trial", "--solutions", "mine").returncode == 0
    course = desk / "trial"
    right = solved(course, TUTORIAL)
    swapped = Assignment(desk / "mine" / TUTORIAL).checks["leaky-step-test"]
    source = str(swapped.source(swapped.mutants[0]))
    for student, notebook in {"ada": right, "bob": answer(right, leaky_step=source),
                              "cyd": release(course, TUTORIAL)}.items():
        hand_in(course, student, notebook, TUTORIAL)
    done = run(desk, "autograder", "grade", "trial", TUTORIAL)
    assert done.returncode == 0, done.stderr
    assert done.stdout in blocks("text")
    assert totals(course, TUTORIAL) == {"ada": 100.0, "bob": 68.0, "cyd": 0.0}
    graded = Path(course / "autograded" / "bob" / TUTORIAL / f"{TUTORIAL}.ipynb").read_text(encoding="utf-8")
    import nbformat

    texts = [c.outputs[1].text for c in nbformat.reads(graded, 4).cells if c.id.endswith("-test")]
    assert "\n".join(texts) in blocks("text")


@pytest.mark.slow
def test_the_python_snippet_runs_also_where_the_worst_has_written_nothing(rnn: Path, tmp_path: Path):
    right = solved(rnn, "03_rnn")
    step = Assignment(ROOT / "solutions" / "03_rnn").checks["rnn-step-test"]
    hand_in(rnn, "ada", right, "03_rnn")
    hand_in(rnn, "bob", answer(right, rnn_step=str(step.source(step.mutants[0]))), "03_rnn")
    rnn.rename(tmp_path / "rnn2026")
    (snippet,) = [block for block in blocks("py") if "import Grader" in block]

    def printed() -> str:
        done = subprocess.run([sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"})
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert re.fullmatch(r"bob has [\d.]+ of 100 points\n(wrong for B = \d+ in \d+ entries\n)+", said := printed()), said
    hand_in(tmp_path / "rnn2026", "cyd", release(tmp_path / "rnn2026", "03_rnn"), "03_rnn")
    assert printed() == "cyd has 0 of 100 points\n"


# ----- What else it says

@pytest.mark.parametrize("words", [c for c in commands() if c[0] == "autograder"], ids=lambda c: " ".join(c[1:3]))
def test_every_command_exists_with_its_options(words):
    verb = cli.main.get_command(click.Context(cli.main), words[1])
    options = {name for p in verb.params for name in [*p.opts, *p.secondary_opts]}
    assert {w for w in words[2:] if w.startswith("--")} <= options
    assert set(re.findall(r"`autograder (\w+)", GUIDE)) <= set(cli.VERBS)


def test_the_table_has_every_assignment_with_its_functions_and_hours():
    rows = re.findall(r"^\| `(\d\d_\w+)` \|.*\| (\d+) \| ([\d.]+) h \|$", GUIDE, re.M)
    assert [name for name, _, _ in rows] == NAMES
    for name, functions, hours in rows:
        first = assignment(name).cells[0].source
        told = re.search(r"about ([\w ]+?) hours of\s+writing", first)
        assert told, name
        assert float(hours) == HOURS.get(told[1]) or float(hours) == float(told[1]), name
        assert int(functions) == len(assignment(name).checks), name


def test_every_slide_of_the_table_is_one_that_the_assignment_cites():
    """Short titles: each must be the beginning, or a part, of a slide's title in the notebook or its Checks."""
    rows = re.findall(r"^\| `(\d\d_\w+)` \|[^|]*\| ([^|]*) \|", GUIDE, re.M)
    assert len(rows) == 10
    for name, cells in rows:
        found = assignment(name)
        text = " ".join([*(c.source for c in found.cells), *(c.slide for c in found.checks.values())])
        for title in re.findall(r"\*([^*]+)\*", cells):
            assert title in text, (name, title)


def test_the_limits_are_the_defaults():
    from autograder.sandbox import Limits

    found = Limits()
    assert f"{found.draw:g} s a call, {found.cell:g} s a function, {found.submission:g} s a notebook" in " ".join(
        GUIDE.split())
    assert found.memory == 1 << 30 and found.threads == 1
