"""The reference itself is called, by every name that it might have."""

from tests.hostile.case import Case

CASE = Case(
    "other implementations",
    firsts="""
def firsts(n):
    import importlib
    import sys
    for name in ("autograder.check", "autograder.assignment", "checks", "solutions", "notebook"):
        try:
            module = importlib.import_module(name)
            return module.Assignment("<COURSE>/checks/01_hostile").namespace()["firsts"](n)
        except ImportError:
            sys.path.append("<COURSE>/checks/01_hostile")
            sys.path.append("<GRADER>/..")
    return None
""",
    lost={"firsts": ("not_written|wrong", "nothing")},
)
