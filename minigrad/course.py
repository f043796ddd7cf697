"""What a notebook of the course imports: the visible test, the table of what passes, the check of the first cell.

    from minigrad import course

This file stands alone: NumPy and the standard library, nothing else of minigrad.  The grader copies it into the
sandbox, where no other part of the package exists.  It decides no points: under grading a visible test prints what it
found and goes on, because the hidden Check alone gives points (one rule for the score, however a notebook is graded).
"""

from __future__ import annotations

import ast
import contextlib
import copy
import html
import io
import linecache
import os
import platform
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

__all__ = ["VisibleTestFailed", "environment", "install_line", "progress", "progress_bar", "test"]

MIN_PYTHON, MIN_NUMPY = (3, 11), (2, 0)     # what pyproject.toml asks for
DISTRIBUTION = "minigrad-course"            # not published: the name minigrad on the package index is somebody else's
WRITE_IT = "put your code in the place of `raise NotImplementedError()`,\nrun that cell, then this one."
SHOWN = 12                  # arrays of up to this many entries are printed whole: a screen line or four
CAPTURE = 2000              # characters of a student's own printing that a test shows again

T = TypeVar("T")
Lines = list[tuple[str, str]]     # (label, text) of a message


class VisibleTestFailed(AssertionError):
    """A visible test found a difference.  IPython shows the message alone: a traceback through here helps nobody."""

    def _render_traceback_(self) -> list[str]:
        return str(self).split("\n")


@dataclass
class _Trial:
    """One call of a visible test, kept so that `progress` can make it again."""

    function: Callable[..., Any]
    name: str                           # of the graded function, whose verdict this is
    arguments: dict[str, Any]
    expected: Any
    results: Sequence[str] | None
    part: Callable[[Any], Any] | None
    tol: float
    passes: bool = False

    def __post_init__(self) -> None:
        called, space = getattr(self.function, "__name__", ""), getattr(self.function, "__globals__", {})
        self.arguments = copy.deepcopy(self.arguments)
        self.written_as = called if space.get(called) is self.function else ""

    @property
    def call(self) -> str:
        return _call(getattr(self.function, "__name__", str(self.function)), self.arguments)

    def run(self) -> tuple[Lines, list[str]]:
        """What differs, in labelled lines ([] if the test passes), and notes on what the function did besides."""
        given = copy.deepcopy(self.arguments)
        captured = _Bounded(CAPTURE)
        error: Exception | None = None
        came = None
        with contextlib.redirect_stdout(captured), contextlib.redirect_stderr(captured), \
                warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                came = self.function(*given.values())
            except Exception as problem:    # KeyboardInterrupt and SystemExit are the student's wish: they pass through
                error = problem
        notes = list(_notes(captured.getvalue(), caught, self.arguments, given))
        try:
            if error is not None:
                found = _error(self.function, self.name, error, self.expected)
            elif came is None:
                found = [("came", f"None: {self.name} returns nothing yet. Is there a `return`?")]
            else:
                found = _differences(came, self.expected, self.results, self.part, self.tol)
        except Exception as problem:        # a result or an error whose own methods fail
            found = [("came", f"something that cannot be shown: {type(came if error is None else error).__name__}"),
                     ("because", type(problem).__name__)]
        self.passes = not found
        return found, notes

    def again(self) -> None:
        """Run the test on the function as the notebook has it now: its cell may have been run again."""
        now = getattr(self.function, "__globals__", {}).get(self.written_as)
        self.function = now if callable(now) else self.function
        self.run()


@dataclass
class _Session:
    """What this kernel has seen: the functions that the first cell named, and the last run of each visible test."""

    functions: list[str] = field(default_factory=list)
    trials: dict[str, dict[str, _Trial]] = field(default_factory=dict)      # function -> call -> the test

    def state(self, name: str) -> str:
        trials = self.trials.get(name, {}).values()
        return "not run" if not trials else "passes" if all(t.passes for t in trials) else "fails"


_session = _Session()


# ----- The visible test

def test(function: Callable[..., Any], /, *, expected: Any, equation: str, not_tested: str,
         results: Sequence[str] | None = None, part: Callable[[Any], Any] | None = None, tol: float = 1e-7,
         of: str = "", **arguments: Any) -> None:
    """Call `function` with copies of `arguments`, in the order given, and compare what comes with `expected`.

    expected: the value, or one value for each of `results`; a dict {name: value} compares only the results it names.
    results: the names of what the function returns, if that is more than one thing.
    of: the name of the graded function, where `function` is a given one that calls it.
    part: compare part(result) instead of the result, where only a piece of it is to be seen: lambda r: r[-1].
    equation, not_tested: shown with the verdict: a failure says what was meant, a success what is still open.
    tol: arrays and floats may differ by tol * (1 + largest expected entry).

    Raises VisibleTestFailed, an AssertionError, with a message that stands without a traceback.  While nbgrader or the
    grader runs the notebook (NBGRADER_EXECUTION=autograde) it prints the message instead.  Example:

        course.test(rnn_step, x=x, h=h, W_x=W_x, W_h=W_h, b=b, expected=np.array([[0.76159416]]),
                    equation="h_t = tanh(W_x x_t + W_h h_{t-1} + b)", not_tested="h not 0, a batch of one.")
    """
    name = of or getattr(function, "__name__", str(function))
    trial = _Trial(function, name, arguments, expected, results, part, tol)
    found, notes = trial.run()
    _session.trials.setdefault(name, {})[trial.call] = trial
    for line in notes:
        print(line)
    if not found:
        print(f"{name}: the visible test passes. Not tested here: {not_tested}")
        return
    labelled = [("call", trial.call), *found, ("equation", equation), ("not tested here", not_tested)]
    lines = [f"  {label:<15} {_indent(text, 18)}" for label, text in labelled]
    message = "\n".join([f"{name}: the visible test does not pass yet.", *lines])
    if _graded():
        print(message)
        return
    raise VisibleTestFailed(message) from None


def _differences(came: Any, expected: Any, results: Sequence[str] | None, part: Callable[[Any], Any] | None,
                 tol: float) -> Lines:
    """[] if all is well, else labelled lines that say what came and what was expected for the first wrong result."""
    if part is not None:
        try:
            came = part(came)
        except Exception as problem:
            missing = f"where the expected piece is not found: {type(problem).__name__}: {problem}"
            return [("came", f"{_show(came)}\n{missing}"), ("expected", _show(expected))]
    if results is None or len(results) == 1:
        return _difference(came, _only_value(expected), "", tol)
    if not isinstance(came, (tuple, list)) or len(came) != len(results):
        count = f"{len(came)} came" if isinstance(came, (tuple, list)) else f"{_kind(came)} came"
        return [("came", count), ("expected", f"{len(results)} results: {', '.join(results)}")]
    wanted = expected if isinstance(expected, Mapping) else dict(zip(results, expected, strict=True))
    for name, value in zip(results, came, strict=True):
        if name in wanted and (found := _difference(value, wanted[name], name, tol)):
            return found
    return []


def _difference(got: Any, want: Any, name: str, tol: float) -> Lines:
    """The first difference between one result and what is expected of it; `name` says where, as in dW_h or [2][0]."""
    at = f"{name}: " if name else ""
    pair = [("came", at + _show(got)), ("expected", at + _show(want))]
    if isinstance(want, (list, tuple)):
        if type(got) is not type(want) or len(got) != len(want):
            return pair
        for i, (g, w) in enumerate(zip(got, want, strict=True)):
            if found := _difference(g, w, f"{name}[{i}]", tol):
                return found
        return []
    if isinstance(want, (bool, str)) or want is None:
        return [] if type(got) is type(want) and got == want else pair
    if isinstance(want, int):
        if isinstance(got, float):              # 3.0 would show as 3, which is what is expected
            pair[0] = ("came", f"{at}float {float(got)!r}")
        return [] if isinstance(got, (int, np.integer)) and not isinstance(got, bool) and got == want else pair
    if isinstance(want, float):
        number = isinstance(got, (float, int, np.floating, np.integer, np.ndarray)) and not isinstance(got, bool)
        if not number or np.shape(got) != () or np.asarray(got).dtype.kind not in "fiu":
            return pair
        return [] if abs(float(got) - want) <= tol * (1 + abs(want)) else pair
    return _array_difference(got, np.asarray(want), at, pair, tol)


def _array_difference(got: Any, want: np.ndarray, at: str, pair: Lines, tol: float) -> Lines:
    if not isinstance(got, np.ndarray) or got.shape != want.shape or got.dtype.kind not in _same_kind(want.dtype.kind):
        if isinstance(got, np.ndarray) and got.shape == want.shape:
            return [("came", f"{at}an array of {got.dtype}"), ("expected", f"{at}an array of {want.dtype}")]
        return pair
    if want.dtype.kind not in "fc":
        wrong = np.argwhere(got != want)
    else:
        scale = 1 + np.max(np.abs(want), initial=0.0)
        with np.errstate(invalid="ignore"):
            wrong = np.argwhere(~(np.abs(got - want) <= tol * scale))       # written so that NaN counts as wrong
    if not len(wrong):
        return []
    first = tuple(int(i) for i in wrong[0])
    where = f"first wrong index {list(first)}" if first else "the value"
    count = "" if want.size == 1 else f" ({len(wrong)} of {want.size} entries differ)"
    return [*pair, ("difference", f"{where}: {_number(got[first])} came, {_number(want[first])} is expected{count}")]


def _same_kind(kind: str) -> str:
    return {"i": "iu", "u": "iu"}.get(kind, kind)


# ----- How values, calls and errors are shown

def _only_value(expected: Any) -> Any:
    """`expected` may be {"dx": ...} even where only one result is compared: show the value, not the dict."""
    return next(iter(expected.values())) if isinstance(expected, Mapping) and len(expected) == 1 else expected


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__name__} {value!r}"[:80] if value is not None else "None"


def _show(value: Any) -> str:
    """A value on a few lines: small arrays whole, large ones by their shape."""
    if isinstance(value, np.ndarray):
        if value.size > SHOWN:
            return f"an array of shape {value.shape}"
        return f"shape {value.shape}\n{np.array2string(value, precision=4, suppress_small=False)}"
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_show(v)}" for name, v in value.items())
    if isinstance(value, (list, tuple)):
        if any(isinstance(v, np.ndarray) for v in value):
            return f"a {type(value).__name__} of {len(value)}: " + ", ".join(_kind(v) for v in value[:6])
        text = repr(value)
        return f"a {type(value).__name__}: {text if len(text) <= 200 else text[:200] + ' ...'}"
    return _kind(value) if not isinstance(value, float) else _number(value)


def _call(name: str, arguments: Mapping[str, Any]) -> str:
    shown = [f"{k} {v.shape}" if isinstance(v, np.ndarray) else f"{k}={_short(v)}" for k, v in arguments.items()]
    return f"{name}({', '.join(shown)})"


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)) and any(isinstance(v, np.ndarray) for v in value):
        return "[" + ", ".join(f"array {v.shape}" if isinstance(v, np.ndarray) else repr(v) for v in value) + "]"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _error(function: Callable[..., Any], name: str, error: Exception, expected: Any) -> Lines:
    """The error, and the student's own line: the last frame that runs in the notebook, not the one inside NumPy."""
    if isinstance(error, NotImplementedError):
        return [("came", _unwritten(name, error))]
    text = f"{type(error).__name__}: {error}"
    home, line, trace = getattr(function, "__globals__", None), "", error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if home is not None and frame.f_globals is home:
            source = linecache.getline(frame.f_code.co_filename, trace.tb_lineno, home).strip()
            line = f"\nin {frame.f_code.co_name}, line {trace.tb_lineno} of its cell:  {source}".rstrip(": ")
        trace = trace.tb_next
    return [("came", text + line), ("expected", _show(_only_value(expected)))]


def _unwritten(name: str, error: BaseException) -> str:
    """Which function is still a stub: the graded one, or an earlier one that it calls."""
    stub = traceback.extract_tb(error.__traceback__)[-1].name
    first = f"{name} is not written yet" if stub == name else f"{name} calls {stub}, which is not written yet"
    return f"{first}:\n{WRITE_IT}"


def _tell_of_stubs() -> None:
    """From now on a cell that meets an unwritten function says so in words; Jupyter's traceback would fill a screen.

    So does one that asks for a name which such a cell would have made.
    """
    lost: dict[str, str] = {}           # name -> the function that was missing where it would have been made

    def tell(shell: Any, kind: type, error: BaseException, trace: Any, tb_offset: int | None = None) -> None:
        frame = [frame for frame, _ in traceback.walk_tb(trace)][-1]
        stub = getattr(frame.f_code, "co_qualname", frame.f_code.co_name)
        name = getattr(error, "name", "")
        if isinstance(error, NameError) and name in lost:
            said = f"`{name}` comes from a cell that stopped, because {lost[name]} is not written yet:\n{WRITE_IT}"
        elif isinstance(error, NotImplementedError) and not str(error) and stub != "<module>" \
                and frame.f_globals is shell.user_ns:
            said = f"{stub} is not written yet:\n{WRITE_IT}"
            lost.update(dict.fromkeys(_made_in(next(frame for frame, _ in traceback.walk_tb(trace)
                                                    if frame.f_globals is shell.user_ns)), stub))
        else:                           # the student's own error, or somebody else's
            shell.showtraceback((kind, error, trace))
            return
        shell._showtraceback(kind, error, said.split("\n"))

    if _shell() is not None and not _graded():
        _shell().set_custom_exc((NotImplementedError, NameError), tell)


def _made_in(frame: Any) -> list[str]:
    """The names that the cell running in this frame stores, or would have stored."""
    tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals)) or "pass")
    return [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _indent(text: str, width: int) -> str:
    return text.replace("\n", "\n" + " " * width)


def _notes(printed: str, caught: Sequence[warnings.WarningMessage], before: Mapping[str, Any],
           after: Mapping[str, Any]) -> Iterator[str]:
    """What the function did beside returning.  It goes to stdout: nbgrader takes anything on stderr for a failure."""
    if printed:
        yield printed.rstrip("\n")
    for text in dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught):
        yield f"note: a warning came: {text}"
    for name in before:
        if not _unchanged(before[name], after[name]):
            yield f"note: the function changed its argument `{name}`; work on a copy instead."


def _unchanged(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(_unchanged, a, b))
    return bool(a == b)


class _Bounded(io.StringIO):
    """Keeps the first `limit` characters that are written, so that a printing loop costs no memory."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.left = limit

    def write(self, text: str) -> int:
        kept = text[:self.left]
        self.left -= len(kept)
        super().write(kept)
        return len(text)


# ----- Around the tests

def _graded() -> bool:
    """Does nbgrader or the grader run this notebook?"""
    return os.environ.get("NBGRADER_EXECUTION") == "autograde"


def _shell() -> Any:
    """IPython's shell, if this runs in one."""
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()


def progress() -> None:
    """Show which visible tests pass now, out of those that the first cell named: a table in Jupyter, else lines.

    Each test that was run in this session is run again, on the functions as they are now.
    """
    if not _graded():
        for trial in [t for trials in _session.trials.values() for t in trials.values()]:
            trial.again()
    table = _Progress({n: _session.state(n) for n in _session.functions or list(_session.trials)})
    print(table.headline)
    if _shell() is None or _graded():
        print(table)
    else:
        from IPython.display import display  # it is there: this runs in it

        display(table)


@dataclass
class _Progress:
    """What `progress` shows: {function: "passes", "fails" or "not run"}, in words beside a sign, not in colours."""

    states: dict[str, str]

    @property
    def headline(self) -> str:
        passing = sum(state == "passes" for state in self.states.values())
        return f"Visible tests: {passing} of {len(self.states)} pass now."

    def __repr__(self) -> str:
        passing = [n for n, state in self.states.items() if state == "passes"]
        todo = [n if state == "fails" else f"{n} (not run yet)" for n, state in self.states.items() if n not in passing]
        lines = (f"  {label}  {', '.join(names)}" for label, names in (("pass ", passing), ("to do", todo)) if names)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        words = {"passes": ("\u2713", "passes"), "fails": ("\u2717", "does not pass yet"),
                 "not run": ("\u25cb", "not run yet")}
        rows = "".join(f'<tr><th scope="row"><code>{html.escape(name)}</code></th><td><span aria-hidden="true">'
                       f'{words[state][0]}</span> {words[state][1]}</td></tr>' for name, state in self.states.items())
        return ('<table aria-label="Visible tests"><thead><tr><th scope="col">function</th>'
                f'<th scope="col">visible test</th></tr></thead><tbody>{rows}</tbody></table>')


def environment(assignment: str, functions: Sequence[str] = ()) -> None:
    """The first cell: say what runs here, the line that repairs what is missing, and what graded code may import."""
    _session.functions = list(functions)
    _tell_of_stubs()
    place, pictures = _place(), _version("matplotlib")
    shown = [f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    shown += [f"matplotlib {pictures}"] if pictures else []
    print(f"{assignment}: {', '.join(shown)}{f', in {place}' if place else ''}.")
    repair = f"run this in a new cell, then restart the kernel:  %{install_line('course')}"
    if sys.version_info[:2] < MIN_PYTHON:
        print(f"Python {_dotted(MIN_PYTHON)} or newer is needed: make an environment with it, install there "
              f"({install_line('course')}), and choose its kernel.")
    if tuple(int(part) for part in np.__version__.split(".")[:2]) < MIN_NUMPY:
        print(f"NumPy {_dotted(MIN_NUMPY)} or newer is needed: {repair}")
    if not pictures and not _graded():      # the grader runs no picture cells
        print(f"There is no matplotlib here, so the cells with pictures fail; nothing graded needs them. To see them, "
              f"{repair}")
    if place == "VS Code":
        print(f"The kernel is {sys.executable}; another one is chosen at the top right of the notebook.")
    if place == "Colab":
        print(f"Colab forgets what was installed when it disconnects. Then run this in a new first cell:  "
              f"%{install_line()}")
    print("Graded code may import numpy only.")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _version(package: str) -> str:
    """The version of an installed package, "" where there is none. Nothing is imported."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _place() -> str:
    """Where the notebook runs, if that matters for a repair."""
    if "google.colab" in sys.modules:
        return "Colab"
    return "VS Code" if "__vsc_ipynb_file__" in vars(sys.modules["__main__"]) else ""


def install_line(extra: str = "", start: Path | None = None) -> str:
    """The command that installs this software. It is minigrad.install's line, in a file that stands alone."""
    wanted = f"[{extra}]" if extra else ""
    root = (start or Path(__file__)).resolve().parent.parent
    try:
        import tomllib  # not in Python 3.10, which is told what it lacks

        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (ImportError, OSError, ValueError):
        project = {}
    if project.get("name") != DISTRIBUTION:
        return f'pip install "minigrad_course-{_version(DISTRIBUTION) or "VERSION"}-py3-none-any.whl{wanted}"'
    here = Path.cwd().resolve()
    where = str(root) if here not in (root, *root.parents) else "." if here == root else \
        f".{os.sep}{root.relative_to(here)}"
    return f'pip install "{where}{wanted}"'


def progress_bar(iterable: Iterable[T], label: str = "", width: int = 40) -> Iterator[T]:
    """Yield from `iterable` and draw a bar on one line of stdout.  Nothing is drawn under grading or inside a test."""
    items = list(iterable)
    silent = "NBGRADER_EXECUTION" in os.environ or isinstance(sys.stdout, _Bounded)
    drawn = -1
    for i, item in enumerate(items, 1):
        yield item
        filled = width * i // len(items)
        if not silent and filled != drawn:
            drawn = filled
            end = "\n" if i == len(items) else ""
            print(f"\r{label} [{'#' * filled}{'.' * (width - filled)}] {i}/{len(items)}", end=end, flush=True)
