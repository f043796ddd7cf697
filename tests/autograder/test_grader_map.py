"""docs/grader.md has a line for each file of the package, and for no other."""

from __future__ import annotations

import re
from collections import Counter

from tests.autograder.grading_help import CHECKOUT

PAGE = (CHECKOUT / "docs" / "grader.md").read_text(encoding="utf-8")
LINES = re.findall(r"^- `(\w+\.py)`: (.+)$", PAGE, re.MULTILINE)


def test_every_module_has_one_line_and_every_line_a_module() -> None:
    there = {p.name for p in (CHECKOUT / "autograder").glob("*.py")}
    named = Counter(name for name, _ in LINES)
    assert sorted(there - set(named)) == [], "in docs/grader.md each module has a line: - `name.py`: its one idea"
    assert sorted(set(named) - there) == [], "docs/grader.md names files that are gone"
    assert set(named.values()) == {1} and len(LINES) == sum(line.startswith("- ") for line in PAGE.splitlines())


def test_a_line_fits_a_line() -> None:
    assert LINES and all(len(text) <= 100 for _, text in LINES)


def test_the_page_is_linked_where_contributors_begin() -> None:
    assert "(docs/grader.md)" in (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
