"""Grade many submissions: workers that run and judge, one writer here, and a run that can be killed and goes on.

The order for each submission is: the attempt that it is (attempts.py); then, of the attempt that counts, graded
notebooks, gradebook rows in one transaction, result JSON. A submission counts as done when its attempt is there and was
made from the same sources, checks and limits, and notebooks, rows and result are those of the attempt that counts; the
result comes last, so where it stands all else does. So whatever moment a run is killed at, the next run does again
exactly what is not done.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from autograder import attempts, by_hand, cluster, pipeline, sheet
from autograder.backup import backup
from autograder.course import Course, read_json, write_atomically
from autograder.errors import AutograderError, UnknownName
from autograder.gradebook import Grades, Rows
from autograder.sandbox import Limits
from autograder.sheet import HandedIn, Sheet
from autograder.shelf import Shelf
from autograder.workers import How, Outcome, Plan, cores, outcomes


def rows(whole: Sheet, out: Outcome) -> Rows:
    """The gradebook rows of an outcome: scores of test cells, None or 0 for what a person grades."""
    scores: dict[tuple[str, str], float | None] = {key(c): float(c["score"]) for c in out.result["cells"]}
    for template in whole:
        unread = out.result["notebooks"][template.name] in pipeline.EMPTY
        for spec in template.cells:
            place = (template.name, spec.name)
            if spec.points is not None and place not in scores:
                # as nbgrader: nothing written is 0; so is all of a notebook that cannot be read
                scores[place] = 0.0 if unread or (spec.solution and place in out.blank) else None
    texts = {(t.name, cell): text for t in whole for cell, text in by_hand.texts(t, out.notebooks[t.name]).items()}
    return Rows(out.student, scores, out.blank, out.timestamp, texts)


def key(cell: dict[str, Any]) -> tuple[str, str]:
    """(notebook, cell) of an entry of a result."""
    return cell["notebook"], cell["grade_id"]


@dataclass(frozen=True)
class Need:
    """What is to be done for a student: run the submission as attempt `number` (0: no), and earlier attempts again,
    since the policy looks at them; then write what counts."""

    number: int = 0
    again: bool = False                     # the attempt is there, and only its outcome is old
    answers: str = ""                       # the hash of what the student wrote, when this was found out
    earlier: tuple[int, ...] = ()


def waiting(whole: Sheet, attempt: attempts.Attempt) -> int:
    """How many cells of an attempt wait for a person."""
    tested = {key(c) for c in attempt.result["cells"]}
    if all(spec.points is None or (t.name, spec.name) in tested for t in whole for spec in t.cells):
        return 0                # the usual assignment: no need to open the outcome
    return sum(score is None for score in rows(whole, attempt.outcome()).scores.values())


@dataclass
class Run:
    """One run of `grade` on an assignment."""

    course: Course
    whole: Sheet
    limits: Limits
    checks_hash: str
    force: bool

    def need(self, student: str, stand: dict[tuple[str, str], float | None] | None) -> Need | None:
        """What is to be done for this student; None where all stands. `stand`: the rows in the gradebook."""
        work = sheet.load(self.whole, self.course.submitted, student)
        found = attempts.kept(self.course, self.whole.assignment, student)
        latest = found[-1] if found else None
        new = latest is None or latest.result.get("answers_hash") != work.answers_hash
        number = (latest.number if latest else 0) + new
        counting = attempts.eligible(self.course, [*(a.number for a in found if a.number != number), number])
        earlier = tuple(a.number for a in found if a.number != number and a.number in counting
                        and self._old(a.result) and a.result["status"] not in pipeline.EMPTY)
        if new or (latest is not None and number in counting and self._old(latest.result, work)):
            return Need(number, not new, work.answers_hash, earlier)
        if earlier:
            return Need(earlier=earlier)
        chosen = attempts.select(self.course, found, partial(waiting, self.whole))
        return None if self._written(student, attempts.dressed(self.course, chosen.result, number), stand) else Need()

    def _old(self, result: dict[str, Any], work: HandedIn | None = None) -> bool:
        """Would grading it now give something else? `work`: what it should have been made from."""
        if self.force or any(i.get("kind") == pipeline.ERROR for i in result.get("incidents", [])):
            return True         # an error was the grader's fault, and may be mended by now
        if work and (result.get("source_hash"), result.get("submitted")) != (work.source_hash, work.submitted):
            return True
        return (result.get("checks_hash"), result.get("limits")) != (
            self.checks_hash, pipeline.limits_dict(self.limits))

    def _written(self, student: str, result: dict[str, Any], stand: dict[tuple[str, str], float | None] | None) -> bool:
        """Do result, rows and notebooks hold this result?"""
        name = self.whole.assignment
        if stand is None or read_json(self.course.result_path(name, student)) != result:
            return False
        if any(stand.get(key(c), -1.0) != c["score"] for c in result["cells"]):
            return False
        folder = self.course.autograded / student / name
        return all((folder / f"{t.name}.ipynb").is_file() for t in self.whole)


def settle(course: Course, grades: Grades, whole: Sheet, student: str, fresh: Outcome | None = None) -> Outcome:
    """Write the attempt that counts, which may be `fresh`, and return it."""
    found = attempts.kept(course, whole.assignment, student)
    chosen = attempts.select(course, found, partial(waiting, whole))
    out = fresh if fresh and fresh.result["attempt"] == chosen.number else chosen.outcome()
    out = attempts.chosen(course, out, found[-1].number)
    write(course, grades, whole, out)
    return out


def write(course: Course, grades: Grades, whole: Sheet, out: Outcome) -> None:
    """Notebooks, rows, result; in this order (see the head of this file)."""
    name = whole.assignment
    folder = course.autograded / out.student / name
    for notebook, text in out.notebooks.items():
        write_atomically(folder / f"{notebook}.ipynb", text)
    if out.timestamp:
        write_atomically(folder / "timestamp.txt", out.timestamp)
    grades.save(name, rows(whole, out))
    write_atomically(course.result_path(name, out.student), pipeline.to_json(out.result))


def grade(folder: str | Path, name: str, *, students: Sequence[str] = (), jobs: int | None = None,
          layer: str | None = None, force: bool = False, started: Callable[[int, int], None] = lambda new, old: None,
          finished: Callable[[dict[str, Any]], None] = lambda result: None,
          rewritten: Callable[[dict[str, Any]], None] | None = None,
          used: Callable[[float, float], None] = lambda students, grader: None, scheduler: str = "",
          tell: Callable[[str], None] = lambda text: None, locked: bool = False) -> Shelf:
    """Grade the submissions of an assignment and return their results, sorted by student.

    `layer` overrides the course's setting; "auto" takes the best that works here. `started` is told how many will be
    graded and how many stand already; `finished` gets each new result as soon as it is written. Where nothing is run to
    get one (another policy, a file that was gone) `rewritten`, if given, gets it instead, and `started` does not count
    it. `used` is told before
    what it took in seconds of a processor, students' code and grader apart. `scheduler`: the address of a Dask cluster
    that grades in place of `jobs` processes here; `tell` gets a line where it loses a part. `locked`: the caller holds
    the course's lock.
    Raises AutograderError (unknown names, no course, another run) and NoSandbox; a submission never raises.
    """
    course = Course.open(folder)
    course.require(name)
    with nullcontext() if locked else course.lock(), Grades(course) as grades:
        whole, limits = grades.sheet(name), course.limits(name)
        run = Run(course, whole, limits, pipeline.checks_hash(whole, pipeline.load_checks(course, whole)), force)
        chosen = choose(course, name, students)
        standing = grades.scores(name)
        needs = {s: need for s in chosen if (need := run.need(s, standing.get(s)))}
        if not students and len(standing.keys() & needs.keys()) > 1:    # rows that stand are about to be replaced
            backup(course, "grade --force" if force else "grade")
        grades.update_penalties(name, set(chosen) - set(needs))
        anew = set() if rewritten is None else {s for s, need in needs.items() if not (need.number or need.earlier)}
        started(len(needs) - len(anew), len(set(chosen)) - len(needs))
        plan = plan_of(course, whole, layer)
        how = how_to_grade(jobs, scheduler, tell)
        _grade_earlier(course, plan, {s: need.earlier for s, need in needs.items() if need.earlier}, how)
        for out in how(plan, [s for s, need in needs.items() if need.number]):
            began = time.process_time()
            need = needs.pop(out.student)
            changed = need.again and out.result["answers_hash"] != need.answers     # handed in anew meanwhile
            attempts.keep(course, out, need.number + changed, again=need.again and not changed)
            result = settle(course, grades, whole, out.student, out).result
            used(out.used.students, out.used.grader + time.process_time() - began)
            finished(result)
        for student in needs:
            result = settle(course, grades, whole, student).result
            (rewritten if rewritten and student in anew else finished)(result)
    return Shelf(course, name, sorted(set(chosen)))


def how_to_grade(jobs: int | None, scheduler: str, tell: Callable[[str], None]) -> How:
    """In `jobs` processes here, or on the cluster whose scheduler is at this address."""
    there = partial(cluster.outcomes, address=scheduler, tell=tell) if scheduler else outcomes
    return partial(there, jobs=jobs or cores())


def plan_of(course: Course, whole: Sheet, layer: str | None = None) -> Plan:
    """What the workers are told; `layer` overrides the course's setting."""
    wanted = layer or course.layer
    return Plan(course.root, whole, None if wanted == "auto" else wanted, course.limits(whole.assignment))


def _grade_earlier(course: Course, plan: Plan, numbers: dict[str, tuple[int, ...]], how: How) -> None:
    """Grade kept attempts again, in rounds of one a student."""
    for these in rounds(numbers):
        folders = {s: attempts.place(course, plan.sheet.assignment, s) / f"{n:03d}" for s, n in these.items()}
        for out in how(dataclasses.replace(plan, folders=folders), list(these)):
            attempts.keep(course, out, these[out.student], again=True)


def rounds(numbers: Mapping[str, Sequence[int]]) -> Iterator[dict[str, int]]:
    """Attempts to grade again, one a student at a time."""
    for turn in range(max(map(len, numbers.values()), default=0)):
        yield {s: found[turn] for s, found in numbers.items() if turn < len(found)}


def choose(course: Course, name: str, students: Sequence[str]) -> list[str]:
    """The students to grade; raises UnknownName for one who handed in nothing, AutograderError when nobody did."""
    there = course.students(name)
    odd = [s for s in there if not s.isprintable()]         # a lone surrogate stands for bytes that are no text
    if odd:
        raise AutograderError(f"{course.submitted} holds a folder {ascii(odd[0])}, whose name no gradebook and no "
                              "terminal can show: rename it to the student's id")
    for student in students:
        if student not in there:
            raise UnknownName("submission of", student, f"{course.submitted} for '{name}'", there)
    if not there:
        place = course.submitted / "STUDENT" / name / f"{name}.ipynb"
        raise AutograderError(f"no submissions for '{name}': put each into {place}")
    return list(students) or there
