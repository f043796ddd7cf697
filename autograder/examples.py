"""A few lines of a student's code beside each misconception of the report, with nothing that says whose they are."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autograder.bare import bare
from autograder.summary import MutantRow
from autograder.work import Work

MOST = 12               # lines of an example; of a longer function those are shown that the solution does not have
TRIED = 5               # students whose code is looked at, for the shortest
GAP = "..."


@dataclass(frozen=True)
class Line:
    """One line; `own`: the solution has none like it."""

    text: str
    own: bool


def examples(work: Work, mutants: Iterable[MutantRow]) -> dict[tuple[str, str], list[Line]]:
    """The lines for each (function, mutant) that some student's code can be read for."""
    known = work.known
    found: dict[tuple[str, str], list[Line]] = {}
    solutions: dict[str, str] = {}
    for m in mutants:
        if m.function not in solutions:
            solutions[m.function] = bare(_function(work.solution(m.function), m.function), known)
        codes = [bare(_function(work.function(s, m.function), m.function), known) for s in m.students[:TRIED]]
        # two lines at least: a function that only calls another shows nothing
        codes = sorted((c for c in codes if c.count("\n") > 0), key=lambda c: (len(c), c))
        if codes:
            found[m.function, m.mutant] = excerpt(codes[0], solutions[m.function])
    return found


def excerpt(code: str, solution: str) -> list[Line]:
    """At most MOST lines: all of a short function, of a longer one its head and what the solution does not have."""
    rows, theirs = code.splitlines(), [line.strip() for line in solution.splitlines()]
    match = difflib.SequenceMatcher(None, theirs, [row.strip() for row in rows], autojunk=False)
    same = {j for block in match.get_matching_blocks() for j in range(block.b, block.b + block.size)}
    lines = [Line(row, i not in same) for i, row in enumerate(rows)]
    if len(lines) <= MOST:
        return lines
    wanted = {0}
    for reach in range(MOST):                           # the lines themselves, then those around them
        for i, line in enumerate(lines):
            if line.own:
                for j in (i - reach, i + reach):
                    if 0 <= j < len(lines) and len(wanted) < MOST:
                        wanted.add(j)
    shown: list[Line] = []
    last = -1
    for i in sorted(wanted):
        if i != last + 1:
            indent = " " * (len(lines[i].text) - len(lines[i].text.lstrip()))
            shown.append(Line(indent + GAP, False))
        shown.append(lines[i])
        last = i
    if last != len(lines) - 1:
        shown.append(Line("    " + GAP, False))
    return shown


def _function(source: str, name: str) -> str:
    """The text of one function or class of a cell; "" where there is none or the cell is no Python."""
    try:
        body = ast.parse(source).body
        nodes = [n for n in body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name == name]
        return ast.unparse(nodes[-1]) if nodes else ""
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def of_students(work: Work, names: Mapping[str, str]) -> Work:
    """The same work under other names of the students."""
    return Work({names[s]: cells for s, cells in work.students.items() if s in names}, work.released, work.published)
