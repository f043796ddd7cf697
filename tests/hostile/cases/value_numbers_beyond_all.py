"""Whole numbers of thousands of digits."""

from tests.hostile.case import Case

CASE = Case(
    "wrong values",
    firsts="def firsts(n): return [10 ** 2000 + i for i in range(n)]",
    double="def double(x): return 10 ** 100_000",
    lost={"firsts": ("wrong", ""), "double": ("wrong", "digits")},
)
