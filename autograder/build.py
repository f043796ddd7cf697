"""From solutions/NN_topic/notebook.py to the two notebooks made of it.

The **source** notebook is what an nbgrader course holds: solutions and hidden tests in it.  The **release** is what
students get, exercises/NN_topic/NN_topic.ipynb: nbgrader's own steps of `generate_assignment` are run on the source, so
that both ways of releasing give the same cells.  Neither file depends on when or where it was made: cell ids are words
of the notebook, the kernelspec is fixed, there are no outputs and no versions, and keys are sorted.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.assignment import BEGIN_HIDDEN, BEGIN_SOLUTION, END_SOLUTION, NOTEBOOK, Assignment, Cell

KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
ID_LENGTH = 48                      # nbformat allows 64; longer ids are cut at a word


class BuildError(Exception):
    """A notebook cannot be built: nbgrader refuses a cell, or the release would show a solution."""


def source_notebook(assignment: Assignment) -> NotebookNode:
    """The instructor's notebook, for a course's source/NN_topic/: all cells of notebook.py with nbgrader's metadata."""
    cells = []
    for cell, cell_id in zip(assignment.cells, _ids(assignment.cells), strict=True):
        make = new_code_cell if cell.cell_type == "code" else new_markdown_cell
        metadata: dict[str, Any] = {"tags": list(cell.tags)} if cell.tags else {}
        if cell.grade_id:
            metadata["nbgrader"] = {"grade_id": cell.grade_id, "grade": cell.grade, "locked": cell.locked,
                                    "schema_version": 3, "solution": cell.solution, "task": False}
            if cell.grade:
                metadata["nbgrader"]["points"] = cell.points
        cells.append(make(cell.source, id=cell_id, metadata=metadata))
    notebook = new_notebook(cells=cells, metadata=KERNEL)
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return notebook


def release_notebook(assignment: Assignment) -> NotebookNode:
    """What students get: nbgrader's generate_assignment without its database.  BuildError if a solution would show."""
    from nbgrader import preprocessors as steps  # a second to import: only building needs it

    notebook, resources = source_notebook(assignment), {"nbgrader": {"notebook": assignment.name}}
    for step in (steps.LockCells, steps.ClearSolutions, steps.ClearOutput, steps.CheckCellMetadata,
                 steps.ClearHiddenTests, steps.ClearMarkScheme, steps.ComputeChecksums, steps.CheckCellMetadata):
        worker = step()
        worker.log.setLevel(logging.CRITICAL)           # what goes wrong comes as an exception, with its text
        try:
            notebook, resources = worker.preprocess(notebook, resources)
        except Exception as error:
            raise BuildError(f"{assignment.name}: nbgrader's {step.__name__} refuses the notebook: {error}") from error
    if shown := list(leaks(assignment, notebook)):
        raise BuildError(f"{assignment.name}: the release shows " + "; ".join(shown))
    return notebook


def leaks(assignment: Assignment, release: NotebookNode) -> Iterator[str]:
    """Lines of a solution that stand in a code cell of the release, and markers of regions anywhere in it.

    Hints in markdown may quote a line: that is their purpose.  Lines of less than four words are too common to tell.
    """
    secret = set()
    for cell in assignment.cells:
        inside = False
        for line in cell.source.splitlines() if cell.kind == "solution" else ():
            inside = (inside or BEGIN_SOLUTION in line) and END_SOLUTION not in line
            if inside and len(re.findall(r"\w+", line)) >= 4 and BEGIN_SOLUTION not in line:
                secret.add(line.strip())
    for cell in release.cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "code" and line.strip() in secret:
                yield f"{line.strip()!r} in cell '{cell.id}'"
            if BEGIN_SOLUTION in line or BEGIN_HIDDEN in line:
                yield f"the marker {line.strip()!r} in cell '{cell.id}'"


def dumps(notebook: NotebookNode) -> str:
    """The file's text: sorted keys, one space of indent, a newline at the end."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def build(solutions: str | Path, exercises: str | Path, names: Iterable[str] | None = None) -> list[Path]:
    """Write the release of each assignment (of all, or those named) and return the files that changed."""
    changed = []
    for path, text in _releases(Path(solutions), Path(exercises), names):
        if not path.is_file() or path.read_bytes() != text.encode():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            changed.append(path)
    return changed


def check_current(solutions: str | Path, exercises: str | Path) -> list[str]:
    """What `build` would change, one line each; [] if exercises/ is current."""
    differences, expected = [], set()
    for path, text in _releases(Path(solutions), Path(exercises), None):
        expected.add(path)
        if not path.is_file():
            differences.append(f"{path}: is missing")
        elif path.read_bytes() != text.encode():
            differences.append(f"{path}: {_first_difference(path.read_text(encoding='utf-8'), text)}")
    for path in sorted(Path(exercises).glob("*/*.ipynb")):
        if path not in expected and ".ipynb_checkpoints" not in path.parts:
            differences.append(f"{path}: has no assignment in {solutions}")
    return differences


def _releases(solutions: Path, exercises: Path, names: Iterable[str] | None) -> Iterator[tuple[Path, str]]:
    wanted = sorted(p.parent.name for p in solutions.glob(f"*/{NOTEBOOK}")) if names is None else list(names)
    for name in wanted:
        yield exercises / name / f"{name}.ipynb", dumps(release_notebook(Assignment(solutions / name)))


def _first_difference(old: str, new: str) -> str:
    for number, (a, b) in enumerate(zip(old.splitlines(), new.splitlines(), strict=False), 1):
        if a != b:
            return f"line {number} is {a.strip()[:60]!r}, and would be {b.strip()[:60]!r}"
    return f"it has {len(old.splitlines())} lines, and would have {len(new.splitlines())}"


# ----- Cell ids

def _ids(cells: Iterable[Cell]) -> list[str]:
    """A word or two for each cell: its grade_id, its title, its heading, else what it belongs to."""
    ids: list[str] = []
    owner = "notebook"
    for cell in cells:
        heading = re.search(r"^#+\s+(.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if cell.grade_id:
            word = owner = cell.grade_id
        elif cell.title:
            word = _slug(cell.title)
        elif heading:
            word = owner = _slug(heading.group(1))
        else:
            kind = "code" if cell.cell_type == "code" else "hints" if "<details>" in cell.source else "text"
            word = f"{owner}-{kind}"
        unique, n = word, 2
        while unique in ids:
            unique, n = f"{word}-{n}", n + 1
        ids.append(unique)
    return ids


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", re.sub(r"^[\d.\s]+", "", plain))        # "3. Back" is "back": parts may be moved
    slug = ""
    for word in words:
        if len(slug) + len(word) + 1 > ID_LENGTH:
            break
        slug = f"{slug}-{word}" if slug else word
    return slug or "cell"
