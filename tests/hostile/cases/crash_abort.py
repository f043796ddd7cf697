"""abort() in the middle of a call."""

from tests.hostile.case import Case

CASE = Case(
    "crashes",
    firsts="""
def firsts(n):
    import os
    os.abort()
""",
    lost={"firsts": ("died", "ended")},
    incident="died",
)
