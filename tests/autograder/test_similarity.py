"""Copied code is found under new names, comments and orders; what everybody writes is nobody's copy."""

from __future__ import annotations

import json
import random
import re
import time
from typing import Any

import pytest

from autograder import similarity, work
from autograder.build import release_notebook
from autograder.course import Course
from autograder.similarity import compare, fingerprints, tokens
from tests.autograder.assignment_help import assignment
from tests.autograder.grading_help import answer, solved

LEFT = '''
def clip(grads, limit):
    total = 0.0
    for g in grads:
        total += float((g * g).sum())
    norm = total ** 0.5
    if norm <= limit:
        return [g.copy() for g in grads]
    factor = limit / norm
    scaled = []
    for g in grads:
        scaled.append(factor * g)
    return scaled
'''
RIGHT = '''
def clip(grads, limit):
    flat = np.concatenate([np.ravel(g) for g in grads])
    length = np.linalg.norm(flat)
    shrink = min(1.0, limit / length) if length else 1.0
    return [np.multiply(shrink, g, dtype=g.dtype) for g in grads]
'''


def own_code(seed: int, lines: int = 18) -> str:
    """A function as nobody else writes it: random statements, the same for the same seed."""
    draw = random.Random(seed)
    names = ["x", "h", "w", "total", "out"]

    def value(depth: int = 0) -> str:
        kind = draw.randrange(6 if depth < 2 else 2)
        if kind == 0:
            return draw.choice(names)
        if kind == 1:
            return str(draw.randrange(9))
        if kind == 2:
            call = draw.choice(["np.tanh", "np.exp", "np.sum", "np.outer", "np.dot", "len", "np.maximum"])
            return f"{call}({value(depth + 1)}, {value(depth + 1)})"
        if kind == 3:
            return f"{draw.choice(names)}[{value(depth + 1)}:{value(depth + 1)}]"
        return f"({value(depth + 1)} {draw.choice('+-*/@')} {value(depth + 1)})"

    body = [f"    {draw.choice(names)} {draw.choice(['=', '+=', '*='])} {value()}" for _ in range(lines)]
    return "def own(x, h, w):\n" + "\n".join(body) + "\n    return out\n"


def disguised(source: str) -> str:
    """The same code with other names, texts, numbers, comments and layout."""
    for old, new in (("total", "summe"), ("out", "ergebnis"), ("x", "eingabe"), ("h", "zustand"), ("w", "gewicht")):
        source = renamed(source, old, new)
    return "# all mine\n" + source.replace("\n    ", "\n\n    # next\n    ").replace(" = ", "=")


def renamed(source: str, old: str, new: str) -> str:
    return re.sub(rf"(?<![\w.]){old}\b", new, source)


def test_renaming_comments_layout_texts_and_numbers_change_no_token():
    assert tokens(disguised(own_code(1))) == tokens(own_code(1))
    assert tokens("a = 'x' # c") == tokens('b  =  """y\nz"""')
    assert tokens("np.tanh(x)") != tokens("np.exp(x)") and tokens("x.mine") == tokens("x.yours")
    assert tokens("def f(x):\n    '''A docstring.'''\n    return x") == tokens("def g(y):\n    return y")


def test_code_that_cannot_be_read_has_fingerprints_all_the_same():
    assert fingerprints(own_code(1) + "\n)(:") >= fingerprints(own_code(1))
    assert fingerprints("") == set() and fingerprints("\x00\udcff'''") == set()


def class_of(n: int) -> dict[str, dict[str, str]]:
    return {f"s{i:04d}": {"own": own_code(i)} for i in range(n)}


def test_a_disguised_copy_is_found_and_nobody_else():
    students = class_of(30) | {"copy": {"own": disguised(own_code(7))}}
    [pair] = compare(students).pairs
    assert {pair.first, pair.second} == {"copy", "s0007"} and pair.share == 1 and pair.cells == ("own",)


def test_a_copy_in_another_cell_and_with_lines_of_its_own_is_found():
    changed = own_code(3).replace("    return out", "    out = np.exp(out - out)\n    return out")
    students = class_of(30) | {"mover": {"another cell": disguised(changed)}}
    [pair] = compare(students).pairs
    assert {pair.first, pair.second} == {"mover", "s0003"} and 0.8 < pair.share <= 1
    assert pair.cells == ("another cell",) or pair.cells == ("own",)


def test_half_a_copy_is_no_pair():
    own, other = own_code(3).split("\n"), own_code(99).split("\n")
    half = "\n".join([*own[:9], *other[9:]])
    assert compare(class_of(30) | {"half": {"own": half}}).pairs == []


def test_three_who_share_are_one_group():
    copies = {name: {"own": disguised(own_code(5)) + "\n" * k} for k, name in enumerate(("ada", "bob"))}
    found = compare(class_of(30) | copies)
    assert found.groups == [("ada", "bob", "s0005")] and len(found.pairs) == 3


def test_what_a_tenth_of_the_class_writes_is_nobodys_own():
    """Two ways to solve it, and everybody takes one of them: not a single pair."""
    students = {f"s{i}": {"clip": random.Random(i).choice([LEFT, RIGHT]) + f"# {i}"} for i in range(60)}
    found = compare(students)
    assert found.pairs == [] and found.compared == 0 and found.students == 60


def test_the_release_does_not_count_and_little_code_is_not_compared():
    students = class_of(30)
    for s in students.values():
        s["own"] += LEFT
    assert compare(students, released=[LEFT]).pairs == []
    assert compare({"ada": {"own": LEFT}, "bob": {"own": LEFT}}, released=[LEFT]).compared == 0
    short = "def f(x):\n    return np.tanh(x @ x.T) - 2 * x.sum(axis=0)\n"
    assert compare(class_of(30) | {"ada": {"f": short}, "bob": {"f": short}}).pairs == []


def test_a_flood_of_code_is_read_up_to_a_limit():
    began = time.process_time()
    flood = {f"cell {i}": "x = (a + b) * c[0]\n" * 10_000 + f"# {i}" for i in range(200)}
    assert compare({"flood": flood, **class_of(3)}).students == 4 and time.process_time() - began < 5


def test_likeness_to_the_published_solution_is_a_number_of_its_own():
    students = class_of(30) | {"reader": {"clip": disguised(LEFT)}, "writer": {"clip": RIGHT * 2}}
    found = compare(students, published=[LEFT])
    assert found.pairs == [] and found.published["reader"] == 1 and found.published.get("writer", 0) < 0.3
    assert found.nearest[0] == ("reader", 1.0) and found.usual < 0.1


def test_an_honest_class_of_the_real_assignment_has_no_pair():
    """Everybody takes, for each function, one of the right ways that the course knows."""
    rnn = assignment("03_rnn")
    released = [c.source for c in release_notebook(rnn).cells if c.cell_type == "code"]
    published = {c.function: work.without_markers(c.source()) for c in rnn.checks.values()}

    def student(i: int) -> dict[str, str]:
        draw = random.Random(i)
        ways = {c.function: [published[c.function], *(v.source for v in c.variants)] for c in rnn.checks.values()}
        return {function: draw.choice(sources) for function, sources in ways.items()}

    students = {f"s{i}": student(i) for i in range(100)}
    found = compare(students, released, published.values())
    assert found.pairs == [] and 0 < found.usual < 0.5
    assert compare(students | {"copy": published}, released, published.values()).published["copy"] == 1


def test_the_work_of_a_class_is_read_from_its_graded_notebooks(rnn):
    course = Course.open(rnn)
    notebook = answer(solved(rnn, "03_rnn"), rnn_step="def rnn_step(x, h, W_x, W_h, b):\n    return 0 * h")
    notebook["cells"].append({"cell_type": "code", "id": "mine", "metadata": {}, "source": "def helper(a): pass",
                              "outputs": [], "execution_count": None})
    place = course.autograded / "ada" / "03_rnn" / "03_rnn.ipynb"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(notebook))
    (course.autograded / "bob" / "03_rnn").mkdir(parents=True)
    (course.autograded / "bob" / "03_rnn" / "03_rnn.ipynb").write_text("{broken")
    found = work.load(course, "03_rnn", ["ada", "bob", "nobody"])
    assert set(found.students) == {"ada"} and len(found.published) == 7
    assert found.function("ada", "rnn_step").endswith("return 0 * h") and found.function("ada", "nothing") == ""
    assert found.function("ada", "helper") == "def helper(a): pass"
    assert not any("course.test" in s for s in found.students["ada"].values()), "a test cell is the course's"
    assert not any("plt.show" in s for s in found.students["ada"].values()), "a given cell is the course's"
    assert {"rnn_step", "W_x", "h_prev"} <= found.known and "helper" not in found.known


@pytest.mark.proof
def test_the_cost_grows_with_the_class_and_not_with_its_square(proof_record):
    """The report of 5,000 has to be made on a laptop; each student has 18 lines of their own, 1 in 20 copies."""
    seconds: dict[str, Any] = {}
    for n in (300, 1000, 5000):
        students = class_of(n)
        for i in range(0, n, 20):
            students[f"copy{i}"] = {"own": disguised(own_code(i))}
        tokens.cache_clear()
        began = time.perf_counter()
        found = similarity.compare(students)
        seconds[str(len(students))] = round(time.perf_counter() - began, 2)
        assert sum(p.first.startswith("copy") != p.second.startswith("copy") for p in found.pairs) >= n // 20
    per = {k: 1000 * v / int(k) for k, v in seconds.items()}
    proof_record("similarity", {"seconds_by_class": seconds, "ms_a_student": {k: round(v, 2) for k, v in per.items()}})
    assert per["5250"] < 3 * per["315"]
