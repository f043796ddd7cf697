"""Every descriptor is closed."""

from tests.hostile.case import Case

CASE = Case(
    "file descriptors",
    firsts="""
def firsts(n):
    import os
    os.closerange(0, 4096)
    return [i * i for i in range(n)]
""",
    lost={"firsts": ("died", "ended")},
    incident="died",
)
