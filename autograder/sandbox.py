"""The sandbox: a worker that is locked in, and sessions in it, one a submission.

    with Sandbox(limits=Limits(cell=3)) as sandbox:
        with sandbox.session() as session:
            session.run_cell("def double(x):\n    return 2 * x")
            value, args_after = session.call("double", (21,))

The rule: a student's process holds no secret and decides nothing. It is asked for data, by messages; what comes back is
judged out here. Layers, strongest first:

    bwrap+landlock   own namespaces (no network, no other processes, no path but the listed ones), then as below
    landlock         Landlock, seccomp and limits, taken on by the child itself: works in containers without privileges
    bwrap            namespaces, seccomp and limits, where the kernel has no Landlock
    none             limits alone. Only by name: nothing falls back to it

`python -m autograder doctor` tries to break each of them on this machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from autograder import scratch
from autograder import view as views
from autograder.session import CellRun, Limits, Session

__all__ = ["LAYERS", "CellRun", "Limits", "NoSandbox", "Sandbox", "SandboxError", "Session", "advice",
           "available_layers"]

LAYERS = ("bwrap+landlock", "landlock", "bwrap", "none")
BOOT_SECONDS = 30           # a cold disk; warm it is a quarter of a second
FORK_SECONDS = 15           # patience with a machine that has no process left: who holds them ends at a limit
CHILDREN_MAX = 64           # alive at a time in one worker; a session has two
BWRAP_VIEW = "/view"        # where bubblewrap shows the view: the user's own path is nobody's business


class SandboxError(RuntimeError):
    """The worker failed: a fault of this machine or of the grader, not of a student."""


class NoSandbox(SandboxError):
    """No layer works here, or not the one that was asked for. The message says what to install."""


def advice() -> str:
    """What to do on a system where no layer works, or not the wanted one."""
    system = platform.system()
    if system == "Linux":
        return ("bubblewrap: apt install bubblewrap (Debian, Ubuntu), dnf install bubblewrap (Fedora). "
                "Landlock: a kernel of 5.13 or later with landlock in its list of security modules; "
                "Docker's default seccomp profile allows it. --sandbox none grades without protection.")
    name = {"Darwin": "macOS", "Windows": "Windows"}.get(system, system)
    there = "in WSL2 or a Linux container" if system == "Windows" else "in a Linux container"
    return (f"{name} has no layer that the sandbox can use: grade {there}, "
            "or with --sandbox none, where a student's code runs with your rights.")


def available_layers() -> list[str]:
    """The layers that work on this machine, strongest first, each tried by starting a worker in it."""
    found = []
    for layer in LAYERS:
        try:
            Sandbox(layer).close()
        except SandboxError:
            continue
        found.append(layer)
    return found


class Sandbox:
    """One warm worker under one layer. Sessions of several threads may be open at once; other processes need their own.

    layer: one of LAYERS; None or "auto" takes the strongest that works, and never "none". view: a folder from
    view.build. Raises NoSandbox. `layer` is the one in use, `layers` its parts, for the report.
    """

    def __init__(self, layer: str | None = None, limits: Limits | None = None, view: Path | None = None) -> None:
        self.limits = limits or Limits()
        self._worker: Worker | None = None
        if layer not in (None, "auto", *LAYERS):
            raise NoSandbox(f"there is no sandbox layer '{layer}': {', '.join(LAYERS)}")
        if platform.system() == "Windows" or not hasattr(os, "fork"):
            raise NoSandbox(f"the grader needs fork and Unix sockets. {advice()}")
        self._view = view or views.build()
        failed = []
        for name in LAYERS[:-1] if layer in (None, "auto") else (str(layer),):
            try:
                self._worker = Worker(name, self._view, self.limits)
                Session(self._worker, self.limits).close()      # a child that cannot lock itself up says so now
            except SandboxError as e:
                self.close()
                failed.append(f"{name}: {e}")
                continue
            self.layer, self.layers = name, self._worker.parts
            return
        raise NoSandbox("no sandbox on this machine. " + "; ".join(failed) + ". " + advice())

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def session(self) -> Session:
        """A fresh process for one submission. Raises SandboxError when the worker cannot be brought back."""
        if self._worker is None:
            raise SandboxError("this sandbox is closed")
        self._worker.check_owner()
        if not self._worker.alive():
            self._worker.close()
            self._worker = Worker(self.layer, self._view, self.limits)
        return Session(self._worker, self.limits)

    @property
    def students_seconds(self) -> float:
        """Seconds of a processor that students' code took in the worker of this moment; a new one begins at 0."""
        return self._worker.students_seconds if self._worker else 0.0

    def close(self) -> None:
        """End the worker and all its children."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()


class Worker:
    """The trusted side's handle on worker.py: starts it in its layer, has it fork and kill."""

    def __init__(self, layer: str, view: Path, limits: Limits) -> None:
        self.layer, self.owner = layer, os.getpid()
        self._lock = threading.Lock()
        self.students_seconds = 0.0     # of a processor, in children that have ended
        # A folder for each child, all made before any child is: nobody who lives in one can make or list another.
        self._scratch = scratch.make()
        self._free = [self._scratch / secrets.token_hex(16) for _ in range(CHILDREN_MAX)]
        for folder in self._free:
            folder.mkdir(mode=0o700)
        self._scratch.chmod(0o100)
        self._errors: Any = tempfile.TemporaryFile()
        self._control, theirs = socket.socketpair()
        self._process: subprocess.Popen[bytes] | None = None
        started: list[subprocess.Popen[bytes]] = []
        self._end = weakref.finalize(self, _end, self.owner, self._control, started, self._errors, self._scratch)
        try:
            with theirs:
                self._process = subprocess.Popen(
                    self._command(view, theirs.fileno()), pass_fds=[theirs.fileno()], env=_environment(limits), cwd="/",
                    stdin=subprocess.DEVNULL, stdout=self._errors, stderr=self._errors, start_new_session=True)
                started.append(self._process)
            offers = self._answer(time.monotonic() + BOOT_SECONDS)
        except (OSError, ValueError, EOFError) as e:
            told = self._told()
            self.close()
            raise SandboxError(told or f"the worker did not start ({type(e).__name__}: {e})") from None
        except SandboxError:
            self.close()
            raise
        missing = [part for part in ("landlock", "seccomp") if part in self.parts and not offers.get(part)]
        if missing:
            self.close()
            raise SandboxError(f"this kernel has no {' and no '.join(missing)}")

    @property
    def parts(self) -> list[str]:
        """What locks a child in, by name."""
        if self.layer == "none":
            return ["none"]
        return [*self.layer.split("+"), "seccomp", "rlimits"]

    def _command(self, view: Path, fd: int) -> list[str]:
        python = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
        locks = {part: part in self.parts for part in ("landlock", "seccomp")}
        config = json.dumps({**locks, "scratch": str(self._scratch)})
        home = Path(BWRAP_VIEW) if "bwrap" in self.parts else view
        # -I -S: no site-packages, no environment variables, no current folder. -B: nothing is written.
        run = [python, "-I", "-S", "-B", "-X", "utf8", str(home / "boot" / "worker.py"), str(fd), config]
        if "bwrap" not in self.parts:
            return run
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise SandboxError("bubblewrap is not installed")
        return [bwrap, *bwrap_options(view, self._scratch, python), *run]

    def _told(self) -> str:
        """The last line that the worker, or bubblewrap, wrote before it gave up."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read(1 << 16).decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    # ----- Commands

    def fork(self, theirs: socket.socket) -> int:
        """A new child with its end of a session's socket, where it waits for its terms. Raises SandboxError."""
        until = time.monotonic() + FORK_SECONDS
        while True:
            answer = self._command_answer({"fork": True}, [theirs.fileno()])
            if "pid" in answer:
                return int(answer["pid"])
            if time.monotonic() > until:
                raise SandboxError(f"no new process could be started: {answer.get('failed')}")
            time.sleep(0.1)

    def terms(self, scratch: str, limits: Limits) -> dict[str, Any]:
        """What a child is told before it locks itself up."""
        cpu = int(2 * limits.submission * max(limits.threads, 1)) + 2      # a second line: the wall clock is out here
        return {"scratch": scratch, "memory": limits.memory, "files": limits.files, "cpu": cpu}

    def kill(self, pid: int, patience: float) -> int:
        """End a child and give its status. A worker that is gone has taken its children along."""
        try:
            return int(self._command_answer({"kill": pid, "patience": patience})["status"])
        except SandboxError:
            return 9

    def _command_answer(self, command: dict[str, Any], fds: list[int] | None = None) -> dict[str, Any]:
        self.check_owner()
        with self._lock:
            try:
                self._control.settimeout(10)
                socket.send_fds(self._control, [json.dumps(command).encode() + b"\n"], fds or [])
                return self._answer(time.monotonic() + 10)
            except BaseException as e:      # also Ctrl-C: closing asks this worker to kill
                self._control.close()       # an answer that comes late must not be taken for the next one
                if isinstance(e, OSError | ValueError | EOFError):
                    raise SandboxError(f"the worker is gone ({type(e).__name__})") from None
                raise

    def _answer(self, deadline: float) -> dict[str, Any]:
        line = b""
        while not line.endswith(b"\n"):
            self._control.settimeout(max(deadline - time.monotonic(), 1e-3))
            more = self._control.recv(4096)
            if not more:
                raise EOFError("the worker has closed")
            line += more
        answer: dict[str, Any] = json.loads(line)
        return answer

    def broken(self, why: str) -> SandboxError:
        """The error for a child that could not lock itself up."""
        return SandboxError(f"a child of the worker could not be confined: {why}")

    def check_owner(self) -> None:
        """Two processes on one control socket would read each other's answers."""
        if os.getpid() != self.owner:
            raise SandboxError("a sandbox serves the process that made it: make one in each process")

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None and self._control.fileno() >= 0

    def close(self) -> None:
        """End the worker: it ends its children when the control socket does. Happens at exit in any case."""
        self._end()

    # ----- Scratch folders

    def take_scratch(self) -> str:
        """An empty folder that one child may write in. Raises SandboxError when too many children are alive."""
        with self._lock:
            if not self._free:
                raise SandboxError(f"{CHILDREN_MAX} processes are open in this sandbox: close a session first")
            return str(self._free.pop())

    def give_scratch(self, path: str) -> None:
        """Empty it after its child has ended, for the next one. rmtree follows no link."""
        for entry in list(os.scandir(path)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
        with self._lock:
            self._free.append(Path(path))


def _end(owner: int, control: socket.socket, started: list[subprocess.Popen[bytes]], errors: Any,
         folder: Path) -> None:
    if os.getpid() != owner:        # a fork of the grader: the worker is not its own
        return
    control.close()
    for process in started:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    errors.close()
    scratch.remove(folder)
    scratch.sweep()                 # of a worker's process that was killed meanwhile


def _environment(limits: Limits) -> dict[str, str]:
    threads = str(max(limits.threads, 1))
    env = {name: threads for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    env |= {"LC_ALL": "C.UTF-8", "NBGRADER_EXECUTION": "autograde"}     # the second: visible tests print and go on
    if (Path(sys.prefix) / "conda-meta").is_dir():
        env["LD_LIBRARY_PATH"] = str(Path(sys.prefix) / "lib")          # conda's NumPy finds its BLAS by its own place
    return env


def bwrap_options(view: Path, scratch: Path, python: str) -> list[str]:
    """bubblewrap's options: nothing to see but the interpreter, the standard library, system libraries and the view.

    No /proc, no /etc but the loader's files, no home, no site-packages: every python folder among the system's
    libraries is covered by an empty one, then the standard library is laid over, its site-packages covered again.
    """
    empty = str(view / "empty")
    options = ["--unshare-all", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"]

    def readable(path: Path | str, at: Path | str | None = None) -> None:
        options.extend(["--ro-bind", str(path), str(at or path)])

    folders = [Path(p) for p in ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64")]
    for folder in folders:
        if folder.is_symlink():
            options.extend(["--symlink", os.readlink(folder), str(folder)])
        elif folder.is_dir():
            readable(folder)
            for entry in folder.glob("python*"):
                if entry.is_dir() and not entry.is_symlink():
                    readable(empty, entry)
    for file in ("/etc/ld.so.cache", "/etc/alternatives"):
        if os.path.exists(file):
            readable(file)
    compiled = Path(sysconfig.get_config_var("DESTSHARED") or os.__file__).resolve().parent
    for stdlib in {Path(os.__file__).resolve().parent, compiled}:
        readable(stdlib)
        for packages in ("site-packages", "dist-packages"):
            if (stdlib / packages).is_dir():
                readable(empty, stdlib / packages)
    readable(python)
    libraries = Path(python).parent.parent / "lib"
    if libraries not in folders:            # pyenv, conda, /usr/local: libpython and its neighbours, file by file
        for library in libraries.glob("*.so*"):
            readable(library)
    for device in ("/dev/null", "/dev/zero", "/dev/urandom"):
        options.extend(["--dev-bind", device, device])
    readable(view, BWRAP_VIEW)
    return [*options, "--bind", str(scratch), str(scratch), "--remount-ro", "/", "--chdir", "/"]
