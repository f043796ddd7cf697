"""Errors carried forward: a function that is right, but for an earlier one of the student's that it calls.

The expected value is computed a second time, by the solution around the student's own earlier functions. A result that
equals it earns full points, and a note. The earlier functions must bring values of the right form, and what they make
of the answer must not be trivial: a student whose rnn_step returns 0 would be right in rnn_forward by returning 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from autograder.check import Check
from autograder.compare import compare, judge
from autograder.draws import is_constant
from autograder.misconception import Outcome, examples_axis, tolerance

NOISE = 1e-9        # an earlier function differs from the reference's by more than rounding
CARRIED = "right, apart from"      # the note begins so
MANY = 50           # right in so many calls on one draw: on the next draws it need not be asked again


class Carried:
    """The second expected values of one grading, computed when they are asked for.

    value(name, *args) calls the student's function; `outcomes` and `notes` are those of the grading; `right` are the
    earlier functions with full points. Of those, only what their own tests let pass is carried: one that answers right
    there and wrong here is made to excuse this one.
    """

    def __init__(self, check: Check, outcomes: Sequence[Outcome], value: Callable[..., Any],
                 notes: dict[str, None], right: Collection[str] = ()) -> None:
        self.check, self.outcomes, self.value, self.notes, self.right = check, outcomes, value, notes, right
        self._function: Callable[..., Any] | None = None
        self._wants: dict[int, list[Any] | None] = {}
        self._differ: set[str] = set()      # earlier functions whose results are not the reference's
        self._calls: Counter[str] = Counter()       # on this draw
        self._same: set[str] = set()        # a training loop makes 400 calls a draw, and each is a message to and fro

    def explains(self, draws: Sequence[int], k: int) -> bool:
        """Does result k equal the second expected value on all these draws?"""
        def equal(o: Outcome, want: list[Any]) -> bool:
            assert o.got is not None
            tol, axis = tolerance(self.check, k, o.draw), examples_axis(self.check, k, o.draw)
            return not is_constant(want[k], o.draw.args) and compare(o.got[k], want[k], tol, examples=axis) is None

        return self.accepts(draws, equal)

    def accepts(self, draws: Sequence[int], good: Callable[[Outcome, list[Any]], bool]) -> bool:
        """Is every one of these draws good when it is held against the second expected values?"""
        for i in draws:
            o = self.outcomes[i]
            if o.got is None or not self.check.uses or (want := self.want(i)) is None or not good(o, want):
                return False
        names = " and ".join(f"`{n}`" for n in self.check.uses if n in self._differ)
        self.notes[f"{CARRIED} what {names} does: full points"] = None
        return True

    def want(self, i: int) -> list[Any] | None:
        """The second expected results on draw i; None if the student's functions bring none, or are all right."""
        if i not in self._wants:
            if self._function is None:
                self._function = self.check.carried({name: self._proxy(name) for name in self.check.uses})
            self._calls.clear()
            try:
                self._wants[i] = self.check.split(self.check.run(self._function, self.outcomes[i].draw))
            except Exception:       # the student's functions failed, or brought something that does not fit
                self._wants[i] = None
            self._same |= {n for n, times in self._calls.items() if times >= MANY} - self._differ
        return self._wants[i] if self._differ else None

    def known(self, i: int) -> list[Any] | None:
        """The second expected results on draw i as far as they were asked for, without asking now: for explain.py."""
        return self._wants.get(i) if self._differ else None

    def _proxy(self, name: str) -> Callable[..., Any]:
        reference = self.check.space[name]
        allowed = max(c.tol[r] for c in self.check.text.checks.values() if c.function == name for r in c.names)

        def call(*args: Any) -> Any:
            with np.errstate(all="ignore"):
                want = reference(*args)
            if name in self._same:
                return want
            self._calls[name] += 1
            value = self.value(name, *args)
            verdict = judge(value, want, NOISE)
            if verdict.form is not None:
                raise ValueError("a value of another form")     # it could broadcast to any size in the reference
            if verdict.value is not None:
                if name in self.right and judge(value, want, allowed).value is not None:
                    raise ValueError("another function than the one that earned its points")
                self._differ.add(name)
            return value
        return call
