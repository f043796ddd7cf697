from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, folder_argument, json_option, say
from autograder.export import FORMATS, export
from autograder.show import counted, printable


@click.command("export")
@folder_argument
@click.argument("assignment")
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), required=True)
@click.option("--out", type=click.Path(path_type=Path), help="Default: below DIR/exports.")
@click.option("--template", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="CSV",
              help="Canvas's gradebook or Moodle's worksheet, to fill in.")
@click.option("--column", metavar="NAME", help="The template's column for the scores.")
@click.option("--roster", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="CSV",
              help="As for collect: names to ids.")
@click.option("--pending", is_flag=True, help="Also what waits for manual grading.")
@click.option("--anonymous", is_flag=True, help="Pseudonyms for ids, no names, no comments.")
@json_option
def command(folder: Path, assignment: str, kind: str, out: Path | None, template: Path | None, column: str | None,
            roster: Path | None, pending: bool, anonymous: bool, as_json: bool) -> None:
    """Write the scores of ASSIGNMENT for another system.

    gradescope: a results.json a student, and a zip to upload as autograder.

    \b
    Example:
      autograder export mycourse 03_rnn --format canvas --template gradebook.csv
    """
    did = export(folder, assignment, kind, out=out, template=template, column=column, roster=roster,
                 anonymous=anonymous, pending=pending)
    if as_json:
        emit(did.to_dict())
    else:
        for path in did.paths[:1] if kind == "gradescope" else did.paths:
            click.echo(str(path))
    say(f"{counted(did.written, 'score')} of {counted(len(did.grades), 'student')}")
    for note in did.notes:
        say(printable(note))
