"""CSV as learning platforms and spreadsheets write it: read in any of their habits, write back in the same one.

A platform takes its own file back only as it wrote it: separator, byte-order mark and line ends are kept.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from autograder.course import write_atomically
from autograder.errors import AutograderError

MAX_BYTES = 64 << 20
FORMULA = ("=", "+", "-", "@")


@dataclass
class Table:
    """A header and rows of the same length, and how the file was written."""

    header: list[str]
    rows: list[list[str]] = field(default_factory=list)
    separator: str = ","
    encoding: str = "utf-8"
    newline: str = "\r\n"

    def column(self, *names: str) -> int | None:
        """The index of the first column with one of these names, whatever the case and the spaces."""
        known = [fold(h) for h in self.header]
        return next((known.index(fold(n)) for n in names if fold(n) in known), None)

    def text(self) -> str:
        out = io.StringIO()
        csv.writer(out, delimiter=self.separator, lineterminator=self.newline).writerows([self.header, *self.rows])
        return out.getvalue()

    def write(self, path: Path) -> None:
        """Write the file whole or not at all."""
        write_atomically(path, self.text().encode(self.encoding))


def read(path: Path) -> Table:
    """The table in a CSV file; raises AutograderError where there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as e:
        raise AutograderError(f"'{path}' cannot be read: {e.strerror}") from None
    if len(data) > MAX_BYTES:
        raise AutograderError(f"'{path}' has over {MAX_BYTES >> 20} MB: it should be a table of a class")
    if data[:2] == b"PK":
        raise AutograderError(f"'{path}' is a spreadsheet, not CSV: save it as CSV (UTF-8)")
    encoding, text = _decode(data)
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as e:
        raise AutograderError(f"'{path}' is not CSV: {e}") from None
    rows = [r for r in rows if any(c.strip() for c in r)]
    if not rows:
        raise AutograderError(f"'{path}' is empty")
    width = len(rows[0])
    fitted = [(r + [""] * width)[:max(width, len(r))] for r in rows[1:]]
    return Table([h.strip() for h in rows[0]], fitted, separator, encoding,
                 "\r\n" if "\r\n" in text else "\n")


def _decode(data: bytes) -> tuple[str, str]:
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        marked = data.startswith(b"\xef\xbb\xbf")
        return ("utf-8" if encoding == "utf-8-sig" and not marked else encoding), text
    return "latin-1", data.decode("latin-1")


def fold(text: str) -> str:
    """A name for comparing: one space between words, no case, one way of writing an accent."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def squash(text: str) -> str:
    """The letters and digits of a name alone, as Canvas puts it into a file name."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


def harmless(text: str) -> str:
    """Text that a student chose, so that no spreadsheet reads it as a formula (a number may keep its sign)."""
    shown = "".join(ch if ch.isprintable() or ch in "\n" else " " for ch in text)
    start = unicodedata.normalize("NFKC", shown).lstrip()       # a wide = is one too
    if not start.startswith(FORMULA) or re.fullmatch(r"[-+]?\d+([.,]\d+)?|=\"[^\"]*\"", start):
        return shown                                            # a number keeps its sign, and Canvas quotes as ="..."
    return "'" + shown
