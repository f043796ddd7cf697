"""A slow cell, and a function that kills each process that has run it."""

from tests.hostile.case import Case

CASE = Case(
    "endless loops",
    setup="import time; time.sleep(0.4)",
    double="""
def double(x):
    import os
    os._exit(1)
""",
    lost={"double": ("died", "ended")},
    incident="died",
)
