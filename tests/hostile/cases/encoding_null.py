"""A null character in the source of an answer."""

from tests.hostile.case import Case, cell


def null(notebook, place):
    cell(notebook, "firsts")["source"] += "\x00"
    return notebook


CASE = Case(
    "encodings",
    edit=null,
    lost={"firsts": ("missing", "no function")},
)
