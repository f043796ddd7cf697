"""Builtins replaced by ones that say yes, and the names that the worker looks up."""

from tests.hostile.case import Case

CASE = Case(
    "patching",
    firsts="""
def firsts(n):
    import builtins
    builtins.isinstance = lambda *a: True
    builtins.type = lambda *a: list
    builtins.len = lambda x: 0
    builtins.all = lambda x: True
    return "anything"
""",
    lost={"firsts": ("wrong|died|timeout", "")},
)
