"""A thread reads the grader's requests off the socket before the worker does."""

from tests.hostile.case import Case

CASE = Case(
    "pipe protocol",
    firsts="""
def firsts(n):
    import os
    import threading
    def steal():
        while True:
            os.read(3, 1 << 16)
    threading.Thread(target=steal, daemon=True).start()
    return [i * i for i in range(n)]
""",
    lost={"firsts": ("died|timeout", "")},
)
