"""Right numbers of a wrong dtype: texts, complex, objects, whole numbers."""

from tests.hostile.case import Case

CASE = Case(
    "wrong values",
    double="def double(x): return (2 * x).astype(object)",
    firsts="def firsts(n): return [str(i * i) for i in range(n)]",
    lost={"double": ("wrong", "objects"), "firsts": ("wrong", "")},
)
