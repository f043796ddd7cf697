from __future__ import annotations

from pathlib import Path

import click

from autograder import collect as collection
from autograder.cli import emit, folder_argument, json_option, say
from autograder.show import counted, grid, printable


@click.command("collect")
@folder_argument
@click.argument("assignment")
@click.argument("source", metavar="[FROM]", required=False, type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(collection.FORMATS),
              default="auto", help="What FROM is. Default: auto.")
@click.option("--roster", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="CSV",
              help="id, name, email ...; or the platform's own CSV.")
@click.option("--id-column", metavar="NAME", help="The roster's column of ids. Default: id, username, email ...")
@click.option("--pattern", metavar="REGEX", default="", help="File names, with (?P<student_id>...).")
@click.option("--timezone", metavar="ZONE", help="Of the times in FROM. Default: this machine's.")
@click.option("--dry-run", is_flag=True, help="Change nothing, show what would be done.")
@json_option
def command(folder: Path, assignment: str, source: Path | None, kind: str, roster: Path | None, id_column: str | None,
            pattern: str, timezone: str | None, dry_run: bool, as_json: bool) -> None:
    """Bring submissions into DIR/submitted, with their times.

    FROM: a zip of Moodle or Canvas, a folder of notebooks or clones; without it, nbgrader's exchange.

    \b
    Example:
      autograder collect mycourse 03_rnn download.zip --roster participants.csv
    """
    got = collection.collect(folder, assignment, source, format=kind, roster_file=roster, id_column=id_column,
                             pattern=pattern, timezone=timezone, dry_run=dry_run)
    if as_json:
        emit(got.to_dict())
    else:
        _table(got)
    for name, why in got.refused:
        say(printable(f"not read: {name[:200]}: {why}"))
    for text in got.warnings:
        say(printable(text))
    if got.uncollected and not dry_run:
        say(f"what led to no student is kept in {got.uncollected}")
    if dry_run:
        say("nothing was changed (--dry-run)")


def _table(got: collection.Collected) -> None:
    """One row a hand-in, then how many of each; on stdout."""
    rows = [[printable(r.student or f"({r.who})"), printable(", ".join(r.files)[:80]),
             f"{r.time:%Y-%m-%d %H:%M}" if r.time else "?", {True: "late", False: "", None: "?"}[r.late], r.state,
             printable("; ".join(r.notes)[:300])] for r in got.rows]
    if rows:
        grid(["student", "file", "time (UTC)", "late", "", ""], rows, left=range(6))
    counts = {state: got.count(state) for state in collection.STATES}
    states = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    click.echo(f"{counted(len(rows), 'hand-in')} ({got.format}): {states}" if rows
               else f"nothing to collect ({got.format})")
