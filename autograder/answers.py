"""What a student's process may answer: the forms of a cell's outputs, and the names that a verdict may show.

The process is hostile: it may send any data in any place. What is taken here has exactly the form that cells.py makes.
"""

from __future__ import annotations

import base64
import builtins
import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autograder import wire

OUTPUTS_MAX = 1000
PNG = b"\x89PNG\r\n\x1a\n"

# Names a verdict may show. A class made up by the student's code could spell a hidden input.
ERRORS = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)}
ERRORS |= {"LinAlgError", "AxisError", "UFuncTypeError", "VisibleTestFailed"}
DATA = {name for name, kind in vars(builtins).items() if isinstance(kind, type)}
DATA |= {"function", "generator", "module", "method", "ndarray", "matrix", "MaskedArray", "memmap", "recarray",
         "dict_keys", "dict_values", "dict_items", "defaultdict", "Counter", "OrderedDict", "deque", "longdouble",
         "clongdouble", "datetime64", "timedelta64", "Decimal", "Fraction", "str_", "bytes_", "void", "mappingproxy",
         *wire.ARRAYS_REFUSED.values(), wire.LONG_DOUBLES, "an array of more than 16 MB",
         "a value of more than 16 MB", "a value of too many parts", "an integer of too many digits",
         "a str with lone surrogates", *(f"a {kind} nested more than {wire.DEPTH_MAX} deep"
                                         for kind in ("list", "tuple", "dict", "set", "frozenset"))}


@dataclass
class CellRun:
    """What running one cell gave. `outputs` are nbformat's; `error` holds ename, evalue and traceback, or is None."""

    ok: bool
    outputs: list[dict[str, Any]]
    error: dict[str, Any] | None
    seconds: float
    notes: list[str] = field(default_factory=list)

    @property
    def shown(self) -> int:
        """Characters of what the cell shows, its error included."""
        return sum(len(text) for o in self.outputs for text in (o.get("text", ""), *o.get("data", {}).values(),
                                                                o.get("evalue", ""), *o.get("traceback", [])))

    def silenced(self, why: str) -> CellRun:
        """The same run with one line in place of what it showed; of an error its last line stays."""
        outputs: list[dict[str, Any]] = [{"output_type": "stream", "name": "stdout", "text": f"not shown: {why}\n"}]
        error = self.error and {**self.error, "traceback": self.error["traceback"][-1:]}
        if error:
            outputs.append({"output_type": "error", **error})
        return replace(self, outputs=outputs, error=error)


def function_at(lines: Sequence[str], number: int) -> str:
    """The function or class at the left margin that line `number` of a cell stands in; "" if it stands in none.

    From the text alone: what a process says of its frames may spell a hidden input, and a parser may be brought down.
    """
    for line in reversed(lines[:number]):
        if found := re.match(r"(?:(?:async +)?def|class) +(\w{1,80})|[\w@]", line):
            return found[1] or ""
    return ""


def cause(status: int) -> str:
    """How a process ended, in words, from a status of waitpid."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"its process left with exit code {code} (os._exit, or the connection was closed)"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    told = {"SIGSEGV": "a crash", "SIGBUS": "a crash", "SIGABRT": "aborted", "SIGXCPU": "too much processor time",
            "SIGKILL": "killed: it closed its connection, or the machine had no memory left"}
    return f"its process was ended by {name}" + (f" ({told[name]})" if name in told else "")


def cell_run(reply: dict[str, Any], seconds: float, most: int) -> CellRun:
    """The child's answer as a CellRun. `most`: bytes of output.

    Raises WireError for one of another form, or whatever an answer made of any data makes Python raise.
    """
    if set(reply) != {"ok", "outputs", "error", "dropped"} or type(reply["ok"]) is not bool:
        raise wire.WireError("an answer of no known form")
    if type(reply["outputs"]) is not list or len(reply["outputs"]) > OUTPUTS_MAX or type(reply["dropped"]) is not int:
        raise wire.WireError("outputs of no known form")
    outputs = [_output(*piece) for piece in reply["outputs"]]
    size = sum(len(text) for o in outputs for text in (o.get("text", ""), *o.get("data", {}).values()))
    if size > most + (1 << 17):        # a displayed value that began below the limit may end above it
        raise wire.WireError("more output than the limit")
    error = None
    if reply["error"] is not None:
        error = {"ename": _str(reply["error"]["ename"], 100), "evalue": _str(reply["error"]["evalue"], 2000),
                 "traceback": [_str(line, 500) for line in reply["error"]["traceback"][:200]]}
        outputs.append({"output_type": "error", **error})
    notes = [f"{reply['dropped']} line(s) of IPython's magics were not run"] if reply["dropped"] else []
    return CellRun(reply["ok"] and error is None, outputs, error, seconds, notes)


def _output(kind: Any, body: Any) -> dict[str, Any]:
    if kind in ("stdout", "stderr") and type(body) is str:
        return {"output_type": "stream", "name": kind, "text": body}
    if kind != "display" or type(body) is not dict or not set(body) <= {"text/plain", "image/png"}:
        raise wire.WireError("an output of no known kind")
    data = {mime: _str(text, wire.FRAME_MAX) for mime, text in body.items()}
    if "image/png" in data and not _is_png(data["image/png"]):
        del data["image/png"]
    return {"output_type": "display_data", "data": data, "metadata": {}}


def _is_png(text: str) -> bool:
    try:
        return base64.b64decode(text, validate=True).startswith(PNG)
    except ValueError:
        return False


def _str(text: Any, limit: int) -> str:
    if type(text) is not str:
        raise wire.WireError("a text of another type")
    return text[:limit]
