"""A right function that hangs where nobody can look: a time bomb that spares the visible test."""

from tests.hostile.case import Case

CASE = Case(
    "endless loops",
    double="""
def double(x):
    import time
    if x.shape != (1,) or x[0] != 1.0:
        time.sleep(60)
    return 2 * x
""",
    lost={"double": ("timeout", "too slow")},
    incident="timeout",
)
