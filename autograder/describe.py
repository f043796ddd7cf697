"""How is a result wrong when no known mistake explains it? The first of these sentences that holds on all draws.

Transposed, sign, factor, constant, order, right up to a step, right only where ..., padding, nearly right, and else
where the first wrong entry is. The sentences name axes, sizes and factors, never an entry of a drawn or expected array.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.draws import STEPS, Draw

NEARLY = 1e-3       # relative error of float32, of an epsilon, of a clipped logarithm, of a numerical derivative
ROWS_MAX = 64       # longer axes are not searched for a permutation


@dataclass(frozen=True)
class Case:
    """One result on one draw. `raw` is what came, `got` the same in the shape of `want` where the sizes fit."""

    draw: Draw
    raw: Any
    got: Any
    want: Any
    tol: float
    right: bool


def describe(cases: Sequence[Case], axes: Sequence[str]) -> str:
    """The sentence for one result, from all its draws; `axes` are the letters of the expected array, () if unknown."""
    wrong = [c for c in cases if not c.right]
    if not wrong:
        return "right"
    if all(isinstance(c.want, (np.ndarray, np.generic, float, int)) for c in cases):
        numbers = [_as_arrays(c) for c in cases]
        if any(c is None for c in numbers):
            return _elsewhere(cases, "")
        found = _describe_arrays([c for c in numbers if c is not None], axes)
        return found or _elsewhere(cases, _first_wrong(wrong[0]))
    if all(type(c.want) in (list, tuple) for c in cases):
        return _describe_lists(wrong) or _elsewhere(cases, _first_wrong_entry(wrong[0]))
    return _elsewhere(cases, "the values differ")


def shared_property(failing: Sequence[Draw], passing: Sequence[Draw],
                    otherwise: str = "right for {} only: what changes otherwise?") -> str | None:
    """"fails for B = 1", "right for T = 1 only": what tells the failing draws from the others; None if nothing does."""
    if not failing or not passing:
        return None
    for words, holds in _properties([*failing, *passing]):
        inside, outside = [holds(d) for d in failing], [holds(d) for d in passing]
        if all(inside) and not any(outside):
            return f"fails for {words}"
        if all(outside) and not any(inside):
            return otherwise.format(words)
    return None


def _properties(draws: Sequence[Draw]) -> Iterator[tuple[str, Callable[[Draw], bool]]]:
    names = list(dict.fromkeys(name for d in draws for name in d.tags))
    labels = [n for n in names if any(isinstance(d.tags.get(n), (bool, str)) for d in draws)]
    for name in labels:
        yield name, lambda d, n=name: bool(d[n])                                    # type: ignore[misc]
    letters = [n for n in names if all(type(d.tags.get(n)) is int for d in draws)]
    for name in letters:
        yield f"{name} = 1", lambda d, n=name: d[n] == 1                            # type: ignore[misc]
    if len(letters) > 2:
        yield "sizes that are all equal", lambda d: len({d[n] for n in letters}) == 1
    for a, b in itertools.combinations(letters, 2):
        yield f"{a} = {b}", lambda d, a=a, b=b: d[a] == d[b]                        # type: ignore[misc]
    if any(d.float32 for d in draws):
        yield "float32", lambda d: d.float32
    if any(d.mixed for d in draws):
        yield "a batch of very different scales", lambda d: d.mixed


def _as_arrays(case: Case) -> Case | None:
    """The case in floats; None where the result is nothing that arithmetic can compare."""
    want, raw, got = (np.asarray(x) for x in (case.want, case.raw, case.got))
    if any(a.dtype.kind not in "biuf" for a in (want, raw, got)) or not np.isfinite(want).all():
        return None
    return Case(case.draw, raw.astype(float), got.astype(float), want.astype(float), case.tol, case.right)


def _describe_arrays(cases: list[Case], axes: Sequence[str]) -> str | None:
    nan = [c for c in cases if not np.isfinite(c.got).all()]
    if nan:
        return None
    found = _transposed(cases, axes)
    if found or not all(c.got.shape == c.want.shape for c in cases):
        return found
    found = _padding(cases)         # only where a Check marks the padding, and then it is what matters
    if found:
        return found
    for test in (_sign, _factor, _constant, _order, _steps):
        found = test(cases, axes)
        if found:
            return found
    where = shared_property([c.draw for c in cases if not c.right], [c.draw for c in cases if c.right])
    return where or _nearly(cases)


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
    if len(informative) < 2 or sum(c.want.size for c in informative) <= 2 * len(informative):
        return None
    factors = []
    for c in informative:
        scale = np.abs(c.want).max()
        k = float(np.sum((c.got / scale) * (c.want / scale)) / np.sum((c.want / scale) ** 2))
        if k == 0 or not _equal(c.got, k * c.want, max(c.tol, 1e-9)):
            return None
        factors.append(k)
    scale_of = {"2": 2.0, "1/2": 0.5}
    for words, value in scale_of.items():
        if np.allclose(factors, value, rtol=1e-6):
            return f"off by a factor of {words}"
    letters = [n for n, v in informative[0].draw.tags.items()
               if type(v) is int and v > 0 and all(type(c.draw[n]) is int and c.draw[n] > 0 for c in informative)]
    for power, words in ((1, "{}"), (-1, "1/{}"), (0.5, "the root of {}"), (-0.5, "1 over the root of {}")):
        for n in letters:
            if np.allclose(factors, [float(c.draw[n]) ** power for c in informative], rtol=1e-6):
                return f"off by a factor of {words.format(n)}: a sum for a mean, or a forgotten scale"
    if np.allclose(factors, factors[0], rtol=1e-6):
        return "off by the same constant factor on every draw"
    return "off by one factor for all entries, another on every draw: a sum for a mean, or a forgotten scale"


def _constant(cases: list[Case], axes: Sequence[str]) -> str | None:
    shifts = [c.got - c.want for c in cases]
    wide = sum(s.size > 1 for s in shifts) >= 2
    if wide and all(_equal(s, np.broadcast_to(s.ravel()[:1].reshape((1,) * s.ndim), s.shape), c.tol)
                    for s, c in zip(shifts, cases, strict=True) if s.size):
        return "off by a constant, the same for all entries: a bias or a mean"
    dims = shifts[0].ndim
    if dims < 2 or any(s.ndim != dims for s in shifts):
        return None
    for axis in range(dims):
        if sum(s.shape[axis] > 1 for s in shifts) < 2:
            continue
        if all(_equal(s, np.broadcast_to(s.take([0], axis=axis), s.shape), c.tol)
               for s, c in zip(shifts, cases, strict=True) if s.size):
            return f"off by a constant along axis {_axis(axis, axes)}: a bias or a mean"
    return None


def _order(cases: list[Case], axes: Sequence[str]) -> str | None:
    dims = cases[0].want.ndim
    if any(c.want.ndim != dims for c in cases):
        return None
    for axis in range(dims):
        long = [c for c in cases if c.want.shape[axis] > 1]
        if len(long) < 2 or any(not c.right for c in cases if c.want.shape[axis] < 2):
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
    advice = "look at what is handed over from step to step"
    for counts, end, way in ((first, "first", "from there on"), (last, "last", "before")):
        if counts and min(counts) > 0:
            much = f"step{'s' if counts[0] > 1 else ''}" if len(set(counts)) == 1 else "steps"
            number = f"{counts[0]} " if len(set(counts)) == 1 and counts[0] > 1 else ""
            return f"right at the {end} {number}{much}, wrong {way}: {advice}"
    return None


def _padding(cases: list[Case]) -> str | None:
    """Draws with padding carry a tag "real": a bool array over the leading axes of the result."""
    masks = [c.draw["real"] for c in cases]
    if not all(isinstance(m, np.ndarray) and m.shape == c.want.shape[:m.ndim]
               for m, c in zip(masks, cases, strict=True)):
        return None
    if all(_equal(c.got[m], c.want[m], c.tol) for m, c in zip(masks, cases, strict=True)):
        return "right at real positions, wrong on padding: what should stand there?"
    return None


def _nearly(cases: list[Case]) -> str | None:
    if all(np.abs(c.got - c.want).max(initial=0) <= NEARLY * np.abs(c.want).max(initial=0) for c in cases):
        return "nearly right: an epsilon, a clipped logarithm, float32, or a numerical derivative?"
    return None


def _elsewhere(cases: Sequence[Case], otherwise: str) -> str:
    where = shared_property([c.draw for c in cases if not c.right], [c.draw for c in cases if c.right])
    return where or otherwise or "the values differ"


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


def _describe_lists(wrong: Sequence[Case]) -> str | None:
    if any(type(c.got) not in (list, tuple) for c in wrong):
        return None
    if all(len(c.got) == len(c.want) + 1 for c in wrong):
        return "one entry too many"
    if all(len(c.got) == len(c.want) - 1 for c in wrong):
        return "one entry is missing"
    try:
        if all(sorted(c.got) == sorted(c.want) for c in wrong):
            return "right entries in another order"
    except (TypeError, ValueError):     # arrays, or entries of several types
        pass
    return None


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
