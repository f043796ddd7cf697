"""Which mistake is this? Recognise a student's output as the output of the solution with a known mistake in it.

A mutant is named only if the student's results equal its results on all draws of the failed part, on at least two that
tell it from the reference, and if every other result is the reference's or the same mutant's: otherwise a different
mistake that happens to share one output would be misnamed. Where several mutants fit, further draws decide.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder.check import FLOAT32, Check, Mutant, Part
from autograder.compare import Verdict, in_form, same
from autograder.draws import EXAMPLES, Draw
from autograder.questions import of_family
from autograder.result import Misconception

MORE_DRAWS = 20
NEEDED = 2              # discriminating draws: one may fit by chance, as where T = 1
MAX_SENTENCES = 2       # in one cell; a student acts on one or two
Mistake = tuple[Mutant, ...]


@dataclass(eq=False)
class Outcome:
    """One draw after the call: the results one by one, or why there are none."""

    draw: Draw
    want: list[Any]
    got: list[Any] | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    failure: Exception | None = None        # what the call raised
    problem: str = ""                       # why there is nothing to judge, in words
    skipped: bool = False                   # too slow, or never run: it tells nothing about the values
    seconds: float = 0.0                    # of the call

    def right(self, k: int) -> bool:
        return bool(self.verdicts) and self.verdicts[k].value is None

    def in_form(self) -> list[Any] | None:
        """The results, those of a wrong form repaired; None where there are none, or one cannot be repaired."""
        if self.got is None or not all(v.repairable for v in self.verdicts):
            return None
        try:
            return [in_form(v.got, w) if v.form else g
                    for g, w, v in zip(self.got, self.want, self.verdicts, strict=True)]
        except ValueError:
            return None


@dataclass(frozen=True)
class Found:
    """The mistake that explains these outputs."""

    mistake: Mistake
    outputs: tuple[str, ...]


def tolerance(check: Check, k: int, draw: Draw) -> float:
    return max(FLOAT32, check.tol[check.names[k]]) if draw.float32 else check.tol[check.names[k]]


def examples_axis(check: Check, k: int, draw: Draw) -> int | None:
    """Where a draw of mixed scales has its examples in result k; None where all entries share one scale."""
    axes = check.results[k].axes
    return axes.index(EXAMPLES) if draw.mixed and EXAMPLES in axes else None


class Search:
    """Finds mistakes in one grading. The mutants' outputs are computed when they are asked for, and kept."""

    def __init__(self, check: Check, more: Callable[[Part], Iterable[Outcome]]) -> None:
        self.check, self.more = check, more
        self._outputs: dict[tuple[Mistake, int], list[Any] | None] = {}
        self._kept: list[Draw] = []         # so that no id is used again

    def find(self, part: Part, outcomes: Sequence[Outcome], failed: Sequence[str]) -> list[Found]:
        """The mistakes behind the failed outputs of a part, each with the outputs that it explains."""
        outcomes = [o for o in outcomes if not o.skipped]
        found: dict[Mistake, list[str]] = {}
        for name in failed:
            k = self.check.names.index(name)
            mistake = self._explain(part, outcomes, k)
            if mistake:
                found.setdefault(mistake, []).append(name)
        return [Found(mistake, tuple(names)) for mistake, names in found.items()]

    def _explain(self, part: Part, outcomes: Sequence[Outcome], k: int) -> Mistake | None:
        singles: list[Mistake] = [(m,) for m in self.check.mutants]
        return self._first(part, outcomes, k, singles) or self._first(part, outcomes, k, self._pairs())

    def _pairs(self) -> list[Mistake]:
        """Mistakes at two places, the one nearer to the input first."""
        source = self.check.source() or ""
        place = {m.name: source.find(m.substitutions[0][0]) for m in self.check.mutants}
        pairs = [tuple(sorted(pair, key=lambda m: place[m.name]))
                 for pair in itertools.combinations(self.check.mutants, 2)]
        return [pair for pair in pairs if self.check.mutated(*pair) is not None]

    def _first(self, part: Part, outcomes: Sequence[Outcome], k: int, mistakes: list[Mistake]) -> Mistake | None:
        fitting = [m for m in mistakes if self._fits(m, outcomes, k)]
        if len({tuple(x.says for x in m) for m in fitting}) > 1:
            for outcome in self.more(part):
                fitting = [m for m in fitting if outcome.skipped or self._agrees(m, outcome, k)]
                if len(fitting) < 2:
                    break
        return fitting[0] if fitting else None

    def _fits(self, mistake: Mistake, outcomes: Sequence[Outcome], k: int) -> bool:
        if not outcomes or not all(self._agrees(mistake, o, k) for o in outcomes):
            return False
        return sum(self.tells(mistake, o, k) for o in outcomes) >= NEEDED

    def _agrees(self, mistake: Mistake, outcome: Outcome, k: int) -> bool:
        """Is result k the mutant's, and every other one the mutant's or right?"""
        theirs = self.output(mistake, outcome.draw)
        if theirs is None or outcome.got is None:
            return theirs is None and outcome.failure is not None      # both raise
        return all(self._same(outcome, j, outcome.got[j], theirs[j]) or (j != k and outcome.right(j))
                   for j in range(len(theirs)))

    def _same(self, outcome: Outcome, j: int, got: Any, want: Any, factor: float = 1) -> bool:
        tol = factor * tolerance(self.check, j, outcome.draw)
        return same(got, want, tol, examples=examples_axis(self.check, j, outcome.draw))

    def tells(self, mistake: Mistake, outcome: Outcome, k: int) -> bool:
        """Does this draw discriminate: is the mutant's result k clearly not the reference's?"""
        theirs = self.output(mistake, outcome.draw)
        return theirs is not None and not self._same(outcome, k, theirs[k], outcome.want[k], factor=10)

    def output(self, mistake: Mistake, draw: Draw) -> list[Any] | None:
        """The mutant's results on a draw; None where it raises or returns another number of results."""
        key = (mistake, id(draw))
        if key not in self._outputs:
            self._kept.append(draw)
            function = self.check.mutated(*mistake)
            try:
                self._outputs[key] = None if function is None else self.check.split(self.check.run(function, draw))
            except Exception:       # a mutant may raise where the student's function does
                self._outputs[key] = None
        return self._outputs[key]


def sentences(check: Check, found: Iterable[Found]) -> tuple[list[Misconception], str | None]:
    """What is shown: one sentence for each output and two for the cell; and the question that goes with the first."""
    shown: dict[str, Misconception] = {}
    explained: set[str] = set()
    asked: list[Mutant] = []
    for item in found:
        new = [o for o in item.outputs if o not in explained]
        for mutant in item.mistake:
            if mutant.name in shown:
                shown[mutant.name].outputs += [o for o in new if o not in shown[mutant.name].outputs]
            elif new and len(shown) < MAX_SENTENCES:
                text = f"{mutant.says}\n{check.equation}  (slide: {check.slide})"
                shown[mutant.name] = Misconception(mutant.name, text, list(new), mutant.family)
                asked.append(mutant)
        explained.update(new)
    if not shown:
        return [], None
    question = next((m.question for m in asked if m.question), None) or check.question or of_family(asked[0].family)
    return list(shown.values()), question
