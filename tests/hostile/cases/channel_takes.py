"""Looks for what another submission has left, and prints it."""

from tests.hostile.case import Case

CASE = Case(
    "channels",
    setup="""
import ctypes
import glob
import os
for folder in ("/dev/shm", "/tmp", "/var/tmp", "/run", "/dev/mqueue", ".", "..", "<COURSE>"):
    try:
        print(os.listdir(folder))
    except OSError:
        pass
    try:
        print(open(folder + "/hostile-note", "rb").read())
    except OSError:
        pass
libc = ctypes.CDLL(None, use_errno=True)
shared = libc.shmget(0x7a7a, 4096, 0o600)
if shared >= 0:
    libc.shmat.restype = ctypes.c_void_p
    print(ctypes.string_at(libc.shmat(shared, None, 0), 200))
print("got", [name for name, n in (("shm", shared), ("mq", libc.mq_open(b"/hostile-note", 0)),
                                   ("sem", libc.semget(0x7a7a, 1, 0o600)),
                                   ("key", libc.syscall(249, b"user", b"hostile-note", None, -4)))
              if n >= 0])
""",
)
