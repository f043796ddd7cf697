"""A fork bomb."""

from tests.hostile.case import Case

CASE = Case(
    "fork bombs",
    firsts="""
def firsts(n):
    import os
    while True:
        os.fork()
""",
    lost={"firsts": ("raises|wrong", "PermissionError")},
)
