"""docs/errors.md from the docstrings of the error classes: `python -m tests.error_docs` writes it.

A docstring holds a text, an example that fails and its repair; `tests/test_error_docs.py` runs both, and holds the page
current. The message in the page is the one that the example raises.
"""
from __future__ import annotations

import inspect
import linecache
import re
import textwrap
import warnings
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import errors

PAGE = Path(__file__).resolve().parents[1] / "docs" / "errors.md"
HEAD = """# Errors, and how to repair them

*Written by `python -m tests.error_docs` from the docstrings in `minigrad/errors.py`; a test holds it current and runs
every example.*

Each error says what happened, where the value was made, the likely cause and the fix. Each is also the built-in error
that you would try to catch: `except ValueError` catches a `ShapeError`. A gradient that is None, zero, NaN or huge is
no error: `print(mg.explain(p, loss))` tells why.

```text
{tree}
```
"""


def classes() -> list[type[Exception]]:
    """The error classes in the order of the file, without their base."""
    found = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.MinigradError)]
    return [c for c in found if c is not errors.MinigradError]


def parts(error: type[Exception]) -> tuple[str, str, str]:
    """The text, the failing example and its repair."""
    doc = inspect.cleandoc(error.__doc__ or "")
    text, failing, repaired = re.fullmatch(r"(.*?)\n\nFails:\n\n(.*?)\n\nRepaired:\n\n(.*)", doc, re.S).groups()
    return text, inspect.cleandoc(failing), inspect.cleandoc(repaired)


def run(source: str, name: str) -> None:
    """Run an example as the file train.py, so that a message can show its lines."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)        # NumPy's, about the NaN that is the example
        exec(compile(source, name, "exec"), {"mg": mg, "np": np})


def message(error: type[Exception]) -> str:
    """What the failing example raises."""
    try:
        run(parts(error)[1], "train.py")
    except error as raised:
        return f"{error.__name__}: {raised}"
    raise AssertionError(f"the example of {error.__name__} does not fail")


def page() -> str:
    """The whole page."""
    tree = textwrap.dedent((errors.__doc__ or "").split("\n\n")[1])
    out = [HEAD.format(tree=tree)]
    for error in classes():
        text, failing, repaired = parts(error)
        out.append(f"## {error.__name__}\n\n{text}\n\n```py\n{failing}\n```\n\n```text\n{message(error)}\n```\n\n"
                   f"Repaired:\n\n```py\n{repaired}\n```\n")
    return "\n".join(out)


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page())
