"""Sources that a parser chokes on: brackets, operators and attributes a hundred thousand deep."""

from tests.hostile.case import Case

CASE = Case(
    "crashes",
    firsts="x = " + "-" * 90_000 + "1",
    double="x = " + "(" * 90_000 + ")" * 90_000,
    setup="x" + ".a" * 60_000,
    lost={"firsts": ("missing", "no function"), "double": ("missing", "no function")},
)
