"""This term's version of an assignment: other names, another order of arguments, the same ideas and mistakes.

    made = vary("solutions/03_rnn", "2026-winter", "terms/2026-winter")
    made.folder                     # terms/2026-winter/03_rnn, with notebook.py and checks.py
    made.functions["rnn_step"]      # the new name
    made.stays                      # what could not be varied, and why

The names come from a table of synonyms, chosen by the term, or from the instructor. Last year's solution then defines
functions that nobody asked for, and under the new names it takes its arguments in the wrong order. Hints, tests, draws,
mutants and variants go with it. What is compared, and how, does not change. The order of blocks inside of an array, and
of results, changes where the instructor gives the texts (vary_blocks.py).
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import keyword
import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autograder.assignment import CHECKS, NOTEBOOK, Assignment, AssignmentError
from autograder.course import open_assignment, write_atomically
from autograder.errors import AutograderError, UnknownName
from autograder.rewrite import Names, Order, prose_changed, renamed, reordered, reordered_prose, starred
from autograder.synonyms import ARGUMENTS, FAMILIES, PREFIXES, WORDS
from autograder.vary_blocks import left_behind, replaced, turned
from autograder.vary_checks import CODE, KEPT, Checks, spans

TABLES = ("functions", "arguments", "order", "blocks")      # of the instructor's file


class VaryError(AutograderError):
    """The assignment cannot be varied as asked. Nothing was written."""


@dataclass
class Varied:
    """What was made of an assignment."""

    folder: Path
    functions: dict[str, str]                   # old name: new name
    arguments: dict[str, str]
    order: dict[str, list[str]]                 # new name of a function: its arguments, in the new order
    stays: list[str] = field(default_factory=list)
    blocks: dict[str, int] = field(default_factory=dict)        # the instructor's texts: at how many places they stood
    look: list[str] = field(default_factory=list)               # what these texts seem to have left behind

    def to_dict(self) -> dict[str, Any]:
        return vars(self) | {"folder": str(self.folder)}


def vary(assignment: str | Path, term: str, out: str | Path, names: Mapping[str, Any] | None = None) -> Varied:
    """Write the term's version of an assignment to OUT/NN_topic.

    `names`: {"functions": {old: new}, "arguments": {old: new}, "order": {function: [arguments]}, "blocks": {text: other
    text}}, each for what the instructor wants to choose. Raises CourseError where the folder holds no assignment,
    UnknownName, BlocksError and VaryError where `names` does not fit it.
    """
    found, names = open_assignment(Path(assignment)), names or {}
    texts = {part: (found.folder / part).read_text(encoding="utf-8") for part in (NOTEBOOK, CHECKS)}
    folder = Path(out) / found.name
    if folder.resolve() == found.folder:
        raise VaryError(f"'{out}' holds the assignment itself: name another folder by --out")
    texts, blocks = replaced(texts, names.get("blocks", {}))
    with tempfile.TemporaryDirectory() as place:
        if blocks:
            found = turned(found, texts, Path(place) / found.name)
        made = _Vary(found, texts, term, names)
        new, look = made.texts(), left_behind(found) if blocks else []
    old = {p: p.read_text(encoding="utf-8") for part in new if (p := folder / part).is_file()}
    try:
        for part, text in new.items():
            write_atomically(folder / part, text)
        Assignment(folder)
    except AssignmentError as error:
        for part in new:
            (folder / part).unlink()
        for path, text in old.items():
            write_atomically(path, text)
        raise VaryError(f"{found.name} cannot be varied by these names: {error}") from None
    return Varied(folder, dict(made.names.functions), dict(made.names.arguments), made.order_by_name(), made.stays,
                  blocks, look)


def read_names(path: Path) -> dict[str, Any]:
    """The instructor's tables of a TOML file: [functions], [arguments], [order] and [blocks]."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VaryError(f"{path} cannot be read: {error}") from None
    for key in table:
        if key not in TABLES:
            raise UnknownName("table", key, str(path), TABLES)
        kind, what = (list, "a list of arguments") if key == "order" else (str, "a text")
        if not isinstance(table[key], dict) or not all(isinstance(value, kind) for value in table[key].values()):
            raise VaryError(f"{path}: [{key}] has to be a table in which each name or text = {what}")
    return table


class _Vary:
    """One assignment on its way to another term."""

    def __init__(self, found: Assignment, texts: Mapping[str, str], term: str, given: Mapping[str, Any]) -> None:
        self.found, self.old, self.given = found, texts, given
        seed = hashlib.sha256(f"{term}\0{found.name}".encode()).digest()
        self.rng = np.random.default_rng(list(seed))
        self.stays: list[str] = []
        self.taken = set(re.findall(r"\w+", "\n".join(texts.values()))) | set(dir(builtins)) | set(keyword.kwlist)
        self.signatures = self._signatures()
        self.foreign = self._foreign_keywords()
        self.names = self._names()
        self.orders = self._orders()            # by the old names

    # ----- What is varied

    def _signatures(self) -> dict[str, list[str]]:
        """The arguments of the graded functions; classes have none."""
        found = {}
        for check in self.found.checks.values():
            for node in ast.parse(self.found.solution_cell(check.function).source).body:
                if isinstance(node, ast.FunctionDef) and node.name == check.function:
                    found[check.function] = [a.arg for a in node.args.args]
        return found

    def _names(self) -> Names:
        given = self._table("functions", {c.function for c in self.found.checks.values()})
        self.taken |= set(given.values())
        functions = {c.function: given.get(c.function) or self._function(c.function)
                     for c in self.found.checks.values()}
        arguments: dict[str, str] = {}
        wanted = self._table("arguments", {a for args in self.signatures.values() for a in args})
        self.taken |= set(wanted.values())
        style: dict[str, str] = {}
        for letter, choices in FAMILIES.items():
            free = [c for c in choices if not any(t == c or t.startswith(f"{c}_") for t in self.taken)]
            style |= {letter: str(self._one_of(free))} if free else {}
        for name in dict.fromkeys(a for args in self.signatures.values() for a in args):
            new = wanted.get(name) or self._argument(name, arguments, style)
            if new and (name in wanted or name not in self.foreign):
                arguments[name] = new
                self.taken.add(new)
        words = set(re.findall(r"\w+", self.old[NOTEBOOK]))
        for name, new in list(arguments.items()):       # dW_x goes with W_x
            if f"d{name}" in words and f"d{name}" not in arguments and f"d{new}" not in self.taken and len(name) > 1:
                arguments[f"d{name}"] = f"d{new}"
        called = {n.name for n in ast.walk(ast.parse(self.old[NOTEBOOK])) if isinstance(n, ast.FunctionDef)}
        results = {r for check in self.found.checks.values() for r in check.names}
        return Names(functions, arguments, called, results)

    def _table(self, kind: str, known: set[str]) -> dict[str, str]:
        """The instructor's names of one kind; each has to be an identifier that is free."""
        table = dict(self.given.get(kind, {}))
        for old, new in table.items():
            if old not in known:
                raise UnknownName(kind[:-1], old, self.found.name, known)
            if not isinstance(new, str) or not new.isidentifier() or keyword.iskeyword(new) or new in self.taken:
                raise VaryError(f"'{new}' for {old} is no name, or {self.found.name} has it already: choose another")
        if len(set(table.values())) < len(table):
            raise VaryError(f"two {kind} get the same name: {', '.join(map(str, table.values()))}")
        return table

    def _function(self, name: str) -> str:
        for _ in range(50):
            parts = [str(self._one_of(WORDS.get(w, [w]))) for w in name.split("_")]
            new = "_".join(parts)
            if new in self.taken:
                new = f"{self._one_of(PREFIXES)}_{new}"
            if new not in self.taken:
                self.taken.add(new)
                return new
        raise VaryError(f"no new name was found for {name}: give one by --names")

    def _argument(self, name: str, made: Mapping[str, str], style: Mapping[str, str]) -> str:
        """A new name for an argument; "" where it keeps the slides' letter."""
        if name[0] == "d" and name[1:] in made:
            new = "d" + made[name[1:]]
        elif name in ARGUMENTS:
            free = [n for n in ARGUMENTS[name] if n not in self.taken]
            new = str(self._one_of(free)) if free else ""
        elif family := re.fullmatch(r"([A-Za-z])_?(\w+)", name) if "_" in name or name[-1].isdigit() else None:
            new = f"{style.get(family[1], '')}_{family[2]}" if family[1] in style else ""
        else:
            new = ""
        return "" if new in self.taken else new

    def _foreign_keywords(self) -> set[str]:
        """The keywords of other people's functions, as `axis` of np.sum: arguments of these names keep them."""
        calls = (n for text in self.old.values() for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call))
        return {k.arg for call in calls if call.keywords and ast.unparse(call.func) != "course.test"
                and not (isinstance(call.func, ast.Name) and call.func.id in self.signatures)
                for k in call.keywords if k.arg}

    def _one_of(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def _orders(self) -> dict[str, Order]:
        texts = [*self.old.values(), *(v.source for c in self.found.checks.values() for v in c.variants),
                 *(s for c in self.found.checks.values() for m in c.mutants if (s := c.source(m)))]
        counts = {name: len(args) for name, args in self.signatures.items()}
        groups: dict[str, list[range]] = {}
        fixed: set[str] = set()
        for text in texts:
            for name, group in starred(text, counts):
                if group is None:
                    fixed.add(name)
                else:
                    groups.setdefault(name, []).append(group)
        wanted = dict(self.given.get("order", {}))
        for name in wanted:
            if name not in self.signatures:
                raise UnknownName("function", name, self.found.name, self.signatures)
        orders: dict[str, Order] = {}
        for check in self.found.checks.values():
            name, args = check.function, self.signatures.get(check.function, [])
            parts = _grouped(len(args), groups.get(name, []))
            if name in wanted:
                orders[name] = _given_order(name, args, wanted[name], parts)
            elif name not in self.signatures:
                self.stays.append(f"{name} is a class: its methods keep their arguments")
            elif name in fixed:
                self.stays.append(f"{name} keeps the order of its arguments: a call passes two `*groups`, or leaves "
                                  "arguments out")
            elif len(parts) < 2:
                self.stays.append(f"{name} has one argument, or one group of arguments: there is no other order")
            else:
                turns = [self.rng.permutation(len(parts)) for _ in range(40)]
                best = min(turns, key=lambda t: sum(int(i) == k for k, i in enumerate(t)))
                orders[name] = [parts[i] for i in best]
        return orders

    def order_by_name(self) -> dict[str, list[str]]:
        both = self.names.all
        return {both.get(name, name): [both.get(self.signatures[name][i], self.signatures[name][i])
                                       for group in order for i in group] for name, order in self.orders.items()}

    # ----- The two texts

    def texts(self) -> dict[str, str]:
        """notebook.py and checks.py of the term."""
        new = {part: renamed(text, self.names, spans(text, CODE, variants=True), spans(text, KEPT),
                             spans(text, ("args",)))
               for part, text in self.old.items()}
        orders = {self.names.functions.get(n, n): o for n, o in self.orders.items()}
        try:
            notebook = reordered(new[NOTEBOOK], orders, self._arguments())
            checks = Checks(new[CHECKS], orders, self._renamed_cells(), self.found, self.names).text()
        except (ValueError, SyntaxError) as error:
            raise VaryError(f"{self.found.name} cannot be varied: {error}") from None
        notebook = prose_changed(notebook, lambda t: reordered_prose(t, orders))
        return {NOTEBOOK: self._with_table(notebook), CHECKS: checks}

    def _arguments(self) -> dict[str, list[str]]:
        """The functions' arguments in the old order, all by their new names."""
        both = self.names.all
        return {both.get(name, name): [both.get(a, a) for a in args] for name, args in self.signatures.items()}

    def _renamed_cells(self) -> dict[str, str]:
        """The solution cells under the new names, in the old order: what the mutants' texts are about."""
        return {c.function: renamed(self.found.solution_cell(c.function).source, self.names)
                for c in self.found.checks.values()}

    def _with_table(self, notebook: str) -> str:
        """After the first cell: which letter of the slides is which name here."""
        arguments = {a for args in self.signatures.values() for a in args}
        shown = {new: old for old, new in self.names.arguments.items() if old in arguments}
        if not shown:
            return notebook
        rows = "".join(f"| `{new}` | `{old}` |\n" for new, old in shown.items())
        cell = ('# %% [markdown]\nr"""\n## Names in this notebook\n\nThe formulas keep the letters of the slides. The '
                'code has names of its own for some of them:\n\n| in the code | in the formulas and on the slides |\n'
                f'|---|---|\n{rows}"""\n\n')
        first = next(c.line for c in self.found.cells if c.cell_type == "code")
        after = [m.start() for m in re.finditer(r"^# %%", notebook, re.MULTILINE)]
        place = next((p for p in after if notebook.count("\n", 0, p) + 1 > first), len(notebook))
        return notebook[:place] + cell + notebook[place:]


def _grouped(count: int, groups: Sequence[range]) -> list[list[int]]:
    """0 to count - 1, with those that a call passes together in one list."""
    joined = [set(g) for g in groups] + [{i} for i in range(count)]
    parts: list[set[int]] = []
    for group in joined:
        meeting = [p for p in parts if p & group]
        parts = [p for p in parts if not p & group] + [group.union(*meeting)]
    return sorted(sorted(p) for p in parts)


def _given_order(name: str, args: Sequence[str], wanted: Sequence[str], parts: Sequence[Sequence[int]]) -> Order:
    if sorted(wanted) != sorted(args):
        raise VaryError(f"order of {name}: {', '.join(map(str, wanted))} came, {', '.join(args)} are its arguments")
    places = [args.index(a) for a in wanted]
    for part in parts:
        first = places.index(part[0])
        if places[first:first + len(part)] != list(part):
            raise VaryError(f"order of {name}: {', '.join(args[i] for i in part)} have to stay together and in order, "
                            "because a call passes them as one `*group`")
    return sorted((list(p) for p in parts), key=lambda p: places.index(p[0]))
