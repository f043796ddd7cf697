from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, json_option, say


@click.command("check")
@click.argument("assignment", metavar="DIR/ASSIGNMENT", type=click.Path(path_type=Path))
@click.option("--seeds", "count", type=click.IntRange(1, 1000), default=5, help="Gradings of each. Default: 5.")
@json_option
def command(assignment: Path, count: int, as_json: bool) -> int:
    """Grade the known mistakes and right variants of an assignment.

    A mistake must lose points, the same on every seed, and be told by its own sentence; the solution and its variants
    must earn all, and a blank function nothing. Exit code 1 where that is not so.

    \b
    Example:
      autograder check solutions/03_rnn
    """
    from autograder import show
    from autograder.course import open_assignment
    from autograder.prove import prove as prove_check
    from autograder.prove import seeds

    found = open_assignment(assignment)
    proofs = [(check, prove_check(check, seeds(count))) for check in found.checks.values()]
    if as_json:
        emit([proof.to_dict() for _, proof in proofs])
    else:
        show.proofs(proofs)
    faults = [fault for _, proof in proofs for fault in proof.faults]
    for fault in faults:
        say(fault)
    return 1 if faults else 0
