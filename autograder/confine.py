"""A process locks itself up: Landlock, seccomp, resource limits, no capabilities; with ctypes alone.

Runs in the untrusted child between its fork and the first line of a student's code, and cannot be undone. No root and
no user namespace is needed, so it works in containers and hub pods, where bubblewrap does not.

- Landlock (Linux 5.13) decides which paths can be opened: an allow-list.
- seccomp decides which system calls exist (syscalls.py): an allow-list, and for ten of them which arguments.
- Limits bound memory, processor time, the size of a file, and the number of open files.

What Landlock does not guard (chmod, utime, truncate before Linux 6.2, setting who gets the signals of a descriptor)
seccomp refuses. What neither can refuse: asking whether a path exists and how large it is (stat). Bubblewrap can.

Stands alone: the untrusted worker loads this file by its path. Linux-only calls are made inside the functions, so the
module can be imported anywhere.
"""

from __future__ import annotations

import errno
import os
import platform
import stat
import struct
from collections.abc import Iterable, Sequence
from typing import Any

try:
    from autograder import syscalls
except ImportError:
    import syscalls  # type: ignore[no-redef]     # in the worker, where no package autograder exists

Instruction = tuple[int, int, int, int]     # code, jump if true, jump if false, constant


class ConfineError(RuntimeError):
    """A lock that was asked for could not be closed. The child must not run a student's code."""


def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    import ctypes

    if result < 0:
        raise ConfineError(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


# ----- Landlock

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446        # the same on all architectures
_FS = ("execute", "write_file", "read_file", "read_dir", "remove_dir", "remove_file", "make_char", "make_dir",
       "make_reg", "make_sock", "make_fifo", "make_block", "make_sym", "refer", "truncate", "ioctl_dev")
_BIT = {name: 1 << i for i, name in enumerate(_FS)}
_KNOWN_AT = {1: 13, 2: 14, 3: 15, 4: 15}             # how many of _FS an ABI knows; 5 and later: all 16

READ = _BIT["read_file"] | _BIT["read_dir"]          # without execute: mapping a library needs only read
SCRATCH = READ | _BIT["write_file"] | _BIT["truncate"] | _BIT["make_reg"] | _BIT["remove_file"]
_ON_FILES = _BIT["read_file"] | _BIT["write_file"] | _BIT["truncate"]


def landlock_abi() -> int:
    """The kernel's Landlock version; 0 where there is none (old kernel, not enabled, gVisor, no Linux)."""
    if platform.system() != "Linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE, None, 0, 1)))


def open_paths(paths: Iterable[str]) -> list[int]:
    """A descriptor that names each path that exists, for `landlock`: the worker opens them once for all children."""
    found = []
    for path in paths:
        try:
            found.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
        except OSError:
            continue
    return found


def landlock(readable: Iterable[int], scratch: str, devices: Iterable[str] = ()) -> int:
    """From now on only what lies beneath `readable` (descriptors) can be read, and only `scratch` be written.

    `devices` are files to read and write, such as /dev/null. TCP is closed as well (ABI 4), signals and abstract
    sockets to processes outside (ABI 6). Returns the ABI. Raises ConfineError.
    """
    import ctypes

    abi = landlock_abi()
    if abi < 1:
        raise ConfineError("this kernel has no Landlock")
    handled = (1 << _KNOWN_AT.get(abi, 16)) - 1
    attributes = struct.pack("=QQQ", handled, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    libc = _libc()
    ruleset = _check(libc.syscall(_CREATE, ctypes.c_char_p(attributes), ctypes.c_size_t(size), 0), "Landlock ruleset")

    def rule(fd: int, access: int) -> None:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            access &= _ON_FILES
        packed = struct.pack("=Qi", access & handled, fd)
        _check(libc.syscall(_ADD_RULE, ruleset, 1, ctypes.c_char_p(packed), 0), "Landlock rule")

    for fd in readable:
        rule(fd, READ)
    for path, access in [(scratch, SCRATCH), *((device, _ON_FILES) for device in devices)]:
        for fd in open_paths([path]):
            rule(fd, access)
            os.close(fd)
    _no_new_privileges(libc)
    _check(libc.syscall(_RESTRICT, ruleset, 0), "Landlock restriction")
    os.close(ruleset)
    return abi


def _no_new_privileges(libc: Any) -> None:
    _check(libc.prctl(38, 1, 0, 0, 0), "no_new_privs")


# ----- seccomp

_LOAD, _AND, _EQUAL, _BITS, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x45, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_X32 = 0x40000000           # a second set of numbers for the same calls, x86_64 only: nothing here needs it
_DENY = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
_PASS = (_RETURN, 0, 0, _ALLOW)
_ABSENT = (_RETURN, 0, 0, _ERRNO | 38)              # ENOSYS on Linux; errno.ENOSYS is another number elsewhere

_CLONE_THREAD = 0x00010000
_PRCTL = (3, 15, 16, 0x53564D41)                    # PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_SET_VMA
_FCNTL = (0, 1, 2, 3, 4, 1030)                      # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)   # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
_O_ACCMODE, _O_TRUNC = 0o3, 0o1000


def _argument(index: int, *, high: bool = False) -> Instruction:
    return _LOAD, 0, 0, 16 + 8 * index + (4 if high else 0)


def _one_of(index: int, values: Sequence[int]) -> list[Instruction]:
    return [_argument(index), *[i for v in values for i in ((_EQUAL, 0, 1, v), _PASS)], _DENY]


def _guards(pid: int) -> dict[str, list[Instruction]]:
    """What decides about each call of syscalls.GUARDED: instructions that end in a verdict on every way."""
    # Before Linux 6.2 Landlock lets O_TRUNC empty a file that may only be read: the user's own numpy, say.
    no_truncation = [(_AND, 0, 0, _O_ACCMODE | _O_TRUNC), (_EQUAL, 0, 1, _O_TRUNC), _DENY, _PASS]
    return {
        "open": [_argument(1), *no_truncation],
        "openat": [_argument(2), *no_truncation],
        "clone": [_argument(0), (_BITS, 0, 1, _CLONE_THREAD), _PASS, _DENY],       # threads, no processes
        "clone3": [_ABSENT],            # its flags lie in memory, out of a filter's sight; libc falls back to clone
        "tgkill": _one_of(0, [pid]),    # abort() and raise() signal the process itself
        "prctl": _one_of(0, _PRCTL),    # not PR_SET_PDEATHSIG: the child must die with the worker
        "fcntl": _one_of(1, _FCNTL),    # not F_SETOWN, F_SETSIG: they aim signals at others. No locks: a side channel
        "ioctl": _one_of(1, _IOCTL),
        "prlimit64": [_argument(2), (_EQUAL, 0, 3, 0), _argument(2, high=True), (_EQUAL, 0, 1, 0), _PASS, _DENY],
    }


def seccomp_program(machine: str, pid: int) -> list[Instruction]:
    """The filter for the process `pid` on `machine`. Raises ConfineError for an architecture without a table."""
    if machine not in syscalls.AUDIT_ARCH:
        raise ConfineError(f"no system call table for {machine} (x86_64 and aarch64 have one)")
    arch = syscalls.AUDIT_ARCH[machine]
    program: list[Instruction] = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, arch), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if machine == "x86_64":
        program += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for name, body in _guards(pid).items():
        nr = syscalls.number(name, machine)
        if nr is not None:
            program += [(_EQUAL, 0, len(body), nr), *body]
    for name in syscalls.ALLOWED:
        nr = syscalls.number(name, machine)
        if nr is not None:
            program += [(_EQUAL, 0, 1, nr), _PASS]
    return [*program, (_AT_LEAST, 0, 1, syscalls.NEWEST + 1), _ABSENT, _DENY]


def seccomp_available() -> bool:
    """Whether this kernel has seccomp filters and this architecture a table."""
    if platform.system() != "Linux" or platform.machine() not in syscalls.AUDIT_ARCH:
        return False
    return int(_libc().prctl(21, 0, 0, 0, 0)) >= 0           # PR_GET_SECCOMP


def seccomp() -> None:
    """From now on only the calls of syscalls.py exist, for this thread and those it starts. Raises ConfineError."""
    import ctypes

    program = seccomp_program(platform.machine(), os.getpid())
    raw = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *i) for i in program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    libc = _libc()
    _no_new_privileges(libc)
    packed = Program(len(program), ctypes.cast(raw, ctypes.c_void_p))
    _check(libc.prctl(22, 2, ctypes.byref(packed), 0, 0), "seccomp filter")     # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


# ----- Privileges and limits

def die_with_parent() -> None:
    """The kernel kills this process when the one that forked it ends, whatever ends that. On Linux alone."""
    if platform.system() == "Linux":
        libc = _libc()
        libc.prctl(1, 9, 0, 0, 0)       # PR_SET_PDEATHSIG, SIGKILL


def hide_memory() -> None:
    """Close this process's memory, and its children's, to other processes of the same user (ptrace, /proc/PID/mem)."""
    if platform.system() == "Linux":
        _libc().prctl(4, 0, 0, 0, 0)    # PR_SET_DUMPABLE


def drop_capabilities() -> None:
    """Even where the grader runs as root, the child is a user without a privilege. Raises ConfineError."""
    import ctypes

    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0))
    _check(_libc().capset(header, ctypes.create_string_buffer(24)), "dropping capabilities")


def rlimits(*, memory: int, files: int, cpu: int, strict: bool) -> None:
    """Bound address space, file size, processor time, open files, core dumps.

    `strict`: raise ConfineError where a limit is not taken; macOS knows fewer than Linux.
    """
    import resource

    wanted = {"AS": memory, "FSIZE": files, "CPU": cpu, "NOFILE": 64, "CORE": 0, "MEMLOCK": 0, "MSGQUEUE": 0,
              "RTPRIO": 0, "NPROC": 4096}       # NPROC: threads of all this user's programs count, and root's never
    for name, value in wanted.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError) as e:
            if strict:
                raise ConfineError(f"limit {name}: {e}") from None


def verify(*, landlocked: bool) -> None:
    """Try two things that must fail now. Raises ConfineError if one does not: a lock is believed when it has held."""
    import socket

    try:
        socket.socket().close()
    except PermissionError:
        pass
    else:
        raise ConfineError("a socket could be made after seccomp")
    if landlocked:
        try:
            os.close(os.open("/", os.O_RDONLY))
        except PermissionError:
            return
        raise ConfineError("the root folder could be opened after Landlock")
