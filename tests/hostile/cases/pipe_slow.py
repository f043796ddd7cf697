"""An answer that drips, one byte now and then."""

from tests.hostile.case import Case

CASE = Case(
    "pipe protocol",
    firsts="""
def firsts(n):
    import os
    import struct
    import time
    os.write(3, struct.pack("<II", 1000, 0))
    while True:
        os.write(3, b"[")
        time.sleep(0.05)
""",
    lost={"firsts": ("timeout", "too slow")},
    incident="timeout",
)
