"""`autograder demo`: make a course, hand in for a class of 46, grade it in the sandbox, show what comes of it.

    folder = a temporary one, or --keep DIR
    1. a course with the assignment 03_rnn, as `autograder course` makes it, with short limits
    2. the class of demo_class.py: every known mistake, right answers, accidents, cheats
    3. grading, as `autograder grade` does it; the table
    4. nbgrader's own feedback pages, and the class report

Each submission says what must come of it. What comes out otherwise is listed, and the exit code is 1 then.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from autograder import show, summary
from autograder.course import Course
from autograder.demo_class import Classroom, Submission, differences
from autograder.errors import AutograderError

ASSIGNMENT = "03_rnn"
LIMITS = {"draw": 1.0, "cell": 3.0, "submission": 10.0}     # the loop without end costs its class seconds, not a minute
WITHOUT_SANDBOX = "no sandbox on this system: the demo leaves out the submissions that would do harm"

Tell = Callable[[str], None]


def run(keep: Path | None = None, *, jobs: int | None = None, pick: Callable[[Submission], bool] = lambda s: True,
        feedback: bool = True, tell: Tell = lambda text: None) -> dict[str, Any]:
    """Run the demo and return its summary; "unexpected" lists what came out otherwise than it must.

    keep: the folder for the course, new or empty; a temporary one by default, which stays to be looked at. pick: which
    submissions of the class (tests take a few). Raises AutograderError where `keep` holds something.
    """
    from autograder import driver, work, workers
    from autograder.pages import Pages
    from autograder.report import write_report

    clock = Clock()
    root = _folder(keep)
    jobs = jobs or workers.cores()
    layer = sandbox_layer()
    if layer == "none":
        tell(WITHOUT_SANDBOX)
    with ExitStack() as stack:
        pages = stack.enter_context(Pages(jobs)) if feedback else None      # loads nbgrader while the course is made
        with clock("course"):
            course = make_course(root)
        with clock("class"):
            people = [s for s in classroom(course).submissions(hostile=layer != "none") if pick(s)]
            hand_in(course, people)
        tell(f"{len(people)} submissions to {ASSIGNMENT}, {jobs} at a time, sandbox: {layer}")
        with clock("grading"), show.Progress() as progress:
            results = driver.grade(root, ASSIGNMENT, jobs=jobs, layer=layer if layer == "none" else None,
                                   started=progress.start, finished=progress.step, used=progress.used)
        failed: list[str] = []
        if pages:
            tell("nbgrader's feedback pages ...")
            with clock("feedback"):
                failed = pages.make(root, ASSIGNMENT, [s.student for s in people])
    with clock("report"):
        page = write_report(results, root / "reports" / f"{ASSIGNMENT}.html", title="The recurrent network",
                            work=work.load(course, ASSIGNMENT, [s.student for s in people]))
    odd = unexpected(course, people, results)
    odd += [{"student": s, "story": "", "differences": ["nbgrader made no feedback page"]} for s in failed]
    scores = [float(r["score"]) for r in results]
    return {
        "folder": str(root), "assignment": ASSIGNMENT, "submissions": len(people), "unexpected": odd, "layer": layer,
        "mean": round(sum(scores) / len(scores), 2) if scores else None, "report": str(page),
        "feedback": str(root / "feedback") if feedback else None, "seconds": clock.seconds, "jobs": jobs,
        "rows": rows(people, results),
    }


class Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[phase] = round(time.perf_counter() - began, 2)


def sandbox_layer() -> str:
    """The layer that grading will use here; "none" where none works."""
    from autograder.sandbox import NoSandbox, Sandbox

    try:
        with Sandbox() as sandbox:
            return str(sandbox.layer)
    except NoSandbox:
        return "none"


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="autograder-demo-"))
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise AutograderError(f"'{keep}' is not empty: the demo makes a course of its own. Name a new folder")
    return keep.resolve()


def make_course(root: Path) -> Course:
    """A course with the demo's assignment and limits."""
    from autograder.make_course import find_solutions, make

    found = [p for p in find_solutions() if p.name == ASSIGNMENT]
    if not found:
        raise AutograderError(f"the demo needs solutions/{ASSIGNMENT} of a checkout; a wheel holds no solutions")
    make(root, found[0])
    config = root / "course.toml"
    text = config.read_text(encoding="utf-8")
    for name, seconds in LIMITS.items():
        text = re.sub(rf"(?m)^{name} = [\d.]+", f"{name} = {seconds}", text)
    config.write_text(text, encoding="utf-8")
    return Course.open(root)


def classroom(course: Course) -> Classroom:
    """The class for this course's assignment."""
    import json

    assignment = course.load(ASSIGNMENT)
    assert assignment is not None
    release = course.release / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    return Classroom(assignment, json.loads(release.read_text(encoding="utf-8")), course.root)


def hand_in(course: Course, people: Sequence[Submission]) -> None:
    """Put each notebook where nbgrader's collect would put it."""
    for s in people:
        folder = course.submitted / s.student / ASSIGNMENT
        folder.mkdir(parents=True)
        (folder / f"{ASSIGNMENT}.ipynb").write_bytes(s.notebook)


def unexpected(course: Course, people: Sequence[Submission], results: Sequence[summary.Result]) -> list[dict[str, Any]]:
    """Who came out otherwise than expected, in the result or in nbgrader's gradebook, and how."""
    from autograder.gradebook import Grades

    with Grades(course) as grades:
        book = grades.scores(ASSIGNMENT)
    by_name = {r["student"]: r for r in results}
    found = []
    for s in people:
        result = by_name.get(s.student)
        if result is None:
            found.append({"student": s.student, "story": s.story, "differences": ["no result"]})
            continue
        wrong = differences(result, s.expected)
        total = sum(score or 0.0 for score in book.get(s.student, {}).values())
        if s.student not in book or abs(total - float(result["score"])) > 1e-6:
            wrong.append(f"{total:g} points in the gradebook, {result['score']:g} in the result")
        if wrong:
            found.append({"student": s.student, "story": s.story, "differences": wrong})
    return found


def rows(people: Sequence[Submission], results: Sequence[summary.Result]) -> list[dict[str, Any]]:
    """The table: who, what was handed in, the score, what was found."""
    by_name = {r["student"]: r for r in results}
    return [{"student": s.student, "story": s.story, "score": float(by_name[s.student]["score"]),
             "found": summary.findings(by_name[s.student])} for s in people if s.student in by_name]


def main(keep: Path | None = None, *, jobs: int | None = None, as_json: bool = False) -> int:
    """What the command does: run, print the table and the paths (or JSON on stdout). 1 if anything was unexpected."""
    import json

    did = run(keep, jobs=jobs, tell=lambda text: print(text, file=sys.stderr, flush=True))
    odd, seconds = did["unexpected"], did["seconds"]
    if as_json:
        print(json.dumps(did, indent=1, ensure_ascii=False))
        return 1 if odd else 0
    show.grid(["student", "score", "handed in", "found"],
              [[r["student"], f"{r['score']:g}", r["story"], shorten(r["found"])] for r in did["rows"]], left=(0, 2, 3))
    print(f"\n{did['submissions'] - len({o['student'] for o in odd})} of {did['submissions']} came out as expected, "
          f"mean {did['mean']} points; {sum(seconds.values()):.1f} s ("
          + ", ".join(f"{phase} {s:.1f}" for phase, s in seconds.items()) + ")")
    for o in odd:
        print(f"  {o['student']} ({o['story']}): " + "; ".join(o["differences"]))
    print(f"class report     {did['report']}\nfeedback pages   {did['feedback']}\ncourse           {did['folder']}")
    return 1 if odd else 0


def shorten(found: Sequence[str], most: int = 3) -> str:
    """Findings in one cell of the table; equal ones of several functions are counted."""
    kinds = [f.partition(": ")[2] for f in found]
    if len(found) > most and len(set(kinds)) == 1:
        return f"{len(found)} functions: {kinds[0]}"
    return "; ".join(found[:most]) + (f"; and {len(found) - most} more" if len(found) > most else "")
