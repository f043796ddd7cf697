from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, folder_argument, json_option, say


@click.command("course")
@folder_argument
@click.option("--solutions", type=click.Path(path_type=Path), help="The assignments' folder. Default: the checkout's.")
@json_option
def command(folder: Path, solutions: Path | None, as_json: bool) -> None:
    """Make an nbgrader course in DIR, or bring one up to date.

    Stock nbgrader commands work in it. Grades, submissions and files that you edited are kept.

    \b
    Example:
      autograder course mycourse
      autograder course "my course" --solutions assignments
    """
    from autograder.make_course import make

    did = make(folder, solutions, tell=say)
    if as_json:
        emit(did)
