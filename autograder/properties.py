"""What do the draws on which a function fails have in common? "fails for B = 1", "right for a state of zeros only".

The sizes of a draw and the tags that a Check gives it are known; a state of zeros and the absence of padding are read
off the arguments by their names. And where no draw tells, arguments are set to 0 one at a time: a function that is
right then goes wrong where that argument comes in.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder.draws import EXAMPLES, STEPS, Draw, is_constant

if TYPE_CHECKING:
    from autograder.check import Check
    from autograder.misconception import Outcome

STATES = frozenset("h h0 c c0 s s0".split())        # the names that the assignments give to a state that comes in
ZERO, FULL = "a state of zeros", "no padding"
PROBED = 2              # draws on which an argument is set to 0
SLOW = 0.1              # seconds a call: so slow a function is not called another twenty times
ONLY = "right for {} only: what changes otherwise?"


def features(check: Check, draw: Draw) -> Draw:
    """The draw with two more tags, where its arguments tell: a state of zeros, no padding."""
    more: dict[str, Any] = {}
    for named, arg in zip(check.args, draw.args, strict=True):
        if not isinstance(arg, np.ndarray) or not named.axes:
            continue
        if named.name in STATES and arg.dtype.kind == "f":
            more[ZERO] = more.get(ZERO, True) and not arg.any()
        elif named.name == "lengths" and type(draw[STEPS]) is int:
            more[FULL] = bool((arg == draw[STEPS]).all())
        elif named.name == "mask" and arg.dtype.kind == "b":
            more[FULL] = bool(arg.all())
    return dataclasses.replace(draw, tags={**draw.tags, **more})


def real_positions(check: Check, draw: Draw, axes: Sequence[str]) -> np.ndarray | None:
    """Where a result with these axes stands for real input and not for padding; None if nothing is padded.

    A tag "real" says it, or the argument `lengths (B,)` for a result over steps and examples, or a `mask`, or targets
    `t` beside an `ignore`, whose axes the result's begin with.
    """
    tagged = draw["real"]
    if isinstance(tagged, np.ndarray):
        return tagged
    given = {named.name: arg for named, arg in zip(check.args, draw.args, strict=True)}
    for named, arg in zip(check.args, draw.args, strict=True):
        if not isinstance(arg, np.ndarray) or not named.axes:
            continue
        if named.name == "mask" and arg.dtype.kind == "b" and tuple(axes[:arg.ndim]) == named.axes:
            return arg
        if named.name == "t" and "ignore" in given and tuple(axes[:arg.ndim]) == named.axes:
            return np.asarray(arg != given["ignore"])
        if named.name == "lengths" and set(axes[:2]) == {STEPS, EXAMPLES} and type(draw[STEPS]) is int:
            real = np.arange(draw[STEPS])[:, None] < np.asarray(arg)
            return real if axes[0] == STEPS else real.T
    return None


def shared_property(failing: Sequence[Draw], passing: Sequence[Draw], otherwise: str = ONLY) -> str | None:
    """"fails for B = 1", "right for T = 1 only": what tells the failing draws from the others; None if nothing does.

    A draw that a wrong function passes by saturation or by a wide tolerance (large inputs, float32) does not speak for
    "right for". Two sizes that are equal are chance unless two draws have it.
    """
    if not failing or not passing:
        return None
    telling = [d for d in passing if not d.float32 and not any(n.startswith("large") and d[n] is True for n in d.tags)]
    for words, holds, needed in _properties([*failing, *passing]):
        if all(map(holds, failing)) and not any(map(holds, passing)) and len(failing) >= needed:
            return f"fails for {words}"
        if not any(map(holds, failing)) and all(map(holds, telling)) and len(telling) >= max(needed, 1):
            return otherwise.format(words)
    return None


def _properties(draws: Sequence[Draw]) -> Iterator[tuple[str, Callable[[Draw], bool], int]]:
    """What draws may have in common: the words, the test, and how many draws must have it for it to mean something."""
    names = list(dict.fromkeys(name for d in draws for name in d.tags))
    for name in names:
        values = {d.tags.get(name) for d in draws if isinstance(d.tags.get(name), (bool, str))}
        for text in sorted(v for v in values if isinstance(v, str)):
            yield f"{name} {text}", lambda d, n=name, v=text: d[n] == v, 1          # type: ignore[misc]
        if True in values:
            yield name, lambda d, n=name: d[n] is True, 1                           # type: ignore[misc]
    letters = [n for n in names if all(type(d.tags.get(n)) is int for d in draws)]
    for name in letters:
        yield f"{name} = 1", lambda d, n=name: d[n] == 1, 1                         # type: ignore[misc]
    if len(letters) > 2:
        yield "sizes that are all equal", lambda d: len({d[n] for n in letters}) == 1, 1
    for a, b in itertools.combinations(letters, 2):
        yield f"{a} = {b}", lambda d, a=a, b=b: d[a] == d[b], 2                     # type: ignore[misc]
    if any(d.float32 for d in draws):
        yield "float32", lambda d: d.float32, 1
    if any(d.mixed for d in draws):
        yield "a batch of very different scales", lambda d: d.mixed, 1


# ----- Arguments set to 0

class Vanishing:
    """Which arguments, set to 0, make a wrong function right? Asked once a result; the answers are kept.

    `answer` calls the student's function once more. A slow function is not asked, and one that hangs or dies is asked
    nothing further: the time is the student's. An argument whose zeros make the right result trivial (all 0, all 1,
    another argument) says nothing: a wrong function may give that, too.
    """

    def __init__(self, check: Check, answer: Callable[[Draw], Outcome] | None) -> None:
        self.check, self.answer = check, answer
        self._said: dict[int, str | None] = {}

    def say(self, k: int, wrong: Sequence[Outcome]) -> str | None:
        """"right where `h` is 0": for result k, by a few of the draws on which it is wrong; None if nothing is."""
        if k not in self._said:
            self._said[k] = self._sentence(k, [o for o in wrong if not o.draw.mixed and o.draw.budget is None][:PROBED])
        return self._said[k]

    def _sentence(self, k: int, outcomes: Sequence[Outcome]) -> str | None:
        if len(outcomes) < PROBED or any(o.seconds > SLOW for o in outcomes):
            return None
        found = [f"`{named.name}`" for i, named in enumerate(self.check.args)
                 if all(self._right(k, i, o.draw) for o in outcomes)]
        if not found:
            return None
        if len(found) == 1:
            return f"right where {found[0]} is 0: look at what {found[0]} does"
        first, last = ", ".join(found[:-1]), found[-1]
        return f"right where {first} or {last} is 0: look at where {first} and {last} meet"

    def _right(self, k: int, i: int, draw: Draw) -> bool:
        """Is result k right with zeros for argument i?"""
        zeroed = draw.args[i]
        if self.answer is None or not isinstance(zeroed, np.ndarray) or zeroed.dtype.kind != "f":
            return False
        args = tuple(np.zeros_like(a) if j == i else a for j, a in enumerate(draw.args))
        draw = dataclasses.replace(draw, args=args)
        want = self.check.split(self.check.run(self.check.reference(), draw))
        if want is None or is_constant(want[k], args):
            return False
        outcome = self.answer(draw)
        if outcome.skipped:
            self.answer = None
        return outcome.right(k)
