"""The processor's clocks, sessions and limits of other processes, by their numbers: read where a layer shows them."""

from tests.hostile.case import Case

CASE = Case(
    "reading processes",
    setup="""
import os
import resource
import time
for pid in (1, <PID>, os.getppid()):
    for ask in (lambda p: time.clock_gettime(~p << 3 | 2), os.getsid, os.getpgid, os.sched_getaffinity,
                lambda p: resource.prlimit(p, resource.RLIMIT_CPU, (1, 1)),
                lambda p: os.sched_setaffinity(p, {0}), lambda p: os.kill(p, 0), lambda p: os.pidfd_open(p)):
        try:
            ask(pid)
        except (OSError, ValueError):
            pass
""",
)
