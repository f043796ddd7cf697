"""The rules of the house that a machine can check: the README runs, the core stays small, no text misleads."""
from __future__ import annotations

import contextlib
import io
import re
import subprocess
from pathlib import Path

import pytest

import minigrad as mg
from benchmarks import table as figures

from . import lines

ROOT = Path(__file__).resolve().parents[1]


def tracked(*endings: str) -> list[Path]:
    """Tracked files, or all of them where there is no git."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    return [ROOT / n for n in names if n.endswith(endings) and (ROOT / n).is_file()]


def test_the_core_can_be_read_in_one_sitting():
    """Growth is seen here first: 1,200 lines of code at most, docstrings and comments not counted."""
    assert lines.core_lines() <= lines.CORE_LIMIT


FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def run_blocks(path: Path, shared: bool) -> int:
    """Run the python blocks of a document, compare what they print, and return how many ran.

    `print(...)  # 0.64` is compared with its comment, or all output with an ```output block that follows. A block whose
    first line is `# minigrad/FILE.py` is quoted source: its lines must stand in that file, one after another.
    shared: all blocks see one namespace, as in a notebook.
    """
    text, ran, space, printed = path.read_text(), 0, {}, ""
    for found in FENCE.finditer(text):
        kind, block = found.groups()
        if kind == "output":
            assert unnumbered(printed) == unnumbered(block), f"{path.name}: it prints {printed}"
        if kind != "python":
            continue
        if quoted := re.match(r"# (minigrad/[\w/]+\.py)\n", block):
            source = (ROOT / quoted[1]).read_text()
            assert block[quoted.end():] in source, f"{path.name}: this is not in {quoted[1]}:\n{block}"
            continue
        before = text.count("\n", 0, found.start(2))               # so that errors name the document's own lines
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("\n" * before + block, str(path), "exec"), space if shared else {})
        printed, ran = out.getvalue(), ran + 1
        expected = re.findall(r"^ *print\(.*\)\s+# (.*)$", block, re.M)
        if expected:
            assert printed.split("\n")[:len(expected)] == expected, f"{path.name}: it prints {printed}"
    return ran


def unnumbered(text: str) -> str:
    """Text without the numbers of a document's lines, which move when it is edited."""
    return re.sub(r"\.md:\d+", ".md", text)


def test_every_python_block_of_the_readme_runs_and_prints_what_it_says():
    """Each block is a program of its own: a reader copies one."""
    assert run_blocks(ROOT / "README.md", shared=False)


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_every_python_block_of_a_guide_runs_and_prints_what_it_says(path):
    """A guide is read from top to bottom, like a notebook: its blocks share their names."""
    run_blocks(path, shared=True)


@pytest.mark.parametrize("block", ["```python\nprint(1)  # 2\n```\n", "```python\nprint(1)\n```\n\n```output\n2\n```\n",
                                   "```python\n# minigrad/ops.py\nthis line is not there\n```\n",
                                   "```python\nraise ValueError\n```\n"], ids=["comment", "output", "quote", "error"])
def test_a_guide_that_says_something_false_is_caught(block, tmp_path):
    """A checker that never says no checks nothing."""
    (tmp_path / "bad.md").write_text(block)
    with pytest.raises((AssertionError, ValueError)):
        run_blocks(tmp_path / "bad.md", shared=True)


def test_the_guide_to_the_engine_runs_most_of_what_it_shows():
    """If the fences were written differently, nothing would run and the test above would still pass."""
    assert run_blocks(ROOT / "docs" / "engine.md", shared=True) >= 18


def test_every_table_of_figures_is_one_that_was_measured():
    """docs/performance.md shows the recorded results, and nothing that was typed."""
    text = (ROOT / "docs" / "performance.md").read_text()
    assert len(figures.names()) >= 13
    for name in figures.names():
        assert figures.table(name) in text, f"{name}.json is newer: python -m benchmarks.table prints its table"


def test_the_error_in_the_readme_is_what_the_engine_says():
    """The first promise of the README."""
    h, W = mg.zeros(32, 20), mg.randn(10, 64)
    with pytest.raises(mg.ShapeError) as caught:
        h @ W
    text = (ROOT / "README.md").read_text()
    first, last = str(caught.value).split("\n")[0], str(caught.value).split("\n")[-1]
    assert f"ShapeError: {first}" in text and last in text


def test_every_picture_of_the_documents_exists_and_has_a_text():
    """A reader who sees no picture gets its words."""
    for path in tracked(".md"):
        for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", path.read_text()):
            assert alt and (target.startswith("http") or (path.parent / target).is_file()), (path.name, target)


def test_no_text_tells_anyone_to_install_somebody_elses_package():
    """`minigrad` and `autograder` on the package index belong to others."""
    pattern = re.compile(r"pip3? install (-[\w-]+ )*(\"|')?(minigrad|autograder)\b(?![_-])")
    for path in tracked(".py", ".md", ".toml", ".ipynb", ".html", "Makefile", "run"):
        if path.name != Path(__file__).name:
            for line in path.read_text().split("\n"):
                assert not pattern.search(line), f"{path.relative_to(ROOT)}: {line.strip()[:100]}"


def test_the_public_names_are_those_that_are_listed():
    """A name that slips into the package is an API for ever."""
    found = {n for n in dir(mg) if not n.startswith("_") and type(getattr(mg, n)).__name__ != "module"}
    assert found == set(mg.__all__) - {"nn", "optim", "viz"}


def test_every_public_function_has_a_docstring():
    """A function without one is not public."""
    missing = [n for n in mg.__all__ if callable(getattr(mg, n)) and not getattr(mg, n).__doc__]
    assert not missing
