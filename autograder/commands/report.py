from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, folder_argument, json_option
from autograder.errors import AutograderError


@click.command("report")
@folder_argument
@click.argument("assignment")
@click.option("--out", type=click.Path(path_type=Path), help="Default: DIR/reports/ASSIGNMENT.html.")
@click.option("--title", default="", help="The headline. Default: the assignment's name.")
@click.option("--explain/--terse", default=True, help="A line below each heading says how to read it (default).")
@json_option
def command(folder: Path, assignment: str, out: Path | None, title: str, explain: bool, as_json: bool) -> None:
    """Write the class report of ASSIGNMENT, one HTML page.

    Scores, hardest checks, misconceptions, incidents. It names students: it is for the instructor. Its path goes to
    stdout.

    \b
    Example:
      autograder report mycourse 03_rnn --out report.html
    """
    from autograder.course import Course
    from autograder.report import load_results, write_report

    found = Course.open(folder)
    found.require(assignment)
    if not any(found.results(assignment).glob("*.json")):
        raise AutograderError(f"nothing of '{assignment}' is graded yet: autograder grade {found.shown} {assignment}")
    path = write_report(load_results(found.root, assignment), out or found.root / "reports" / f"{assignment}.html",
                        title=title, explain=explain)
    if as_json:
        emit({"report": str(path)})
    else:
        click.echo(str(path))
