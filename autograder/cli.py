"""The command line: one verb, one function, one docstring. Results go to stdout, progress and prose to stderr."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from autograder.errors import AutograderError


def say(text: str = "") -> None:
    """Prose and progress: stderr, so that stdout stays clean for a pipe."""
    click.echo(text, err=True)


def emit(value: Any) -> None:
    """A machine-readable result on stdout."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command. What stops it is one line and exit code 2; any other error is a bug and shows its traceback."""
    try:
        code = main.main(args=list(arguments) if arguments is not None else None, prog_name="autograder",
                         standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.ClickException as e:
        e.show()
        return e.exit_code if e.exit_code != 1 else 2
    except (click.Abort, KeyboardInterrupt):
        say("autograder: stopped. What is graded stays; the same command goes on from there.")
        return 130
    except AutograderError as e:
        return _stop(str(e))
    except PermissionError as e:
        return _stop(f"no permission for '{e.filename}'")
    except OSError as e:
        return _stop(f"{e.strerror or e}: '{e.filename}'" if e.filename else str(e))


def _stop(text: str) -> int:
    say("autograder: " + " ".join(text.split()))
    return 2


class Verbs(click.Group):
    """Verbs in the order in which they are needed, and the nearest one for a slip."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            import difflib

            near = difflib.get_close_matches(args[0], self.commands, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"no command '{args[0]}'.{hint}", ctx) from e


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Grade notebooks: the student's code runs in a sandbox and decides nothing.

    \b
    Example:
      autograder course mycourse
      autograder grade mycourse 03_rnn
      autograder report mycourse 03_rnn
    """


folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable, on stdout.")


@main.command()
@folder_argument
@click.option("--solutions", type=click.Path(path_type=Path), help="The assignments' folder. Default: the checkout's.")
@json_option
def course(folder: Path, solutions: Path | None, as_json: bool) -> None:
    """Make an nbgrader course in DIR, or bring one up to date.

    Stock nbgrader commands work in it. Grades, submissions and files that you edited are kept.

    \b
    Example:
      autograder course mycourse
      autograder course "my course" --solutions assignments
    """
    from autograder.make_course import make

    did = make(folder, solutions, tell=say)
    if as_json:
        emit(did)


@main.command()
@folder_argument
@click.argument("assignment")
@click.option("--student", "students", multiple=True, metavar="ID", help="Only this student; can be repeated.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Submissions at a time. Default: the number of cores.")
@click.option("--sandbox", "layer", type=click.Choice(["auto", "bwrap+landlock", "landlock", "bwrap", "none"]),
              help="Default: course.toml's, which is auto. none: no protection, and the results say so.")
@click.option("--force/--resume", default=False, help="Grade all again, or only what is new or changed (default).")
@json_option
def grade(folder: Path, assignment: str, students: tuple[str, ...], jobs: int | None, layer: str | None, force: bool,
          as_json: bool) -> None:
    """Grade the submissions of ASSIGNMENT in DIR/submitted.

    Writes scores to gradebook.db, graded notebooks to DIR/autograded (formgrader and `nbgrader generate_feedback` work
    on them) and results to DIR/.autograder/results. A run that was stopped goes on.

    \b
    Example:
      autograder grade mycourse 03_rnn
      autograder grade mycourse 03_rnn --student ada --force
    """
    from autograder import show
    from autograder.course import Course
    from autograder.driver import grade as run_all
    from autograder.sandbox import NoSandbox

    if (layer or Course.open(folder).layer) == "none":
        say("sandbox: none. Students' code runs with your rights: your files, your network.")
    with show.Progress() as progress:
        try:
            results = run_all(folder, assignment, students=students, jobs=jobs, layer=layer, force=force,
                              started=progress.start, finished=progress.step)
        except NoSandbox as e:
            raise AutograderError(str(e)) from None
    if as_json:
        emit(results)
    else:
        show.table(results)
    for text in show.failures(results):
        say(text)
    say(f"results: {Course.open(folder).results(assignment)}")


@main.command()
@folder_argument
@json_option
def status(folder: Path, as_json: bool) -> None:
    """List the assignments: handed in, graded, mean score.

    \b
    Example:
      autograder status mycourse
    """
    from autograder import show
    from autograder.course import Course, read_json

    found = Course.open(folder)
    rows = []
    for name in found.assignments():
        students = found.students(name)
        results = [r for r in (read_json(found.result_path(name, s)) for s in students) if isinstance(r, dict)]
        scores = [float(r.get("score", 0)) for r in results]
        rows.append({
            "assignment": name, "submitted": len(students), "graded": len(results),
            "unreadable": sum(r.get("status") != "graded" for r in results),
            "mean": round(sum(scores) / len(scores), 2) if scores else None,
            "max_score": max((float(r.get("max_score", 0)) for r in results), default=None)})
    if as_json:
        emit(rows)
    else:
        show.status(rows)


@main.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when exercises/ is not current.")
@click.option("--solutions", type=click.Path(path_type=Path), help="Default: the checkout's solutions/.")
@click.option("--exercises", type=click.Path(path_type=Path), help="Default: exercises/ beside solutions/.")
@json_option
def build(check: bool, solutions: Path | None, exercises: Path | None, as_json: bool) -> int:
    """Make the students' notebooks in exercises/ from solutions/.

    \b
    Example:
      autograder build
      autograder build --check
    """
    from autograder import build as builder
    from autograder.assignment import AssignmentError
    from minigrad.install import checkout_root

    root = checkout_root()
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


@main.command()
@click.argument("assignment", metavar="DIR/ASSIGNMENT", type=click.Path(path_type=Path))
@click.option("--seeds", "count", type=click.IntRange(1, 1000), default=5, help="Gradings of each. Default: 5.")
@json_option
def prove(assignment: Path, count: int, as_json: bool) -> int:
    """Grade the known mistakes and right variants of an assignment.

    A mistake must lose points, the same on every seed, and be told by its own sentence; the solution and its variants
    must earn all, and a blank function nothing. Exit code 1 where that is not so.

    \b
    Example:
      autograder prove solutions/03_rnn
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


@main.command()
@folder_argument
@click.argument("assignment")
@click.option("--out", type=click.Path(path_type=Path), help="Default: DIR/reports/ASSIGNMENT.html.")
@click.option("--title", default="", help="The headline. Default: the assignment's name.")
@click.option("--explain/--terse", default=True, help="A line below each heading says how to read it (default).")
@json_option
def report(folder: Path, assignment: str, out: Path | None, title: str, explain: bool, as_json: bool) -> None:
    """Write the class report of ASSIGNMENT, one HTML page.

    Scores, hardest checks, misconceptions, incidents. It names students: it is for the instructor. Its path goes to
    stdout.

    \b
    Example:
      autograder report mycourse 03_rnn --out report.html
    """
    from autograder.course import Course
    from autograder.report import load_results, write_report

    found = Course.open(folder)
    found.require(assignment)
    if not any(found.results(assignment).glob("*.json")):
        raise AutograderError(f"nothing of '{assignment}' is graded yet: autograder grade {found.shown} {assignment}")
    path = write_report(load_results(found.root, assignment), out or found.root / "reports" / f"{assignment}.html",
                        title=title, explain=explain)
    if as_json:
        emit({"report": str(path)})
    else:
        click.echo(str(path))


@main.command()
@json_option
def doctor(as_json: bool) -> int:
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


@main.command()
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="A new folder for the course.")
@click.option("--jobs", type=click.IntRange(1, 256), help="Submissions at a time. Default: the number of cores.")
@json_option
def demo(keep: Path | None, jobs: int | None, as_json: bool) -> int:
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
