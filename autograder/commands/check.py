from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, json_option, say


@click.command("check")
@click.argument("assignments", metavar="DIR/ASSIGNMENT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--seeds", "count", type=click.IntRange(1, 1000), default=5, help="Gradings of each. Default: 5.")
@json_option
def command(assignments: tuple[Path, ...], count: int, as_json: bool) -> int:
    """Grade the known mistakes and right variants of an assignment.

    A mistake must lose points, the same on every seed, and be told by its own sentence; the solution and its variants
    must earn all, and a blank function nothing. Exit code 1 where that is not so. The last column says what the visible
    test makes of a mistake. DIR holds assignments, or is a course.

    \b
    Example:
      autograder check solutions/03_rnn
      autograder check mycourse/03_rnn --seeds 30
    """
    from autograder import show
    from autograder.prove import assignment_at, measure, seeds
    from autograder.prove import prove as prove_check

    found = [(a, check) for path in assignments for a in assignment_at(path) for check in a.checks.values()]
    proofs = []
    for assignment, check in show.each(found, "checking"):
        proof = prove_check(check, seeds(count))
        measure(assignment, check, proof)
        proofs.append((assignment, check, proof))
    if as_json:
        emit([{"assignment": assignment.name, **proof.to_dict()} for assignment, _, proof in proofs])
    else:
        show.proofs([(check, proof) for _, check, proof in proofs])
    faults = [f"{assignment.name}: {fault}" for assignment, _, proof in proofs for fault in proof.faults]
    for fault in faults:
        say(fault)
    return 1 if faults else 0
