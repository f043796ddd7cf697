"""The rules of the house that a machine can check: the README runs, the core stays small, no text misleads."""
from __future__ import annotations

import contextlib
import io
import re
import subprocess
from pathlib import Path

import pytest

import minigrad as mg

from . import lines

ROOT = Path(__file__).resolve().parents[1]


def tracked(*endings: str) -> list[Path]:
    """Tracked files, or all of them where there is no git."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    return [ROOT / n for n in names if n.endswith(endings) and (ROOT / n).is_file()]


def test_the_core_can_be_read_in_one_sitting():
    """Growth is seen here first: 1,200 lines of code at most, docstrings and comments not counted."""
    assert lines.core_lines() <= lines.CORE_LIMIT


def test_every_python_block_of_the_readme_runs_and_prints_what_it_says():
    """Comments of the form `# 0.64` behind a print are its output."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert blocks
    for block in blocks:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(block, "README.md", "exec"), {})
        printed = out.getvalue().split("\n")
        expected = re.findall(r"^print\(.*\)\s+# (.*)$", block, re.M)
        assert printed[:len(expected)] == expected


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
    assert found == set(mg.__all__) - {"nn", "optim"}


def test_every_public_function_has_a_docstring():
    """A function without one is not public."""
    missing = [n for n in mg.__all__ if callable(getattr(mg, n)) and not getattr(mg, n).__doc__]
    assert not missing
