"""Results without anything that says whose they are, for a report that a class may see."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from autograder.summary import function_of

QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`")
SHORT = 3               # a student "bo" is in half of all words


def without_names(results: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The results under the pseudonyms `names` (by student).

    Notes and incidents may hold names of files and people: what is quoted in them goes, but for the functions that are
    graded, and every student's name.
    """
    results = list(results)
    real = sorted((n for n in names if len(n) >= SHORT), key=len, reverse=True)
    told = re.compile("|".join(map(re.escape, real))) if real else None
    graded = {function_of(c) for r in results for c in r.get("cells") or []}

    def text(value: Any) -> str:
        said = QUOTED.sub(lambda m: m[0] if m[0][1:-1] in graded else "'...'", str(value))
        return told.sub("...", said) if told else said

    return [dict(r) | {
        "student": names[str(r.get("student", ""))], "notes": [text(n) for n in r.get("notes") or []],
        "incidents": [{**i, "text": text(i.get("text", ""))} for i in r.get("incidents") or []]} for r in results]
