"""What a run says: tables on stdout, progress and prose on stderr; by rich on a terminal, as plain lines elsewhere."""
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any, TextIO, TypeVar

T = TypeVar("T")
PLAIN_EVERY = 10.0                             # seconds between two plain lines of one loop: a log file stays readable


class Console:
    """Where a run speaks.

    tables: the stream of tables (stdout unless given; `--json` needs stdout for itself).  quiet: say nothing at all.
    """

    def __init__(self, tables: TextIO | None = None, quiet: bool = False) -> None:
        self.tables = tables or sys.stdout
        self.quiet = quiet

    def say(self, text: str = "") -> None:
        """A line of prose, on stderr."""
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def progress(self, items: Iterable[T], label: str, note: Callable[[], str] = str) -> Iterator[T]:
        """Yield from `items` and show how far the loop is; note() gives the numbers to show beside it."""
        total = len(items) if isinstance(items, Sized) else None
        if self.quiet:
            yield from items
        elif _rich(sys.stderr):
            yield from _bar(items, label, note, total)
        else:
            yield from self._lines(items, label, note, total)

    def _lines(self, items: Iterable[T], label: str, note: Callable[[], str], total: int | None) -> Iterator[T]:
        start = said = time.perf_counter()
        done = 0
        for done, item in enumerate(items, 1):
            yield item
            now = time.perf_counter()
            if now - said > PLAIN_EVERY and done != total:
                said = now
                self.say(f"{label}  {done}{f'/{total}' if total else ''}  {note()}".rstrip())
        self.say(f"{label}  {done}{f'/{total}' if total else ''}  {note()}  {time.perf_counter() - start:.1f} s")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Print rows under a title; numbers stand right, and `number` writes them.  columns: [] for no head."""
        if self.quiet:
            return
        cells = [[number(cell) for cell in row] for row in rows]
        width = len(columns) or max(map(len, rows), default=0)
        right = [any(isinstance(row[i], (int, float)) for row in rows) for i in range(width)]
        if _rich(self.tables):
            from rich import box
            from rich.console import Console as Terminal
            from rich.table import Table
            table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
                          show_header=bool(columns))
            for name, number_like in zip(columns or [""] * width, right, strict=True):
                table.add_column(name, justify="right" if number_like else "left")
            for row in cells:
                table.add_row(*row)
            Terminal(file=self.tables, highlight=False, markup=False).print(table)
            return
        heads = [list(columns)] if columns else []
        widths = [max(map(len, column)) for column in zip(*heads, *cells, strict=True)]
        print(title, file=self.tables)
        for row in [*heads, *([["-" * w for w in widths]] if heads else []), *cells]:
            line = "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
            print("  " + line.rstrip(), file=self.tables)
        print(file=self.tables, flush=True)


def number(value: Any) -> str:
    """A cell as text: four significant digits for floats, "-" for None, else str()."""
    if value is None:
        return "-"
    return f"{value:#.4g}".removesuffix(".") if isinstance(value, float) else str(value)


def _rich(stream: TextIO) -> bool:
    """Is the stream a terminal, and rich installed?"""
    if not stream.isatty():
        return False
    try:
        import rich  # noqa: F401
    except ImportError:
        return False
    return True


def _bar(items: Iterable[T], label: str, note: Callable[[], str], total: int | None) -> Iterator[T]:
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=Terminal(stderr=True, highlight=False)) as bar:
        task = bar.add_task(label.replace("[", r"\["), total=total, note="")
        for item in items:
            yield item
            bar.update(task, advance=1, note=note())
