"""What a process that grades sets before it imports: fewer imports, one thread.

nbgrader, nbformat and jupytext import jsonschema, and jsonschema imports an optional parser of international web
addresses whose grammar takes over a second to build: more than half of the start of `autograder grade`, and once more
in each worker. No notebook's schema asks for that check.

The arrays of a check are small, and a worker has a core to itself. A second thread of the linear algebra would only
wait, by spinning: with a busy neighbour, products of two threads took up to 20 times as long.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PARSER = "rfc3987_syntax"
THREADS = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
                         "VECLIB_MAXIMUM_THREADS"), "1")


def prepare() -> None:
    """Import jsonschema without the parser, unless either is loaded already; the parser can be imported later."""
    if "jsonschema" in sys.modules or PARSER in sys.modules or importlib.util.find_spec("jsonschema") is None:
        return
    modules: dict[str, Any] = sys.modules
    modules[PARSER] = None      # an import of it now raises ImportError, which jsonschema takes for "not installed"
    try:
        import jsonschema  # noqa: F401
    finally:
        del modules[PARSER]


def keep_what_is_loaded() -> None:
    """Take what was imported out of the collector's sight, which would walk through it again and again, in vain."""
    gc.collect()
    gc.freeze()


@contextmanager
def one_thread() -> Iterator[None]:
    """What is started within reads that it may use one thread, whatever the user's environment says."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(THREADS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
