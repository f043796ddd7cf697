"""A download that broke off."""

import json

from tests.hostile.case import Case


def cut(notebook, place):
    return json.dumps(notebook).encode()[:3000]


CASE = Case(
    "broken files",
    edit=cut,
    status="unreadable",
    reason="its JSON is broken",
)
