"""Python text with other names and another order of arguments: the text stays as it was written in all else.

    renamed(text, Names({"rnn_step": "advance"}, {"W_x": "M_x"}))
    reordered(text, {"advance": [[1], [0], [2, 3]]})

Names are changed token by token; in prose (comments, docstrings, markdown) only where a word is certainly a name.
Formulas between dollar signs keep the letters of the slides. An order is a list of groups: arguments in a group stay
neighbours, because somewhere a call passes them as one `*group`.
"""

from __future__ import annotations

import ast
import bisect
import io
import re
import tokenize
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Order = Sequence[Sequence[int]]
FORMULA = re.compile(r"(\$\$.*?\$\$|\$[^$\n]*\$)", re.DOTALL)
SHORT_WORDS = set("a an as at be by do go he if in is it me my no of on or so to up us we all and any are but can for "
                  "has its new not now old one out own see the two was way who why you".split())
Span = tuple[tuple[int, int], tuple[int, int]]      # from (line, column) to (line, column), columns in bytes


@dataclass(frozen=True)
class Names:
    """Which name becomes which: functions (and what else is global), and arguments."""

    functions: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    called: Collection[str] = ()        # functions whose keyword arguments are renamed with the rest
    results: Collection[str] = ()       # names that stand in quotes by themselves: "dgamma"

    @property
    def all(self) -> dict[str, str]:
        return {**self.functions, **self.arguments}


# ----- Names

def renamed(text: str, names: Names, code: Collection[Span] = (), kept: Collection[Span] = (),
            named: Collection[Span] = ()) -> str:
    """A module with other names. Its strings are prose, but `code` and the `named` arguments; `kept` ones stay."""

    def within(spans: Collection[Span], place: tuple[int, int]) -> bool:
        return any(first <= place < last for first, last in spans)

    def change(kind: int, token: str, place: tuple[int, int]) -> str:
        if kind == tokenize.COMMENT:
            return prose(token, names)
        return token if within(kept, place) else _string(token, names, within(code, place), within(named, place))

    return _by_token(text, names, change)


def prose_changed(text: str, change: Callable[[str], str], kept: Collection[Span] = ()) -> str:
    """A module with `change` done to its strings and comments."""
    return _by_token(text, Names(), lambda kind, token, place: token if any(
        first <= place < last for first, last in kept) else change(token))


def _by_token(text: str, names: Names, change: Callable[[int, str, tuple[int, int]], str]) -> str:
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    pieces, at = [], 0
    for kind, token, begin, end, new in _tokens(text, names):
        if kind in (tokenize.STRING, tokenize.COMMENT):
            new = change(kind, token, (begin[0], len(lines[begin[0] - 1][:begin[1]].encode())))
        if new != token:
            pieces += [text[at:starts[begin[0] - 1] + begin[1]], new]
            at = starts[end[0] - 1] + end[1]
    return "".join([*pieces, text[at:]])


def _tokens(text: str, names: Names) -> Iterator[tuple[int, str, tuple[int, int], tuple[int, int], str]]:
    """Each token, and for a name what it becomes."""
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    callees: list[str] = []             # of the brackets that are open
    for k, token in enumerate(tokens):
        before = tokens[k - 1].string if k else ""
        after = tokens[k + 1].string if k + 1 < len(tokens) else ""
        new = token.string
        if token.type == tokenize.OP and token.string in "([{":
            dotted = before if k < 3 or tokens[k - 2].string != "." else f"{tokens[k - 3].string}.{before}"
            callees.append(dotted if token.string == "(" else "")
        elif token.type == tokenize.OP and token.string in ")]}" and callees:
            callees.pop()
        elif token.type == tokenize.NAME and before != ".":
            keyword = after == "=" and callees and callees[-1]
            if not keyword or callees[-1] == "course.test" or callees[-1] in names.called:
                new = names.all.get(token.string, token.string)
        yield token.type, token.string, token.start, token.end, new


def _string(token: str, names: Names, code: bool, named: bool) -> str:
    """A string literal, as it stands in the text, with other names in it. `named`: it is an argument's name."""
    opening = re.match(r"[A-Za-z]*('''|\"\"\"|'|\")", token)
    assert opening is not None
    inside = token[opening.end():-len(opening[1])]
    if code:
        new = fragment(inside, names)
    elif inside in names.functions or inside in names.arguments and (
            named or unmistakable(inside) or inside in names.results):
        new = names.all[inside]
    elif argument := re.fullmatch(r"(\w+)( \([^)]*\))", inside):    # "xs (T, B, D)"
        new = names.all.get(argument[1], argument[1]) + argument[2]
    else:
        new = prose(inside, names)
    return opening[0] + new + opening[1]


def fragment(code: str, names: Names) -> str:
    """A piece of code, perhaps of half a line, with other names in it."""
    words = "|".join(map(re.escape, sorted(names.all, key=len, reverse=True)))
    if not words:
        return code
    return re.sub(rf"(?<![\w.])({words})(?!\w)", lambda m: names.all[m[1]], code)


def prose(text: str, names: Names) -> str:
    """Prose with other names in it. Formulas stay as they are."""
    return "".join(part if k % 2 else _words(part, names) for k, part in enumerate(FORMULA.split(text)))


def _words(text: str, names: Names) -> str:
    plain = {n: new for n, new in names.all.items() if unmistakable(n)}
    kebab = {n.replace("_", "-"): new.replace("_", "-") for n, new in names.functions.items() if "_" in n}
    for table in (plain, kebab):
        if table:
            words = "|".join(map(re.escape, sorted(table, key=len, reverse=True)))
            pattern = rf"(?<![\w.-])({words})(?![\w]|-(?!test\b))"
            text = re.sub(pattern, lambda m, table=table: str(table[m[1]]), text)     # type: ignore[misc]
    others = "|".join(sorted(map(re.escape, names.all.keys() - plain.keys()), key=len, reverse=True))
    if others:      # an English word is a name in `backticks`, and before a bracket
        text = re.sub(r"`[^`\n]+`", lambda m: fragment(m[0], names), text)
        longer = "|".join(sorted((re.escape(n) for n in names.all.keys() - plain.keys() if len(n) > 1), key=len,
                                 reverse=True))
        if longer:
            text = re.sub(rf"(?<![\w.`])({longer})(?=\(| \([A-Z])", lambda m: names.all[m[1]], text)
    return text


def unmistakable(name: str) -> bool:
    """Can this be no word of a sentence?"""
    return len(name) > 1 and ("_" in name or any(c.isdigit() for c in name)
                              or len(name) <= 3 and name.lower() not in SHORT_WORDS)


# ----- Order

@dataclass
class _Bytes:
    """A text by the positions of ast, whose columns count bytes."""

    text: bytes

    def __post_init__(self) -> None:
        self.lines = [0]
        for line in self.text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))

    def span(self, node: ast.AST) -> tuple[int, int]:
        return (self.lines[node.lineno - 1] + node.col_offset,                  # type: ignore[attr-defined]
                self.lines[node.end_lineno - 1] + node.end_col_offset)          # type: ignore[attr-defined]


@dataclass(frozen=True)
class _Slot:
    """A place of the text that changes: parts that change places, each with a text before it, or another text."""

    begin: int
    end: int
    parts: Sequence[tuple[int, int]] = ()
    places: Sequence[int] = ()
    before: Sequence[str] = ()
    text: str = ""


def reordered(text: str, orders: Mapping[str, Order], arguments: Mapping[str, Sequence[str]] | None = None) -> str:
    """Python text in which these functions take their arguments in another order, where they are defined and called.

    A call is found by the function's name, as `name(...)`, `space["name"](...)`, `call("name", ...)`, and with the
    keywords of `course.test(name, ...)`. A function that is handed on as a value is put into a lambda of the old order,
    and a call by positions and keywords gets keywords alone: for both, `arguments` names the arguments in the old
    order. Raises ValueError for a call that cannot be turned.
    """
    data, tree = _Bytes(text.encode()), ast.parse(text)
    slots: list[_Slot] = []
    for node in ast.walk(tree):
        before: list[str] = []
        if isinstance(node, ast.FunctionDef) and node.name in orders:
            parts: list[ast.AST] = list(node.args.args)
            places = [i for group in orders[node.name] for i in group]
        elif isinstance(node, ast.Call) and (found := _called(node, orders)):
            name, parts = found
            if _mixed(node, parts):
                places, names = list(range(len(parts))), (arguments or {}).get(name, ())
                before = [f"{n}=" if not isinstance(p, ast.keyword) else "" for p, n in zip(parts, names, strict=False)]
                if len(before) < len(parts):
                    raise ValueError(f"line {node.lineno}: {name}(...) is called with positions and keywords at once")
            else:
                places = _places(node, name, parts, orders[name])
        else:
            continue
        if places != list(range(len(parts))) or before:
            spans = [data.span(p) for p in parts]
            slots.append(_Slot(spans[0][0], spans[-1][1], spans, places, before or [""] * len(parts)))
    for value in _values(tree, orders):
        names = (arguments or {}).get(value.id, ())
        if not names:
            raise ValueError(f"line {value.lineno}: {value.id} is handed on as a value")
        turned = ", ".join(names[i] for group in orders[value.id] for i in group)
        slots.append(_Slot(*data.span(value), text=f"lambda {', '.join(names)}: {value.id}({turned})"))
    slots.sort(key=lambda s: (s.begin, -s.end))
    return _turned(data.text, 0, len(data.text), slots).decode()


def _mixed(node: ast.Call, parts: Sequence[ast.AST]) -> bool:
    """Positions and keywords in one call, and not one of course.test, whose keywords are taken alone."""
    keywords = [isinstance(p, ast.keyword) for p in parts]
    return any(keywords) and not all(keywords)


def _values(tree: ast.AST, names: Collection[str]) -> Iterator[ast.Name]:
    """Where a function is neither called nor tested, but handed on."""
    other = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    other |= {id(n.args[0]) for n in ast.walk(tree) if isinstance(n, ast.Call) and n.args
              and ast.unparse(n.func) == "course.test"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load) and id(node) not in other:
            yield node


def _called(node: ast.Call, orders: Mapping[str, Order]) -> tuple[str, list[ast.AST]] | None:
    """The function that a call calls and its arguments, if it is one of `orders`."""
    func, args = node.func, list[ast.AST](node.args)
    if isinstance(func, ast.Name) and func.id in orders:
        return func.id, [*args, *node.keywords]
    if isinstance(func, ast.Subscript) and isinstance(func.slice, ast.Constant) and func.slice.value in orders:
        return str(func.slice.value), args
    first = node.args[0] if node.args else None
    if isinstance(func, ast.Name) and isinstance(first, ast.Constant) and first.value in orders and len(args) > 1:
        return str(first.value), args[1:]
    if ast.unparse(func) == "course.test" and isinstance(first, ast.Name) and first.id in orders \
            and not any(k.arg == "of" for k in node.keywords):
        count = sum(map(len, orders[first.id]))
        own = [k for k in node.keywords if k.arg not in TEST_KEYWORDS]
        return (first.id, list(own)) if len(own) == count else None
    return None


TEST_KEYWORDS = {"expected", "equation", "not_tested", "results", "part", "tol", "of"}      # of course.test itself


def _places(node: ast.Call, name: str, parts: Sequence[ast.AST], order: Order) -> list[int]:
    """Which part stands where after the turn; a starred one is a group of the order."""
    if any(isinstance(p, ast.keyword) for p in parts) and ast.unparse(node.func) != "course.test":
        return list(range(len(parts)))          # keywords alone need no order
    count, stars = sum(map(len, order)), [i for i, p in enumerate(parts) if isinstance(p, ast.Starred)]
    if not stars and len(parts) == count:
        return [i for group in order for i in group]
    if len(stars) != 1:
        raise ValueError(f"line {node.lineno}: {name}(...) is called with {len(parts)} arguments, not {count}")
    star, width = stars[0], count - len(parts) + 1
    part_of = {i: min(i, star) if i < star + width else i - width + 1 for i in range(count)}
    return list(dict.fromkeys(part_of[i] for group in order for i in group))


def _turned(text: bytes, begin: int, end: int, slots: Sequence[_Slot]) -> bytes:
    """The text from begin to end with all slots inside of it filled anew, those inside of others too."""
    pieces, at = [], begin
    for slot in slots:
        if slot.begin < at or slot.end > end:
            continue
        pieces.append(text[at:slot.begin])
        at = slot.end
        if slot.text:
            pieces.append(slot.text.encode())
            continue
        inner = [s for s in slots if s.begin >= slot.begin and s.end <= slot.end and s is not slot]
        made = [head.encode() + _turned(text, a, b, [s for s in inner if s.begin >= a and s.end <= b])
                for head, (a, b) in zip(slot.before, slot.parts, strict=True)]
        between = [text[a:b] for (_, a), (b, _) in pairwise(slot.parts)]
        pieces += [made[slot.places[0]]]
        for gap, place in zip(between, slot.places[1:], strict=True):
            pieces += [gap, made[place]]
    return b"".join([*pieces, text[at:end]])


def starred(text: str, counts: Mapping[str, int]) -> Iterator[tuple[str, range | None]]:
    """(function, the arguments that a call passes as one `*group`); None where a call fits no order."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not (found := _called(node, {n: [range(c)] for n, c in counts.items()})):
            continue
        name, parts = found
        stars = [i for i, p in enumerate(parts) if isinstance(p, ast.Starred)]
        keywords = any(isinstance(p, ast.keyword) for p in parts)
        if len(stars) > 1 or stars and keywords or not stars and len(parts) != counts[name]:
            yield name, None
        elif stars:
            yield name, range(stars[0], stars[0] + counts[name] - len(parts) + 1)


def reordered_prose(text: str, orders: Mapping[str, Order]) -> str:
    """Calls that are written out in prose, `rnn_step(x, h, W_x, W_h, b)`, with their arguments in the new order."""
    for name, order in orders.items():
        count = sum(map(len, order))

        def turn(match: re.Match[str], order: Order = order, count: int = count) -> str:
            parts = [p.strip() for p in re.split(r",(?![^(\[]*[)\]])", match[2])]      # not inside of brackets
            if len(parts) != count or any(p.startswith("*") or "=" in p for p in parts):
                return match[0]
            return match[1] + ", ".join(parts[i] for group in order for i in group) + ")"
        text = re.sub(rf"(?<![\w.])({re.escape(name)}\()((?:[^()]|\([^()]*\))*)\)", turn, text)
    return text


# ----- The smallest difference of two texts

def difference(old: str, new: str) -> tuple[str, str]:
    """(part, other): `old` with its only `part` replaced by `other` is `new`. Parts are words, or whole lines."""
    first = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    borders = [0, *(m.start() for m in re.finditer(r"\b|\n", old)), len(old)]
    begin, end = first, len(old) - last
    while True:
        begin = borders[max(bisect.bisect_right(borders, begin) - 1, 0)]
        end = borders[min(bisect.bisect_left(borders, end), len(borders) - 1)]
        if "\n" in old[begin:end] + new[begin:len(new) - (len(old) - end)]:    # whole lines are easier to read
            begin, end = old.rfind("\n", 0, begin) + 1, (old.find("\n", end) + 1 or len(old) + 1) - 1
        part = old[begin:end]
        if part and old.count(part) == 1:
            return part, new[begin:len(new) - (len(old) - end)]
        begin, end = max(begin - 1, 0), min(end + 1, len(old))
