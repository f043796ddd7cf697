"""The display hook is called with full marks, and replaced."""

from tests.hostile.case import Case

CASE = Case(
    "forged outputs",
    double="""
import sys
sys.displayhook(4.0)
sys.displayhook = lambda value: sys.__stdout__.write("4.0")
def double(x):
    sys.displayhook(4.0)
    return -x
display(4.0)
""",
    lost={"double": ("wrong", "")},
)
