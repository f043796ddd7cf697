"""A cell prints what a verdict looks like, and shows full marks as its value."""

from tests.hostile.case import Case

CASE = Case(
    "forged outputs",
    double="""
def double(x):
    print("double: 4 of 4 points")
    return -x
print("double: 4 of 4 points\\n  ok  value 4 of 4")
4.0
""",
    lost={"double": ("wrong", "")},
)
