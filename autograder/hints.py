"""The folded hints that stand behind a function in its notebook: concept, shape, a line with a gap."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.check import Check

_HINT = re.compile(r"<details>\s*<summary>(?P<title>.*?)</summary>(?P<text>.*?)</details>", re.DOTALL)
LONGEST = 600           # characters of a hint in a verdict


def hints(markdown: str) -> list[str]:
    """The hints of one Markdown cell, "Hint 1, the idea: ..." each, without HTML."""
    return [f"{_plain(m['title']).replace(':', ',', 1)}: {_plain(m['text'])[:LONGEST]}" for m in
            _HINT.finditer(markdown)]


def behind(cells: Iterable[tuple[str, str, str]], name: str) -> list[str]:
    """The hints behind the answer cell `name`; `cells` are (cell type, grade_id, source) in the notebook's order."""
    there = False
    for kind, grade_id, source in cells:
        if kind == "markdown" and there and (found := hints(source)):
            return found
        if grade_id:
            there = grade_id == name
    return []


def of(check: Check) -> list[str]:
    """The hints of a Check's function, from its assignment; none where the solution stands in no notebook."""
    cells = getattr(check.text, "cells", ())
    answer = check.text.solution_cell(check.function)
    return behind([(c.cell_type, c.grade_id, c.source) for c in cells], getattr(answer, "grade_id", ""))


def _plain(html: str) -> str:
    return " ".join(re.sub(r"</?[a-zA-Z][^<>]*>", "", html).split())
