"""New processes by every other way that Python knows."""

from tests.hostile.case import Case

CASE = Case(
    "fork bombs",
    firsts="""
import multiprocessing
import os
import subprocess

def firsts(n):
    made = []
    for start in (os.forkpty, lambda: subprocess.run(["<PYTHON>", "-c", ""]), lambda: os.system("true"),
                  lambda: os.posix_spawn("<PYTHON>", ["python"], {}), lambda: os.execv("<PYTHON>", ["python"]),
                  multiprocessing.Process(target=print).start):
        try:
            if start() not in (-1, 127 << 8):       # what os.system says when it could start nothing
                made.append(start)
        except OSError:
            pass
    return [i * i for i in range(n)] if not made else [-1]
""",
)
