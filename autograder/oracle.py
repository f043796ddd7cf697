"""The judge: draw inputs, call the student's function, compare with the reference, give points, explain.

    result = grade_cell(check, student, seed)       # never raises; a Check's own fault is reason "check_error"

The same code runs beside the sandbox, where `student` is a Session, and in a plain kernel, where it is kernel.InKernel.
The seed decides every draw, so a regrade repeats. Explaining (mutants, sentences) costs time only when a part is lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from autograder import wording
from autograder.carried import CARRIED, Carried, cause_of
from autograder.check import Check, Part
from autograder.compare import judge
from autograder.draws import CheckError, Draw, identical, is_thoughtless
from autograder.misconception import MORE_DRAWS, Found, Outcome, Search, examples_axis, sentences, tolerance
from autograder.result import CellResult, Misconception, PartResult
from autograder.student import (
    MissingName,
    Spoiler,
    Student,
    StudentDied,
    StudentError,
    StudentFailure,
    StudentTimeout,
    Untransferable,
)

__all__ = ["CellResult", "Misconception", "PartResult", "generator", "grade_cell"]

DRAW_SECONDS, CELL_SECONDS, SPARE_SECONDS = 2.0, 10.0, 20.0
EMPTY_DRAWS = 3             # so many draws without an answer, and the function counts as not written
FORM_SHARE = 0.5            # right values in a wrong form earn at most this share
CONSTANT = "the result is one number everywhere or an argument, on every draw, or the same on all"


def generator(seed: str, *spawn: int) -> np.random.Generator:
    """The generator of a hexadecimal seed; `spawn` numbers further, independent ones. Other texts are hashed."""
    try:
        number = int(seed, 16)
    except ValueError:
        number = int(hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest(), 16)
    return np.random.default_rng(np.random.SeedSequence(abs(number), spawn_key=spawn))


def grade_cell(check: Check, student: Student, seed: str, limits: Any = None, *,
               watch: Callable[[Any], None] | None = None, right: Mapping[str, Collection[str]] = MappingProxyType({}),
               failed: Mapping[str, tuple[str, str]] = MappingProxyType({})) -> CellResult:
    """Grade one function. `limits` has `draw` and `cell` in seconds (sandbox.Limits); never raises.

    `right`: of earlier functions the results that their own tests found right (CellResult.sound). They are no excuse
    for this one.
    `failed`: for each earlier function the one to mend, itself or one that it calls (CellResult.cause), and the reason
    of that one's result. A caller that fails in the same way is not blamed.
    `watch` is shown the grading once it is done, its draws and outcomes: for explain.py.
    """
    began = time.perf_counter()
    try:
        grading = _Grading(check, student, seed, limits, right, failed)
        result = grading.run()
        if watch:
            watch(grading)
    except Exception as error:      # whatever it is, one cell must not end the grading of a class
        result = _check_error(check, error)
    result.seed, result.seconds = seed, round(time.perf_counter() - began, 4)
    result.slide, result.equation = check.slide, check.equation
    return result


def _check_error(check: Check, error: Exception) -> CellResult:
    where = traceback.extract_tb(error.__traceback__)[-1]
    what = str(error) if isinstance(error, CheckError) else type(error).__name__
    note = f"incident: the Check itself failed ({what}; {where.filename.rpartition('/')[2]}:{where.lineno})"
    parts = [PartResult(p.name, p.points, 0.0, False) for p in check.parts]
    return CellResult(check.cell, check.function, check.points, 0.0, parts, "check_error",
                      "This cell could not be graded: its test is faulty. Your teacher has been told.", notes=[note])


class _Stop(Exception):
    """Nothing of this cell can be judged."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason, self.message = reason, message


@dataclass
class PartState:
    """What became of a part: which of its outputs failed, and on which draws it looked."""

    part: Part
    draws: list[int]
    failed: list[str] = field(default_factory=list)         # by value, and not excused by an earlier function
    bad_form: list[str] = field(default_factory=list)       # right values in a wrong form
    excused: bool = False       # what is not the reference's is an earlier function's
    sentence: str = ""                                      # why, where the outputs do not say it


class _Grading:
    """One grading of one cell."""

    def __init__(self, check: Check, student: Student, seed: str, limits: Any,
                 right: Mapping[str, Collection[str]], failed: Mapping[str, tuple[str, str]]) -> None:
        self.check, self.student, self.seed, self.failed = check, student, seed, failed
        self.draw_limit = float(getattr(limits, "draw", DRAW_SECONDS))
        self.left = float(getattr(limits, "cell", CELL_SECONDS))        # seconds of the student's functions
        # For our own second opinions, which no student pays for: where this time runs out, an earlier mistake costs
        # points twice. Three demos at once on 2 cores needed 4 s for a training loop.
        self.spare = max(SPARE_SECONDS, 2 * self.left)
        self.outcomes: list[Outcome] = []
        self.changed: set[str] = set()      # arguments that the function wrote into
        self.shared: set[str] = set()       # arguments whose memory a result shares, where copies are promised
        self.stopped = ""                   # "timeout" or "died", once that ended the cell
        self.notes: dict[str, None] = {}    # in order, each once
        self.carried = Carried(check, self.outcomes, self.second_opinion, right)

    def run(self) -> CellResult:
        check = self.check
        draws = check.drawn(generator(self.seed))
        states = [PartState(p, check.draws_of(p, draws)) for p in check.parts]
        bare = [s.part.name for s in states if not s.draws]
        if bare or not states:
            raise CheckError(f"{check.function}: no draws for the parts {bare}")
        try:
            self.call_all(draws)
        except _Stop as stop:
            parts = [PartResult(p.name, p.points, 0.0, False) for p in check.parts]
            return CellResult(check.cell, check.function, check.points, 0.0, parts, stop.reason, stop.message,
                              cause=self.cause())
        judged = self.hand_judged(self.outcomes) if check.judge else None
        thoughtless = self.is_constant()
        for state in states:
            self.carried.excused = False
            if thoughtless:
                state.failed, state.sentence = list(state.part.outputs), CONSTANT
            elif state.part.kind == "shape":
                self.judge_form(state)
            elif judged is not None:
                self.judge_by_hand(state, judged)
            else:
                self.judge_values(state)
            state.excused = self.carried.excused
        lost = self.changed or any(s.failed or s.bad_form for s in states)
        writers = self.carried.writers(bool(self.changed)) if lost else []
        for state in states if writers else []:
            state.sentence = ""             # what came is right, but for them
        found = [] if writers else self.explain(states)
        misconceptions, question = sentences(check, found)
        explained = set(check.names) if writers else {o for f in found for o in f.outputs}
        parts = [self.part_result(s) for s in states]
        score = self.score(states, parts)
        if excused := [p.name for s, p in zip(states, parts, strict=True) if s.excused and p.ok]:
            self.notes[self.carried.note([] if score >= check.points else excused)] = None
        wording.part_sentences(check, self.outcomes, states, parts, explained,
                               None if self.stopped else lambda draw: self.answer(draw)[0])
        cause = self.cause()
        message = wording.message(check, self.outcomes, parts, self.changed, self.shared, cause, writers)
        reason = self.stopped or ("ok" if score >= check.points else "partial" if score > 0 else "wrong")
        if not score and not self.stopped and all(isinstance(o.failure, StudentError) for o in self.outcomes):
            reason = "raises"
        return CellResult(check.cell, check.function, check.points, score, parts, reason, message, misconceptions,
                          question, list(self.notes), sound=self.sound(reason), cause=cause)

    def sound(self, reason: str) -> frozenset[str]:
        """The results that are right by themselves wherever the function answered; all of them with full points.

        A point that was lost for an argument written into, a form or one draw that raises is no wrong value.
        """
        carried = any(note.startswith(CARRIED) for note in self.notes)
        if reason == "ok" and not carried:
            return frozenset(self.check.names)
        came = [] if self.check.judge else [o for o in self.outcomes if o.got is not None]
        return frozenset(n for k, n in enumerate(self.check.names) if came and all(o.right(k) for o in came))

    # ----- Calling

    def call_all(self, draws: Sequence[Draw]) -> None:
        """Call the function on each draw. The first draw that times out, without a budget of its own, ends the cell."""
        for draw in draws:
            if self.stopped:
                self.outcomes.append(Outcome(draw, [], skipped=True))
                continue
            self.outcomes.append(self.ask(draw))
            if len(self.outcomes) in (EMPTY_DRAWS, len(draws)) and all(map(_empty, self.outcomes)):
                raise _Stop("not_written", wording.not_written(self.check, self.outcomes[0], self.cause()))
        if self.check.copies and not self.stopped and isinstance(self.student, Spoiler):
            for outcome in [o for o in self.outcomes if o.got is not None]:
                self.look_for_shared_memory(self.student, outcome.draw)

    def ask(self, draw: Draw) -> Outcome:
        """Call the student's function on a draw, compare what comes, and keep in mind what it did besides."""
        outcome, after = self.answer(draw)
        failure = outcome.failure
        if isinstance(failure, MissingName):
            raise _Stop("missing", f"There is no function `{self.check.function}` in the notebook.")
        if isinstance(failure, StudentDied):
            self.stopped = "died"
        elif isinstance(failure, StudentTimeout) and (draw.budget is None or self.left <= 0):
            self.stopped = "timeout"
        elif failure is None:
            self.changed.update(_differing(self.check, draw.args, after))
        return outcome

    def answer(self, draw: Draw) -> tuple[Outcome, Any]:
        """What the student's function does on a draw, and the arguments after it."""
        outcome = Outcome(draw, [])
        for late in (False, True):
            began = time.perf_counter()
            try:
                value, after = self.call(self.check.called, draw.args, draw.budget)
            except StudentFailure as failure:
                if isinstance(failure, StudentTimeout) and draw.budget is not None and not late and self.left > 0:
                    continue            # a budget is short: a function's first call may have to make a table
                outcome.failure = failure
                outcome.skipped = isinstance(failure, (StudentTimeout, StudentDied))
                return outcome, None
            finally:
                outcome.seconds = time.perf_counter() - began
            self.fill(outcome, value)
            return outcome, after
        raise AssertionError("the loop returns")

    def call(self, name: str, args: tuple[Any, ...], budget: float | None = None) -> tuple[Any, Any]:
        """Call a function of the student's within what is left of the cell's time."""
        return self.timed(self.student.call, name, args, budget)

    def timed(self, how: Callable[..., Any], name: str, args: tuple[Any, ...], budget: float | None) -> Any:
        if self.left <= 0:
            raise StudentTimeout("the cell's time is used up")
        began = self.clock()
        try:
            return how(name, args, timeout=min(self.draw_limit, self.left), budget=budget)
        finally:
            self.left -= self.clock() - began

    def clock(self) -> float:
        """The student's own seconds where they are counted: those that the judge or a busy machine took are not."""
        used = getattr(self.student, "seconds_used", None)
        return time.perf_counter() if used is None else float(used)

    def fill(self, outcome: Outcome, value: Any) -> None:
        """Compare a value with the reference's, result by result."""
        check, draw = self.check, outcome.draw
        try:
            want = check.split(check.expected(draw))
        except Exception as error:
            raise CheckError(f"the reference of {check.function} raised {type(error).__name__}") from error
        if want is None:
            raise CheckError(f"the reference of {check.function} does not return {len(check.names)} results")
        outcome.want = want
        outcome.got = None if value is None else check.split(value)
        if outcome.got is None and (value is not None or any(w is not None for w in want)):
            outcome.problem = wording.wrong_count(check, value)
            return
        outcome.got = outcome.got or [value]
        for k, (g, w) in enumerate(zip(outcome.got, want, strict=True)):
            outcome.verdicts.append(judge(g, w, tolerance(check, k, draw), examples=examples_axis(check, k, draw),
                                          float32=draw.float32))
            if outcome.verdicts[-1].note:
                self.notes[outcome.verdicts[-1].note or ""] = None

    def look_for_shared_memory(self, student: Spoiler, draw: Draw) -> None:
        try:
            after = self.timed(student.spoiled, self.check.called, draw.args, draw.budget)
        except StudentFailure:
            return                          # it answered a moment ago; nothing is known, so nothing is taken
        self.shared.update(_differing(self.check, draw.args, after) - self.changed)

    # ----- Parts

    def is_constant(self) -> bool:
        """Is every result on every draw a constant or an argument, or the same on all? It earns nothing, not even its
        shape: zeros of the right shape say nothing about a function, and gradients that are short stay as they are."""
        came = [o for o in self.outcomes if o.got is not None and o.want]
        same = len(came) == len(self.outcomes) > 2 and all(o.in_form() and identical(o.got, came[0].got) for o in came)
        if same and not all(identical(o.want, came[0].want) for o in came):
            return not self.is_inherited()      # learned by heart, such as weights that once were trained
        return bool(came) and all(is_thoughtless(g, o.draw.args) for o in came for g in o.got or []) and not all(
            is_thoughtless(w, o.draw.args) for o in came for w in o.want) and not self.is_inherited()

    def is_inherited(self) -> bool:
        """Is it what a right function gives around the student's earlier ones, whose mistakes made all alike?"""
        return all(self.carried.explains(range(len(self.outcomes)), k) for k in range(len(self.check.names)))

    def judge_form(self, state: PartState) -> None:
        """Type, shape and dtype on the draws that brought something, if those are half of all at least.

        Draws that raise cost the parts that they are in; a function that fails for B = 1 alone keeps its shape.
        """
        ks = [self.check.names.index(name) for name in state.part.outputs]
        came = [i for i in state.draws if self.outcomes[i].got is not None]
        broken = any(self.outcomes[i].problem or isinstance(self.outcomes[i].failure, Untransferable)
                     for i in state.draws)
        for k in ks:
            wrong = [i for i in came if self.outcomes[i].verdicts[k].form is not None]
            if 2 * len(came) < len(state.draws) or broken or (wrong and not self.carried.explains(wrong, k)):
                state.failed.append(self.check.names[k])

    def judge_values(self, state: PartState) -> None:
        for name in state.part.outputs:
            k = self.check.names.index(name)
            wrong = [i for i in state.draws if not self.outcomes[i].right(k)]
            if wrong and not self.carried.explains(wrong, k):
                state.failed.append(name)
            elif any(self.outcomes[i].verdicts[k].form is not None for i in state.draws if i not in wrong):
                state.bad_form.append(name)

    def judge_by_hand(self, state: PartState, judged: Sequence[Mapping[str, str | None]]) -> None:
        said = [judged[i].get(state.part.name) for i in state.draws]
        wrong = [i for i, s in zip(state.draws, said, strict=True) if s]
        if wrong and not self.carried.accepts(wrong, lambda o, w: not self.judge_one(o, w).get(state.part.name)):
            state.sentence = next(s for s in said if s)
            state.failed = [n for k, n in enumerate(self.check.names) if n in state.part.outputs and any(
                not self.outcomes[i].right(k) for i in state.draws)] or list(state.part.outputs)
        else:
            state.bad_form = [n for k, n in enumerate(self.check.names) if n in state.part.outputs and any(
                self.outcomes[i].verdicts[k].form is not None for i in state.draws)]

    def hand_judged(self, outcomes: Sequence[Outcome]) -> list[Mapping[str, str | None]]:
        """The judge's sentences for each draw. A wrong form is repaired, and what cannot be never reaches the judge."""
        return [self.judge_one(o, o.want) for o in outcomes]

    def judge_one(self, o: Outcome, want: Sequence[Any]) -> Mapping[str, str | None]:
        check, got = self.check, o.in_form()
        names = [p.name for p in check.parts if p.kind == "value"]
        if got is None:
            form = next((wording.named(check, k, v.form.sentence) for k, v in enumerate(o.verdicts) if v.form), "")
            cause = cause_of(check, o, self.failed)
            why = f"it waits for `{cause[0]}`" if cause else form or wording.failed(check, o)
            return dict.fromkeys(names, why or "it was not called any more")
        came, due, sure = (v[0] if len(check.names) == 1 else tuple(v) for v in (got, want, o.want))
        assert check.judge is not None
        try:
            said = check.judge(came, o.draw, due, self.value)
        except StudentFailure as failure:
            return dict.fromkeys(names, f"a function that it needs {wording.fails(failure)}")
        except Exception:           # of the right form, and yet no answer: a node that the graph has not
            with contextlib.suppress(StudentFailure):
                check.judge(sure, o.draw, sure, self.value)     # raises where the fault is the Check's
            return dict.fromkeys(names, "what came cannot be judged: it holds a value that is not among the answers")
        if unknown := set(said) - set(names):
            raise CheckError(f"the judge of {check.function} speaks of unknown parts {sorted(unknown)}")
        return said

    def value(self, name: str, *args: Any) -> Any:
        """What a function of the student's returns: for judges."""
        return self.call(name, args)[0]

    def second_opinion(self, name: str, *args: Any) -> tuple[Any, Any]:
        """That and the arguments after it, for errors carried forward, hundreds of calls at times: on time of its own,
        and of a process that has not seen the draws, where there is one."""
        self.left, self.spare = self.spare, self.left
        try:
            return self.timed(getattr(self.student, "apart", self.student.call), name, args, None)
        finally:
            self.left, self.spare = self.spare, self.left

    # ----- Points

    def part_result(self, state: PartState) -> PartResult:
        """A part is earned as a whole, or in equal shares where it names several outputs."""
        part = state.part
        ok = not state.failed and not state.bad_form
        if part.shares:
            full, half = len(part.outputs) - len(state.failed) - len(state.bad_form), len(state.bad_form)
            earned = part.points * (full + self.form_share * half) / len(part.outputs)
        else:
            earned = 0.0 if state.failed else part.points * (self.form_share if state.bad_form else 1)
        if part is self.check.edge_part and (self.changed or self.shared):
            earned, ok = 0.0, False
            state.sentence = state.sentence or wording.wrote_into(self.changed, self.shared)
        if self.form_share == 1 and state.bad_form:
            ok = not state.failed           # the shape part has paid for it
        return PartResult(part.name, part.points, round(earned, 1), ok)

    @property
    def form_share(self) -> float:
        """Without a shape part, a wrong form costs half of the part; with one, that part and the cap in `score`."""
        return 1.0 if any(p.kind == "shape" for p in self.check.parts) else FORM_SHARE

    def score(self, states: Sequence[PartState], parts: Sequence[PartResult]) -> float:
        total = sum(p.earned for p in parts)
        lost_form = any(s.part.kind == "shape" and s.failed for s in states)
        cap = FORM_SHARE * self.check.points
        if lost_form and total > cap:
            self.notes[f"the form is wrong, so at most {cap:g} of {self.check.points:g} points can be earned"] = None
            total = cap
        return round(total, 1)

    # ----- Explaining

    def cause(self) -> tuple[str, str] | None:
        """The earlier function that the first failing call fails for, and the reason of its own result."""
        first = next((o for o in self.outcomes if o.failure is not None), None)
        return None if first is None else cause_of(self.check, first, self.failed)

    def explain(self, states: Sequence[PartState]) -> list[Found]:
        """The known mistakes behind the lost parts, the most valuable part first."""
        search = Search(self.check, self.more)
        found: list[Found] = []
        explained: set[str] = set()
        for state in sorted(states, key=lambda s: -s.part.points):
            failed = [n for n in state.failed if n not in explained]
            outcomes = [self.outcomes[i] for i in state.draws]
            if state.part.kind != "value" or not failed or not any(o.got is not None for o in outcomes):
                continue
            found += search.find(state.part, outcomes, failed)
            explained.update(o for f in found for o in f.outputs)
        return found

    def more(self, part: Part) -> Iterator[Outcome]:
        """Further draws of a part, where two mutants fit those that were made."""
        count = 0
        for k in range(1, MORE_DRAWS + 1):
            draws = self.check.drawn(generator(self.seed, k))
            for i in self.check.draws_of(part, draws):
                if count == MORE_DRAWS or self.stopped:
                    return
                if draws[i].budget is None:
                    count += 1
                    outcome, _ = self.answer(draws[i])
                    if outcome.skipped:     # what it does now, after all draws were judged, changes no points
                        return
                    yield outcome


def _empty(outcome: Outcome) -> bool:
    """Nothing came: None where something is expected, or the NotImplementedError of the release."""
    nothing = outcome.got is None and outcome.problem == wording.NOTHING
    return nothing or isinstance(outcome.failure, StudentError) and outcome.failure.ename == "NotImplementedError"


def _differing(check: Check, before: Sequence[Any], after: Any) -> set[str]:
    """The names of the arguments that are not what they were."""
    if type(after) not in (tuple, list) or len(after) != len(before):
        return {a.name for a in check.args}
    return {a.name for a, b, c in zip(check.args, before, after, strict=True) if not identical(b, c)}
