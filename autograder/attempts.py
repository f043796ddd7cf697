"""Attempts: each changed submission that is graded is kept, and the course's policy says which one counts.

    DIR/.autograder/attempts/A/STUDENT/001/      one attempt: the notebooks that were graded, timestamp.txt,
        result.json, outcome.json.gz             its result, and all that the gradebook and the pages need of it

    [attempts]               # course.toml
    policy = "best"          # last | best | first
    limit = 3                # how many count; 0: all

The gradebook, results/A/STUDENT.json and autograded/STUDENT/A hold the one that counts. So another policy is a matter
of writing, and nothing is run. result.json is written last: an attempt without one is not there, and a run that was
killed makes it again under the same number.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from autograder import pipeline
from autograder.course import Course, read_record, write_atomically
from autograder.errors import CourseError
from autograder.sheet import TIMESTAMP
from autograder.workers import Outcome

RESULT, OUTCOME = "result.json", "outcome.json.gz"
NOTE = "which-attempt"      # the id of the cell that tells a student which one counts


@dataclass(frozen=True)
class Attempt:
    """One kept attempt of a student."""

    folder: Path
    number: int

    @cached_property
    def result(self) -> dict[str, Any]:
        """Its result; empty where it is broken."""
        found = read_record(self.folder / RESULT)
        return found if found.get("version") == pipeline.VERSION else {}

    def outcome(self) -> Outcome:
        """All that grading it gave. Raises CourseError where the file is damaged."""
        path = self.folder / OUTCOME
        try:
            data = json.loads(gzip.decompress(path.read_bytes()))
            blank = frozenset((notebook, cell) for notebook, cell in data["blank"])
            return Outcome(data["student"], data["result"], data["notebooks"], blank, data["timestamp"])
        except (OSError, EOFError, ValueError, KeyError, TypeError) as e:
            raise CourseError(f"{path} is damaged ({type(e).__name__}): delete {self.folder / RESULT} "
                              "and grade again") from None

    @property
    def complete(self) -> bool:
        return bool(self.result) and (self.folder / OUTCOME).is_file()


def results(course: Course, assignment: str, student: str) -> list[dict[str, Any]]:
    """The results of a student's attempts, oldest first; each has its number in "attempt"."""
    return [a.result for a in kept(course, assignment, student)]


def kept(course: Course, assignment: str, student: str) -> list[Attempt]:
    """A student's attempts, oldest first."""
    folder = place(course, assignment, student)
    numbers = sorted(int(p.name) for p in folder.iterdir() if p.name.isdecimal()) if folder.is_dir() else []
    found = [Attempt(folder / f"{n:03d}", n) for n in numbers]
    return [a for a in found if a.complete]


def keep(course: Course, out: Outcome, number: int, *, again: bool = False) -> None:
    """Keep a graded submission as a student's attempt `number`; `again`: it is there, and only its outcome is new.

    What is kept are the bytes that were graded: the submission may have changed while its code ran.
    """
    name = out.result["assignment"]
    folder = place(course, name, out.student) / f"{number:03d}"
    if not again:
        shutil.rmtree(folder, ignore_errors=True)       # what a killed run has left
        folder.mkdir(parents=True)
        for file, content in out.files.items():
            (folder / file).write_bytes(content)
    out.result["attempt"] = number
    if out.timestamp:
        write_atomically(folder / TIMESTAMP, out.timestamp)
    data = {"student": out.student, "result": out.result, "notebooks": out.notebooks,
            "blank": sorted(out.blank), "timestamp": out.timestamp}
    write_atomically(folder / OUTCOME, gzip.compress(json.dumps(data).encode(), 1, mtime=0))
    write_atomically(folder / RESULT, pipeline.to_json(out.result))


def place(course: Course, assignment: str, student: str) -> Path:
    """The folder of a student's attempts."""
    return course.private / "attempts" / assignment / student


# the policy -----------------------------------------------------------------------------------------------------------

def eligible(course: Course, numbers: Sequence[int]) -> list[int]:
    """The attempts whose results the policy looks at: one for last and first, all within the limit for best."""
    policy, limit = course.attempts
    within = [n for n in numbers if not limit or n <= limit]
    return within if policy == "best" else within[-1:] if policy == "last" else within[:1]


def select(course: Course, found: Sequence[Attempt], waiting: Callable[[Attempt], int]) -> Attempt:
    """The attempt that counts, of at least one; `waiting`: how many of its cells wait for a person.

    Of equally good ones the one with the most of these: an answer written the second time is read too.
    """
    best = best_of(course, {a.number: a.result for a in found})
    within = eligible(course, sorted(a.number for a in found))
    equal = [a for a in found if a.number in within and a.result.get("score") == best.get("score")]
    return max(equal, key=lambda a: (waiting(a), -a.number))


def best_of(course: Course, found: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """Of results by the attempt's number the one that counts; of equally good ones the first, the least late."""
    number = max(eligible(course, sorted(found)), key=lambda n: (float(found[n].get("score", 0.0)), -n))
    return found[number]


def dressed(course: Course, result: Mapping[str, Any], made: int) -> dict[str, Any]:
    """The result that counts, with what is to be said about the choice."""
    policy, limit = course.attempts
    about = {"made": made, "policy": policy, "limit": limit}
    said = list(sentences(result["attempt"], made, policy, limit))
    return {**result, "attempts": about, "notes": [*said, *result.get("notes", [])]}


def sentences(number: int, made: int, policy: str, limit: int) -> Iterator[str]:
    """What student and instructor read about the choice; nothing where there was none."""
    if limit and made > limit:
        over = f"attempt {made} is" if made == limit + 1 else f"attempts {limit + 1} to {made} are"
        yield f"{over} over the limit of {limit}, recorded, and {'does' if made == limit + 1 else 'do'} not count"
    if made > 1 and policy != "last":
        yield f"attempt {number} of {made} counts: the {policy} one does in this course"
    elif limit and made > limit:
        yield f"attempt {number} counts: the last one within the limit"


def with_note(text: str, said: Sequence[str]) -> str:
    """A graded notebook's JSON with a first cell that tells the student which attempt it is."""
    if not said:
        return text
    nb = json.loads(text)
    lines = "\n".join(f"- {s[0].upper()}{s[1:]}." for s in said)
    nb["cells"].insert(0, {"cell_type": "markdown", "id": NOTE, "metadata": {}, "source": lines})
    return json.dumps(nb, indent=1, ensure_ascii=False) + "\n"


def chosen(course: Course, out: Outcome, made: int) -> Outcome:
    """The outcome of the attempt that counts, as it is written to gradebook, results and pages."""
    policy, limit = course.attempts
    said = list(sentences(out.result["attempt"], made, policy, limit))
    notebooks = {name: with_note(text, said) for name, text in out.notebooks.items()}
    return Outcome(out.student, dressed(course, out.result, made), notebooks, out.blank, out.timestamp, out.used)
