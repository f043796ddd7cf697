from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, folder_argument, json_option


@click.command("report")
@folder_argument
@click.argument("assignment")
@click.option("--out", type=click.Path(path_type=Path), help="Default: DIR/reports/ASSIGNMENT.html.")
@click.option("--title", default="", help="The headline. Default: the assignment's name.")
@click.option("--anonymous", is_flag=True, help="For a class to see: pseudonyms, no comparison of students.")
@click.option("--explain/--terse", default=True, help="A line below each heading says how to read it (default).")
@json_option
def command(folder: Path, assignment: str, out: Path | None, title: str, anonymous: bool, explain: bool,
            as_json: bool) -> None:
    """Write the class report of ASSIGNMENT, one HTML page.

    Its path goes to stdout. Scores, hardest checks, misconceptions with examples, incidents, near-identical
    submissions. It names students (but for --anonymous): it is for the instructor.

    \b
    Example:
      autograder report mycourse 03_rnn --out report.html
    """
    from autograder.report import make

    path = make(folder, assignment, out=out, title=title, explain=explain, anonymous=anonymous)
    if as_json:
        emit({"report": str(path)})
    else:
        click.echo(str(path))
