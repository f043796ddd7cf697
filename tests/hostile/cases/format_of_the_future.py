"""A format that does not exist yet."""

from tests.hostile.case import Case


def new(notebook, place):
    return notebook | {"nbformat": 99, "nbformat_minor": "x"}


CASE = Case(
    "kernels and formats",
    edit=new,
    reason="format '99'",
)
