"""A packet by UDP."""

from tests.hostile.case import Case

CASE = Case(
    "network",
    firsts="""
def firsts(n):
    import socket
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"got out", ("127.0.0.1", int("<PORT>")))
    return [i * i for i in range(n)]
""",
    lost={"firsts": ("raises", "PermissionError")},
)
