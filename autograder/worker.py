"""The untrusted side: boots once, then forks one confined child for each session.

    python -I -S -B boot/worker.py FD CONFIG

The first process (the zygote) has NumPy and `minigrad.course` loaded and runs none of a student's code. It obeys the
trusted side on the control socket FD: one JSON object a line, one answer each.

    {"fork": true} + a descriptor       ->  {"pid": 17}, or {"failed": "..."} where the system has no process left
    {"kill": 17, "patience": 0.1}       ->  {"status": 9}

It is gone with the trusted side: the end of the control socket ends it and its children. A child reads its terms
{"scratch", "memory", "files", "cpu"} from its own socket, which is the descriptor, locks itself up (confine.py), says
so there, and answers there until it is killed. The terms never pass through the zygote: a child inherits what the
zygote's memory has ever held, and could find the folder of another child in it. It holds nothing secret and decides
nothing: no checks, no reference, no path of the course, no other submission, no gradebook.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

BOOT = Path(__file__).resolve().parent

if __name__ == "__main__":      # in the view: no package autograder, and NumPy beside the standard library
    sys.path.append(str(BOOT.parent / "site"))
    sys.path.insert(0, str(BOOT))
    import cells
    import confine
    import wire
    sys.path.remove(str(BOOT))
else:
    from autograder import cells, confine, wire

SESSION = 3                 # the descriptor of the session's socket in a child; all above are closed
COMMON = ("math", "random", "collections", "itertools", "functools", "dataclasses", "typing", "re", "string", "time",
          "copy", "heapq", "bisect", "operator", "contextlib", "warnings", "inspect", "textwrap", "pprint",
          "statistics", "resource", "tempfile", "numpy.random", "numpy.linalg", "numpy.testing", "minigrad.course")


class Zygote:
    """Forks and kills children on the trusted side's command."""

    def __init__(self, control: socket.socket, config: dict[str, Any]) -> None:
        self.control, self.config = control, config
        self.children: set[int] = set()
        self.readable: list[int] = []
        if config["landlock"]:
            self.readable = confine.open_paths(readable_paths(BOOT.parent / "site"))

    def answer(self, **message: Any) -> None:
        self.control.sendall(json.dumps(message).encode() + b"\n")

    def serve(self) -> None:
        """Obey until the control socket ends."""
        while True:
            line, fds = self._line()
            if not line:
                return
            command = json.loads(line)
            if "fork" in command:
                self._fork(fds[0])
            else:
                self.answer(status=self._kill(int(command["kill"]), float(command.get("patience", 0))))
            for fd in fds:
                os.close(fd)

    def _fork(self, fd: int) -> None:
        try:
            pid = os.fork()
        except OSError as e:        # another submission's threads may hold the last numbers that a container has
            self.answer(failed=str(e.strerror))
            return
        if pid == 0:
            be_child(fd, self)
        self.children.add(pid)
        self.answer(pid=pid)

    def _line(self) -> tuple[bytes, list[int]]:
        data, fds, *_ = socket.recv_fds(self.control, 1 << 16, 1)
        while data and not data.endswith(b"\n"):
            more = self.control.recv(1 << 16)
            data = data + more if more else b""
        return data, fds

    def _kill(self, pid: int, patience: float) -> int:
        """End a child and say how it ended. One that is ending by itself has `patience` seconds for it."""
        if pid not in self.children:
            return 0
        self.children.discard(pid)
        until = time.monotonic() + patience
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return status
            if time.monotonic() >= until:
                break
            time.sleep(0.002)
        os.kill(pid, signal.SIGKILL)        # also ends a stopped process and all its threads
        return os.waitpid(pid, 0)[1]

    def end(self) -> None:
        """Kill what is left, and remove the scratch folders: the trusted side may have been killed."""
        for pid in list(self.children):
            self._kill(pid, 0)
        try:
            os.chmod(self.config["scratch"], 0o700)
        except OSError:
            return
        shutil.rmtree(self.config["scratch"], ignore_errors=True)


def readable_paths(site: Path) -> list[str]:
    """What Landlock lets a child read: the view, the standard library without site-packages, the shared libraries."""
    stdlib = Path(os.__file__).resolve().parent
    paths = [site]
    paths += [entry for entry in stdlib.iterdir() if entry.name not in ("site-packages", "dist-packages")]
    paths += [Path(entry) for entry in sys.path if entry.endswith(".zip")]
    for folder in {library.parent for library in loaded_libraries()}:
        if folder.is_relative_to(site) or folder.is_relative_to(stdlib):
            continue
        if any(entry.name.startswith("python") for entry in folder.iterdir()):      # lib/python3.11/site-packages
            paths += [library for library in loaded_libraries() if library.parent == folder]
        else:
            paths.append(folder)
    return [str(path) for path in paths]


def loaded_libraries() -> list[Path]:
    """The shared libraries of this process, asked of the loader: under bubblewrap there is no /proc to read."""
    import ctypes

    class Info(ctypes.Structure):
        _fields_ = [("address", ctypes.c_void_p), ("name", ctypes.c_char_p)]

    found: list[Path] = []

    def visit(info: Any, size: int, data: Any) -> int:
        name = os.fsdecode(info.contents.name or b"")
        if name.startswith("/"):
            found.append(Path(name).resolve())
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Info), ctypes.c_size_t, ctypes.c_void_p)
    ctypes.CDLL(None).dl_iterate_phdr(callback(visit), None)
    return found


# ----- The child

def be_child(fd: int, zygote: Zygote) -> NoReturn:
    """Never returns: take the terms, lock up, then answer the session until its socket ends."""
    try:
        parent = os.getppid()
        os.dup2(fd, SESSION)
        session = socket.socket(fileno=SESSION)
        try:
            descriptors = lock_up(wire.recv(session), zygote)
        except Exception as e:
            wire.send(session, {"failed": f"{type(e).__name__}: {e}"[:500]})
            os._exit(70)
        if os.getppid() != parent:      # the zygote ended before the kernel knew that its child should end with it
            os._exit(71)
        wire.send(session, {"ready": True})
        serve(session, cells.Notebook(descriptors))
    finally:
        os._exit(72)


def lock_up(wanted: dict[str, Any], zygote: Zygote) -> Any:
    """Close what is open, bound what can grow, and lock the rest. Raises ConfineError."""
    config, scratch = zygote.config, wanted["scratch"]
    confine.die_with_parent()
    os.chdir(scratch)
    os.environ["HOME"] = os.environ["TMPDIR"] = scratch
    zygote.control.detach()             # closed below, by its number
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    abi = 0
    if config["landlock"]:
        abi = confine.landlock(zygote.readable, scratch, ["/dev/null", "/dev/zero", "/dev/urandom"])
    os.closerange(SESSION + 1, 1 << 12)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    confine.rlimits(memory=wanted["memory"], files=wanted["files"], cpu=wanted["cpu"], strict=bool(config["seccomp"]))
    descriptors = cells.Descriptors()
    sys.stdout = sys.stderr = open(os.devnull, "w")     # what a thread prints between two cells
    reseed()
    if config["seccomp"]:
        confine.drop_capabilities()
        confine.seccomp()
        confine.verify(landlocked=abi > 0)
    return descriptors


def reseed() -> None:
    """The same start of the global generators for everyone: a regrade repeats what unseeded code does."""
    import random

    import numpy as np

    random.seed(0)
    np.random.seed(0)


def serve(session: socket.socket, notebook: Any) -> None:
    """Answer requests {id, op, ...} until the socket ends."""
    while True:
        try:
            request = wire.recv(session)
        except EOFError:
            return
        number = request["id"]
        if request["op"] == "run":
            reply = notebook.run(request["source"], request["file"], request["limit"])
        else:
            reply = notebook.call(request["name"], request["args"], spoil=request["spoil"])
        reply["id"] = number
        try:
            frame = wire.dumps(reply)
        except wire.NotData as e:
            frame = wire.dumps({"id": number, "nodata": cells._clean(e.type_name)[:100]})
        except (MemoryError, RecursionError) as e:
            frame = wire.dumps({"id": number, "raised": [type(e).__name__], "file": "", "line": 0})
        session.sendall(frame)


def main() -> None:
    """Boot: import, say what this kernel offers, obey."""
    moved = os.dup(int(sys.argv[1]))
    if moved == SESSION:
        moved = os.dup(moved)
    os.dup2(0, SESSION)     # taken, so that nothing which a child still needs lies where its socket will
    control = socket.socket(fileno=moved)
    config = json.loads(sys.argv[2])
    for name in COMMON:
        __import__(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    confine.hide_memory()
    zygote = Zygote(control, config)
    gc.collect()
    gc.freeze()             # the collector of a child would else write to every page that it shares
    zygote.answer(landlock=confine.landlock_abi(), seccomp=confine.seccomp_available())
    try:
        zygote.serve()
    finally:
        zygote.end()


if __name__ == "__main__":
    main()
