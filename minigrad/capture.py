"""CUDA graphs: `fast = mg.graph(step)` captures a training step once and then replays it, all kernels in one launch.

A step of many small kernels takes the host longer than the device. A graph keeps the kernels with their addresses and
replays them without running the step's Python again, so whatever that Python reads from the host is frozen:

  - a number of the host (a learning rate, a dropout key) comes through `capturing().scalar(dtype, supplier)`: one array
    on the device, which every replay fills anew; all of them travel in one copy;
  - nothing may wait for the device, copy from the host, or draw on the host: GraphError names the line;
  - memory is fixed: inputs are copied into arrays of the first call's shapes, and what the step keeps from call to call
    must be written in place (as optimisers do), not put into a new array.

On "strict" the double of all this records array operations and computes them again in the same memory, with the same
rules (`strict_graph.py`); on "cuda" a stream of its own is captured, with a memory pool of its own (`cuda_graph.py`).
On "cpu" the step runs as it is.
"""
from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

import numpy as np

from . import backend
from .backend import Device, cpu
from .errors import GraphError, MinigradError, describe, place
from .nests import flat, frozen, leaves, nest
from .tensor import Tensor, _inside, caller, touch

_RECORDERS = {"strict": "strict_graph", "cuda": "cuda_graph"}
_SCALARS = 65536                               # bytes for all scalars of one graph
_current: Graph | None = None
_warming: Graph | None = None


def capturing() -> Graph | None:
    """The graph whose step is being captured at this moment, or None: what runs then is frozen, see `Graph.scalar`."""
    return _current


def warming() -> Graph | None:
    """The graph of a call before the capture, or None. Its `scalar` works: array operations load kernels there."""
    return _warming


def graph(step: Callable[..., Any], warmup: int = 2, device: str | Device | None = None) -> Graph:
    """A training step that is captured as a CUDA graph:  fast = mg.graph(step);  loss = fast(x, y).

    Call `fast` as you would call `step`, once a training step. The first `warmup` calls run it as it is, the next one
    captures it, later ones replay the capture. The numbers are those of plain steps, bit for bit.

    Inputs: tensors (on the device or the host), NumPy arrays, None, and tuples, lists and dicts of them; always of the
    shapes and dtypes of the first call. The step gets tensors on the device, without a gradient.
    Outputs: tensors, None, and nests of them, detached. After the capture they are the same memory at each call: the
    next call overwrites them, so read or copy a value before.
    device: where the step computes; by default the device of the first input that is not on the host.
    On "cpu" the step runs as it is. Everything the step reads must live as long as the graph.

    Raises GraphError for what cannot be captured: waiting for the device (item, float, print, a boolean mask), copies
    and random draws of the host, inputs of another shape or kind, gradients or states that are carried over in new
    memory, a graph within a graph. Take `zero_grad()` into the step.
    """
    if warmup < 1:
        raise ValueError(f"warmup is at least 1, not {warmup}: kernels are loaded there")
    return Graph(step, warmup, None if device is None else backend.device(device))


graph.capturing = capturing                    # type: ignore[attr-defined]  # `from minigrad import graph` has both


class _Entry(NamedTuple):
    """A part of the arena: an array on the device, and where its bytes lie."""

    array: Any
    start: int
    stop: int


class _Kept(NamedTuple):
    """What a tensor was when the capture began."""

    tensor: Tensor
    data: Any
    grad: Tensor | None
    grad_data: Any
    version: int


class Graph:
    """A step that is captured after some calls; `graph` makes it and tells how to use it.

    calls: how often it was called.  captured: is it replayed by now?
    """

    def __init__(self, step: Callable[..., Any], warmup: int, device: Device | None) -> None:
        self.step, self.warmup, self.device = step, warmup, device
        self.calls, self.captured = 0, False
        self._shapes: Any = None               # the nest of (shape, dtype) that every call must have
        self._static: dict[Any, Any] = {}      # the inputs on the device: the same memory at every call
        self._slots: list[Any] = []            # for each input an _Entry (it comes from the host) or an array
        self._scalars: list[tuple[_Entry, Callable]] = []
        self._outputs: Any = None
        self._written: list[tuple[Tensor, Any]] = []
        self._grads: list[tuple[Tensor, bool, Tensor | None]] = []
        self._sealed: Any = None

    def __repr__(self) -> str:
        how = "captured" if self.captured else f"{self.calls} of {self.warmup} calls before the capture"
        return f"Graph({getattr(self.step, '__name__', self.step)}, {self.device or 'no device yet'}, {how})"

    def __call__(self, *args: Any, **kw: Any) -> Any:
        """One training step."""
        given: dict[Any, Any] = {**dict(enumerate(args)), **kw}
        if _current is not None:
            raise GraphError(describe("a graph was called inside a step that is being captured.",
                                      made_at=place(caller()), fix="call its step itself: one graph for all"))
        shapes = nest(lambda x, name: (tuple(x.shape), np.dtype(x.dtype).name), given)
        if self._shapes is None:
            self._begin(given)
            self._shapes = shapes
        elif shapes != self._shapes:
            raise self._changed(shapes)
        self.calls += 1
        if self.device is cpu:
            self._static = nest(lambda x, name: x.detach() if isinstance(x, Tensor) else Tensor(x), given)
            return self._run()
        with self._recorder.turn():
            self._fill(given)
            if self.captured:
                self._replay(given)
            else:
                self._upload(0, self._first)
                self._copy(given)
                if self.calls <= self.warmup:
                    return self._warm()
                self._capture()
        return nest(lambda x, name: x.detach(), self._outputs)

    def scalar(self, dtype: Any, supplier: Callable[[], Sequence[Any]]) -> Any:
        """A device array (n,) of that dtype whose values each replay brings from the host: for a step that is captured.

        supplier() gives the n values. It is called once now, for this very step, and once before every replay, in the
        order in which the scalars were asked for; it may draw from `minigrad.generator()` and count steps.
        Raises GraphError outside of a call, or if there are too many.
        """
        if self is not _current and self is not _warming:
            raise GraphError(describe("scalar() belongs into a step that is being captured.",
                                      fix="if (g := mg.graph.capturing()) is not None: g.scalar(...)"))
        entry = self._take(self._ask(supplier, dtype))
        self._scalars.append((entry, supplier))
        if self is _warming or self._recorder.executes:
            self._upload(entry.start, entry.stop)
        return entry.array

    def refuse(self, headline: str, **lines: str | None) -> NoReturn:
        """Raise GraphError for what the step is doing, naming the user's line: for code that knows better."""
        raise GraphError(describe(headline, made_at=place(caller()), **lines))

    # ------------------------------------------------------------------------------------------ inputs

    def _begin(self, given: dict[Any, Any]) -> None:
        """Choose the device and lay out the inputs; those that come from the host lie side by side, for one copy."""
        inputs = leaves(given)
        homes = [x.device for x in inputs if isinstance(x, Tensor) and x.device is not cpu]
        self.device = self.device or next(iter(homes), cpu)
        if any(home is not self.device for home in homes):
            raise GraphError(describe(f"inputs lie on {' and '.join(dict.fromkeys(h.name for h in homes))}, and the "
                                      f"graph is of {self.device.name}.", made_at=place(caller()),
                                      fix="move them to one device; what is on the host is copied"))
        if self.device is cpu:
            return
        self._recorder: Any = import_module(f".{_RECORDERS[self.device.name]}", __package__).Recorder()
        self._slots = []
        with self._recorder.turn():
            from_host = [x for x in inputs if not (isinstance(x, Tensor) and x.device is self.device)]
            size = _SCALARS + sum(_aligned(_bytes(x), 256) for x in from_host)
            self._arena = self.device.xp.empty(size, dtype="uint8")
            self._parts: dict[tuple[int, int], Any] = {}
            self._end = 0
            for x in inputs:
                here = isinstance(x, Tensor) and x.device is self.device
                self._slots.append(self.device.xp.empty(x.shape, dtype=x.dtype) if here else
                                   self._take(x.data if isinstance(x, Tensor) else x, write=False))
            self._first = self._end = _aligned(self._end, 256)
        slots = iter(self._slots)
        home: Device = self.device
        self._static = nest(lambda x, name: Tensor(s.array if isinstance(s := next(slots), _Entry) else s, False,
                                                    home), given)

    def _take(self, value: np.ndarray, write: bool = True) -> _Entry:
        """A place for a host array in the arena, of its shape and dtype."""
        start = _aligned(self._end, 16 if write else 256)
        stop = self._end = start + value.nbytes
        if stop > self._arena.size:
            self.refuse(f"the scalars of the step take more than {_SCALARS} bytes.",
                        fix="scalar() is for single numbers; pass arrays as inputs of the step")
        array = self._arena[start:stop].view(value.dtype).reshape(value.shape)
        entry = _Entry(array, start, stop)
        if write:
            self._write(entry, value)
        return entry

    def _write(self, entry: _Entry, value: np.ndarray) -> None:
        """The values into this call's host memory, from where `_upload` takes them."""
        self._host[entry.start:entry.stop].view(value.dtype).reshape(value.shape)[...] = value

    def _upload(self, start: int, stop: int) -> None:
        if stop > start:
            if (start, stop) not in self._parts:
                self._parts[start, stop] = self._arena[start:stop]
            self._recorder.upload(self._parts[start, stop], self._host[start:stop])

    def _fill(self, given: dict[Any, Any]) -> None:
        """What comes from the host, into this call's host memory."""
        self._host = self._recorder.host(self._arena.size)
        for slot, x in zip(self._slots, leaves(given), strict=True):
            if isinstance(slot, _Entry) and (not isinstance(x, Tensor) or x.device is cpu):
                self._write(slot, x.data if isinstance(x, Tensor) else x)

    def _copy(self, given: dict[Any, Any]) -> None:
        """What is on the device already (or changed sides since the first call), after the upload."""
        home: Any = self.device
        for slot, x in zip(self._slots, leaves(given), strict=True):
            if isinstance(x, Tensor) and x.device is home:
                (slot.array if isinstance(slot, _Entry) else slot)[...] = x.data
            elif not isinstance(slot, _Entry):
                slot[...] = home.asarray(x.data if isinstance(x, Tensor) else x)

    def _changed(self, shapes: Any) -> GraphError:
        """Which input is of another shape, dtype or structure than at the first call."""
        old, new = flat(self._shapes), flat(shapes)
        for name in [*old, *(n for n in new if n not in old)]:
            if old.get(name) != new.get(name):
                was, now = ("missing" if s is None else f"{s[1]} {s[0]}" for s in (old.get(name), new.get(name)))
                return GraphError(describe(
                    f"{name} is {now}, and at the first call of this graph it was {was}.", made_at=place(caller()),
                    likely="the last batch of an epoch is smaller", fix="drop or pad that batch, or make another graph "
                                                                        "for its shape: mg.graph(step)"))
        return GraphError(describe("the inputs are nested differently than at the first call.",
                                   made_at=place(caller())))

    # ------------------------------------------------------------------------------------------ running

    def _run(self) -> Any:
        """The step's Python, on the static inputs; its outputs, detached."""
        inputs = nest(lambda x, name: x.detach(), self._static)
        positional = [inputs.pop(i) for i in range(sum(isinstance(k, int) for k in inputs))]
        return nest(self._output, self.step(*positional, **inputs), "output")

    def _output(self, x: Any, name: str) -> Tensor:
        if not isinstance(x, Tensor):
            raise frozen(x, name)
        if x.device is not self.device:
            raise GraphError(describe(f"{name} is on {x.device.name}, and the graph is of {self.device}.",
                                      made_at=x._made(), fix=f"mg.graph(step, device={x.device.name!r})"))
        return x.detach()

    def _warm(self) -> Any:
        global _warming
        outer, _warming, self._end = _warming, self, self._first
        try:
            return self._recorder.warm(self._run, last=1 < self.calls == self.warmup)
        finally:
            _warming = outer

    def _capture(self) -> None:
        """Run the step once more, recording; then see whether what it left behind would be the same after a replay."""
        global _current
        gc.collect()                           # nothing of an earlier step may be freed while the stream is captured
        before = [_Kept(t, t.data, t.grad, None if t.grad is None else t.grad.data, t.version[0])
                  for t in _living(Tensor) if getattr(t, "device", None) is self.device]
        rates = [(group, {k: v for k, v in group.items() if k != "params"}) for o in _living(_optimizer())
                 for group in getattr(o, "param_groups", ())]
        self._scalars, self._end = [], self._first
        self._sealed, backend._generator = backend._generator, _Seal()           # type: ignore[assignment]
        _current = self
        try:
            outputs = self._recorder.capture(self._run)
        except MinigradError:
            raise
        except self._recorder.refusals as error:
            raise GraphError(describe(
                f"the step cannot be captured: {type(error).__name__}: {error}", made_at=_line(error),
                likely="it waits for the device (item, float, print, a mask), or copies from the host",
                fix="read values after the call, on what it returns; pass host data as inputs")) from error
        finally:
            _current, backend._generator = None, self._sealed
        self._check(before, rates)
        self._recorder.verify()
        self._outputs, self.captured = outputs, True
        if not self._recorder.executes:
            self._upload(self._first, self._end)
            self._recorder.replay()

    def _replay(self, given: dict[Any, Any]) -> None:
        for t, data in self._written:
            if t.data is not data:
                self.refuse(f"a {tuple(t.shape)} tensor that the graph writes was replaced since the capture.",
                            tensor=t._made(), likely="Module.to, or p.data = ...",
                            fix="make a new graph: mg.graph(step)")
        for t, absent, _ in self._grads:
            if absent and t.grad is not None:
                self.refuse("gradients were left over from the call before, and at the capture there were none.",
                            parameter=t._made(), fix="call zero_grad() inside the step, before backward()")
        for entry, supplier in self._scalars:
            value = self._ask(supplier, entry.array.dtype)
            if value.shape != entry.array.shape:
                self.refuse(f"a scalar of {entry.array.size} values got {value.size} before a replay.")
            self._write(entry, value)
        self._upload(0, self._end)
        self._copy(given)
        self._recorder.replay()
        touch(*[t for t, _ in self._written])
        for t, _, grad in self._grads:         # as the step's Python would have left it
            t.grad = grad

    def _ask(self, supplier: Callable, dtype: Any) -> np.ndarray:
        with self._unsealed():
            return np.atleast_1d(np.array(supplier(), dtype))

    @contextmanager
    def _unsealed(self) -> Iterator[None]:
        """The true generator, for a supplier: its draws are made again at every replay."""
        seal = backend._generator
        if isinstance(seal, _Seal):
            backend._generator = self._sealed
        try:
            yield
        finally:
            if isinstance(seal, _Seal):
                backend._generator = seal

    def _check(self, before: list[_Kept], rates: list[tuple[dict, dict]]) -> None:
        """Raise GraphError if the captured step left something behind that a replay would not leave."""
        for group, old in rates:
            for name, value in old.items():
                if group[name] != value:
                    raise GraphError(describe(
                        f"the step changes {name} of an optimiser from {value} to {group[name]}: replays would not.",
                        made_at=place(caller()), likely="schedule.step() is called in the step",
                        fix="call it after the graph: loss = fast(x, y); schedule.step()"))
        for t, _, grad, grad_data, _ in before:
            if grad is not None and t.grad is grad and grad.data is not grad_data:
                raise GraphError(describe(
                    f"the step adds to a {tuple(t.shape)} gradient that the call before left.", parameter=t._made(),
                    likely="zero_grad() is missing in the step, or keeps the memory (set_to_none=False)",
                    fix="call zero_grad() inside the step, before backward()"))
        gradients = {id(k.grad) for k in before}
        for t, data, *_ in before:
            if t.data is not data and id(t) not in gradients:
                raise GraphError(describe(
                    f"the step puts a {tuple(t.shape)} tensor into new memory: a replay reads the old one for ever.",
                    tensor=t._made(), likely="p.data = p.data - lr * g", fix="write in place: p.data -= lr * g"))
        self._written = [(k.tensor, k.data) for k in before if k.tensor.version[0] != k.version]
        self._grads = [(k.tensor, k.grad is None, k.tensor.grad) for k in before if k.tensor.grad is not k.grad]


def _bytes(x: Any) -> int:
    return int(x.data.nbytes if isinstance(x, Tensor) else x.nbytes)


def _aligned(n: int, to: int) -> int:
    return -(-n // to) * to


class _Seal:
    """Stands for the host generator while a step is captured: what is drawn would be drawn once and for all."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise GraphError(describe("the host generator is used inside a step that is being captured: every replay would "
                                  "have the same numbers.", made_at=place(caller()),
                                  fix="draw before the call and pass the values as inputs"))


# ---------------------------------------------------------------------------------------------- what lives

def _living(kind: type) -> list[Any]:
    """Every instance that lives: which of them a step reaches, through globals and closures, cannot be told."""
    return [x for x in gc.get_objects() if issubclass(type(x), kind)]


def _optimizer() -> type:
    from .optim import Optimizer
    return Optimizer


def _line(error: BaseException) -> str | None:
    """The innermost line of the traceback that is neither the engine's nor CuPy's."""
    found, trace = None, error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not _inside[code.co_filename] and not trace.tb_frame.f_globals.get("__name__", "").startswith("cupy"):
            found = (code, trace.tb_lasti)
        trace = trace.tb_next
    return place(found)
