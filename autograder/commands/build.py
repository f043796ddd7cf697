from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, json_option, say
from autograder.errors import AutograderError


@click.command("build")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when exercises/ is not current.")
@click.option("--solutions", type=click.Path(path_type=Path), help="Default: the checkout's solutions/.")
@click.option("--exercises", type=click.Path(path_type=Path), help="Default: exercises/ beside solutions/.")
@json_option
def command(check: bool, solutions: Path | None, exercises: Path | None, as_json: bool) -> int:
    """Make the students' notebooks in exercises/ from solutions/.

    \b
    Example:
      autograder build
      autograder build --check
    """
    from autograder import build as builder
    from autograder.assignment import AssignmentError
    from minigrad.install import checkout_root, source_folder

    root = checkout_root() or source_folder()
    if solutions is None and root is None:
        raise AutograderError("this is no checkout: name the folder of the assignments by --solutions")
    solutions = solutions or (root or Path()) / "solutions"
    exercises = exercises or solutions.parent / "exercises"
    if not solutions.is_dir():
        raise AutograderError(f"there is no folder '{solutions}'")
    try:
        changed = builder.check_current(solutions, exercises) if check else [
            str(p) for p in builder.build(solutions, exercises)]
    except (AssignmentError, builder.BuildError) as e:
        raise AutograderError(str(e)) from None
    if as_json:
        emit(changed)
    for line in changed:
        say(f"{'not current' if check else 'written'}: {line}")
    if not changed:
        say(f"{exercises} is current")
    return 1 if check and changed else 0
