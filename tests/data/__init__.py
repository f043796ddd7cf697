"""Tests of minigrad.data. `quiet`: hypothesis without a deadline (a busy machine is no error) and without files."""
from hypothesis import settings

quiet = settings(deadline=None, database=None)
