"""ARPA files: back-off n-gram models as text, which SRILM, KenLM and many recognisers read.

    \\data\\
    ngram 1=4                          how many n-grams of each length
    ngram 2=2

    \\1-grams:
    -99      <s>       -0.30103        log10 P(w | context), the n-gram, log10 of the weight of its back-off
    -0.47712 </s>                      a missing weight is 1
    ...
    \\end\\

P(w | context) is that of the n-gram where the file has it, else weight(context) P(w | context without its first word).
`<s>` begins a sentence and is never predicted: -99 stands for probability 0 (SRILM; KenLM writes 0, readers ignore it).
"""
from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ..errors import describe

NEVER = -99.0                                  # SRILM's log10 of 0, and anything below it


class ArpaLevel(NamedTuple):
    """All n-grams of one length: grams (U,) as words, log10 probabilities (U,), log10 back-off weights (U,)."""

    grams: list[tuple[str, ...]]
    log_prob: np.ndarray
    log_weight: np.ndarray


def write_arpa(path: str | os.PathLike[str], levels: Sequence[ArpaLevel], digits: int = 9) -> None:
    """Write a model; `.gz` at the end of the name compresses.

    levels: n-grams of length 1, 2, ...; the last has no back-off weights in the file. -inf is written as -99.
    digits: 9 are what a float32 needs, which KenLM keeps; 17 give back every float64.
    Raises ValueError for a word that holds a space, or is empty: the format separates by spaces.
    """
    if bad := [w for (w,) in levels[0].grams if not w or re.search(r"\s", w)]:
        raise ValueError(describe(f"an ARPA file separates words by spaces: it cannot hold {bad[0]!r}.",
                                  fix="give such tokens a visible name in the vocabulary, such as '_' for ' '."))
    with _open(path, "wt") as file:
        file.write("\\data\\\n" + "".join(f"ngram {n}={len(v.grams)}\n" for n, v in enumerate(levels, 1)))
        for n, level in enumerate(levels, 1):
            file.write(f"\n\\{n}-grams:\n")
            probs, weights = (np.maximum(c, NEVER).tolist() for c in (level.log_prob, level.log_weight))
            ends = [f"\t{w:.{digits}g}\n" for w in weights] if n < len(levels) else ["\n"] * len(probs)
            file.writelines(f"{p:.{digits}g}\t{' '.join(gram)}{end}"
                            for gram, p, end in zip(level.grams, probs, ends, strict=True))
        file.write("\n\\end\\\n")


def read_arpa(path: str | os.PathLike[str]) -> list[ArpaLevel]:
    """The levels of a file; `.gz` is read too. Numbers of -99 and below are -inf.

    What stands before \\data\\ is a comment. Raises ValueError with the number of the line that is none of the
    format's, and where a level has not as many n-grams as the head says.
    """
    with _open(path, "rt") as file:
        lines = ((number, line.strip(" \t\r\n")) for number, line in enumerate(file, 1))
        try:
            sizes = _head(lines)
            return [_level(lines, n, size, len(sizes)) for n, size in enumerate(sizes, 1)]
        except _Wrong as wrong:
            raise ValueError(f"{path}, {wrong}") from None


class _Wrong(Exception):
    """What is wrong in which line."""


def _head(lines: Iterator[tuple[int, str]]) -> list[int]:
    for _, line in lines:
        if line == "\\data\\":
            break
    else:
        raise _Wrong("the end: there is no line \\data\\, so this is no ARPA file")
    sizes: list[int] = []
    for number, line in lines:
        if line == "\\1-grams:" and sizes:
            return sizes
        if line:
            found = re.fullmatch(r"ngram\s+(\d+)\s*=\s*(\d+)", line)
            if not found or int(found[1]) != len(sizes) + 1:
                raise _Wrong(f"line {number}: expected 'ngram {len(sizes) + 1}=COUNT' or '\\1-grams:', not {line!r}")
            sizes.append(int(found[2]))
    raise _Wrong("the end: no line \\1-grams:")


def _level(lines: Iterator[tuple[int, str]], n: int, size: int, order: int) -> ArpaLevel:
    """The n-grams up to the line that begins the next level, or ends the file."""
    end = f"\\{n + 1}-grams:" if n < order else "\\end\\"
    grams: list[tuple[str, ...]] = []
    probs: list[float] = []
    weights: list[float] = []
    for number, line in lines:
        if line == end:
            if len(grams) != size:
                raise _Wrong(f"line {number}: {len(grams)} n-grams of length {n}, where the head says {size}")
            numbers = (np.array(v, np.float64) for v in (probs, weights))
            return ArpaLevel(grams, *(np.where(v <= NEVER, -np.inf, v) for v in numbers))
        if line:
            fields = re.split("[ \t]+", line)
            try:
                probs.append(float(fields[0]))
                weights.append(float(fields[n + 1]) if len(fields) == n + 2 else 0.0)
            except ValueError:
                fields = []
            if len(fields) not in (n + 1, n + 2):
                raise _Wrong(f"line {number}: expected a number, {n} word{'s' * (n > 1)} and perhaps a weight, "
                             f"not {line!r}")
            grams.append(tuple(fields[1:n + 1]))
    raise _Wrong(f"the end: no line {end}")


def _open(path: str | os.PathLike[str], mode: str) -> IO[str]:
    """Text in UTF-8, lines ended by \\n alone."""
    opener: Any = gzip.open if Path(path).suffix == ".gz" else open
    return opener(path, mode, encoding="utf-8", newline="\n")
