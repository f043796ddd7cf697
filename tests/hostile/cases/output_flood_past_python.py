"""Output by the descriptor itself, and a value whose text has a hundred megabytes."""

from tests.hostile.case import Case

CASE = Case(
    "output floods",
    setup="""
import os
for i in range(3000):
    try:
        os.write(1, b"y" * 1000)
    except OSError:
        break
["z" * 100] * 100_000
""",
)
