from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, json_option, say


@click.command("vary")
@click.argument("assignment", metavar="DIR/ASSIGNMENT", type=click.Path(path_type=Path))
@click.option("--term", required=True, help="Its name: the same name makes the same version.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where to put it; not DIR itself.")
@click.option("--names", type=click.Path(path_type=Path, dir_okay=False), help="A TOML file with names of your own.")
@json_option
def command(assignment: Path, term: str, out: Path, names: Path | None, as_json: bool) -> None:
    """Make a term's version of an assignment: new names and order.

    Functions and arguments get other names and another order; hints, tests, mistakes and variants go with them. Last
    year's published solution then does not pass. --names has tables [functions] and [arguments] (old = "new"),
    [order] (function = ["h", "x"]) and [blocks] ("a text" = "what it becomes": for blocks of an array, and results);
    names and orders that it leaves out are chosen by the term's name.

    \b
    Example:
      autograder vary solutions/03_rnn --term 2026-winter --out winter
      autograder check winter/03_rnn
    """
    from autograder import show
    from autograder.vary import read_names
    from autograder.vary import vary as make

    made = make(assignment, term, out, read_names(names) if names else None)
    if as_json:
        emit(made.to_dict())
    else:
        show.varied(made)
    say(f"written: {made.folder}. Next: autograder check {made.folder}")
