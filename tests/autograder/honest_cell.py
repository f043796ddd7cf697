"""A solution cell that is being rewritten, and the tools that all rewriters use. See honest.py."""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NUMERIC = (ast.MatMult, ast.Mult, ast.Div, ast.Pow, ast.Sub)
LISTS = (ast.List, ast.Tuple, ast.ListComp, ast.GeneratorExp, ast.Dict, ast.Set, ast.JoinedStr, ast.Starred)
WORDS = ("value", "tmp", "my", "größe", "res", "a_1", "Cur", "lokal", "q", "x_new")


@dataclass
class Cell:
    """A solution cell on its way: its tree, and what a rewriter has to know."""

    tree: ast.Module
    function: str
    arrays: tuple[str, ...]         # arguments that are arrays of known axes
    rng: np.random.Generator
    above: str = ""                 # text of a cell of the student's own, run before this one

    @property
    def functions(self) -> list[ast.FunctionDef]:
        """The functions of the cell, methods too, without those inside of others."""
        found = [n for n in self.tree.body if isinstance(n, ast.FunctionDef)]
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef):
                found += [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("__repr")]
        return found

    @property
    def main(self) -> ast.FunctionDef | None:
        """The graded function, last definition; None for a class and for a name that is bound in another way."""
        found = [n for n in self.tree.body if isinstance(n, ast.FunctionDef) and n.name == self.function]
        return found[-1] if found else None

    def one_of(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def fresh(self, word: str = "") -> str:
        """A name that is not in the cell."""
        taken = {n.id for n in ast.walk(self.tree) if isinstance(n, ast.Name)}
        taken |= {n.arg for n in ast.walk(self.tree) if isinstance(n, ast.arg)}
        taken |= {n.name for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
        word = word or self.one_of(WORDS)
        return next(name for name in (f"{word}{k}" for k in itertools.count(1)) if name not in taken)

    def helper(self, text: str) -> None:
        """Put a function above the others."""
        self.tree.body[:0] = ast.parse(text).body


Rewriter = Callable[[Cell], bool]
REWRITERS: dict[str, Rewriter] = {}


def rewriter(function: Rewriter) -> Rewriter:
    REWRITERS[function.__name__] = function
    return function


def plain(node: ast.expr) -> bool:
    """No list, tuple or text in it: `+` joins those, and its order counts."""
    return not any(isinstance(n, LISTS) or isinstance(n, ast.Constant) and isinstance(n.value, str)
                   for n in ast.walk(node))


def is_number(node: ast.expr) -> bool:
    """Certainly a number or an array of numbers."""
    return plain(node) and any(
        isinstance(n, ast.BinOp) and isinstance(n.op, NUMERIC)
        or isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and isinstance(n.func.value, ast.Name)
        and n.func.value.id == "np" for n in ast.walk(node))


class Expressions(ast.NodeTransformer):
    """Replace expressions by what `change` makes of them; None leaves one as it is. Inner ones come first."""

    def __init__(self, change: Callable[[ast.expr], ast.expr | None]) -> None:
        self.change, self.done = change, False

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            new = self.change(node)
            if new is not None:
                self.done = True
                return ast.copy_location(new, node)
        return node


def change_expressions(cell: Cell, change: Callable[[ast.expr], ast.expr | None]) -> bool:
    walk = Expressions(change)
    for function in cell.functions:
        function.body = [walk.visit(statement) for statement in function.body]
    return walk.done


def expression(text: str, **parts: ast.expr) -> ast.expr:
    """The expression of a text, with parts put in the place of names."""
    tree = ast.parse(text, mode="eval").body
    return Expressions(lambda n: copy.deepcopy(parts[n.id]) if isinstance(n, ast.Name) and n.id in parts else None
                        ).visit(tree)


def blocks(function: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def change_statements(cell: Cell, change: Callable[[ast.stmt], list[ast.stmt] | None]) -> bool:
    done = False
    for function in cell.functions:
        for block in list(blocks(function)):
            new: list[ast.stmt] = []
            for statement in block:
                made = change(statement)
                done = done or made is not None
                new += [statement] if made is None else made
            block[:] = new
    return done


def assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def parameters(function: ast.FunctionDef) -> set[str]:
    return {a.arg for a in [*function.args.posonlyargs, *function.args.args]}
