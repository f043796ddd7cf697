"""Links to the gradebook, the secret and the environment lie beside a right notebook, one in the time stamp's place."""

import os

from tests.hostile.case import Case


def links(folder, place):
    os.symlink(place["course"] + "/gradebook.db", folder / "data.bin")
    os.symlink(place["course"] + "/.autograder/secret", folder / "timestamp.txt")
    os.symlink(place["course"], folder / "more")
    os.symlink("/proc/self/environ", folder / "feedback.html")


CASE = Case(
    "links",
    beside=links,
)
