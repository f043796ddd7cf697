"""A TCP connection to a port that listens on this machine."""

from tests.hostile.case import Case

CASE = Case(
    "network",
    firsts="""
def firsts(n):
    import socket
    socket.create_connection(("127.0.0.1", int("<PORT>")), 0.2).sendall(b"got out")
    return [i * i for i in range(n)]
""",
    lost={"firsts": ("raises", "PermissionError")},
)
