"""What all experiments share: seeds, progress, checkpoints, figures, a JSON of numbers, and the bars they are held to.

An experiment is a function of a Context. It says what the slide claims, trains, and hands over numbers:

    hello = Experiment("hello", slide="Escalera, *Character-level Language Model*", seconds=2,
                       targets=[Target("accuracy", at_least=1.0, slide="4 of 4 letters")])

    @hello.run
    def run(ctx):
        ...
        ctx.result(accuracy=...)

`minigrad run hello` calls it. `--quick` makes it small: then the harness asserts finite numbers and a falling loss, and
never a target. Over several seeds the targets judge the medians.
"""
from __future__ import annotations

import datetime
import json
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import minigrad as mg

from .. import files
from ..errors import MinigradError, StateError
from ..install import checkout_root, install_line
from ._console import Console, number
from ._options import Option, prefix, settings

T = TypeVar("T")
SAVE_EVERY = 2.0                               # seconds: what a killed run loses at most


class ExperimentError(MinigradError):
    """A run that went wrong: a number that is not finite, a loss that does not fall, a result that a target misses."""


@dataclass(frozen=True)
class Target:
    """A bar for one result: `Target("accuracy", at_least=1.0, slide="4 of 4 letters")`.

    name: of the result, or what `holds` demands, in words.  at_most, at_least, holds: one of them; `holds` is a
    function of all results.  slide: the number in the deck; alone, it is shown and nothing is judged.
    Raises ValueError for two bars, or for nothing at all.
    """

    name: str
    at_most: float | None = None
    at_least: float | None = None
    holds: Callable[[Mapping[str, float]], bool] | None = None
    slide: float | str | None = None

    def __post_init__(self) -> None:
        bars = 3 - [self.at_most, self.at_least, self.holds].count(None)
        if bars > 1 or not bars and self.slide is None:
            raise ValueError(f"target {self.name!r} needs one of at_most, at_least, holds, or a slide's number alone")

    @property
    def bar(self) -> str:
        """The bar in words: "at most 0.004992"."""
        if self.holds is not None:
            return "must hold"
        if self.at_most is None and self.at_least is None:
            return "not judged"
        return f"at most {number(self.at_most)}" if self.at_most is not None else f"at least {number(self.at_least)}"

    def met(self, results: Mapping[str, float]) -> bool | None:
        """Do the results reach the bar?  None without one.  Raises ExperimentError if the result is not there."""
        if self.holds is not None:
            return bool(self.holds(results))
        if self.name not in results:
            raise ExperimentError(f"target {self.name!r} has no result of that name; there are: {', '.join(results)}")
        value = results[self.name]
        if self.at_most is not None:
            return value <= self.at_most
        return None if self.at_least is None else value >= self.at_least


class Context:
    """What a run gets: its randomness, its device, and where its numbers and pictures go.

    seed, quick, device, options: as asked for.  rng: the generator of weights, data and order.
    folder: what the run writes.  results: from `result`.  history: series name -> [[step, value], ...], from `log`.
    """

    def __init__(self, folder: Path, seed: int, quick: bool, device: str, resume: bool, console: Console,
                 options: Mapping[str, Any] | None = None) -> None:
        self.folder, self.seed, self.quick, self.resume, self.console = folder, seed, quick, resume, console
        self.options = dict(options or {})
        self.device = mg.device(device).name
        self.rng = mg.manual_seed(seed)
        self.results: dict[str, float] = {}
        self.history: dict[str, list[list[float]]] = {}
        self.figures: list[str] = []
        self._part = ""
        self._saved = 0.0

    # ------------------------------------------------------------------------------------------ randomness, device

    def part(self, name: str) -> np.random.Generator:
        """Begin a part with randomness of its own, so that parts can be left out, reordered and resumed."""
        self._part = name
        self.rng = mg.manual_seed(zlib.crc32(f"{self.seed}/{name}".encode()))
        return self.rng

    def tensor(self, array: Any, dtype: Any = None) -> mg.Tensor:
        """Host data on the run's device."""
        return mg.tensor(array, dtype=dtype, device=self.device)

    def to_device(self, model: Any) -> Any:
        """The model, moved to the run's device."""
        return model.to(self.device)

    # ------------------------------------------------------------------------------------------ loops

    def progress(self, items: Iterable[T], label: str = "") -> Iterator[T]:
        """Yield from `items` with a bar on a terminal, or a plain line now and then, and the numbers logged last."""
        return self.console.progress(items, label or self._part or "steps", self._last)

    def rounds(self, count: int, label: str = "", **state: Any) -> Iterator[int]:
        """0 ... count - 1 with progress; `state` (model=..., optimizer=...) is checkpointed after each round.

        In a resumed run the rounds that were done are skipped and `state` is as it was, bit for bit.
        """
        label = label or self._part or "rounds"
        done = self.restore(**state)
        if done:
            self.console.say(f"{label}  " + ("is done" if done >= count else f"goes on after round {done} of {count}"))
        for i in self.console.progress(range(done, count), label, self._last) if done < count else ():
            yield i
            if i == count - 1 or time.perf_counter() - self._saved > SAVE_EVERY:
                self.checkpoint(i + 1, **state)

    def checkpoint(self, done: int, **state: Any) -> None:
        """Save this part after `done` rounds: what has a state_dict (model, optimizer), the generator, the history."""
        self._file().parent.mkdir(parents=True, exist_ok=True)
        files.save({"done": done, "rng": self.rng.bit_generator.state, "history": self._mine(),
                    "state": {name: thing.state_dict() for name, thing in state.items()}}, self._file())
        self._saved = time.perf_counter()

    def restore(self, **state: Any) -> int:
        """Load this part's checkpoint, if the run is resumed and there is one; returns the rounds done, else 0."""
        if not self.resume:
            return 0
        try:
            saved = files.load(self._file())
        except (FileNotFoundError, StateError):        # none, or one that cannot be read: this part starts anew
            return 0
        for name, thing in state.items():
            thing.load_state_dict(saved["state"][name])
        self.rng.bit_generator.state = saved["rng"]
        self.history.update(saved["history"])
        return saved["done"]

    def _file(self) -> Path:
        name = re.sub(r"\W+", "-", self._part or "run").strip("-").lower()
        return self.folder / "checkpoints" / f"{name}.npz"

    # ------------------------------------------------------------------------------------------ numbers

    def log(self, step: int, **numbers: Any) -> None:
        """Note numbers of one step of this part: log(epoch, loss=loss). Raises ExperimentError unless finite."""
        for name, value in numbers.items():
            series = f"{self._part} {name}".strip()
            self.history.setdefault(series, []).append([step, _finite(value, f"{series} at step {step}")])

    def result(self, **numbers: Any) -> None:
        """Hand over results: what the targets judge. Raises ExperimentError unless finite."""
        self.results.update({name: _finite(value, name) for name, value in numbers.items()})

    def _mine(self) -> dict[str, list[list[float]]]:
        return {k: v for k, v in self.history.items() if k.rpartition(" ")[0] == self._part}

    def _last(self) -> str:
        return "  ".join(f"{k.rpartition(' ')[2]} {number(v[-1][1])}" for k, v in self._mine().items())

    # ------------------------------------------------------------------------------------------ what it shows

    def say(self, text: str) -> None:
        """A line of prose, on stderr."""
        self.console.say(text)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table on stdout."""
        self.console.table(title, columns, rows)

    def figure(self, name: str, draw: Callable[..., Any], *args: Any, **kw: Any) -> Path | None:
        """Save draw(*args, **kw), a Matplotlib figure (see `minigrad.viz`), as NAME.png.

        Without Matplotlib: a line that says how to install it, and None.
        """
        if find_spec("matplotlib") is None:
            self.say(f"no figure {name}.png: Matplotlib is missing. {install_line('viz')}")
            return None
        path = self.folder / f"{name}.png"
        draw(*args, **kw).savefig(path, dpi=150)
        self.figures.append(path.name)
        return path


def _finite(value: Any, name: str) -> float:
    value = float(value)
    if not math.isfinite(value):
        raise ExperimentError(f"{name} is {value}")
    return value


@dataclass
class Experiment:
    """One experiment of the lectures.

    name: that of its file.  slide: deck and title.  seconds: of a full run of one seed on a small machine.
    targets: what it must reach.  labels: result name -> row of the table; the rest is shown under its own name.
    options: settings of this experiment alone; a run with other values than the defaults has a folder of its own.
    ids: the rows of docs/lectures.md that it is about, such as "K24 K25 K26".
    """

    name: str
    slide: str
    seconds: float
    targets: Sequence[Target] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    unit: str = "result"
    options: Sequence[Option] = ()
    ids: str = ""
    body: Callable[[Context], None] | None = None

    def run(self, body: Callable[[Context], None]) -> Callable[[Context], None]:
        """Decorator: the function that does it."""
        self.body = body
        return body

    def execute(self, seeds: Sequence[int] = (0,), *, quick: bool = False, device: str = "cpu",
                out: Path | str = "runs", resume: bool = False, console: Console | None = None,
                options: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run once for each seed, print the table of results, and return (and write) the record.

        Writes out/NAME/seed-N/ (numbers.json, figures, checkpoints; quick-seed-N with quick, corpus-notes-seed-N with
        that option), and for several seeds out/NAME/seeds-.../numbers.json with medians, spread and verdicts.
        resume: go on from the checkpoints.  options: name -> value of this experiment's own.
        Raises ExperimentError when a number is not finite, with quick when a loss does not fall; ValueError for
        unknown options.
        """
        console = console or Console()
        base = Path(out) / self.name
        values = settings(self.options, options or {})
        before = prefix(self.options, values) + "quick-" * quick
        runs = []
        for seed in seeds:
            if len(seeds) > 1:
                console.say(f"-- {self.name}, seed {seed}")
            runs.append(self._once(base / f"{before}seed-{seed}", seed, quick, device, resume, console, values))
        record = runs[0]
        if len(seeds) > 1:
            folder = base / f"{before}seeds-{'-'.join(map(str, seeds))}"
            record = self._join(runs, folder)
            _write(folder, record)
        self._show(record, console)
        console.say(f"numbers and figures: {record['folder']}")
        return record

    def _once(self, folder: Path, seed: int, quick: bool, device: str, resume: bool, console: Console,
              options: Mapping[str, Any]) -> dict[str, Any]:
        if self.body is None:
            raise ExperimentError(f"experiment {self.name!r} has no function: decorate one with @{self.name}.run")
        ctx = Context(folder, seed, quick, device, resume, console, options)
        if not resume:
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        record = {"experiment": self.name, "slide": self.slide, "status": "stopped", "date": _now(), "seeds": [seed],
                  "quick": quick, "device": ctx.device, "resumed": resume, "options": ctx.options,
                  "versions": versions(), "commit": commit(),
                  "cores": os.cpu_count(), "machine": f"{platform.system()} {platform.machine()}",
                  "folder": str(folder)}
        start = time.perf_counter()
        try:
            self.body(ctx)
            if quick:
                _falls(ctx.history)
            record["status"] = "finished"
        finally:                               # numbers are written whatever happens: a figure must not lose them
            record |= {"seconds": round(time.perf_counter() - start, 2), "results": ctx.results}
            if record["status"] == "finished":
                record["targets"] = self._verdicts(ctx.results, quick)
            _write(folder, record | {"figures": ctx.figures, "history": ctx.history})
        return record

    def _verdicts(self, results: Mapping[str, float], quick: bool) -> list[dict[str, Any]]:
        """Each target with its value and whether it was met; None with quick, where nothing is judged."""
        return [{"target": t.name, "value": results.get(t.name), "bar": t.bar, "slide": t.slide,
                 "met": None if quick else t.met(results)} for t in self.targets]

    def _join(self, runs: Sequence[dict[str, Any]], folder: Path) -> dict[str, Any]:
        """The record of several seeds: medians as results, smallest and largest value, all values."""
        values = {name: [r["results"][name] for r in runs] for name in runs[0]["results"]}
        medians = {name: statistics.median(v) for name, v in values.items()}
        return runs[-1] | {"seeds": [r["seeds"][0] for r in runs], "folder": str(folder), "results": medians,
                           "spread": {name: [min(v), max(v)] for name, v in values.items()}, "values": values,
                           "seconds": round(sum(r["seconds"] for r in runs), 2),
                           "seconds_per_seed": [r["seconds"] for r in runs],
                           "targets": self._verdicts(medians, runs[0]["quick"])}

    def _show(self, record: Mapping[str, Any], console: Console) -> None:
        """The table: results (medians over seeds) beside the slide's numbers and the bars, then what else must hold."""
        verdicts = {v["target"]: v for v in record["targets"]}
        words = {None: "", True: "met", False: "MISSED"}
        several = len(record["seeds"]) > 1
        columns = ["", f"median {self.unit}" if several else self.unit]
        columns += ["smallest", "largest"] if several else []
        columns += ["slide", "bar", ""]
        rows = []
        for name in sorted(record["results"], key=[*self.labels, *record["results"]].index):
            v = verdicts.pop(name, {"slide": None, "bar": None, "met": None})
            rows.append([self.labels.get(name, name.replace("_", " ")), record["results"][name],
                         *(record["spread"][name] if several else ()), v["slide"], v["bar"], words[v["met"]]])
        seeds = f"{'seeds' if several else 'seed'} {', '.join(map(str, record['seeds']))}"
        asked = "".join(f", {name} {value}" for name, value in record["options"].items() if value is not None)
        quick = ", quick: small data, nothing is judged" if record["quick"] else ""
        console.table(f"{self.slide}   ({seeds}{asked}, {record['device']}, {record['seconds']:.0f} s{quick})", columns,
                      rows)
        if verdicts and not record["quick"]:
            console.table("What must hold", [], [[v["target"], words[v["met"]]] for v in verdicts.values()])


def met(record: Mapping[str, Any]) -> bool:
    """Was no target of this record missed?  True for a quick run, which judges none."""
    return all(v["met"] is not False for v in record["targets"])


def _falls(history: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Raise ExperimentError unless each loss is lower in its last third than in its first (steps are noisy)."""
    losses = {name: [v for _, v in points] for name, points in history.items() if name.split()[-1] == "loss"}
    if not losses:
        raise ExperimentError("no loss was logged: ctx.log(step, loss=loss)")
    for name, values in losses.items():
        n = max(1, len(values) // 3)
        first, last = statistics.fmean(values[:n]), statistics.fmean(values[-n:])
        if len(values) < 2 or not last < first:
            raise ExperimentError(f"{name} does not fall: {number(first)} at first, {number(last)} at last")


def versions() -> dict[str, str]:
    """Of what a result depends on."""
    return {"minigrad": mg.__version__, "python": platform.python_version(), "numpy": np.__version__}


def commit() -> str | None:
    """The checkout's commit, with "-dirty" where files differ; None outside of one."""
    root = checkout_root()
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True,
                              timeout=10) if root else None
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done and done.returncode == 0 else None


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "numbers.json.part"
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, folder / "numbers.json")
