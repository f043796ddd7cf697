"""A text that every Python brings along: the help pages of the language, `pydoc_data.topics`.

80 pages, of which many paragraphs say the same: they are thrown out **before** the text is split, else a model is
tested on what it has learned by heart. Pages change from version to version: a number measured here holds for one.
"""
from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import describe

FEW = 50                                       # paragraphs: a text with fewer is split by smaller pieces
_BLANK_LINES = re.compile(r"\n(?:[ \t\r]*\n)+")


def topics_text() -> str:
    """All pages in the order of their names: no paragraph twice, spaces and line ends aside."""
    from pydoc_data.topics import topics
    return "\n\n".join(_unique(part for name in sorted(topics) for part in _BLANK_LINES.split(topics[name])))


def split_text(text: str, rng: np.random.Generator, parts: Sequence[float] = (0.8, 0.1, 0.1)) -> tuple[str, ...]:
    """A text as several, of shares `parts` of its characters: by paragraph, drawn by rng, each in one part and once.

    In a part paragraphs stand in the text's order. A text with fewer than 50 of them is split by line, and one with
    fewer lines (text8 has one) by pieces of 50 words; no paragraph, line or piece of one part stands in another.
    Raises ValueError for shares that are not positive or do not add up to 1, and where the text fills not every part.
    """
    if min(parts, default=0) <= 0 or abs(math.fsum(parts) - 1) > 1e-9:
        raise ValueError(f"the shares of a split are positive and add up to 1, not {tuple(parts)}")
    units, between = _units(text)
    sizes = np.array([len(unit) + len(between) for unit in units])
    order = rng.permutation(len(units))
    middles = (sizes[order].cumsum() - sizes[order] / 2) / max(1, sizes.sum())
    part_of = np.empty(len(units), int)
    part_of[order] = np.searchsorted(np.cumsum(parts)[:-1], middles, side="right")
    if len(set(part_of.tolist())) < len(parts):
        raise ValueError(describe(f"{len(parts)} parts are too many for a text of {len(units)} different pieces.",
                                  fix="a longer text, or fewer parts."))
    return tuple(between.join(unit for unit, p in zip(units, part_of, strict=True) if p == part)
                 for part in range(len(parts)))


def _units(text: str) -> tuple[list[str], str]:
    """The pieces to deal out, and what stands between two of them."""
    for pieces, between in ((_BLANK_LINES.split(text), "\n\n"), (text.split("\n"), "\n")):
        if len(units := _unique(pieces)) >= FEW:
            return units, between
    words = text.split()
    return _unique(" ".join(words[k:k + 50]) for k in range(0, len(words), 50)), " "


def _unique(paragraphs: Iterable[str]) -> list[str]:
    """The first of those that are equal but for spaces; empty ones left out."""
    first: dict[str, str] = {}
    for paragraph in paragraphs:
        if key := " ".join(paragraph.split()):
            first.setdefault(key, paragraph.strip("\n").rstrip())
    return list(first.values())
