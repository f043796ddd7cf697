"""A list that grows until nothing is left."""

from tests.hostile.case import Case

CASE = Case(
    "memory floods",
    firsts="""
def firsts(n):
    kept = []
    while True:
        kept.append(bytes(16 << 20))
""",
    lost={"firsts": ("raises", "MemoryError")},
)
