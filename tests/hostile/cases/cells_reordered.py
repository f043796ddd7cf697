"""The cells in the reverse order; the assignment's order counts."""

from tests.hostile.case import Case


def reverse(notebook, place):
    notebook["cells"].reverse()
    return notebook


CASE = Case(
    "changed cells",
    edit=reverse,
)
