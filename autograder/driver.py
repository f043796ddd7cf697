"""Grade many submissions: workers that run and judge, one writer here, and a run that can be killed and goes on.

The order for each submission is result JSON, graded notebook, gradebook rows in one transaction. A submission counts as
done when the result is complete, was made from the same sources, checks and limits, and the rows say the same; so
whatever moment a run is killed at, the next run grades again exactly what is not done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autograder import pipeline, submission
from autograder.course import Course, read_json, write_atomically
from autograder.errors import AutograderError, UnknownName
from autograder.gradebook import Grades, Rows
from autograder.sandbox import Limits
from autograder.submission import Template
from autograder.workers import Outcome, Plan, cores, outcomes


def rows(template: Template, out: Outcome) -> Rows:
    """The gradebook rows of an outcome: scores of test cells, None or 0 for what a person grades."""
    scores: dict[str, float | None] = {c["grade_id"]: float(c["score"]) for c in out.result["cells"]}
    for spec in template.cells:
        if spec.points is not None and spec.name not in scores:
            # as nbgrader: nothing written is 0; so is all of a submission that cannot be read
            empty = out.result["status"] in pipeline.EMPTY or (spec.solution and spec.name in out.blank)
            scores[spec.name] = 0.0 if empty else None
    return Rows(out.student, scores, out.blank, out.timestamp)


def done(course: Course, template: Template, student: str, checks_hash: str, limits: Limits,
         stand: dict[str, float | None] | None) -> dict[str, Any] | None:
    """The result that stands for this student if it need not be made again. `stand`: the rows in the gradebook."""
    result = read_json(course.result_path(template.assignment, student))
    if not isinstance(result, dict) or result.get("version") != pipeline.VERSION or stand is None:
        return None
    if any(i.get("kind") == pipeline.ERROR for i in result.get("incidents", [])):
        return None         # the fault was ours, and may be mended by now
    if result.get("checks_hash") != checks_hash or result.get("limits") != pipeline.limits_dict(limits):
        return None
    try:
        if any(stand.get(c["grade_id"], -1.0) != c["score"] for c in result["cells"]):
            return None
    except (KeyError, TypeError):
        return None
    if not (course.autograded / student / template.assignment / f"{template.assignment}.ipynb").is_file():
        return None
    sub = submission.load(template, course.submitted, student)
    return result if result.get("source_hash") == sub.source_hash else None


def write(course: Course, grades: Grades, template: Template, out: Outcome) -> None:
    """Result, notebook, rows; in this order (see the head of this file)."""
    name = template.assignment
    write_atomically(course.result_path(name, out.student), pipeline.to_json(out.result))
    folder = course.autograded / out.student / name
    write_atomically(folder / f"{name}.ipynb", out.notebook)
    if out.timestamp:
        write_atomically(folder / "timestamp.txt", out.timestamp)
    grades.save(name, rows(template, out))


def grade(folder: str | Path, name: str, *, students: Sequence[str] = (), jobs: int | None = None,
          layer: str | None = None, force: bool = False, started: Callable[[int, int], None] = lambda new, old: None,
          finished: Callable[[dict[str, Any]], None] = lambda result: None) -> list[dict[str, Any]]:
    """Grade the submissions of an assignment and return their results, sorted by student.

    `layer` overrides the course's setting; "auto" takes the best that works here. `started` is told how many will be
    graded and how many stand already; `finished` gets each new result as soon as it is written.
    Raises AutograderError (unknown names, no course, another run) and NoSandbox; a submission never raises.
    """
    course = Course.open(folder)
    course.require(name)
    limits = course.limits(name)
    with course.lock(), Grades(course) as grades:
        template = grades.template(name)
        checks_hash = pipeline.checks_hash(template, course.load(name))
        chosen = choose(course, name, students)
        standing = grades.scores(name)
        results = {}
        if not force:
            for student in chosen:
                found = done(course, template, student, checks_hash, limits, standing.get(student))
                if found:
                    results[student] = found
        todo = [s for s in chosen if s not in results]
        started(len(todo), len(results))
        wanted = layer or course.layer
        plan = Plan(course.root, template, None if wanted == "auto" else wanted, limits)
        for out in outcomes(plan, todo, jobs or cores()):
            write(course, grades, template, out)
            results[out.student] = out.result
            finished(out.result)
    return [results[s] for s in sorted(results)]


def choose(course: Course, name: str, students: Sequence[str]) -> list[str]:
    """The students to grade; raises UnknownName for one who handed in nothing, AutograderError when nobody did."""
    there = course.students(name)
    for student in students:
        if student not in there:
            raise UnknownName("submission of", student, f"{course.submitted} for '{name}'", there)
    if not there:
        place = course.submitted / "STUDENT" / name / f"{name}.ipynb"
        raise AutograderError(f"no submissions for '{name}': put each into {place}")
    return list(students) or there
