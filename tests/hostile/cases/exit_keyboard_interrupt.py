"""A KeyboardInterrupt of the student's own."""

from tests.hostile.case import Case

CASE = Case(
    "exits",
    firsts="""
def firsts(n):
    raise KeyboardInterrupt
""",
    lost={"firsts": ("raises", "KeyboardInterrupt")},
)
