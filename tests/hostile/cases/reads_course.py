"""The checks, the solution, the secret, the gradebook: looked for where they lie, and printed."""

from tests.hostile.case import Case

CASE = Case(
    "reading files",
    setup="""
import glob
import os
for place in ("checks/01_hostile/checks.py", "checks/01_hostile/notebook.py", ".autograder/secret", "gradebook.db",
              "source/01_hostile/01_hostile.ipynb", "course.toml"):
    for root in ("<COURSE>", "../../..", ".", "/proc/self/cwd", "/proc/1/root<COURSE>"):
        try:
            print(open(os.path.join(root, place), "rb").read())
        except OSError:
            pass
""",
    firsts="""
def firsts(n):
    space = {"np": np}
    exec(open("<COURSE>/checks/01_hostile/notebook.py").read(), space)
    return space["firsts"](n)
""",
    lost={"firsts": ("raises", "Error")},
)
