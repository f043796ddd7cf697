"""Runs the cells of a notebook and calls its functions, inside the student's process.

Plain `exec` with a notebook's manners: the value of the last expression is shown, prints are recorded in order, an
exception leaves what the cell had defined before. No IPython: it would be one more large thing to patch.

Nothing here is trusted afterwards: a student's code shares the process and may change any of it. The trusted side
checks the form of each answer and looks up the quoted lines itself.

Stands alone: the worker loads this file by its path.
"""

from __future__ import annotations

import ast
import base64
import builtins
import contextlib
import io
import linecache
import os
import re
import sys
import traceback
import types
from collections.abc import Iterator
from typing import Any

SHOWN = 64 << 10            # characters of one displayed value
FRAMES = 30                 # innermost frames of a traceback; a recursion has a thousand
PIECES = 400                # outputs of one cell: stdout and stderr in turns would make thousands
MAGIC = re.compile(r"\s*(?:[\w.,\[\] ]+=\s*)?[%!]|\s*\?{1,2}\w|\s*[\w.]+\?{1,2}\s*$")
FOREIGN = re.compile(r"%%(?!time|timeit|capture|prun)")     # cell magics whose cell is no Python
PNG = b"\x89PNG\r\n\x1a\n"


class Recorder:
    """What a cell writes and shows, in order, up to `limit` bytes; the rest is counted off in silence."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.pieces: list[tuple[str, Any]] = []

    def write(self, name: str, data: bytes) -> None:
        """Take what was written to "stdout" or "stderr"."""
        data = data[:max(self.left, 0)]
        if not data:
            return
        self.left -= len(data)
        if self.pieces and self.pieces[-1][0] == name:
            self.pieces[-1][1].append(data)
        elif len(self.pieces) < PIECES:
            self.pieces.append((name, [data]))

    def show(self, value: Any) -> None:
        """Take a displayed value: its repr, and its PNG if it has one. HTML is left out."""
        data = {"text/plain": repr(value)[:min(SHOWN, max(self.left, 0))]}
        self.left -= len(data["text/plain"])
        png = getattr(type(value), "_repr_png_", None)
        raw = png(value) if png is not None else None
        if type(raw) is bytes and raw.startswith(PNG) and len(raw) * 4 // 3 < self.left:
            data["image/png"] = base64.b64encode(raw).decode()
            self.left -= len(data["image/png"])
        if len(self.pieces) < PIECES:
            self.pieces.append(("display", data))

    def outputs(self) -> list[list[Any]]:
        """The pieces as data: [kind, text] or ["display", {mime: text}]."""
        return [[kind, _text(b"".join(body)) if kind != "display" else {k: _clean(v) for k, v in body.items()}]
                for kind, body in self.pieces]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


class _Stream(io.BufferedIOBase):
    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder, self._name = recorder, name

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raw = bytes(data)
        self._recorder.write(self._name, raw)
        return len(raw)


def _text_stream(recorder: Recorder, name: str) -> io.TextIOWrapper:
    stream: Any = _Stream(recorder, name)
    return io.TextIOWrapper(stream, "utf-8", "backslashreplace", write_through=True)


class Descriptors:
    """Descriptors 1 and 2 as files of bounded size: what C code prints ends there, and cannot block."""

    def __init__(self) -> None:
        import tempfile

        self.fds = (1, 2)
        for fd in self.fds:
            if hasattr(os, "memfd_create"):
                made = os.memfd_create("output", 0)
            else:
                made = os.dup(tempfile.TemporaryFile().fileno())
            os.dup2(made, fd)
            os.close(made)

    def drain(self, recorder: Recorder) -> None:
        """Move what was printed past Python to the recorder."""
        for fd, name in zip(self.fds, ("stdout", "stderr"), strict=True):
            with contextlib.suppress(OSError, ValueError):
                if os.lseek(fd, 0, os.SEEK_CUR):
                    recorder.write(name, os.pread(fd, max(recorder.left, 0), 0))
                    os.ftruncate(fd, 0)
                    os.lseek(fd, 0, os.SEEK_SET)


@contextlib.contextmanager
def recording(recorder: Recorder, descriptors: Descriptors | None) -> Iterator[None]:
    """Send stdout and stderr to the recorder. A student may have replaced both before: the old ones are put back."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_text_stream(recorder, name) for name in ("stdout", "stderr"))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        with contextlib.suppress(Exception):
            sys.__stdout__.flush()      # type: ignore[union-attr]
        if descriptors is not None:
            descriptors.drain(recorder)


# ----- Running a cell

def without_magics(source: str) -> tuple[str, int]:
    """`source` as plain Python, and how many lines of IPython's were dropped. Lines keep their numbers.

    Only a cell that does not parse is changed, so a `%` at the head of a continued line stays what it is.
    """
    try:
        ast.parse(source)
        return source, 0
    except (SyntaxError, ValueError):
        pass
    lines = source.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if FOREIGN.match(first):
        return "\n" * (len(lines) - 1), len(lines)
    dropped = [i for i, line in enumerate(lines) if MAGIC.match(line)]
    for i in dropped:
        lines[i] = lines[i][:len(lines[i]) - len(lines[i].lstrip())] + "pass"
    return "\n".join(lines), len(dropped)


class Notebook:
    """One student's namespace."""

    def __init__(self, descriptors: Descriptors | None = None) -> None:
        self.module = types.ModuleType("__main__")
        self.module.__dict__["__builtins__"] = builtins
        sys.modules["__main__"] = self.module       # dataclasses and type hints look a class's module up there
        self.descriptors = descriptors

    @property
    def namespace(self) -> dict[str, Any]:
        return self.module.__dict__

    def run(self, source: str, file: str, limit: int) -> dict[str, Any]:
        """Run a cell. Answers {ok, outputs, error, dropped}; a student's exception is an answer."""
        recorder = Recorder(limit)

        def display(*values: Any) -> None:
            for value in values:
                recorder.show(value)

        builtins.display = display      # type: ignore[attr-defined]    # IPython's, which notebooks use unimported
        source, dropped = without_magics(source)
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        error = None
        with recording(recorder, self.descriptors):
            try:
                value = self._execute(source, file)
                if self.descriptors is not None:
                    self.descriptors.drain(recorder)
                if value is not None:
                    recorder.show(value)
            except BaseException as e:      # a student's SystemExit and KeyboardInterrupt are no reason to stop here
                error = describe(e)
        return {"ok": error is None, "outputs": recorder.outputs(), "error": error, "dropped": dropped}

    def _execute(self, source: str, file: str) -> Any:
        tree = ast.parse(source, file)
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, file, "exec", dont_inherit=True), self.namespace)
        if not isinstance(last, ast.Expr):
            return None
        value = eval(compile(ast.Expression(last.value), file, "eval", dont_inherit=True), self.namespace)
        return None if source.rstrip().endswith(";") else value

    def call(self, name: str, args: tuple[Any, ...], *, spoil: bool = False) -> dict[str, Any]:
        """Call a global function and drop what it prints. Answers {value, args}, {missing}, {raised, file, line}.

        `args` are the arguments after the call, None where they are as they came. `spoil`: change the arrays of the
        value before; those that share memory with them change.
        """
        function = self.namespace.get(name)
        if not callable(function):
            return {"missing": True}
        before = _print_of(args)
        with recording(Recorder(0), self.descriptors):
            try:
                value = function(*args)
                if spoil:
                    _spoil(value)
                return {"value": None if spoil else value, "args": None if _print_of(args) == before else args}
            except BaseException as e:
                file, line = student_line(e)
                return {"raised": [kind.__name__ for kind in type(e).__mro__[:8]], "file": file, "line": line}


def _print_of(value: Any) -> Any:
    """What is equal for equal data, bit for bit and type by type, and equal to nothing where it cannot tell."""
    kind = type(value)
    if kind.__module__ == "numpy" and hasattr(value, "tobytes"):
        return kind, value.dtype, value.shape, value.tobytes()
    if kind in (list, tuple):
        return kind, [_print_of(item) for item in value]
    if kind is dict:
        return kind, [(_print_of(k), _print_of(v)) for k, v in value.items()]
    if kind is float:
        return value.hex()
    return (kind, value) if value is None or kind in (bool, int, str) else object()


def _spoil(value: Any) -> None:
    """Change every array in nested lists, tuples and dicts in place."""
    import numpy as np

    if isinstance(value, np.ndarray):
        if value.flags.writeable:
            value[...] = ~value if value.dtype == bool else value + 1
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            _spoil(item)


# ----- Exceptions

def _own(file: str | None) -> bool:
    return file is not None and file.startswith("<cell ")


def student_line(error: BaseException) -> tuple[str, int]:
    """File and line of the innermost frame that is a student's; ("", 0) if none is."""
    found = ("", 0)
    for frame, line in traceback.walk_tb(error.__traceback__):
        if _own(frame.f_code.co_filename):
            found = (frame.f_code.co_filename, line)
    return found


def describe(error: BaseException) -> dict[str, Any]:
    """Name, message and traceback of a visible error, with the student's own frames only. Never raises."""
    name = type(error).__name__
    try:
        own_form = getattr(error, "_render_traceback_", None)       # what IPython shows in place of a traceback
        if callable(own_form):
            lines = [str(line) for line in own_form()]
        else:
            told = traceback.TracebackException.from_exception(error)
            _trim(told)
            lines = "".join(told.format()).splitlines()
        message = str(error)
    except BaseException:       # __str__ is a student's code, too
        lines, message = [name], ""
    return {"ename": _clean(name)[:100], "evalue": _clean(message)[:2000],
            "traceback": [_clean(line)[:500] for line in lines[-200:]]}


def _trim(told: traceback.TracebackException | None, depth: int = 0) -> None:
    if told is None or depth > 5:
        return
    told.stack[:] = [frame for frame in told.stack if _own(frame.filename)][-FRAMES:]
    _trim(told.__cause__, depth + 1)
    _trim(told.__context__, depth + 1)
