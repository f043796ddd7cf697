"""The notebook is a link to the instructor's."""

import os

from tests.hostile.case import Case


def link(folder, place):
    os.unlink(folder / "01_hostile.ipynb")
    os.symlink(place["course"] + "/source/01_hostile/01_hostile.ipynb", folder / "01_hostile.ipynb")


CASE = Case(
    "links",
    beside=link,
    status="refused",
    reason="symbolic link",
)
