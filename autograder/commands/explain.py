from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, folder_argument, json_option, say
from autograder.errors import AutograderError


@click.command("explain")
@folder_argument
@click.argument("assignment")
@click.argument("student")
@click.argument("cell")
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="Default: the attempt that counts.")
@click.option("--draw", "number", type=click.IntRange(1), metavar="N", help="This draw alone, with its arguments.")
@click.option("--full", is_flag=True, help="All draws, all entries, all mistakes that were tried.")
@click.option("--sandbox", "layer", metavar="LAYER", help="As for grade. Default: the course's.")
@json_option
def command(folder: Path, assignment: str, student: str, cell: str, attempt: int | None, number: int | None, full: bool,
            layer: str | None, as_json: bool) -> None:
    """Replay the draws of one graded cell: expected against got.

    For regrade requests. CELL is the test cell's or the solution cell's id, or the function's name. It shows hidden
    draws and expected values: it is for the instructor. Nothing in DIR is written.

    \b
    Example:
      autograder explain mycourse 03_rnn ada rnn_step
    """
    from autograder.course import Course
    from autograder.explain import explain
    from autograder.explain_text import text
    from autograder.sandbox import NoSandbox

    if (layer or Course.open(folder).layer) == "none":
        say("sandbox: none. The student's code runs with your rights: your files, your network.")
    try:
        found = explain(folder, assignment, student, cell, attempt=attempt, layer=layer)
    except NoSandbox as e:
        raise AutograderError(str(e)) from None
    if number is not None and found.draws and number > len(found.draws):
        raise AutograderError(f"there is no draw {number}: this cell has {len(found.draws)}")
    if as_json:
        emit(found.to_dict(full))
    else:
        click.echo(text(found, full=full, only=number))
