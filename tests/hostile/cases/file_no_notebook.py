"""JSON that is no notebook."""

from tests.hostile.case import Case

CASE = Case(
    "broken files",
    edit=lambda notebook, place: b'{"nbformat": 4, "cells": {"0": "x"}}',
    status="unreadable",
    reason="no list of cells",
)
