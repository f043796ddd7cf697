"""`autograder course DIR`: make an nbgrader course folder, or bring one up to date.

What this command wrote is remembered by hash (`.autograder/written.json`). On an update a file that still is as it was
written is replaced; one that the instructor edited is kept, and said so. Grades and submissions are never touched:
where students have handed in, an assignment whose cells would be added or removed stays as it is, since the rows of the
gradebook hang on the cells.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.assignment import CHECKS, NOTEBOOK, Assignment
from autograder.course import CONFIG, Course, open_assignment, read_json, write_atomically
from autograder.errors import AutograderError, CourseError

HARMLESS = {".git", ".gitignore", ".gitattributes", ".DS_Store", "README.md", "lost+found"}

COURSE_TOML = """\
# Settings of this course. Both `autograder grade` and `nbgrader autograde` read them.

[course]
name = {name}

[late]
policy = "none"         # none: late work counts in full; zero: it counts 0. Due dates are set in the formgrader.

[sandbox]
layer = "auto"          # auto takes the best that this machine has (autograder doctor shows it); bwrap, landlock, none

[limits]                # what one student's code may use; a lower number makes a hostile class quicker to grade
draw = 2.0              # seconds for one call of a student's function
cell = 10.0             # seconds for one cell
submission = 60.0       # seconds for one notebook
memory = 1024           # MB
output = 1              # MB of printed text and pictures a cell
files = 16              # MB a file
threads = 1             # BLAS threads

# An assignment may have limits of its own:
# [assignments.03_rnn.limits]
# cell = 20.0
#
# Points stand in checks/ASSIGNMENT/notebook.py and checks.py; after a change there: autograder course DIR
{points}"""

NBGRADER_CONFIG = '''\
"""nbgrader's view of this course; made by `autograder course`. Your own settings may follow at the end."""
import tomllib
from pathlib import Path

c = get_config()                                                    # noqa: F821 (nbgrader provides it)
root = Path(__file__).resolve().parent
settings = tomllib.loads((root / "course.toml").read_text(encoding="utf-8"))

c.CourseDirectory.root = str(root)
c.CourseDirectory.course_id = settings["course"]["name"]
c.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"

# The student's code runs in the sandbox and the checks outside of it. Without these two lines the hidden tests run in
# the student's own process: honest work gets the same scores, and dishonest work any score it likes.
c.Autograde.sanitize_preprocessors = [
    "autograder.nbgrader_plugin.RebuildSubmission",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "autograder.nbgrader_plugin.HardenedExecute",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.LateSubmissionPlugin.penalty_method = settings["late"]["policy"]

# Feedback pages: no hidden tests, and no script of a student's.
c.SanitizeHTML.enabled = True
c.SanitizeHTML.tags = (                                             # the default has no <details>, where hints are
    "a b blockquote br code dd details div dl dt em h1 h2 h3 h4 h5 h6 hr i li ol p pre s span strong sub summary sup "
    "table tbody td th thead tr ul").split()
c.HTMLExporter.sanitize_html = True
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbconvert.preprocessors.sanitize.SanitizeHTML",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
'''

GITIGNORE = """\
# Secrets, grades and students' work stay out of version control.
.autograder/
gradebook.db*
submitted/
autograded/
feedback/
reports/
"""


def make(folder: str | Path, solutions: str | Path | None = None, *, tell: Callable[[str], None] = lambda text: None
         ) -> dict[str, list[str]]:
    """Make or update the course in `folder`; returns what was done to which file or assignment.

    `solutions`: a folder with NN_topic/{notebook.py, checks.py}; by default the checkout's. Raises CourseError where
    `folder` holds something that is not a course, and AutograderError where there is nothing to make it from.
    """
    root = Path(folder)
    existing = (root / CONFIG).is_file()
    if root.exists() and not existing:
        others = sorted(p.name for p in root.iterdir() if p.name not in HARMLESS) if root.is_dir() else [root.name]
        if others:
            raise CourseError(f"'{folder}' is not empty and not a course (it holds '{others[0]}'); "
                              "nothing was changed. Name a new folder")
    found = find_solutions(solutions)
    if not found and not existing:
        where = f"'{solutions}'" if solutions else "this installation (the wheel holds none)"
        raise AutograderError(f"no solutions in {where}: name a folder with NN_topic/{NOTEBOOK} and {CHECKS} "
                              "by --solutions")
    return _Maker(root, tell).make(found, fresh=not existing)


def find_solutions(folder: str | Path | None = None) -> list[Path]:
    """The assignment folders below `folder`, or below the checkout's `solutions/`; empty where there is none."""
    from minigrad.install import checkout_root

    if folder is None:
        checkout = checkout_root()
        if checkout is None:
            return []
        folder = checkout / "solutions"
    place = Path(folder)
    if not place.is_dir():
        return []
    candidates = [place, *sorted(p for p in place.iterdir() if p.is_dir())]
    return [p for p in candidates if (p / NOTEBOOK).is_file() and (p / CHECKS).is_file()]


class _Maker:
    """One run of `autograder course`."""

    def __init__(self, root: Path, tell: Callable[[str], None]) -> None:
        self.root, self.tell = root, tell
        self.manifest = root / ".autograder" / "written.json"
        self.did: dict[str, list[str]] = {"made": [], "updated": [], "kept": [], "unchanged": []}
        self.written: dict[str, str] = {}

    def make(self, found: list[Path], *, fresh: bool) -> dict[str, list[str]]:
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / ".autograder").mkdir(mode=0o700, exist_ok=True)
        self.written = read_json(self.manifest) or {}
        assignments = [open_assignment(p) for p in found]
        if fresh:
            self._settings(assignments)
        course = Course.open(self.root)
        with course.lock():
            self._put("nbgrader_config.py", NBGRADER_CONFIG)
            self._put(".gitignore", GITIGNORE)
            course.secret()
            (self.root / "submitted").mkdir(exist_ok=True)
            for a in assignments:
                self._assignment(course, a)
            given = {a.name for a in assignments}
            own = [p.parent for p in sorted(course.checks.glob(f"*/{NOTEBOOK}")) if p.parent.name not in given]
            for folder in own:      # the instructor's own assignments live in the course alone
                self._assignment(course, open_assignment(folder))
            if not assignments and not own:
                self.tell("no solutions found (the wheel holds none): name a folder by --solutions")
            write_atomically(self.manifest, _json(self.written))
        self._summary(fresh)
        return self.did

    def _settings(self, assignments: list[Assignment]) -> None:
        lines = (f"#   {a.name}: " + ", ".join(f"{n} {c.points:g}" for n, c in a.graded.items()) for a in assignments)
        points = "".join(f"{line}\n" for line in lines)
        self._put(CONFIG, COURSE_TOML.format(name=_toml(self.root.resolve().name), points=points))

    def _put(self, name: str, text: str, label: str | None = None) -> bool:
        """Write a file unless the instructor has edited it; returns whether it now holds `text`."""
        path, new = self.root / name, _hash(text)
        try:
            now = _hash(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            now = None
        if now == new:
            self.written[name] = new
            return True
        if now is not None and now != self.written.get(name):
            self.did["kept"].append(name)
            self.tell(f"kept     {name}: edited here")
            return False
        write_atomically(path, text)
        self.written[name] = new
        self.did["made" if now is None else "updated"].append(name)
        self.tell(f"{'made' if now is None else 'updated':<8} {label or name}")
        return True

    def _assignment(self, course: Course, a: Assignment) -> None:
        """Checks, source notebook and release of one assignment."""
        from autograder.build import dumps, source_notebook

        name = a.name
        trouble = self._cells_would_change(course, name, a)
        if trouble:
            self.did["kept"].append(name)
            self.tell(f"kept     {name}: {trouble}")
            return
        here = course.checks / name
        if a.folder.resolve() != here.resolve():
            for file in sorted(a.folder.glob("*.py")):
                self._put(f"checks/{name}/{file.name}", file.read_text(encoding="utf-8"))
        local = open_assignment(here)
        self._put(f"source/{name}/{name}.ipynb", dumps(source_notebook(local)))
        self._release(course, name)

    def _cells_would_change(self, course: Course, name: str, a: Assignment) -> str:
        """Why nbgrader would refuse the new notebook; it would delete the release folder first, so ask before."""
        if not course.database.is_file():
            return ""
        from autograder.gradebook import Grades

        with Grades(course) as grades:
            if name not in grades.assignments() or not grades.book.assignment_submissions(name):
                return ""
            old = {c.name for c in grades.template(name).cells}
        new = {c.grade_id for c in a.cells if c.grade_id}
        if old == new:
            return ""
        some = ", ".join(sorted(old ^ new)[:4])
        return f"students have handed in, and the new version adds or removes cells ({some}); give it another name"

    def _release(self, course: Course, name: str) -> None:
        """Run nbgrader's own generate_assignment, which also writes the cells to the gradebook."""
        source = course.source / name / f"{name}.ipynb"
        key, now = f"release/{name}", _hash(source.read_text(encoding="utf-8"))
        release = course.release / name / f"{name}.ipynb"
        if release.is_file() and self.written.get(key) == now and course.database.is_file():
            self.did["unchanged"].append(name)
            return
        old = release.is_file()
        generate_release(course, name)
        self.written[key] = now
        self.did["updated" if old else "made"].append(f"release/{name}/{name}.ipynb")
        self.tell(f"{'updated' if old else 'made':<8} release/{name}/{name}.ipynb and its cells in gradebook.db")

    def _summary(self, fresh: bool) -> None:
        where = shlex.quote(str(self.root))
        if fresh:
            self.tell(f"The course is in {where}. Hand out release/; put work into submitted/STUDENT/ASSIGNMENT/; "
                      f"then: autograder grade {where} ASSIGNMENT")
        elif not self.did["made"] and not self.did["updated"]:
            self.tell(f"{where} is up to date")


def generate_release(course: Course, name: str) -> None:
    """nbgrader's generate_assignment through its API: the release notebook and the gradebook's cells.

    Raises AutograderError with nbgrader's own words where it fails.
    """
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    from autograder.gradebook import Grades

    config = Config()
    config.CourseDirectory.root = str(course.root)
    config.CourseDirectory.course_id = course.name
    config.CourseDirectory.db_url = course.db_url
    logger = logging.getLogger("autograder.nbgrader")
    logger.propagate, logger.handlers = False, [logging.NullHandler()]
    here = os.getcwd()
    Grades(course).close()      # makes the gradebook where there is none
    try:
        api = NbGraderAPI(CourseDirectory(config=config), config=config)
        answer: dict[str, Any] = api.generate_assignment(name, force=True)
    finally:
        os.chdir(here)      # nbgrader's converters change the folder
    if not answer.get("success"):
        log = f"{answer.get('error', '')}\n{answer.get('log', '')}"
        found = [line.strip() for line in log.splitlines() if re.match(r"\s*[\w.]*(Error|Exception)\b.*: ", line)]
        why = next((line for line in reversed(found) if "NbGraderException" not in line), "no reason given")
        raise AutograderError(f"nbgrader could not make the release of '{name}': {why}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _json(value: Any) -> str:
    import json

    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def _toml(text: str) -> str:
    """A basic string of TOML; JSON's escapes are the same for what a folder's name can hold."""
    import json

    return json.dumps(text)
