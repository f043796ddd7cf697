"""Which sandbox layers hold on this machine: each is started, and then attacked from inside.

attacks.py holds what is tried. A layer is believed when it has held, not when the kernel says that it is there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.attacks import ATTACKS, Attack
from autograder.sandbox import LAYERS, Limits, Sandbox, SandboxError, Session, advice
from autograder.student import StudentDied, StudentError, StudentFailure, StudentTimeout

AVAILABLE = "the layer works here"
FLOOD = "import os\nfor i in range(200_000):\n    print('flood ' * 20)\n    os.write(1, b'x' * 999)"
LIMITS = Limits(draw=1.0, cell=1.0, submission=60.0, memory=1 << 29, output=1 << 16, files=1 << 20)


@dataclass(frozen=True)
class Finding:
    """One protection under one layer: whether it held, and what the attack ran into or got."""

    layer: str
    protection: str
    holds: bool
    detail: str


def doctor(layers: Sequence[str] | None = None) -> list[Finding]:
    """Attack every layer (all but "none", or those named) and say what held. Never raises on account of the machine."""
    findings: list[Finding] = []
    for layer in layers or LAYERS[:-1]:
        try:
            with Sandbox(layer, LIMITS) as sandbox:
                findings.append(Finding(layer, AVAILABLE, True, ", ".join(sandbox.layers)))
                findings += _attacked(sandbox)
        except (SandboxError, OSError) as e:
            findings.append(Finding(layer, AVAILABLE, False, str(e)))
    return findings


def _attacked(sandbox: Sandbox) -> Iterator[Finding]:
    with _baits() as bait:
        for attack in ATTACKS:
            _lay(bait)
            with sandbox.session() as session:
                holds, detail = _try(session, attack, bait)
                if not holds and attack.only and "bwrap" not in sandbox.layer:
                    detail += f" (needs {attack.only})"
            yield Finding(sandbox.layer, attack.protection, holds, detail)
        with sandbox.session() as session:
            yield _flood(session, sandbox.layer)


def _try(session: Session, attack: Attack, bait: dict[str, Any]) -> tuple[bool, str]:
    lines = "\n".join("    " + line for line in attack.code.strip("\n").splitlines())
    session.run_cell("def attack(bait):\n    if True:\n" + lines)
    try:
        got, _ = session.call("attack", (bait,))
    except attack.ends as e:
        return session.spent < LIMITS.draw + 2, (e.ename if isinstance(e, StudentError) else str(e))
    except StudentFailure as e:
        return False, f"{type(e).__name__}: {e}"
    return not got, got or "nothing got through"


def _flood(session: Session, layer: str) -> Finding:
    """Output is bounded inside and out: a flood ends with the cell's time, and what comes out is short."""
    try:
        run = session.run_cell(FLOOD)
        size = sum(len(output.get("text", "")) for output in run.outputs)
    except (StudentTimeout, StudentDied):
        size = 0
    holds = size <= 2 * LIMITS.output and session.spent < LIMITS.cell + 2
    return Finding(layer, "output is bounded", holds, f"{size >> 10} KB kept")


@contextlib.contextmanager
def _baits() -> Iterator[dict[str, Any]]:
    """Things that an attack would like to have: a secret file in a folder, a listening port, an abstract socket."""
    import numpy

    token = secrets.token_hex(8)
    folders = {}
    for path in (str(Path.home()), "/etc", "/", "/tmp", "/home", "/root"):
        with contextlib.suppress(OSError):
            folders[path] = os.listdir(path)
    with tempfile.TemporaryDirectory(prefix="course-") as folder, contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        _accept(listener)
        if hasattr(os, "memfd_create"):         # abstract sockets are Linux's
            abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
            abstract.bind("\0autograder-" + token)
            abstract.listen()
            _accept(abstract)
        yield {
            "secret": str(Path(folder) / "gradebook.db"), "folder": folder, "token": token, "pid": os.getpid(),
            "port": listener.getsockname()[1], "abstract": "autograder-" + token, "home": str(Path.home()),
            "grader": str(Path(__file__).parent), "packages": sysconfig.get_path("purelib"),
            "site": str(Path(numpy.__file__).parent), "python": os.path.realpath(sys.executable),
            "environment": [k for k in os.environ if k not in _FIXED], "memory": 2 * LIMITS.memory,
            "file": 4 * LIMITS.files, "folders": {path: names for path, names in folders.items() if names},
        }


_FIXED = ("HOME", "TMPDIR", "LC_ALL", "PWD", "NBGRADER_EXECUTION", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
          "MKL_NUM_THREADS", "LD_LIBRARY_PATH")


def _lay(bait: dict[str, Any]) -> None:
    """The secret file, as new: an attack that got through may have renamed it."""
    secret = Path(bait["secret"])
    secret.unlink(missing_ok=True)
    secret.touch(mode=0o600)
    secret.write_text(bait["token"])


def _accept(listener: socket.socket) -> None:
    def run() -> None:
        with contextlib.suppress(OSError):
            while True:
                listener.accept()[0].close()

    threading.Thread(target=run, daemon=True).start()


def format(findings: Iterable[Finding], *, verbose: bool = False) -> str:
    """The findings for a terminal: a line a layer, a row a protection, and what to do about a layer that is missing.

    What an attack got is told where one got something; `verbose`: what each ran into.
    """
    by_layer: dict[str, list[Finding]] = {}
    for finding in findings:
        by_layer.setdefault(finding.layer, []).append(finding)
    lines, missing, chosen = [], False, False
    for layer, (first, *rest) in by_layer.items():
        if not first.holds:
            missing = True
            lines += [f"{layer}: not available", f"    {first.detail}"]
            continue
        held = sum(finding.holds for finding in rest)
        use = "" if chosen or layer == "none" else "  <- used by default"
        chosen = True
        lines.append(f"{layer} ({first.detail}): {held} of {len(rest)} protections hold{use}")
    table = {layer: {f.protection: f for f in rest} for layer, (first, *rest) in by_layer.items() if first.holds}
    names = list(dict.fromkeys(name for column in table.values() for name in column))
    if names:
        lines += ["", "  ".join([*table, "protection"])]
    for name in names:
        row = {layer: column.get(name) for layer, column in table.items()}
        words = {layer: "" if f is None else "holds" if f.holds else "OPEN" for layer, f in row.items()}
        lines.append("  ".join([*(f"{word:<{len(layer)}}" for layer, word in words.items()), name]))
        lines += [f"    {layer}: {f.detail}" for layer, f in row.items() if f and (verbose or not f.holds)]
    if missing or not by_layer:
        lines += ["", advice()] if names else [advice()]
    return "\n".join(lines)
