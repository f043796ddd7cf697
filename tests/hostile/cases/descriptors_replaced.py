"""The grader's socket is replaced by a pipe, standard output by another."""

from tests.hostile.case import Case

CASE = Case(
    "file descriptors",
    firsts="""
def firsts(n):
    import os
    r, w = os.pipe()
    os.dup2(w, 3)
    os.dup2(w, 1)
    return [i * i for i in range(n)]
""",
    lost={"firsts": ("died|timeout", "")},
)
