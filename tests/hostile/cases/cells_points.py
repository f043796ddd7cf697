"""A thousand points for a wrong answer, and the flags that make a test the student's own."""

from tests.hostile.case import Case, cell


def enrich(notebook, place):
    cell(notebook, "double-test")["metadata"]["nbgrader"].update(points=1000)
    cell(notebook, "layer-test")["metadata"]["nbgrader"].update(points=-5, grade=False, solution=True)
    return notebook


CASE = Case(
    "changed cells",
    double="def double(x): return -x",
    edit=enrich,
    lost={"double": ("wrong", "")},
    incident="changed",
)
