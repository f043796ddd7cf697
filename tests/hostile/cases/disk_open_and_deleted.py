"""Files that are deleted while they are open, so that no listing shows them."""

from tests.hostile.case import Case

CASE = Case(
    "disk floods",
    firsts="""
def firsts(n):
    import os
    kept = []
    while True:
        kept.append(os.open("f", os.O_CREAT | os.O_RDWR))
        os.unlink("f")
""",
    lost={"firsts": ("raises", "OSError")},
)
