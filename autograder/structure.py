"""How is a result wrong when no known mistake explains it? The first of these sentences that holds on all draws.

    transposed | sign | factor | constant | order, reversed, shifted | right up to a step | float32, nearly right |
    right only where ... | right without an argument | else: where the first wrong entry is, and the first hint

Padding comes before all of these where draws have some. The sentences name axes, sizes by their letters and factors
made of them, never an entry of a drawn or expected array.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.draws import EXAMPLES, STEPS, Draw
from autograder.properties import shared_property

NEARLY = 1e-3       # relative error of float32, of an epsilon, of a clipped logarithm, of a numerical derivative
ROWS_MAX = 64       # longer axes are not searched for a permutation
LETTERS = {STEPS: "T, the number of steps", EXAMPLES: "B, the batch size", "K": "K, the number of classes"}
FACTOR = "a sum for a mean, or a forgotten scale?"
HANDED = "look at what is handed over from step to step"


@dataclass(frozen=True)
class Case:
    """One result on one draw. `raw` is what came, `got` the same in the shape of `want` where the sizes fit.

    real: where the result stands for real input and not for padding, None if nothing is padded.
    """

    draw: Draw
    raw: Any
    got: Any
    want: Any
    tol: float
    right: bool
    real: np.ndarray | None = None


@dataclass(frozen=True)
class Description:
    """A sentence, and whether it says what is wrong (`found`) or only where."""

    sentence: str
    found: bool


def describe(cases: Sequence[Case], axes: Sequence[str], further: Callable[[], str | None] = lambda: None
             ) -> Description:
    """The sentence for one result, from all its draws; `axes` are the letters of the expected array, () if unknown.

    further: asked when nothing else is found, before the first wrong entry is named (it may call the student again).
    """
    wrong = [c for c in cases if not c.right]
    if not wrong:
        return Description("right", True)
    found, where = _by_kind(cases, wrong, axes)
    found = found or shared_property([c.draw for c in wrong], [c.draw for c in cases if c.right]) or further()
    return Description(found, True) if found else Description(where or "the values differ", False)


def _by_kind(cases: Sequence[Case], wrong: Sequence[Case], axes: Sequence[str]) -> tuple[str | None, str]:
    """What is wrong, if a sentence holds, and where the first wrong entry is."""
    if all(isinstance(c.want, (np.ndarray, np.generic, float, int)) for c in cases):
        numbers = [_as_arrays(c) for c in cases]
        if any(c is None for c in numbers):
            return None, ""
        arrays = [c for c in numbers if c is not None]
        return _describe_arrays(arrays, axes) or _nearly(arrays, axes, wrong), _first_wrong(wrong[0])
    if all(type(c.want) in (list, tuple) for c in cases):
        return _describe_lists(cases, wrong), _first_wrong_entry(wrong[0])
    return None, ""


def _as_arrays(case: Case) -> Case | None:
    """The case in floats; None where the result is nothing that arithmetic can compare."""
    want, raw, got = (np.asarray(x) for x in (case.want, case.raw, case.got))
    if any(a.dtype.kind not in "biuf" for a in (want, raw, got)) or not np.isfinite(want).all():
        return None
    return Case(case.draw, raw.astype(float), got.astype(float), want.astype(float), case.tol, case.right, case.real)


def _describe_arrays(cases: list[Case], axes: Sequence[str]) -> str | None:
    if any(not np.isfinite(c.got).all() for c in cases):
        return None                 # "fails for large inputs" is said then
    found = _transposed(cases, axes)
    if found or not all(c.got.shape == c.want.shape for c in cases):
        return found
    found = _padding(cases)         # what stands on padding may be anything, so it looks like anything
    if found:
        return found
    for test in (_sign, _factor, _constant, _order, _steps):
        found = test(cases, axes)
        if found:
            return found
    return None


def _equal(a: np.ndarray, b: np.ndarray, tol: float) -> bool:
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= tol * (1 + np.abs(b).max(initial=0))))


def _axis(axis: int, axes: Sequence[str]) -> str:
    return f"{axis} ({axes[axis]})" if axis < len(axes) else f"{axis}"


def _transposed(cases: list[Case], axes: Sequence[str]) -> str | None:
    dims = cases[0].want.ndim
    if any(c.want.ndim != dims or c.raw.ndim != dims for c in cases):
        return None
    for i, j in itertools.combinations(range(dims), 2):
        if all(_equal(np.swapaxes(c.raw, i, j), c.want, c.tol) for c in cases):
            return f"the result is transposed: axes {_axis(i, axes)} and {_axis(j, axes)} are exchanged"
    return None


def _sign(cases: list[Case], axes: Sequence[str]) -> str | None:
    return "the sign is turned round" if all(_equal(-c.got, c.want, c.tol) for c in cases) else None


def _factor(cases: list[Case], axes: Sequence[str]) -> str | None:
    informative = [c for c in cases if np.abs(c.want).max(initial=0) > 1e3 * c.tol]
    if len(informative) < 2:
        return None
    factors = []
    for c in informative:
        scale = np.abs(c.want).max()
        k = float(np.sum((c.got / scale) * (c.want / scale)) / np.sum((c.want / scale) ** 2))
        if k == 0 or not _equal(c.got, k * c.want, max(c.tol, 1e-9)):
            return None
        factors.append(k)
    single = sum(c.want.size for c in informative) <= 2 * len(informative)
    if single and len(informative) < 3:
        return None             # one number is always some multiple of another
    for words, values in _known_factors([c.draw for c in informative]):
        if np.allclose(factors, values, rtol=1e-6):
            return f"off by a factor of {words}"
    if single:
        return None
    if np.allclose(factors, factors[0], rtol=1e-6):
        return "off by the same constant factor on every draw"
    return f"off by one factor for all entries, another on every draw: {FACTOR}"


def _known_factors(draws: Sequence[Draw]) -> Iterator[tuple[str, list[float]]]:
    """2, and powers of the sizes, in words and in numbers."""
    yield "2", [2.0] * len(draws)
    yield "1/2", [0.5] * len(draws)
    letters = {n: [float(d[n]) for d in draws] for n, v in draws[0].tags.items()
               if all(type(d[n]) is int and d[n] > 0 for d in draws)}
    for power, words in ((1, "{}"), (-1, "1/{}"), (0.5, "the root of {}"), (-0.5, "1 over the root of {}")):
        for n, sizes in letters.items():
            meaning = f" ({LETTERS[n]})" if n in LETTERS else ""
            yield f"{words.format(n)}{meaning}: {FACTOR}", [v ** power for v in sizes]
    for power, words in ((1, "{} times {}"), (-1, "1/({} times {})")):
        for (n, ns), (m, ms) in itertools.combinations(letters.items(), 2):
            yield f"{words.format(n, m)}: {FACTOR}", [(v * w) ** power for v, w in zip(ns, ms, strict=True)]


def _constant(cases: list[Case], axes: Sequence[str]) -> str | None:
    pairs = [(c.got - c.want, c) for c in cases]
    shifts = [s for s, c in pairs if not c.right]
    wide = sum(s.size > 1 for s in shifts) >= 2
    if not wide and len(shifts) > 2 and all(_equal(s.ravel(), shifts[0].ravel(), c.tol) for s, c in pairs):
        return "off by the same constant on every draw"
    if wide and all(_equal(s, np.broadcast_to(s.ravel()[:1].reshape((1,) * s.ndim), s.shape), c.tol)
                    for s, c in pairs if s.size):
        return "off by a constant, the same for all entries: a bias or a mean"
    dims = cases[0].want.ndim
    if dims < 2 or any(c.want.ndim != dims for c in cases):
        return None
    for axis in range(dims):
        if sum(s.shape[axis] > 1 for s in shifts) < 2:
            continue
        if all(_equal(s, np.broadcast_to(s.take([0], axis=axis), s.shape), c.tol) for s, c in pairs if s.size):
            return f"off by a constant along axis {_axis(axis, axes)}: a bias or a mean"
    return None


def _order(cases: list[Case], axes: Sequence[str]) -> str | None:
    dims = cases[0].want.ndim
    if any(c.want.ndim != dims for c in cases):
        return None
    for axis in range(dims):
        long = [c for c in cases if c.want.shape[axis] > 1]
        if sum(not c.right for c in long) < 2 or any(not c.right for c in cases if c.want.shape[axis] < 2):
            continue
        pairs = [(np.moveaxis(c.got, axis, 0), np.moveaxis(c.want, axis, 0), c.tol) for c in long]
        name = _axis(axis, axes)
        if all(_equal(g, w[::-1], tol) for g, w, tol in pairs):
            return f"right values in reversed order along axis {name}"
        if all(_equal(g[1:], w[:-1], tol) for g, w, tol in pairs) and any(len(w) > 2 for _, w, _ in pairs):
            return f"right values, one place too late along axis {name}: off by one step"
        if all(_equal(g[:-1], w[1:], tol) for g, w, tol in pairs) and any(len(w) > 2 for _, w, _ in pairs):
            return f"right values, one place too early along axis {name}: off by one step"
        if all(_permuted(g, w, tol) for g, w, tol in pairs):
            return f"right values in another order along axis {name}: blocks or steps are exchanged"
    return None


def _permuted(got: np.ndarray, want: np.ndarray, tol: float) -> bool:
    if len(got) > ROWS_MAX:
        return False
    left = list(want)
    for row in got:
        place = next((i for i, w in enumerate(left) if _equal(row, w, tol)), None)
        if place is None:
            return False
        left.pop(place)
    return True


def _steps(cases: list[Case], axes: Sequence[str]) -> str | None:
    """Right for the first steps and wrong from there, or the other way round: what is handed on is wrong."""
    if STEPS not in axes or any(c.want.ndim != len(axes) for c in cases):
        return None
    axis = list(axes).index(STEPS)
    first: list[int] = []
    last: list[int] = []
    for c in cases:
        scale = c.tol * (1 + np.abs(c.want).max(initial=0))
        close = np.moveaxis(np.abs(c.got - c.want) <= scale, axis, 0)
        good = close.reshape(len(close), -1).all(axis=1).tolist()
        if all(good):
            continue
        if good != sorted(good, reverse=True) or not good[0]:
            first.append(-1)
        else:
            first.append(good.index(False))
        if good != sorted(good) or not good[-1]:
            last.append(-1)
        else:
            last.append(len(good) - good.index(True))
    for counts, end, way in ((first, "first", "from there on"), (last, "last", "before")):
        if len(counts) > 1 and min(counts) > 0:
            much = f"step{'s' if counts[0] > 1 else ''}" if len(set(counts)) == 1 else "steps"
            number = f"{counts[0]} " if len(set(counts)) == 1 and counts[0] > 1 else ""
            return f"right at the {end} {number}{much}, wrong {way}: {HANDED}"
    return None


def _padding(cases: list[Case]) -> str | None:
    """Wrong where padding stands and nowhere else, in draws that have some."""
    padded = [c for c in cases if c.real is not None and not c.real.all()]
    if not padded or any(not c.right for c in cases if not any(c is p for p in padded)):
        return None
    if all(c.real is not None and c.real.shape == c.want.shape[:c.real.ndim] and
           _equal(c.got[c.real], c.want[c.real], c.tol) for c in padded):
        return "right at real positions, wrong on padding: what should stand there?"
    return None


def _nearly(cases: list[Case], axes: Sequence[str], wrong: Sequence[Case]) -> str | None:
    """Small errors everywhere. In a batch of very different scales each example is measured by its own size."""
    if any(not np.isfinite(c.got).all() or c.got.shape != c.want.shape for c in cases):
        return None
    for c in cases:
        error, size = np.abs(c.got - c.want), np.abs(c.want)
        if c.draw.mixed and EXAMPLES in axes and error.ndim == len(axes):
            others = tuple(i for i, letter in enumerate(axes) if letter != EXAMPLES)
            error, size = error.max(axis=others, initial=0), size.max(axis=others, initial=0)
        else:
            error, size = error.max(initial=0), size.max(initial=0)
        if (error > NEARLY * size).any():
            return None
    if all(_single(c.raw) for c in wrong if not c.draw.float32) and not all(c.draw.float32 for c in wrong):
        return "nearly right, in float32: was a dtype given, or lost?"
    return "nearly right: an epsilon, a clipped logarithm, float32, or a numerical derivative?"


def _single(raw: Any) -> bool:
    return isinstance(raw, (np.ndarray, np.generic)) and raw.dtype in (np.float32, np.float16)


def _first_wrong(case: Case) -> str:
    got, want = np.asarray(case.got, dtype=float), np.asarray(case.want, dtype=float)
    if got.shape != want.shape or not np.isfinite(got).all():
        return ""
    error = np.abs(got - want)
    wrong = error > case.tol * (1 + np.abs(want).max(initial=0))
    if not wrong.any():
        return ""
    largest = np.abs(want).max(initial=0)
    size = error.max() / largest if largest else np.inf
    words = "larger than" if size > 3 else "about as large as" if size > 0.3 else "smaller than"
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = f", the first at index {index if len(index) > 1 else index[0]}" if index else ""
    return f"{int(wrong.sum())} of {wrong.size} entries are wrong{where}; the error is {words} the largest entry"


def _describe_lists(cases: Sequence[Case], wrong: Sequence[Case]) -> str | None:
    if any(type(c.got) not in (list, tuple) for c in wrong):
        return None
    if all(len(c.got) == len(c.want) + 1 for c in wrong):
        return "one entry too many"
    if all(len(c.got) == len(c.want) - 1 for c in wrong):
        return "one entry is missing"
    arrays = [_joined(c) for c in cases]
    if all(c is not None for c in arrays):
        joined = [c for c in arrays if c is not None]
        return _sign(joined, ()) or _factor(joined, ()) or _nearly(joined, (), wrong)
    try:
        if all(c.got == c.want[::-1] for c in wrong):
            return "right entries in reversed order"
        if all(sorted(c.got) == sorted(c.want) for c in wrong):
            return "right entries in another order"
    except (TypeError, ValueError):     # arrays, or entries of several types
        pass
    return None


def _joined(case: Case) -> Case | None:
    """A list of arrays as one row of numbers; None where it is none, or the shapes differ."""
    if not case.want or any(not isinstance(w, np.ndarray) for w in case.want) or len(case.got) != len(case.want):
        return None
    rows = []
    for values in (case.got, case.want):
        arrays = [np.asarray(v) for v in values]
        if any(a.dtype.kind not in "biuf" or not np.isfinite(a).all() or a.shape != w.shape
               for a, w in zip(arrays, case.want, strict=True)):
            return None
        rows.append(np.concatenate([a.astype(float).ravel() for a in arrays]))
    return Case(case.draw, rows[0], rows[0], rows[1], case.tol, case.right)


def _first_wrong_entry(case: Case) -> str:
    if type(case.got) not in (list, tuple):
        return ""
    if len(case.got) != len(case.want):
        return f"{len(case.got)} entries came, {len(case.want)} are expected"
    for i, (g, w) in enumerate(zip(case.got, case.want, strict=True)):
        if isinstance(w, np.ndarray) or isinstance(g, np.ndarray):
            g, w = np.asarray(g), np.asarray(w)
            if g.dtype.kind not in "biuf" or g.shape != w.shape or not _equal(g.astype(float), w, case.tol):
                return f"the first wrong entry is number {i}"
        elif g != w:
            return f"the first wrong entry is number {i}"
    return ""
