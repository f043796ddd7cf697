"""A grader for notebooks whose students' code runs in a sandbox and decides nothing.

    from autograder import Grader

    grader = Grader("rnn2026")
    grader.collect("03_rnn", "download.zip")
    for result in grader.grade("03_rnn"):
        print(result["student"], result["score"])

`Grader` is loaded when it is asked for: the hidden region of a test cell imports this package in a student's kernel,
and the sandbox's worker stands beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.api import Grader as Grader
    from autograder.errors import AutograderError as AutograderError

__all__ = ["AutograderError", "Grader"]


def __getattr__(name: str) -> Any:
    if name == "Grader":
        from autograder.api import Grader

        return Grader
    if name == "AutograderError":
        from autograder.errors import AutograderError

        return AutograderError
    raise AttributeError(f"module 'autograder' has no attribute '{name}'")
