"""A forged frame with an array of no entries, whose fifteen other axes spell a number."""

from tests.hostile.case import Case

CASE = Case(
    "hidden inputs",
    double="""
def double(x):
    import json
    import os
    import struct
    import sys
    frame = sys._getframe()
    while "request" not in frame.f_locals:
        frame = frame.f_back
    digits = [int(d) + 1 for d in "%015d" % int(abs(x[0]) * 1e15)]
    tree = {"d": [["value", {"a": ["<f8", [0, *(d * 1_000_000 for d in digits)]]}], ["args", {"t": [None]}],
                  ["id", frame.f_locals["request"]["id"]]]}
    header = json.dumps(tree).encode()
    os.write(3, struct.pack("<II", len(header), 0) + header)
    import time
    time.sleep(9)
""",
    lost={"double": ("died", "")},
    incident="died",
)
