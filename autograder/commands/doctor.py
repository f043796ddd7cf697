from __future__ import annotations

import click

from autograder.cli import emit, json_option


@click.command("doctor")
@json_option
def command(as_json: bool) -> int:
    """Attack the sandbox on this machine and say which layers hold.

    Says what to install where one is missing. Exit code 1 where none works.

    \b
    Example:
      autograder doctor
    """
    import dataclasses

    from autograder import doctor as physician

    findings = physician.doctor()
    if as_json:
        emit([dataclasses.asdict(f) for f in findings])
    else:
        click.echo(physician.format(findings))
    return 0 if any(f.protection == physician.AVAILABLE and f.holds for f in findings) else 1
