"""What can be typed after `minigrad`: verbs, their options, and one line for a slip, with the nearest word."""
from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

WRONG_USE = 2


class UsageError(Exception):
    """What was typed cannot be run: one line on stderr, exit code 2."""


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake is one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help)")


def parse(arguments: Sequence[str], verbs: Mapping[str, Callable[..., int]], version: str) -> argparse.Namespace:
    """The arguments, or UsageError with the nearest verb or option."""
    main, parsers = _parser(verbs, version)
    if not arguments:
        main.print_help(sys.stderr)
        raise SystemExit(WRONG_USE)
    verb = arguments[0]
    if not verb.startswith("-") and verb not in verbs:
        near = difflib.get_close_matches(verb, verbs, n=1)
        raise UsageError(f"no command '{verb}'." + (f" Did you mean '{near[0]}'?" if near else "")
                         + " (minigrad --help)")
    if verb == "run":
        _own(parsers["run"], arguments[1:])
    args, unknown = main.parse_known_args(arguments)
    if unknown:
        options = [o for action in parsers[args.verb]._actions for o in action.option_strings]
        near = difflib.get_close_matches(unknown[0].partition("=")[0], options, n=1)
        raise UsageError(f"'{unknown[0]}' means nothing to minigrad {args.verb}."
                         + (f" Did you mean '{near[0]}'?" if near else "") + f" (minigrad {args.verb} --help)")
    return args


def _parser(verbs: Mapping[str, Callable[..., int]], version: str) -> tuple[Parser, dict[str, Parser]]:
    """The main parser, and that of each verb with the verb's docstring as its help."""
    raw = argparse.RawDescriptionHelpFormatter
    main = Parser(prog="minigrad", formatter_class=raw, allow_abbrev=False,
                  description="Run the lectures' experiments, and get the course's notebooks.",
                  epilog="Example:\n  minigrad run forecasting\n  minigrad exercises mywork")
    main.add_argument("--version", action="version", version=f"minigrad {version}")
    subs = main.add_subparsers(dest="verb", metavar="VERB", required=True)
    parsers = {}
    for name, function in verbs.items():
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
    option = parsers["sample"].add_argument
    option("model", metavar="RUN", type=Path, help="a folder of a run, or its model.npz")
    option("--prompt", default="", metavar="TEXT", help="how the text begins")
    option("--length", type=_number(int, 1), default=300, metavar="N", help="characters or words more (300)")
    option("--temperature", type=_number(float, 0), default=1.0, metavar="T",
           help="lower is safer, 0 the best alone (1)")
    option("--top-k", type=_number(int, 0), default=0, metavar="K", help="draw from the K best only")
    option("--top-p", type=_number(float, 1e-9, 1), default=1.0, metavar="P", help="draw from the best of share P only")
    option("--beam", type=_number(int, 1), default=0, metavar="B", help="search with B beginnings, draw nothing")
    option("--seed", type=_seed, default=0, metavar="N", help="another text for another N (0)")
    option = parsers["exercises"].add_argument
    option("folder", metavar="DIR", type=Path, help="where to copy to; made if missing")
    option("names", metavar="NAME", nargs="*", default=[], help="only these assignments")
    option("--force", action="store_true", help="overwrite files that you changed")
    option = parsers["watch"].add_argument
    option("notebook", metavar="NOTEBOOK", type=Path, help="a notebook, or a folder that holds one")
    option("--once", action="store_true", help="run once and end")
    option("--seconds", type=_number(float, 1), default=60.0, metavar="S", help="limit of a run (60)")
    for verb in parsers.values():
        verb.add_argument("--json", action="store_true", help="machine-readable, on stdout")
    return main, parsers


def _own(parser: Parser, arguments: Sequence[str]) -> None:
    """Add the options that the named experiment has for itself."""
    from .experiments import find, names
    known = names()
    for name in dict.fromkeys(a for a in arguments if a in known):
        for o in find(name).options:
            parser.add_argument(f"--{o.name}", choices=o.choices or None, help=o.help,
                                metavar="|".join(o.choices) or o.metavar)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a seed is a whole number from 0 up, not '{text}'")
    return int(text)


def _number(kind: type, low: float, high: float = float("inf")) -> Callable[[str], Any]:
    """A type for argparse: a number from low to high."""
    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            whole = "whole number" if kind is int else "number"
            limits = f"from {low:g} up" if high == float("inf") else f"above 0, up to {high:g}"
            raise argparse.ArgumentTypeError(f"a {whole} {limits}, not '{text}'")
        return value
    return read
