"""An answer that announces a gigabyte."""

from tests.hostile.case import Case

CASE = Case(
    "pipe protocol",
    firsts="""
def firsts(n):
    import os
    import struct
    os.write(3, struct.pack("<II", 1 << 20, 1 << 30))
    return [i * i for i in range(n)]
""",
    lost={"firsts": ("died", "ended")},
    incident="died",
)
