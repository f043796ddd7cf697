"""The double of a CUDA graph on device "strict": array operations are recorded, then computed again in the same memory.

As on a GPU the step's Python runs once, so host numbers, branches and addresses are frozen. Unlike a GPU, which only
records, the captured run computes as well. It refuses what CuPy refuses during a capture: to wait for the device, to
copy from the host, and the products of CuPy itself, for its binding of cuBLAS cannot be captured (`blas.py` can).

And it sees what a GPU gets wrong in silence: a value that the call before made in new memory, such as a hidden state in
a Python variable. The captured step reads it, nothing ever writes it, and each replay would read the same one.
"""
from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from . import strict
from .backend import owner
from .errors import GraphError, describe, place
from .tensor import caller

_REFUSED = {
    "sync": ("waits for the device", "cudaErrorStreamCaptureUnsupported",
             "read values after the call, on what it returns; xp.where instead of a mask"),
    "h2d": ("copies host memory to the device", "the current stream is capturing",
            "pass it as an input of the step, or upload it once, before"),
    "cublas": ("is a product by CuPy's own binding of cuBLAS", "calling cuBLAS API during stream capture is currently "
               "unsupported", "xp.matmul, which is minigrad's"),
}


class Recorder:
    """One captured step on "strict".

    executes: the captured run computes, so nothing has to be replayed for it.  refusals: errors that CuPy would raise.
    """

    executes = True
    refusals: tuple[type[Exception], ...] = ()

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self._earlier: dict[int, weakref.ref] = {}     # id -> memory that the last call before the capture made
        self._read: dict[int, tuple[tuple, Any]] = {}
        self._wrote: set[int] = set()
        self._records = False

    def turn(self) -> AbstractContextManager[None]:
        """The double has one stream."""
        return nullcontext()

    def host(self, nbytes: int) -> np.ndarray:
        """Host memory for what one call brings."""
        return np.zeros(nbytes, np.uint8)

    def upload(self, array: Any, host: np.ndarray) -> None:
        """A copy to the device; it does not wait."""
        array._host[...] = host
        if not self._records:
            strict._count("h2d", "graph inputs and scalars")

    def warm(self, run: Callable[[], Any], last: bool) -> Any:
        """A plain step. Of the last one, notice what memory it makes: constants are made in the first."""
        if not last:
            return run()
        with self._watching():
            return run()

    def capture(self, run: Callable[[], Any]) -> Any:
        """A step that computes and is recorded."""
        self._calls, self._read, self._wrote, self._records = [], {}, set(), True
        try:
            with self._watching():
                return run()
        finally:
            self._records = False

    def verify(self) -> None:
        """Raise GraphError if the step read what the call before made, and never wrote it."""
        for key, (shape, where) in self._read.items():
            if key not in self._wrote:
                raise GraphError(describe(
                    f"the step reads a {shape} value that the call before made, and writes it nowhere: a replay would "
                    "read the same one for ever.", made_at=place(where),
                    likely="a state that is carried from call to call in a Python variable",
                    fix="keep it in one tensor, state.copy_(new); or pass it in as an input"))

    def replay(self) -> None:
        """Compute all calls again, in order."""
        with np.errstate(all="ignore"):
            for call in self._calls:
                call()
        strict._count("launch", "graph")

    @contextmanager
    def _watching(self) -> Iterator[None]:
        before, strict._watch = strict._watch, self
        try:
            yield
        finally:
            strict._watch = before

    # What `strict` tells while it is watched.

    def asked(self, kind: str, who: str) -> None:
        """The device is asked for a "sync", an "h2d" copy or a product of "cublas"."""
        if self._records and kind in _REFUSED:
            what, cupy, fix = _REFUSED[kind]
            raise GraphError(describe(f"{who} {what}, inside a step that is being captured.", made_at=place(caller()),
                                      cupy=cupy, fix=fix))

    def made(self, host: np.ndarray) -> None:
        """New memory."""
        if not self._records:
            self._earlier[id(host)] = weakref.ref(host)

    def ran(self, again: Callable[[], Any], result: Any, reads: Any, writes: Any = ()) -> None:
        """A call was made: `again` computes it, result is its array (or several, or None)."""
        if not self._records:
            return
        for x in reads:
            home = owner(x._host)
            earlier = self._earlier.get(id(home))
            if earlier is not None and earlier() is home and id(home) not in self._wrote:
                self._read.setdefault(id(home), (x.shape, caller()))
        self._wrote.update(id(owner(x._host)) for x in writes)
        self._calls.append(lambda: _overwrite(result, again()))


def _overwrite(kept: Any, value: Any) -> None:
    """A value that was computed again into the memory of the first one; nothing where it lies there already."""
    if isinstance(kept, (tuple, list)):
        for k, v in zip(kept, value, strict=True):
            _overwrite(k, v)
    elif kept is not None:
        host = np.asarray(value)
        if owner(host) is not owner(kept._host):
            np.copyto(kept._host, host)
