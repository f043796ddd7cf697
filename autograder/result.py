"""What grading one cell gave: plain data, written to the result JSON and read by report, feedback and gradebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

TIMES = ("started", "seconds")      # all that differs when the same submission is graded again

# ok: all points. partial: some. wrong: none, though the function ran. The others say why nothing was judged.
REASONS = ("ok", "partial", "wrong", "not_written", "raises", "timeout", "died", "missing", "check_error")


@dataclass
class PartResult:
    """One part: `earned` of `points`; `sentence` says why it was lost, "" where the message already does."""

    name: str
    points: float
    earned: float
    ok: bool
    sentence: str = ""


@dataclass
class Misconception:
    """A mutant whose output the student's function gives. `family` is the same idea in several functions."""

    mutant: str
    sentence: str
    outputs: list[str]
    family: str = ""


@dataclass
class CellResult:
    """The verdict on one graded cell. No text in it holds an entry of a drawn array or an expected value."""

    grade_id: str
    function: str
    points: float
    score: float
    parts: list[PartResult] = field(default_factory=list)
    reason: str = "wrong"
    message: str = ""
    misconceptions: list[Misconception] = field(default_factory=list)
    question: str | None = None
    notes: list[str] = field(default_factory=list)
    seed: str = ""
    seconds: float = 0.0
    slide: str = ""
    equation: str = ""
    sound: frozenset[str] = field(default=frozenset(), compare=False)   # see oracle.grade_cell; not written down
    cause: tuple[str, str] | None = field(default=None, compare=False)  # see carried.cause_of; not written down

    def to_dict(self) -> dict[str, Any]:
        found = asdict(self)
        del found["sound"], found["cause"]
        return found

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CellResult:
        """The inverse of to_dict. Keys that this version does not know are left out."""
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        known["parts"] = [PartResult(**p) for p in data.get("parts", [])]
        known["misconceptions"] = [Misconception(**m) for m in data.get("misconceptions", [])]
        return cls(**known)


def timeless(result: Any) -> Any:
    """A result, or a part of one, without the times in it: what a regrade repeats to the byte."""
    if isinstance(result, Mapping):
        return {key: timeless(value) for key, value in result.items() if key not in TIMES}
    return [timeless(item) for item in result] if isinstance(result, list) else result
