"""The test cell asks for nothing any more."""

from tests.hostile.case import Case, cell


def change(notebook, place):
    cell(notebook, "double-test")["source"] = "4.0"
    return notebook


CASE = Case(
    "changed cells",
    double="def double(x): return -x",
    edit=change,
    lost={"double": ("wrong", "")},
    incident="changed",
)
