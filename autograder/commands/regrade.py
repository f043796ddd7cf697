from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, folder_argument, json_option, say
from autograder.errors import AutograderError


@click.command("regrade")
@folder_argument
@click.argument("assignment")
@click.option("--student", "students", multiple=True, metavar="ID", help="Only this student; can be repeated.")
@click.option("--dry-run", is_flag=True, help="Show what would change; write nothing.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Submissions at a time. Default: the number of cores.")
@click.option("--sandbox", "layer", type=click.Choice(["auto", "bwrap+landlock", "landlock", "bwrap", "none"]),
              help="Default: course.toml's.")
@click.option("--scheduler", default="", metavar="ADDRESS", help="A Dask cluster that grades (docs/scale.md).")
@json_option
def command(folder: Path, assignment: str, students: tuple[str, ...], dry_run: bool, jobs: int | None,
            layer: str | None, scheduler: str, as_json: bool) -> None:
    """Grade again with the seeds of before; show which scores change.

    Manual scores and comments stay. The gradebook is backed up to DIR/.autograder/backups first.

    \b
    Example:
      autograder regrade mycourse 03_rnn --dry-run
      autograder regrade mycourse 03_rnn --student ada
    """
    from autograder import show
    from autograder.regrade import regrade
    from autograder.sandbox import NoSandbox

    with show.Progress() as progress:
        try:
            report = regrade(folder, assignment, students=students, jobs=jobs, layer=layer, dry_run=dry_run,
                             started=progress.start, finished=progress.step, used=progress.used,
                             scheduler=scheduler, tell=progress.tell)
        except NoSandbox as e:
            raise AutograderError(str(e)) from None
    if as_json:
        emit(report.to_dict())
        return
    rows = report.rows()
    if rows:
        show.grid(["student", "cell", "before", "after", ""], rows, left={0, 1, 4})
    print(report.summary())
    if report.backup:
        say(f"the gradebook of before: {report.backup}")
