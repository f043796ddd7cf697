"""UTF-16, as an old editor saves it."""

import json

from tests.hostile.case import Case


def wide(notebook, place):
    return json.dumps(notebook).encode("utf-16")


CASE = Case(
    "encodings",
    edit=wide,
    status="unreadable",
    reason="not UTF-8",
)
