"""The first digit of a drawn input as the time that the call takes: the verdict is the same."""

from tests.hostile.case import Case

CASE = Case(
    "hidden inputs",
    double="""
def double(x):
    import time
    time.sleep(int(str(abs(float(x[0])))[2]) / 100)
    return 2 * x
""",
)
