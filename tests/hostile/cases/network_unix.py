"""A Unix socket of the abstract kind, which no file system guards."""

from tests.hostile.case import Case

CASE = Case(
    "network",
    firsts="""
def firsts(n):
    import socket
    s = socket.socket(socket.AF_UNIX)
    s.connect("\\0" + "<ABSTRACT>")
    return [i * i for i in range(n)]
""",
    lost={"firsts": ("raises", "PermissionError")},
)
