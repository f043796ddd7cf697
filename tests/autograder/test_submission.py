"""Reading and rebuilding what students hand in: nothing in the file decides anything but the student's own answers."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from autograder import neutral, notebook_out, submission
from autograder.submission import CellSpec, Template

TEST = "course.test(f)\n### BEGIN HIDDEN TESTS\nsecret\n### END HIDDEN TESTS"
TEMPLATE = Template("hw", (
    CellSpec("given", "code", "import numpy as np", "c0"),
    CellSpec("f", "code", "def f(): ...", "c1", solution=True, locked=False),
    CellSpec("f-test", "code", TEST, "c2", grade=True, points=3.0),
    CellSpec("why", "markdown", "Your answer", "c3", grade=True, solution=True, locked=False, points=2.0),
), pictures=frozenset({"plot()"}), given=frozenset({"<details>hint</details>", "plot()"}),
    released={"f-test": "course.test(f)", "f": "def f(): ..."})


def code(source: str, grade_id: str | None = None, **extra: Any) -> dict[str, Any]:
    meta = {"nbgrader": {"grade_id": grade_id}} if grade_id else {}
    return {"cell_type": "code", "source": source, "metadata": meta, "outputs": [], "execution_count": None} | extra


def text(source: str, grade_id: str | None = None) -> dict[str, Any]:
    return code(source, grade_id) | {"cell_type": "markdown"}


HONEST = [code("import numpy as np", "given"), code("def f(): return 1", "f"), code("course.test(f)", "f-test"),
          text("Because.", "why")]


def hand_in(root: Path, cells: object, **top: Any) -> submission.Submission:
    return raw(root, json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | top).encode())


def raw(root: Path, data: bytes) -> submission.Submission:
    folder = root / "ada" / "hw"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hw.ipynb").write_bytes(data)
    return submission.load(TEMPLATE, root, "ada")


def sources(sub: submission.Submission) -> dict[str, str]:
    return {c.name: c.source for c in sub.cells}


def test_an_honest_submission_keeps_its_answers_and_gets_the_courses_tests_back(tmp_path: Path) -> None:
    sub = hand_in(tmp_path, HONEST)
    assert sub.status == "graded" and sub.notes == [] and sub.incidents == []
    assert sources(sub) == {"given": "import numpy as np", "f": "def f(): return 1", "f-test": TEST, "why": "Because."}


def test_changed_points_flags_tags_types_and_tests_do_not_count_and_are_reported(tmp_path: Path) -> None:
    test = code("pass", "f-test", metadata={"tags": ["skip-execution"], "nbgrader": {
        "grade_id": "f-test", "grade": False, "points": 2000, "solution": True}})
    sub = hand_in(tmp_path, [*HONEST[:2], test, code("Because.", "why")])
    cell = next(c for c in sub.cells if c.name == "f-test")
    assert cell.source == TEST and cell.spec is not None
    assert cell.spec.metadata()["nbgrader"] == {
        "schema_version": 3, "grade_id": "f-test", "cell_type": "code", "grade": True, "solution": False,
        "locked": True, "task": False, "checksum": "c2", "points": 3.0}
    assert "tags" not in cell.spec.metadata()
    assert {i["cell"]: i["text"].split("; the")[0] for i in sub.incidents} == {
        "f-test": "changed in the submission: grade; solution; points; tags skip-execution; test",
        "why": "changed in the submission: type"}


def test_missing_cells_are_put_back_and_a_missing_answer_is_not_overwritten_by_the_stub(tmp_path: Path) -> None:
    """The stub of the release would raise NotImplementedError over an answer that the student wrote in another cell."""
    sub = hand_in(tmp_path, [code("def f(): return 1"), code("course.test(f)", "f-test")])
    assert [c.source for c in sub.cells if c.cell_type == "code"] == [
        "def f(): return 1", "import numpy as np", submission.MISSING_CODE, TEST]
    assert "f: missing from the submission" in sub.notes


def test_of_a_doubled_cell_the_last_counts_and_both_run_in_the_students_order(tmp_path: Path) -> None:
    sub = hand_in(tmp_path, [HONEST[0], code("def g(): ...", "f"), code("def f(): return g()", "f"), *HONEST[2:]])
    assert [c.source for c in sub.cells][1:3] == ["def g(): ...", "def f(): return g()"]
    assert sub.cells[1].spec is None and sub.cells[2].name == "f"
    assert sub.notes == ["f: occurs more than once; the last one counts"]


def test_moved_cells_stand_in_the_assignments_order(tmp_path: Path) -> None:
    sub = hand_in(tmp_path, [HONEST[2], HONEST[1], HONEST[3], HONEST[0]])
    assert [c.name for c in sub.cells] == ["given", "f", "f-test", "why"]
    assert sub.notes == ["cells were moved; the assignment's order counts"]


def test_added_cells_stay_behind_the_cell_that_they_followed(tmp_path: Path) -> None:
    sub = hand_in(tmp_path, [*HONEST[:2], code("x = f()"), text("note"), *HONEST[2:]])
    assert [c.source for c in sub.cells][2:4] == ["x = f()", "note"]
    assert not any(c.trusted for c in sub.cells[2:4])


def test_lost_metadata_is_found_by_the_cell_id(tmp_path: Path) -> None:
    """Colab and some editors drop unknown metadata and keep the id."""
    sub = hand_in(tmp_path, [HONEST[0], code("def f(): return 7", id="f"), *HONEST[2:]])
    assert sources(sub)["f"] == "def f(): return 7"


def test_given_text_is_trusted_and_a_picture_is_known_only_as_long_as_it_is_unchanged(tmp_path: Path) -> None:
    sub = hand_in(tmp_path, [*HONEST, text("<details>hint</details>"), code("plot()"), code("plot(); answer = 1")])
    hint, picture, own = sub.cells[-3:]
    assert hint.trusted and picture.picture and not own.picture and not own.trusted


def test_a_raw_cell_becomes_markdown_because_pages_copy_raw_cells_as_they_stand(tmp_path: Path) -> None:
    sub = hand_in(tmp_path, [*HONEST, code("<script>", None) | {"cell_type": "raw"}])
    assert sub.cells[-1].cell_type == "markdown"


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "its JSON is broken"),
    (b"{", "its JSON is broken"),
    (b"\xff\xfe", "not UTF-8"),
    (b"[1]", "JSON but not a notebook"),
    (b'{"nbformat": 4}', "no list of cells"),
    (b'{"nbformat": 4, "cells": {}}', "no list of cells"),
    (b"[" * 100_000, "its JSON is broken"),
    (b'{"nbformat": 4, "cells": [1, null, "x"]}', "no cell of this assignment"),
])
def test_what_cannot_be_read_is_a_submission_with_a_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    sub = raw(tmp_path, data)
    assert sub.status == "unreadable" and reason in sub.reason
    assert [c.name for c in sub.cells] == ["given", "f", "f-test", "why"]


@pytest.mark.parametrize("cell", [
    {}, {"cell_type": 3}, {"cell_type": "code", "source": None}, {"cell_type": "code", "source": ["a", 1, "b"]},
    {"cell_type": "code", "source": "x", "metadata": [1]},
    {"cell_type": "code", "metadata": {"nbgrader": "f", "tags": "t"}},
    {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": {"a": 1}}}}, {"id": ["f"], "source": {"f": 1}},
])
def test_an_odd_cell_does_not_stop_the_others(tmp_path: Path, cell: object) -> None:
    sub = hand_in(tmp_path, [cell, *HONEST])
    assert sub.status == "graded" and sources(sub)["f"] == "def f(): return 1"


def test_other_formats_are_read_as_far_as_they_can(tmp_path: Path) -> None:
    new = hand_in(tmp_path, HONEST, nbformat=5)
    assert sources(new)["f"] == "def f(): return 1" and "format '5'" in new.notes[0]
    old_cells = [{**c, "input": c["source"]} for c in HONEST]
    for c in old_cells:
        del c["source"]
    old = raw(tmp_path, json.dumps({"nbformat": 3, "worksheets": [{"cells": old_cells}]}).encode())
    assert sources(old)["f"] == "def f(): return 1" and "old format 3" in old.notes[0]


def test_a_lone_surrogate_can_be_saved(tmp_path: Path) -> None:
    sub = hand_in(tmp_path, [HONEST[0], code("x = '\ud800'", "f"), *HONEST[2:]])
    sources(sub)["f"].encode("utf-8")


def test_links_pipes_and_huge_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "eve" / "hw"
    folder.mkdir(parents=True)
    (tmp_path / "secret.ipynb").write_text(json.dumps({"nbformat": 4, "cells": HONEST}))
    (folder / "hw.ipynb").symlink_to(tmp_path / "secret.ipynb")
    assert submission.load(TEMPLATE, tmp_path, "eve").status == "refused"
    (folder / "hw.ipynb").unlink()
    os.mkfifo(folder / "hw.ipynb")
    assert "not a plain file" in submission.load(TEMPLATE, tmp_path, "eve").reason
    (folder / "hw.ipynb").unlink()
    (folder / "hw.ipynb").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    assert "not a plain file" in submission.load(TEMPLATE, tmp_path, "eve").reason
    assert len(os.listdir("/proc/self/fd")) <= before
    (tmp_path / "mallory").symlink_to(tmp_path / "eve")
    assert "'mallory' is a symbolic link" in submission.load(TEMPLATE, tmp_path, "mallory").reason
    monkeypatch.setattr(submission, "MAX_BYTES", 10)
    assert "the limit is" in hand_in(tmp_path, HONEST).reason


def test_a_missing_notebook_has_a_reason_and_a_renamed_one_is_graded(tmp_path: Path) -> None:
    assert submission.load(TEMPLATE, tmp_path, "nobody").status == "missing"
    hand_in(tmp_path, HONEST)
    here = tmp_path / "ada" / "hw"
    (here / "hw.ipynb").rename(here / "hw (1).ipynb")
    sub = submission.load(TEMPLATE, tmp_path, "ada")
    assert sub.status == "graded" and "hw (1).ipynb" in sub.notes[0]


def test_the_seed_depends_on_the_answers_alone_and_the_source_hash_on_all(tmp_path: Path) -> None:
    a = hand_in(tmp_path, HONEST)
    b = hand_in(tmp_path, [*HONEST, text("a note")])
    c = hand_in(tmp_path, [HONEST[0], code("def f(): return 2", "f"), *HONEST[2:]])
    assert a.solution_hash == b.solution_hash != c.solution_hash
    assert a.source_hash != b.source_hash


def test_code_in_an_added_cell_draws_new_inputs(tmp_path: Path) -> None:
    """An answer that calls an added function would meet the inputs of the last attempt with another function."""
    a = hand_in(tmp_path, [code("def g(): return 1"), *HONEST])
    b = hand_in(tmp_path, [code("def g(): return 2"), *HONEST])
    c = hand_in(tmp_path, [text("a note"), code("def g(): return 2"), *HONEST])
    assert a.solution_hash != b.solution_hash == c.solution_hash


def test_an_unclosed_hidden_region_hides_the_rest() -> None:
    assert submission.visible(TEST) == "course.test(f)"
    assert submission.visible("a\n# BEGIN HIDDEN TESTS\nb") == "a"


@pytest.mark.parametrize("attack", [
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "$x <img src=x onerror=alert(1)> $", "`<b>`<script>",
    "```mermaid\n<img src=x onerror=alert(1)>\n```", "~~~ mermaid\n</pre><script>x</script>\n~~~",
    "\\(<svg onload=x>\\)",
    "\\begin{a}<script>\\end{a}", "[a](javascript:alert(1))", "[a](JaVaScript :alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](&amp;amp;amp;#106;avascript:alert(1))", "[a](&amp;#x6a;avascript:alert(1))", "[a](java%73cript:alert(1))",
    "[a](<java\tscript:alert(1)>)", "[a](java\\script:alert(1))", "[a][b]\n\n[b]: javascript&colon;alert(1)",
    "`[a](java&#115;cript:alert(1))`", "![x](attachment:none.png)", "[a]: data:text/html;base64,AAAA",
    "<javascript:alert(1)>",
    "```\n<script>", "$$<script>", "\\[<script>",
])
def test_no_markdown_of_a_student_is_live_in_a_page(attack: str) -> None:
    """Rendered by nbconvert itself, which lets raw HTML and script links through."""
    from html.parser import HTMLParser

    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    page = MarkdownWithMath(renderer=IPythonRenderer(escape=False, path=".")).render(neutral.markdown(attack))
    live: list[str] = []

    class Look(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag in ("script", "img", "svg", "iframe", "object") or any(k.startswith("on") for k, _ in attrs):
                live.append(tag)
            links = (re.sub(r"[\x00-\x20]", "", v or "").lower() for k, v in attrs if k in ("href", "src"))
            live.extend(v for v in links if v.startswith(("javascript:", "vbscript:", "data:")))

    Look().feed(page)
    assert live == [], page


def test_latex_of_a_student_stays_latex() -> None:
    assert neutral.markdown(r"$a_t<b$ and \\(x\\) & $$\sum_t L_t$$") == r"$a_t\lt b$ and \\(x\\) & $$\sum_t L_t$$"
    assert neutral.markdown("a < b & `x[i]` *so*") == "a &lt; b & `x[i]` *so*"


def test_only_a_real_png_of_a_sane_size_is_a_picture() -> None:
    import base64
    import struct

    def png(width: int, height: int) -> str:
        head = b"\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02"
        return base64.b64encode(neutral.PNG + head).decode()

    assert neutral.png(png(10, 10)) == png(10, 10)
    svg = base64.b64encode(b"<svg>").decode()
    for bad in ('x" onerror="alert(1)', "", None, svg, png(100_000, 100_000), png(0, 5)):
        assert neutral.png(bad) is None


def test_text_and_code_have_a_limit_in_all() -> None:
    """A page of 500 cells that each take four seconds to render would hold up the pages of a class for half an hour."""
    long = "x" * (submission.MAX_SOURCE - 1)
    raw = [{"cell_type": "code", "source": long} for _ in range(6)] + [{"cell_type": "code", "source": "1 + 1"}]
    cells, notes = submission.read_cells(json.dumps({"nbformat": 4, "cells": raw}).encode())
    assert [len(c["source"]) for c in cells] == [len(long)] * 4 + [0, 0, 0]
    assert len(notes) == 1 and "left out" in notes[0]

    template = submission.Template("a", ())
    texts = submission.rebuild(template, [{"cell_type": "markdown", "source": f"{i}" + "y" * 60_000, "grade_id": None,
                                           "id": None} for i in range(9)])
    shown = [cell["source"] for cell in notebook_out.build(texts, {})["cells"]]
    assert sum(map(len, shown)) < notebook_out.MAX_TEXT + 1000
    assert shown[0].startswith("0yy") and "cut here" in shown[4] and "cut here" in shown[8]


def test_printed_text_has_no_control_characters_and_an_end() -> None:
    assert neutral.output_text("\x1b[31mred\x1b[0m\x07\x00\r\n") == "red\n"
    assert neutral.output_text("x\n" * 5000).count("\n") <= 1000
    assert neutral.output_text("0 of\u202e 4\u2066 \u05e9\u05dc\u05d5\u05dd\n") == "0 of 4 \u05e9\u05dc\u05d5\u05dd\n"
