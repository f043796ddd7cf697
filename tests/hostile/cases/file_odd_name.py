"""The notebook under a name that is no text, with an escape sequence and a tag in it."""

import os

from tests.hostile.case import Case


def rename(folder, place):
    name = os.fsencode(folder) + b"/\xff\xfe\x1b[2J<img src=x onerror=hostile-xss>.ipynb"
    os.rename(folder / "01_hostile.ipynb", name)


CASE = Case(
    "encodings",
    beside=rename,
    reason="graded as",
)
