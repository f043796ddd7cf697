"""What the doctor tries from inside a sandbox.

An attack does what a hostile submission would do, and returns what it got; one that gets nothing, or an exception, has
been held off. Nothing here does harm where it succeeds: signals have number 0, files that it reads and writes are the
doctor's own bait, forked processes end at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from autograder.student import StudentDied, StudentError, StudentFailure, StudentTimeout


@dataclass(frozen=True)
class Attack:
    """`code` is the body of attack(bait), which returns what it got, or ""."""

    protection: str
    code: str
    ends: tuple[type[StudentFailure], ...] = (StudentError,)   # how else the call may end when the protection holds
    only: str = ""              # what alone can give this protection, if not every layer does


ATTACKS = (
    Attack("no TCP", """
        import socket
        with socket.create_connection(("127.0.0.1", bait["port"]), 0.5) as s:
            return "connected to a port of this machine"
    """),
    Attack("no UDP", """
        import socket
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", bait["port"]))
        return "sent a packet"
    """),
    Attack("no Unix sockets, abstract ones included", """
        import socket
        s = socket.socket(socket.AF_UNIX)
        s.connect("\\0" + bait["abstract"])
        return "connected to an abstract socket"
    """),
    Attack("the course folder cannot be read", """
        return "read " + open(bait["secret"]).read()[:3] + "..."
    """),
    Attack("home, /etc, /tmp and the root cannot be read", """
        import os
        got = []
        for path, names in bait["folders"].items():
            try:
                if set(os.listdir(path)) >= set(names):     # bubblewrap has a /etc, with the loader's files alone
                    got.append(f"listed {path}")
            except OSError:
                pass
        try:
            got.append("/etc/passwd has %d bytes" % len(open("/etc/passwd").read()))
        except OSError:
            pass
        return "; ".join(got)
    """),
    Attack("the grader and its packages cannot be read or imported", """
        import importlib, sys
        got = []
        for path in (bait["grader"], bait["packages"]):
            try:
                import os
                os.listdir(path)
                got.append(path)
            except OSError:
                pass
        sys.path.append(bait["packages"])
        for name in ("nbgrader", "autograder", "jupyter_core", "pip"):
            try:
                importlib.import_module(name)
                got.append("imported " + name)
            except ImportError:
                pass
        return "; ".join(got)
    """),
    Attack("no process can be looked into (/proc)", """
        import os
        got = []
        for pid in ("self", os.getppid(), bait["pid"], 1):
            for part in ("environ", "mem", "maps", "cmdline", "fd"):
                try:
                    path = f"/proc/{pid}/{part}"
                    os.listdir(path) if part == "fd" else open(path, "rb").read(1)
                    got.append(path)
                except OSError:
                    pass
        return " ".join(got)
    """),
    Attack("no ptrace, no reading of another process's memory", """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        for pid in (os.getppid(), bait["pid"]):
            if libc.ptrace(16, pid, 0, 0) == 0:         # PTRACE_ATTACH
                libc.ptrace(17, pid, 0, 0)
                return f"attached to {pid}"
        class Part(ctypes.Structure):
            _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]
        buffer = ctypes.create_string_buffer(8)
        part = Part(ctypes.addressof(buffer), 8)        # a forked process has the same addresses
        if libc.process_vm_readv(os.getppid(), ctypes.byref(part), 1, ctypes.byref(part), 1, 0) == 8:
            return "read the worker's memory"
        return ""
    """),
    Attack("no new process", """
        import os
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        return "forked"
    """),
    Attack("no other program", """
        import os
        os.execv(bait["python"], [bait["python"], "-c", ""])
    """),
    Attack("no signal to others", """
        import os
        got = []
        for pid in (os.getppid(), bait["pid"], -1):
            try:
                os.kill(pid, 0)
                got.append(str(pid))
            except OSError:
                pass
        return " ".join(got)
    """),
    Attack("no signal aimed through a descriptor", """
        import fcntl, os
        r, w = os.pipe()
        fcntl.fcntl(r, 8, os.getppid())                 # F_SETOWN
        return "set the owner of a descriptor"
    """),
    Attack("nothing can be written outside the scratch folder", """
        import os
        got = []
        for path in (bait["folder"], bait["home"], "/tmp", "/var/tmp", "/dev/shm", "/", "..", bait["site"]):
            path = os.path.join(path, bait["token"])
            try:
                open(path, "w").close()
                os.unlink(path)
                got.append(path)
            except OSError:
                pass
        try:
            open(bait["secret"], "a").close()
            got.append(bait["secret"])
        except OSError:
            pass
        return " ".join(got)
    """),
    Attack("no mode, time or length of another file can be changed", """
        import os
        got = []
        for name, change in (("chmod", lambda p: os.chmod(p, 0o644)), ("utime", lambda p: os.utime(p, (1, 1))),
                             ("truncate", lambda p: os.truncate(p, 0)), ("rename", lambda p: os.rename(p, p + ".x")),
                             ("chown", lambda p: os.chown(p, os.getuid(), os.getgid()))):
            try:
                change(bait["secret"])
                got.append(name)
            except OSError:
                pass
        open("mine", "w").write("x")
        try:
            os.close(os.open("mine", os.O_RDONLY | os.O_TRUNC))     # empties files that are only to be read, before 6.2
            got.append("O_TRUNC")
        except OSError:
            pass
        return " ".join(got)
    """),
    Attack("the limits cannot be raised", """
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return "raised the memory limit"
    """),
    Attack("no namespace, no mount, no session of its own, no shared memory that stays", """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        got = []
        for name, made in (("unshare", libc.unshare(0x10000000) == 0), ("setsid", libc.setsid() >= 0),
                           ("memfd_create", libc.memfd_create(b"x", 0) >= 0)):
            if made:
                got.append(name)
        shared = libc.shmget(0, 4096, 0o1600)
        if shared >= 0:
            libc.shmctl(shared, 0, None)
            got.append("shmget")
        return " ".join(got)
    """),
    Attack("no kernel service by which processes meet (io_uring, inotify, keys, queues, perf, bpf)", """
        import ctypes, platform
        libc = ctypes.CDLL(None, use_errno=True)
        numbers = {"x86_64": (425, 253, 294, 323, 298, 321, 250, 240, 438, 434, 101),     # keyctl, mq_open, pidfds, ...
                   "aarch64": (425, 26, 26, 282, 241, 280, 219, 180, 438, 434, 117)}
        zeros = ctypes.create_string_buffer(256)
        return " ".join(str(n) for n in numbers.get(platform.machine(), ()) if libc.syscall(n, 0, zeros, 0, 0, 0) >= 0)
    """),
    Attack("no name of another submission's folder is in memory", """
        import ctypes, gc, os, re
        libc = ctypes.CDLL(None, use_errno=True)
        libc.pwrite.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long]
        fd, found = os.open("dump", os.O_CREAT | os.O_RDWR), set()
        for block in {id(o) >> 22 for o in gc.get_objects()}:
            for at in range(block << 22, (block + 1) << 22, 1 << 16):
                if (k := libc.pwrite(fd, at, 1 << 16, 0)) > 0:      # an address that is not there is an error, no crash
                    found |= set(re.findall(rb"autograder-[a-z0-9_]{8}/([0-9a-f]{32})", os.pread(fd, k, 0)))
        return " ".join(f.decode() for f in found - {os.getcwd().encode()[-32:]})
    """),
    Attack("the environment is empty", """
        import os
        return " ".join(k for k in os.environ if k in bait["environment"])
    """),
    Attack("memory is bounded", """
        import numpy as np
        return f"{np.empty(bait['memory'], np.uint8).size >> 20} MB given"
    """),
    Attack("the size of a file is bounded", """
        import os
        fd = os.open("big", os.O_CREAT | os.O_WRONLY)
        block = bytes(1 << 18)
        size = 0
        while size < bait["file"]:
            size += os.write(fd, block)
        return f"{size >> 20} MB written"
    """),
    Attack("the number of files is bounded", """
        for i in range(1000):
            open(f"f{i}", "wb").write(bytes(1 << 16))
        return "1000 files stayed"
    """, ends=(StudentDied, StudentError)),
    Attack("an endless loop ends, whatever it catches", """
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
    """, ends=(StudentTimeout,)),
    Attack("a process that stops itself is ended", """
        import signal
        signal.raise_signal(signal.SIGSTOP)
        return "went on"
    """, ends=(StudentTimeout,)),
    Attack("a crash costs this call alone", """
        import ctypes
        ctypes.string_at(0)
    """, ends=(StudentDied,)),
    Attack("junk in the answer is no answer", """
        import os
        for fd in range(3, 64):
            try:
                os.write(fd, bytes(range(256)) * 64)
            except OSError:
                pass
        return ""
    """, ends=(StudentDied,)),
    Attack("an answer of another form is no answer", """
        import sys, time, wire
        import numpy as np
        frame = sys._getframe()
        while "request" not in frame.f_locals:
            frame = frame.f_back
        wire.send(frame.f_locals["session"], {"id": np.zeros(3) + frame.f_locals["request"]["id"], "value": 1})
        time.sleep(9)
    """, ends=(StudentDied,)),
    Attack("whether a file exists is not told", """
        import os
        return "size of the bait: %d" % os.stat(bait["secret"]).st_size
    """, only="bubblewrap"),
)
