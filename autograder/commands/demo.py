from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import json_option


@click.command("demo")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="A new folder for the course.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Submissions at a time. Default: the number of cores.")
@json_option
def command(keep: Path | None, jobs: int | None, as_json: bool) -> int:
    """Grade a made-up class and show what comes of it.

    Known mistakes, right answers, accidents, cheats; then the report and the feedback pages. Exit code 1 where a
    submission did not come out as it must.

    \b
    Example:
      autograder demo
      autograder demo --keep democourse
    """
    from autograder import demo as show_class

    return show_class.main(keep, jobs=jobs, as_json=as_json)
