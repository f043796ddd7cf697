"""A list of one long text and many empty ones: as an array in the grader it would be 16 GB."""

from tests.hostile.case import Case

CASE = Case(
    "memory floods",
    double="""
def double(x):
    return ["x" * 4_000_000] + [""] * 1000
""",
    lost={"double": ("wrong", "list")},
)
