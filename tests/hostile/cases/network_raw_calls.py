"""Sockets by the system call itself, and by io_uring."""

from tests.hostile.case import Case

CASE = Case(
    "network",
    firsts="""
def firsts(n):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    got = [libc.syscall(41, family, kind, 0) for family in (1, 2, 10, 16, 17, 40) for kind in (1, 2, 3)]
    got.append(libc.syscall(425, 8, ctypes.create_string_buffer(120)))
    return [i * i for i in range(n)] if max(got) < 0 else [-1]
""",
)
