"""os._exit in a cell: the process is gone, and the next one runs the other cells."""

from tests.hostile.case import Case

CASE = Case(
    "exits",
    setup="import os; os._exit(7)",
    incident="died",
)
