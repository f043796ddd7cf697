"""Eight million empty lists: as objects in the grader they would take 800 MB."""

from tests.hostile.case import Case

CASE = Case(
    "broken files",
    edit=lambda notebook, place: b'{"nbformat": 4, "cells": [], "x": [' + b"[]," * 8_000_000 + b"0]}",
    status="refused",
    reason="million values",
)
