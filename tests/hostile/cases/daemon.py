"""The double fork of a daemon, and a session of its own."""

from tests.hostile.case import Case

CASE = Case(
    "stopped and daemonised processes",
    firsts="""
def firsts(n):
    import os
    try:
        os.setsid()
    except PermissionError:
        pass
    if os.fork() == 0:
        os.setsid()
        while True:
            pass
    return [i * i for i in range(n)]
""",
    lost={"firsts": ("raises", "PermissionError")},
)
