"""Errors carried forward: a function that is right, but for an earlier one of the student's that it calls.

The expected value is computed a second time, by the solution around the student's own earlier functions. A result that
equals it earns full points, and a note. The earlier functions must bring values of the right form, and what they make
of the answer must not be trivial: a student whose rnn_step returns 0 would be right in rnn_forward by returning 0.

An earlier function that changes its arguments is named, and excuses nothing by that: whoever may write into the
solution's arrays could make any answer the right one, for the few points that changed arguments cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autograder.check import Check
from autograder.compare import compare, judge
from autograder.draws import identical, is_constant
from autograder.misconception import Outcome, examples_axis, tolerance
from autograder.student import StudentDied, StudentError, StudentFailure, StudentTimeout, Untransferable

NOISE = 1e-9        # an earlier function differs from the reference's by more than rounding
CARRIED = "right, apart from"      # the note begins so
MANY = 50           # right in so many calls on one draw: on the next draws it need not be asked again


class Carried:
    """The second expected values of one grading, computed when they are asked for.

    call(name, *args) calls the student's function: its value, and the arguments after it. `outcomes` are those of the
    grading; `right` names the results of earlier functions that their own tests found right. Of those, only what these
    tests let pass is carried: one that is right there and wrong here is made to excuse this one.
    """

    def __init__(self, check: Check, outcomes: Sequence[Outcome], call: Callable[..., tuple[Any, Sequence[Any]]],
                 right: Mapping[str, Collection[str]]) -> None:
        self.check, self.outcomes, self.call, self.right = check, outcomes, call, right
        self.excused = False                # whether something was excused since this was last set
        self._wrote: set[str] = set()       # earlier functions that changed their arguments
        self._function: Callable[..., Any] | None = None
        self._wants: dict[int, list[Any] | None] = {}
        self._differ: set[str] = set()      # earlier functions whose results are not the reference's
        self._calls: Counter[str] = Counter()       # on this draw
        self._same: set[str] = set()        # a training loop makes 400 calls a draw, and each is a message to and fro

    def explains(self, draws: Sequence[int], k: int) -> bool:
        """Does result k equal the second expected value on all these draws?"""
        def equal(o: Outcome, want: list[Any]) -> bool:
            return not is_constant(want[k], o.draw.args) and self._equal(o, k, want[k])

        return self.accepts(draws, equal)

    def accepts(self, draws: Sequence[int], good: Callable[[Outcome, list[Any]], bool]) -> bool:
        """Is every one of these draws good when it is held against the second expected values?"""
        for i in draws:
            o = self.outcomes[i]
            if o.got is None or not self.check.uses or (want := self.want(i)) is None or not good(o, want):
                return False
        self.excused = True
        return True

    def note(self, parts: Sequence[str]) -> str:
        """What was excused: in these parts, or in all where none are named."""
        names = " and ".join(f"`{n}`" for n in self.check.uses if n in self._differ)
        return f"{CARRIED} what {names} does" + (f", in {' and '.join(parts)}" if parts else ": full points")

    def want(self, i: int) -> list[Any] | None:
        """The second expected results on draw i; None if the student's functions bring none, or are all right."""
        if i not in self._wants:
            if self._function is None:
                self._function = self.check.carried({name: self._proxy(name) for name in self.check.uses})
            self._calls.clear()
            self._wants[i] = self._results(self._function, i)
            self._same |= {n for n, times in self._calls.items() if times >= MANY} - self._differ - self._wrote
        return self._wants[i] if self._differ else None

    def _results(self, function: Callable[..., Any], i: int) -> list[Any] | None:
        try:
            return self.check.split(self.check.run(function, self.outcomes[i].draw))
        except Exception:           # the student's functions failed, or brought something that does not fit
            return None

    def writers(self, changed: bool) -> list[str]:
        """The earlier functions that cost points by changing their arguments: where its own arrays change as well, the
        solution around them gives what came. `changed`: an argument was, which costs points where all values are right.
        """
        came = [i for i, o in enumerate(self.outcomes) if o.got is not None]
        wrong = [i for i in came if any(v.value for v in self.outcomes[i].verdicts)]
        if not self.check.uses or not (wrong or came and changed):
            return []
        self.want((wrong or came)[0])
        if not self._wrote:
            return []
        function = self.check.carried({name: self._proxy(name, writes=True) for name in self.check.uses})
        if not all(self._equals(i, self._results(function, i)) for i in wrong):
            return []
        # one that calls another of them hands on what that one does
        return [n for n in self.check.uses if n in self._wrote and not self._wrote.intersection(self._own(n).uses)]

    def _equals(self, i: int, want: list[Any] | None) -> bool:
        o = self.outcomes[i]
        return o.got is not None and want is not None and all(o.right(k) or self._equal(o, k, want[k])
                                                              for k in range(len(want)))

    def _equal(self, o: Outcome, k: int, want: Any) -> bool:
        assert o.got is not None
        tol, axis = tolerance(self.check, k, o.draw), examples_axis(self.check, k, o.draw)
        return compare(o.got[k], want, tol, examples=axis) is None

    def known(self, i: int) -> list[Any] | None:
        """The second expected results on draw i as far as they were asked for, without asking now: for explain.py."""
        return self._wants.get(i) if self._differ else None

    def _proxy(self, name: str, *, writes: bool = False) -> Callable[..., Any]:
        """The student's function for the solution to call; `writes`: what it changes in its arguments, it changes."""
        reference = self.check.space[name]

        def call(*args: Any) -> Any:
            with np.errstate(all="ignore"):
                want = reference(*args)
            if name in self._same:
                return want
            self._calls[name] += 1
            value, after = self.call(name, *args)
            if pairs := list(_changed(args, after)):
                self._wrote.add(name)
            if writes:
                for array, now in pairs:
                    if array.dtype.kind == "f":         # a whole number could be a size
                        array[...] = now
                value = next((a for a in args if isinstance(a, np.ndarray) and identical(a, value)), value)
            verdict = judge(value, want, NOISE)
            if verdict.form is not None:
                raise ValueError("a value of another form")     # it could broadcast to any size in the reference
            if verdict.value is not None:
                if self._is_another(name, value, want):
                    raise ValueError("another function than the one that earned its points")
                self._differ.add(name)
            return value
        return call

    def _own(self, name: str) -> Check:
        return next(c for c in self.check.text.checks.values() if c.function == name)

    def _is_another(self, name: str, value: Any, want: Any) -> bool:
        """Is a result wrong that was right at the function's own test?"""
        own = self._own(name)
        sound, came, due = self.right.get(name, ()), own.split(value), own.split(want)
        if came is None or due is None or own.called != name:       # a driver's results are others
            whole = len(sound) == len(own.names)
            return whole and judge(value, want, max(own.tol.values())).value is not None
        return any(n in sound and judge(v, w, own.tol[n]).value is not None
                   for n, v, w in zip(own.names, came, due, strict=True))


# how a caller fails -> how an earlier function may have failed at its own test, if that is why
SAME_WAY: dict[type[StudentFailure], tuple[str, ...]] = {
    StudentTimeout: ("timeout", "died"), StudentDied: ("timeout", "died"), Untransferable: ("not_written",),
    StudentError: ("not_written", "missing", "raises")}


def cause_of(check: Check, outcome: Outcome, failed: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """The earlier function that this call fails for, and the reason of its own result. `failed`: see grade_cell."""
    failure, at = outcome.failure, ""
    if isinstance(failure, StudentError):
        at = failure.function
        if failure.ename == "NotImplementedError" and at in check.uses:
            return at, "not_written"
    ways = next((ways for kind, ways in SAME_WAY.items() if isinstance(failure, kind)), ())
    found = [failed[name] for name in check.uses if name in failed]
    # an error in a line of its own is one of its own, unless what it called has given nothing
    found = [(name, reason) for name, reason in found if reason in ways and (reason, at) != ("raises", check.function)]
    return min(found, key=lambda one: one[0] != at, default=None)


def _changed(before: Any, after: Any) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The arrays in nested lists and tuples whose numbers changed, each with what it is now."""
    if isinstance(before, np.ndarray):
        same_form = isinstance(after, np.ndarray) and (after.shape, after.dtype) == (before.shape, before.dtype)
        if same_form and not identical(before, after):
            yield before, after
    elif isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        for b, a in zip(before, after, strict=False):
            yield from _changed(b, a)
