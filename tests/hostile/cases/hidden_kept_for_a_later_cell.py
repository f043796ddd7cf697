"""The drawn inputs are kept in globals and files, and a later cell prints what it finds."""

from tests.hostile.case import Case

CASE = Case(
    "hidden inputs",
    double="""
import glob
import os
SEEN = []

def double(x):
    SEEN.append(x.tolist())
    for folder in (".", "..", os.environ["HOME"], os.environ["TMPDIR"], "/tmp", "/dev/shm"):
        try:
            open(os.path.join(folder, "seen"), "a").write(repr(x.tolist()))
        except OSError:
            pass
    return 2 * x
""",
    firsts="""
print("seen:", SEEN)
for folder in (".", "..", os.environ["HOME"], os.environ["TMPDIR"], "/tmp", "/dev/shm"):
    try:
        print(open(os.path.join(folder, "seen")).read())
    except OSError:
        pass

def firsts(n):
    return [i * i for i in range(n)]
""",
)
