"""Comparing whole texts: line numbers of the test file become N, so that a test may move."""
from __future__ import annotations

import inspect
import re
import textwrap

import pytest


def numbered(text: object) -> str:
    """The text, with `test_x.py:12` as `test_x.py:N`."""
    return re.sub(r"(test_\w+\.py):\d+", r"\1:N", str(text))


def message(error: type[Exception], action) -> str:
    """The whole text of the error that the action raises."""
    with pytest.raises(error) as caught:
        action()
    return numbered(caught.value)


def expect(text: str) -> str:
    """The expected text, without the indentation of the test."""
    return textwrap.dedent(inspect.cleandoc(text)).rstrip()
