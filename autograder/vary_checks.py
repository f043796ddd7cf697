"""checks.py of a term's version of an assignment: its strings of code, and the order in which its Checks call."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence

from autograder.assignment import Assignment
from autograder.check import Check
from autograder.rewrite import Names, Order, Span, difference, fragment, reordered

CODE = ("replace", "by", "substitutions")       # keywords of Check.mutant that hold code
KEPT = ("slide", "equation")                    # the slides' letters stay in these


def _span(node: ast.AST) -> Span:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)     # type: ignore[attr-defined]


def spans(text: str, keywords: Sequence[str], variants: bool = False) -> list[Span]:
    """Where the values of these keywords stand, and the constants that they use; with the sources of variants."""
    tree = ast.parse(text)
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found += [k.value for k in node.keywords if k.arg in keywords]
            if variants and isinstance(node.func, ast.Attribute) and node.func.attr == "variant":
                found += node.args[1:]
    used = {n.id for value in found for n in ast.walk(value) if isinstance(n, ast.Name)}
    found += [n.value for n in tree.body if isinstance(n, ast.Assign)
              and (isinstance(n.value, ast.Constant | ast.JoinedStr)
                   and any(isinstance(t, ast.Name) and t.id in used for t in n.targets)
                   or variants and _is_module(n.value))]
    return [_span(node) for node in found]


def _is_module(value: ast.AST) -> bool:
    """Is this a constant text that defines functions, as the source of a variant does?"""
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str) or "def " not in value.value:
        return False
    try:
        return any(isinstance(n, ast.FunctionDef) for n in ast.parse(value.value).body)
    except (SyntaxError, ValueError):
        return False


class Checks:
    """checks.py under the new names, to be given the new order: of its calls, variants, mutants and Checks."""

    def __init__(self, text: str, orders: Mapping[str, Order], cells: Mapping[str, str], found: Assignment,
                 names: Names) -> None:
        self.source, self.orders, self.cells, self.names = text, orders, cells, names
        self.checks: dict[str, Check] = {names.functions.get(c.function, c.function): c for c in found.checks.values()}

    def text(self) -> str:
        """First the strings, whose places are known; then the calls of the module itself."""
        tree = ast.parse(self.source)
        of = {t.id: str(n.value.args[0].value) for n in tree.body if isinstance(n, ast.Assign)
              and isinstance(n.value, ast.Call) and ast.unparse(n.value.func) == "Check"
              and isinstance(n.value.args[0], ast.Constant) for t in n.targets if isinstance(t, ast.Name)}
        edits: list[tuple[Span, str]] = []
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            if ast.unparse(node.func) == "Check":
                edits += self._order(node)
            elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) \
                    and node.func.value.id in of:
                function = of[node.func.value.id]
                if node.func.attr == "mutant":
                    edits += self._mutant(node, function)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and _is_module(node):
                new = reordered(str(node.value), self.orders)
                edits += [(_span(node), _literal(new))] if new != node.value else []
        lines = self.source.encode().splitlines(keepends=True)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line))
        data = self.source.encode()
        for (first, last), new in sorted(edits, reverse=True):
            a, b = starts[first[0] - 1] + first[1], starts[last[0] - 1] + last[1]
            data = data[:a] + new.encode() + data[b:]
        return reordered(data.decode(), self.orders)

    def _order(self, node: ast.Call) -> list[tuple[Span, str]]:
        function = str(ast.literal_eval(node.args[0]))
        check = self.checks.get(function)
        if check is None or check.called != check.function or function not in self.orders:
            return []
        args = next(k for k in node.keywords if k.arg == "args")
        both = self.names.all
        order = [both.get(check.args[i].name, check.args[i].name) for group in self.orders[function] for i in group]
        quoted = ", ".join(json.dumps(a) for a in order)
        end = _span(args)[1]
        return [((end, end), f",\n{' ' * args.col_offset}order=({quoted},)")]

    def _mutant(self, node: ast.Call, function: str) -> list[tuple[Span, str]]:
        """The substitutions of a mutant, where its text is another one in the new order."""
        check = self.checks[function]
        mutant = next(m for m in check.mutants if m.name == ast.literal_eval(node.args[0]))
        cell = self.cells[check.function]
        new_cell = reordered(cell, self.orders)
        before = [(fragment(old, self.names), fragment(new, self.names)) for old, new in mutant.substitutions]
        after = []
        for old, new in before:
            wanted = reordered(cell.replace(old, new), self.orders)
            fits = new_cell.count(old) == 1 and new_cell.replace(old, new) == wanted
            after.append((old, new) if fits else difference(new_cell, wanted))
        wanted = reordered(_applied(cell, before), self.orders)
        if _applied(new_cell, after) != wanted:         # one touches what another has changed: all of them in one
            after = [difference(new_cell, wanted)]
        if after == before:
            return []
        values = {k.arg: k for k in node.keywords}
        edits: list[tuple[Span, str]] = []
        if "replace" in values:
            old, new = after.pop(0)
            by = f"by={_literal(new)}"
            edits.append((_span(values["replace"]), f"replace={_literal(old)}" + ("" if "by" in values else f", {by}")))
            edits += [(_span(values["by"]), by)] if "by" in values else []
        if "substitutions" in values:
            pairs = "".join(f"({_literal(old)}, {_literal(new)}), " for old, new in after)
            edits.append((_span(values["substitutions"]), f"substitutions=({pairs.rstrip()})"))
        return edits


def _applied(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def _literal(text: str) -> str:
    """Python source of a text: a block of lines between three quotes, a short one between two."""
    if text.count("\n") > 1 and '"""' not in text:
        return '"""' + text.replace("\\", "\\\\") + '"""'
    return json.dumps(text, ensure_ascii=False)
