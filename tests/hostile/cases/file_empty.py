"""A file of no bytes."""

from tests.hostile.case import Case

CASE = Case(
    "broken files",
    edit=lambda notebook, place: b"",
    status="unreadable",
    reason="its JSON is broken",
)
