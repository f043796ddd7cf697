"""Student code that can be shown to others: what it computes, and nothing of who wrote it.

    bare("def f(x):\n    # by Ada\n    ada = x @ x.T\n    return ada", known={"f", "x"})
    'def f(x):\n    a1 = x @ x.T\n    return a1'

Kept are Python's own words, builtins, names that NumPy and the standard library gave, and `known` (those of the release
and the solution). Every other name becomes a1, a2, ...; comments, docstrings and the layout go, texts become "..." and
long numbers 0: an enrolment number is a name as well. The text is printed anew from the syntax tree, so what the tree
does not hold cannot come through.
"""

from __future__ import annotations

import ast
import builtins
import sys
import warnings
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

MAX_SOURCE = 64 << 10       # characters; the longest honest cell seen has 9,000
LONG = 6                    # digits of a number that may be somebody's
TEXT = "..."
KEYWORDS = frozenset("""axis axes keepdims dtype out where shape size copy order ord initial ddof casting start stop
    step num endpoint indices side optimize key reverse default sep end file strict a_min a_max decimals offset repeat
    fill value n k""".split())


def bare(source: str, known: Collection[str] = frozenset()) -> str:
    """`source` without comments, texts and self-chosen names; "" where it is no Python, or too long or deep to read."""
    if len(source) > MAX_SOURCE:
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")         # "\d" in a text warns, with the text in the warning
            tree = ast.parse(source)
        return ast.unparse(ast.fix_missing_locations(_Bare(frozenset(known)).visit(tree)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def names(sources: Iterable[str]) -> frozenset[str]:
    """All names in these texts, for `known`; a text that is no Python has none."""
    found: set[str] = set()
    for source in sources:
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            found |= {value for _, value in _named(node)}
    return frozenset(found)


def kept(name: str, *, attribute: bool = False) -> bool:
    """Did Python, NumPy or the standard library choose this name? attribute: it stands behind a dot."""
    return name in _GIVEN or attribute and name in _public()


@cache
def _public() -> frozenset[str]:
    """The names that NumPy and Python's own types give to what they hold."""
    import numpy as np

    holders: list[Any] = [np, np.ndarray, np.linalg, np.random, np.random.Generator, np.ufunc, np.dtype, list, dict,
                          set, str, tuple, int, float, Exception]
    return frozenset(n for holder in holders for n in dir(holder)) | KEYWORDS


_GIVEN = frozenset({"numpy", "np", "minigrad", *sys.stdlib_module_names, *dir(builtins)})
_NAMED = ("id", "arg", "attr", "name", "asname", "rest", "kwd_attrs", "names")


def _named(node: ast.AST) -> list[tuple[str, str]]:
    """The fields of a node that are names, with their values."""
    found = []
    for name in _NAMED:
        value = getattr(node, name, None)
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                found.append((name, item))
    return found


class _Bare(ast.NodeTransformer):
    """Replaces the names and texts of a tree."""

    def __init__(self, known: frozenset[str]) -> None:
        self.known = known
        self.given: dict[str, str] = {}
        self.count = 0

    def name(self, name: str, *, attribute: bool = False) -> str:
        if name in self.known or kept(name, attribute=attribute):
            return name
        if name not in self.given:
            self.count += 1
            while f"a{self.count}" in self.known:
                self.count += 1
            self.given[name] = f"a{self.count}"
        return self.given[name]

    def dotted(self, name: str) -> str:
        """A module's name, which no longer says anything where its first part is not one of the known ones."""
        return ".".join(self.name(part, attribute=i > 0) for i, part in enumerate(name.split(".")))

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            node.body = [s for s in node.body if not _is_text(s)] or ([] if isinstance(node, ast.Module) else
                                                                      [ast.Pass()])
        if hasattr(node, "type_comment"):
            node.type_comment = None
        super().generic_visit(node)
        if isinstance(node, ast.alias):
            node.name, node.asname = self.dotted(node.name), node.asname and self.name(node.asname)
        elif isinstance(node, ast.ImportFrom):
            node.module = node.module and self.dotted(node.module)
        else:
            for field, value in _named(node):
                if isinstance(getattr(node, field), str):
                    setattr(node, field, self.name(value, attribute=isinstance(node, (ast.Attribute, ast.keyword))))
                else:
                    setattr(node, field, [self.name(v) if isinstance(v, str) else v for v in getattr(node, field)])
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, (str, bytes)):
            return ast.Constant(TEXT)
        if isinstance(node.value, (int, float, complex)) and _digits(node.value) > LONG:
            return ast.Constant(0)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant(TEXT)


def _is_text(statement: ast.stmt) -> bool:
    """A docstring, or a comment in the form of one."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, (ast.Constant, ast.JoinedStr)) and (
        isinstance(statement.value, ast.JoinedStr) or isinstance(statement.value.value, (str, bytes)))


def _digits(number: complex) -> int:
    """How many digits of a number say something: 1 for 1e-8, 10 and 0.5; 7 for 4711123."""
    text = repr(number) if type(number) is not int or abs(number) < 10**30 else "9" * 30
    return len(text.lower().partition("e")[0].replace(".", "").strip("-0j()"))
