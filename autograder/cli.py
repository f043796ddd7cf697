"""The command line: one verb, one file of `commands`. Results go to stdout, progress and prose to stderr.

A verb is loaded when it is asked for, so `autograder status` does not wait for what `autograder grade` needs.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import json
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from autograder import lean
from autograder.errors import AutograderError

# In the order in which a term needs them.
VERBS = ("build", "check", "vary", "course", "release", "collect", "grade", "regrade", "status", "explain", "report",
         "feedback", "export", "doctor", "demo")

# What a verb that was stopped has left; all others: AGAIN.
STOPPED = {
    "grade": "What is graded stays; the same command goes on from there.",
    "regrade": "What is graded stays; the same command grades all again.",
    "collect": "What is collected stays; the same command goes on from there.",
    "feedback": "The pages that are made stay; the same command goes on from there.",
}
AGAIN = "What is written stays; give the same command again."


class Terminated(BaseException):
    """SIGTERM, as an exception: processes and files are cleaned up as after Ctrl-C, which click would catch."""


def say(text: str = "") -> None:
    """Prose and progress: stderr, so that stdout stays clean for a pipe."""
    click.echo(text, err=True)


def emit(value: Any) -> None:
    """A machine-readable result on stdout."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def emit_each(values: Iterable[Any]) -> None:
    """A list of machine-readable results on stdout, one at a time."""
    click.echo("[", nl=False)
    for i, value in enumerate(values):
        click.echo(("," if i else "") + "\n" + json.dumps(value, indent=1, ensure_ascii=False, default=str), nl=False)
    click.echo("\n]")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command. What stops it is one line and exit code 2; any other error is a bug and shows its traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _terminable():
            code = main.main(args=given, prog_name="autograder", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.ClickException as e:
        e.show()
        return e.exit_code if e.exit_code != 1 else 2
    except (click.Abort, KeyboardInterrupt, Terminated) as e:
        say(f"autograder: stopped. {STOPPED.get(next(iter(given), ''), AGAIN)}")
        return 128 + (signal.SIGTERM if isinstance(e, Terminated) else signal.SIGINT)
    except AutograderError as e:
        return _stop(str(e))
    except PermissionError as e:
        return _stop(f"no permission for '{e.filename}'")
    except Exception as e:
        if _disk_full(e):
            return _stop("the disk is full: make room and give the same command again; what is written stays")
        if isinstance(e, OSError):
            return _stop(f"{e.strerror or e}: '{e.filename}'" if e.filename else str(e))
        raise


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM raises Terminated, once: `timeout` sends it twice. In a thread there are no signals to handle."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*signal_and_frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _disk_full(e: Exception) -> bool:
    """Whether a file or the gradebook found no room; a failed write does not say in which file."""
    if isinstance(e, OSError):
        return e.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(getattr(e, "orig", e), sqlite3.OperationalError) and "disk is full" in str(e)


def _stop(text: str) -> int:
    say("autograder: " + " ".join(text.split()))
    return 2


class Verbs(click.Group):
    """Verbs in the order in which they are needed, and the nearest one for a slip."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"autograder.commands.{cmd_name}").command
        return command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs alone: the only option is the one that was just used, and the page fits a screen."""
        self.format_commands(ctx, formatter)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"no command '{args[0]}'.{hint}", ctx) from e


def _version(ctx: click.Context, option: click.Parameter, asked: bool) -> None:
    if asked:
        from minigrad.install import version  # loads NumPy, for which `main` has first to set the threads

        click.echo(f"autograder, version {version()}")
        ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version,
              help="Show the version and exit.")
def main() -> None:
    """Grade notebooks: the student's code runs in a sandbox and decides nothing.

    \b
    Example:
      autograder course mycourse
      autograder grade mycourse 03_rnn
    """
    os.environ.update(lean.THREADS)     # also this process computes: --jobs 1, explain, check; NumPy is not loaded yet


folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable, on stdout.")
