"""The text of `autograder explain`: draw by draw what went in, what was expected and what came."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np

from autograder import notebook_out
from autograder.compare import described
from autograder.differences import Difference
from autograder.explain import NOT_CALLED, SMALL, DrawReplay, Explanation, ResultReplay
from autograder.show import printable

DETAILED = 3                # wrong draws that are shown without being asked for
ENTRIES = 5                 # wrong entries of one array, where not all are asked for
FEW = 24                    # entries of an array that are shown there
ALL = sys.maxsize
NEAREST = 6                 # mistakes listed
LINES = 40                  # of what a student wrote or printed
CUT = 400                   # characters of a text, a list or a line
ITEMS = 12                  # values of one list that are shown on lines of their own
WIDTH = 100                 # columns


def text(found: Explanation, *, full: bool = False, only: int | None = None) -> str:
    """The explanation as lines: the first wrong draws in detail, the others in a row each.

    `only`: one draw, with more of its entries. `full`: all draws with all entries.
    """
    lines = [*_head(found), ""]
    if found.source and only is None:
        lines += ["what the student wrote", *_quoted(found.source, full), ""]
    limit = ALL if full else SMALL if only is not None else FEW
    left = len(found.draws) if full or only is not None else DETAILED
    for draw in found.draws:
        if only not in (None, draw.number):
            continue
        called = not draw.failure.startswith(NOT_CALLED)
        detail = full or only is not None or (called and not draw.right and left > 0)
        left -= detail
        more = "" if detail or draw.right or not called else f"  (--draw {draw.number})"
        lines += [_row(found, draw) + more, *(_detail(draw, limit) if detail else []), *([""] if detail else [])]
    if found.output:
        lines += ["", "what the cell showed", *_quoted(found.output)]
    if found.mutants and only is None:
        lines += ["", *_mutants(found, full)]
    lines += ["", "what the student reads", *_message(found.recorded)]
    text = "\n".join(line.rstrip() for line in lines)
    return re.sub(r"\n{3,}", "\n\n", text)


def _head(found: Explanation) -> Iterator[str]:
    r, saved = found.recorded, found.result
    place = found.cell if found.notebook == found.assignment else f"{found.notebook}:{found.cell}"
    name = place + (f" ({found.function})" if found.function else "")
    yield printable(f"{found.assignment}, {found.student}: {name}, {r['score']:g} of {r['points']:g} points, "
                    f"{r['reason']}")
    attempt = f", attempt {saved['attempt']}" if saved.get("attempt") else ""
    layers = f"; sandbox of the replay: {', '.join(found.layers) or 'none'}" if found.replayed else ""
    yield printable(f"graded {saved.get('started') or '?'}{attempt}{layers}")
    for note in saved.get("notes", []):
        yield printable(f"note: {note}")
    for warning in found.warnings:
        yield printable(f"careful: {warning}")
    if found.replayed is None:
        yield "nothing was run, and there is nothing to replay"
    elif found.same:
        yield "the replay gives the verdict that is recorded"
    else:
        again = found.replayed
        yield (f"careful: the replay gives another verdict, {again['score']:g} points, {printable(again['reason'])} "
               f"(other: {', '.join(found.differs)}); " + ("see above for what has changed" if found.warnings else
               "the code answers differently from run to run, or close to a time limit"))
        yield from _message(again)


def _row(found: Explanation, draw: DrawReplay) -> str:
    sizes = [f"{k} = {v}" for k, v in draw.tags.items() if isinstance(v, int) and not isinstance(v, bool)]
    words = [str(k) for k, v in draw.tags.items() if v is True]
    words += [w for w, holds in (("float32", draw.float32), ("mixed scales", draw.mixed)) if holds]
    words += [f"to be answered in {draw.budget:g} s"] if draw.budget else []
    if draw.right:
        carried = any(r.carried and not r.right for r in draw.results)
        verdict = "right, apart from an earlier function" if carried else "right"
    else:
        verdict = "NOT CALLED" if draw.failure.startswith(NOT_CALLED) else "WRONG"
    about = ", ".join(dict.fromkeys([*sizes, *words]))
    return printable("  ".join(filter(None, [f"draw {draw.number} of {len(found.draws)}", about, "parts: "
                                             + ", ".join(draw.parts), f"{1000 * draw.seconds:.1f} ms", verdict])))


def _detail(draw: DrawReplay, limit: int) -> Iterator[str]:
    for name, value in draw.args.items():
        yield from _value(name, value, limit)
    if draw.failure:
        yield from _wrapped(draw.failure[:CUT], "  ")
        yield from _quoted("\n".join(draw.traceback))
    if draw.printed:
        yield "  printed, when it was called once more:"
        yield from _quoted(draw.printed)
    for result in draw.results:
        yield from _result(draw, result, limit)
    for part, said in draw.judged.items():
        yield from _wrapped(f"{part}: {said}"[:CUT], "  ")


def _result(draw: DrawReplay, result: ResultReplay, limit: int) -> Iterator[str]:
    if draw.failure:
        yield from _value(f"{result.name} expected", result.want, limit)
        return
    if result.right:
        yield printable(f"  {result.name}: right{_largest(result.differences)}")
    for sentence in dict.fromkeys(filter(None, (result.form, result.sentence))):
        yield from _wrapped(f"{result.name}: {sentence}{_largest(result.differences)}"[:CUT], "  ")
    if limit == ALL or not result.right:
        yield from _value(f"{result.name} expected", result.want, limit)
        yield from _value(f"{result.name} got", result.got, limit)
    if result.carried and not result.right:
        yield printable(f"  {result.name}: right by the solution around the student's own earlier functions")
    elif result.second is not None and not result.right:
        yield from _value(f"{result.name} expected, around the student's own earlier functions", result.second, limit)
    for difference in result.differences:
        if limit == ALL or not result.carried:
            yield from _entries(difference, limit)


def _largest(differences: list[Difference]) -> str:
    worst = max(differences, key=lambda d: (d.wrong, d.largest), default=None)
    if worst is None or not worst.size:
        return ""
    count = sum(d.wrong for d in differences)
    many = f", {count} of {sum(d.size for d in differences)} entries" if count else ""
    return f"{many}; the largest difference is {worst.largest:.2g}, {worst.allowed:.2g} is allowed there"


def _entries(difference: Difference, limit: int) -> Iterator[str]:
    shown = difference.entries if limit == ALL else difference.entries[:ENTRIES]
    if not shown:
        return
    rows = [("index", "expected", "got", "difference", "allowed")]
    for e in shown:
        index = difference.where + (str(list(e.index)) if e.index else "")
        numbers = isinstance(e.want, (int, float)) and isinstance(e.got, (int, float))
        apart = f"{float(e.got) - float(e.want):.3g}" if numbers else ""
        rows.append((index or "-", _number(e.want), _number(e.got), apart, f"{e.allowed:.2g}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield printable("    " + "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)))
    if difference.wrong > len(shown):
        yield f"    ... and {difference.wrong - len(shown)} more"


def _number(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)[:40]


def _mutants(found: Explanation, full: bool) -> Iterator[str]:
    yield "known mistakes that were tried, and the draws on which they give what came"
    rows = [("mistake", "result", "equal on", "differs from the solution on", "")]
    for near in found.mutants if full else found.mutants[:NEAREST]:
        rows.append((near.mutant, near.result, f"{near.equal} of {near.draws}", f"{near.tells} of {near.draws}",
                     "named" if near.named else ""))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield printable("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)))
    if len(rows) - 1 < len(found.mutants):
        yield f"  ... and {len(found.mutants) - len(rows) + 1} more (--full)"


def _value(name: str, value: Any, limit: int, indent: str = "  ") -> Iterator[str]:
    """A value's form, and its entries where they are at most `limit`; the arrays of a list on lines of their own."""
    if isinstance(value, np.ndarray) and value.ndim:
        yield printable(f"{indent}{name}: {value.shape} {value.dtype}")
        if value.size <= limit:
            exact = {"precision": 17, "floatmode": "unique"} if limit == ALL else {"precision": 6}
            room = WIDTH - len(indent) - 2
            body = np.array2string(value, threshold=value.size + 1, max_line_width=room, **exact)
            yield from (printable(f"{indent}  {line}") for line in body.split("\n"))
    elif isinstance(value, (bool, int, float, np.generic, np.ndarray, type(None))):
        yield from _wrapped(f"{name}: {value}"[:CUT], indent)
    elif type(value) in (list, tuple, dict) and len(indent) < 20 and _holds_arrays(value):
        yield printable(f"{indent}{name}: {described(value)} of {len(value)}")
        items = list(value.items() if type(value) is dict else enumerate(value))
        shown = items if limit == ALL else items[:ITEMS]
        for key, item in shown:
            yield from _value(f"[{key!r}]"[:40], item, limit, indent + "  ")
        if len(shown) < len(items):
            yield f"{indent}  ... and {len(items) - len(shown)} more (--full)"
    else:
        with np.printoptions(precision=6, threshold=SMALL, linewidth=WIDTH):
            body = " ".join(repr(value).split())
        yield from _wrapped(f"{name}: {described(value)}, {body}"[:None if limit == ALL else CUT], indent)


def _holds_arrays(value: Any) -> bool:
    """Is there an array in a list, a tuple or a dict, or in one inside of it?"""
    if isinstance(value, np.ndarray):
        return bool(value.ndim)
    if type(value) is dict:
        return any(map(_holds_arrays, value.values()))
    return type(value) in (list, tuple) and any(map(_holds_arrays, value))


def _wrapped(line: str, indent: str) -> Iterator[str]:
    """A line of ours, continued with more indentation where it is too long for a terminal."""
    yield from textwrap.wrap(printable(line), WIDTH, initial_indent=indent, subsequent_indent=indent + "  ",
                             break_on_hyphens=False) or [indent]


def _message(cell: dict[str, Any]) -> Iterator[str]:
    """The feedback of a cell, in lines that fit a terminal."""
    lines = notebook_out.message(cell).rstrip("\n").split("\n")
    yield from _quoted("\n".join(part for line in lines for part in textwrap.wrap(line, WIDTH - 4) or [""]))


def _quoted(body: str, full: bool = False) -> Iterator[str]:
    """A text of the student's, or about the student: each line marked, cut and without control characters."""
    lines = body.rstrip("\n").split("\n") if body else []
    most = len(lines) if full else LINES
    for line in lines[:most]:
        yield f"  | {printable(line.expandtabs(4))[:CUT]}"
    if len(lines) > most:
        yield f"  | ... {len(lines) - most} more lines (--full)"
