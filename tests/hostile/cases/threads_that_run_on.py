"""Threads that run on between the cells and after the last one."""

from tests.hostile.case import Case

CASE = Case(
    "threads left running",
    setup="""
import threading
import time

def spin():
    until = time.time() + 20
    while time.time() < until:
        time.sleep(0.001)

for i in range(8):
    threading.Thread(target=spin).start()
""",
)
