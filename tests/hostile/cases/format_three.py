"""The notebook in format 3, with worksheets."""

from tests.hostile.case import Case


def old(notebook, place):
    sheet = []
    for c in notebook["cells"]:
        source = c.pop("source")
        sheet.append(c | {"input" if c["cell_type"] == "code" else "source": source})
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": sheet}]}


CASE = Case(
    "kernels and formats",
    edit=old,
    reason="old format 3",
)
