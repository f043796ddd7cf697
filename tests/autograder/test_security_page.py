"""docs/security.md names tests and cases of the corpus, and each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from autograder.sandbox import LAYERS
from tests.autograder.grading_help import CHECKOUT
from tests.hostile.case import KINDS, cases

PAGE = (CHECKOUT / "docs" / "security.md").read_text(encoding="utf-8")


def defined(folder: Path) -> set[str]:
    return {node.name for path in folder.glob("test_*.py") for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_test_and_every_case_that_the_page_names_exists() -> None:
    named, there = set(re.findall(r"`(test_\w+)`", PAGE)), defined(CHECKOUT / "tests" / "autograder")
    attacks, corpus = set(re.findall(r"`cases/(\w+)`", PAGE)), set(cases())
    assert len(named) > 20 and named <= there, named - there
    assert len(attacks) > 20 and attacks <= corpus, attacks - corpus


def test_every_claim_of_a_table_and_every_open_point_with_a_number_names_its_test() -> None:
    table = [line for line in PAGE.splitlines() if line.startswith("| ") and "| **open**" in line and "stopped" in line]
    assert table and all("`" in row for row in table)
    assert "| " + " | ".join(LAYERS) + " |" in PAGE.replace("| | ", "| ")


def test_every_case_says_what_it_tries_and_stands_for_one_kind() -> None:
    for path in (CHECKOUT / "tests" / "hostile" / "cases").glob("[a-z]*.py"):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert text and text.endswith("."), path.name
    assert all(case.kind in KINDS for case in cases().values())
