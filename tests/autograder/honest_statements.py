"""Rewriters of statements: variables, loops, the order of lines. See honest.py."""

from __future__ import annotations

import ast
import copy
import itertools

from tests.autograder.honest_cell import (
    Cell,
    assign,
    blocks,
    change_expressions,
    change_statements,
    expression,
    load,
    plain,
    rewriter,
)


@rewriter
def results_in_variables(cell: Cell) -> bool:
    def split(statement: ast.stmt) -> list[ast.stmt] | None:
        if not isinstance(statement, ast.Return) or statement.value is None or isinstance(statement.value, ast.Name):
            return None
        if not isinstance(statement.value, ast.Tuple) or any(isinstance(e, ast.Starred) for e in statement.value.elts):
            name = cell.fresh("result")
            return [assign(name, statement.value), ast.Return(load(name))]
        names = [cell.fresh(f"out_{k}_") for k in range(len(statement.value.elts))]
        made = [assign(n, e) for n, e in zip(names, statement.value.elts, strict=True)]
        return [*made, ast.Return(ast.Tuple([load(n) for n in names], ast.Load()))]
    return change_statements(cell, split)


@rewriter
def a_named_tuple(cell: Cell) -> bool:
    """Several results as a tuple with names."""
    name = f"Results_of_{cell.function}"
    if cell.main is None or any(isinstance(n, ast.FunctionDef) for s in cell.main.body for n in ast.walk(s)):
        return False
    done = 0
    for node in ast.walk(cell.main):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) > 1 \
                and not any(isinstance(e, ast.Starred) for e in node.value.elts):
            done = len(node.value.elts)
            node.value = ast.Call(load(name), node.value.elts, [])
    if not done:
        return False
    fields = " ".join(f"r{k}" for k in range(done))
    cell.helper(f"from collections import namedtuple\n{name} = namedtuple('{name}', '{fields}')")
    return True


@rewriter
def operands_in_variables(cell: Cell) -> bool:
    """y = a @ b + c: the operands first, each in a variable of its own."""
    count = itertools.count()

    def split(statement: ast.stmt) -> list[ast.stmt] | None:
        if not isinstance(statement, ast.Assign | ast.Return) or not isinstance(statement.value, ast.BinOp):
            return None
        left, right = (cell.fresh(f"part_{next(count)}_") for _ in range(2))
        made = [assign(left, statement.value.left), assign(right, statement.value.right)]
        statement.value = ast.BinOp(load(left), statement.value.op, load(right))
        return [*made, statement]
    return change_statements(cell, split)


@rewriter
def tuples_taken_apart(cell: Cell) -> bool:
    """a, b = e, f: one line each, by way of temporaries."""
    count = itertools.count()

    def split(statement: ast.stmt) -> list[ast.stmt] | None:
        if not (isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Tuple)
                and isinstance(statement.targets[0], ast.Tuple) and len(statement.targets) == 1):
            return None
        pairs = list(zip(statement.targets[0].elts, statement.value.elts, strict=True))
        if any(isinstance(e, ast.Starred) for pair in pairs for e in pair):
            return None
        names = [cell.fresh(f"t{next(count)}_") for _ in pairs]
        return [*(assign(n, value) for n, (_, value) in zip(names, pairs, strict=True)),
                *(ast.Assign([target], load(n)) for n, (target, _) in zip(names, pairs, strict=True))]
    return change_statements(cell, split)


@rewriter
def lines_in_another_order(cell: Cell) -> bool:
    """Neighbouring assignments that know nothing of each other change places."""
    def touched(statement: ast.stmt) -> tuple[set[str], set[str]] | None:
        if not isinstance(statement, ast.Assign) or any(
                not isinstance(t, ast.Name) for target in statement.targets
                for t in (target.elts if isinstance(target, ast.Tuple) else [target])):
            return None
        names = [n for n in ast.walk(statement) if isinstance(n, ast.Name)]
        if any(isinstance(n, ast.Call) and not isinstance(n.func, ast.Attribute) for n in ast.walk(statement)):
            return None
        return ({n.id for n in names if isinstance(n.ctx, ast.Store)},
                {n.id for n in names if isinstance(n.ctx, ast.Load)})
    done = False
    for function in cell.functions:
        for block in blocks(function):
            for k in range(len(block) - 1):
                one, two = touched(block[k]), touched(block[k + 1])
                if one and two and not (one[0] & (two[0] | two[1]) or two[0] & one[1]):
                    block[k], block[k + 1], done = block[k + 1], block[k], True
    return done


@rewriter
def plain_for_augmented(cell: Cell) -> bool:
    """a += b becomes a = a + b, but where a is the running element of a loop: there it writes into an array."""
    running = {n.id for f in cell.functions for loop in ast.walk(f) if isinstance(loop, ast.For)
               for n in ast.walk(loop.target) if isinstance(n, ast.Name)}
    views = {n.id for f in cell.functions for a in ast.walk(f) if isinstance(a, ast.Assign)
             and isinstance(a.value, ast.Subscript | ast.Attribute | ast.Name | ast.Tuple)
             for t in a.targets for n in ast.walk(t) if isinstance(n, ast.Name)}

    def turn(statement: ast.stmt) -> list[ast.stmt] | None:
        if not isinstance(statement, ast.AugAssign) or not plain(statement.value):
            return None
        target = statement.target
        if isinstance(target, ast.Name) and target.id in running | views:
            return None
        load = copy.deepcopy(target)
        for node in ast.walk(load):
            if hasattr(node, "ctx") and node is load:
                node.ctx = ast.Load()
        return [ast.Assign([target], ast.BinOp(load, statement.op, statement.value))]
    return change_statements(cell, turn)


def _ends_early(loop: ast.stmt) -> bool:
    return any(isinstance(n, ast.Continue) for n in ast.walk(loop))


@rewriter
def while_for_for(cell: Cell) -> bool:
    def turn(statement: ast.stmt) -> list[ast.stmt] | None:
        if not (isinstance(statement, ast.For) and isinstance(statement.target, ast.Name) and not statement.orelse
                and isinstance(statement.iter, ast.Call) and isinstance(statement.iter.func, ast.Name)
                and statement.iter.func.id == "range" and len(statement.iter.args) < 3) or _ends_early(statement):
            return None
        counter, last = cell.fresh("k"), cell.fresh("stop")
        args = statement.iter.args
        head = ast.parse(f"{counter} = 0\n{last} = 0").body
        assert isinstance(head[0], ast.Assign) and isinstance(head[1], ast.Assign)
        if len(args) == 2:
            head[0].value = args[0]
        head[1].value = args[-1]
        loop = ast.parse(f"while {counter} < {last}:\n    {statement.target.id} = {counter}\n    {counter} += 1").body
        assert isinstance(loop[0], ast.While)
        loop[0].body += statement.body
        return [*head, *loop]
    return change_statements(cell, turn)


@rewriter
def index_for_element(cell: Cell) -> bool:
    """for x in xs: a loop over places, for arguments that are arrays."""
    def turn(statement: ast.stmt) -> list[ast.stmt] | None:
        if not isinstance(statement, ast.For) or not isinstance(statement.iter, ast.Name) \
                or statement.iter.id not in cell.arrays:
            return None
        place = cell.fresh("place")
        element = ast.Assign([statement.target], expression("a[i]", a=statement.iter, i=load(place)))
        statement.target = ast.Name(place, ast.Store())
        statement.iter = expression("range(len(a))", a=statement.iter)
        statement.body.insert(0, element)
        return [statement]
    return change_statements(cell, turn)


@rewriter
def loop_for_comprehension(cell: Cell) -> bool:
    def turn(statement: ast.stmt) -> list[ast.stmt] | None:
        if not isinstance(statement, ast.Assign | ast.Return) or not isinstance(statement.value, ast.ListComp):
            return None
        name, made = cell.fresh("made"), statement.value
        inner: list[ast.stmt] = [ast.Expr(expression("a.append(e)", a=load(name), e=made.elt))]
        for part in reversed(made.generators):
            for condition in reversed(part.ifs):
                inner = [ast.If(condition, inner, [])]
            inner = [ast.For(part.target, part.iter, inner, [])]
        statement.value = load(name)
        return [*ast.parse(f"{name} = []").body, *inner, statement]
    return change_statements(cell, turn)


@rewriter
def conditions_turned(cell: Cell) -> bool:
    def turn(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.IfExp):
            return ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.orelse, node.body)
        return None
    return change_expressions(cell, turn)


@rewriter
def if_for_a_conditional_expression(cell: Cell) -> bool:
    def turn(statement: ast.stmt) -> list[ast.stmt] | None:
        if not isinstance(statement, ast.Assign | ast.Return) or not isinstance(statement.value, ast.IfExp):
            return None
        choice, other = statement.value, copy.deepcopy(statement)
        statement.value, other.value = choice.body, choice.orelse
        return [ast.If(choice.test, [statement], [other])]
    return change_statements(cell, turn)


