"""Generators, cycles, and lists nested a thousand deep."""

from tests.hostile.case import Case

CASE = Case(
    "lying objects",
    double="""
def double(x):
    while True:
        yield x
""",
    firsts="""
def firsts(n):
    x = []
    for i in range(1000):
        x = [x]
    return x
""",
    lost={"double": ("wrong", "generator"), "firsts": ("wrong", "nested")},
)
