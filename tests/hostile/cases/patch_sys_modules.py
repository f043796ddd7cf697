"""The modules of the worker are replaced: the one that sends answers, JSON, the grader's own names."""

from tests.hostile.case import Case

CASE = Case(
    "patching",
    firsts="""
def firsts(n):
    import sys
    import types
    for name in ("wire", "cells", "confine", "autograder", "autograder.oracle", "autograder.compare", "nbgrader"):
        fake = types.ModuleType(name)
        fake.__getattr__ = lambda attribute: (lambda *a, **k: True)
        sys.modules[name] = fake
    return [True] * n
""",
    lost={"firsts": ("wrong", "")},
)
