"""Three million empty lists; with as many as fit into the file, they would take 800 MB of the grader."""

from tests.hostile.case import Case

CASE = Case(
    "broken files",
    edit=lambda notebook, place: b'{"nbformat": 4, "cells": [], "x": [' + b"[]," * 3_100_000 + b"0]}",
    status="refused",
    reason="million values",
)
