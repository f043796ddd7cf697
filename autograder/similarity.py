"""Which submissions share code of their own? Winnowing: S. Schleimer, D. Wilkerson, A. Aiken, *Winnowing* (2003).

    found = compare(students, released, published)      # students: {student: {cell: source}}
    found.pairs[0].first, .second, .share, .cells

The code becomes a row of tokens: pygments reads it, self-chosen names are all alike, and so are numbers and texts;
comments and layout go. Every run of K tokens is hashed, and of each W hashes in a row the smallest is kept, so that any
shared run of K + W - 1 tokens shares a fingerprint, wherever it stands. Fingerprints of the released notebook do not
count, nor do those of more than a share of the class: in an exercise most of the code is what everybody must write.
What is left is a student's own, and two students are compared only where both have enough of it.

A high share is material for a talk and no proof: two friends who worked aloud, or one book, look the same.
"""

from __future__ import annotations

import statistics
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

K, W = 10, 5            # any 14 tokens in a row that are shared are found: a line, give or take
ENOUGH = 20             # fingerprints of one's own: some ten lines; below that, equal code is chance
COMMON = 0.1            # in more than this share of the class: what everybody writes ...
FEW, MANY = 5, 40       # ... but never for 5 students or fewer, and always for more than 40, so that pairs stay few
LONGEST = 64 << 10      # characters of one student's that are read; honest ones have 20,000
NEAR = 0.6              # of the own fingerprints of the one who has fewer: a pair is shown

Prints = dict[int, set[str]]        # fingerprint -> the cells that it stands in


@dataclass(frozen=True)
class Pair:
    """Two students with near-identical code. share: of the own fingerprints of the one who has fewer."""

    first: str
    second: str
    share: float
    shared: int
    cells: tuple[str, ...]


@dataclass
class Similarity:
    """What was found in a class."""

    pairs: list[Pair] = field(default_factory=list)             # the most alike first
    groups: list[tuple[str, ...]] = field(default_factory=list)     # three or more who are linked by pairs
    published: dict[str, float] = field(default_factory=dict)   # share of a student's code that the solution has, too
    compared: int = 0           # students with enough code of their own
    students: int = 0

    @property
    def usual(self) -> float:
        """The class's median likeness to the published solution: what is alike without anybody having looked."""
        return statistics.median(self.published.values()) if self.published else 0.0

    @property
    def nearest(self) -> list[tuple[str, float]]:
        """Students by their likeness to the published solution, highest first."""
        return sorted(self.published.items(), key=lambda x: (-x[1], x[0]))


def compare(students: Mapping[str, Mapping[str, str]], released: Iterable[str] = (),
            published: Iterable[str] = ()) -> Similarity:
    """Compare a class. Cost: one reading of each cell, and work in proportion to the fingerprints that few share."""
    template = {p for source in released for p in fingerprints(source)}
    solution = {p for source in published for p in fingerprints(source)} - template
    prints = {name: _of(cells, template) for name, cells in sorted(students.items())}
    holders: defaultdict[int, list[str]] = defaultdict(list)
    for name, found in prints.items():
        for p in found:
            holders[p].append(name)
    most = min(MANY, max(FEW, int(COMMON * len(prints))))
    own = {name: {p for p in found if len(holders[p]) <= most} for name, found in prints.items()}
    enough = {name for name, found in own.items() if len(found) >= ENOUGH}
    shared: Counter[tuple[str, str]] = Counter()
    for names in holders.values():
        if 1 < len(names) <= most:
            names = [n for n in names if n in enough]
            shared.update((a, b) for i, a in enumerate(names) for b in names[i + 1:])
    pairs = []
    for (a, b), count in shared.items():
        share = count / min(len(own[a]), len(own[b]))
        if share >= NEAR:
            both = own[a] & own[b]
            cells = Counter(cell for p in both for cell in prints[a][p])
            pairs.append(Pair(a, b, share, count, tuple(c for c, _ in cells.most_common())))
    pairs.sort(key=lambda p: (-p.share, -p.shared, p.first, p.second))
    like = {name: len(solution & found.keys()) / len(found) for name, found in prints.items()
            if solution and len(found) >= ENOUGH}
    return Similarity(pairs, _groups(pairs), like, len(enough), len(students))


def fingerprints(source: str) -> set[int]:
    """The fingerprints of a text: of each W hashes in a row the smallest."""
    row = tokens(source)
    hashes = [zlib.crc32("\0".join(row[i:i + K]).encode("utf-8", "replace")) for i in range(len(row) - K + 1)]
    if len(hashes) <= W:
        return {min(hashes)} if hashes else set()
    return {min(hashes[i:i + W]) for i in range(len(hashes) - W + 1)}


@lru_cache(maxsize=1024)            # many submissions hold the same untouched or given cell
def tokens(source: str) -> tuple[str, ...]:
    """The code as a row of words that no renaming, comment or layout changes."""
    from pygments.token import Comment, Name, Number, String, Text, Whitespace

    from autograder.bare import kept

    row, quoted, dotted = [], False, False
    for kind, text in _lexer().get_tokens(source):
        if kind in Text or kind in Whitespace or kind in Comment or kind in String.Doc:
            continue
        if kind in String:
            if not quoted:
                row.append("S")
            quoted = True
            continue
        quoted = False
        if kind in Number:
            row.append("N")
        elif kind in Name:
            row.append(text if kept(text, attribute=dotted) else "V")
        else:
            row.append(text)
        dotted = text == "."
    return tuple(row)


@lru_cache(maxsize=1)
def _lexer() -> Any:
    from pygments.lexers.python import PythonLexer

    return PythonLexer(stripnl=True)


def _of(cells: Mapping[str, str], template: set[int]) -> Prints:
    found: Prints = {}
    left = LONGEST
    for cell, source in cells.items():
        for p in fingerprints(source[:left]) - template:
            found.setdefault(p, set()).add(cell)
        left -= min(left, len(source))
    return found


def _groups(pairs: Iterable[Pair]) -> list[tuple[str, ...]]:
    """Students who are linked by pairs, where they are more than two; the largest group first."""
    leader: dict[str, str] = {}

    def of(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for p in pairs:
        leader[of(p.second)] = of(p.first)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in leader:
        groups[of(name)].append(name)
    return sorted((tuple(sorted(g)) for g in groups.values() if len(g) > 2), key=lambda g: (-len(g), g))
