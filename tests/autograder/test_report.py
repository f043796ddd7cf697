"""The class report: what it says is true, nothing in it comes from outside, and nothing a student wrote is executed."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from autograder import report, summary
from autograder.anonymous import pseudonym
from autograder.cli import run
from autograder.course import Course
from autograder.examples import GAP, MOST, excerpt
from autograder.similarity import Similarity
from autograder.work import Work
from tests.autograder.grading_help import solved
from tests.autograder.synthetic import CHECKS, a_class, cell, result, unreadable
from tests.autograder.test_similarity import own_code
from tests.viz.browser import _FLAGS, CHROMIUM, needs_browser

VOID = {"meta", "br", "wbr"}
SAFE = VOID | set("""line rect
    html head title style body header main nav section h1 h2 h3 p a ul li dl dt dd div span small strong em
    code bdi figure figcaption svg desc text table caption thead tbody tr th td details summary pre mark""".split())
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}\"'&</td></table>"


class Page(HTMLParser):
    """Every tag, attribute and piece of text; raises for a tag that is closed in the wrong order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []         # the rows of all tables
        self.feed(text)
        assert not self.stack, f"never closed: {self.stack}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack and self.stack.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        if "style" not in self.stack:
            self.words.append(data)
        if self.rows and {"td", "th"} & set(self.stack):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def page(results: list[dict[str, Any]], **options: Any) -> Page:
    return Page(report.render(results, **options))


@pytest.mark.parametrize("n", [0, 1, 2, 45, 300])
def test_a_class_of_any_size_makes_a_page_that_stands_alone(n: int) -> None:
    text = report.render(a_class(n), title="The recurrent network")
    found = Page(text)
    assert {tag for tag, _ in found.tags} <= SAFE
    for _tag, attrs in found.tags:
        assert not [a for a in attrs if a.startswith("on") or a in ("src", "srcset", "action", "data")]
        assert attrs.get("href", "#").startswith("#")
    assert not re.search(r"@import|url\(|https?:", text), "something is loaded from outside"
    assert "script" not in text
    assert len(text) < 30_000 + 800 * n


def test_every_student_stands_in_the_table_once_and_in_alphabetical_order() -> None:
    results = a_class(300)
    names = [r["student"] for r in results]
    rows = [row[0] for row in page(results).rows if len(row) > 5 or len(row) == 4]
    table = [n for n in rows if n in names][-300:]
    assert table == sorted(names, key=str.casefold)


def test_the_headline_numbers_are_those_of_the_submissions_that_could_be_graded() -> None:
    results = [result("a"), result("b", [cell(0, 1.0)]), result("c", [cell(0)]), unreadable("d")]
    s = summary.summarise(results)
    assert (s.graded, s.full, s.zero, s.spread and s.spread.median) == (3, 1, 1, 14.0)
    text = page(results).text
    assert "3 submissions graded, 1 that could not be" in text and "Median14 of 100" in text


def test_the_counts_of_a_check_add_up_to_the_class() -> None:
    results = a_class(300, seed=3)
    graded = [r for r in results if r["status"] == "graded"]
    s = summary.summarise(results)
    assert [c.share for c in s.checks] == sorted(c.share for c in s.checks), "not the hardest first"
    for c in s.checks:
        scores = [k["score"] for r in graded for k in r["cells"] if k["grade_id"] == c.grade_id]
        assert c.full + c.partial + c.zero == len(graded)
        assert c.full == sum(x == c.points for x in scores) and c.zero == scores.count(0.0)
        assert c.share == pytest.approx(statistics.mean(scores) / c.points)
        assert c.named <= sum(c.reasons.values()) == c.partial + c.zero


def test_a_cell_that_was_not_written_has_no_parts_and_counts_against_each_of_them() -> None:
    blank = cell(0, 1.0, reason="not_written") | {"parts": []}
    [row] = summary.summarise([result("a", [cell(0)]), result("b", [blank])]).checks
    assert [p.share for p in row.parts.values()] == [0.5, 0.5, 0.5]


def test_misconceptions_are_counted_by_mutant_and_a_family_counts_a_student_once() -> None:
    results = [result("a", [cell(0, 0.5, [0]), cell(1, 0.5, [0])]), result("b", [cell(1, 0.5, [0])]),
               result("c", [cell(0, 0.5, [0, 1])])]
    s = summary.summarise(results)
    assert [(m.mutant, m.students) for m in s.mutants] == [
        ("no_recurrence", ["a", "c"]), ("state_reset", ["a", "b"]), ("Wh_transposed", ["c"])]
    carried = next(f for f in s.families if f.family == "state not carried")
    assert (len(carried.students), carried.cells) == (3, 4)


def test_the_misconception_stands_at_the_failed_check_and_links_to_its_sentence() -> None:
    found = page([result("ada", [cell(0, 0.5, [1]), cell(1)])])
    ids = [a["id"] for _, a in found.tags if a.get("id")]
    links = [a["href"] for t, a in found.tags if t == "a" and a.get("href")]
    assert len(ids) == len(set(ids)) and {str(link)[1:] for link in links} <= set(ids)
    assert any(row[0] == "ada" and "Wh transposed" in row[3] and row[4] == "14" for row in found.rows if len(row) > 4)
    assert ("em", {}) not in found.tags and ("code", {}) in found.tags


def test_stress_and_code_of_a_sentence_are_shown_and_nothing_else_becomes_html() -> None:
    assert str(report.prose("the *sum*, not `x < y`")) == "the <em>sum</em>, not <code>x &lt; y</code>"
    assert str(report.prose("2 * x * y and a*b*c")) == "2 * x * y and a*b*c"
    assert str(report.prose("*<b>*")) == "<em>&lt;b&gt;</em>"


def test_hostile_names_messages_and_errors_are_text() -> None:
    bad = cell(0, 0.5, [0])
    bad |= {"message": HOSTILE, "reason": HOSTILE, "function": "f" + HOSTILE, "grade_id": HOSTILE, "slide": HOSTILE}
    bad["misconceptions"][0] |= {"mutant": HOSTILE, "sentence": HOSTILE, "family": HOSTILE}
    bad["parts"][0]["name"] = HOSTILE
    results = [result(HOSTILE, [bad], notes=[HOSTILE], layers=[HOSTILE], incidents=[
                   {"kind": "died", "cell": HOSTILE, "text": HOSTILE}, {"kind": HOSTILE, "cell": "", "text": "x"}]),
               unreadable("u" + HOSTILE, HOSTILE), result("odd", [], status=HOSTILE, started=HOSTILE)]
    found = page(results, title=HOSTILE)
    assert {tag for tag, _ in found.tags} <= SAFE
    assert not any(a.startswith("on") for _, attrs in found.tags for a in attrs)
    assert "<script>alert(1)" in found.text, "it should be readable, as text"
    assert "49" not in found.text, "a name was taken for a template"


def test_control_and_direction_characters_do_not_reach_the_page() -> None:
    text = report.render([result("eve\u202eEVE\x1b[31m\x00\ud800\u2066", [cell(0, 0.5)])])
    assert not set(text) & set("\u202e\x1b\x00\ud800\u2066") and "eve\ufffdEVE" in text
    text.encode("utf-8")
    assert len(report.clean("x" * 10_000)) < 700, "one error text must not fill the page"


def test_a_class_that_nobody_could_read_has_its_reasons_and_no_chart() -> None:
    found = page([unreadable("ada"), unreadable("bob", "'bob' is a symbolic link; links are not followed")])
    assert "None of the 2 submissions could be graded" in found.text and "symbolic link" in found.text
    assert "svg" not in {t for t, _ in found.tags}
    assert "No submission was graded yet" in page([]).text


def test_a_terse_report_has_the_same_numbers_and_no_explanations() -> None:
    full, terse = page(a_class(45)), page(a_class(45), explain=False)
    assert terse.rows == full.rows and len(terse.text) < len(full.text)


def test_a_submission_that_ran_without_a_sandbox_is_said_at_the_top() -> None:
    assert "Without a sandbox" in page([result("a", layers=["none"])]).text
    assert "Without a sandbox" not in page([result("a")]).text


def test_incidents_name_the_student_the_cell_and_what_happened_gravest_first() -> None:
    results = [result("ada", incidents=[{"kind": "changed", "cell": "rnn-step-test", "text": "tags"}]),
               result("bob", incidents=[{"kind": "timeout", "cell": "x-test", "text": "longer than 1 s"}]),
               result("cy", [], status="error", notes=["the grader failed"])]
    s = summary.summarise(results)
    assert [kind for kind, _ in s.incident_groups] == ["error", "timeout", "changed"]
    rows = page(results).rows
    assert ["bob", "x-test", "longer than 1 s"] in rows and ["cy", "", "the grader failed"] in rows


def test_the_same_incident_in_several_cells_is_one_row() -> None:
    same = [{"kind": "changed", "cell": c, "text": "tags"} for c in ("a-test", "b-test")]
    assert ["ada", "a-test b-test", "tags"] in page([result("ada", incidents=same)]).rows


def test_tables_have_headers_and_the_chart_has_words() -> None:
    found = page(a_class(45))
    assert all("scope" in attrs for tag, attrs in found.tags if tag == "th")
    assert all(tag != "svg" or attrs["role"] == "img" and attrs["aria-labelledby"] for tag, attrs in found.tags)
    s = summary.summarise(a_class(45))
    assert f"{s.graded} scores between" in found.text


@pytest.mark.parametrize("scores", [[0.0], [100.0], [0.0, 100.0], [50.0] * 30, [2.5 * i for i in range(41)]])
def test_the_bars_of_the_chart_hold_every_score_and_stay_inside(scores: list[float]) -> None:
    s = summary.summarise([result(f"s{i}") | {"score": x} for i, x in enumerate(scores)])
    chart = report.histogram(s)
    assert chart is not None and sum(b["n"] for b in chart["bars"]) == len(scores)
    for b in chart["bars"]:
        assert chart["left"] <= b["x"] and b["x"] + b["w"] <= chart["right"]
        assert chart["top"] <= b["y"] <= chart["base"]
    assert chart["y_ticks"][-1]["n"] >= max(b["n"] for b in chart["bars"])
    assert len(chart["y_ticks"]) <= 6


def test_the_colours_can_be_read_in_light_dark_and_print() -> None:
    """WCAG: 4.5 to 1 for text on each ground that it stands on."""
    css = (Path(report.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]+);", block))
        for pair in ("ink paper", "soft paper", "accent paper", "zero paper", "ink tint", "accent tint", "ink zero-bg",
                     "some some-bg", "zero zero-bg", "ink some-bg", "soft tint"):
            ink, ground = pair.split()
            assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground, colour[ink], colour[ground])


def contrast(a: str, b: str) -> float:
    def luminance(hexa: str) -> float:
        h = hexa[1:] if len(hexa) == 7 else "".join(2 * c for c in hexa[1:])
        parts = [int(h[i:i + 2], 16) / 255 for i in (0, 2, 4)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_the_page_depends_on_the_results_alone(tmp_path: Path) -> None:
    results = a_class(20)
    one = report.write_report(results, tmp_path / "new folder" / "a.html", title="T")
    two = report.write_report(list(reversed(results)), tmp_path / "b.html", title="T")
    assert one.read_bytes() == two.read_bytes()
    assert [p.name for p in tmp_path.glob("**/.*")] == [], "a half-written file was left"


def test_a_broken_result_or_one_of_another_version_is_a_student_to_look_at_not_a_student_lost(tmp_path: Path) -> None:
    folder = tmp_path / ".autograder" / "results" / "03_rnn"
    folder.mkdir(parents=True)
    (folder / "ada.json").write_text(json.dumps(result("ada")))
    (folder / "bob.json").write_text('{"version": 1, "cells": [')
    (folder / "cy.json").write_text(json.dumps(result("cy") | {"version": 99}))
    (folder / ".dan.json.part").write_text("half")
    found = report.load_results(tmp_path, "03_rnn")
    assert [(r["student"], r["status"]) for r in found] == [("ada", "graded"), ("bob", "error"), ("cy", "error")]
    text = page(found).text
    assert "is broken" in text and "version 99" in text
    with pytest.raises(FileNotFoundError, match="autograder grade"):
        report.load_results(tmp_path, "04_vanishing")


def test_only_all_is_100_per_cent_and_only_nothing_is_0() -> None:
    assert [report.percent(x) for x in (0, 0.001, 0.5, 0.999, 1)] == ["0 %", "1 %", "50 %", "99 %", "100 %"]
    assert [report.duration(x) for x in (0.04, 59.94, 60, 83)] == ["0 s", "59.9 s", "1 min", "1 min 23 s"]
    assert report.duration(7260) == "2 h 1 min"


def test_findings_name_the_mistake_or_else_the_reason() -> None:
    r = result("a", [cell(0, 0.5, [0, 1]), cell(1, 1.0, reason="timeout"), cell(2)])
    assert summary.findings(r) == ["rnn_step: no recurrence and Wh transposed", "rnn_forward: too slow"]
    assert summary.findings(unreadable("b", "no JSON")) == ["unreadable; no JSON"]
    assert CHECKS[0][0] == "rnn_step"


# ----- Code: examples and near-identical submissions

STEP = "def rnn_step(x, h, W_x, W_h, b):\n    return np.tanh(x @ W_x.T + h @ W_h.T + b)\n"


def own(step: str, name: str) -> dict[str, str]:
    """A student's cells: a step, and, for a name with "copy" in it, a long function that no others have."""
    return {"rnn_step": step, "rnn_forward": own_code(7) if "copy" in name else f"def own(x):\n    return {len(name)}"}


def a_work(*students: str, step: str = STEP) -> Work:
    released = "def rnn_step(x, h, W_x, W_h, b):\n    raise NotImplementedError()"
    return Work({s: own(step, s) for s in students}, [released], {"rnn_step": STEP})


def test_a_misconception_has_an_example_without_a_name_a_comment_or_a_text() -> None:
    step = ('def rnn_step(x, h, W_x, W_h, b):\n    """By Ada."""\n    adas = x @ W_x.T  # Ada Lovelace\n'
            '    print("Ada was here")\n    return np.tanh(adas + b)\n')
    found = page([result("s1", [cell(0, 0.5, [0])])], work=a_work("s1", step=step))
    assert "Ada" not in found.text and "adas" not in found.text
    assert "▸ a1 = x @ W_x.T" in found.text and "▸ return np.tanh(a1 + b)" in found.text
    assert ("mark", {}) in found.tags and "▸ def rnn_step" not in found.text, "the head is the solution's"


@pytest.mark.parametrize("step", ["def rnn_step(x", "x = 1", "def another(x):\n    return x", ""])
def test_code_that_cannot_be_read_leaves_the_misconception_without_an_example(step: str) -> None:
    found = page([result("s1", [cell(0, 0.5, [0])])], work=a_work("s1", step=step))
    assert "pre" not in {t for t, _ in found.tags} and "no recurrence" in found.text


def test_an_example_of_a_long_function_shows_what_the_solution_does_not_have() -> None:
    solution = "def f(x):\n" + "\n".join(f"    line_{i} = x + {i}" for i in range(30)) + "\n    return x"
    shown = excerpt(solution.replace("line_20 = x + 20", "line_20 = x - 20"), solution)
    assert [line.text.strip() for line in shown if line.own] == ["line_20 = x - 20"]
    assert shown[0].text == "def f(x):" and shown[1].text.strip() == GAP == shown[-1].text.strip()
    assert len(shown) <= MOST + 3


def test_lines_in_another_order_are_marked() -> None:
    shown = excerpt("def f(x):\n    b = 2\n    a = 1\n    return a", "def f(x):\n    a = 1\n    b = 2\n    return a")
    assert sum(line.own for line in shown) == 1


def test_near_identical_submissions_are_a_table_of_two_students_a_share_and_where() -> None:
    names = [f"student{i}" for i in range(20)] + ["copy-one", "copy-two"]
    found = page([result(n) for n in names], work=a_work(*names))
    [row] = [row for row in found.rows if row[:2] == ["copy-one", "copy-two"]]
    assert row[2] == " 100 %" and "rnn_forward" in row[3] and row[4].count(" %") == 2
    assert "material for a talk and never a penalty" in found.text
    assert "None: of 20 submissions, 0 have enough code" in page([result(n) for n in names[:20]],
                                                                  work=a_work(*names[:20])).text


def test_without_code_there_is_neither_an_example_nor_a_comparison() -> None:
    found = page(a_class(10))
    assert "Near-identical" not in found.text and "Example from the class" not in found.text


def test_likeness_to_the_published_solution_is_a_list_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    like = Similarity([], [("ada", "bob", "cy")], {"ada": 0.9, "bob": 0.2}, 3, 3)
    monkeypatch.setattr("autograder.similarity.compare", lambda *a: like)
    found = page([result("ada"), result("bob")], work=a_work("ada", "bob"))
    assert ["ada", " 90 %"] in found.rows and "the median of this class is 55 %" in found.text
    assert "it takes no points" in found.text


def test_a_cell_without_a_check_is_marked_as_forgeable_and_said_at_the_top() -> None:
    found = page([result("a", [cell(0) | {"forgeable": True}, cell(1)])])
    assert "Score forgeable. 1 cell has bare asserts and no Check: rnn_step." in found.text
    assert any(row and row[0] == "rnn_step score forgeable" for row in found.rows)
    assert "forgeable" not in page([result("a")]).text


def test_two_notebooks_may_each_have_a_cell_of_the_same_name() -> None:
    cells = [cell(0) | {"notebook": "one"}, cell(0, 1.0) | {"notebook": "two"}]
    s = summary.summarise([result("a", cells)])
    assert [(c.notebook, c.share) for c in s.checks] == [("two", 0), ("one", 1)]
    [row] = [row for row in page([result("a", cells)]).rows if row and row[0] == "a"]
    assert row[3] == "14" and row[4].startswith("0")


# ----- Anonymous

def test_an_anonymous_report_holds_no_name_of_a_student_or_of_a_students_file() -> None:
    results = [result("ada.lovelace", [cell(0, 0.5, [0])], notes=["the notebook is called 'adas work.ipynb'"]),
               result("bob", incidents=[{"kind": "died", "cell": "x", "text": "like ada.lovelace's: `bob()` ended"}]),
               unreadable("carla", "'carla' is a symbolic link; links are not followed")]
    results += [result(f"copy-{n}") for n in ("one", "two")]
    code = a_work("ada.lovelace", "bob", "copy-one", "copy-two")
    text = report.render(results, pseudonym=lambda s: f"s-{sum(map(ord, s)):x}", work=code)
    for name in ("ada", "bob", "carla", "copy-one", "copy-two", "work.ipynb"):
        assert name not in text.replace("readable", ""), name
    found = Page(text)
    assert "Class report, anonymous" in found.text and f"s-{sum(map(ord, 'bob')):x}" in found.text
    assert "Example from the class" in found.text
    assert "Near-identical" in report.render(results, work=code) and "Near-identical" not in text, "a suspicion, shown"


def test_an_anonymous_incident_still_names_the_function() -> None:
    stopped = [{"kind": "timeout", "cell": "rnn-step-test", "text": "`rnn_step` by `ada.py` on some draws: too slow"}]
    found = page([result("ada", incidents=stopped)], pseudonym=lambda s: "s-1")
    assert ["s-1", "rnn-step-test", "rnn_step by '...' on some draws: too slow"] in found.rows


def test_the_command_writes_a_report_with_code_and_an_anonymous_one_beside_it(rnn: Path, capsys: Any) -> None:
    course = Course.open(rnn)
    course.results("03_rnn").mkdir(parents=True)
    notebook = json.dumps(solved(rnn, "03_rnn")).replace("h @ W_h.T + b", "b")
    for name in ("ada.lovelace", "bob.martin"):
        course.result_path("03_rnn", name).write_text(json.dumps(result(name, [cell(0, 0.5, [0])])))
        place = course.autograded / name / "03_rnn" / "03_rnn.ipynb"
        place.parent.mkdir(parents=True)
        place.write_text(notebook)
    assert run(["report", str(rnn), "03_rnn"]) == 0 and run(["report", str(rnn), "03_rnn", "--anonymous"]) == 0
    open_, hidden = (Path(p) for p in capsys.readouterr().out.split())
    assert "ada.lovelace" in open_.read_text() and "▸ " in open_.read_text()
    text = hidden.read_text()
    assert "ada" not in text and "bob" not in text and pseudonym(course, "ada.lovelace") in text and "▸ " in text
    assert hidden.name == "03_rnn-anonymous.html"


# ----- In the browser

def test_headings_are_in_order_tables_have_captions_and_nothing_moves() -> None:
    names = [f"student{i}" for i in range(20)] + ["copy-one", "copy-two"]
    text = report.render(a_class(45) + [result(n) for n in names], work=a_work(*names))
    found = Page(text)
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1 and all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))
    tags = [tag for tag, _ in found.tags]
    assert tags.count("caption") == tags.count("table") > 6
    assert dict(found.tags)["html"]["lang"] == "en" and {"header", "main", "nav"} <= set(tags)
    scrolls = [a for t, a in found.tags if t == "div" and a.get("class") == "scroll" or t == "pre"]
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in scrolls), "not to be reached by the keyboard"
    assert not re.search(r"animation|transition|scroll-behavior", text)
    titles = [tag for i, tag in enumerate(tags) if tag in ("title", "desc") and "svg" in tags[:i]]
    assert {"title", "desc"} <= set(titles)


def browser(folder: Path, text: str, width: int, script: str = "") -> str:
    """The page after it ran, without its content policy: what must hold without it holds with it."""
    text = re.sub(r"<meta http-equiv=.Content-Security-Policy.*?>", "", text)
    if script:
        text = text.replace("</body>", f"<script>{script}</script></body>")
    path = folder / f"page-{width}.html"
    path.write_text(text, encoding="utf-8")
    flags = [*_FLAGS, f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900"]
    done = subprocess.run([str(CHROMIUM), *flags, "--virtual-time-budget=1000", "--dump-dom", path.as_uri()],
                          capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


ATTACK = ("<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
          "<svg onload=\"document.title='run'\"></svg>'\"></pre></mark></table><iframe srcdoc=\"x\"></iframe>")


@needs_browser
def test_no_script_of_a_students_runs_in_the_browser_and_nothing_is_wider_than_the_page(tmp_path: Path) -> None:
    """Names, code, cells and texts are all attacks here; each is to be read on the page as text."""
    bad = cell(0, 0.5, [0]) | {"slide": ATTACK, "reason": ATTACK}
    bad["misconceptions"][0]["sentence"] = ATTACK
    names = [f"copy{k}{ATTACK}" for k in range(3)] + [f"s{k}" for k in range(12)]
    code = Work({n: {ATTACK: f"def rnn_step(x, h, W_x, W_h, b):\n    x.y = '{'a' * 200}'\n    return x < b > h\n"}
                 | {f"cell{ATTACK}": own(STEP, n)["rnn_forward"]} for n in names}, [], {"rnn_step": STEP})
    results = [result(n, [bad, cell(1)], incidents=[{"kind": "died", "cell": ATTACK, "text": ATTACK}]) for n in names]
    text = report.render(results, title=ATTACK, work=code)
    script = ("document.body.dataset.wide = document.documentElement.scrollWidth - window.innerWidth;"
              "document.body.dataset.odd = document.querySelectorAll('body script, img, iframe, svg svg').length;"
              "document.body.dataset.code = document.querySelectorAll('pre mark').length;"
              "document.body.dataset.title = document.title")
    for width in (1200, 500):
        shown = browser(tmp_path, text, width, script)
        data = dict(re.findall(r'data-(\w+)="([^"]*)"', shown[shown.index("<body"):][:4000].split(">")[0] + ">"))
        assert int(data["wide"]) <= 0, f"wider than {width}"
        assert data["odd"] == "1", "something besides the test's own script became an element"
        assert int(data["code"]) > 0 and data["title"] != "run"
    assert "copy0&lt;script&gt;" in text and 'class="pairs"' in text
