from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from pathlib import Path

import click

from autograder.cli import emit, folder_argument, json_option, say


@click.command("feedback")
@folder_argument
@click.argument("assignment")
@click.option("--student", "students", multiple=True, metavar="ID", help="Only this student; can be repeated.")
@click.option("--release", "hand_out", is_flag=True, help="Put the pages into nbgrader's exchange.")
@click.option("--zip", "archive", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="A zip for a learning platform: a folder for each student, named as it came.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes. Default: the number of cores.")
@click.option("--force", is_flag=True, help="Make all pages again, not only those that are missing or older.")
@json_option
def command(folder: Path, assignment: str, students: tuple[str, ...], hand_out: bool, archive: Path | None,
            jobs: int | None, force: bool, as_json: bool) -> None:
    """Make the feedback pages of ASSIGNMENT, a folder a student.

    nbgrader's pages in DIR/feedback/STUDENT/ASSIGNMENT, with what was resolved since the last attempt.

    \b
    Example:
      autograder feedback mycourse 03_rnn
      autograder feedback mycourse 03_rnn --zip feedback.zip
    """
    from autograder import feedback, show

    with ExitStack() as stack:
        bar = None

        def started(new: int, old: int) -> None:
            nonlocal bar
            if new:
                bar = stack.enter_context(click.progressbar(length=new, label=f"feedback pages ({new})", show_pos=True,
                                                            file=sys.stderr))

        made = feedback.make(folder, assignment, students=students, jobs=jobs, force=force, started=started,
                             finished=lambda n: bar.update(n) if bar else None)
    if hand_out:
        feedback.release(folder, assignment, made)
        say(f"released: {len(made.released)}" + (f"; not handed in through the exchange: {len(made.not_released)}"
                                                 if made.not_released else ""))
    if archive:
        feedback.write_zip(folder, assignment, made.students, archive)
    for student in made.failed:
        name = show.printable(student)
        say(f"nbgrader made no page for {name}: nbgrader generate_feedback {assignment} --student {shlex.quote(name)} "
            "shows why")
    if as_json:
        emit({"new": made.new, "unchanged": made.unchanged, "failed": made.failed, "released": made.released,
              "not_released": made.not_released, "zip": str(archive) if archive else None})
    else:
        pages = show.counted(len(made.new), "page")
        click.echo(f"{pages} made, {len(made.unchanged)} unchanged: {folder / 'feedback'}")
        if archive:
            click.echo(f"{show.counted(len(made.students), 'student')} in {archive}")
    if made.failed:
        raise SystemExit(1)
