from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, folder_argument, json_option, say


@click.command("course")
@folder_argument
@click.option("--solutions", type=click.Path(path_type=Path), help="The assignments' folder. Default: the checkout's.")
@click.option("--upgrade", is_flag=True, help="Also replace what is there by what is newer, after a backup.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@json_option
def command(folder: Path, solutions: Path | None, upgrade: bool, dry_run: bool, as_json: bool) -> None:
    """Make an nbgrader course in DIR, or add new assignments to it.

    Stock nbgrader commands work in it. Grades, submissions and files that you edited are kept. After a change in
    DIR/checks, this makes the release anew.

    \b
    Example:
      autograder course mycourse
      autograder course mycourse --upgrade --dry-run
    """
    from autograder.make_course import make

    did = make(folder, solutions, upgrade=upgrade, dry_run=dry_run, tell=say)
    if as_json:
        emit(did)
