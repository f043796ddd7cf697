from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from autograder.cli import emit, folder_argument, json_option


@click.command("status")
@folder_argument
@click.argument("assignment", required=False)
@json_option
def command(folder: Path, assignment: str | None, as_json: bool) -> None:
    """List the assignments, or the submissions of one.

    Handed in, graded, waiting for `grade`, cells that wait for a person, errors of the grader, scores, and what was
    graded by other checks than there are now. With ASSIGNMENT a row a student, also with late penalties.

    \b
    Example:
      autograder status mycourse
      autograder status mycourse 03_rnn
    """
    from autograder import show, status

    if assignment is None:
        assignments, copied = status.status(folder), status.last_backup(folder)
        if as_json:
            emit([dataclasses.asdict(row) for row in assignments])
        else:
            show.status(assignments, copied)
    else:
        students = status.students(folder, assignment)
        if as_json:
            emit([dataclasses.asdict(row) for row in students])
        else:
            show.students(students)
