"""Every assignment: hidden tests kill each listed mistake, give right code full marks and a blank notebook nothing."""

from __future__ import annotations

import re
import time

import pytest

from autograder.build import release_notebook, source_notebook
from autograder.kernel import InKernel
from autograder.oracle import grade_cell
from autograder.prove import prove, seeds

from .assignment_help import (
    NAMES,
    ROOT,
    assignment,
    cells,
    mutants,
    mutated,
    reduced,
    run_in_kernel,
    visible_test_passes,
)

SLOW = {"train-hello-test"}                                             # one seed takes 7 seconds


# ----- The plan

@pytest.mark.parametrize("name", NAMES)
def test_an_assignment_has_a_hundred_points_in_five_to_nine_functions(name):
    found = assignment(name)
    assert found.max_score == 100 and 5 <= len(found.checks) <= 9


def test_the_readme_counts_the_functions_and_the_known_mistakes():
    """To the next fifty, so that not every new mistake is a change of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    told = re.search(r"(\d+) functions, each with.*recognise more than (\d+) wrong", text, re.S)
    assert told, "the sentence reads otherwise"
    assert int(told[1]) == len(cells()) and int(told[2]) < len(mutants()) <= int(told[2]) + 50


@pytest.mark.parametrize(("name", "cell"), cells())
def test_a_function_has_its_slide_its_equation_four_mutants_and_three_variants(name, cell):
    check = assignment(name).checks[cell]
    assert "*" in check.slide and check.equation
    assert len(check.mutants) >= 4 and len(check.variants) >= 2         # and the solution itself is the third
    assert all(m.says.endswith((".", ").")) and m.family for m in check.mutants)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_cell_names_the_graded_functions(name):
    found = assignment(name)
    environment = next(cell for cell in found.cells if cell.grade_id == "environment")
    named = re.findall(r'"(\w+)"', environment.source.split("functions=")[1])
    assert named == [check.function for check in found.checks.values()]


@pytest.mark.parametrize(("name", "cell"), cells())
def test_each_function_has_three_folded_hints_and_the_last_has_a_gap(name, cell):
    found = assignment(name)
    place = found.cells.index(found.solution_cell(found.checks[cell].function))
    hints = found.cells[place + 1].source
    assert re.findall(r"<summary>(.*?)</summary>", hints) == [
        "Hint 1: the idea", "Hint 2: the shapes", "Hint 3: a line with a gap"]
    assert "____" in hints.split("Hint 3")[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_pictures_and_says_what_the_reference_does_differently(name):
    found = assignment(name)
    assert sum(cell.kind == "picture" for cell in found.cells) >= 2
    assert any("reference does differently" in cell.source for cell in found.cells if cell.cell_type == "markdown")
    assert any("course.progress()" in cell.source for cell in found.cells)


@pytest.mark.parametrize("name", NAMES)
def test_the_release_shows_no_line_of_a_solution(name):
    """A picture that repeats one gives it away; the builder refuses, and the author should learn of it here."""
    assert not any("BEGIN SOLUTION" in cell.source for cell in release_notebook(assignment(name)).cells)


# ----- The visible tests

@pytest.mark.parametrize(("name", "cell"), cells())
def test_the_visible_test_passes_for_the_solution_in_a_fifth_of_a_second(name, cell):
    space = assignment(name).namespace()
    begin = time.process_time()
    assert visible_test_passes(name, cell, space)
    assert time.process_time() - begin < 0.2


@pytest.mark.parametrize(("name", "cell", "mutant"), mutants())
def test_the_visible_test_notices_a_mutant_exactly_where_its_flag_says_so(name, cell, mutant):
    flag = next(m for m in assignment(name).checks[cell].mutants if m.name == mutant).visible
    assert flag is not visible_test_passes(name, cell, mutated(name, cell, mutant))


@pytest.mark.parametrize(("name", "cell"), cells())
def test_at_least_one_mutant_passes_each_visible_test(name, cell):
    """A green line is an invitation to think on: the points come from what it does not show."""
    assert not all(m.visible for m in assignment(name).checks[cell].mutants)


# ----- The hidden tests

@pytest.mark.parametrize(("name", "cell"), cells())
def test_the_hidden_test_kills_mutants_accepts_variants_and_gives_a_blank_nothing(name, cell):
    assert prove(assignment(name).checks[cell], seeds(1 if cell in SLOW else 2)).faults == []


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES)
def test_the_hidden_tests_do_so_on_30_seeds(name, proof_record):
    proofs = [prove(check, seeds(30)) for check in assignment(name).checks.values()]
    assert [fault for proof in proofs for fault in proof.faults] == []
    proof_record(f"exercise_{name}", {"checks": [proof.to_dict() for proof in proofs]})


@pytest.mark.parametrize(("name", "cell"), cells())
def test_a_mistake_in_this_function_costs_nothing_in_another(name, cell):
    """Each of its mutants, in a notebook that is right everywhere else: what calls it is carried forward."""
    found, seed = assignment(name), seeds(1)[0]
    check = found.checks[cell]
    callers = [c for c in found.checks.values() if check.function in c.uses and c.cell not in SLOW]
    for mutant in check.mutants if callers else ():
        source = check.source(mutant)
        student = InKernel(found.namespace(replace={check.function: source}))
        for caller in callers:
            assert grade_cell(caller, student, seed).score == caller.points, (mutant.name, caller.function)


# ----- In a kernel

@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_solved_notebook_runs_in_a_minute_and_gets_full_marks(name, monkeypatch):
    found = assignment(name)
    seconds, ran = run_in_kernel(source_notebook(found), found.folder, monkeypatch)
    assert seconds < 60
    outputs = [(cell, out) for cell, done in ran.items() for out in done.get("outputs", ())]
    assert [cell for cell, out in outputs if out.output_type == "error" or out.get("name") == "stderr"] == []
    for cell, graded in found.graded.items():
        assert [o.data["text/plain"] for o in ran[cell].outputs if o.output_type == "execute_result"] == \
            [str(float(graded.points))]
    assert any("image/png" in out.get("data", {}) for _, out in outputs)
    n = len(found.checks)
    assert any(f"{n} of {n} pass" in out.get("text", "") for _, out in outputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", reduced(NAMES[1::4]))
def test_a_blank_notebook_gets_nothing_and_says_kindly_what_is_missing(name, monkeypatch):
    from nbgrader.preprocessors import ClearSolutions

    found = assignment(name)
    blank, _ = ClearSolutions().preprocess(source_notebook(found), {})
    _, ran = run_in_kernel(blank, found.folder, monkeypatch, "autograde")
    for cell in found.graded:
        results = [o.data["text/plain"] for o in ran[cell].outputs if o.output_type == "execute_result"]
        assert results == ["0.0"] and ran[cell].outputs[0].output_type == "stream"
        assert "is not written yet" in ran[cell].outputs[0].text
