"""Progress and tables: rich on a terminal, plain lines in a pipe, a log or where rich is absent."""

from __future__ import annotations

import sys
import textwrap
import time
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from autograder.check import Check
    from autograder.prove import Proof
    from autograder.status import AssignmentStatus, StudentStatus
    from autograder.vary import Varied


GAP = 2                     # spaces between two columns of a table
TOTAL, REMARK = 12, 22      # columns that are kept free for the total, and for what is remarked on a submission


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
    """A bar on a terminal, a line a submission otherwise; rate and time left on both; on stderr.

    `with` it: the end says how long the run took, what of it students' code was, and which sandbox held it.
    """

    PERIOD = 10.0               # seconds between two lines about the rate, where there is no bar

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._total = self._done = self._rewritten = 0
        self._began = self._told = time.perf_counter()
        self._times: deque[float] = deque(maxlen=100)       # when the last ones were done
        self._students = self._grader = 0.0
        self._layers: Counter[str] = Counter()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._done:
            self._end()
        if self._rewritten:
            self._line(f"{self._rewritten} written anew without running anything: another attempt counts now, or a "
                       "part of what was written is gone")

    def start(self, new: int, old: int) -> None:
        """`new` submissions will be graded, `old` ones stand already."""
        self._total, self._began = new, time.perf_counter()
        if old:
            self._line(f"{old} already graded and unchanged (--force grades them again)")
        console = _console(sys.stderr)
        if console is not None and new:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                            TextColumn("{task.fields[pace]}"), console=console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("grading", total=new, pace="")

    def step(self, result: Mapping[str, Any]) -> None:
        """One submission is graded and saved."""
        self._done += 1
        now = time.perf_counter()
        self._times.append(now)
        self._layers[", ".join(result.get("layers") or ()) or ("none" if result["status"] == "graded" else "")] += 1
        if self._bar is not None:
            self._bar.update(self._task, advance=1, pace=self.pace())
            if result["status"] != "graded":
                self._bar.console.print(printable(result["student"]) + _reason(result, ": "), markup=False,
                                        highlight=False)
            return
        score = f"{_number(result['score'])} of {_number(result['max_score'])}"
        self._line(f"[{self._done}/{self._total}] {printable(result['student'])}: {score}" + _reason(result, ": "))
        if now - max(self._told, self._began) >= self.PERIOD and (pace := self.pace()):
            self._told = now
            self._line(pace)

    def rewritten(self, result: Mapping[str, Any]) -> None:
        """Nothing was run for this submission, and what it stands at was written again."""
        self._rewritten += 1

    def used(self, students: float, grader: float) -> None:
        """Seconds of a processor that the last submission took: the student's code, and the grader around it."""
        self._students += students
        self._grader += grader

    def pace(self) -> str:
        """Submissions a second, lately, and the time left at that rate; empty as long as nothing is known."""
        took = self._times[-1] - self._times[0] if self._times else 0.0
        if took <= 0:
            return ""
        rate = (len(self._times) - 1) / took
        left = round((self._total - self._done) / rate)
        return f"{_rate(rate)}, {left // 60}:{left % 60:02} left"

    def _end(self) -> None:
        took = time.perf_counter() - self._began
        self._line(f"{counted(self._done, 'submission')} in {took:.1f} s ({_rate(self._done / took)}); processor time: "
                   f"students' code {self._students:.1f} s, grader {self._grader:.1f} s")
        held = {kind: n for kind, n in self._layers.most_common() if kind}
        self._line("sandbox: " + "; ".join(f"{kind} ({n})" if len(held) > 1 else kind for kind, n in held.items()))

    def tell(self, text: str) -> None:
        """A line beside the bar."""
        if self._bar is not None:
            self._bar.console.print(printable(text), markup=False, highlight=False)
        else:
            self._line(printable(text))

    def _line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def table(results: Sequence[Mapping[str, Any]]) -> None:
    """The scores of a run, one row a student, one column a cell; on stdout."""
    if not results:
        return
    cells: dict[tuple[str, str], str] = {}
    found = []
    for r in results:           # once: each is read from its file
        named = {(c.get("notebook", ""), c["grade_id"]): c for c in r["cells"]}
        cells |= {key: f"{c.get('function') or c['grade_id']} /{_number(c['points'])}" for key, c in named.items()}
        got = {key: _number(c["score"]) for key, c in named.items()}
        found.append((printable(r["student"]), got, float(r["score"]), _remark(r)))
    out_of = _number(results[0]["max_score"])
    head, shown = _fitting(cells, [got for _, got, _, _ in found], max(len(student) for student, *_ in found))
    grid(["student", *head, f"total /{out_of}", ""],
         [[student, *(got.get(c, "") for c in shown), _number(score), remark] for student, got, score, remark in found])
    print(f"{counted(len(found), 'submission')}, mean {sum(score for _, _, score, _ in found) / len(found):.1f} of "
          f"{out_of}")


def _fitting(cells: Mapping[tuple[str, str], str], scores: Sequence[Mapping[tuple[str, str], str]],
             student: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Headings and cells of the table's columns: all of them in a pipe and where a terminal has the room, otherwise
    numbers under a legend, as many as there is room for. `student`: the width of the first column."""
    console = _console(sys.stdout)
    names, keys = list(cells.values()), list(cells)
    room = 0 if console is None else console.width - max(student, len("student")) - TOTAL - REMARK
    if console is None or sum(len(name) + GAP for name in names) <= room:
        return names, keys
    wide = max([len(got.get(key, "")) for got in scores for key in keys] + [len(str(len(keys)))]) + GAP
    fit = max(1, min(len(keys), room // wide))
    legend = "  ".join(f"{i}:\xa0{name}".replace(" ", "\xa0") for i, name in enumerate(names[:fit], 1))
    for line in textwrap.wrap(legend, console.width, break_long_words=False, break_on_hyphens=False):
        print(line.replace("\xa0", " "))
    if fit < len(keys):
        print(f"{len(keys) - fit} more in a wider window")
    return [str(i) for i in range(1, fit + 1)], keys[:fit]


def failures(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """What failed on the grader's side, one line each: a score there is no student's fault."""
    found = [(r["student"], i) for r in results for i in r.get("incidents", []) if i["kind"] == "error"]
    return [printable(f"look at {student}{', ' + i['cell'] if i['cell'] else ''}: {i['text']}") for student, i in found]


def status(rows: Sequence[AssignmentStatus], last_backup: str | None) -> None:
    """What `autograder status` found; on stdout."""
    if not rows:
        print("no assignments")
        return

    def score(value: float | None) -> str:
        return "" if value is None else _number(value)

    head = ["assignment", "submitted", "graded", "waiting", "cells by hand", "unreadable", "errors", "mean", "median",
            "of", "last graded (UTC)", ""]
    grid(head,
         [[printable(r.assignment), *(str(n) for n in (r.submitted, r.graded, r.waiting, r.manual, r.unreadable,
                                                       r.errors)),
           score(r.mean), score(r.median), score(r.max_score), _minute(r.last_graded),
           f"{r.outdated} graded by other checks or limits" if r.outdated else ""] for r in rows], left={0, 10, 11})
    for note in dict.fromkeys(n for r in rows for n in r.notes):
        print(printable(note))
    print(f"last backup of the gradebook: {_minute(last_backup) or 'none'}")


def students(rows: Sequence[StudentStatus]) -> None:
    """What `autograder status DIR ASSIGNMENT` found, one row a submission; on stdout."""
    def number(value: float | None) -> str:
        return "" if value is None else _number(value)

    head = ["student", "score", "of", "penalty", "cells by hand", "attempt", "handed in (UTC)", "hours late", "status"]
    grid(head, [[printable(r.student), number(r.score), number(r.max_score), number(r.penalty or None),
                 number(r.manual or None), f"{r.attempt} of {r.attempts}" if r.attempts else "", _minute(r.submitted),
                 number(r.late_hours or None), printable(", ".join([r.status, *r.incidents]))] for r in rows],
         left={0, 6, 8})
    print(counted(len(rows), "submission"))


def _minute(time: str | None) -> str:
    """An ISO time to the minute."""
    return (time or "")[:16].replace("T", " ")


def proofs(found: Sequence[tuple[Check, Proof]]) -> None:
    """What `autograder check` found, one row a mutant: its price, how often it was named, who notices it; on stdout."""
    rows = []
    for check, proof in found:
        for m in check.mutants:
            price = " or ".join(map(_number, proof.price.get(m.name, []))) or "?"
            seen = {True: "fails", False: "passes", None: "?"}[proof.noticed.get(m.name)]
            rows.append([check.function, m.name, f"{price} of {_number(check.points)}",
                         f"{proof.killed.get(m.name, 0)} of {proof.seeds}",
                         f"{proof.named.get(m.name, 0)} of {proof.seeds}", seen])
    grid(["function", "mistake", "costs", "killed", "named", "visible test"], rows, left={0, 1, 5})
    for check, proof in found:
        for pair in proof.alike:
            print(f"{check.function}: {' and '.join(pair)} cannot be told apart, and need not be: their sentence is one"
                  if len({m.says for m in check.mutants if m.name in pair}) == 1 else
                  f"{check.function}: {' and '.join(pair)} cannot be told apart")
    right = sum(1 + len(check.variants) for check, _ in found)
    unseen = sum(not n for _, proof in found for n in proof.noticed.values())
    faults = sum(len(proof.faults) for _, proof in found)
    print(f"{counted(len(rows), 'mistake')} ({unseen} pass{'es' if unseen == 1 else ''} the visible test), "
          f"{counted(right, 'right answer')}, {counted(faults, 'fault')}")


def varied(made: Varied) -> None:
    """What `autograder vary` made, one row a function; on stdout."""
    grid(["function", "was", "arguments"],
         [[new, old, ", ".join(made.order.get(new, [])) or "as they were"] for old, new in made.functions.items()],
         left={0, 1, 2})
    if made.arguments:
        print("arguments: " + ", ".join(f"{new} for {old}" for old, new in made.arguments.items()))
    for text in made.stays:
        print(f"not varied: {text}")
    if made.blocks:
        print(f"blocks: {len(made.blocks)} of your texts replaced at {counted(sum(made.blocks.values()), 'place')}")
    else:
        print("not varied: the order of blocks inside of an array (gates in one matrix) and of results. They are yours "
              "to choose: [blocks] of --names says which texts become which, docs/instructors.md has an example")
    for text in made.look:
        print(f"look at: {text}")


def each(items: Sequence[Any], label: str) -> Iterator[Any]:
    """The items one by one, with a bar on stderr where that is a terminal."""
    console = _console(sys.stderr)
    if console is None:
        yield from items
        return
    from rich.progress import track

    yield from track(items, label, console=console, transient=True)


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


def _rate(per_second: float) -> str:
    if per_second >= 0.95:
        return f"{per_second:.1f} a second"
    seconds = 1 / max(per_second, 1e-9)
    return f"one in {seconds:.{1 if seconds < 10 else 0}f} s"


def counted(n: int, what: str) -> str:
    """A number and its noun: 1 submission, 2 submissions."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


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
