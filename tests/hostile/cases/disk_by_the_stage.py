"""A thread that the visible test leaves on the stage, and that fills the disk while the probe is asked."""

from tests.hostile.case import Case

CASE = Case(
    "disk floods",
    double="""
import threading
import time

def fill():
    time.sleep(0.15)
    for n in range(1500):
        with open(f"fill{n}", "wb", buffering=0) as f:
            f.write(bytes(3_000_000))

tests = course.test
def test(function, **told):
    tests(function, **told)
    if function.__name__ == "double":       # run on the stage alone, and not again
        threading.Thread(target=fill, daemon=True).start()
course.test = test

def double(x):
    time.sleep(0.06)
    return 2 * x
""",
)
