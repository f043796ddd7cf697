"""A file of 40 MB."""

import os

from tests.hostile.case import Case


def grow(folder, place):
    os.truncate(folder / "01_hostile.ipynb", 40 << 20)     # a hole in the file: it takes no space here


CASE = Case(
    "broken files",
    beside=grow,
    status="refused",
    reason="the limit is 32 MB",
)
