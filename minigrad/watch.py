"""`minigrad watch NOTEBOOK`: the visible tests of a notebook, run again whenever its file is saved.

The notebook's code cells run in a fresh Python process, from top to bottom, without Jupyter: what passes here passes
after *Restart Kernel and Run All Cells*. A cell that fails or hangs does not stop the ones after it. Cells tagged
`picture` are left out, as in grading. NumPy is all that is needed.
"""
from __future__ import annotations

import ast
import builtins
import contextlib
import io
import json
import linecache
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import MinigradError

SECONDS = 60.0              # for a whole run; the solved notebooks of the course need less than 10
CELL_SECONDS = 20.0         # for one cell, where the system has alarms
EVERY = 0.5                 # seconds between two looks at the file
MAGIC = re.compile(r"\s*(?:[\w.,\[\] ]+=\s*)?[%!]|\s*\?{1,2}\w|\s*[\w.]+\?{1,2}\s*$")
PASSES, FAILS, UNWRITTEN, NOT_RUN = "passes", "does not pass yet", "not written yet", "not run"


class WatchError(MinigradError):
    """There is nothing to watch: no such file, or no notebook in it."""


class Incomplete(WatchError):
    """The file is no notebook at this moment: an editor may be in the middle of writing it."""


@dataclass
class Function:
    """One graded function: its name, how its visible test went, and what the test said if it does not pass."""

    name: str
    state: str
    message: str = ""


@dataclass
class Report:
    """One run of a notebook: its functions in order, and the cells that stopped with an error that no test is."""

    functions: list[Function] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passing(self) -> bool:
        return bool(self.functions) and all(f.state == PASSES for f in self.functions)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


# ----- The file

def find(path: Path) -> Path:
    """The notebook at `path`, or the one in that folder. Raises WatchError with what to type."""
    if path.is_dir():
        inside = sorted(p for p in path.glob("*.ipynb") if not p.name.startswith("."))
        if len(inside) != 1:
            below = sorted(path.glob("[!.]*/[!.]*.ipynb"))
            more = (f"it holds {', '.join(p.name for p in inside)}" if inside else
                    f"such as {below[0]}" if below else "it holds no notebook")
            raise WatchError(f"'{path}' is a folder; name a notebook ({more})")
        return inside[0]
    if not path.is_file():
        near = sorted(path.parent.glob("*.ipynb"))[:1] if path.parent.is_dir() else []
        hint = f"Is it '{near[0]}'?" if near else "'minigrad exercises DIR' copies the course's notebooks"
        raise WatchError(f"no notebook '{path}'. {hint}")
    return path


def code_cells(path: Path) -> list[str]:
    """The sources of the code cells that are run. Raises Incomplete where the file holds no notebook."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return ["".join(c["source"]) for c in cells if c["cell_type"] == "code"
                and "picture" not in c.get("metadata", {}).get("tags", ())]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Incomplete(f"'{path}' is no notebook as it stands ({type(error).__name__}): is it being saved, or has it "
                         "lost its end? Save it again in Jupyter") from None


# ----- One run

def run(path: Path, seconds: float = SECONDS) -> Report:
    """Run the notebook in a process of its own for at most `seconds`. Raises Incomplete."""
    cells = code_cells(path)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        job, told = Path(folder) / "cells.json", Path(folder) / "told"
        job.write_text(json.dumps({"cells": cells, "seconds": min(CELL_SECONDS, seconds / 4)}), encoding="utf-8")
        env = {k: v for k, v in os.environ.items() if k != "NBGRADER_EXECUTION"} | {"MPLBACKEND": "Agg"}
        home = str(Path(__file__).resolve().parents[1])
        env["PYTHONPATH"] = os.pathsep.join(p for p in (home, env.get("PYTHONPATH")) if p)
        process = subprocess.Popen([sys.executable, "-m", __name__, str(job), str(told)], cwd=path.resolve().parent,
                                   env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        ended = ""
        try:
            code = process.wait(timeout=seconds)
            ended = f"the process that ran it ended (code {code})" if code else ""
        except subprocess.TimeoutExpired:
            ended = f"still running after {seconds:g} s: is there a loop that does not end?"
        finally:
            process.kill()
            process.wait()
        lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    report = _report(cells, [json.loads(line) for line in lines if line.endswith("}")], ended)
    report.seconds = round(time.perf_counter() - began, 2)
    return report


def _report(cells: Sequence[str], told: Sequence[Mapping[str, Any]], ended: str) -> Report:
    """Put together what the child wrote: a line when a cell begins, a line when it is through."""
    named: list[str] = next((t["functions"] for t in reversed(told) if t.get("functions")), [])
    tests = {i: name for i, source in enumerate(cells) for name in _tested(source)}
    functions = {name: Function(name, NOT_RUN) for name in named or dict.fromkeys(tests.values())}
    report = Report(list(functions.values()))
    done = {t["cell"]: t for t in told if "error" in t}
    for i, t in done.items():
        error, name = t["error"], tests.get(i)
        if name is not None and name in functions:
            one = functions[name]
            if not error:
                one.state = PASSES if one.state in (PASSES, NOT_RUN) else one.state     # all of its tests have to pass
            else:
                one.state = UNWRITTEN if f"{name} is not written yet" in error else FAILS
                one.message = error if error.startswith(f"{name}:") else f"{name}: {error}"
        elif error and "is not written yet" not in error:
            report.stopped.append(f"{_title(cells[i])}: {error}")
    hung = [t["cell"] for t in told if t["cell"] not in done]
    if ended:
        where = f"{_title(cells[hung[-1]])}: " if hung else ""
        report.stopped.append(where + ended)
        if hung and tests.get(hung[-1]) in functions:
            functions[tests[hung[-1]]].state, functions[tests[hung[-1]]].message = FAILS, (
                f"{tests[hung[-1]]}: {ended}")
    return report


def _tested(source: str) -> Iterator[str]:
    """The graded function that a cell's course.test(...) looks at."""
    with contextlib.suppress(SyntaxError, ValueError):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "course.test" and node.args:
                of = next((k.value for k in node.keywords if k.arg == "of"), None)
                yield str(of.value) if isinstance(of, ast.Constant) else ast.unparse(node.args[0])


def _title(source: str) -> str:
    """A cell as a person finds it again: its first line of code."""
    lines = [line.strip() for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return f"cell `{lines[0][:60]}`" if lines else "an empty cell"


# ----- In the child: what runs the cells

class _Slow(BaseException):
    """The time of a cell is over. No Exception, so that a student's `except Exception` does not swallow it."""


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise _Slow

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


class _Nowhere(io.TextIOBase):
    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


def _child(job: Path, told: Path) -> None:
    """Run the cells of `job`, and write to `told` what became of each before the next begins."""
    from . import course

    task = json.loads(job.read_text(encoding="utf-8"))
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    builtins.display = lambda *values, **how: None      # type: ignore[attr-defined]    # IPython's
    with open(told, "w", encoding="utf-8") as file, contextlib.redirect_stdout(_Nowhere()), \
            contextlib.redirect_stderr(_Nowhere()):
        for number, source in enumerate(task["cells"]):
            print(json.dumps({"cell": number}), file=file, flush=True)
            error = ""
            try:
                with _alarm(task["seconds"]):
                    _execute(source, f"<cell {number}>", module.__dict__)
            except course.VisibleTestFailed as failed:
                error = str(failed)
            except _Slow:
                error = f"still running after {task['seconds']:g} s: is there a loop that does not end?"
            except BaseException as problem:        # SystemExit too: the cells after it run all the same
                error = _one_line(problem)
            print(json.dumps({"cell": number, "error": error, "functions": course._session.functions}), file=file,
                  flush=True)


def _execute(source: str, name: str, space: dict[str, Any]) -> None:
    """Run a cell; lines of IPython's (%, !, ?) are left out where the cell is no Python with them."""
    try:
        ast.parse(source)
    except SyntaxError:
        source = "\n".join(re.match(r"\s*", line)[0] + "pass" if MAGIC.match(line) else line    # type: ignore[index]
                           for line in source.split("\n"))
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    exec(compile(source, name, "exec", dont_inherit=True), space)


def _one_line(error: BaseException) -> str:
    """Type and text of an error, and the last line of the notebook that ran."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"SyntaxError in line {error.lineno}: {error.msg}"
    own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<cell ")]
    if isinstance(error, NotImplementedError) and own:
        return f"{own[-1].name} is not written yet"
    return f"{text}, in line {own[-1].lineno}: {own[-1].line}" if own else text


# ----- Again and again

def watch(path: Path, show: Callable[[Report, set[str]], None], tell: Callable[[str], None],
          seconds: float = SECONDS, every: float = EVERY) -> None:
    """Run the notebook now and after each save, until KeyboardInterrupt; `show` gets the report and what changed."""
    before: dict[str, Function] = {}
    seen: tuple[int, int] | None = None
    while True:
        stamp = _stamp(path)
        if stamp is None or stamp == seen:
            time.sleep(every)
            continue
        seen = stamp
        try:
            report = run(path, seconds)
        except Incomplete as error:
            tell(f"{error}. Waiting for the next save")
            continue
        except FileNotFoundError:       # an editor that saves by way of a second file
            seen = None
            continue
        show(report, {f.name for f in report.functions if before.get(f.name) != f})
        before = {f.name: f for f in report.functions}


def _stamp(path: Path) -> tuple[int, int] | None:
    """When the file was written, and its size; None while it is away."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


if __name__ == "__main__":
    _child(Path(sys.argv[1]), Path(sys.argv[2]))
