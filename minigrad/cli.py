"""The command line: one verb, one function, one docstring. Results go to stdout, progress and prose to stderr."""
from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

import minigrad as mg

from . import doctor as gpus
from . import exercises as handout
from ._arguments import WRONG_USE, UsageError, parse
from .errors import DeviceError, MinigradError, StateError
from .install import install_line

OK, MISSED, STOPPED = 0, 1, 130


def list_(args: argparse.Namespace) -> int:
    """List the experiments: name, slide, lectures, seconds.

    Example:
      minigrad list
    """
    from .experiments import find, names
    from .experiments._console import Console
    found = [find(name) for name in names()]
    if args.json:
        emit([{"name": e.name, "slide": e.slide, "ids": e.ids.split(), "seconds": e.seconds, "targets": len(e.targets)}
              for e in found])
    else:
        Console().table("Experiments (minigrad run NAME); rows as in docs/lectures.md",
                        ["name", "about", "slide", "rows"],
                        [[e.name, f"{e.seconds:.0f} s", e.slide, e.ids] for e in found])
    return OK


def run(args: argparse.Namespace) -> int:
    """Run an experiment and set its numbers beside the slide's.

    Writes to runs/NAME/. The exit code is 1 if a target is missed.

    Example:
      minigrad run forecasting --seeds 0 1 2
      minigrad run charlm --text FILE
    """
    from .experiments import find
    from .experiments._console import Console
    from .experiments.harness import met
    experiment = find(args.name)
    mg.device(args.device)
    seeds = list(dict.fromkeys(args.seeds or [args.seed or 0]))
    record = experiment.execute(seeds, quick=args.quick, device=args.device, out=args.out, resume=args.resume,
                                console=Console(tables=sys.stderr if args.json else None),
                                options={o.name: v for o in experiment.options
                                         if (v := getattr(args, o.name)) is not None})
    if args.json:
        emit(record)
    return OK if met(record) else MISSED


def sample(args: argparse.Namespace) -> int:
    """Write a text with a language model that `minigrad run charlm` trained.

    Example:
      minigrad sample runs/charlm/seed-0
      minigrad sample runs/charlm/seed-0 --prompt "The " --temperature 0.7
    """
    from .models.text_model import PromptError, TextModel
    file = args.model / "model.npz" if args.model.is_dir() else args.model
    if not file.exists():
        near = sorted(args.model.glob("**/model.npz"))
        raise UsageError(f"no model '{file}'." + (f" Did you mean '{near[0].parent}'?" if near else
                                                  " 'minigrad run charlm' trains one"))
    if args.beam and (args.temperature, args.top_k, args.top_p) != (1.0, 0, 1.0):
        raise UsageError("--beam searches, and --temperature, --top-k and --top-p draw: leave one of both out")
    try:
        text = TextModel.load(file).write(np.random.default_rng(args.seed), args.length, args.prompt, beam=args.beam,
                                          temperature=args.temperature, top_k=args.top_k, top_p=args.top_p)
    except PromptError as error:
        raise UsageError(str(error)) from None
    if args.json:
        emit({"model": str(file), "prompt": args.prompt, "text": text})
    else:
        print(text)
    return OK


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
    say(f"copied {len(written)} file{'s' * (len(written) != 1)} to {args.folder}. Next: jupyter lab "
        f"{shlex.quote(str(args.folder))}" if written else f"{args.folder} is up to date")
    return OK


def watch(args: argparse.Namespace) -> int:
    """Run a notebook's visible tests on each save.

    Ctrl-C ends it. With --once the exit code is 1 unless all tests pass.

    Example:
      minigrad watch mywork/03_rnn/03_rnn.ipynb
      minigrad watch mywork/03_rnn --once
    """
    from . import watch as watching
    notebook = watching.find(args.notebook)
    if args.once:
        report = watching.run(notebook, args.seconds)
        _show_report(args, report, {f.name for f in report.functions})
        return OK if report.passing else MISSED
    say(f"watching {notebook}: save it, and its visible tests run (Ctrl-C ends this)")
    try:
        watching.watch(notebook, lambda report, changed: _show_report(args, report, changed), say, args.seconds)
    except KeyboardInterrupt:
        say("\nstopped watching")
    return OK


def _show_report(args: argparse.Namespace, report: Any, changed: set[str]) -> None:
    """The table, what changed at its head, and what the tests said of it."""
    from .experiments._console import Console
    if args.json:
        emit(report.to_dict())
        return
    ordered = sorted(report.functions, key=lambda f: f.name not in changed)
    passing = sum(f.state == "passes" for f in report.functions)
    for f in ordered:
        if f.name in changed and f.message and f.state != "not written yet":
            print(f"{f.message}\n")
    for text in report.stopped:
        print(f"{text}\n")
    marks = {"passes": "\u2713", "does not pass yet": "\u2717"}
    Console().table(f"{passing} of {len(ordered)} visible tests pass ({report.seconds:.1f} s)",
                    ["", "function", "visible test"],
                    [[marks.get(f.state, "\u25cb"), f.name, f.state] for f in ordered])


def doctor(args: argparse.Namespace) -> int:
    """Say what this machine has, and what to install where it is missing.

    Example:
      minigrad doctor
    """
    gpu, reason = mg.cuda_status()
    extras = {name: find_spec(name) is not None for name in ("matplotlib", "rich", "jupyterlab")}
    where, chips = handout.source(), gpus.details() if gpu else None
    report = {"minigrad": mg.__version__, "python": platform.python_version(), "numpy": np.__version__,
              "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
              "gpu": gpu, "gpu_reason": reason, "cuda": chips,
              "gpu_fix": None if gpu else gpus.why(reason)[1], **extras, "exercises": str(where) if where else None}
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
    for line in gpus.lines(chips or {}):
        print(f"{'':<10}  {line}")
    if not gpu:
        say(f"for the GPU: {report['gpu_fix']}")
    return OK


VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"list": list_, "run": run, "sample": sample,
                                                         "exercises": exercises, "watch": watch, "doctor": doctor}


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments, or UsageError with the nearest verb or option."""
    return parse(arguments, VERBS, mg.__version__)


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
    from .watch import WatchError
    wrong = (UnknownExperiment, DeviceError, StateError, handout.ExercisesError, WatchError)
    return WRONG_USE if isinstance(error, wrong) else MISSED


def emit(value: Any) -> None:
    """A machine-readable result on stdout."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def say(text: str) -> None:
    """Prose: stderr."""
    print(text, file=sys.stderr)


def _stop(text: str, code: int) -> int:
    say("minigrad: " + re.sub(r"\s+:", ":", " ".join(text.split())))
    return code
