"""JSON nested a hundred thousand deep."""

from tests.hostile.case import Case

CASE = Case(
    "broken files",
    edit=lambda notebook, place: b'{"nbformat": 4, "cells": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    status="unreadable",
    reason="its JSON is broken",
)
