"""Progress and tables: rich on a terminal, plain lines in a pipe, a log or where rich is absent."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from autograder.check import Check
    from autograder.prove import Proof


def _console(stream: TextIO) -> Any:
    """A rich console on a terminal; None for plain lines."""
    if not stream.isatty():
        return None
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        return None
    return Console(file=stream)


class Progress:
    """A bar on a terminal, a line a submission otherwise; on stderr."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._total = self._done = 0
        self._began = time.perf_counter()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, new: int, old: int) -> None:
        """`new` submissions will be graded, `old` ones stand already."""
        self._total, self._began = new, time.perf_counter()
        if old:
            self._line(f"{old} already graded and unchanged (--force grades them again)")
        console = _console(sys.stderr)
        if console is not None and new:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                            console=console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("grading", total=new)

    def step(self, result: Mapping[str, Any]) -> None:
        """One submission is graded and saved."""
        self._done += 1
        if self._bar is not None:
            self._bar.advance(self._task)
            if result["status"] != "graded":
                self._bar.console.print(_reason(result), markup=False, highlight=False)
            return
        score = f"{_number(result['score'])} of {_number(result['max_score'])}"
        self._line(f"[{self._done}/{self._total}] {printable(result['student'])}: {score}" + _reason(result, ": "))

    def _line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def table(results: Sequence[Mapping[str, Any]]) -> None:
    """The scores of a run, one row a student, one column a cell; on stdout."""
    if not results:
        return
    cells = list(dict.fromkeys(c["grade_id"] for r in results for c in r["cells"]))
    names = {c["grade_id"]: c.get("function") or c["grade_id"] for r in results for c in r["cells"]}
    points = {c["grade_id"]: c["points"] for r in results for c in r["cells"]}
    total = f"total /{_number(results[0]['max_score'])}"
    head = ["student", *(f"{names[c]} /{_number(points[c])}" for c in cells), total, ""]
    rows = []
    for r in results:
        got = {c["grade_id"]: _number(c["score"]) for c in r["cells"]}
        rows.append([printable(r["student"]), *(got.get(c, "") for c in cells), _number(r["score"]), _remark(r)])
    grid(head, rows)
    mean = sum(float(r["score"]) for r in results) / len(results)
    print(f"{len(results)} submissions, mean {mean:.1f} of {_number(results[0]['max_score'])}")


def failures(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """What failed on the grader's side, one line each: a score there is no student's fault."""
    found = [(r["student"], i) for r in results for i in r.get("incidents", []) if i["kind"] == "error"]
    return [printable(f"look at {student}{', ' + i['cell'] if i['cell'] else ''}: {i['text']}") for student, i in found]


def status(rows: Sequence[Mapping[str, Any]]) -> None:
    """What `autograder status` found; on stdout."""
    if not rows:
        print("no assignments")
        return
    grid(["assignment", "submitted", "graded", "unreadable", "mean"],
         [[r["assignment"], str(r["submitted"]), str(r["graded"]), str(r["unreadable"]),
           "" if r["mean"] is None else f"{_number(r['mean'])} of {_number(r['max_score'])}"] for r in rows])


def proofs(found: Sequence[tuple[Check, Proof]]) -> None:
    """What `autograder check` found, one row a mutant: its price, how often it was named, who notices it; on stdout."""
    rows = []
    for check, proof in found:
        for m in check.mutants:
            price = " or ".join(map(_number, proof.price.get(m.name, []))) or "?"
            seen = {True: "fails", False: "passes", None: "?"}[m.visible]
            rows.append([check.function, m.name, f"{price} of {_number(check.points)}",
                         f"{proof.named.get(m.name, 0)} of {proof.seeds}", seen])
    grid(["function", "mistake", "costs", "named", "visible test"], rows, left={0, 1, 4})
    right = sum(1 + len(check.variants) for check, _ in found)
    faults = sum(len(proof.faults) for _, proof in found)
    print(f"{len(rows)} mistakes, {right} right answers, {faults} faults")


def printable(text: object) -> str:
    """A folder's name as it can go to a terminal: a student chose it, and it may hold control characters."""
    return "".join(ch if ch.isprintable() else "?" for ch in str(text).encode("utf-8", "replace").decode())


def _remark(result: Mapping[str, Any]) -> str:
    if result["status"] != "graded":
        return _reason(result)
    kinds = sorted({str(i["kind"]) for i in result.get("incidents", [])})
    return ", ".join(kinds)


def _reason(result: Mapping[str, Any], before: str = "") -> str:
    if result["status"] == "graded":
        return ""
    notes = result.get("notes") or [result["status"]]
    return before + printable(f"{result['status']}: {notes[0]}")


def _number(value: Any) -> str:
    return f"{float(value):g}"


def grid(head: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] | None = None) -> None:
    """A table on stdout; the columns in `left` (the first and the last by default) hold text, the others numbers."""
    left = (0, len(head) - 1) if left is None else left
    console = _console(sys.stdout)
    if console is not None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for i, name in enumerate(head):
            table.add_column(Text(name), justify="left" if i in left else "right", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))     # Text: a name with [brackets] is no markup
        console.print(table)
        return
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(cell.ljust(w) if i in left else cell.rjust(w)
                        for i, (cell, w) in enumerate(zip(row, widths, strict=True))).rstrip())
