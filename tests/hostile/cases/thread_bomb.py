"""Threads without end."""

from tests.hostile.case import Case

CASE = Case(
    "fork bombs",
    firsts="""
def firsts(n):
    import threading
    import time
    threading.stack_size(1 << 16)
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
""",
    lost={"firsts": ("raises|timeout|died", "")},
)
