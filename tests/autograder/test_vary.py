"""`autograder vary`: a term's version builds, recognises every mistake, and last year's solution does not pass it."""

from __future__ import annotations

import inspect
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder.__main__ import main
from autograder.assignment import Assignment
from autograder.build import release_notebook
from autograder.check import Check, CheckError, Draw
from autograder.kernel import InKernel
from autograder.oracle import grade_cell
from autograder.prove import measure, prove, seeds
from autograder.rewrite import Names, difference, prose, renamed, reordered, reordered_prose, starred
from autograder.vary import VaryError, read_names, vary
from autograder.vary_blocks import BlocksError, replaced
from tests.autograder.assignment_help import NAMES, ROOT, assignment

RIGIDLY_ONE = 3         # functions of an assignment, at most, that have one argument or none


def varied(name: str, out: Path, **how: Any) -> tuple[Any, Assignment]:
    made = vary(ROOT / "solutions" / name, "2026-winter", out, **how)
    return made, Assignment(made.folder)


def pasted(made: Any, new: Assignment, name: str) -> dict[str, float]:
    """The score of last year's functions under this term's names, as shares of the points."""
    old = assignment(name).namespace()
    space = new.namespace(given={this: old[last] for last, this in made.functions.items()})
    return {c.function: grade_cell(c, InKernel(space), seeds(1)[0]).score / c.points for c in new.checks.values()}


def test_a_terms_version_builds_keeps_its_mistakes_and_refuses_last_years_solution(tmp_path: Path) -> None:
    """One function of one assignment; every function of all ten by the proof below."""
    name, function = "03_rnn", "rnn_step"
    made, new = varied(name, tmp_path)
    text = json.dumps(release_notebook(new))
    for old in made.functions:
        assert f"{old}(" not in text and f'"{old}"' not in text
    check = next(c for c in new.checks.values() if c.function == made.functions[function])
    proof = prove(check, seeds(1))
    measure(new, check, proof)
    assert proof.faults == [] and len(check.mutants) == len(
        next(c for c in assignment(name).checks.values() if c.function == function).mutants)
    assert new.max_score == 100 and not made.functions.keys() & new.namespace().keys()
    old = assignment(name).namespace()
    space = new.namespace(given={check.function: old[function]})
    assert grade_cell(check, InKernel(space), seeds(1)[0]).score == 0


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES)
def test_every_assignment_can_be_varied(name: str, tmp_path: Path) -> None:
    made, new = varied(name, tmp_path)
    release_notebook(new)
    faults = []
    for check in new.checks.values():
        proof = prove(check, seeds(2))
        measure(new, check, proof)
        faults += proof.faults
    assert faults == []
    shares = pasted(made, new, name)
    assert {f for f, share in shares.items() if share > 0.2} <= shares.keys() - made.order.keys() | {"chunk_f_score"}
    assert len(made.order) >= len(new.checks) - RIGIDLY_ONE


def test_a_term_makes_one_version_and_another_term_another(tmp_path: Path, mini_solutions: Path) -> None:
    texts = []
    for k, term in enumerate(("a", "a", "b")):
        vary(mini_solutions / "01_mini", term, tmp_path / str(k))
        texts.append((tmp_path / str(k) / "01_mini" / "notebook.py").read_text())
    assert texts[0] == texts[1] != texts[2]


def test_the_instructor_chooses_names_and_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = tmp_path / "names.toml"
    names.write_text('[functions]\nrnn_step = "one_tick"\n[arguments]\nW_x = "W_in_"\nx = "inp"\n'
                     '[order]\nrnn_step = ["b", "W_h", "W_x", "h", "x"]\n')
    source = ROOT / "solutions" / "03_rnn"
    assert main(["vary", str(source), "--term", "t", "--out", str(tmp_path / "out"), "--names", str(names)]) == 0
    out = capsys.readouterr().out
    text = (tmp_path / "out" / "03_rnn" / "notebook.py").read_text()
    assert "def one_tick(b, " in text and " W_in_, h, inp):" in text
    assert "not varied: train_hello" in out and "one_tick" in out and "W_in_ for W_x" in out
    assert "| `W_in_` | `W_x` |" in text and "$W_x$ input weights" in text      # the formulas keep the slides' letters


@pytest.mark.parametrize(("names", "said"), [
    ({"functions": {"rnn_stp": "a"}}, "no function 'rnn_stp'"),
    ({"functions": {"rnn_step": "np"}}, "has it already"),
    ({"functions": {"rnn_step": "1a"}}, "is no name"),
    ({"functions": {"rnn_step": "zz", "rnn_forward": "zz"}}, "two functions get the same name: zz, zz"),
    ({"order": {"rnn_step": ["x", "h"]}}, "x, h came, x, h, W_x, W_h, b are its arguments"),
    ({"order": {"rnn": ["x"]}}, "no function 'rnn'"),
])
def test_names_that_do_not_fit_stop_before_anything_is_written(tmp_path: Path, names: Any, said: str) -> None:
    from autograder.errors import AutograderError

    with pytest.raises(AutograderError, match=said.replace("(", r"\(")):
        vary(ROOT / "solutions" / "03_rnn", "t", tmp_path / "out", names)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["blocks = 3", "[blocks]\na = 1", '[order]\nrnn_step = "x"', "[functions]\na = []"])
def test_a_file_of_names_holds_tables_of_texts(tmp_path: Path, text: str) -> None:
    (tmp_path / "names.toml").write_text(text)
    with pytest.raises(VaryError, match="has to be a table in which each"):
        read_names(tmp_path / "names.toml")


def test_an_assignment_is_never_written_over_itself(tmp_path: Path, mini_solutions: Path) -> None:
    shutil.copytree(mini_solutions / "01_mini", tmp_path / "01_mini")
    with pytest.raises(VaryError, match="name another folder"):
        vary(tmp_path / "01_mini", "t", tmp_path)


# ----- Blocks: texts of the instructor's

GATES = next(text for text in re.findall(r"^```toml\n(.*?)^```$", (ROOT / "docs" / "instructors.md").read_text(),
                                         re.MULTILINE | re.DOTALL) if "[blocks]" in text)


def of_the_guide(tmp_path: Path) -> tuple[Any, Assignment]:
    """05_lstm by the recipe of the instructors' guide."""
    (tmp_path / "names.toml").write_text(GATES)
    return varied("05_lstm", tmp_path / "out", names=read_names(tmp_path / "names.toml"))


def in_last_years_blocks(made: Any, new: Assignment, function: str) -> float:
    """What last year's function earns if somebody has changed its name and the order of its arguments, and no more."""
    old, this = assignment("05_lstm").namespace()[function], made.functions[function]
    places = [made.order[this].index(made.arguments.get(a, a)) for a in inspect.signature(old).parameters]
    space = new.namespace(given={this: lambda *args: old(*(args[k] for k in places))})
    check = next(c for c in new.checks.values() if c.function == this)
    return grade_cell(check, InKernel(space), seeds(1)[0]).score


def test_the_gates_of_the_guide_are_turned_and_last_years_blocks_lose(tmp_path: Path) -> None:
    made, new = of_the_guide(tmp_path)
    assert made.look == [] and all(made.blocks.values())
    checks = {c.function: c for c in new.checks.values()}
    for function in ("lstm_gates", "forget_bias"):          # whose mistakes are about blocks
        proof = prove(checks[made.functions[function]], seeds(1))
        assert proof.faults == [] and proof.killed
    assert in_last_years_blocks(made, new, "lstm_gates") == 2 and in_last_years_blocks(made, new, "forget_bias") == 0


@pytest.mark.proof
def test_every_mistake_of_the_guides_gates_is_named(tmp_path: Path) -> None:
    made, new = of_the_guide(tmp_path)
    release_notebook(new)
    proofs = [prove(check, seeds(2)) for check in new.checks.values()]
    for check, proof in zip(new.checks.values(), proofs, strict=True):
        measure(new, check, proof)
    assert [p.faults for p in proofs] == [[]] * 8 and sum(len(p.killed) for p in proofs) == 44
    scores = {function: in_last_years_blocks(made, new, function) for function in made.functions}
    assert scores == {"lstm_gates": 2, "lstm_step": 2, "lstm_forward": 0, "lstm_step_backward": 0, "lstm_backward": 0,
                      "forget_bias": 0,
                      "simplified_lstm_step": 8, "peephole_step": 8}          # which have no blocks


@pytest.mark.parametrize(("blocks", "said"), [
    ({"np.tanh(x @ W_x + h @ W_h": "y"}, r"stands neither in notebook.py nor in checks.py. The nearest line is "
                                         r"notebook.py:\d+: .*np.tanh\(x @ W_x.T \+ h @ W_h.T"),
    ({'"no_bias", replace=" + b)"': "", '"no_bias", rep': ""}, "'\"no_bias\", rep' stands only inside of other texts"),
    ({"    ### BEGIN SOLUTION\n": ""}, r"03_rnn does not hold together after its .blocks.: 03_rnn/notebook.py:\d+"),
    ({"np.tanh(x @ W_x.T + h @ W_h.T + b)": "np.tanh(b)"}, "'no_recurrence' of rnn_step: the text .* must occur once"),
    ({'" + h @ W_h.T", by=""': '" + h @ W_h.T", by=" + h @ W_h.T"'}, "'no_recurrence' of rnn_step changes nothing"),
    ({" ": "y"}, "a text of the assignment"),
])
def test_blocks_that_do_not_fit_stop_before_anything_is_written(tmp_path: Path, blocks: Any, said: str) -> None:
    with pytest.raises(BlocksError, match=said):
        vary(ROOT / "solutions" / "03_rnn", "t", tmp_path / "out", {"blocks": blocks})
    assert not (tmp_path / "out").exists()


def test_texts_may_change_places_and_the_longest_one_wins() -> None:
    assert replaced({"a": "f, i, i, f"}, {"i": "f", "f": "i", "i, f": "both"}) == (
        {"a": "i, f, both"}, {"i": 1, "f": 1, "i, f": 1})


def test_what_the_blocks_leave_behind_is_listed(tmp_path: Path, mini_solutions: Path,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    """The solution is turned; its visible test and its variant are not."""
    source, names = tmp_path / "01_mini", tmp_path / "names.toml"
    shutil.copytree(mini_solutions / "01_mini", source)
    with (source / "checks.py").open("a") as checks:
        checks.write('total.variant("a loop", """\ndef total(x):\n    return sum(row for row in x)\n""")\n')
    command = ["vary", str(source), "--term", "t", "--out", str(tmp_path / "out")]
    assert main(command) == 0 and "They are yours to choose: [blocks] of --names" in capsys.readouterr().out
    names.write_text('[blocks]\n"x.sum(axis=0)" = "x.sum(axis=0) + 1"\n')
    assert main([*command, "--names", str(names)]) == 0
    out = capsys.readouterr().out
    assert "blocks: 1 of your texts replaced at 2 places" in out
    assert "look at: the visible test of total does not pass" in out and "variant 'a loop' of total has 2 of 6" in out


# ----- The order of a Check

def test_a_check_draws_in_the_order_in_which_it_is_written_and_calls_in_the_other() -> None:
    check = Check("f", cell="f", slide="", equation="", args=("x (B)", "W (B, D)"), results=("y",), order=("W", "x"))
    check.draws(lambda rng: [Draw(check.normal(rng, {"B": 2, "D": 3}))])
    for _ in range(2):
        [draw] = check.drawn(np.random.default_rng(0))
        assert [a.shape for a in draw.args] == [(2, 3), (2,)] and draw["D"] == 3
    assert [a.name for a in check.args] == ["W", "x"] and [a.name for a in check.written] == ["x", "W"]
    with pytest.raises(CheckError, match="order of f: it names W; args are x, W"):
        Check("f", cell="f", slide="", equation="", args=("x", "W"), results=("y",), order=("W",))


# ----- The text

TURN = {"f": [[1], [0], [2, 3]]}


@pytest.mark.parametrize(("old", "new"), [
    ("def f(a, b, c, d): pass", "def f(b, a, c, d): pass"),
    ("f(1, f(2, 3, 4, 5), 6, 7)", "f(f(3, 2, 4, 5), 1, 6, 7)"),
    ("f(a, 'ä', *rest)", "f('ä', a, *rest)"),
    ("f(a,  # one\n  b, c, d)", "f(b,  # one\n  a, c, d)"),
    ("space['f'](1, 2, 3, 4)", "space['f'](2, 1, 3, 4)"),
    ("call('f', 1, 2, 3, 4)", "call('f', 2, 1, 3, 4)"),
    ("course.test(f, a=1, b=2, c=3, d=4, expected=5, equation='')",
     "course.test(f, b=2, a=1, c=3, d=4, expected=5, equation='')"),
    ("course.test(g, of='f', a=1, b=2)", "course.test(g, of='f', a=1, b=2)"),
    ("f(c=1, a=2, b=3, d=4)", "f(c=1, a=2, b=3, d=4)"),
    ("f(1, 2, c=3, d=4)", "f(a=1, b=2, c=3, d=4)"),
    ("map(f, xs)", "map(lambda a, b, c, d: f(b, a, c, d), xs)"),
    ("x.f(1, 2, 3, 4)", "x.f(1, 2, 3, 4)"),
])
def test_arguments_change_places_wherever_a_function_is_defined_or_called(old: str, new: str) -> None:
    assert reordered(old, TURN, {"f": ["a", "b", "c", "d"]}) == new


def test_a_group_that_a_call_passes_together_stays_together() -> None:
    assert list(starred("f(a, *rest)\nf(1, 2, 3, 4)\nf(*one, *two)\nf(1)", {"f": 4})) == [
        ("f", range(1, 4)), ("f", None), ("f", None)]
    with pytest.raises(ValueError, match="handed on as a value"):
        reordered("map(f, xs)", TURN)


def test_names_change_in_code_and_in_prose_where_they_are_names() -> None:
    names = Names({"rnn_step": "advance", "backward": "pull"}, {"W_x": "M_x", "a": "left"}, {"rnn_step"})
    assert renamed("rnn_step(W_x, a=W_x.a)\nnp.sum(a, a=1)  # a W_x of rnn_step\n", names) == \
        "advance(M_x, left=M_x.a)\nnp.sum(left, a=1)  # a M_x of advance\n"
    assert prose("A backward step: `backward(a)` and backward(x), $W_x$, W_x, rnn-step-test, rnn-step-x", names) == \
        "A backward step: `pull(left)` and pull(x), $W_x$, M_x, advance-test, rnn-step-x"
    assert reordered_prose("`f(a, g(b, c), c, d)` and f(a)", TURN) == "`f(g(b, c), a, c, d)` and f(a)"


@pytest.mark.parametrize(("old", "new", "pair"), [
    ("a + b", "a - b", ("+ b", "- b")), ("x = a\ny = a\n", "x = a\ny = b\n", ("y = a", "y = b")),
    ("one\ntwo\nthree", "two\none\nthree", ("one\ntwo", "two\none"))])
def test_the_smallest_difference_of_two_texts_occurs_once(old: str, new: str, pair: tuple[str, str]) -> None:
    part, other = difference(old, new)
    assert old.count(part) == 1 and old.replace(part, other) == new
    assert len(part) <= len(pair[0]) + 2
