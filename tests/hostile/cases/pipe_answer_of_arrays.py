"""A forged answer with the right number, whose parts are arrays where texts are asked for."""

from tests.hostile.case import Case

CASE = Case(
    "pipe protocol",
    setup="""
import sys
import time
import wire

def forge(make):
    frame = sys._getframe()
    while "request" not in frame.f_locals:
        frame = frame.f_back
    wire.send(frame.f_locals["session"], make(frame.f_locals["request"]["id"]))
    time.sleep(9)
""",
    double="""
forge(lambda n: {"id": n, "ok": False, "outputs": [], "error": np.zeros(3), "dropped": 0})
def double(x): return 2 * x
""",
    firsts="def firsts(n): forge(lambda n: {'id': np.zeros(3) + n, 'value': 1})",
    lost={"double": ("missing", "no function"), "firsts": ("died", "ended")},
    incident="died",
)
