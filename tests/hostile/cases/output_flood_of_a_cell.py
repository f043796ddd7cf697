"""A cell that prints for ever; the functions of the other cells are right."""

from tests.hostile.case import Case

CASE = Case(
    "output floods",
    setup="""
while True:
    print("flood " * 1000)
""",
    incident="timeout",
)
