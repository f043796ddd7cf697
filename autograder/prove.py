"""Is a Check itself right? What CI asks of each one, on a few seeds, and `make proof` on thirty.

    proof = prove(check, seeds(30))
    assert not proof.faults, "\\n".join(proof.faults)

- each mutant loses points on every seed, is named in the feedback, and costs the same whatever the seed;
- each right variant, and the solution, earns every part;
- a blank function, None, zeros, ones and an argument handed back earn nothing in any part;
- each part looks at four draws or more.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from autograder.check import Check
from autograder.kernel import InKernel
from autograder.oracle import CellResult, generator, grade_cell
from autograder.student import Student, StudentError

DRAWS_MIN = 4           # of a part
CONSTANTS = ("0", "1", "an argument")


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
    named: dict[str, int] = field(default_factory=dict)                 # on how many seeds it was recognised

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


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
    price, count = set(), 0
    for seed, result in graded(check, source, seeds):
        lost = round(result.points - result.score, 1)
        price.add(lost)
        if not lost:
            proof.faults.append(f"{check.function}: mutant '{name}' survives on {seed[:8]}")
        shown = [m.mutant for m in result.misconceptions]
        if [says[m] for m in shown] == [mutant.says]:
            count += 1
        else:
            proof.faults.append(f"{check.function}: mutant '{name}' is told as {shown or 'nothing'} on {seed[:8]}"
                                f" ({result.reason}: {result.message} {result.notes})")
    proof.price[name], proof.named[name] = sorted(price), count
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
