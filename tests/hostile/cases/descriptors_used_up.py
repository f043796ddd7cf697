"""All descriptors that there are, held open."""

from tests.hostile.case import Case

CASE = Case(
    "file descriptors",
    setup="""
import os
kept = []
try:
    while True:
        kept.append(os.dup(0))
except OSError:
    pass
""",
)
