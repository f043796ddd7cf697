"""File locks, leases and notifications on files that all submissions can read."""

from tests.hostile.case import Case

CASE = Case(
    "channels",
    firsts="""
def firsts(n):
    import fcntl
    import os
    got = []
    fd = os.open(np.__file__, os.O_RDONLY)
    for name, ask in (("flock", lambda: fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)),
                      ("lockf", lambda: fcntl.fcntl(fd, 6, bytes(32))), ("lease", lambda: fcntl.fcntl(fd, 1024, 0)),
                      ("notify", lambda: fcntl.fcntl(os.open(".", 0), 1026, 1)),
                      ("utime", lambda: os.utime(np.__file__)), ("xattr", lambda: os.setxattr(".", "user.a", b"b"))):
        try:
            ask()
            got.append(name)
        except OSError:
            pass
    return [i * i for i in range(n)] if not got else got
""",
)
