"""A right function that prints, warns and writes to stderr in every call keeps its points."""

from tests.hostile.case import Case

CASE = Case(
    "output floods",
    double="""
def double(x):
    import sys
    import warnings
    print("chatter " * 200)
    print("chatter", file=sys.stderr)
    warnings.warn("chatter")
    return 2 * x
""",
)
