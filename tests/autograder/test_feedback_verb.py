"""Feedback pages are made when something on them has changed, say what was resolved, and run nothing of a student's."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autograder import driver, feedback, pages
from autograder.cli import run
from autograder.course import Course
from autograder.errors import AutograderError, UnknownName
from autograder.feedback import Mistake, Since, attempt_before, resolved
from autograder.feedback_plugin import cleaned
from tests.autograder.grading_help import hand_in, release, solved
from tests.autograder.synthetic import cell, result

# ----- Since the last attempt

NO, TRANSPOSED = ("rnn-step-test", "rnn_step", "no_recurrence"), ("rnn-step-test", "rnn_step", "Wh_transposed")
RESET = ("rnn-forward-test", "rnn_forward", "state_reset")


def mistakes(*named: tuple[str, str, str]) -> list[tuple[str, str, str]]:
    return list(named)


def short(since: Since) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    def of(found: tuple[Mistake, ...]) -> list[tuple[str, str, str]]:
        return [(m.grade_id, m.function, m.mutant) for m in found]
    return of(since.resolved), of(since.again)


@pytest.mark.parametrize(("before", "now", "gone", "again"), [
    ([cell(0, 0.5, [0])], [cell(0)], [NO], []),
    ([cell(0, 0.5, [0])], [cell(0, 0.5, [0])], [], [NO]),
    ([cell(0, 0.5, [0])], [cell(0, 0.5, [1])], [NO], []),                       # another mistake has come instead
    ([cell(0, 0.5, [0, 1])], [cell(0, 0.5, [1])], [NO], [TRANSPOSED]),
    ([cell(0, 0.5, [0]), cell(1, 0.5, [0])], [cell(0), cell(1, 0.5, [0])], [NO], [RESET]),
    ([cell(0, 0.5, [0])], [cell(0, 1.0, [], "raises")], [], []),                # nothing is known of it
    ([cell(0, 0.5, [0])], [cell(0, 1.0, [], "not_written")], [], []),
    ([cell(0, 0.5, [0])], [cell(0, 1.0, [], "timeout")], [], []),
    ([cell(0, 0.5, [0])], [], [], []),                                          # the cell is gone
    ([cell(0)], [cell(0, 0.5, [0])], [], []),                                   # new, and not again
    ([cell(0, 0.5)], [cell(0)], [], []),                                        # nothing was named
])
def test_a_named_mistake_is_resolved_when_its_cell_was_judged_and_does_not_give_it_again(before, now, gone, again):
    assert short(resolved(result("a", before), result("a", now))) == (mistakes(*gone), mistakes(*again))


def test_cells_of_two_notebooks_are_told_apart_by_the_notebook():
    before = [cell(0, 0.5, [0]) | {"notebook": "one"}, cell(0, 0.5, [0]) | {"notebook": "two"}]
    now = [cell(0) | {"notebook": "one"}, cell(0, 0.5, [0]) | {"notebook": "two"}]
    since = resolved(result("a", before), result("a", now))
    assert [m.notebook for m in since.resolved] == ["one"] and [m.notebook for m in since.again] == ["two"]


def test_a_result_without_fields_is_compared_as_far_as_it_goes():
    assert resolved({}, {"cells": [{}]}) == Since() == resolved({"cells": [{"misconceptions": [{}]}]}, {})


def test_the_attempt_before_is_by_number_or_else_by_what_was_handed_in():
    first, second, third = (result("a", source_hash=str(n), attempt=n) for n in (1, 2, 3))
    assert attempt_before([first, second, third], third) is second
    assert attempt_before([first, second, third], second) is first      # the best one counts, and not the last
    assert attempt_before([first], first) is None and attempt_before([], first) is None
    old, new = result("a", source_hash="x"), result("a", source_hash="y")
    assert attempt_before([old, new], new) is old and attempt_before([old], old) is None


def test_a_mistake_that_comes_again_brings_its_first_hint_and_one_that_is_gone_is_named(rnn, monkeypatch):
    course = Course.open(rnn)
    before, now = (result("ada", cells, attempt=n) for n, cells in ((1, [cell(0, 0.5, [1]), cell(1, 0.5, [0])]),
                                                                      (2, [cell(0), cell(1, 0.5, [0])])))
    course.results("03_rnn").mkdir(parents=True)
    course.result_path("03_rnn", "ada").write_text(json.dumps(now))
    monkeypatch.setattr(feedback, "_attempts", lambda *a: [before, now])
    told = feedback.texts(course, "03_rnn", "ada", "03_rnn")
    assert set(told) == {"rnn-step-test", "rnn-forward-test"}
    assert " ".join(told["rnn-step-test"].split()) == (
        "Resolved since your last attempt: With rows it must be `h @ W_h.T`, and a square matrix hides the slip.")
    assert told["rnn-forward-test"].startswith("\nAs in your last attempt: Each step must start from the previous")
    assert "Hint 1, the idea: A loop over time in which one variable is handed on" in told["rnn-forward-test"]
    monkeypatch.setattr(feedback, "_attempts", lambda *a: [now])
    assert feedback.texts(course, "03_rnn", "ada", "03_rnn") == {}


# ----- What is made

class FakePages:
    """Writes a page at once; what it made is counted in `calls`."""

    calls: list[list[str]]
    broken: tuple[str, ...] = ()

    def __init__(self, jobs: int) -> None:
        pass

    def __enter__(self) -> FakePages:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def make(self, root: Path, assignment: str, students: list[str], finished: Callable[[int], None]) -> list[str]:
        self.calls.append(list(students))
        for s in students:
            if s not in self.broken:
                place = pages.page(Path(root), s, assignment)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(f"page of {s}")
        finished(len(students))
        return [s for s in students if s in self.broken]


@pytest.fixture
def made(mini: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Ada and Bob are graded; which pages were made, run by run."""
    hand_in(mini, "ada", solved(mini, "01_mini"), "01_mini")
    hand_in(mini, "bob", release(mini, "01_mini"), "01_mini")
    driver.grade(mini, "01_mini", jobs=1)
    calls: list[list[str]] = []
    monkeypatch.setattr(pages, "Pages", type("Fake", (FakePages,), {"calls": calls}))
    return calls


def test_a_page_is_made_once_and_again_when_something_on_it_has_changed(mini, made):
    def again(**options: Any) -> list[str]:
        before = len(made)
        did = feedback.make(mini, "01_mini", **options)
        assert sorted(did.new + did.unchanged) == sorted(options.get("students") or ["ada", "bob"])
        return [s for call in made[before:] for s in call]

    assert again() == ["ada", "bob"] and again() == []
    assert again(force=True) == ["ada", "bob"] and again(students=["bob"], force=True) == ["bob"]
    pages.page(mini, "bob", "01_mini").unlink()
    assert again() == ["bob"]
    with sqlite3.connect(mini / "gradebook.db") as db:          # a person grades in the formgrader
        db.execute("""UPDATE grade SET manual_score = 3 WHERE id IN (SELECT g.id FROM grade g JOIN submitted_notebook n
            ON n.id = g.notebook_id JOIN submitted_assignment a ON a.id = n.assignment_id
            WHERE a.student_id = 'ada')""")
    assert again() == ["ada"] and again() == []
    with sqlite3.connect(mini / "gradebook.db") as db:
        db.execute("UPDATE comment SET manual_comment = 'See me.'")
    assert again() == ["ada", "bob"]
    hand_in(mini, "bob", solved(mini, "01_mini"), "01_mini")
    driver.grade(mini, "01_mini", jobs=1)
    assert again() == ["bob"]
    with (mini / "nbgrader_config.py").open("a") as file:
        file.write("\nc.HTMLExporter.anchor_link_text = '#'\n")
    assert again() == ["ada", "bob"] and again() == []


def test_a_page_that_nbgrader_failed_on_is_tried_again(mini, made, monkeypatch):
    monkeypatch.setattr(pages.Pages, "broken", ("bob",))
    did = feedback.make(mini, "01_mini")
    assert (did.new, did.failed, did.students) == (["ada"], ["bob"], ["ada"])
    monkeypatch.setattr(pages.Pages, "broken", ())
    assert feedback.make(mini, "01_mini").new == ["bob"]


def test_who_has_no_graded_submission_is_an_error_that_names_the_closest(mini, made):
    with pytest.raises(UnknownName, match="ada"):
        feedback.make(mini, "01_mini", students=["adda"])
    assert made == []


def test_before_anything_is_graded_the_message_says_what_to_type(mini):
    with pytest.raises(AutograderError, match="autograder grade"):
        feedback.make(mini, "01_mini")


# ----- Handing out

def test_the_zip_has_the_folders_of_the_platforms_own_download(mini, made, tmp_path):
    course = Course.open(mini)
    folder = course.private / "collected" / "01_mini"
    folder.mkdir(parents=True)
    (folder / "ada.json").write_text(json.dumps({"format": "moodle", "who": "Ada Lovelace (4711)"}))
    (folder / "eve.json").write_text(json.dumps({"format": "moodle", "who": "../../etc (1)/x"}))
    students = feedback.make(mini, "01_mini").students
    out = tmp_path / "new" / "feedback.zip"
    feedback.write_zip(mini, "01_mini", students, out)
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ["Ada Lovelace_4711_assignsubmission_file_/01_mini.html", "bob/01_mini.html"]
        assert archive.read("bob/01_mini.html") == b"page of bob"
    first = out.read_bytes()
    feedback.write_zip(mini, "01_mini", list(reversed(students)), out)
    assert out.read_bytes() == first, "the same pages make the same zip"
    assert feedback.platform_folder(course, "01_mini", "eve") == "_.._etc (1)_x"


@pytest.mark.filterwarnings("ignore:Passing unrecognized arguments")         # nbgrader's own slip
def test_pages_go_to_the_exchange_for_those_who_came_through_it(mini, made, tmp_path):
    with pytest.raises(AutograderError, match="--zip"):
        feedback.release(mini, "01_mini", feedback.make(mini, "01_mini"))
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    with (mini / "nbgrader_config.py").open("a") as file:
        file.write(f"\nc.Exchange.root = {str(exchange)!r}\n")
    place = mini / "submitted" / "ada" / "01_mini"
    (place / "timestamp.txt").write_text("2026-11-30 10:00:00 UTC\n")
    (place / "submission_secret.txt").write_text("secret of ada")
    did = feedback.make(mini, "01_mini")
    feedback.release(mini, "01_mini", did)
    assert (did.released, did.not_released) == (["ada"], ["bob"])
    [page] = exchange.glob("*/feedback/*.html")
    assert page.read_text() == "page of ada"


# ----- nbgrader's own page

HOSTILE = """# Notes <script>document.title = "run"</script>

`a < b` and `x[i] <= y & z`, a < b, <img src=x onerror="document.title='run'"> <b onclick="alert(1)">bold</b>

[link](javascript:alert(1)) ![far](https://example.org/beacon.png) <iframe src="https://example.org"></iframe>

```python
for i in range(a < b): pass
```
"""


def test_a_page_says_what_was_found_runs_nothing_and_escapes_nothing_twice(mini, capsys):
    notebook = solved(mini, "01_mini")
    notebook["cells"].append({"cell_type": "markdown", "id": "notes", "metadata": {}, "source": HOSTILE})
    for c in notebook["cells"]:
        if c["metadata"].get("nbgrader", {}).get("grade_id") == "total":
            c["source"] = "def total(x):\n    return x.mean(axis=0)  # a < b"
    hand_in(mini, "ada", notebook, "01_mini")
    driver.grade(mini, "01_mini", jobs=1)
    assert run(["feedback", str(mini), "01_mini", "--jobs", "1"]) == 0
    said = capsys.readouterr()
    assert f"1 page made, 0 unchanged: {mini / 'feedback'}" in said.out and "feedback pages (1)" in said.err
    text = pages.page(mini, "ada", "01_mini").read_text(encoding="utf-8")
    assert "The sum, not the mean." in text and "What is the sum of two ones?" in text
    body = text[text.index("<body"):]
    assert "<script" not in body and "<iframe" not in body and "beacon.png" not in body and "javascript:" not in body
    assert not any(f" {on}=" in body for on in ("onerror", "onclick")) or "&lt;img" in body
    assert "&amp;lt;" not in body and "&lt;" in body
    assert run(["feedback", str(mini), "01_mini", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unchanged"] == ["ada"]
    assert "last attempt" not in text

    hand_in(mini, "ada", solved(mini, "01_mini"), "01_mini")            # the second attempt: new draws, and it is right
    driver.grade(mini, "01_mini", jobs=1)
    assert run(["feedback", str(mini), "01_mini", "--jobs", "1"]) == 0
    page = pages.page(mini, "ada", "01_mini").read_text(encoding="utf-8")
    assert "Resolved since your last attempt: The sum, not the mean." in page


@pytest.mark.parametrize(("html", "wanted"), [
    ("<code>a &lt; b</code>", "<code>a &lt; b</code>"), ("<b onclick='x()'>b</b>", "<b>b</b>"),
    ("<script>x()</script>", ""), ("<img src='https://example.org/x.png'>", "<img>"),
    ("<img src='data:image/svg+xml;base64,AAAA'>", "<img>"),
    ("<img src='data:image/png;base64,AAAA'>", '<img src="data:image/png;base64,AAAA">'),
    ("<a href='javascript:x()'>l</a>", '<a rel="noopener noreferrer">l</a>'),
    ("<a href='data:text/html,x'>l</a>", '<a rel="noopener noreferrer">l</a>'),
    ("<div style='position:fixed'>d</div>", "<div>d</div>"), ("<form action=x><input></form>", ""),
    ("<details><summary>Hint</summary><p>x</p></details>", "<details><summary>Hint</summary><p>x</p></details>"),
    ("<table><tr><td align='right'>1</td></tr></table>", None), ("<svg onload='x()'></svg>", ""),
    ("<math><mi xlink:href='javascript:x()'>m</mi></math>", ""),
])
def test_html_is_cleaned_after_it_was_rendered(html, wanted):
    shown = cleaned(html)
    assert wanted is None or shown == wanted
    assert cleaned(shown) == shown
