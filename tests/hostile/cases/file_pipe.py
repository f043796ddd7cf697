"""A named pipe in the notebook's place: opening it would wait for ever."""

import os

from tests.hostile.case import Case


def pipe(folder, place):
    os.unlink(folder / "01_hostile.ipynb")
    os.mkfifo(folder / "01_hostile.ipynb")


CASE = Case(
    "broken files",
    beside=pipe,
    status="refused",
    reason="not a plain file",
)
