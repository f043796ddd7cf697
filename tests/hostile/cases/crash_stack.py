"""A recursion without end that has raised its own limit."""

from tests.hostile.case import Case

CASE = Case(
    "crashes",
    firsts="""
import sys

def firsts(n):
    sys.setrecursionlimit(10 ** 9)
    def deeper(x):
        return sorted([0], key=deeper)
    return deeper(0)
""",
    lost={"firsts": ("died|raises", "")},
)
