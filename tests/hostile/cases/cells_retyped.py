"""Code cells as markdown and raw, markdown as code."""

from tests.hostile.case import Case, cell


def retype(notebook, place):
    cell(notebook, "double-test")["cell_type"] = "markdown"
    cell(notebook, "double")["cell_type"] = "raw"
    notebook["cells"][0]["cell_type"] = "code"
    return notebook


CASE = Case(
    "changed cells",
    edit=retype,
    incident="changed",
)
