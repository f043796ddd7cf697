"""Every notebook as a student sees it: in JupyterLab, in a real browser, each cell run one after another.

A release shows kind words where a function is missing and no traceback; a solved notebook shows no error, all its
pictures, and the table of what passes. Formulas are set, hints are folded, pictures have no broken parts.
The photographs are for people: the folder that holds them is printed.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from autograder.build import dumps, release_notebook, source_notebook

from .assignment_help import NAMES, assignment
from .jupyterlab import Lab, Page, needs_jupyterlab

IN_CI = "01_autograd"
pytestmark = [pytest.mark.slow, needs_jupyterlab]


def write(folder: Path, name: str, solved: bool) -> str:
    """The students' notebook, or the same with every solution in it and without hidden tests; its file's name."""
    from nbgrader.preprocessors import ClearHiddenTests

    notebook = release_notebook(assignment(name))
    if solved:
        notebook, _ = ClearHiddenTests().preprocess(source_notebook(assignment(name)), {})
    file = f"{name}-{'solved' if solved else 'release'}.ipynb"
    (folder / file).write_text(dumps(notebook), encoding="utf-8")
    return file


def sound(page: Page, name: str) -> None:
    """What holds for both: formulas are set, three hints a function are folded, tables are tables."""
    cells, functions = assignment(name).cells, assignment(name).checks
    assert page.count_of("mjx-merror") == 0 and page.count_of("mjx-container") > 10
    assert page.count_of("details") == 3 * len(functions) and page.count_of("details[open]") == 0
    assert page.count_of(".jp-RenderedMarkdown img:not([alt])") == 0
    words = page.text_of("environment")
    assert f"{name}: Python 3." in words and "Graded code may import numpy only." in words
    assert page.js("document.querySelectorAll('.jp-Cell').length") == len(cells)


def look(name: str, tmp_path: Path, shown: Path) -> None:
    """Run and read the release and the solved notebook; leave photographs of both."""
    found = assignment(name)
    release, solved = (write(tmp_path, name, s) for s in (False, True))
    tests = [c.grade_id for c in found.graded.values()]
    with Lab(tmp_path) as lab:
        page = lab.open(release)
        page.run_all()
        sound(page, name)
        errors = page.errors()
        print(*page.photographs(shown, Path(release).stem)[:1])
        assert set(tests) <= set(errors), "an unanswered cell that says nothing"
        assert [(cell, text) for cell, text in errors.items() if "is not written yet" not in text] == []
        assert not any("Traceback" in text for text in errors.values())
        assert f"0 of {len(tests)} pass now" in page.js("document.body.innerText")

        page = lab.open(solved)
        seconds = page.run_all()
        sound(page, name)
        print(*page.photographs(shown, Path(solved).stem)[:1])
        assert page.errors() == {} and seconds < 90
        pictures = sum(c.kind == "picture" and "plt.show()" in c.source for c in found.cells)
        assert page.count_of(".jp-OutputArea-output img") >= pictures > 0
        text = page.js("document.body.innerText")
        assert f"{len(tests)} of {len(tests)} pass now" in text
        rows = page.js("[...document.querySelectorAll('table[aria-label=\"Visible tests\"] tbody tr')]"
                       ".map(row => row.innerText.trim())")
        assert [row.split()[0] for row in rows] == [check.function for check in found.checks.values()]
        assert all(row.endswith("passes") for row in rows)


def test_a_notebook_opens_and_runs_in_jupyterlab(tmp_path, tmp_path_factory):
    shown = tmp_path_factory.mktemp("photographs")
    print(f"photographs: {shown}")
    look(IN_CI, tmp_path, shown)


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES)
def test_every_notebook_opens_and_runs_in_jupyterlab(name, tmp_path):
    shown = Path(tempfile.mkdtemp(prefix=f"photographs-{name}-"))      # kept: pytest removes its own after three runs
    print(f"photographs: {shown}")
    look(name, tmp_path, shown)


def test_an_error_in_a_cell_is_read_off(tmp_path):
    """The reader of the page must be able to say no."""
    cells = [{"cell_type": "code", "id": f"c{i}", "metadata": {}, "outputs": [], "execution_count": None,
              "source": source} for i, source in enumerate(["1 + 1", "1 / 0", "import sys; sys.stderr.write('oh')"])]
    cells.append({"cell_type": "markdown", "id": "m", "metadata": {}, "source": r"$\frac{1$"})
    (tmp_path / "bad.ipynb").write_text(json.dumps({
        "cells": cells, "nbformat": 4, "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}}))
    with Lab(tmp_path) as lab:
        page = lab.open("bad.ipynb")
        page.run_all()
        errors = page.errors()
        assert list(errors) == ["c1", "c2"] and "ZeroDivisionError" in errors["c1"] and "oh" in errors["c2"]
        assert page.count_of("mjx-merror") > 0 or "frac" in page.text_of("m")
