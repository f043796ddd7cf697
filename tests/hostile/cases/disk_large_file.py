"""One file that grows without end."""

from tests.hostile.case import Case

CASE = Case(
    "disk floods",
    firsts="""
def firsts(n):
    with open("big", "wb") as file:
        while True:
            file.write(bytes(1 << 20))
""",
    lost={"firsts": ("raises", "OSError")},
)
