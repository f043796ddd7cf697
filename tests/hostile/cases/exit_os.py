"""os._exit in a function."""

from tests.hostile.case import Case

CASE = Case(
    "exits",
    firsts="""
def firsts(n):
    import os
    os._exit(0)
""",
    lost={"firsts": ("died", "ended")},
    incident="died",
)
