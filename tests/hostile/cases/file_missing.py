"""Something else was handed in."""

import os

from tests.hostile.case import Case


def other(folder, place):
    os.rename(folder / "01_hostile.ipynb", folder / "homework.docx")


CASE = Case(
    "broken files",
    beside=other,
    status="missing",
    reason="no file",
)
