"""A thread answers before it is asked, under every number that it can think of."""

from tests.hostile.case import Case

CASE = Case(
    "pipe protocol",
    setup="""
import threading
import time
import wire

def answer():
    import socket
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, 3)
    for i in range(50):
        time.sleep(0.02)
        for number in (0, 1, i, None, True, np.zeros(0)):
            try:
                wire.send(s, {"id": number, "value": 1, "args": (1,)})
            except OSError:
                return

started = False
def start():
    global started
    if not started:
        started = True
        threading.Thread(target=answer, daemon=True).start()
""",
    firsts="""
def firsts(n):
    start()
    time.sleep(0.2)
    return [i * i for i in range(n)]
""",
    lost={"firsts": ("died", "ended")},
    incident="died",
)
