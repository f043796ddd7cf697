"""The time that a process takes, read from outside of it: on a busy machine, not the time of the others.

A limit in seconds of the wall would take points from a right function when eight other programs want its processor. So
a limit counts the process's *own* seconds: those that it computed, and those that it slept or waited for something, but
not those in which it could have run and had no processor. On an idle machine that is the wall's time. A short budget
counts the processor's seconds alone.

Linux keeps both numbers for each process, the process itself cannot change them, and reading them costs microseconds.
Where the kernel does not tell them (macOS, gVisor), the wall's time counts.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from dataclasses import dataclass

_CREDENTIALS = struct.Struct("iII")         # pid, uid, gid
_PROCESS_CLOCK = 2                          # of clock_getcpuclockid(3): all threads of a process, user and system


@dataclass(frozen=True)
class Reading:
    """Three clocks at a moment, in seconds. `waited`: the main thread was ready to run and had no processor."""

    wall: float
    cpu: float | None
    waited: float


class Clock:
    """Reads the clocks of the process `pid`; of None it only knows the wall's. Close it with the process."""

    def __init__(self, pid: int | None, threads: int = 1) -> None:
        self._pid, self._threads, self._file = pid, max(threads, 1), -1
        if pid is not None:
            with contextlib.suppress(OSError):
                self._file = os.open(f"/proc/{pid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def now(self) -> Reading:
        return Reading(time.monotonic(), self._cpu(), self._waited())

    def own(self, since: Reading) -> float:
        """The process's own seconds since a reading.

        Never less than its threads computed: a main thread that waits for the process's other threads gains nothing.
        """
        now = self.now()
        return max(now.wall - since.wall - max(now.waited - since.waited, 0.0),
                   _difference(now, since) / self._threads)

    def computed(self, since: Reading) -> float:
        """The seconds of a processor since a reading, of all threads; without such a clock the own ones."""
        now = self.now()
        return self.own(since) if now.cpu is None or since.cpu is None else _difference(now, since)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _cpu(self) -> float | None:
        if self._pid is None:
            return None
        try:
            return time.clock_gettime((~self._pid << 3) | _PROCESS_CLOCK)
        except (OSError, OverflowError):
            return None

    def _waited(self) -> float:
        if self._file < 0:
            return 0.0
        try:
            return int(os.pread(self._file, 100, 0).split()[1]) * 1e-9
        except (OSError, ValueError, IndexError):
            return 0.0          # the process has ended: from here on the wall's time counts


def _difference(now: Reading, since: Reading) -> float:
    return 0.0 if now.cpu is None or since.cpu is None else now.cpu - since.cpu


def ask_for_sender(ours: socket.socket) -> None:
    """Have the kernel write on each message who sent it. Before the other end is given away."""
    if hasattr(socket, "SO_PASSCRED"):
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)


def sender(ours: socket.socket, seconds: float) -> int | None:
    """Which process sent the first byte that waits, by the kernel's word and in our own numbers; None if it is unknown.

    Takes nothing from the socket. A child in a process namespace of its own knows no number that means it out here.
    Raises TimeoutError when nothing came within `seconds`, OSError.
    """
    if not hasattr(socket, "SO_PASSCRED"):
        return None
    ours.settimeout(seconds)
    _, told, *_ = ours.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size), socket.MSG_PEEK)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
    for level, kind, data in told:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
            return int(_CREDENTIALS.unpack(data[:_CREDENTIALS.size])[0]) or None
    return None
