"""docs/errors.md: every error class has an example that fails and a repair that runs, and the page is current."""
from __future__ import annotations

import pytest

from minigrad import errors

from . import error_docs

CLASSES = error_docs.classes()


@pytest.mark.parametrize("error", CLASSES, ids=lambda c: c.__name__)
def test_the_example_of_an_error_raises_it_and_its_repair_runs(error):
    """A page whose repair does not run teaches a second mistake."""
    assert error_docs.message(error).startswith(f"{error.__name__}: ")
    error_docs.run(error_docs.parts(error)[2], "repaired.py")


def test_the_page_is_what_the_docstrings_say():
    """`python -m tests.error_docs` writes it anew."""
    assert error_docs.PAGE.read_text() == error_docs.page()


def test_every_error_is_named_in_the_tree_and_is_a_built_in_error_too():
    """`except ValueError` is what a reader would write first."""
    tree = (errors.__doc__ or "").split("\n\n")[1]
    for error in CLASSES:
        builtin = [c for c in error.__mro__ if c.__module__ == "builtins"][0]
        assert f"{error.__name__} " in tree and f"({builtin.__name__})" in tree


def test_an_example_that_does_not_fail_is_refused():
    """The generator's own no."""
    class Harmless(errors.MinigradError):
        """Nothing.

        Fails:

            1 + 1

        Repaired:

            1
        """
    with pytest.raises(AssertionError, match="does not fail"):
        error_docs.message(Harmless)
