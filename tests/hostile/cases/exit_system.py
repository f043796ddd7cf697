"""SystemExit, raised and by name."""

from tests.hostile.case import Case

CASE = Case(
    "exits",
    firsts="""
def firsts(n):
    raise SystemExit(0)
""",
    setup="import sys; sys.exit('leaving')",
    lost={"firsts": ("raises", "SystemExit")},
)
