"""All test cells and one answer are deleted."""

from tests.hostile.case import Case


def delete(notebook, place):
    gone = ("double-test", "layer-test", "layer-backward-test", "sums-test", "firsts-test", "firsts")
    notebook["cells"] = [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") not in gone]
    return notebook


CASE = Case(
    "changed cells",
    edit=delete,
    lost={"firsts": ("missing|not_written", "")},
)
