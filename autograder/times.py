"""When something was handed in: from a platform's record to the line that nbgrader keeps beside a submission.

A submission's time decides about a late penalty, so one that is not known is None and never a guess; without a
timestamp.txt nbgrader takes a submission as on time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from autograder.errors import AutograderError
from autograder.sheet import TIMESTAMP

FORM = "%Y-%m-%d %H:%M:%S.%f UTC"       # nbgrader's Exchange.timestamp_format in its default zone
A_SECOND = timedelta(seconds=1)

# Learning platforms write dates in the language of their user.
GERMAN = {"Januar": "January", "Februar": "February", "März": "March", "Mai": "May", "Juni": "June", "Juli": "July",
          "Oktober": "October", "Dezember": "December", "Montag": "", "Dienstag": "", "Mittwoch": "", "Donnerstag": "",
          "Freitag": "", "Samstag": "", "Sonntag": ""}


def zone(name: str | None) -> tzinfo | None:
    """The time zone called `name` ("Europe/Berlin"); None is this machine's. Raises AutograderError."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise AutograderError(f"no time zone '{name}'. Write it as in Europe/Berlin or UTC") from None


def to_utc(local: datetime, where: tzinfo | None) -> datetime:
    """A time without a zone, read as of `where` (None: this machine's zone)."""
    return (local.astimezone() if where is None else local.replace(tzinfo=where)).astimezone(UTC)


def stamp(time: datetime) -> str:
    """The content of timestamp.txt."""
    return time.astimezone(UTC).strftime(FORM)


def parse(text: str, where: tzinfo | None = UTC) -> datetime | None:
    """The time in a timestamp.txt or in a platform's table; None where there is none. A zone in the text wins."""
    from nbgrader.utils import parse_utc

    text = " ".join(text.split())[:100]
    for word, english in GERMAN.items():
        text = text.replace(word, english)
    if not any(ch.isdigit() for ch in text):        # "-": dateutil reads an empty date as today
        return None
    try:
        found: Any = _dated(text)
        if found is None:
            found = parse_utc(text)     # nbgrader's own reading of "... Europe/Berlin"
            return found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError):
        return None
    return to_utc(found, where)


def _dated(text: str) -> datetime | None:
    """The date in `text` if it names no zone."""
    from dateutil import parser

    if len(text.split(" ")) == 3 and text[:4].isdigit():
        return None                     # nbgrader's form, with a zone
    found = parser.parse(text.lstrip(", "), dayfirst=not text[:4].isdigit())
    return None if found.tzinfo else found


def read(folder: Path) -> datetime | None:
    """The time that a submission's folder records."""
    try:
        return parse((folder / TIMESTAMP).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
