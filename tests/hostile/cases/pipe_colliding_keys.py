"""A forged answer: a set of 20,000 pairs that all have one hash, for Python's hash of a tuple can be undone."""

from tests.hostile.case import Case

CASE = Case(
    "pipe protocol",
    double="""
def colliding(count, size=1 << 64):
    back, first = pow(14029467366897019727, -1, size), 0
    while count:
        first += 1
        a = (2870177450012600261 + first * 14029467366897019727) % size
        a = (a << 31 | a >> 33) % size * 11400714785074694791 % size
        b = (12345 - a) * back % size
        if 0 < b < 1 << 60:
            count -= 1
            yield first, b

def double(x):
    import json
    import os
    import struct
    import sys
    frame = sys._getframe()
    while "request" not in frame.f_locals:
        frame = frame.f_back
    tree = {"d": [["value", {"s": [{"t": pair} for pair in colliding(20_000)]}], ["args", {"t": [None]}],
                  ["id", frame.f_locals["request"]["id"]]]}
    header = json.dumps(tree, separators=(",", ":")).encode()
    data = struct.pack("<II", len(header), 0) + header
    while data:
        data = data[os.write(3, data):]
    import time
    time.sleep(9)
""",
    lost={"double": ("died", "")},
    incident="died",
)
