"""A header of a million brackets, and one of digits."""

from tests.hostile.case import Case

CASE = Case(
    "pipe protocol",
    firsts="""
def firsts(n):
    import os
    import struct
    os.write(3, struct.pack("<II", 1 << 20, 0) + b"[" * (1 << 20))
    return [i * i for i in range(n)]
""",
    double="""
def double(x):
    import os
    import struct
    os.write(3, struct.pack("<II", 200_000, 0) + b"9" * 200_000)
    return 2 * x
""",
    lost={"firsts": ("died", "ended"), "double": ("died", "ended")},
    incident="died",
)
