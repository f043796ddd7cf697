"""The argument itself comes back, changed in place."""

from tests.hostile.case import Case

CASE = Case(
    "aliasing",
    double="""
def double(x):
    x *= 2
    return x
""",
    partly={"double": (3.0, "changed its argument")},
)
