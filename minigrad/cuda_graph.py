"""CUDA graphs by CuPy: a stream that is captured, a memory pool of the graph's own, pinned memory for what comes in.

A captured graph holds raw addresses. So all memory of its calls comes from a pool that lives as long as the graph and
serves nothing else. Warm-up calls fill it and load the kernels, for during the capture it is too late for both.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import cupy
import numpy as np

_DEPTH = 4                                     # calls that the host may be ahead of the device


class Recorder:
    """One captured step on "cuda".

    executes: the captured run only records.  refusals: what CuPy and CUDA raise during a capture.
    """

    executes = False
    refusals: tuple[type[Exception], ...] = (RuntimeError,)        # CUDARuntimeError and NotImplementedError are such

    def __init__(self) -> None:
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._pool = cupy.cuda.MemoryPool()
        self._begun, self._ended = (cupy.cuda.Event(disable_timing=True) for _ in range(2))
        self._graph: Any = None
        self._buffers: list[tuple[np.ndarray, Any]] = []
        self._call = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Work on the graph's stream with its memory: after the caller's work so far, before what follows the call."""
        outer = cupy.cuda.get_current_stream()
        self._begun.record(outer)
        self._stream.wait_event(self._begun)
        try:
            with self._stream, cupy.cuda.using_allocator(self._pool.malloc):
                yield
        except BaseException:
            with suppress(Exception):          # after a failed capture too: what ran before it must be waited for
                self._back_to(outer)
            raise
        self._back_to(outer)

    def _back_to(self, outer: Any) -> None:
        self._ended.record(self._stream)
        outer.wait_event(self._ended)

    def host(self, nbytes: int) -> np.ndarray:
        """Pinned memory for what one call brings; waits only where the host is several calls ahead of the device."""
        if not self._buffers:
            memory = [cupy.cuda.alloc_pinned_memory(nbytes) for _ in range(_DEPTH)]
            self._buffers = [(np.frombuffer(m, np.uint8, nbytes), cupy.cuda.Event(disable_timing=True)) for m in memory]
        self._call += 1
        buffer, copied = self._buffers[self._call % _DEPTH]
        if self._call > _DEPTH:
            copied.synchronize()
        return buffer

    def upload(self, array: Any, host: np.ndarray) -> None:
        """A copy to the device in the order of the stream; the host does not wait."""
        array.data.copy_from_host_async(host.ctypes.data, host.nbytes, self._stream)
        self._buffers[self._call % _DEPTH][1].record(self._stream)

    def warm(self, run: Callable[[], Any], last: bool) -> Any:
        """A plain step, with the graph's memory."""
        return run()

    def capture(self, run: Callable[[], Any]) -> Any:
        """A step whose kernels are recorded and not started."""
        self._stream.begin_capture()
        try:
            outputs = run()
        except BaseException:
            with suppress(Exception):          # the capture is invalid: the error that made it so is the one to show
                self._stream.end_capture()
            raise
        self._graph = self._stream.end_capture()
        return outputs

    def verify(self) -> None:
        """Reads of memory cannot be seen here; "strict" sees them."""

    def replay(self) -> None:
        """Start all kernels, in order, by one launch."""
        self._graph.launch(self._stream)
