"""The sentences of a verdict, for the student: what fails and where to look, without a value of a draw or an answer.

Shapes, sizes by their letters, tags of draws and the student's own line may be named; entries of arrays may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder import hints
from autograder.check import Check
from autograder.compare import described, same
from autograder.draws import Draw
from autograder.misconception import Outcome, tolerance
from autograder.properties import Vanishing, features, real_positions, shared_property
from autograder.result import PartResult
from autograder.structure import Case, describe
from autograder.student import StudentDied, StudentError, StudentFailure, StudentTimeout, Untransferable

if TYPE_CHECKING:
    from autograder.oracle import PartState

NOTHING = "it returns nothing (None)"
LINE_MAX = 160          # of a student's own line in a message


WAITS = {"not_written": ("is not written yet", "Write"), "missing": ("is not in the notebook", "Write"),
         "raises": ("raises an error", "Mend"), "timeout": ("does not answer in time", "Mend"),
         "died": ("ends its process", "Mend")}


def waits(check: Check, cause: tuple[str, str]) -> str:
    """An earlier function of the student's, and the reason of its result, stand in the way."""
    what, do = WAITS[cause[1]]
    return f"`{cause[0]}`, which `{check.function}` needs, {what}. {do} it first: until then nothing is known of " \
           f"`{check.function}`."


def not_written(check: Check, outcome: Outcome, cause: tuple[str, str] | None) -> str:
    """A function that is still as it was released."""
    if cause:
        return waits(check, cause)
    if isinstance(outcome.failure, StudentError) and outcome.failure.function == check.function:
        return f"`{check.function}` is not written yet."
    if isinstance(outcome.failure, StudentError):
        return f"`{check.function}` is not written yet{', or it calls a function that is not' if check.uses else ''}."
    return f"`{check.function}` returns nothing yet: is there a `return`?"


def wrong_count(check: Check, value: Any) -> str:
    """The result is not as many results as expected, or nothing at all."""
    if value is None:
        return NOTHING
    came = str(len(value)) if type(value) in (tuple, list) else described(value)
    return f"{len(check.names)} results are expected: {', '.join(check.names)}; {came} came"


def named(check: Check, k: int, sentence: str) -> str:
    """The sentence with the result's name before it, where there are several results."""
    return f"`{check.names[k]}`: {sentence}" if len(check.names) > 1 else sentence


def shapes(check: Check, draw: Draw) -> str:
    """The arguments of a draw by their shapes: "x (3, 4), h (3, 5)"."""
    told = []
    for named_arg, arg in zip(check.args, draw.args, strict=True):
        if isinstance(arg, np.ndarray):
            told.append(f"{named_arg.name} {arg.shape}")
        elif type(arg) in (list, tuple) and arg and all(isinstance(a, np.ndarray) for a in arg):
            told.append(f"{named_arg.name} a {type(arg).__name__} of {', '.join(str(a.shape) for a in arg)}")
    return ", ".join(told)


def failed(check: Check, outcome: Outcome) -> str:
    """Why a call brought nothing that can be judged."""
    failure = outcome.failure
    if isinstance(failure, StudentError):
        line = " ".join(failure.line.split())[:LINE_MAX]
        own = failure.function in ("", check.function)
        where = f" in its line `{line}`" if own else f" in the line `{line}` of `{failure.function}`"
        where = where if line else ""
        given = shapes(check, outcome.draw)
        called = ", called" if own else f"; `{check.function}` was called"
        return f"{failure.ename}{where}" + (f"{called} with {given}" if given else "")
    if isinstance(failure, Untransferable):
        return f"it returns a value of type {failure.type_name}: arrays, numbers, texts, lists, tuples are expected"
    if isinstance(failure, StudentTimeout):
        size = shapes(check, outcome.draw)
        return "too slow" + (f" for {size}" if size else "") + \
            ": is there a Python loop over entries, a numerical derivative, or a loop that does not end?"
    if isinstance(failure, StudentDied):
        return "the process that ran it ended: os._exit, a crash, too much memory, or endless recursion"
    return outcome.problem


def fails(failure: StudentFailure) -> str:
    """What another function does instead of giving a value, behind its name."""
    if isinstance(failure, StudentError):
        return f"raises {failure.ename}"
    if isinstance(failure, Untransferable):
        return f"returns a value of type {failure.type_name}"
    return "is too slow" if isinstance(failure, StudentTimeout) else \
        "ended its process" if isinstance(failure, StudentDied) else "is not in the notebook"


def wrote_into(changed: Iterable[str], shared: Iterable[str]) -> str:
    """The function changed its arguments, or handed them back where it promises copies."""
    for names, words in ((sorted(changed), "the function changed its argument"),
                         (sorted(shared), "the result shares its memory with the argument")):
        if names:
            return f"{words}{'s' if len(names) > 1 else ''} {_list(names)}"
    return ""


def message(check: Check, outcomes: Sequence[Outcome], parts: Sequence[PartResult], changed: set[str],
            shared: set[str], cause: tuple[str, str] | None = None, writers: Sequence[str] = ()) -> str:
    """What concerns the cell as a whole. Never empty while a point is missing.

    Of earlier functions, `cause` makes calls fail (see carried.cause_of), and `writers` change their arguments.
    """
    lines = []
    without = [o for o in outcomes if o.got is None]
    never = [o for o in without if o.failure is None and not o.problem]         # after the cell was ended
    without = [o for o in without if o not in never]
    if cause:
        lines.append(waits(check, cause))
        without = [o for o in without if isinstance(o.failure, StudentError) and o.failure.function == check.function]
    if without:
        first = without[0]
        told = failed(check, first)
        judged = [features(check, o.draw) for o in outcomes if o.got is not None]
        where = shared_property([features(check, o.draw) for o in without], judged, otherwise="fails unless {}")
        how = "on every draw" if len(without) == len(outcomes) else where or "on some draws"
        verb = "" if isinstance(first.failure, (StudentTimeout, StudentDied)) else "raises " if isinstance(
            first.failure, StudentError) else ""
        lines.append(f"`{check.function}` {verb}{told}" if how == "on every draw" and verb else
                     f"`{check.function}` {how}: {told}")
    if never and not cause:
        lines.append(f"{len(never)} further calls were not made.")
    if changed or shared:
        told = wrote_into(changed, shared)
        lines.append(told[0].upper() + told[1:] + ".")
    if writers:
        verb, them = ("changes its", "it") if len(writers) == 1 else ("change their", "them")
        lines.append(f"{_list(writers)}, which `{check.function}` calls, {verb} arguments: that costs points here as "
                     f"well. Mend {them} first: `a = a + 1` makes a new array, `a += 1` changes the old one.")
    if not lines and not all(p.ok for p in parts):
        lines.append(_which(check, outcomes))
    return "\n".join(lines)


def _which(check: Check, outcomes: Sequence[Outcome]) -> str:
    """Which results are right and which are not."""
    judged = [o for o in outcomes if o.verdicts]
    wrong = [n for k, n in enumerate(check.names) if not all(o.verdicts[k].mismatch is None for o in judged)]
    right = [n for n in check.names if n not in wrong]
    if not wrong:
        return f"`{check.function}` does not do all that is asked."
    if not right or len(check.names) == 1:
        return f"What `{check.function}` returns is not right yet."
    return f"{_list(right)} {'is' if len(right) == 1 else 'are'} right, {_list(wrong)} " \
           f"{'is' if len(wrong) == 1 else 'are'} not."


def _list(names: Sequence[str]) -> str:
    quoted = [f"`{n}`" for n in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def part_sentences(check: Check, outcomes: Sequence[Outcome], states: Sequence[PartState],
                   parts: Sequence[PartResult], explained: set[str],
                   answer: Callable[[Draw], Outcome] | None = None) -> None:
    """Write into each lost part why it was lost; a sentence that another part says already is not repeated.

    answer: calls the student's function on one more draw, where the draws that were made do not tell; None if it
    cannot be called any more.
    """
    said: set[str] = set()
    zeros = Vanishing(check, answer)
    for state, result in zip(states, parts, strict=True):
        if result.ok:
            continue
        sentence = state.sentence
        names = [n for n in check.names if n in state.failed] or [n for n in check.names if n in state.bad_form]
        for name in [] if sentence else names:
            sentence = _about(check, outcomes, state, name, name in explained, zeros)
            if sentence and sentence not in said:
                break
        result.sentence = sentence if sentence not in said else ""
        said.add(sentence)


def _about(check: Check, outcomes: Sequence[Outcome], state: PartState, name: str, explained: bool,
           zeros: Vanishing) -> str:
    k = check.names.index(name)
    here = [outcomes[i] for i in state.draws]
    form = next((o.verdicts[k].form for o in here if o.verdicts and o.verdicts[k].form), None)
    if state.part.kind == "shape" or name in state.bad_form:
        problem = next((failed(check, o) for o in here if o.problem or isinstance(o.failure, Untransferable)), "")
        return named(check, k, form.sentence) if form else problem
    wrong = [o for o in here if not o.right(k)]
    judged = [o for o in wrong if o.verdicts]
    if not judged:
        return ""                               # the message says what the calls brought instead
    value = judged[0].verdicts[k].value
    assert value is not None
    if value.kind == "nonfinite":
        labels = [n for n, v in judged[0].draw.tags.items() if v is True]
        where = f" at the draw with {' and '.join(labels)}" if labels else ""
        return named(check, k, f"{value.sentence}{where}: {check.nan_hint}")
    lists = all(type(v) in (list, tuple) for v in ((judged[0].got or [])[k], judged[0].want[k]))
    if value.kind in ("type", "shape") or value.kind == "length" and not lists:
        return named(check, k, value.sentence + _as_transposed(judged[0], k))
    if explained:
        return named(check, k, "the values differ; see below")
    other = _exchanged(check, outcomes, k)
    if other:
        return named(check, k, f"what should be `{other}` came: are the results in another order?")
    axes = check.results[k].axes
    cases = [Case(features(check, o.draw), (o.got or [])[k], o.verdicts[k].got, o.want[k], tolerance(check, k, o.draw),
                  o.right(k), real_positions(check, o.draw, axes)) for o in outcomes if o.verdicts]
    try:
        told = describe(cases, axes, lambda: zeros.say(k, [o for o in outcomes if o.verdicts and not o.right(k)]))
    except (TypeError, ValueError, OverflowError, RecursionError):      # describing odd results must not cost a grade
        return named(check, k, "the values differ")
    first = "" if told.found else next(iter(hints.of(check)), "")
    return named(check, k, told.sentence + (f". {first}" if first else ""))


def _exchanged(check: Check, outcomes: Sequence[Outcome], k: int) -> str:
    """The name of the result that came in the place of result k, on all draws; "" if it is none of them."""
    judged = [o for o in outcomes if o.verdicts]
    for j, name in enumerate(check.names):
        if j != k and sum(not o.right(k) for o in judged) > 1 and all(
                same((o.got or [])[k], o.want[j], tolerance(check, j, o.draw)) for o in judged):
            return name
    return ""


def _as_transposed(outcome: Outcome, k: int) -> str:
    got, want = (outcome.got or [])[k], outcome.want[k]
    if isinstance(got, np.ndarray) and isinstance(want, np.ndarray) and got.ndim == 2 and got.shape == want.T.shape:
        return ": is it transposed?"
    return ""
