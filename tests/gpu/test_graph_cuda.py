"""The cuda form of `mg.graph`, without a GPU: CuPy's streams, events, pools and graphs as a small fake on "strict".

The fake is stricter than CUDA: what is captured has no effect until it is launched, work that is queued runs as late as
it can, and a capture that was spoiled stays so.
"""
from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import capture, strict
from minigrad.backend import owner
from minigrad.strict_graph import Recorder as Watch
from minigrad.tensor import Tensor

from .test_graph import language_model, mlp, momentum, readable, same, trained

RAW = strict.ndarray._host.__get__             # an array's memory, whatever is still queued


class Copies:
    """The `data` of a device array: a CuPy MemoryPointer, as far as the recorder uses it."""

    def __init__(self, array: strict.ndarray) -> None:
        self.array = array

    def copy_from_host_async(self, mem: int, size: int, stream: Any = None) -> None:
        """Runs when the stream gets there: the address is read then, not now."""
        host = RAW(self.array)
        assert isinstance(mem, int) and host.nbytes == size and host.flags.c_contiguous and not stream.captures
        stream.queue.append(lambda: ctypes.memmove(host.ctypes.data, mem, size))


class FakeCupy:
    """A machine of one GPU: `log` holds what was asked of it, `streams` the work that has not run yet."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.streams: list[Stream] = []
        self.null = Stream(self, "caller")
        self.current = self.null
        self.allocators = 0
        self.cuda = SimpleNamespace(
            Stream=lambda non_blocking: Stream(self, "graph"), Event=lambda disable_timing: Event(self),
            MemoryPool=lambda: SimpleNamespace(malloc=object()), using_allocator=self.using_allocator,
            alloc_pinned_memory=lambda n: bytearray(n), get_current_stream=lambda: self.current)

    @contextmanager
    def using_allocator(self, allocator: Any) -> Iterator[None]:
        """Notes only that it is active."""
        self.allocators += 1
        try:
            yield
        finally:
            self.allocators -= 1


class Event:
    """A place in a stream."""

    def __init__(self, cupy: FakeCupy) -> None:
        self.cupy, self.stream = cupy, None

    def record(self, stream: Stream) -> None:
        assert not stream.captures
        self.stream = stream
        self.cupy.log.append(f"record on {stream.name}")

    def synchronize(self) -> None:
        """The host waits, if something is still to be done."""
        if self.stream is not None and self.stream.queue:
            self.cupy.log.append("the host waits")
            self.stream.run()


class Stream:
    """Copies, launches and waits: they run when somebody touches an array's memory, and no earlier."""

    def __init__(self, cupy: FakeCupy, name: str) -> None:
        self.cupy, self.name, self.queue, self.captures = cupy, name, [], False
        cupy.streams.append(self)

    def __enter__(self) -> Stream:
        self.before, self.cupy.current = self.cupy.current, self
        return self

    def __exit__(self, *error: Any) -> None:
        self.cupy.current = self.before

    def wait_event(self, event: Event) -> None:
        """Order between streams."""
        assert event.stream is not self and not self.captures
        self.queue.append(event.stream.run)
        self.cupy.log.append(f"{self.name} waits for {event.stream.name}")

    def run(self) -> None:
        """Do what is queued."""
        queue, self.queue = self.queue, []
        for work in queue:
            work()

    def begin_capture(self) -> None:
        """From now on nothing has an effect: memory is put back at the end."""
        self.run()
        assert not self.captures
        self.captures, self.spoiled, self.record = True, False, Watch()
        arrays = [x for x in gc.get_objects() if type(x) is strict.ndarray]
        self.kept = [(home, home.copy()) for home in {id(h): h for h in (owner(a._host) for a in arrays)}.values()]
        self.record._records = True
        self.record.asked = self.asked
        strict._watch = self.record
        self.cupy.log.append("begin")

    def asked(self, kind: str, who: str) -> None:
        """As CUDA and CuPy say it."""
        if kind in ("sync", "h2d"):
            self.spoiled = True
            raise RuntimeError("cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing")
        if kind == "cublas":
            raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")

    def end_capture(self) -> Graph:
        """The graph; or an error if the capture was spoiled."""
        strict._watch, self.captures = None, False
        for home, before in self.kept:
            home[...] = before
        self.cupy.log.append("end")
        if self.spoiled:
            raise RuntimeError("cudaErrorStreamCaptureInvalidated")
        return Graph(self.cupy, self.record)


class Graph:
    """What was captured."""

    def __init__(self, cupy: FakeCupy, record: Watch) -> None:
        self.cupy, self.record = cupy, record

    def launch(self, stream: Stream) -> None:
        """In the order of the stream."""
        assert self.cupy.current is stream and self.cupy.allocators == 1 and not stream.captures
        self.cupy.log.append("launch")
        stream.queue.append(self.record.replay)


@pytest.fixture
def fake(monkeypatch) -> Iterator[FakeCupy]:
    """Device "strict" with the cuda form of graphs; whoever touches an array's memory lets the streams run first."""
    cupy = FakeCupy()

    def memory(array: strict.ndarray) -> np.ndarray:
        for stream in cupy.streams:
            stream.run()
        return RAW(array)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.delitem(sys.modules, "minigrad.cuda_graph", raising=False)
    monkeypatch.setitem(capture._RECORDERS, "strict", "cuda_graph")
    monkeypatch.setattr(strict.ndarray, "data", property(Copies), raising=False)
    monkeypatch.setattr(strict.ndarray, "_host", property(memory, strict.ndarray._host.__set__))
    for name in ("shape", "dtype", "size"):
        monkeypatch.setattr(strict.ndarray, name, property(lambda array, name=name: getattr(RAW(array), name)))
    yield cupy
    assert strict._watch is None and cupy.current is cupy.null and cupy.allocators == 0
    sys.modules.pop("minigrad.cuda_graph", None)   # it holds the fake


@pytest.mark.parametrize("make", [mlp, language_model, momentum, readable], ids=lambda m: m.__name__)
def test_ten_steps_by_the_cuda_form_are_ten_plain_steps(make, fake):
    """Capturing changes no value, the first launch is the captured step itself, scalars arrive before it."""
    found = [trained(make, captured) for captured in (False, True)]
    assert same(*found) and fake.log.count("launch") == 8 and fake.log.count("begin") == 1


def test_a_call_waits_for_the_caller_and_the_caller_for_it(fake):
    """In this order, at each call; nobody waits on the host."""
    fast = mg.graph(lambda x: x * 2, warmup=1)
    x = mg.ones(2, device="strict")
    calls = []
    for _ in range(3):
        fake.log.clear()
        assert fast(x).tolist() == [2.0, 2.0]
        calls.append(fake.log[:])
    before = ["record on caller", "graph waits for caller"]
    after = ["record on graph", "caller waits for graph"]
    assert calls[0][-4:] == before + after
    assert calls[1] == [*before, "begin", "end", "launch", *after]
    assert calls[2] == [*before, "launch", *after]


def test_the_host_may_run_ahead_by_as_many_calls_as_there_are_buffers(fake):
    """Values that are overwritten before their copy ran would give wrong sums; then the host waits, and not before."""
    total = mg.zeros(1, device="strict")

    def step(x: Tensor) -> None:
        total.add_(x)
    fast = mg.graph(step, warmup=1, device="strict")
    for k in range(12):
        if k == 8:
            fake.log.clear()
        fast(np.float32([2 ** k]))
    assert total.item() == 2 ** 12 - 1 and 1 <= fake.log.count("the host waits") <= 4


def test_without_its_waits_the_host_would_overwrite_what_is_not_copied_yet(fake, monkeypatch):
    """The fake's own proof: it notices."""
    monkeypatch.setattr(Event, "synchronize", lambda event: None)
    total = mg.zeros(1, device="strict")

    def step(x: Tensor) -> None:
        total.add_(x)
    fast = mg.graph(step, warmup=1, device="strict")
    for k in range(12):
        fast(np.float32([2 ** k]))
    assert total.item() != 2 ** 12 - 1


@pytest.mark.parametrize("action, text", [
    (lambda x: x.sum().item(), "RuntimeError: cudaErrorStreamCaptureUnsupported"),
    (lambda x: x.data @ x.data, "NotImplementedError: calling cuBLAS API"),
    (lambda x: mg.randn(2, device="strict"), "the host generator is used inside a step"),
], ids=["item", "cuBLAS by CuPy", "a draw"])
def test_what_cuda_refuses_is_a_graph_error_with_the_line(action, text, fake):
    """The capture is ended, the streams are ordered again, and another graph can be captured."""
    def step(x: Tensor) -> Tensor:
        action(x)
        return x * 2
    fast = mg.graph(step, warmup=1)
    x = mg.ones(2, device="strict")
    fast(x)
    with pytest.raises(mg.GraphError, match=text) as caught:
        fast(x)
    assert "made at: test_graph_cuda.py" in str(caught.value) and fake.log[-2:] == ["record on graph",
                                                                                   "caller waits for graph"]
    other = mg.graph(lambda y: y * 3, warmup=1)
    assert [other(x).tolist() for _ in range(3)] == [[3.0, 3.0]] * 3
