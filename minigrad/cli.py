"""The command line: one verb, one function, one docstring. Results go to stdout, progress and prose to stderr."""
from __future__ import annotations

import argparse
import difflib
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import minigrad as mg

from . import exercises as handout
from .errors import DeviceError, MinigradError
from .install import install_line

OK, MISSED, WRONG_USE, STOPPED = 0, 1, 2, 130


class UsageError(Exception):
    """What was typed cannot be run: one line on stderr, exit code 2."""


def list_(args: argparse.Namespace) -> int:
    """List the experiments: name, slide, seconds of a full run.

    Example:
      minigrad list
    """
    from .experiments import find, names
    from .experiments._console import Console
    found = [find(name) for name in names()]
    if args.json:
        emit([{"name": e.name, "slide": e.slide, "seconds": e.seconds, "targets": len(e.targets)} for e in found])
    else:
        Console().table("Experiments (minigrad run NAME)", ["name", "slide", "about"],
                        [[e.name, e.slide, f"{e.seconds:.0f} s"] for e in found])
    return OK


def run(args: argparse.Namespace) -> int:
    """Run an experiment and set its numbers beside the slide's.

    Writes to runs/NAME/. The exit code is 1 if a target is missed.

    Example:
      minigrad run forecasting
      minigrad run forecasting --seeds 0 1 2
    """
    from .experiments import find
    from .experiments._console import Console
    from .experiments.harness import met
    experiment = find(args.name)
    mg.device(args.device)
    seeds = list(dict.fromkeys(args.seeds or [args.seed or 0]))
    record = experiment.execute(seeds, quick=args.quick, device=args.device, out=args.out, resume=args.resume,
                                console=Console(tables=sys.stderr if args.json else None))
    if args.json:
        emit(record)
    return OK if met(record) else MISSED


def exercises(args: argparse.Namespace) -> int:
    """Copy the course's notebooks to a folder; what you changed there is kept.

    Example:
      minigrad exercises mywork
      minigrad exercises mywork 03_rnn
    """
    written = handout.copy(args.folder, args.names, args.force)
    if args.json:
        emit({"folder": str(args.folder), "written": [str(p) for p in written]})
        return OK
    for path in written:
        print(path)
    say(f"copied {len(written)} file{'s' * (len(written) != 1)} to {args.folder}. Open one with: jupyter lab"
        if written else f"{args.folder} is up to date")
    return OK


def doctor(args: argparse.Namespace) -> int:
    """Say what this machine has, and what to install where it is missing.

    Example:
      minigrad doctor
    """
    gpu, reason = mg.cuda_status()
    extras = {name: find_spec(name) is not None for name in ("matplotlib", "rich", "jupyterlab")}
    where = handout.source()
    report = {"minigrad": mg.__version__, "python": platform.python_version(), "numpy": np.__version__,
              "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
              "gpu": gpu, "gpu_reason": reason, **extras, "exercises": str(where) if where else None}
    if args.json:
        emit(report)
        return OK
    install = {"matplotlib": ("figures", "viz"), "rich": ("progress bars", "viz"),
               "jupyterlab": ("notebooks", "course")}
    for name in ("minigrad", "python", "numpy", "system"):
        print(f"{name:<10}  {report[name]}")
    for name, (use, extra) in install.items():
        print(f"{name:<10}  {'there' if extras[name] else f'missing: no {use}.  {install_line(extra)}'}")
    print(f"{'exercises':<10}  {where or 'none in this installation'}")
    print(f"{'gpu':<10}  {'usable: --device cuda' if gpu else f'not usable: {reason}'}")
    if not gpu:
        say("A GPU is optional. With an NVIDIA driver: " + install_line("cuda13") + " (or cuda12)")
    return OK


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"list": list_, "run": run, "exercises": exercises,
                                                         "doctor": doctor}


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake is one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help)")


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0 up, not '{text}'")
    return int(text)


def _parser() -> tuple[Parser, dict[str, Parser]]:
    """The main parser, and that of each verb with the verb's docstring as its help."""
    raw = argparse.RawDescriptionHelpFormatter
    main = Parser(prog="minigrad", formatter_class=raw, allow_abbrev=False,
                  description="Run the lectures' experiments, and get the course's notebooks.",
                  epilog="Example:\n  minigrad run forecasting\n  minigrad exercises mywork")
    main.add_argument("--version", action="version", version=f"minigrad {mg.__version__}")
    subs = main.add_subparsers(dest="verb", metavar="VERB", required=True)
    parsers = {}
    for name, function in VERBS.items():
        head, _, rest = (function.__doc__ or "").partition("\n\n")
        lines = [line.removeprefix("    ") for line in rest.rstrip().splitlines()]
        verb = subs.add_parser(name, help=head.strip(), description="\n".join([head.strip(), "", *lines]),
                               formatter_class=raw, allow_abbrev=False)
        verb.set_defaults(function=function)
        parsers[name] = verb
    option = parsers["run"].add_argument
    option("name", metavar="NAME", help="an experiment (minigrad list)")
    seeds = parsers["run"].add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=_seed, metavar="N", help="start of all randomness (default 0)")
    seeds.add_argument("--seeds", type=_seed, nargs="+", metavar="N", help="several: medians and spread")
    option("--quick", action="store_true", help="small data, seconds; no target is judged")
    option("--device", choices=["cpu", "strict", "cuda"], default="cpu", metavar="D",
           help="cpu (default), strict, cuda")
    option("--out", type=Path, default=Path("runs"), metavar="DIR", help="where to write (default runs)")
    option("--resume", action="store_true", help="go on where a stopped run was")
    option = parsers["exercises"].add_argument
    option("folder", metavar="DIR", type=Path, help="where to copy to; made if missing")
    option("names", metavar="NAME", nargs="*", help="only these assignments")
    option("--force", action="store_true", help="overwrite files that you changed")
    for verb in parsers.values():
        verb.add_argument("--json", action="store_true", help="machine-readable, on stdout")
    return main, parsers


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments, or UsageError with the nearest verb or option."""
    main, parsers = _parser()
    if not arguments:
        main.print_help(sys.stderr)
        raise SystemExit(WRONG_USE)
    verb = arguments[0]
    if not verb.startswith("-") and verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        raise UsageError(f"no command '{verb}'." + (f" Did you mean '{near[0]}'?" if near else "")
                         + " (minigrad --help)")
    args, unknown = main.parse_known_args(arguments)
    if unknown:
        options = [o for action in parsers[args.verb]._actions for o in action.option_strings]
        near = difflib.get_close_matches(unknown[0].partition("=")[0], options, n=1)
        raise UsageError(f"'{unknown[0]}' means nothing to minigrad {args.verb}."
                         + (f" Did you mean '{near[0]}'?" if near else "") + f" (minigrad {args.verb} --help)")
    return args


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0, 1 (a target missed, a run that went wrong), 2 (wrong use), 130 (interrupted)."""
    try:
        args = _parse(sys.argv[1:] if arguments is None else arguments)
        return args.function(args)
    except UsageError as e:
        return _stop(str(e), WRONG_USE)
    except KeyboardInterrupt:
        return _stop("stopped. What is finished stays; the same command with --resume goes on from there", STOPPED)
    except BrokenPipeError:                    # `minigrad list | head`: nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as e:
        return _stop(f"{e.strerror or e}: '{e.filename}'" if e.filename else str(e), WRONG_USE)
    except MinigradError as e:
        return _stop(str(e), _code(e))


def _code(error: MinigradError) -> int:
    """2 where other words would have helped, 1 where the run itself went wrong."""
    from .experiments import UnknownExperiment
    return WRONG_USE if isinstance(error, (UnknownExperiment, DeviceError, handout.ExercisesError)) else MISSED


def emit(value: Any) -> None:
    """A machine-readable result on stdout."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def say(text: str) -> None:
    """Prose: stderr."""
    print(text, file=sys.stderr)


def _stop(text: str, code: int) -> int:
    say("minigrad: " + re.sub(r"\s+:", ":", " ".join(text.split())))
    return code
