"""Lone surrogates and a null character in the source, and printed."""

from tests.hostile.case import Case, cell


def broken(notebook, place):
    cell(notebook, "firsts")["source"] += "\n# \ud800"
    cell(notebook, "double")["source"] += "\nprint('\\udcff\\x00')\n'\\ud800'"
    return notebook


CASE = Case(
    "encodings",
    edit=broken,
)
