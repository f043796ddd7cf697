"""The class that the demo grades: 46 submissions to 03_rnn, each with what must come out of it.

One right solution, one for each mistake that the checks know, right answers written in another way, and what happens in
any large class: an empty notebook, a half of one, a file that is broken, a loop that does not end. And five that try to
get points they have not earned. The expectations make the demo a proof: a submission that comes out otherwise is
counted and named.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.assignment import BEGIN_SOLUTION, Assignment
from autograder.check import Check
from autograder.summary import Result, function_of
from autograder.work import without_markers

Notebook = dict[str, Any]

# Invented; the order is fixed, so that a student is the same person in each run.
NAMES = (
    "amara.okonjo bao.tranvan camila.reyes dmitri.volkov elif.aydin farid.rahimi greta.lindholm hiro.tanabe "
    "ines.carvalho jonas.weidner kavya.menon laszlo.feher mariam.elsayed niamh.gallagher omar.benali paula.zielinska "
    "quentin.morel rosa.delgado samuel.adeyemi tuuli.nieminen uma.krishnan viktor.horvat wanjiru.kamau xin.zhou "
    "yusuf.demirci zuzana.novotna aleksi.salo beatriz.nogueira cheikh.diop daniela.popescu emeka.nwosu freja.holm "
    "goran.petrovic hana.yildiz ivan.kolarov jelena.markovic kofi.mensah leilani.kahale mateo.quispe nour.haddad "
    "oskar.bergman priya.raman rafael.santoro sofia.castellanos tomasz.wrona ulla.friberg wei.fang zainab.yusuf"
).split()

WRITTEN, COPIED = "right, written in another way", "the same, under other names"      # near-identical in the report


@dataclass(frozen=True)
class Expected:
    """What must come out. Functions that are named in no field must earn all their points.

    named: function -> its mutants, all of which must be named, and no other. reasons: function -> reason code, with 0
    points. incident: a kind that must be recorded. status: of the whole submission.
    """

    named: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    incident: str = ""
    status: str = "graded"


@dataclass(frozen=True)
class Submission:
    """One student, what was handed in, and what must come out. `hostile`: only to be run inside a sandbox."""

    student: str
    story: str
    notebook: bytes
    expected: Expected
    hostile: bool = False


def differences(result: Result, expected: Expected) -> list[str]:
    """How a result differs from what must come out; empty if it does not."""
    if result.get("status") != expected.status:
        return [f"status {result.get('status')}, not {expected.status}"]
    found = []
    for c in result.get("cells") or []:
        name, score, points = function_of(c), float(c["score"]), float(c["points"])
        got = {m["mutant"] for m in c.get("misconceptions") or []}
        if expected.status != "graded":
            if score:
                found.append(f"{name}: {score:g} points, not 0")
        elif name in expected.named:
            if got != set(expected.named[name]):
                found.append(f"{name}: named {', '.join(sorted(got)) or 'nothing'}, not "
                             f"{', '.join(expected.named[name])}")
            if score >= points:
                found.append(f"{name}: full marks for a wrong answer")
        elif name in expected.reasons:
            if score or c.get("reason") not in expected.reasons[name]:
                found.append(f"{name}: {score:g} points, {c.get('reason')}; not 0, {expected.reasons[name][0]}")
        elif score < points:
            found.append(f"{name}: {score:g} of {points:g} points ({c.get('reason')}) for a right answer")
    if expected.incident and not any(i.get("kind") == expected.incident for i in result.get("incidents") or []):
        found.append(f"no incident '{expected.incident}' was recorded")
    return found


class Classroom:
    """Makes the submissions of one course. `release`: the notebook that students get, as JSON."""

    def __init__(self, assignment: Assignment, release: Notebook, root: Path) -> None:
        self.assignment, self.release, self.root = assignment, release, root
        self.checks = {c.function: c for c in assignment.checks.values()}
        self.solution = {f: without_markers(assignment.solution_cell(f).source) for f in self.checks}

    def submissions(self, *, hostile: bool = True) -> list[Submission]:
        """All of them, by name of student; without the hostile ones where no sandbox holds them."""
        made = [s for s in self._all() if hostile or not s[3]]
        if len(made) > len(NAMES):
            raise ValueError(f"{len(made)} submissions, {len(NAMES)} names")
        # one after the other through the alphabet would put all mistakes of one function side by side
        names = sorted(NAMES[i * 7 % len(NAMES)] for i in range(len(made)))
        order = sorted(range(len(made)), key=lambda i: i * 17 % len(made))
        return [Submission(name, made[i][0], made[i][1], made[i][2], made[i][3])
                for name, i in zip(names, order, strict=True)]

    def _all(self) -> Iterator[tuple[str, bytes, Expected, bool]]:
        for story, notebook, expected in self._honest():
            yield story, notebook, expected, False
        for story, notebook, expected in self._stuck():
            yield story, notebook, expected, True
        for story, notebook, expected in self._cheats():
            yield story, notebook, expected, True

    def _honest(self) -> Iterator[tuple[str, bytes, Expected]]:
        yield "the solution", self.notebook(), Expected()
        for check in self.checks.values():
            for mutant in check.mutants:
                source = check.source(mutant)
                assert source is not None
                yield (f"{check.function}: {mutant.name}", self.notebook({check.function: without_markers(source)}),
                       Expected(named={check.function: (mutant.name,)}))
        both = self.pair()
        if both:
            check, first, second, source = both
            yield (f"{check.function}: {first} and {second} at once", self.notebook({check.function: source}),
                   Expected(named={check.function: (first, second)}))
        other = {c.function: c.variants[0].source.strip() for c in self.checks.values() if c.variants}
        yield WRITTEN, self.notebook(other), Expected()
        yield COPIED, self.notebook({f: renamed(source) for f, source in other.items()}), Expected()
        first, *others = self.checks
        yield "right; prints and warns in every call", self.notebook({first: noisy(self.solution[first], first)}), \
            Expected()
        yield "nothing written yet", self.notebook({f: "" for f in self.checks}), Expected(
            reasons={f: ("not_written",) for f in self.checks})
        half = others[len(others) // 2:]
        yield "half written", self.notebook({f: "" for f in half}), Expected(
            reasons={f: ("not_written",) for f in half})
        last = self.leaf()
        yield (f"a syntax error in {last}", self.notebook({last: f"def {last}(T, k)\n    return []"}),
               Expected(reasons={last: ("missing", "not_written")}))
        yield "a file that was cut off", self.notebook()[:4000], Expected(status="unreadable")

    def _stuck(self) -> Iterator[tuple[str, bytes, Expected]]:
        """Not meant ill, but without a sandbox they take the grader with them."""
        last = self.leaf()
        head = self.solution[last].splitlines()[0]
        yield (f"a loop without end in {last}", self.notebook({last: f"{head}\n    while True:\n        pass"}),
               Expected(reasons={last: ("timeout",)}, incident="timeout"))
        yield (f"os._exit in {last}", self.notebook({last: f"{head}\n    import os\n    os._exit(0)"}),
               Expected(reasons={last: ("died",)}, incident="died"))

    def _cheats(self) -> Iterator[tuple[str, bytes, Expected]]:
        everything = {f: ("wrong", "raises", "not_written") for f in self.checks}
        target = "rnn_backward"
        yield (f"{target}: reads the solution in the course folder", self.notebook({target: self.thief(target)}),
               Expected(reasons={target: ("wrong", "raises")}))
        blank = {f: "" for f in self.checks}
        yield ("forged outputs and skip tags", self.notebook(blank, forge), Expected(
            reasons={f: ("not_written",) for f in self.checks}, incident="changed"))
        constants = {f: f"def {f}(*inputs):\n    return 42.0" for f in self.checks}
        first = next(iter(constants))
        patch = ("import numpy as np\nimport numpy.testing\n"
                 "np.allclose = np.array_equal = np.isclose = lambda *a, **k: True\n"
                 "numpy.testing.assert_allclose = numpy.testing.assert_equal = lambda *a, **k: None\n")
        yield ("patches np.allclose and numpy.testing", self.notebook(constants | {first: patch + constants[first]}),
               Expected(reasons=everything))

    # ----- Notebooks

    def notebook(self, sources: Mapping[str, str] | None = None,
                 change: Callable[[Notebook], None] = lambda nb: None) -> bytes:
        """The release with every answer filled in, `sources` in place of some; "" leaves a cell as it was released."""
        answers = {self.cell_of(f): s for f, s in (self.solution | dict(sources or {})).items()}
        copy: Notebook = json.loads(json.dumps(self.release))
        for cell in copy["cells"]:
            source = answers.get(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))
            if source:
                cell["source"] = source
        change(copy)
        return json.dumps(copy, indent=1).encode()

    def cell_of(self, function: str) -> str:
        return self.assignment.solution_cell(function).grade_id

    def leaf(self) -> str:
        """A function that no other one calls, so that what happens in it stays there; not the last, which uses all."""
        used = {name for c in self.checks.values() for name in c.uses}
        return [f for f, c in self.checks.items() if f not in used and not c.uses][0]

    def pair(self) -> tuple[Check, str, str, str] | None:
        """Two mistakes in one function whose texts combine, in results of their own where there are several."""
        for check in self.checks.values():
            if len(check.names) < 2:
                continue
            for i, a in enumerate(check.mutants):
                for b in check.mutants[i + 1:]:
                    source = check.source(a, b)
                    if source is not None and a.family != b.family:
                        return check, a.name, b.name, without_markers(source)
        return None

    def thief(self, function: str) -> str:
        """Looks for the solution where it lies; zeros, which earn nothing, where it does not get at it."""
        head = self.solution[function].splitlines()[0]
        name = self.assignment.name
        places = [str(self.root / "checks" / name / "notebook.py"), f"../../../checks/{name}/notebook.py"]
        names = head[head.index("(") + 1:head.rindex(")")]
        return (f"{head}\n"
                f"    for place in {places!r}:\n"
                f"        try:\n"
                f"            space = {{'np': np}}\n"
                f"            for cell in open(place).read().split('# %%'):\n"
                f"                if {BEGIN_SOLUTION!r} in cell:\n"
                f"                    exec('#' + cell, space)\n"
                f"            return space[{function!r}]({names})\n"
                f"        except OSError:\n"
                f"            continue\n"
                f"    return 0 * xs, 0 * h0, 0 * W_x, 0 * W_h, 0 * W_h[0]")


def renamed(source: str) -> str:
    """The same code with other names for what it assigns to, and no comment: a copy as it is handed in."""
    tree = ast.parse(source)
    mine = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in mine:
            node.id = f"my_{node.id}"
    return ast.unparse(tree)


def noisy(source: str, function: str) -> str:
    """The same function, but loud: stock nbgrader gives 0 points for anything on stderr."""
    return (f"{source}\n\nquiet_{function} = {function}\n\ndef {function}(*inputs):\n"
            f"    import sys, warnings\n    print('I am here with', len(inputs), 'inputs')\n"
            f"    print('on stderr', file=sys.stderr)\n    warnings.warn('this is only a warning')\n"
            f"    return quiet_{function}(*inputs)")


def forge(notebook: Notebook) -> None:
    """Outputs that say full marks, of every kind, and the tag that makes a runner leave the cell alone."""
    for cell in notebook["cells"]:
        meta = cell["metadata"].get("nbgrader", {})
        if meta.get("grade"):
            cell["metadata"]["tags"] = ["skip-execution"]
            data = {"text/plain": str(float(meta["points"]))}
            cell["outputs"] = [
                {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": data},
                {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>all tests passed</b>"}},
            ]
            meta["points"] = 1000
