"""One call into C that never comes back to Python."""

from tests.hostile.case import Case

CASE = Case(
    "endless loops",
    firsts="""
def firsts(n):
    import re
    return re.match("(a+)+$", "a" * 50 + "b")
""",
    lost={"firsts": ("timeout", "too slow")},
    incident="timeout",
)
