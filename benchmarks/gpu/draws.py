"""Draws for the op cases of tests/op_cases.py without hypothesis: what their strategies need, on one NumPy generator.

The test suite lets hypothesis draw, which shrinks what fails; a machine with a GPU need not have it, and a benchmark
wants a fresh seed that it can print. So a module of this kind stands in for `hypothesis` while the cases are imported.
"""
from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np


class Strategy:
    """Something that can be drawn: `value(rng)` gives one."""

    def __init__(self, value: Callable[[np.random.Generator], Any]) -> None:
        self.value = value

    def map(self, function: Callable[[Any], Any]) -> Strategy:
        """What the function makes of a drawn value."""
        return Strategy(lambda rng: function(self.value(rng)))

    def __or__(self, other: Strategy) -> Strategy:
        return Strategy(lambda rng: (self, other)[int(rng.integers(2))].value(rng))


def _count(rng: np.random.Generator, low: int, high: int | None) -> int:
    return int(rng.integers(low, (low + 4 if high is None else high) + 1))


def integers(min_value: int, max_value: int) -> Strategy:
    """A whole number from one to the other, both included."""
    return Strategy(lambda rng: _count(rng, min_value, max_value))


def booleans() -> Strategy:
    """True or False."""
    return Strategy(lambda rng: bool(rng.integers(2)))


def none() -> Strategy:
    """None."""
    return Strategy(lambda rng: None)


def sampled_from(values: Sequence[Any]) -> Strategy:
    """One of these."""
    return Strategy(lambda rng: values[int(rng.integers(len(values)))])


def lists(of: Strategy, *, min_size: int = 0, max_size: int | None = None) -> Strategy:
    """A list of drawn values."""
    return Strategy(lambda rng: [of.value(rng) for _ in range(_count(rng, min_size, max_size))])


def sets(of: Strategy, *, min_size: int = 0) -> Strategy:
    """A set of drawn values, of at least so many."""
    def value(rng: np.random.Generator) -> set[Any]:
        found = {of.value(rng) for _ in range(max(min_size, int(rng.integers(4))))}
        while len(found) < min_size:
            found.add(of.value(rng))
        return found
    return Strategy(value)


def permutations(values: Sequence[Any]) -> Strategy:
    """The values in another order."""
    return Strategy(lambda rng: [list(values)[i] for i in rng.permutation(len(list(values)))])


def composite(function: Callable[..., Any]) -> Callable[..., Strategy]:
    """A function of `draw` and more, as one that makes a Strategy of the rest."""
    return lambda *args, **kw: Strategy(lambda rng: function(drawer(rng), *args, **kw))


def drawer(rng: np.random.Generator) -> Callable[[Strategy], Any]:
    """`draw` for the cases: draw(strategy) -> a value."""
    return lambda strategy: strategy.value(rng)


@cache
def op_cases() -> Any:
    """The module tests/op_cases.py with these strategies in it: `CASES`, `values`, `Example`.

    Raises ImportError if it was imported before: then hypothesis' strategies are in it, which `drawer` cannot draw.
    """
    if "tests.op_cases" in sys.modules:
        raise ImportError("tests.op_cases was imported with hypothesis before: op cases need a process of their own")
    strategies, before = ModuleType("hypothesis.strategies"), sys.modules.pop("hypothesis", None)
    vars(strategies).update({name: value for name, value in globals().items() if not name.startswith("_")},
                            SearchStrategy=Strategy)
    stand_in = ModuleType("hypothesis")
    vars(stand_in).update(strategies=strategies)
    sys.modules["hypothesis"] = stand_in
    try:
        return importlib.import_module("tests.op_cases")
    finally:
        del sys.modules["hypothesis"]
        if before is not None:
            sys.modules["hypothesis"] = before
