"""Four megabytes of bools where a short list is asked for."""

from tests.hostile.case import Case

CASE = Case(
    "memory floods",
    firsts="""
def firsts(n):
    return np.zeros(4_000_000, bool)
""",
    lost={"firsts": ("wrong", "")},
)
