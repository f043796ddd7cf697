"""A process that stops itself."""

from tests.hostile.case import Case

CASE = Case(
    "stopped and daemonised processes",
    firsts="""
def firsts(n):
    import signal
    signal.raise_signal(signal.SIGSTOP)
    return [i * i for i in range(n)]
""",
    lost={"firsts": ("timeout", "too slow")},
    incident="timeout",
)
