"""One assignment: the folder NN_topic with notebook.py (the instructor's source) and checks.py (what is graded).

    rnn = Assignment(find_assignment("03_rnn", "."))
    rnn.checks["rnn-step-test"]                  # the Check of that graded cell
    rnn.namespace()["rnn_step"]                  # the reference: the solution's own text, executed

The solution stands once, in notebook.py.  The reference is its text, and a mutant or a right variant is another text
for one of its cells.  What does not fit together (a cell without a Check, points that differ, a mutant whose text is
not found) is an AssignmentError with file and line, raised here and not while a class is being graded.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.check import Check

NOTEBOOK, CHECKS = "notebook.py", "checks.py"
BEGIN_SOLUTION, END_SOLUTION = "BEGIN SOLUTION", "END SOLUTION"     # nbgrader's delimiters, anywhere in a line
BEGIN_HIDDEN, END_HIDDEN = "BEGIN HIDDEN TESTS", "END HIDDEN TESTS"
PICTURE = "picture"                                                 # cells with this tag are not run when grading


class AssignmentError(Exception):
    """An assignment's files do not fit together.  The text starts with file:line."""

    def __init__(self, path: Path, line: int, text: str) -> None:
        super().__init__(f"{path.parent.name}/{path.name}:{line}: {text}")
        self.path, self.line = path, line


@dataclass(frozen=True)
class Cell:
    """One cell of notebook.py, with the line of its header."""

    source: str
    cell_type: str                  # "code" or "markdown"
    line: int
    title: str = ""                 # the words after `# %%`
    grade_id: str = ""              # nbgrader's name; "" for a cell that nbgrader does not know
    grade: bool = False
    solution: bool = False
    locked: bool = False
    points: float = 0.0
    tags: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """solution | test | given (locked, restored at grading) | picture | open (the student's own)."""
        if self.solution:
            return "solution"
        if self.grade:
            return "test"
        if PICTURE in self.tags:
            return PICTURE
        return "given" if self.locked else "open"

    @property
    def defines(self) -> tuple[str, ...]:
        """The functions and classes that this cell defines at its top level."""
        if self.cell_type != "code":
            return ()
        return tuple(n.name for n in ast.parse(self.source).body if isinstance(n, (ast.FunctionDef, ast.ClassDef)))


class Assignment:
    """The parsed folder.  Making one checks everything that can be checked without running a mutant."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()
        self.name = self.folder.name
        for part in (NOTEBOOK, CHECKS):
            if not (self.folder / part).is_file():
                raise AssignmentError(self.folder / part, 1, f"there is no {part} in {self.folder}")
        self.notebook_path, self.checks_path = self.folder / NOTEBOOK, self.folder / CHECKS
        self.cells = list(_read_cells(self.notebook_path))
        self._verify_cells()
        self.checks: dict[str, Check] = self._load_checks()

    def __repr__(self) -> str:
        return f"Assignment({str(self.folder)!r})"

    # ----- What the notebook holds

    @cached_property
    def graded(self) -> dict[str, Cell]:
        """The test cells, by grade_id, in the order of the notebook."""
        return {cell.grade_id: cell for cell in self.cells if cell.kind == "test"}

    @property
    def max_score(self) -> float:
        return sum(cell.points for cell in self.graded.values())

    def solution_cell(self, function: str) -> Cell:
        """The solution cell that defines `function`.  Raises KeyError if there is none."""
        for cell in self.cells:
            if cell.kind == "solution" and function in cell.defines:
                return cell
        raise KeyError(function)

    def reference_cells(self) -> list[Cell]:
        """The code that the reference consists of: the given cells and the solutions, in order."""
        return [cell for cell in self.cells if cell.cell_type == "code" and cell.kind in ("given", "solution")]

    def namespace(self, replace: Mapping[str, str] | None = None,
                  given: Mapping[str, Callable[..., Any]] | None = None) -> dict[str, Any]:
        """Execute the reference in a fresh namespace and return it.

        replace: {function: source} puts another source in the place of the cell that defines the function.
        given: {name: callable} is set after everything ran.  Functions find each other as globals, so later ones
        then call these, for example the student's own rnn_step under the reference's rnn_forward.
        """
        swapped = {self.solution_cell(name).line: source for name, source in (replace or {}).items()}
        space: dict[str, Any] = {"__name__": f"reference_{self.name}"}
        with contextlib.redirect_stdout(io.StringIO()):             # the first cell prints versions
            for cell in self.reference_cells():
                exec(compile(swapped.get(cell.line, cell.source), f"<{self.name}:{cell.line}>", "exec"), space)
        space.update(given or {})
        return space

    # ----- Loading and verifying

    def _error(self, line: int, text: str) -> AssignmentError:
        return AssignmentError(self.notebook_path, line, text)

    def _verify_cells(self) -> None:
        seen: dict[str, Cell] = {}
        for cell in self.cells:
            if cell.cell_type == "code":
                try:
                    ast.parse(cell.source)
                except SyntaxError as error:
                    line = cell.line + (error.lineno or 0)
                    raise self._error(line, f"this cell is not Python: {error.msg}") from None
            _verify_regions(self._error, cell)
            if cell.grade_id and cell.grade_id in seen:
                first = seen[cell.grade_id].line
                raise self._error(cell.line, f"grade_id '{cell.grade_id}' is used twice; first in line {first}")
            if cell.grade_id:
                seen[cell.grade_id] = cell
            if cell.solution and not cell.grade and BEGIN_SOLUTION not in cell.source:
                raise self._error(cell.line, f"solution cell '{cell.grade_id}' has no ### {BEGIN_SOLUTION}: nbgrader "
                                             "would clear the whole cell, the function's name with it")
            if cell.grade and not cell.solution and BEGIN_HIDDEN not in cell.source:
                raise self._error(cell.line, f"test cell '{cell.grade_id}' has no ### {BEGIN_HIDDEN}")

    def _load_checks(self) -> dict[str, Check]:
        from autograder.check import Check  # here, because check.py is free to import this module

        module = _load_module(self.checks_path, f"autograder_checks_{self.name}_{abs(hash(str(self.folder)))}")
        found: dict[str, Check] = {}
        for check in vars(module).values():
            if isinstance(check, Check):
                if check.cell in found and found[check.cell] is not check:
                    raise AssignmentError(self.checks_path, self._line_of(check.cell),
                                          f"two Checks for cell '{check.cell}'")
                found[check.cell] = check
        for grade_id, check in found.items():
            if grade_id not in self.graded:
                raise AssignmentError(self.checks_path, self._line_of(grade_id), f"'{grade_id}' is no test cell of "
                                      f"{NOTEBOOK}; it has {', '.join(self.graded)}")
            try:
                self.solution_cell(check.function)
            except KeyError:
                raise AssignmentError(self.checks_path, self._line_of(grade_id),
                                      f"no solution cell of {NOTEBOOK} defines '{check.function}'") from None
        for grade_id, cell in self.graded.items():
            if grade_id not in found:
                raise self._error(cell.line, f"test cell '{grade_id}' has no Check in {CHECKS}")
            self._verify_check(cell, found[grade_id])
        return {grade_id: found[grade_id] for grade_id in self.graded}

    def _verify_check(self, cell: Cell, check: Check) -> None:
        here = self._line_of(cell.grade_id)
        # one notebook of several is ASSIGNMENT/NOTEBOOK: its folder lies in that of the assignment
        name = rf"(?:{re.escape(self.folder.parent.name)}/)?{re.escape(self.name)}"
        if not re.search(rf"score\(\s*[\"']{name}[\"'],\s*[\"']{cell.grade_id}[\"']\s*\)", cell.source):
            raise self._error(cell.line, f"the hidden region does not call score(\"{self.name}\", \"{cell.grade_id}\")")
        if abs(check.points - cell.points) > 1e-9:
            raise AssignmentError(self.checks_path, here, f"the parts of '{cell.grade_id}' sum to {check.points:g} "
                                  f"points, {NOTEBOOK}:{cell.line} says {cell.points:g}")
        drivers = [name for given in self.cells if given.kind == "given" for name in given.defines]
        if check.called not in (check.function, *drivers):
            raise AssignmentError(self.checks_path, here, f"no given cell of {NOTEBOOK} defines the driver "
                                  f"'{check.called}' of '{check.function}'")
        solution = self.solution_cell(check.function)
        for mutant in check.mutants:
            for old, _ in mutant.substitutions:
                if (times := solution.source.count(old)) != 1:
                    raise AssignmentError(self.checks_path, self._line_of(mutant.name), f"mutant '{mutant.name}' of "
                                          f"{check.function}: the text {old!r} occurs {times} times in its solution "
                                          f"cell ({NOTEBOOK}:{solution.line}), and must occur once")
        check.bind(self)

    def _line_of(self, word: str) -> int:
        """The first line of checks.py that has the word in quotes."""
        for number, line in enumerate(self.checks_path.read_text(encoding="utf-8").splitlines(), 1):
            if f'"{word}"' in line or f"'{word}'" in line:
                return number
        return 1


def find_assignment(name: str, start: str | Path = ".") -> Path:
    """The folder of an assignment, looked for from `start` upwards.

    A course has checks/NAME, a checkout solutions/NAME; a notebook that runs inside the folder itself finds it too.
    Raises FileNotFoundError that names the places.
    """
    begin = Path(start).resolve()
    for folder in (begin, *begin.parents):
        for place in ("checks", "solutions"):
            candidate = folder / place / name
            if (candidate / CHECKS).is_file() and (candidate / NOTEBOOK).is_file():
                return candidate
        if folder.name == name and (folder / CHECKS).is_file() and (folder / NOTEBOOK).is_file():
            return folder
    raise FileNotFoundError(f"no assignment '{name}': neither checks/{name} nor solutions/{name} (a folder with "
                            f"{NOTEBOOK} and {CHECKS}) in {begin} or above it")


# ----- Reading notebook.py

def _read_cells(path: Path) -> Iterator[Cell]:
    import jupytext  # at build and grading time only; half a second

    text = path.read_text(encoding="utf-8")
    cells = jupytext.reads(text, fmt="py:percent").cells
    headers = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"# %%(?!%)", line)]
    if len(headers) != len(cells):
        raise AssignmentError(path, headers[0] if headers else 1, f"{len(cells)} cells were read under {len(headers)} "
                              "`# %%` lines: a cell has no header, or a text has `# %%` at the start of a line")
    for cell, line in zip(cells, headers, strict=True):
        given = cell.metadata.get("nbgrader", {})
        if given and not given.get("grade_id"):
            raise AssignmentError(path, line, "nbgrader metadata without a grade_id")
        if given.get("grade") and "points" not in given:
            raise AssignmentError(path, line, f"test cell '{given['grade_id']}' has no points")
        unknown = set(given) - {"grade_id", "grade", "solution", "locked", "points", "schema_version", "task"}
        if unknown:
            raise AssignmentError(path, line, f"nbgrader knows no field {', '.join(sorted(unknown))}")
        yield Cell(source=cell.source, cell_type=cell.cell_type, line=line, title=cell.metadata.get("title", ""),
                   grade_id=given.get("grade_id", ""), grade=given.get("grade", False), points=given.get("points", 0),
                   solution=given.get("solution", False), locked=given.get("locked", False),
                   tags=tuple(cell.metadata.get("tags", ())))


def _verify_regions(error: Callable[[int, str], AssignmentError], cell: Cell) -> None:
    """Each BEGIN has its END in the same cell, and stands in the kind of cell that nbgrader clears."""
    for begin, end, allowed in ((BEGIN_SOLUTION, END_SOLUTION, cell.solution), (BEGIN_HIDDEN, END_HIDDEN, cell.grade)):
        opened = 0
        for offset, text in enumerate(cell.source.splitlines(), 1):
            line = cell.line + offset
            if begin in text:
                if not allowed:
                    raise error(line, f"{begin} in a cell that is not marked for it: students would see what follows")
                if opened:
                    raise error(line, f"{begin} inside the region that line {opened} opened")
                opened = line
            elif end in text:
                if not opened:
                    raise error(line, f"{end} without {begin}")
                opened = 0
        if opened:
            raise error(opened, f"{begin} has no {end} in its cell")


def _load_module(path: Path, name: str) -> ModuleType:
    """Execute a file as a module of its own, so that two courses can each have their checks.py in one process."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module                      # dataclasses and pickling of tasks look their module up here
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        sys.modules.pop(name, None)
        line = getattr(error, "lineno", None) or _innermost_line(error, path)
        raise AssignmentError(path, line, f"{type(error).__name__}: {error}") from error
    return module


def _innermost_line(error: BaseException, path: Path) -> int:
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
