"""Leaves a drawn input wherever a later submission could look."""

from tests.hostile.case import Case

CASE = Case(
    "channels",
    double="""
def double(x):
    import ctypes
    import mmap
    import os
    import socket
    note = ("CANARY-NOTE " + repr(x.tolist())).encode()
    for folder in ("/dev/shm", "/tmp", "/var/tmp", "/run", "/dev/mqueue", ".", "..", "<COURSE>"):
        try:
            open(folder + "/hostile-note", "wb").write(note)
        except OSError:
            pass
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        socket.socket(socket.AF_UNIX).bind("\\0hostile-note")
    except OSError:
        pass
    shared = libc.shmget(0x7a7a, 4096, 0o1600)
    if shared >= 0:
        libc.shmat.restype = ctypes.c_void_p
        ctypes.memmove(libc.shmat(shared, None, 0), note, len(note))
    libc.mq_open(b"/hostile-note", 0o102, 0o600, None)
    libc.semget(0x7a7a, 1, 0o1600)
    libc.syscall(248, b"user", b"hostile-note", note, len(note), -4)       # add_key
    libc.prctl(15, note[:15])
    fd = os.open("/dev/zero", os.O_RDWR)
    try:
        mmap.mmap(fd, 4096)[:len(note)] = note
    except OSError:
        pass
    return 2 * x
""",
)
