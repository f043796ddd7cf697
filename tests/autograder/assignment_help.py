"""What the tests of an assignment share: its cells, its mutants, its visible tests, and a notebook in a real kernel."""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from autograder.assignment import Assignment, AssignmentError
from minigrad import course

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.name for path in (ROOT / "solutions").glob("[0-9][0-9]_*"))


@cache
def assignment(name: str) -> Assignment:
    """An assignment of solutions/, read once."""
    return Assignment(ROOT / "solutions" / name)


def reduced(in_every_run: Collection[str]) -> list[Any]:
    """NAMES as parameters: these in every run, the others under `make proof`."""
    return [pytest.param(name, marks=() if name in in_every_run else pytest.mark.proof) for name in NAMES]


def cells() -> list[tuple[str, str]]:
    """(assignment, cell) of every graded cell; one that cannot be read fails in a test of its own, not here."""
    found = []
    for name in NAMES:
        with contextlib.suppress(AssignmentError):
            found += [(name, cell) for cell in assignment(name).checks]
    return found


def mutants() -> list[tuple[str, str, str]]:
    """(assignment, cell, mutant) of every mutant."""
    return [(name, cell, m.name) for name, cell in cells() for m in assignment(name).checks[cell].mutants]


def mutated(name: str, cell: str, mutant: str) -> dict[str, Any]:
    """The reference's namespace with one mutant in it."""
    check = assignment(name).checks[cell]
    source = check.source(next(m for m in check.mutants if m.name == mutant))
    assert source is not None
    return assignment(name).namespace(replace={check.function: source})


def visible_test_passes(name: str, cell: str, space: dict[str, Any]) -> bool:
    """Run the part of the test cell that students see."""
    source = assignment(name).graded[cell].source
    visible = re.sub(r"### BEGIN HIDDEN TESTS.*### END HIDDEN TESTS", "", source, flags=re.DOTALL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(visible, space)
    except course.VisibleTestFailed:
        return False
    return True


def run_in_kernel(notebook: Any, folder: Path, monkeypatch: Any, mode: str | None = None) -> tuple[float, dict]:
    """Execute in a real kernel as nbgrader does, its working folder below a solutions/ folder: seconds, cells by id."""
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    if mode:
        monkeypatch.setenv("NBGRADER_EXECUTION", mode)
    begin = time.perf_counter()
    NotebookClient(notebook, timeout=60, allow_errors=True, resources={"metadata": {"path": str(folder)}}).execute()
    return time.perf_counter() - begin, {cell.id: cell for cell in notebook.cells}
