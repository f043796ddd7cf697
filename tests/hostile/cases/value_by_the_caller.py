"""Right for the visible test and for whoever looks like a person, wrong where the grader is known by its traces."""

from tests.hostile.case import Case

CASE = Case(
    "wrong values",
    double="""
def double(x):
    import os
    import sys
    graded = "NBGRADER_EXECUTION" in os.environ or "IPython.core" not in sys.modules
    return x + 2 if graded else 2 * x
""",
    firsts="""
def firsts(n):
    import inspect
    asked = [f.function for f in inspect.stack()]
    return [i * i for i in range(n)] if "call" not in asked else list(range(n))
""",
    lost={"double": ("wrong", ""), "firsts": ("wrong", "")},
)
