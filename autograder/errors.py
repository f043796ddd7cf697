"""What the instructor did or has that stops a command: one line on stderr, exit code 2.

    AutograderError            text for a person; the command line prints it and exits with 2
     +- CourseError            the folder is not a course, or its settings cannot be read
     +- UnknownName            no such assignment or student; names the nearest that there is
     +- Busy                   another run holds the course

A student's mistake is never one of these: it ends as a score with a reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AutograderError(Exception):
    """A message for the instructor, in one line, that says what to type next where there is something to type."""


class CourseError(AutograderError):
    """The folder is not a course, or a file in it cannot be used."""


class UnknownName(AutograderError):
    """A name that the course does not have."""

    def __init__(self, kind: str, name: str, where: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        text = f"no {kind} '{name}' in {where}."
        if near:
            text += f" Did you mean '{near[0]}'?"
        elif not names:
            text += " There are none yet."
        super().__init__(f"{text} ({hint})" if hint else text)


class Busy(AutograderError):
    """One run at a time on a course: two would write the same rows."""
