"""Right solutions as students write them: thousands of forms of one text, each with the same meaning.

    source, kinds = rewritten(text, "rnn_step", ("x", "h"), rng)

A rewriter takes a parsed cell, changes what it can in place and says whether it did. None of them may change a result
beyond rounding, write into an argument, or make the function slower than twice: then it would not be honest.
`kinds` names what was done, so that a form that loses points can be told by name.
"""

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


def rewritten(text: str, function: str, arrays: tuple[str, ...], rng: np.random.Generator,
              most: int = 6) -> tuple[str, str, tuple[str, ...]]:
    """(the cell, a cell above it or "", what was done): up to `most` rewriters in a random order, then the text."""
    cell = Cell(ast.parse(text), function, arrays, rng)
    wanted, done = int(rng.integers(2, most + 1)), []
    for name in rng.permutation(list(REWRITERS)):
        if len(done) == wanted:
            break
        before = copy.deepcopy(cell.tree)
        if REWRITERS[name](cell):
            ast.fix_missing_locations(cell.tree)
            compile(ast.unparse(cell.tree), f"<{function}: {', '.join([*done, name])}>", "exec")
            done.append(str(name))
        else:
            cell.tree = before
    source = ast.unparse(cell.tree)
    if rng.random() < 0.4:
        name = str(cell.one_of(list(TEXTS)))
        source = TEXTS[name](source)
        done.append(name)
    return source, cell.above, tuple(done)


# ----- Names

@rewriter
def renamed_variables(cell: Cell) -> bool:
    return any([_rename(cell, f, _stored(f) - _parameters(f)) for f in cell.functions])


@rewriter
def renamed_parameters(cell: Cell) -> bool:
    return any([_rename(cell, f, _parameters(f)) for f in cell.functions])


def _stored(function: ast.FunctionDef) -> set[str]:
    outside = {name for n in ast.walk(function) if isinstance(n, ast.Global | ast.Nonlocal) for name in n.names}
    return {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)} - outside


def _parameters(function: ast.FunctionDef) -> set[str]:
    return {a.arg for a in [*function.args.posonlyargs, *function.args.args]}


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

def _plain(node: ast.expr) -> bool:
    """No list, tuple or text in it: `+` joins those, and its order counts."""
    return not any(isinstance(n, LISTS) or isinstance(n, ast.Constant) and isinstance(n.value, str)
                   for n in ast.walk(node))


def _number(node: ast.expr) -> bool:
    """Certainly a number or an array of numbers."""
    return _plain(node) and any(
        isinstance(n, ast.BinOp) and isinstance(n.op, NUMERIC)
        or isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and isinstance(n.func.value, ast.Name)
        and n.func.value.id == "np" for n in ast.walk(node))


class _Expressions(ast.NodeTransformer):
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


def _expressions(cell: Cell, change: Callable[[ast.expr], ast.expr | None]) -> bool:
    walk = _Expressions(change)
    for function in cell.functions:
        function.body = [walk.visit(statement) for statement in function.body]
    return walk.done


def _expr(text: str, **parts: ast.expr) -> ast.expr:
    """The expression of a text, with parts put in the place of names."""
    tree = ast.parse(text, mode="eval").body
    return _Expressions(lambda n: copy.deepcopy(parts[n.id]) if isinstance(n, ast.Name) and n.id in parts else None
                        ).visit(tree)


@rewriter
def swapped_operands(cell: Cell) -> bool:
    def swap(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult) and _plain(node) and (
                _number(node.left) or _number(node.right)):
            return ast.BinOp(node.right, node.op, node.left)
        return None
    return _expressions(cell, swap)


@rewriter
def sums_in_another_order(cell: Cell) -> bool:
    def turn(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and isinstance(node.left, ast.BinOp) \
                and isinstance(node.left.op, ast.Add) and all(map(_number, (node.left.left, node.left.right))):
            return ast.BinOp(node.left.left, ast.Add(), ast.BinOp(node.left.right, ast.Add(), node.right))
        return None
    return _expressions(cell, turn)


@rewriter
def differences_as_sums(cell: Cell) -> bool:
    form = cell.one_of(["a + -b", "-(b - a)"])

    def turn(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and (
                _number(node.left) or _number(node.right)) and _plain(node):
            return _expr(form, a=node.left, b=node.right)
        return None
    return _expressions(cell, turn)


PRODUCTS = {
    "np.matmul(a, b)": "",
    "{f}_times(a, b)": "def {f}_times(a, b):\n"
                       "    return np.dot(a, b) if a.ndim < 3 and b.ndim < 3 else np.matmul(a, b)",
    "{f}_product(a, b)": "def {f}_product(left, right):\n    if left.ndim == right.ndim == 2:\n"
                     "        return np.einsum('ik,kj->ij', left, right)\n    return left @ right",
    "{f}_rows(a, b)": "def {f}_rows(a, b):\n    if a.ndim == b.ndim == 2 and 0 < len(a) <= 8:\n"
                  "        return np.array([row @ b for row in a])\n    return a @ b",
    "{f}_halves(a, b)": "def {f}_halves(a, b):\n    m = a.shape[-1] // 2\n    if b.ndim != 2 or not m:\n"
                         "        return a @ b\n"
                    "    return a[..., :m] @ b[:m] + a[..., m:] @ b[m:]",
    "{f}_pairs(a, b)": "def {f}_pairs(a, b):\n    if a.ndim == b.ndim == 2 and a.size * b.shape[1] < 5000:\n"
                   "        return (a[:, :, None] * b[None]).sum(axis=1)\n    return a @ b",
    "{f}_turned(a, b)": "def {f}_turned(a, b):\n    return (b.T @ a.T).T if a.ndim == b.ndim == 2 else a @ b",
    "{f}_long_way(a, b)": "def {f}_long_way(a, b):\n    if a.ndim != 2 or b.ndim != 2 or a.size * b.shape[1] > 400:\n"
                      "        return a @ b\n    out = np.zeros((a.shape[0], b.shape[1]), np.result_type(a, b))\n"
                      "    for i in range(a.shape[0]):\n        for j in range(b.shape[1]):\n"
                      "            for k in range(a.shape[1]):\n                out[i, j] += a[i, k] * b[k, j]\n"
                      "    return out",
}


@rewriter
def products_by_another_name(cell: Cell) -> bool:
    form = cell.one_of(list(PRODUCTS))

    def turn(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            return _expr(form.format(f=cell.function), a=node.left, b=node.right)
        return None
    if not _expressions(cell, turn):
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
        new = _expr(form, x=node.args[0] if inside else node.func.value)
        assert isinstance(new, ast.Call)
        new.keywords = [ast.keyword("axis", how["axis"])]
        if "flip" in form:
            assert isinstance(new.func, ast.Attribute) and isinstance(new.func.value, ast.Call)
            new.func.value.keywords = [ast.keyword("axis", how["axis"])]
        return new
    if not _expressions(cell, turn):
        return False
    if "pieces" in form:
        cell.helper(f"def pieces_{cell.function}(x, axis):\n    x = np.moveaxis(x, axis, 0)\n    total = x[0]\n"
                    "    for part in x[1:]:\n        total = total + part\n    return total")
    return True


# Pairs of expressions that are the same; A is a name or an attribute of an array argument.
SAME: list[tuple[str, str]] = [
    ("x ** 2", "x * x"), ("x ** 2", "np.square(x)"), ("np.tanh(x)", "(np.exp(-2 * abs(x)) - 1) / "
     "(np.exp(-2 * abs(x)) + 1) * -np.sign(x)"), ("np.stack(x)", "np.array(x)"), ("A.T", "np.transpose(A)"),
    ("A.T", "A.transpose()"), ("np.zeros_like(x)", "np.zeros(x.shape, dtype=x.dtype)"), ("np.zeros_like(x)", "0 * x"),
    ("np.concatenate(x, axis=1)", "np.hstack(x)"), ("np.sqrt(x)", "np.power(x, 0.5)"), ("len(A)", "A.shape[0]"),
    ("np.swapaxes(x, -1, -2)", "np.moveaxis(x, -1, -2)"), ("A.copy()", "np.array(A)"),
    ("reversed(range(n))", "range(n)[::-1]"), ("np.maximum(x, 0)", "np.where(x > 0, x, 0)"),
    ("np.exp(x)", "np.exp2(x / np.log(2))"), ("float(x)", "np.float64(x)"), ("int(x)", "np.int64(x)"),
    ("sigmoid(x)", "0.5 * (1 + np.tanh(0.5 * (x)))"), ("1 - y", "-y + 1"), ("np.argmax(x)", "x.argmax()"),
    ("np.empty_like(x)", "np.zeros_like(x)"), ("np.mean(x)", "np.average(x)"), ("np.outer(a, b)", "a[:, None] * b"),
    ("x / n", "x * (1 / n)"), ("np.arange(n)", "np.array(range(n))"), ("np.eye(n)", "np.diag(np.ones(n))"),
]
LOOSE = {"np.exp(x)", "np.tanh(x)"}     # right to rounding, but for the forms of a subnormal result


@rewriter
def other_words_for_the_same(cell: Cell) -> bool:
    """One to three rules of SAME, wherever they fit."""
    rules = [SAME[i] for i in cell.rng.permutation(len(SAME))]
    done = 0
    for old, new in rules:
        done += _expressions(cell, lambda node, old=old, new=new: _match_and_make(cell, node, old, new))
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
    if old == "x / n" and not (_number(node) and isinstance(found["n"], ast.Name)):
        return None
    if old == "1 - y" and not _number(found["y"]):
        return None
    if new in ("np.int64(x)", "np.float64(x)") and cell.rng.random() < 0.5:
        return None
    return _expr(new, **found)


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


# ----- Statements

def _blocks(function: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def _statements(cell: Cell, change: Callable[[ast.stmt], list[ast.stmt] | None]) -> bool:
    done = False
    for function in cell.functions:
        for block in list(_blocks(function)):
            new: list[ast.stmt] = []
            for statement in block:
                made = change(statement)
                done = done or made is not None
                new += [statement] if made is None else made
            block[:] = new
    return done


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


@rewriter
def results_in_variables(cell: Cell) -> bool:
    def split(statement: ast.stmt) -> list[ast.stmt] | None:
        if not isinstance(statement, ast.Return) or statement.value is None or isinstance(statement.value, ast.Name):
            return None
        if not isinstance(statement.value, ast.Tuple) or any(isinstance(e, ast.Starred) for e in statement.value.elts):
            name = cell.fresh("result")
            return [_assign(name, statement.value), ast.Return(_load(name))]
        names = [cell.fresh(f"out_{k}_") for k in range(len(statement.value.elts))]
        made = [_assign(n, e) for n, e in zip(names, statement.value.elts, strict=True)]
        return [*made, ast.Return(ast.Tuple([_load(n) for n in names], ast.Load()))]
    return _statements(cell, split)


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
            node.value = ast.Call(_load(name), node.value.elts, [])
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
        made = [_assign(left, statement.value.left), _assign(right, statement.value.right)]
        statement.value = ast.BinOp(_load(left), statement.value.op, _load(right))
        return [*made, statement]
    return _statements(cell, split)


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
        return [*(_assign(n, value) for n, (_, value) in zip(names, pairs, strict=True)),
                *(ast.Assign([target], _load(n)) for n, (target, _) in zip(names, pairs, strict=True))]
    return _statements(cell, split)


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
        for block in _blocks(function):
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
        if not isinstance(statement, ast.AugAssign) or not _plain(statement.value):
            return None
        target = statement.target
        if isinstance(target, ast.Name) and target.id in running | views:
            return None
        load = copy.deepcopy(target)
        for node in ast.walk(load):
            if hasattr(node, "ctx") and node is load:
                node.ctx = ast.Load()
        return [ast.Assign([target], ast.BinOp(load, statement.op, statement.value))]
    return _statements(cell, turn)


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
    return _statements(cell, turn)


@rewriter
def index_for_element(cell: Cell) -> bool:
    """for x in xs: a loop over places, for arguments that are arrays."""
    def turn(statement: ast.stmt) -> list[ast.stmt] | None:
        if not isinstance(statement, ast.For) or not isinstance(statement.iter, ast.Name) \
                or statement.iter.id not in cell.arrays:
            return None
        place = cell.fresh("place")
        element = ast.Assign([statement.target], _expr("a[i]", a=statement.iter, i=_load(place)))
        statement.target = ast.Name(place, ast.Store())
        statement.iter = _expr("range(len(a))", a=statement.iter)
        statement.body.insert(0, element)
        return [statement]
    return _statements(cell, turn)


@rewriter
def loop_for_comprehension(cell: Cell) -> bool:
    def turn(statement: ast.stmt) -> list[ast.stmt] | None:
        if not isinstance(statement, ast.Assign | ast.Return) or not isinstance(statement.value, ast.ListComp):
            return None
        name, made = cell.fresh("made"), statement.value
        inner: list[ast.stmt] = [ast.Expr(_expr("a.append(e)", a=_load(name), e=made.elt))]
        for part in reversed(made.generators):
            for condition in reversed(part.ifs):
                inner = [ast.If(condition, inner, [])]
            inner = [ast.For(part.target, part.iter, inner, [])]
        statement.value = _load(name)
        return [*ast.parse(f"{name} = []").body, *inner, statement]
    return _statements(cell, turn)


@rewriter
def conditions_turned(cell: Cell) -> bool:
    def turn(node: ast.expr) -> ast.expr | None:
        if isinstance(node, ast.IfExp):
            return ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.orelse, node.body)
        return None
    return _expressions(cell, turn)


@rewriter
def if_for_a_conditional_expression(cell: Cell) -> bool:
    def turn(statement: ast.stmt) -> list[ast.stmt] | None:
        if not isinstance(statement, ast.Assign | ast.Return) or not isinstance(statement.value, ast.IfExp):
            return None
        choice, other = statement.value, copy.deepcopy(statement)
        statement.value, other.value = choice.body, choice.orelse
        return [ast.If(choice.test, [statement], [other])]
    return _statements(cell, turn)


# ----- Around the function

WRAPS = {
    "nested": "def {f}({p}):\n    def inner({p}):\n        return {f_old}({p})\n    return inner({p})",
    "helper": "def {f}({p}):\n    return {f_old}({p})",
    "lambda": "{f} = lambda {p}: {f_old}({p})",
    "stars": "def {f}(*arguments):\n    return {f_old}(*arguments)",
    "partial": "import functools\n{f} = functools.partial({f_old})",
    "object": "class Step_{f}:\n    count = 0\n    def __call__(self, {p}):\n        Step_{f}.count += 1\n"
              "        return {f_old}({p})\n{f} = Step_{f}()",
    "static": "class Tools_{f}:\n    @staticmethod\n    def run({p}):\n"
              "        return {f_old}({p})\n{f} = Tools_{f}.run",
    "timed": "import functools, time\ndef timed(function):\n    @functools.wraps(function)\n"
             "    def wrapper(*args, **how):\n        begin = time.perf_counter()\n"
             "        result = function(*args, **how)\n        wrapper.seconds = time.perf_counter() - begin\n"
             "        return result\n    return wrapper\n@timed\ndef {f}({p}):\n    return {f_old}({p})",
    "counted": "CALLS_{f} = {{'n': 0}}\ndef {f}({p}):\n    CALLS_{f}['n'] += 1\n    return {f_old}({p})",
    "global": "LAST_{f} = None\ndef {f}({p}):\n    global LAST_{f}\n    LAST_{f} = ({p},)\n    return {f_old}({p})",
    "options": "def {f}({p}, *, verbose=False, tiny=1e-12):\n    if verbose:\n        print({p})\n"
               "    return {f_old}({p})",
    "positional": "def {f}({p}, /):\n    return {f_old}({p})",
    "tried": "def {f}({p}):\n    try:\n        return {f_old}({p})\n    except ZeroDivisionError:\n        raise\n"
             "    finally:\n        pass",
    "quietly": "def {f}({p}):\n    with np.errstate(all='ignore'):\n        return {f_old}({p})",
    "first_wrong": "def {f}({p}):\n    return None\n\ndef {f}({p}):\n    '''second attempt'''\n    return {f_old}({p})",
    "alias": "{f} = {f_old}",
    "thread": "from concurrent.futures import ThreadPoolExecutor\ndef {f}({p}):\n"
              "    with ThreadPoolExecutor(1) as pool:\n        return pool.submit({f_old}, {p}).result()",
    "generator": "def {f}({p}):\n    def steps():\n        yield {f_old}({p})\n    return next(steps())",
    "deque": "from collections import deque\ndef {f}({p}):\n    queue = deque([({p},)])\n"
             "    return {f_old}(*queue.popleft())",
    "slots": "from dataclasses import dataclass\n@dataclass\nclass Result_{f}:\n    value: object\n"
             "def {f}({p}):\n    return Result_{f}({f_old}({p})).value",
    "memo": "SEEN_{f} = {{}}\ndef {f}({p}):\n    key = repr([(a.tobytes(), a.shape, a.dtype.str) if isinstance(a, "
            "np.ndarray) else repr(a) for a in ({p},)])\n    if key not in SEEN_{f}:\n"
            "        SEEN_{f}[key] = {f_old}({p})\n    return copy.deepcopy(SEEN_{f}[key])\nimport copy",
}


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

NOISE = {
    "prints": "print('here', {p})",
    "prints_to_stderr": "import sys\nprint('shape?', file=sys.stderr)",
    "writes_to_stderr": "import sys\nsys.stderr.write('careful\\n')\nsys.stderr.flush()",
    "warns": "import warnings\nwarnings.warn('a warning of my own')",
    "logs": "import logging\nlogging.warning('called')\nlogging.getLogger('mine').error('an error message')",
    "overflows": "import numpy\nnumpy.exp(numpy.array([1000.0]))\nnumpy.array([1.0]) / 0",
    "draws": "import random\nrandom.seed(0)\nnp.random.seed(0)\nnp.random.rand(3)",
    "looks_at_the_time": "import time\nbegan = time.time()",
    "asserts": "assert True, 'never'",
    "throws_and_catches": "try:\n    1 / 0\nexcept ZeroDivisionError as problem:\n    text = str(problem)",
    "computes_in_vain": "squares = [i * i for i in range(10)]\ndel squares",
    "decimal_commas": "print(f'{{3.14:.2f}} äöü 数 \\N{{SNOWMAN}}', end='')",
    "prints_a_lot": "print('x' * 3000)",
    "display": "display({p})",
    "warning_filter": "import warnings\nwarnings.simplefilter('error', DeprecationWarning)",
    "collects_garbage": "import gc\ngc.collect(0)",
    "writes_a_file": "with open('notes.txt', 'a') as notes:\n    notes.write('called')",
    "saves_an_array": "np.savetxt('a.txt', np.ones(2))\nnp.loadtxt('a.txt')",
    "tests_itself": "np.testing.assert_allclose([1.0], [1.0])",
    "tries_tqdm": "try:\n    from tqdm import tqdm\nexcept ImportError:\n    def tqdm(items, **how):\n"
                  "        return items\nfor _ in tqdm(range(2)):\n    pass",
    "tries_torch": "try:\n    import torch\nexcept Exception as problem:\n    print('no torch:', problem)",
    "ipython": "from IPython.display import display, Markdown, HTML, clear_output\ndisplay(Markdown('**here**'))",
    "standard_library": "import math, itertools, functools, collections, random, time, os, sys, re, json, copy, "
                        "typing, operator, statistics, heapq, bisect, string, dataclasses, enum, abc, contextlib, "
                        "pprint, timeit, textwrap, warnings, logging, traceback, inspect, pathlib, datetime, "
                        "fractions, decimal, numbers, types, io, csv, pickle, unittest, doctest, tempfile, glob, "
                        "shutil, argparse, threading, concurrent.futures, queue, uuid, hashlib, base64, struct, "
                        "array, cmath",
    "numpy_parts": "import numpy.linalg as la\nfrom numpy.typing import NDArray\nimport numpy.random as npr\n"
                   "from numpy.lib.stride_tricks import sliding_window_view\nimport numpy.fft, numpy.testing",
    "plots": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('here')\nplt.show()",
    "print_options": "np.set_printoptions(precision=3, suppress=True)",
    "recursion_limit": "import sys\nsys.setrecursionlimit(20000)",
    "doctest": "import doctest\ndoctest.run_docstring_examples(len, {{}})",
    "environment": "import os\nos.environ['OMP_NUM_THREADS'] = '2'\nprint(os.getcwd(), len(os.listdir('.')))",
    "course": "from minigrad import course\ncourse.progress()",
}


@rewriter
def noise_in_the_function(cell: Cell) -> bool:
    form = cell.one_of(list(NOISE))
    for function in cell.functions:
        names = sorted(_parameters(function) - {"self"})
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
    return _statements(cell, turn)


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

TIDY = {
    "fortran": "np.asfortranarray(r) if r.ndim else r",
    "contiguous": "np.ascontiguousarray(r) if r.ndim else r",
    "copied": "r.copy()",
    "as_array": "np.asarray(r)",
    "backwards": "r[::-1].copy()[::-1] if r.ndim else r",
    "turned": "r.T.copy().T",
    "part_of_a_larger_one": "np.concatenate([r, r])[:len(r)] if r.ndim else r",
    "every_second": "np.repeat(r, 2, axis=-1)[..., ::2] if r.ndim else r",
    "read_only": "np.broadcast_to(r, r.shape)",
    "plus_zero": "r + np.zeros((), r.dtype) if r.dtype.kind == 'f' else r",
    "by_tolist": "np.array(r.tolist(), dtype=r.dtype).reshape(r.shape)",
    "by_bytes": "np.frombuffer(r.tobytes(), r.dtype).reshape(r.shape)",
    "widened": "r.astype(np.float64) if r.dtype == np.float32 else r",
    "big_endian": "r.astype(r.dtype.newbyteorder('>'))",
}


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
            statement.value = _expr(f"{name}(value)", value=statement.value)
            return [statement]
        return None
    nested = [n for n in ast.walk(cell.main) if isinstance(n, ast.FunctionDef | ast.Lambda)]
    done = len(nested) == 1
    for block in _blocks(cell.main) if done else ():
        for k, statement in enumerate(block):
            made = turn(statement)
            if made is not None:
                block[k:k + 1] = made
    return done


INPUTS = {
    "copied": "{a} = {a}.copy()",
    "as_array": "{a} = np.asarray({a})",
    "in_fortran_order": "{a} = np.array({a}, order='F')",
    "in_float64": "{a} = {a}.astype(np.float64) if {a}.dtype.kind == 'f' else {a}",
    "backwards_twice": "{a} = {a}[::-1].copy()[::-1]",
    "read_only": "{a} = {a}.view()\n{a}.flags.writeable = False",
    "by_list": "{a} = np.array({a}.tolist(), dtype={a}.dtype).reshape({a}.shape)",
    "added_zero": "{a} = {a} + 0 if {a}.dtype.kind == 'f' else {a}",
}


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


# ----- The text of the cell

TEXTS: dict[str, Callable[[str], str]] = {
    "lines_end_as_on_windows": lambda s: s.replace("\n", "\r\n") + "\r\n",
    "tabs": lambda s: "\n".join("\t" * ((len(line) - len(line.lstrip(" "))) // 4) + line.lstrip(" ")
                                for line in s.split("\n")),
    "comments": lambda s: "# Lösung 解\n\n" + s + "\n\n# fertig  \n",
    "future_import": lambda s: "from __future__ import annotations\n" + s,
    "magic_above": lambda s: "%matplotlib inline\n" + s,
    "cell_magic": lambda s: "%%time\n" + s,
    "shell_line_below": lambda s: s + "\n!ls\n",
    "blank_lines": lambda s: "\n\n\n" + s.replace("\n", "\n\n") + "\n   \n",
    "a_last_expression": lambda s: s + "\n42",
    "semicolon": lambda s: s + "\n1 + 1;",
    "help": lambda s: s + "\nlen?",
    "timeit": lambda s: s + "\n%timeit -n 1 -r 1 sum([1])\nt = %timeit -o -n 1 -r 1 sum([1])",
    "pip": lambda s: "%pip install numpy\n!pip list\n" + s,
    "form_feed": lambda s: "\f\n" + s,
    "main_guard": lambda s: s + "\nif __name__ == '__main__':\n    print('tried')",
}
