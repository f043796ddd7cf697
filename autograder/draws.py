"""The inputs of a Check: named arguments and results, draws, and the sizes that they should have."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

EXAMPLES, STEPS = "B", "T"      # the letters of these two axes, in every assignment


class CheckError(Exception):
    """The Check itself is wrong: a fault of the course, never of a student."""


@dataclass(frozen=True)
class Named:
    """An argument or a result: its name and the letters of its axes, () where none are told."""

    name: str
    axes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Named:
        match = re.fullmatch(r"\s*([^\s(]+)\s*(?:\(([^)]*)\))?\s*", text)
        if match is None:
            raise CheckError(f"'{text}' is not a name with axes, like 'xs (T, B, D)'")
        return cls(match[1], tuple(a.strip() for a in (match[2] or "").split(",") if a.strip()))


@dataclass(eq=False)
class Draw:
    """One set of inputs. `tags` name what it has in common with others: {"large inputs": True, "k": 1}."""

    args: tuple[Any, ...]
    tags: dict[str, Any] = field(default_factory=dict)
    mixed: bool = False
    budget: float | None = None

    def __getitem__(self, name: str) -> Any:
        """A size (draw["B"]) or a tag; None if the draw has neither."""
        return self.tags.get(name)

    @cached_property
    def float32(self) -> bool:
        return any(a.dtype == np.float32 for a in arrays(self.args))


def sizes(rng: np.random.Generator, letters: str, *, different: int = 3, equal: int = 2,
          one: Mapping[str, int] | None = None, low: int = 2, high: int = 7) -> Iterator[dict[str, int]]:
    """Sizes for draws: some with all letters different, some all equal, some with one letter 1.

    A transposed matrix fits where all are equal, and must fail by value there. Edge cases come twice because a mutant
    is named only where two draws tell it from the reference. `one` defaults to twice each of B and T.
    """
    if high - low + 1 < len(letters):
        raise CheckError(f"there are no {len(letters)} different sizes from {low} to {high}")

    def unlike() -> dict[str, int]:
        values = rng.choice(np.arange(low, high + 1), size=len(letters), replace=False)
        return {letter: int(n) for letter, n in zip(letters, values, strict=True)}

    for _ in range(different):
        yield unlike()
    for _ in range(equal):
        yield dict.fromkeys(letters, int(rng.integers(low, high + 1)))
    for letter, times in ({EXAMPLES: 2, STEPS: 2} if one is None else one).items():
        if letter in letters:
            for _ in range(times):
                yield unlike() | {letter: 1}


def arrays(value: Any) -> Iterator[np.ndarray]:
    """The arrays inside nested lists, tuples and dicts."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from arrays(item)
    elif isinstance(value, dict):
        yield from arrays(list(value.values()))


def as_float32(value: Any) -> Any:
    """The same nested tuples and lists with float64 arrays as float32; whole numbers, bools, all else as they are."""
    if isinstance(value, np.ndarray):
        return value.astype(np.float32) if value.dtype == np.float64 else value
    return type(value)(as_float32(item) for item in value) if type(value) in (list, tuple) else value


def copied(value: Any) -> Any:
    """copy.deepcopy, several times faster where there are only arrays, numbers and texts in lists and tuples."""
    try:
        return _copied(value)
    except TypeError:           # a dict, or a course's own class, whose objects may know each other
        return copy.deepcopy(value)


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind is np.ndarray and value.dtype != object:
        return value.copy(order="K")
    if kind in (tuple, list):
        return kind(map(_copied, value))
    if kind in (float, int, str, bool, type(None)):
        return value
    raise TypeError(kind)


def widened(value: Any) -> Any:
    """A copy in which float32 arrays are float64."""
    if isinstance(value, np.ndarray):
        return value.astype(np.float64) if value.dtype == np.float32 else value.copy()
    if type(value) in (list, tuple):
        return type(value)(widened(item) for item in value)
    return copy.deepcopy(value)


def identical(a: Any, b: Any) -> bool:
    """Are these the same data, bit for bit, in the same types? For seeing whether an argument was written into."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(identical(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(identical(a[key], b[key]) for key in a)
    return bool(a == b) or (a != a and b != b)


def is_constant(value: Any, args: tuple[Any, ...]) -> bool:
    """Is a result made without a thought: all 0, all 1, empty, or one of the arguments?"""
    if any(type(value) is type(arg) and identical(value, arg) for arg in args):
        return True
    if type(value) in (list, tuple):
        return all(is_constant(item, args) for item in value)
    if isinstance(value, (np.ndarray, np.generic, int, float)):
        array = np.asarray(value)
        return bool((array == 0).all() or (array == 1).all())
    return value is None or value == "" or value == {}


def is_thoughtless(value: Any, args: tuple[Any, ...]) -> bool:
    """Is it a constant, or an array with one number everywhere, or with one number on its diagonal?"""
    if type(value) in (list, tuple):
        return all(is_thoughtless(item, args) for item in value)
    if is_constant(value, args):
        return True
    if not isinstance(value, np.ndarray) or value.size < 2:
        return False
    square = value.ndim == 2 and value.shape[0] == value.shape[1]
    return bool((value == value.flat[0]).all() or (square and (value == value.flat[0] * np.eye(len(value))).all()))
