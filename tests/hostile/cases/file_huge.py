"""A file of 40 MB."""

from tests.hostile.case import Case

CASE = Case(
    "broken files",
    edit=lambda notebook, place: b'{"cells": "' + b"x" * (40 << 20) + b'"}',
    status="refused",
    reason="the limit is 32 MB",
)
