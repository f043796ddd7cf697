from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, json_option


@click.command("doctor")
@click.option("--attack", "notebook", metavar="FILE.ipynb", type=click.Path(path_type=Path),
              help="Try this notebook on a throwaway course and say what it got.")
@click.option("--assignment", default="", metavar="NAME", help="With --attack. Default: the one whose cells it has.")
@click.option("--sandbox", "layer", type=click.Choice(["auto", "bwrap+landlock", "landlock", "bwrap", "none"]),
              help="With --attack. Default: auto.")
@click.option("--verbose", is_flag=True, help="Also say what each attack ran into.")
@json_option
def command(notebook: Path | None, assignment: str, layer: str | None, verbose: bool, as_json: bool) -> int:
    """Attack the sandbox on this machine and say which layers hold.

    Says what to install where one is missing. Exit code 1 where none works, or where the notebook given by --attack
    got anything: points, secrets, files, a connection, another's points. docs/security.md says how to write one.

    \b
    Example:
      autograder doctor
      autograder doctor --attack mine.ipynb --assignment 03_rnn
    """
    import dataclasses

    if notebook:
        from autograder import trial
        from autograder.errors import AutograderError
        from autograder.sandbox import NoSandbox

        try:
            tried = trial.attack(notebook, assignment, layer)
        except NoSandbox as e:
            raise AutograderError(str(e)) from None
        emit(dataclasses.asdict(tried)) if as_json else click.echo(trial.format(tried))
        return 1 if tried.got else 0

    from autograder import doctor as physician

    if assignment or layer:
        raise click.UsageError("--assignment and --sandbox go with --attack FILE.ipynb")
    findings = physician.doctor()
    if as_json:
        emit([dataclasses.asdict(f) for f in findings])
    else:
        click.echo(physician.format(findings, verbose=verbose))
    return 0 if any(f.protection == physician.AVAILABLE and f.holds for f in findings) else 1
