from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, folder_argument, json_option, say


@click.command("release")
@folder_argument
@click.argument("assignment")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER|FILE.zip",
              help="For a learning platform. Default: nbgrader's exchange.")
@click.option("--force", is_flag=True, help="Replace what the exchange already has.")
@json_option
def command(folder: Path, assignment: str, out: Path | None, force: bool, as_json: bool) -> None:
    """Bring ASSIGNMENT to the students.

    The release is made from DIR/checks where that has changed. It is not handed out where it shows a line of a solution
    or of a hidden test.

    \b
    Example:
      autograder release mycourse 03_rnn --out 03_rnn.zip
    """
    from autograder.release import release

    did = release(folder, assignment, out=out, force=force)
    if as_json:
        emit(did.to_dict())
    else:
        click.echo(did.where)
    for name in did.updated:
        say(f"brought up to date: {name}")
    for note in did.notes:
        say(note)
    say(f"students get {', '.join(did.files)}: {did.answers} cells to fill in, {did.points:g} points")
