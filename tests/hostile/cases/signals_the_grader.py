"""Signals to the worker, to the grader, to everybody, and aimed through a descriptor."""

from tests.hostile.case import Case

CASE = Case(
    "reading processes",
    firsts="""
def firsts(n):
    import fcntl
    import os
    sent = []
    for pid in (os.getppid(), int("<PID>"), 0, -1):
        try:
            os.kill(pid, 9)
            sent.append(pid)
        except OSError:
            pass
    for command in (8, 10, 15):         # F_SETOWN, F_SETSIG, F_SETOWN_EX
        try:
            fcntl.fcntl(3, command, os.getppid())
            sent.append(command)
        except OSError:
            pass
    return [i * i for i in range(n)] if not sent else [-1]
""",
)
