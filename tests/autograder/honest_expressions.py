"""Rewriters of expressions: names, sums, products, other words for the same. See honest.py."""

from __future__ import annotations

import ast
import itertools
from typing import Any

from tests.autograder.honest_cell import (
    WORDS,
    Cell,
    change_expressions,
    expression,
    is_number,
    parameters,
    plain,
    rewriter,
)
from tests.autograder.honest_tables import PRODUCTS, SAME

# ----- Names

@rewriter
def renamed_variables(cell: Cell) -> bool:
    return any([_rename(cell, f, stored(f) - parameters(f)) for f in cell.functions])


@rewriter
def renamed_parameters(cell: Cell) -> bool:
    return any([_rename(cell, f, parameters(f)) for f in cell.functions])


def stored(function: ast.FunctionDef) -> set[str]:
    outside = {name for n in ast.walk(function) if isinstance(n, ast.Global | ast.Nonlocal) for name in n.names}
    return {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)} - outside


def _rename(cell: Cell, function: ast.FunctionDef, names: set[str]) -> bool:
    new: dict[str, str] = {}
    for name in sorted(names):
        word = cell.one_of([f"{name}_", f"the_{name}", "v", cell.one_of(WORDS)])
        new[name] = next(n for n in (f"{word}{k}" for k in itertools.count(1))
                         if n not in new.values() and n != cell.fresh(word)[:-1] and _free(cell, n))
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id in new:
            node.id = new[node.id]
        elif isinstance(node, ast.arg) and node.arg in new:
            node.arg = new[node.arg]
    return bool(new)


def _free(cell: Cell, name: str) -> bool:
    return not any(getattr(n, "id", getattr(n, "arg", getattr(n, "name", None))) == name for n in ast.walk(cell.tree))


# ----- Sums and products

@rewriter
def swapped_operands(cell: Cell) -> bool:
    def swap(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult) and plain(node) and (
                is_number(node.left) or is_number(node.right)):
            return ast.BinOp(node.right, node.op, node.left)
        return None
    return change_expressions(cell, swap)


@rewriter
def sums_in_another_order(cell: Cell) -> bool:
    def turn(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and isinstance(node.left, ast.BinOp) \
                and isinstance(node.left.op, ast.Add) and all(map(is_number, (node.left.left, node.left.right))):
            return ast.BinOp(node.left.left, ast.Add(), ast.BinOp(node.left.right, ast.Add(), node.right))
        return None
    return change_expressions(cell, turn)


@rewriter
def differences_as_sums(cell: Cell) -> bool:
    form = cell.one_of(["a + -b", "-(b - a)"])

    def turn(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and (
                is_number(node.left) or is_number(node.right)) and plain(node):
            return expression(form, a=node.left, b=node.right)
        return None
    return change_expressions(cell, turn)


@rewriter
def products_by_another_name(cell: Cell) -> bool:
    form = cell.one_of(list(PRODUCTS))

    def turn(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            return expression(form.format(f=cell.function), a=node.left, b=node.right)
        return None
    if not change_expressions(cell, turn):
        return False
    cell.helper(PRODUCTS[form].format(f=cell.function))
    return True


@rewriter
def sums_by_another_name(cell: Cell) -> bool:
    """x.sum(axis=0): by reduce, from the other end, or in pieces."""
    form = cell.one_of(["np.add.reduce(x)", "np.flip(x, axis=0).sum()", f"pieces_{cell.function}(x)"])

    def turn(node: ast.expr) -> ast.expr | None:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sum"):
            return None
        inside = isinstance(node.func.value, ast.Name) and node.func.value.id == "np"
        how = {k.arg: k.value for k in node.keywords}
        if len(node.args) != int(inside) or set(how) != {"axis"} or not isinstance(how["axis"], ast.Constant):
            return None
        new = expression(form, x=node.args[0] if inside else node.func.value)
        assert isinstance(new, ast.Call)
        new.keywords = [ast.keyword("axis", how["axis"])]
        if "flip" in form:
            assert isinstance(new.func, ast.Attribute) and isinstance(new.func.value, ast.Call)
            new.func.value.keywords = [ast.keyword("axis", how["axis"])]
        return new
    if not change_expressions(cell, turn):
        return False
    if "pieces" in form:
        cell.helper(f"def pieces_{cell.function}(x, *, axis):\n    x = np.moveaxis(x, axis, 0)\n    total = x[0]\n"
                    "    for part in x[1:]:\n        total = total + part\n    return total")
    return True


@rewriter
def other_words_for_the_same(cell: Cell) -> bool:
    """One to three rules of SAME, wherever they fit."""
    rules = [SAME[i] for i in cell.rng.permutation(len(SAME))]
    done = 0
    for old, new in rules:
        done += change_expressions(cell, lambda node, old=old, new=new: _match_and_make(cell, node, old, new))
        if done == 3:
            break
    return bool(done)


def _match_and_make(cell: Cell, node: ast.expr, old: str, new: str) -> ast.expr | None:
    found: dict[str, ast.expr] = {}
    pattern = ast.parse(old, mode="eval").body
    if type(node) is not type(pattern) or not _matches(pattern, node, found):
        return None
    if "A" in found and not (isinstance(found["A"], ast.Name) and found["A"].id in cell.arrays):
        return None
    if old == "x / n" and not (is_number(node) and isinstance(found["n"], ast.Name)):
        return None
    if old == "1 - y" and not is_number(found["y"]):
        return None
    if new in ("np.int64(x)", "np.float64(x)") and cell.rng.random() < 0.5:
        return None
    return expression(new, **found)


def _matches(pattern: Any, node: Any, found: dict[str, ast.expr]) -> bool:
    if isinstance(pattern, ast.Name) and len(pattern.id) == 1:
        return isinstance(node, ast.expr) and not isinstance(node, ast.Starred) and \
            ast.dump(found.setdefault(pattern.id, node)) == ast.dump(node)
    if isinstance(pattern, ast.AST):
        return type(pattern) is type(node) and all(
            _matches(getattr(pattern, f), getattr(node, f), found) for f in pattern._fields if f not in ("ctx", "kind"))
    if isinstance(pattern, list):
        return isinstance(node, list) and len(pattern) == len(node) and all(
            _matches(p, n, found) for p, n in zip(pattern, node, strict=True))
    return bool(pattern == node)


