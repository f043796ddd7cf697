"""The instructor's part of a term's version: texts of an assignment that become others, before anything is renamed.

    texts, places = replaced({"notebook.py": ..., "checks.py": ...}, {"i, f, o, g = np.split": "f, i, g, o = np.split"})
    found = turned(found, texts, folder)        # the assignment with these texts
    look = left_behind(found)                   # which visible tests and variants hold the old order still

No program knows which rows of a matrix are a gate: they stand in code, in numbers of a visible test, in sentences.
So the texts are chosen by hand. All are replaced in one pass, the longest first where two begin at the same place, so
that two texts may change places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path

from autograder.assignment import Assignment
from autograder.course import open_assignment, write_atomically
from autograder.errors import AutograderError
from autograder.prove import graded, seeds, visible_test_passes

SHOWN = 90          # characters of a line in a message


class BlocksError(AutograderError):
    """The texts cannot be replaced as asked, or the assignment does not hold together afterwards."""


def replaced(texts: Mapping[str, str], blocks: Mapping[str, str]) -> tuple[dict[str, str], dict[str, int]]:
    """The files with all of `blocks` replaced, and at how many places each one stood. Raises BlocksError."""
    for old, new in blocks.items():
        if not old.strip() or not isinstance(new, str):
            raise BlocksError(f'[blocks] holds {old!r} = {new!r}: "a text of the assignment" = "what it becomes"')
    places = dict.fromkeys(blocks, 0)
    pattern = re.compile("|".join(re.escape(old) for old in sorted(blocks, key=len, reverse=True)))

    def other(match: re.Match[str]) -> str:
        places[match[0]] += 1
        return blocks[match[0]]

    made = {part: pattern.sub(other, text) if blocks else text for part, text in texts.items()}
    for old, count in places.items():
        if not count and any(old in text for text in texts.values()):
            raise BlocksError(f"[blocks]: {old!r} stands only inside of other texts of the table: leave it out")
        if not count:
            raise BlocksError(f"[blocks]: {old!r} stands neither in {' nor in '.join(texts)}. The nearest line is "
                              f"{_nearest(old, texts)}")
    return made, places


def _nearest(old: str, texts: Mapping[str, str]) -> str:
    """File, number and text of the line that has most of the longest line of `old` in it."""
    wanted = max((line.strip() for line in old.splitlines()), key=len)
    best, where = -1, ""
    for part, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            matcher = SequenceMatcher(None, wanted, line.strip(), autojunk=False)
            common = sum(block.size for block in matcher.get_matching_blocks() if block.size > 2)
            if common > best:
                best, where = common, f"{part}:{number}: {line.strip()[:SHOWN]}"
    return where


def turned(found: Assignment, texts: Mapping[str, str], folder: Path) -> Assignment:
    """The assignment with these texts, in this folder. Raises BlocksError where its files do not fit together."""
    for part, text in texts.items():
        write_atomically(folder / part, text)
    try:
        new = open_assignment(folder)
    except AutograderError as error:
        raise BlocksError(f"{found.name} does not hold together after its [blocks]: "
                          f"{str(error).replace(str(folder), found.name)}") from None
    for check in new.checks.values():
        for mutant in check.mutants:
            if check.source(mutant) == check.source():
                raise BlocksError(f"[blocks]: after them, mutant '{mutant.name}' of {check.function} changes nothing: "
                                  "its other text has to be in [blocks] too")
    return new


def left_behind(found: Assignment) -> list[str]:
    """What does not fit the solution: visible tests with the old numbers, variants in the old order."""
    look = []
    for check in found.checks.values():
        source = check.source()
        if source is None or not visible_test_passes(found, check, source):
            look.append(f"the visible test of {check.function} does not pass: do its numbers hold the old order?")
        for variant in check.variants:
            [(_, result)] = graded(check, variant.source, seeds(1))
            if result.score < check.points:
                look.append(f"variant '{variant.name}' of {check.function} has {result.score:g} of {check.points:g} "
                            "points: does it hold the old order?")
    return look
