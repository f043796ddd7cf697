"""A thread that goes on changing the array that was returned."""

from tests.hostile.case import Case

CASE = Case(
    "threads left running",
    double="""
import threading
import time

def double(x):
    y = 2 * x
    def later():
        time.sleep(0.05)
        y[:] = 0
    threading.Thread(target=later, daemon=True).start()
    return y
""",
)
