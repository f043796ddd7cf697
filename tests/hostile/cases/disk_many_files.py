"""Files without end in the scratch folder."""

from tests.hostile.case import Case

CASE = Case(
    "disk floods",
    firsts="""
def firsts(n):
    i = 0
    while True:
        open(f"f{i}", "wb").write(bytes(1 << 16))
        i += 1
""",
    lost={"firsts": ("died", "")},
    incident="died",
)
