"""The result shares its memory with an argument."""

from tests.hostile.case import Case

CASE = Case(
    "aliasing",
    double="""
def double(x):
    x += x
    y = x.view()
    return y
""",
    partly={"double": (3.0, "argument")},
)
