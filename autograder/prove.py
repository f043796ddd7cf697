"""Is a Check itself right? What CI asks of each one, on a few seeds, and `make proof` on thirty.

    proof = prove(check, seeds(30))
    assert not proof.faults, "\\n".join(proof.faults)

- each mutant loses points on every seed, is named in the feedback, and costs the same whatever the seed;
- each right variant, and the solution, earns every part;
- a blank function, None, zeros, ones and an argument handed back earn nothing in any part;
- each part looks at four draws or more.

`measure` adds what wants the notebook and a second look: whether the visible test notices each mutant, and which
mutants give the same on twenty draws, so that nobody can say which of them a student has made.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from autograder import submission
from autograder.assignment import CHECKS, Assignment
from autograder.check import Check, Mutant
from autograder.compare import same
from autograder.course import CONFIG, open_assignment
from autograder.draws import Draw, identical, widened
from autograder.kernel import InKernel
from autograder.misconception import MORE_DRAWS, examples_axis, tolerance
from autograder.oracle import CellResult, generator, grade_cell
from autograder.student import Student, StudentError, StudentFailure

DRAWS_MIN = 4           # of a part
CONSTANTS = ("0", "1", "an argument")
VISIBLE_SECONDS = 10.0  # for a visible test around a mutant, which may never end
DRAW_SECONDS = 2.0


def seeds(count: int) -> list[str]:
    """The first `count` seeds of every proof."""
    return [hashlib.sha256(f"proof {i}".encode()).hexdigest() for i in range(count)]


@dataclass
class Proof:
    """What was found. `faults` are sentences for the author of the Check; the rest is for docs/proofs."""

    function: str
    seeds: int
    faults: list[str] = field(default_factory=list)
    price: dict[str, list[float]] = field(default_factory=dict)         # points lost by each mutant, the different ones
    killed: dict[str, int] = field(default_factory=dict)                # on how many seeds it lost points
    named: dict[str, int] = field(default_factory=dict)                 # on how many seeds it was recognised
    noticed: dict[str, bool] = field(default_factory=dict)              # does the visible test fail for it?
    alike: list[tuple[str, str]] = field(default_factory=list)          # pairs that give the same on twenty draws

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def assignment_at(path: Path) -> list[Assignment]:
    """The assignment in a folder, or of that name in a course: of several notebooks, each with its checks.

    Raises CourseError where there is none, or where its files do not fit together.
    """
    if not path.is_dir() and (path.parent / CONFIG).is_file():
        path = path.parent / "checks" / path.name
    parts = sorted(p.parent for p in path.glob(f"*/{CHECKS}")) if path.parent.name == "checks" else []
    return [open_assignment(p) for p in parts if not (path / CHECKS).is_file()] or [open_assignment(path)]


def prove(check: Check, seeds: Iterable[str]) -> Proof:
    """Grade mutants, variants, blanks and constants as if students had handed them in."""
    chosen = list(seeds)
    proof = Proof(check.function, len(chosen))
    source = check.source()
    assert source is not None
    for seed in chosen:
        draws = check.drawn(generator(seed))
        for part in check.parts:
            count = len(check.draws_of(part, draws))
            if count < DRAWS_MIN:
                proof.faults.append(f"{check.function}, part '{part.name}': {count} draws, {DRAWS_MIN} are needed")
    for name, text in [("the solution", source), *((v.name, v.source) for v in check.variants)]:
        for seed, result in graded(check, text, chosen):
            for part_result in result.parts:
                if not part_result.ok:
                    proof.faults.append(f"{check.function}, variant '{name}' loses '{part_result.name}' on {seed[:8]}: "
                                        f"{result.reason}, {part_result.sentence or result.message} {result.notes}")
    for mutant in check.mutants:
        _prove_mutant(check, proof, mutant.name, chosen)
    _prove_blank(check, proof, chosen)
    proof.faults = list(dict.fromkeys(proof.faults))
    return proof


def measure(assignment: Assignment, check: Check, proof: Proof) -> None:
    """Fill in `noticed` and `alike`, and the faults that they show."""
    for mutant in check.mutants:
        source = check.source(mutant)
        if source is None:
            continue                    # told already
        proof.noticed[mutant.name] = noticed = not visible_test_passes(assignment, check, source)
        if mutant.visible is not None and mutant.visible is not noticed:
            says, does = ("notices", "passes with") if mutant.visible else ("passes with", "notices")
            proof.faults.append(f"{check.function}: visible={mutant.visible} says that the visible test {says} mutant "
                                f"'{mutant.name}', and it {does} it")
    source = check.source()
    assert source is not None
    if not visible_test_passes(assignment, check, source):
        proof.faults.append(f"{check.function}: the visible test does not pass for the solution")
    for one, two in alike(check):
        proof.alike.append((one.name, two.name))
        if one.says != two.says:
            proof.faults.append(f"{check.function}: mutants '{one.name}' and '{two.name}' give the same on "
                                f"{MORE_DRAWS} draws and have different sentences: keep one, or draw what separates "
                                "them")


def visible_test_passes(assignment: Assignment, check: Check, source: str) -> bool:
    """Run what students see of the test cell in a notebook that is right but for this source of the function."""
    space = assignment.namespace(replace={check.function: source})
    text = submission.visible(assignment.graded[check.cell].source)

    def run() -> None:
        exec(compile(text, f"<{check.cell}>", "exec"), space)

    mode = os.environ.pop("NBGRADER_EXECUTION", None)       # with it, a visible test prints and goes on
    try:
        InKernel({"run": run}).call("run", (), timeout=VISIBLE_SECONDS)
    except StudentFailure:
        return False
    finally:
        if mode is not None:
            os.environ["NBGRADER_EXECUTION"] = mode
    return True


def alike(check: Check) -> list[tuple[Mutant, Mutant]]:
    """The pairs of mutants that cannot be told apart by what they return on twenty draws."""
    draws: list[Draw] = []
    for k in range(MORE_DRAWS):
        draws += [d for d in check.drawn(generator(seeds(1)[0], k)) if d.budget is None]
        if len(draws) >= MORE_DRAWS:
            break
    draws = [draws[i] for i in np.linspace(0, len(draws) - 1, min(MORE_DRAWS, len(draws))).astype(int)]
    answers = {m.name: [_answer(check, m, d) for d in draws] for m in check.mutants if check.source(m) is not None}
    return [(one, two) for one, two in combinations([m for m in check.mutants if m.name in answers], 2)
            if all(_same(check, d, a, b) for d, a, b in zip(draws, answers[one.name], answers[two.name], strict=True))]


def _answer(check: Check, mutant: Mutant, draw: Draw) -> list[Any] | str:
    """The results of a mutant, or in a word why there are none."""
    function = check.mutated(mutant)
    args = tuple(widened(a) for a in draw.args) if draw.float32 else draw.args
    try:
        value, _ = InKernel({check.called: function}).call(check.called, args, timeout=DRAW_SECONDS)
    except StudentFailure as failure:
        return str(getattr(failure, "ename", type(failure).__name__))
    return check.split(value) or ["another number of results", value]


def _same(check: Check, draw: Draw, one: list[Any] | str, two: list[Any] | str) -> bool:
    if isinstance(one, str) or isinstance(two, str) or len(one) != len(check.names) or len(two) != len(check.names):
        return identical(one, two)
    return all(same(a, b, tolerance(check, k, draw), examples=examples_axis(check, k, draw))
               for k, (a, b) in enumerate(zip(one, two, strict=True)))


def graded(check: Check, source: str, seeds: Iterable[str]) -> list[tuple[str, CellResult]]:
    """The verdicts on a notebook that is right, but for this source of the function."""
    student = InKernel(check.text.namespace(replace={check.function: source}))
    return [(seed, grade_cell(check, student, seed)) for seed in seeds]


def _prove_mutant(check: Check, proof: Proof, name: str, seeds: list[str]) -> None:
    mutant = next(m for m in check.mutants if m.name == name)
    source = check.source(mutant)
    if source is None:
        proof.faults.append(f"{check.function}: the text of mutant '{name}' is not in the solution exactly once")
        return
    says = {m.name: m.says for m in check.mutants}
    price, count, killed = set(), 0, 0
    for seed, result in graded(check, source, seeds):
        lost = round(result.points - result.score, 1)
        price.add(lost)
        killed += lost > 0
        if not lost:
            proof.faults.append(f"{check.function}: mutant '{name}' survives on {seed[:8]}")
        shown = [m.mutant for m in result.misconceptions]
        if [says[m] for m in shown] == [mutant.says]:
            count += 1
        else:
            proof.faults.append(f"{check.function}: mutant '{name}' is told as {shown or 'nothing'} on {seed[:8]}"
                                f" ({result.reason}: {result.message} {result.notes})")
    proof.price[name], proof.named[name] = sorted(price), count
    proof.killed[name] = killed
    if len(price) > 1:
        proof.faults.append(f"{check.function}: mutant '{name}' costs {sorted(price)}, depending on the seed")


def _prove_blank(check: Check, proof: Proof, seeds: list[str]) -> None:
    students: dict[str, Student] = {"a blank function": Blank(), "`pass`": Nothing()}
    students |= {f"the constant {kind}": Constant(check, kind) for kind in CONSTANTS}
    for name, student in students.items():
        for seed in seeds:
            for part in grade_cell(check, student, seed).parts:
                if part.earned:
                    proof.faults.append(f"{check.function}: {name} earns '{part.name}' on {seed[:8]}")


class Blank:
    """The release as it is handed out."""

    def call(self, name: str, args: tuple[Any, ...], **how: Any) -> tuple[Any, tuple[Any, ...]]:
        raise StudentError("NotImplementedError")


class Nothing:
    """A function whose body is `pass`."""

    def call(self, name: str, args: tuple[Any, ...], **how: Any) -> tuple[Any, tuple[Any, ...]]:
        return None, args


class Constant:
    """A function that answers in the right form and knows nothing: 0, 1, or an argument of the right shape."""

    def __init__(self, check: Check, kind: str) -> None:
        self.check, self.kind = check, kind

    def call(self, name: str, args: tuple[Any, ...], **how: Any) -> tuple[Any, tuple[Any, ...]]:
        with np.errstate(all="ignore"):
            want = self.check.reference()(*copy.deepcopy(args))
        return self.like(want, args), copy.deepcopy(args)

    def like(self, want: Any, args: tuple[Any, ...]) -> Any:
        if self.kind == "an argument":
            fitting = [a for a in args if np.shape(a) == np.shape(want)] if isinstance(want, np.ndarray) else \
                [a for a in args if type(a) is type(want)]
            if fitting:
                return copy.deepcopy(fitting[0])
            if type(want) not in (list, tuple):
                return copy.deepcopy(args[0])
        if type(want) in (list, tuple):
            return type(want)(self.like(w, args) for w in want)
        number = 0 if self.kind == "0" else 1
        return np.full_like(want, number) if isinstance(want, np.ndarray) else type(want)(number)
