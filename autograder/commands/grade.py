from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit_each, folder_argument, json_option, say
from autograder.errors import AutograderError


@click.command("grade")
@folder_argument
@click.argument("assignment")
@click.option("--student", "students", multiple=True, metavar="ID", help="Only this student; can be repeated.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Submissions at a time. Default: the number of cores.")
@click.option("--sandbox", "layer", type=click.Choice(["auto", "bwrap+landlock", "landlock", "bwrap", "none"]),
              help="Default: course.toml's, which is auto. none: no protection, and the results say so.")
@click.option("--scheduler", default="", metavar="ADDRESS", help="A Dask cluster that grades (docs/scale.md).")
@click.option("--force/--resume", default=False, help="Grade all again, or only what is new or changed (default).")
@json_option
def command(folder: Path, assignment: str, students: tuple[str, ...], jobs: int | None, layer: str | None,
          scheduler: str, force: bool, as_json: bool) -> None:
    """Grade the submissions of ASSIGNMENT in DIR/submitted.

    Writes scores to gradebook.db, graded notebooks to DIR/autograded (formgrader and `nbgrader generate_feedback` work
    on them) and results to DIR/.autograder/results. A run that was stopped goes on.

    \b
    Example:
      autograder grade mycourse 03_rnn
      autograder grade mycourse 03_rnn --student ada --force
    """
    from autograder import record, show
    from autograder.course import Course
    from autograder.driver import grade as run_all
    from autograder.sandbox import NoSandbox

    if (layer or Course.open(folder).layer) == "none":
        say("sandbox: none. Students' code runs with your rights: your files, your network.")
    with show.Progress() as progress:
        try:
            results = run_all(folder, assignment, students=students, jobs=jobs, layer=layer, force=force,
                              started=progress.start, finished=progress.step, rewritten=progress.rewritten,
                              used=progress.used, scheduler=scheduler, tell=progress.tell)
        except NoSandbox as e:
            raise AutograderError(str(e)) from None
    if as_json:
        emit_each(results)
    else:
        show.table(results)
    for text in [*record.differences(Course.open(folder), assignment), *show.failures(results)]:
        say(text)
    say(f"results: {Course.open(folder).results(assignment)}")
