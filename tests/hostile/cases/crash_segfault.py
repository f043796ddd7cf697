"""A segmentation fault."""

from tests.hostile.case import Case

CASE = Case(
    "crashes",
    firsts="""
def firsts(n):
    import ctypes
    ctypes.string_at(0)
""",
    lost={"firsts": ("died", "crash")},
    incident="died",
)
