"""A canary scan: nothing that the grader says or writes holds an entry of a drawn array or an expected value.

A student who could read a hidden input or its answer would write that answer down, and nobody would learn anything.
So each mistake that the course knows, and some students who try to carry the numbers out, are graded, and every text
of the verdict, then every file of a small graded course, is searched for the numbers and words of its draws.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder import driver, wording
from autograder.assignment import Assignment
from autograder.check import Check
from autograder.course import read_json
from autograder.kernel import InKernel
from autograder.oracle import CellResult, generator, grade_cell
from autograder.prove import seeds
from autograder.report import load_results, write_report
from autograder.submission import visible

from .assignment_help import NAMES, assignment, cells
from .grading_help import CHECKOUT, answer, command, hand_in, solved
from .test_assignments import SLOW

DIGITS = 4              # digits that make a number a canary: 0.5 and 300.0 stand in many texts
CLOSE = 1e-4            # relative
LETTERS = 6             # of a text
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d*\.\d+|\d+(?=[eE][-+]?\d))(?:[eE][-+]?\d+)?(?![\w.]*\w)")
IN_CI = "03_rnn"        # the assignment whose whole course is made and graded in CI


# ----- The scan

def digits(token: str) -> int:
    """How many digits of a number say something: 4 for -0.1234 and 1.234e-07, 1 for a score of 100.0."""
    return len(re.split("[eE]", token)[0].lstrip("+-").replace(".", "").strip("0"))


def numbers_in(text: str) -> list[tuple[str, float]]:
    return [(t, abs(float(t))) for t in NUMBER.findall(text) if digits(t) >= DIGITS]


def margin(token: str) -> float:
    """How far a number may be from the one that it shows: it was rounded to its last digit."""
    mantissa, _, exponent = token.lower().partition("e")
    last = int(exponent or 0) - len(mantissa.partition(".")[2])
    return max(CLOSE * abs(float(token)), 0.5000001 * 10.0 ** last)


def leaves(value: Any) -> Iterator[Any]:
    """The floats and texts inside arrays, lists, tuples and dicts."""
    if isinstance(value, np.ndarray):
        yield from value.ravel().tolist() if value.dtype.kind in "fUO" else ()
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, dict):
        yield from leaves(list(value))
        yield from leaves(list(value.values()))
    elif isinstance(value, (float, np.floating, str)):
        yield value


@dataclass(frozen=True)
class Canaries:
    """The numbers and texts that must not get out."""

    numbers: np.ndarray         # sorted, without signs
    words: frozenset[str]

    @classmethod
    def of(cls, *values: Any) -> Canaries:
        found = list(leaves(values))
        numbers = {abs(float(v)) for v in found if not isinstance(v, str) and np.isfinite(v)}
        wide = [v for v in numbers if digits(f"{v:.6g}") >= DIGITS]
        return cls(np.sort(wide), frozenset(v for v in found if isinstance(v, str) and len(v) >= LETTERS))

    def __or__(self, other: Canaries) -> Canaries:
        return Canaries(np.union1d(self.numbers, other.numbers), self.words | other.words)

    def in_text(self, text: str, known: str = "") -> list[str]:
        """What of them stands in the text. `known` is text that students have anyway: it is no leak."""
        excused = {value for _, value in numbers_in(known)}
        told = [(t, v) for t, v in numbers_in(text) if v not in excused]
        found = [t for t, v in told if len(self.numbers) and np.any(np.abs(self.near(v) - v) <= margin(t))]
        return found + sorted(w for w in self.words if w in text and w not in known)

    def near(self, value: float) -> np.ndarray:
        """The canaries on both sides of a number."""
        place = np.searchsorted(self.numbers, value)
        return self.numbers[max(0, place - 1):place + 1]


@functools.cache
def canaries(name: str, cell: str, seed: str) -> Canaries:
    """All that is drawn and expected when this cell is graded with this seed."""
    check = assignment(name).checks[cell]
    draws = check.drawn(generator(seed))
    return Canaries.of([d.args for d in draws], [check.run(check.reference(), d) for d in draws])


@functools.cache
def known(name: str, cell: str) -> str:
    """What a student may read in any case: the release, and the sentences that the Check has ready."""
    found = assignment(name)
    check = found.checks[cell]
    release = [re.sub(r"### BEGIN SOLUTION.*?### END SOLUTION", "", visible(c.source), flags=re.DOTALL)
               for c in found.cells]
    said = [check.equation, check.slide, check.question or "", check.nan_hint, *(p.name for p in check.parts)]
    return "\n".join([*release, *said, *(f"{m.says} {m.question or ''}" for m in check.mutants)])


def texts(result: CellResult) -> str:
    """All that a verdict says in words."""
    told = [result.reason, result.message, result.question or "", *result.notes]
    told += [f"{p.name} {p.sentence}" for p in result.parts] + [m.sentence for m in result.misconceptions]
    return "\n".join(told)


# ----- Who is graded

SPIES = {
    "tells them in its error": "raise ValueError(str(args))",
    "raises an error of their name": "raise type(str(args), (Exception,), {})()",
    "returns them as a text": "return repr(args)",
    "returns an object of their name": "return type(str(args), (), {})()",
    "returns a dict with them as keys": "return {str(a): 1.0 for a in args}",
    "prints and warns": "import sys, warnings; print(args); print(args, file=sys.stderr); warnings.warn(str(args))",
}
CHANGES = {     # of the right result: no mutant explains them, so the verdict describes what it sees
    "turned round": "-v", "by a factor": "v * 1.5", "nearly right": "v * (1 + 1e-5)", "shifted": "v + 1.5",
    "backwards": "v[::-1] if v.ndim else v + 1", "one wrong entry": "v + (np.arange(v.size).reshape(v.shape) == 1)",
    "not a number": "v * np.nan", "a list": "v.tolist()",
}


def spy(function: str, how: str) -> str:
    return f"def {function}(*args, **more):\n    {SPIES[how]}\n"


def changed(source: str, function: str, how: str) -> str:
    """The solution with its float results changed: in arrays, in lists of arrays, as numbers."""
    return f"""{source}

import numpy as np

def _changed(v):
    if isinstance(v, (list, tuple)):
        return type(v)(_changed(x) for x in v)
    if isinstance(v, (float, np.ndarray)) and np.asarray(v).dtype.kind == "f":
        v = np.asarray(v)
        return {CHANGES[how]}
    return v

_right = {function}

def {function}(*args):
    return _changed(_right(*args))
"""


def wrong(check: Check) -> Iterator[tuple[str, str]]:
    """Names and sources of students whose function is wrong, in all ways that this file knows."""
    right = check.source()
    assert right is not None
    for mutant in check.mutants:
        source = check.source(mutant)
        assert source is not None
        yield f"mutant {mutant.name}", source
    if re.search(rf"^def {check.function}\(", right, re.MULTILINE):
        yield from ((how, changed(right, check.function, how)) for how in CHANGES)
    yield from ((how, spy(check.function, how)) for how in SPIES)


def leaks_of(name: str, cell: str, seed: str, only: int | None = None) -> list[tuple[str, list[str]]]:
    """Who leaked what, of the wrong students of a cell."""
    found, hidden = assignment(name), canaries(name, cell, seed)
    check, bad = found.checks[cell], []
    for who, source in [*wrong(check)][:only]:
        try:
            space = found.namespace(replace={check.function: source})
        except Exception:           # a given cell that calls the function at once: the release would stop there as well
            continue
        result = grade_cell(check, InKernel(space), seed)
        assert result.reason != "check_error", (who, result.notes)
        if out := hidden.in_text(texts(result), known(name, cell) + source):
            bad.append((who, out))
    return bad


# ----- The scan says no

def test_numbers_and_texts_are_found_however_they_are_printed():
    array = np.array([[0.123456789, -12.5], [3.14159e-7, 4321.98765]])
    hidden = Canaries.of([array, {"secret": "perplexity"}], 2)
    for text in (str(array), repr(array), f"{array[0, 0]:.4f}", f"it is {array[1, 0]:.3e}.", "4.322e+03",
                 "(0.123457, 3)", "expected perplexity", "[-0.12345678900000001]"):
        assert hidden.in_text(text), text
    for text in ("12.5", "0.12", "0.1236", "shape (4321, 12)", "version 0.123.456", "abc0.1234f", "1e-07"):
        assert not hidden.in_text(text), text
    assert not hidden.in_text("0.1235 and perplexity", known="0.1235, perplexity")


def test_a_sentence_that_shows_an_expected_value_is_found(monkeypatch):
    """The same line of the grader that says which results are right, written carelessly."""
    cell, seed = "rnn-step-test", seeds(1)[0]
    assert leaks_of("03_rnn", cell, seed, 3) == []
    monkeypatch.setattr(wording, "_which", lambda check, outcomes: f"{outcomes[0].want[0].ravel()[0]:.5g} is expected")
    assert len(leaks_of("03_rnn", cell, seed, 3)) == 3


def test_a_file_that_shows_a_drawn_value_is_found(tmp_path):
    hidden = canaries("03_rnn", "rnn-step-test", seeds(1)[0])
    value = hidden.numbers[len(hidden.numbers) // 2]
    (tmp_path / "page.html").write_text(f"<style>a {{ width: 0.1234em }}</style><p>Your x was <b>{value:.6f}</b>.</p>")
    (tmp_path / "data.json").write_text(json.dumps({"seed": "0.1234", "note": "all is well", "seconds": value}))
    assert [path.name for path, _ in leaking_files(tmp_path, hidden, "")] == ["page.html"]
    (tmp_path / "data.json").write_text(json.dumps({"cells": [{"note": f"x = {value}"}]}))
    assert [path.name for path, _ in leaking_files(tmp_path, hidden, "")] == ["data.json", "page.html"]


@pytest.mark.parametrize("name", NAMES)
def test_there_is_something_to_look_for(name):
    """Functions of whole numbers alone (spans, orders of a graph) have no canaries; every assignment has others."""
    counts = [len(canaries(name, cell, seeds(1)[0]).numbers) for n, cell in cells() if n == name and cell not in SLOW]
    assert max(counts) > 300 and sum(count > 20 for count in counts) >= len(counts) / 2


# ----- Verdicts

@pytest.mark.parametrize(("name", "cell"), cells())
def test_no_verdict_on_a_wrong_function_shows_a_drawn_or_an_expected_value(name, cell):
    """Of the first few wrong ones on one seed; of all on five under `-m proof`."""
    assert leaks_of(name, cell, seeds(1)[0], 2 if cell in SLOW else 6) == []


@pytest.mark.proof
@pytest.mark.parametrize(("name", "cell"), cells())
def test_nor_does_it_on_5_seeds(name, cell):
    assert [bad for seed in seeds(5) for bad in leaks_of(name, cell, seed, 4 if cell in SLOW else None)] == []


# ----- Files

def plain(path: Path) -> str:
    """The text of a file that a person, or a program of theirs, can read: no styles, no pictures, no time it took."""
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".json", ".ipynb"):
        return "\n".join(_values(json.loads(text)))
    text = re.sub(r"(?s)<style.*?</style>|data:[\w/+-]+;base64,[\w+/=]+", "", text)
    return re.sub(r"(?s)<[^>]*>", " ", text) if path.suffix == ".html" else text


def _values(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name not in ("seconds", "started", "seed", "image/png") and not name.endswith("_hash"):
                yield name
                yield from _values(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _values(item)
    else:
        yield str(value)


def leaking_files(folder: Path, hidden: Canaries, seen: str) -> list[tuple[Path, list[str]]]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    found = [(p, hidden.in_text(plain(p), seen)) for p in files]
    return [(p, out) for p, out in found if out]


# What a spy keeps of the visible tests is its own; what it keeps of the hidden ones has to be gone with their process.
KEEP = """
_kept = []
def {f}(*args, **more):
    _kept.append(args)
    with open("kept.txt", "a") as file:
        print(args, file=file)
    return args[0] if args else None
"""
SHOW = """
import os
print(_kept)
print(open("kept.txt").read() if os.path.exists("kept.txt") else "")
"""
QUOTE = """
def {f}(*args, **more):
    import linecache
    text = f"raise ValueError()  # {{args}}".replace("\\n", " ")
    linecache.cache["<{f}>"] = (len(text), None, [text], "<{f}>")
    exec(compile(text, "<{f}>", "exec"), globals())
"""


def class_of(found: Assignment, count: int) -> dict[str, dict[str, str]]:
    """Students by name, each with the sources of its functions: mistakes everywhere, and attempts to carry values out.

    count: so many notebooks of mistakes, and of spies; the k-th has the k-th mutant, or the k-th spy, of each function.
    """
    checks, ways = [*enumerate(found.checks.values())], [*SPIES]
    students = {f"mistakes-{k}": {c.function: str(c.source(c.mutants[k % len(c.mutants)])) for _, c in checks}
                for k in range(count)}
    students |= {f"spy-{k}": {c.function: spy(c.function, ways[(i + k) % len(ways)]) for i, c in checks}
                 for k in range(min(count, len(ways)))}
    students["keeper"] = {c.function: KEEP.format(f=c.function) for _, c in checks}
    students["quoter"] = {c.function: QUOTE.format(f=c.function) for _, c in checks}
    return students


def shown_by_itself(found: Assignment, sources: dict[str, str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """What the notebook prints on the numbers that it holds: visible tests, and cells of its own."""
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.chdir(folder)
    replaced = {found.solution_cell(name).line: source for name, source in sources.items()}
    out, space = io.StringIO(), {"__name__": "notebook"}
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cell in found.cells:
            if cell.cell_type == "code" and cell.kind != "picture":
                try:
                    exec(replaced.get(cell.line, visible(cell.source)), space)
                except Exception as error:
                    print(error)
        if "_kept" in space:
            exec(SHOW, space)
    return out.getvalue()


def scan_course(name: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Make, grade and report a course of one assignment; each file that shows what it must not, with what it shows.

    Graded notebooks, feedback pages, results, the class report and the exported grades: all that leaves the grader.
    """
    from autograder.make_course import make

    root, found = tmp_path / "course", assignment(name)
    make(root, CHECKOUT / "solutions" / name)
    (root / ".autograder" / "secret").write_text("0123456789abcdef" * 4)       # the same draws in every run
    right = solved(root, name)
    students, seen, all_seen = class_of(found, count), {}, known_of(found)
    for student, sources in students.items():
        notebook = answer(right, **{_cell_of(found, f).replace("-", "_"): s for f, s in sources.items()})
        if student == "keeper":
            notebook["cells"].append({"cell_type": "code", "id": "show", "metadata": {}, "outputs": [],
                                      "execution_count": None, "source": SHOW})
        hand_in(root, student, notebook, name)
        seen[student] = "\n".join([all_seen, *sources.values(), shown_by_itself(found, sources, monkeypatch, tmp_path)])
    driver.grade(root, name, jobs=2)
    command(root, "nbgrader", "generate_feedback", name)
    write_report(load_results(root, name), root / "reports" / f"{name}.html")
    command(root, "nbgrader", "export", "--to", "reports/grades.csv")
    bad, hidden = [], {}
    for student in students:
        result = read_json(root / ".autograder" / "results" / name / f"{student}.json")
        assert len(result["cells"]) == len(found.checks) and result["status"] == "graded"
        hidden[student] = functools.reduce(Canaries.__or__, (
            canaries(name, c["grade_id"], c["seed"]) for c in result["cells"]))
        places = [root / "autograded" / student, root / "feedback" / student]
        assert all(any(p.rglob("*")) for p in places)
        (tmp_path / student).mkdir()
        (tmp_path / student / "result.json").write_text(json.dumps(result))
        for place in [*places, tmp_path / student]:
            bad += [(f"{student}/{p.name}", out) for p, out in leaking_files(place, hidden[student], seen[student])]
    everything = functools.reduce(Canaries.__or__, hidden.values())
    assert {p.suffix for p in (root / "reports").iterdir()} == {".html", ".csv"}
    bad += [(p.name, out) for p, out in leaking_files(root / "reports", everything, "\n".join(seen.values()))]
    return bad


def known_of(found: Assignment) -> str:
    return "\n".join(known(found.name, cell) for cell in found.checks)


def _cell_of(found: Assignment, function: str) -> str:
    return found.solution_cell(function).grade_id


@pytest.mark.slow
def test_no_file_of_a_graded_course_shows_a_drawn_or_an_expected_value(tmp_path, monkeypatch):
    assert scan_course(IN_CI, 1, tmp_path, monkeypatch) == []


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES)
def test_nor_does_one_of_any_assignment(name, tmp_path, monkeypatch):
    most = max(len(check.mutants) for check in assignment(name).checks.values())
    assert scan_course(name, most, tmp_path, monkeypatch) == []
