"""A function that ignores all signals and sleeps on."""

from tests.hostile.case import Case

CASE = Case(
    "endless loops",
    firsts="""
def firsts(n):
    import signal
    import time
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        time.sleep(1)
""",
    lost={"firsts": ("timeout", "too slow")},
    incident="timeout",
)
