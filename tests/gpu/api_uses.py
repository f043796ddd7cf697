"""What the package asks of an array namespace: every `xp.NAME` in its source, with the keywords of the call.

A namespace is the name `xp`, an attribute `.xp` (`self.device.xp`), and what either is assigned to; `multiply, add =
xp.multiply, xp.add` is followed to its calls. `import cupy` is followed to its dotted names.
"""
from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[2] / "minigrad"
NAMESPACE = "xp"


@dataclass(frozen=True)
class Use:
    """One place. name: "sum", or "add.at".  keywords, positions: of the call; ("**",) where they cannot be read."""

    name: str
    where: str
    keywords: tuple[str, ...] = ()
    positions: int = 0

    def __repr__(self) -> str:
        return f"{self.where}: xp.{self.name}({', '.join([*['_'] * self.positions, *self.keywords])})"


class _Reader(ast.NodeVisitor):
    """Collects the uses of one file. `scope`: local name -> "" for a namespace, or the function that it stands for."""

    def __init__(self, file: str) -> None:
        self.file, self.scope, self.found = file, {NAMESPACE: ""}, list[Use]()
        self.cupy: list[tuple[str, str]] = []                # (dotted name, place)

    def meaning(self, node: ast.AST) -> str | None:
        """"" for a namespace, "sum" or "add.at" for what hangs on one, None for anything else."""
        if isinstance(node, ast.Name):
            return self.scope.get(node.id)
        if isinstance(node, ast.Attribute):
            before = self.meaning(node.value)
            if before is not None:
                return f"{before}.{node.attr}".lstrip(".")
            return "" if node.attr == NAMESPACE else None
        return None

    def note(self, node: ast.AST, name: str, keywords: Iterable[str] = (), positions: int = 0) -> None:
        self.found.append(Use(name, f"{self.file}:{node.lineno}", tuple(keywords), positions))      # type: ignore

    def visit_Attribute(self, node: ast.Attribute) -> None:                                         # noqa: N802
        name = self.meaning(node)
        if name:
            self.note(node, name)
        elif name is None:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:                                                   # noqa: N802
        if self.scope.get(node.id) and isinstance(node.ctx, ast.Load):
            self.note(node, self.scope[node.id])

    def visit_Call(self, node: ast.Call) -> None:                                                   # noqa: N802
        name = self.meaning(node.func)
        if isinstance(node.func, ast.Name) and node.func.id == "getattr" and self.meaning(node.args[0]) == "":
            what = node.args[1]
            self.note(node, what.value if isinstance(what, ast.Constant) else "getattr(xp, ...)")   # type: ignore
        elif name:
            stars = any(isinstance(a, ast.Starred) for a in node.args)
            self.note(node, name, [k.arg or "**" for k in node.keywords] + ["**"] * stars, len(node.args) - stars)
        else:
            self.visit(node.func)
        for child in [*node.args, *(k.value for k in node.keywords)]:
            self.visit(child)

    def visit_Assign(self, node: ast.Assign) -> None:                                               # noqa: N802
        self.visit(node.value)
        for target in node.targets:
            several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            for to, value in zip(target.elts, node.value.elts, strict=False) if several else [(target, node.value)]:
                self.bind(to, value)
            self.visit(target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:                                         # noqa: N802
        self.visit(node.value)
        self.bind(node.target, node.value)

    def bind(self, target: ast.AST, value: ast.AST) -> None:
        """After `target = value`."""
        if isinstance(target, ast.Name) and target.id != NAMESPACE:
            meaning = self.meaning(value)
            if meaning is not None:
                self.scope[target.id] = meaning
            else:
                self.scope.pop(target.id, None)

    def visit_FunctionDef(self, node: Any) -> None:                                                 # noqa: N802
        """A scope of its own, whose parameters hide names from outside."""
        before, a = self.scope, node.args
        names = {p.arg for p in [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg] if p} - {NAMESPACE}
        self.scope = {k: v for k, v in before.items() if k not in names}
        self.generic_visit(node)
        self.scope = before

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef                                       # noqa: N815


def uses(source: str, file: str = "source") -> list[Use]:
    """The uses in one source text."""
    reader = _Reader(file)
    reader.visit(ast.parse(source))
    return reader.found


def package_uses() -> Iterator[Use]:
    """The uses in the whole package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield from uses(path.read_text(), str(path.relative_to(PACKAGE.parent)))


def cupy_names(source: str) -> set[str]:
    """The dotted names that a source takes from CuPy: "cupy.cuda.Stream"."""
    tree, roots, names = ast.parse(source), dict[str, str](), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for a in node.names:
                if a.name.split(".")[0].startswith("cupy"):
                    names.add(a.name)
                    roots[a.asname or a.name.split(".")[0]] = a.name if a.asname else a.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0].startswith("cupy"):
            for a in node.names:
                names.add(f"{node.module}.{a.name}")
                roots[a.asname or a.name] = f"{node.module}.{a.name}"
    for node in ast.walk(tree):
        words: list[str] = []
        top: ast.AST = node
        while isinstance(top, ast.Attribute):
            words.insert(0, top.attr)
            top = top.value
        if words and isinstance(top, ast.Name) and top.id in roots:
            names.add(".".join([roots[top.id], *words]))
    return names


def problems(found: Iterable[Use], table: dict[str, Any], atomics: Iterable[str], own: dict[str, str]) -> list[str]:
    """What the table does not have. atomics: ufuncs with `at`.  own: parameters of what strict.py defines itself."""
    functions = {**table["functions"], **own}
    return [f"{use}: {wrong}" for use in found if (wrong := _problem(use, table, set(atomics), functions))]


def _problem(use: Use, table: dict[str, Any], atomics: set[str], functions: dict[str, str]) -> str:
    name, _, method = use.name.partition(".")
    if method:
        if name in table["ufuncs"]:
            return "" if method == "at" and name in atomics else f"CuPy has no {use.name}"
        return "" if name in table["host"] else f"{name} has no {method} in the table"
    if name in table["host"]:
        return ""
    if name in table["ufuncs"]:
        known = {"out", "dtype", "casting"}
        return "".join(f"no keyword {k}" for k in use.keywords if k not in known)
    if name not in functions:
        return "not in strict_api.json"
    words = functions[name].split()
    known, places = {w.lstrip("*") for w in words}, words[:words.index("*")] if "*" in words else words
    if bad := [k for k in use.keywords if k not in known and k != "**"]:
        return f"no keyword {', '.join(bad)}"
    takes_all = any(w.startswith("*") and len(w) > 1 for w in places)
    return "" if takes_all or use.positions <= len(places) else f"takes {len(places)} positional arguments"
