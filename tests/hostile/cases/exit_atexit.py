"""Code that is to run when the process ends."""

from tests.hostile.case import Case

CASE = Case(
    "exits",
    setup="""
import atexit
atexit.register(lambda: open("late", "w").write("x"))
""",
)
