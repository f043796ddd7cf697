"""The system call filter says what it should, on both architectures, whichever this machine has."""

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import confine, syscalls

MACHINES = ("x86_64", "aarch64")
ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS = 0x00050000 | errno.EPERM, 0x00050000 | 38
PID = 4321

# Numbers of what must be closed, from the kernel's tables: not read off syscalls.py, which does not have them.
CLOSED = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "execve": (59, 221),
    "execveat": (322, 281), "kill": (62, 129), "tkill": (200, 130), "ptrace": (101, 117), "process_vm_readv": (310,
                                                                                                               270),
    "process_vm_writev": (311, 271), "setsid": (112, 157), "setpgid": (109, 154), "memfd_create": (319, 279),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "unshare": (272, 97), "setns": (308, 268),
    "mount": (165, 40), "bpf": (321, 280), "keyctl": (250, 219), "shmget": (29, 194), "msgget": (68, 186),
    "fchmodat": (268, 53), "fchownat": (260, 54), "utimensat": (280, 88), "setxattr": (188, 5), "truncate": (76, 45),
    "mkdirat": (258, 34), "symlinkat": (266, 36), "linkat": (265, 37), "mknodat": (259, 33), "flock": (73, 32),
    "inotify_init1": (294, 26), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "openat2": (437, 437),
    "setrlimit": (160, 164), "setuid": (105, 146), "setpriority": (141, 140), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "reboot": (169, 142), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
}


def verdict(machine, nr, *args, arch=None):
    """What the filter returns for a call: the classic BPF of seccomp_program, run here."""
    words = [nr, arch or syscalls.AUDIT_ARCH[machine], 0, 0]
    for arg in [*args, *[0] * (6 - len(args))]:
        words += [arg & 0xFFFFFFFF, arg >> 32]
    program, at, acc = confine.seccomp_program(machine, PID), 0, 0
    while True:
        code, yes, no, k = program[at]
        at += 1
        if code == 0x06:
            return k
        if code == 0x20:
            acc = words[k // 4]
        elif code == 0x54:
            acc &= k
        else:
            at += yes if {0x15: acc == k, 0x35: acc >= k, 0x45: bool(acc & k)}[code] else no


def nr(machine, name):
    return syscalls.number(name, machine)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", CLOSED)
def test_dangerous_calls_are_closed(machine, name):
    assert verdict(machine, CLOSED[name][MACHINES.index(machine)]) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_numpy_s_calls_are_open(machine):
    for name in ("read", "write", "mmap", "munmap", "brk", "futex", "exit_group", "clock_gettime", "getrandom",
                 "newfstatat"):
        assert verdict(machine, nr(machine, name)) == ALLOW


def test_fork_and_vfork_of_x86_64_are_closed():
    """aarch64 has only clone."""
    assert verdict("x86_64", 57) == verdict("x86_64", 58) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_arguments_decide_where_a_call_is_half_dangerous(machine):
    def ask(name, *args):
        return verdict(machine, nr(machine, name), *args)

    assert ask("clone", 0x3D0F00) == ALLOW and ask("clone", 17) == EPERM       # a thread, a process
    assert ask("clone3") == ENOSYS
    assert ask("tgkill", PID, 1, 6) == ALLOW and ask("tgkill", 1, 1, 9) == EPERM
    assert ask("prctl", 15) == ALLOW and ask("prctl", 1) == EPERM              # PR_SET_NAME, PR_SET_PDEATHSIG
    assert ask("fcntl", 3, 4) == ALLOW and ask("fcntl", 3, 8) == EPERM and ask("fcntl", 3, 10) == EPERM
    assert ask("ioctl", 1, 0x5401) == ALLOW and ask("ioctl", 1, 0x5412) == EPERM       # TCGETS, TIOCSTI
    assert ask("prlimit64", 0, 9, 0, 0x7000) == ALLOW
    assert ask("prlimit64", 0, 9, 0x7000) == EPERM and ask("prlimit64", 0, 9, 0x7000 << 32) == EPERM
    assert ask("openat", 3, 0, 0o1001) == ALLOW and ask("openat", 3, 0, 0o1000) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_other_architectures_are_killed_and_newer_calls_absent(machine):
    """32-bit calls have other numbers: `read` there may be `fork` here."""
    assert verdict(machine, 0, arch=0x40000003) == KILL
    assert verdict(machine, 0x40000000 | 41) == (KILL if machine == "x86_64" else ENOSYS)
    assert verdict(machine, syscalls.NEWEST + 1) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_every_way_through_the_filter_ends_in_a_verdict_in_reach(machine):
    program = confine.seccomp_program(machine, PID)
    assert len(program) < 4096
    for at, (code, yes, no, _) in enumerate(program):
        assert code == 0x06 or at + 1 + max(yes, no) < len(program)
        assert 0 <= yes < 256 and 0 <= no < 256
    assert program[-1][0] == 0x06


def test_a_machine_without_a_table_is_refused():
    with pytest.raises(confine.ConfineError, match="riscv64"):
        confine.seccomp_program("riscv64", PID)


@pytest.mark.parametrize("machine, include", [("x86_64", "#include <asm/unistd_64.h>"), ("aarch64", """
#define __ARCH_WANT_RENAMEAT
#define __ARCH_WANT_NEW_STAT
#define __ARCH_WANT_SET_GET_RLIMIT
#define __ARCH_WANT_SYS_CLONE3
#define __BITS_PER_LONG 64
#include <asm-generic/unistd.h>
""")])
def test_the_tables_are_the_kernel_s_own(machine, include):
    """Against the headers where they are installed; on an x86_64 machine the generic header has aarch64's numbers."""
    try:
        text = subprocess.run(["gcc", "-E", "-dM", "-"], input=include, capture_output=True, text=True,
                              check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no compiler or no kernel headers")
    defined = dict(re.findall(r"#define (__NR\w+) (\w+)", text))

    def header(name):
        value = defined.get(f"__NR_{name}")
        while value is not None and not value.isdigit():
            value = defined.get(value)
        return None if value is None else int(value)

    both = {**syscalls.ALLOWED, **syscalls.GUARDED}
    for name in both:
        assert header(name) == syscalls.number(name, machine), name
    for name, numbers in CLOSED.items():
        assert header(name) == numbers[MACHINES.index(machine)], name


def test_no_call_is_listed_twice():
    assert not set(syscalls.ALLOWED) & set(syscalls.GUARDED)
    for i in range(2):
        numbers = [n[i] for n in (*syscalls.ALLOWED.values(), *syscalls.GUARDED.values()) if n[i] is not None]
        assert len(numbers) == len(set(numbers)) and max(numbers) <= syscalls.NEWEST


def test_the_modules_import_where_there_is_no_linux():
    """macOS has no prctl, Windows no `resource`: only calling may need them."""
    code = ("import sys, platform; sys.modules['resource'] = None; platform.system = lambda: 'Windows'\n"
            "from autograder import confine, worker, cells, doctor, sandbox\n"
            "assert confine.landlock_abi() == 0 and not confine.seccomp_available()\n"
            "try: sandbox.Sandbox('none')\n"
            "except sandbox.NoSandbox as e: print(e)")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                         cwd=Path(confine.__file__).parents[1])
    assert "WSL2" in out.stdout, out.stderr
