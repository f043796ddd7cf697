"""Whatever value a student's function returns, the cell gets a grade: never a fault of the Check, never an exception.

A fault would be worth something to a cheat: the cell then waits for a person instead of counting 0.
"""

from __future__ import annotations

import contextlib
import random
from typing import Any

import numpy as np
import pytest

from autograder import wire
from autograder.check import Check
from autograder.oracle import grade_cell
from autograder.sandbox import Limits
from autograder.student import MissingName, StudentDied, StudentError, StudentTimeout, Untransferable

from .assignment_help import NAMES, assignment

LEAVES = (
    None, True, 0, -1, 2 ** 62, 10 ** 600, 0.5, float("nan"), float("-inf"), "", "x" * 3000, "\0<b>", np.float32(1),
    np.int8(3), np.bool_(True), np.complex128(1j), np.zeros(()), np.zeros(0), np.zeros((0, 3)), np.full(3, np.nan),
    np.full((2, 2), np.inf), np.zeros((1,) * 16), np.arange(6).reshape(2, 3), np.zeros(4, bool), np.ones(3, np.uint8),
    np.full((2, 3), 6e4, np.float16), np.full(3, 1e308), np.full(3, 1j), np.ones((5, 4), np.float32), -np.zeros(3),
    np.full(3, 2 ** 64 - 1, np.uint64), np.array(5e-324), ["x" * 100_000] + [""] * 3000,
)
TWISTS = (
    lambda v: v * np.nan, lambda v: v.astype(np.float16), lambda v: v[None], lambda v: v.T, lambda v: v.ravel(),
    lambda v: v.astype(complex), lambda v: v.tolist(), lambda v: v + 1, lambda v: v.astype(np.int64),
    lambda v: v.astype(bool), lambda v: np.where(v > 0, np.inf, v), lambda v: v * 1e300, list, lambda v: v[..., :0],
    lambda v: v.astype("f4"), lambda v: v * 0 + 3,
)
FAILURES = (StudentError("ValueError", "x", 3), StudentDied("x"), StudentTimeout("x"), Untransferable("object"),
            MissingName("f"))


class Zoo:
    """A student whose functions return anything: odd values, or the right one with a twist."""

    def __init__(self, check: Check, rng: random.Random) -> None:
        self.check, self.rng = check, rng

    def call(self, name: str, args: tuple[Any, ...], **limits: Any) -> tuple[Any, tuple[Any, ...]]:
        if self.rng.random() < 0.02:
            raise self.rng.choice(FAILURES)
        sent = wire.loads(wire.dumps(args))
        if self.rng.random() < 0.6:
            with contextlib.suppress(Exception):
                value = self.twisted(self.check.space[name](*sent))
                return wire.loads(wire.dumps(value)), sent
        while True:
            with contextlib.suppress(wire.NotData):
                return wire.loads(wire.dumps(self.value(0))), args if self.rng.random() < 0.8 else (None,) * len(args)

    def value(self, depth: int) -> Any:
        kind, inner = self.rng.random(), [self.value(depth + 1) for _ in range(self.rng.randint(0, 5))] \
            if depth < 3 and self.rng.random() < 0.5 else []
        if kind < 0.5 or not inner:
            return self.rng.choice(LEAVES)
        if kind < 0.9:
            return inner if kind < 0.7 else tuple(inner)
        return dict(zip([None, 1, "a", 0.5, (1, 2)], inner, strict=False))

    def twisted(self, value: Any) -> Any:
        if self.rng.random() < 0.3:
            return value
        if isinstance(value, np.ndarray):
            return self.rng.choice(TWISTS)(value)
        if isinstance(value, (list, tuple)):
            changed = [self.twisted(v) for v in value]
            return self.rng.choice([changed, tuple(changed), changed[:-1], changed * 2, [], self.value(1)])
        return self.rng.choice([value, self.value(0), str(value), [value]])


def graded(name: str, seed: int) -> list[str]:
    """Grade all functions of an assignment by a Zoo; the faults."""
    rng, found = random.Random(seed), []
    for check in assignment(name).checks.values():
        result = grade_cell(check, Zoo(check, rng), f"{rng.getrandbits(60):x}", Limits(draw=5.0, cell=20.0))
        if result.reason == "check_error" or not 0 <= result.score <= result.points:
            found.append(f"{name} {check.function}, seed {seed}: {result.score:g} {result.notes}")
    return found


@pytest.mark.filterwarnings("ignore")
def test_no_value_makes_a_check_fail() -> None:
    assert not [fault for seed in range(4) for fault in graded("03_rnn", seed)]


@pytest.mark.proof
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_no_value_makes_a_check_fail_in_any_assignment(name: str) -> None:
    assert not [fault for seed in range(20) for fault in graded(name, seed)]
