"""A tag that no file can hold: a lone surrogate. It ended the grading of the whole class once."""

from tests.hostile.case import Case, cell


def tag(notebook, place):
    cell(notebook, "double-test")["metadata"]["tags"] = ["\ud800 \x1b]0;owned\x07", "x" * 100_000]
    return notebook


CASE = Case(
    "encodings",
    edit=tag,
    incident="changed",
)
