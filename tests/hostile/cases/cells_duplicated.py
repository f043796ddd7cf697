"""Every cell stands twice; the second copies of the tests ask for nothing, and the last answer counts."""

import json

from tests.hostile.case import Case, cell


def twice(notebook, place):
    copies = json.loads(json.dumps(notebook["cells"]))
    for c in copies:
        if c["metadata"].get("nbgrader", {}).get("grade"):
            c["source"] = "pass"
    cell({"cells": copies}, "double")["source"] = "def double(x): return -x"
    notebook["cells"] += copies
    return notebook


CASE = Case(
    "changed cells",
    edit=twice,
    lost={"double": ("wrong", "")},
    incident="changed",
)
