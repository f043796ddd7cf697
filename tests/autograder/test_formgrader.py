"""nbgrader's own formgrader on a course that `autograder grade` has graded, in a headless Chromium.

The photographs are for people: `pytest tests/autograder/test_formgrader.py --basetemp=DIR` keeps them.
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import driver
from autograder.make_course import make
from tests.autograder.grading_help import CHECKOUT, NOTEBOOK, answer, hand_in, solved, write_mini
from tests.autograder.jupyterlab import TOKEN, Lab, Page, _get, _wait, needs_jupyterlab

A = "01_mini"
MANUAL = '''
# %% [markdown] nbgrader={"grade_id": "why", "grade": true, "locked": false, "points": 5, "schema_version": 3, "solution": true}
r"""
### BEGIN SOLUTION
Because.
### END SOLUTION
"""
'''     # noqa: E501 (a cell's metadata stands on one line)
SCRIPT = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"


class Formgrader(Lab):
    """A Jupyter server in the course's folder with nbgrader's extension, and a browser in front of it."""

    def _serve(self) -> None:
        extension = self.home / "config" / "jupyter_server_config.d" / "formgrader.json"
        extension.parent.mkdir(parents=True)
        wanted = {"nbgrader.server_extensions.formgrader": True, "jupyterlab": False, "notebook": False,
                  "jupyter_lsp": False, "jupyter_server_terminals": False, "jupytext": False}
        extension.write_text(json.dumps({"ServerApp": {"jpserver_extensions": wanted}}))
        env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "NBGRADER"))}
        env |= {"JUPYTER_CONFIG_DIR": str(self.home / "config"), "JUPYTER_RUNTIME_DIR": str(self.home / "runtime"),
                "IPYTHONDIR": str(self.home / "ipython"), "PYTHONPATH": str(CHECKOUT)}
        self._start([sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={self.port}",
                     f"--IdentityProvider.token={TOKEN}", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0",
                     f"--ServerApp.root_dir={self.folder}"], env)
        _wait(lambda: _get(f"http://127.0.0.1:{self.port}/api/status?token={TOKEN}"), "the Jupyter server")

    def visit(self, path: str, until: str) -> Page:
        """A page of the formgrader, once `until` (JavaScript) holds in it."""
        page = self.tab(f"/formgrader/{path}?token={TOKEN}")
        _wait(lambda: page.js("document.readyState === 'complete'") and page.js(until), f"/formgrader/{path}")
        return page


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ada is right, Bob is wrong and writes a script into the answer that a person grades."""
    root = tmp_path_factory.mktemp("formgrader")
    path = write_mini(root) / A / "notebook.py"
    path.write_text(NOTEBOOK + MANUAL, encoding="utf-8")
    made = root / "a course"
    make(made, root)
    right = solved(made, A)
    hand_in(made, "ada", answer(right, why="As $2x$ is $x + x$."), A)
    hand_in(made, "bob", answer(right, double="def double(x):\n    return x * x", why=f"Who knows? {SCRIPT}"), A)
    driver.grade(made, A, jobs=1)
    return made


@pytest.fixture(scope="module")
def formgrader(course: Path) -> Iterator[Formgrader]:
    with Formgrader(course) as server:
        yield server


def photograph(page: Page, folder: Path, name: str) -> None:
    (folder / f"{name}.png").write_bytes(base64.b64decode(page.call("Page.captureScreenshot", format="png")["data"]))


def rows(page: Page) -> list[str]:
    return [" ".join(str(row).split()) for row in page.js(
        "[...document.querySelectorAll('tbody tr')].map(row => row.innerText)")]


TABLE = "document.querySelectorAll('tbody tr td').length > 1"


@needs_jupyterlab
def test_the_formgrader_shows_scores_verdicts_and_feedback(
        course: Path, formgrader: Formgrader, tmp_path: Path) -> None:
    page = formgrader.visit("manage_assignments", TABLE)
    photograph(page, tmp_path, "assignments")
    assert any(row.startswith(A) and " 2 " in f" {row} " for row in rows(page)), rows(page)

    page = formgrader.visit(f"gradebook/{A}/{A}", TABLE)
    photograph(page, tmp_path, "submissions")
    assert all(any(score in row for row in rows(page)) for score in ("10 / 15", "6 / 15")), rows(page)

    with sqlite3.connect(course / "gradebook.db") as db:
        number = db.execute("SELECT n.id FROM submitted_notebook n JOIN submitted_assignment s "
                            "ON s.id = n.assignment_id WHERE s.student_id = 'bob'").fetchone()[0]
    page = formgrader.visit(f"submissions/{number}", "document.querySelectorAll('input.score').length === 3")
    photograph(page, tmp_path, "submission")
    text = page.js("document.body.innerText")
    assert "double: 0 of 4 points" in text and "Twice x is x + x" in text and "HIDDEN" not in text
    _wait(lambda: page.js("[...document.querySelectorAll('input.score')].map(i => i.placeholder || i.value)")
          == ["0", "6", ""], "the scores in the inputs")
    assert page.js("document.title") != "owned" and "<script>" in text, "the student's HTML is shown as text"

    give = """(() => { const all = [...document.querySelectorAll('input.score')], last = all.at(-1);
        last.value = '4'; last.dispatchEvent(new Event('change', {bubbles: true})); return all.length; })()"""
    assert page.js(give) == 3

    def by_hand() -> bool:
        with sqlite3.connect(course / "gradebook.db") as db:
            return db.execute("SELECT count(*) FROM grade WHERE manual_score = 4").fetchone() == (1,)

    _wait(by_hand, "the score given by hand")
    page = formgrader.visit(f"manage_submissions/{A}", TABLE)
    photograph(page, tmp_path, "manage")
    assert any("bob" in row and "10 / 15" in row for row in rows(page)), rows(page)
    page.js("[...document.querySelectorAll('tbody tr')].find(row => row.innerText.includes('bob'))"
            ".querySelector('.generate-feedback a').click()")
    _wait(lambda: "Successfully generated feedback" in page.js("document.body.innerText"), "the feedback")
    photograph(page, tmp_path, "feedback")
    made = course / "feedback" / "bob" / A / f"{A}.html"
    page.call("Page.navigate", url=made.as_uri())
    _wait(lambda: "double: 0 of 4 points" in page.js("document.body.innerText"), "the feedback's page")
    photograph(page, tmp_path, "page")
    assert "<script>" in page.js("document.body.innerText") and page.js("document.title") != "owned"
    assert page.js("document.querySelectorAll('img').length") == 0
