"""The folder is a link to a classmate's."""

import os
import shutil

from tests.hostile.case import Case


def link(folder, place):
    shutil.rmtree(folder)
    os.symlink(os.path.dirname(place["neighbour"]), folder)


CASE = Case(
    "links",
    beside=link,
    status="refused",
    reason="symbolic link",
)
