"""Rewriters around a function: what wraps it, what it does besides, what comes in and goes out. See honest.py."""

from __future__ import annotations

import ast

from tests.autograder.honest_cell import Cell, blocks, change_statements, expression, parameters, rewriter
from tests.autograder.honest_tables import INPUTS, NOISE, TIDY, WRAPS

# ----- Around the function

def _wrap(cell: Cell, form: str, inner: str, above: bool) -> bool:
    main = cell.main
    if main is None or main.args.vararg or main.args.kwonlyargs or main.args.posonlyargs or main.args.defaults:
        return False
    names = ", ".join(a.arg for a in main.args.args)
    main.name = inner
    for node in ast.walk(main):         # a function that calls itself calls the new name, which is as good
        if isinstance(node, ast.Name) and node.id == cell.function:
            node.id = inner
    made = ast.parse(WRAPS[form].format(f=cell.function, p=names, f_old=inner)).body
    if above:
        cell.above = ast.unparse(ast.fix_missing_locations(cell.tree))
        cell.tree.body = made
    else:
        cell.tree.body += made
    return True


@rewriter
def wrapped(cell: Cell) -> bool:
    """A function around the function: a helper, a decorator, a lambda, an object that is called."""
    forms = [f for f in WRAPS if f != "memo" or cell.arrays]     # a function among the arguments is no key
    inner = cell.fresh(cell.one_of(["_inner_", "compute_", "f_"]) + cell.function)
    return _wrap(cell, cell.one_of(forms), inner, above=False)


@rewriter
def in_a_cell_of_its_own(cell: Cell) -> bool:
    """The work is done by a helper in a cell that the student added."""
    return _wrap(cell, "helper", f"my_{cell.function}", above=True)


# ----- What a function does besides

@rewriter
def noise_in_the_function(cell: Cell) -> bool:
    form = cell.one_of(list(NOISE))
    for function in cell.functions:
        names = sorted(parameters(function) - {"self"})
        function.body[:0] = ast.parse(NOISE[form].format(p=names[0] if names else "0")).body
    return True


@rewriter
def noise_in_the_cell(cell: Cell) -> bool:
    """Lines around the function that run once."""
    text = NOISE[cell.one_of([n for n in NOISE if n != "display"])].format(p="0")
    cell.tree.body = [*ast.parse(text).body, *cell.tree.body, *ast.parse("done = True\ndone").body]
    return True


@rewriter
def noise_in_a_loop(cell: Cell) -> bool:
    def turn(statement: ast.stmt) -> list[ast.stmt] | None:
        if isinstance(statement, ast.For | ast.While):
            statement.body[:0] = ast.parse("print('.', end='', flush=True)").body
            return [statement]
        return None
    return change_statements(cell, turn)


@rewriter
def hints_and_docstring(cell: Cell) -> bool:
    for function in cell.functions:
        for a in function.args.args:
            if a.arg != "self":
                a.annotation = ast.parse(cell.one_of(["np.ndarray", "'np.ndarray'", "object"]), mode="eval").body
        function.returns = ast.parse("'np.ndarray | tuple'", mode="eval").body
        if not ast.get_docstring(function):
            function.body.insert(0, ast.Expr(ast.Constant("Computes it.\n\n    >>> 1 + 1\n    2\n    ")))
    return True


@rewriter
def another_name_for_numpy(cell: Cell) -> bool:
    local = cell.rng.random() < 0.5
    name, done = cell.fresh("xp"), False
    for function in cell.functions:
        for node in [n for statement in function.body for n in ast.walk(statement)]:    # not the type hints
            if isinstance(node, ast.Name) and node.id == "np":
                node.id, done = name, True
        if done and local:
            function.body[:0] = ast.parse(f"import numpy as {name}").body
    if done and not local:
        cell.tree.body[:0] = ast.parse(f"import numpy as {name}").body
    return done


# ----- What comes in and what goes out

@rewriter
def results_in_another_memory(cell: Cell) -> bool:
    """Each array of the result is copied, turned, read-only, in Fortran's order, in another byte order."""
    if cell.main is None:
        return False
    form, name = cell.one_of(list(TIDY)), cell.fresh(f"tidy_{cell.function}_")
    cell.helper(f"def {name}(r):\n    if type(r) in (list, tuple):\n        return type(r)([{name}(i) for i in r])\n"
                f"    return ({TIDY[form]}) if isinstance(r, np.ndarray) else r")

    def turn(statement: ast.stmt) -> list[ast.stmt] | None:
        if isinstance(statement, ast.Return) and statement.value is not None:
            statement.value = expression(f"{name}(value)", value=statement.value)
            return [statement]
        return None
    nested = [n for n in ast.walk(cell.main) if isinstance(n, ast.FunctionDef | ast.Lambda)]
    done = len(nested) == 1
    for block in blocks(cell.main) if done else ():
        for k, statement in enumerate(block):
            made = turn(statement)
            if made is not None:
                block[k:k + 1] = made
    return done


@rewriter
def arguments_in_another_memory(cell: Cell) -> bool:
    """One argument, or all, as a copy: in float64 too, where a float32 draw then gives float64 back."""
    if cell.main is None:
        return False
    there = [a.arg for a in cell.main.args.args if a.arg in cell.arrays]
    written = {n.id for n in ast.walk(cell.main) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    there = [a for a in there if a not in written]
    if not there:
        return False
    form = cell.one_of(list(INPUTS))
    if form == "read_only":
        into = {n.value.id for n in ast.walk(cell.main) if isinstance(n, ast.Subscript)
                and isinstance(n.value, ast.Name) and isinstance(n.ctx, ast.Store)}
        there = [a for a in there if a not in into]
    chosen = there if cell.rng.random() < 0.5 or form == "in_float64" else [cell.one_of(there)] if there else []
    cell.main.body[:0] = [s for a in chosen for s in ast.parse(INPUTS[form].format(a=a)).body]
    return bool(chosen)
