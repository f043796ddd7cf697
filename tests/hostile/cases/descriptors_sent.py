"""Descriptors are sent to the grader over its own socket."""

from tests.hostile.case import Case

CASE = Case(
    "file descriptors",
    firsts="""
def firsts(n):
    import array
    import os
    import socket
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, os.dup(3))
    s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
    return [i * i for i in range(n)]
""",
    lost={"firsts": ("died|timeout", "")},
)
