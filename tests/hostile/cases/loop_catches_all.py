"""A loop that catches every exception, the interrupt included."""

from tests.hostile.case import Case

CASE = Case(
    "endless loops",
    firsts="""
def firsts(n):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
""",
    lost={"firsts": ("timeout", "too slow")},
    incident="timeout",
)
