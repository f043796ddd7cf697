"""The command line's verbs as methods of one object: what a script or a notebook of the instructor's uses.

    from autograder import Grader

    grader = Grader("rnn2026")                                  # or Grader.make("rnn2026") for a new course
    grader.collect("03_rnn", "download.zip", roster_file="participants.csv")
    results = grader.grade("03_rnn", jobs=2)
    worst = min(results, key=lambda result: result["score"])
    print(grader.explain("03_rnn", worst["student"], "rnn_step").draws[0].results[0].got)

Every method does what its verb does, on the same files, with the same errors (AutograderError, in one line). None
prints. The work is in the modules that are imported here; each can be used by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from autograder.course import Course

if TYPE_CHECKING:
    from autograder.collect import Collected
    from autograder.doctor import Finding
    from autograder.explain import Explanation
    from autograder.export import Exported
    from autograder.feedback import Made
    from autograder.prove import Proof
    from autograder.regrade import Report
    from autograder.release import Released
    from autograder.status import AssignmentStatus, StudentStatus


class Cell(TypedDict, total=False):
    """The verdict on one cell; see result.CellResult."""

    notebook: str
    grade_id: str
    function: str
    points: float
    score: float
    parts: list[dict[str, Any]]
    reason: str
    message: str
    misconceptions: list[dict[str, Any]]
    question: str | None
    notes: list[str]
    seed: str
    seconds: float
    slide: str
    equation: str
    forgeable: bool


class Result(TypedDict, total=False):
    """One graded submission, as .autograder/results/ASSIGNMENT/STUDENT.json holds it (version 1)."""

    version: int
    assignment: str
    student: str
    started: str
    seconds: float
    layers: list[str]
    limits: dict[str, float]
    status: str                 # graded | missing | unreadable | refused | error
    notes: list[str]
    score: float
    max_score: float
    cells: list[Cell]
    incidents: list[dict[str, str]]
    attempt: int
    submitted: str | None


class Grader:
    """A course folder. Raises CourseError where `folder` is none."""

    def __init__(self, folder: str | Path) -> None:
        self.course = Course.open(folder)

    def __repr__(self) -> str:
        return f"Grader({str(self.course.root)!r})"

    @property
    def folder(self) -> Path:
        return self.course.root

    @property
    def assignments(self) -> list[str]:
        return self.course.assignments()

    # ----- The course

    @classmethod
    def make(cls, folder: str | Path, solutions: str | Path | None = None) -> Grader:
        """Make a course, or add new assignments to one. `solutions`: by default the checkout's."""
        from autograder.make_course import make

        make(folder, solutions)
        return cls(folder)

    def upgrade(self, solutions: str | Path | None = None, *, dry_run: bool = False) -> dict[str, list[str]]:
        """Replace what is older than `solutions`, after a backup; what was done, or would be, by kind."""
        from autograder.make_course import make

        return make(self.folder, solutions, upgrade=True, dry_run=dry_run)

    def release(self, assignment: str, *, out: str | Path | None = None, force: bool = False) -> Released:
        """Bring an assignment to the students: into the exchange, or `out`, a folder or FILE.zip."""
        from autograder.release import release

        return release(self.folder, assignment, out=_path(out), force=force)

    # ----- Grading

    def collect(self, assignment: str, source: str | Path | None = None, *, format: str = "auto",
                roster_file: str | Path | None = None, id_column: str | None = None, pattern: str = "",
                timezone: str | None = None, dry_run: bool = False) -> Collected:
        """Bring submissions into `submitted`, with their times. source: None is nbgrader's exchange."""
        from autograder.collect import collect

        return collect(self.folder, assignment, source, format=format, roster_file=_path(roster_file),
                       id_column=id_column, pattern=pattern, timezone=timezone, dry_run=dry_run)

    def grade(self, assignment: str, *, students: Sequence[str] = (), jobs: int | None = None, layer: str | None = None,
              force: bool = False, scheduler: str = "", started: Callable[[int, int], None] = lambda new, old: None,
              finished: Callable[[dict[str, Any]], None] = lambda result: None) -> Sequence[Result]:
        """Grade what is new or changed (`force`: all); the results, sorted by student, read when they are asked for.

        scheduler: the address of a Dask cluster that grades in place of `jobs` processes here. started(new, old) is
        told the counts before the first is graded, finished(result) each new result. Raises NoSandbox.
        """
        from autograder.driver import grade

        results: Any = grade(self.folder, assignment, students=students, jobs=jobs, layer=layer, force=force,
                             scheduler=scheduler, started=started, finished=finished)
        return cast(Sequence[Result], results)

    def regrade(self, assignment: str, *, students: Sequence[str] = (), jobs: int | None = None,
                layer: str | None = None, dry_run: bool = False, scheduler: str = "") -> Report:
        """Grade all again with the seeds of before, after a backup; which scores change, or would."""
        from autograder.regrade import regrade

        return regrade(self.folder, assignment, students=students, jobs=jobs, layer=layer, dry_run=dry_run,
                       scheduler=scheduler)

    def status(self) -> list[AssignmentStatus]:
        """Counts and scores, an entry an assignment."""
        from autograder.status import status

        return status(self.folder)

    def students(self, assignment: str) -> list[StudentStatus]:
        """Score, state and time of each submission."""
        from autograder.status import students

        return students(self.folder, assignment)

    def explain(self, assignment: str, student: str, cell: str, *, attempt: int | None = None,
                layer: str | None = None) -> Explanation:
        """Replay the draws of one cell: arguments, expected and got as arrays. For the instructor alone."""
        from autograder.explain import explain

        return explain(self.folder, assignment, student, cell, attempt=attempt, layer=layer)

    # ----- What comes of it

    def report(self, assignment: str, *, out: str | Path | None = None, title: str = "", explain: bool = True,
               anonymous: bool = False) -> Path:
        """Write the class report, one HTML page; its path."""
        from autograder import report

        return report.make(self.folder, assignment, out=out, title=title, explain=explain, anonymous=anonymous)

    def feedback(self, assignment: str, *, students: Sequence[str] = (), jobs: int | None = None, force: bool = False,
                 release: bool = False, zip: str | Path | None = None) -> Made:
        """Make the students' pages; `release` puts them into the exchange, `zip` writes them for a platform."""
        from autograder import feedback

        made = feedback.make(self.folder, assignment, students=students, jobs=jobs, force=force)
        if release:
            feedback.release(self.folder, assignment, made)
        if zip:
            feedback.write_zip(self.folder, assignment, made.students, Path(zip))
        return made

    def export(self, assignment: str, format: str, *, out: str | Path | None = None,
               template: str | Path | None = None, column: str | None = None, roster: str | Path | None = None,
               anonymous: bool = False, pending: bool = False) -> Exported:
        """Write the scores as csv, json, canvas, moodle or gradescope."""
        from autograder.export import export

        return export(self.folder, assignment, format, out=_path(out), template=_path(template), column=column,
                      roster=_path(roster), anonymous=anonymous, pending=pending)

    # ----- Without a submission

    def check(self, assignment: str, seeds: int = 5) -> list[Proof]:
        """Grade the known mistakes and right variants of an assignment; `faults` of each proof should be empty."""
        from autograder import prove

        self.course.require(assignment)
        return [prove.prove(check, prove.seeds(seeds)) for found in prove.assignment_at(self.course.checks / assignment)
                for check in found.checks.values()]

    @staticmethod
    def doctor(layers: Sequence[str] | None = None) -> list[Finding]:
        """Attack the sandbox on this machine, or only these layers of it; which protections hold."""
        from autograder.doctor import doctor

        return doctor(layers)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
