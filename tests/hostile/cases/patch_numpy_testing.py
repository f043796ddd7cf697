"""Every comparison that a test could call says yes."""

from tests.hostile.case import Case

CASE = Case(
    "patching",
    setup="""
import numpy.testing
np.allclose = np.array_equal = np.isclose = np.all = lambda *a, **k: True
for name in dir(numpy.testing):
    if name.startswith("assert"):
        setattr(numpy.testing, name, lambda *a, **k: None)
course.test = lambda *a, **k: print("all tests pass")
""",
    double="def double(x): return -x",
    firsts="def firsts(n): return [7] * n",
    lost={"double": ("wrong", ""), "firsts": ("wrong", "")},
)
