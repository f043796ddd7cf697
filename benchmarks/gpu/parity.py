"""Parity: what a device computes against NumPy in float64, and what its kernels write against their twins.

An error is |got - want| / |want|, norms over a whole array; where the right answer is about 0 its size is taken as that
of its neighbours (a hundredth of the largest gradient), or as 0.1 for a single operation of numbers of about 1. NaN
holds no tolerance: every comparison is `error <= tolerance`, and worst() of errors with a NaN in them is NaN.
"""
from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import blas, optim
from minigrad.backend import Device

from . import draws
from .layers import Training
from .record import below

Arrays = dict[str, np.ndarray]
Errors = dict[str, tuple[float, float]]

EXAMPLES = 4                                   # of each op and dtype
FLOAT64, OP, MODEL, CURVE, KERNEL, TF32 = 1e-10, 1e-5, 1e-4, 1e-3, 1e-5, 2e-3
STEPS = 10                                     # of a training curve
LEAST = 0.1                                    # the size of what should be 0, beside operands of about 1


def error(got: Any, want: Any, least: float = 0.0) -> float:
    """|got - want| over |want|, or over `least` where that is more. Infinite for another shape, kind or id."""
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape or got.dtype.kind != want.dtype.kind:
        return float("inf")
    if got.dtype.kind != "f":
        return 0.0 if np.array_equal(got, want) else float("inf")
    got, want = got.astype(np.float64), want.astype(np.float64)
    far, size = float(np.linalg.norm(got - want)), max(float(np.linalg.norm(want)), least)
    return far / size if size else 0.0 if far == 0 else float("inf") if far == far else far


def worst(errors: Iterable[float]) -> float:
    """The largest, NaN if one is; 0 of none."""
    found = list(errors)
    return float("nan") if any(e != e for e in found) else max(found, default=0.0)


def compare(got: Arrays, want: Arrays) -> tuple[float, str]:
    """The worst error of a step's arrays, and whose. One that only one side has is infinitely wrong."""
    least = 1e-2 * worst(float(np.linalg.norm(a)) for name, a in want.items() if name.startswith("d "))
    errors = {name: error(got[name], want[name], least if name.startswith("d ") else 0.0)
              if name in got and name in want else float("inf") for name in {**want, **got}}
    found = worst(errors.values())
    return found, next((name for name, e in errors.items() if e == found or e != e), "")


def verdict(case: str, kind: str, errors: Errors, start: float, **more: Any) -> dict[str, Any]:
    """A row of the record: it holds if there are errors, and each is within its tolerance."""
    return {"case": case, "kind": kind, "held": bool(errors) and all(below(*pair) for pair in errors.values()),
            "errors": {what: list(pair) for what, pair in errors.items()}, "seconds": time.monotonic() - start, **more}


# ---------------------------------------------------------------------------------------------- kernels

class Shadow:
    """Every launch inside is done once more by the kernel's NumPy twin, and what both wrote is compared.

    errors: kernel -> the worst of its launches.  clustered: was a cluster among them?
    """

    def __init__(self, home: Device) -> None:
        self.home, self.errors, self.clustered = home, dict[str, float](), False

    def __enter__(self) -> Shadow:
        if self.home.kernels is not None:
            self.run, self.home.kernels.run = self.home.kernels.run, self._both
        return self

    def __exit__(self, *error: Any) -> None:
        if self.home.kernels is not None:
            self.home.kernels.run = self.run

    def _both(self, kernel: Any, grid: int, block: int, args: Any, shared: int, cluster: int, macros: dict) -> None:
        host = [self._host(a) for a in args]
        self.run(kernel, grid, block, args, shared, cluster, macros)
        twin = getattr(importlib.import_module(f"minigrad.kernels.{kernel.file.stem}"), kernel.name)
        with np.errstate(all="ignore"):
            twin(*host, **macros)
        self.clustered |= cluster > 1
        outs = [(self._host(a), h) for a, h, p in zip(args, host, kernel.parameters, strict=True)
                if p.pointer and not p.const and a is not None]
        least = 1e-2 * worst(float(np.linalg.norm(h[np.isfinite(h)])) for _, h in outs if h.dtype.kind == "f")
        self.errors[kernel.name] = worst([self.errors.get(kernel.name, 0.0), *[written(*o, least) for o in outs]])

    def _host(self, value: Any) -> Any:
        """A copy of a device array on the host; numbers and None as they are."""
        return np.array(self.home.numpy(value)) if isinstance(value, self.home.array) else value


def written(got: np.ndarray, want: np.ndarray, least: float = 0.0) -> float:
    """The error of an array that a kernel wrote: what its twin leaves unwritten (NaN) has to be NaN here too.

    least: a hundredth of the largest array of the launch, for a mean of what was normalised before is about 0.
    """
    if got.dtype.kind != "f":
        return error(got, want)
    there = ~np.isnan(want)
    if not np.array_equal(np.isnan(got), ~there):
        return float("nan")
    finite = there & np.isfinite(want)
    if not np.array_equal(got[there & ~finite], want[there & ~finite]):
        return float("inf")
    return error(got[finite], want[finite], least)


# ---------------------------------------------------------------------------------------------- layers and models

def step(training: Training, device: str, dtype: Any, seed: int) -> Arrays:
    """Forward and backward from one seed: the loss, and the gradient of every parameter and float input."""
    model, inputs = begun(training, device, dtype, seed)
    mg.manual_seed(seed + 1)                   # for dropout: the same masks everywhere
    loss = training.loss(model, inputs)
    loss.backward()
    home = mg.device(device)
    leaves = {**dict(model.named_parameters()), **{f"input {i}": x for i, x in enumerate(inputs)
                                                   if isinstance(x, mg.Tensor)}}
    return {"loss": home.numpy(loss.detach().data),
            **{f"d {name}": home.numpy(p.grad.data) for name, p in leaves.items() if p.grad is not None}}


def begun(training: Training, device: str, dtype: Any, seed: int, captured: bool = False) -> tuple[Any, list[Any]]:
    """The module with its first weights and a batch, on a device, in a dtype; the weights are float32 numbers."""
    mg.manual_seed(seed)
    model = training.make().to(dtype).to(device)
    return model, training.inputs(np.random.default_rng(seed), device, dtype, captured)


def training_step(name: str, kind: str, training: Training, device: str, seed: int) -> dict[str, Any]:
    """A layer or model in float64 and float32 against NumPy's float64, two runs of it, and every kernel it starts."""
    start, home = time.monotonic(), mg.device(device)
    want = step(training, "cpu", np.float64, seed)
    whose: dict[str, str] = {}
    errors: Errors = {}

    def hold(what: str, got: Arrays, tolerance: float, right: Arrays = want) -> None:
        found, whose[what] = compare(got, right)
        errors[what] = (found, tolerance)
    hold("float64", step(training, device, np.float64, seed), FLOAT64)
    with Shadow(home) as shadow:
        single = step(training, device, np.float32, seed)
    hold("float32", single, MODEL)
    again = step(training, device, np.float32, seed)
    errors["second run"] = (0.0 if same_bits(single, again) else float("inf"), 0.0)
    kernels = dict(shadow.errors)
    if shadow.clustered:
        with without_clusters(home), Shadow(home) as plain:
            hold("float32 without clusters", step(training, device, np.float32, seed), MODEL)
        kernels = {k: worst([kernels.get(k, 0.0), plain.errors.get(k, 0.0)]) for k in {**kernels, **plain.errors}}
    if home.name == "cuda":
        with tf32(True):
            hold("TF32", step(training, device, np.float32, seed), TF32)
    errors.update({f"kernel {k}": (e, KERNEL) for k, e in kernels.items()})
    return verdict(name, kind, errors, start, worst=whose)


def same_bits(a: Arrays, b: Arrays) -> bool:
    """Are two runs equal bit for bit?"""
    return a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a)


@contextmanager
def without_clusters(home: Device) -> Iterator[None]:
    """As on a chip before compute capability 9.0."""
    before, home.kernels.clusters = home.kernels.clusters, False
    try:
        yield
    finally:
        home.kernels.clusters = before


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Products in TF32, or in full float32."""
    before = blas.allow_tf32()
    blas.allow_tf32(on)
    try:
        yield
    finally:
        blas.allow_tf32(before)


def kernels_seen(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A row that sums up the kernels over the rows of layers and models, and names those that none of them started."""
    from minigrad.kernels import signature
    start, errors = time.monotonic(), dict[str, tuple[float, float]]()
    for row in rows:
        for what, (found, _) in row["errors"].items():
            if what.startswith("kernel "):
                known = errors.get(what[7:], (0.0, KERNEL))[0]
                number = found if isinstance(found, (int, float)) else float("nan")
                errors[what[7:]] = (worst([known, number]), KERNEL)
    every = {name for file in signature.files() for name in signature.kernels(file)}
    return verdict("all kernels", "kernel", errors, start, not_started=sorted(every - errors.keys()))


# ---------------------------------------------------------------------------------------------- curves and graphs

def adam(parameters: list[mg.Tensor]) -> optim.Optimizer:
    """What the curves of models are trained with."""
    return optim.Adam(parameters, lr=1e-3)


def loop(training: Training, device: str, dtype: Any, seed: int, captured: bool = False, leaves: bool = False,
         optimiser: Callable[[list[mg.Tensor]], optim.Optimizer] = adam, clip: float | None = None
         ) -> Callable[[], mg.Tensor]:
    """Training from the first weights on: each call is a step and returns its loss.

    captured: on inputs that a graph can take, else as a loop has them.  leaves: inputs have gradients too, as between
    two layers of a model.  clip: to what norm gradients are clipped together.
    """
    model, inputs = begun(training, device, dtype, seed, captured)
    mg.manual_seed(seed + 1)
    parameters = [p for p in model.parameters() if p.requires_grad]
    method = optimiser(parameters) if parameters else None
    inputs = [x.detach() if isinstance(x, mg.Tensor) and not leaves else x for x in inputs]
    wanted = [x for x in inputs if isinstance(x, mg.Tensor) and x.requires_grad]

    def step() -> mg.Tensor:
        for x in wanted:
            x.grad = None
        if method is not None:
            method.zero_grad()
        loss = training.loss(model, inputs)
        loss.backward()
        if clip is not None:
            optim.clip_grad_norm_(parameters, clip)
        if method is not None:                 # a ReLU has nothing to train
            method.step()
        return loss
    return step


def curve(training: Training, device: str, dtype: Any, seed: int, graph: bool | None = None, **how: Any) -> np.ndarray:
    """The losses (10,) of `loop(..., **how)`.

    graph: True, by `mg.graph`, which captures the third step and replays it; False, the same step eagerly, on inputs
    that a graph could take; None, on inputs as a loop has them.
    """
    step = loop(training, device, dtype, seed, graph is not None, **how)
    run = mg.graph(step, device=device) if graph else step
    return np.array([run().item() for _ in range(STEPS)])


def training_curve(name: str, training: Training, device: str, seed: int) -> dict[str, Any]:
    """Ten steps of Adam in float32 against NumPy's in float64."""
    return optimising(name, "curve", training, device, seed, {})


def optimising(name: str, kind: str, training: Training, device: str, seed: int, how: dict[str, Any]) -> dict[str, Any]:
    """Ten steps by an optimiser, clipped or not, in float32 against NumPy's in float64, and its kernels."""
    start = time.monotonic()
    want = curve(training, "cpu", np.float64, seed, **how)
    with Shadow(mg.device(device)) as shadow:
        got = curve(training, device, np.float32, seed, **how)
    errors = {"float32": (error(got, want), CURVE), **{f"kernel {k}": (e, KERNEL) for k, e in shadow.errors.items()}}
    return verdict(name, kind, errors, start, losses=[float(want[0]), float(want[-1])])


def graph_replay(name: str, training: Training, device: str, seed: int, how: dict[str, Any] | None = None
                 ) -> dict[str, Any]:
    """Ten steps, of which the third is captured and the rest are replays, against ten eager ones: bit for bit."""
    start = time.monotonic()
    eager, graph = (curve(training, device, np.float32, seed, graph, **how or {}) for graph in (False, True))
    same = 0.0 if eager.tobytes() == graph.tobytes() else error(graph, eager) or float("inf")
    return verdict(name, "graph", {"replay": (same, 0.0)}, start)


# ---------------------------------------------------------------------------------------------- operations

def operation(name: str, device: str, seed: int) -> dict[str, Any]:
    """A primitive with drawn shapes and options: value and gradient in both dtypes against NumPy's."""
    start, cases = time.monotonic(), draws.op_cases()
    rng = np.random.default_rng([seed, *name.encode()])
    found: dict[str, list[float]] = {}
    for _ in range(EXAMPLES):
        example = cases.CASES[name](draws.drawer(rng))
        arrays = [np.asarray(cases.values(rng, shape, example.kind, i)).astype(np.float32).astype(np.float64)
                  for i, shape in enumerate(example.shapes)]
        want = np.asarray(example.ref(*arrays))
        g = rng.standard_normal(want.shape)
        right = _apply(example, arrays, g, "cpu", np.float64)
        for dtype in (np.float64, np.float32):
            got = _apply(example, arrays, g, device, dtype)
            bits = np.dtype(dtype).itemsize * 8
            found.setdefault(f"value, float{bits}", []).append(error(got[0], want, LEAST))
            found.setdefault(f"gradient, float{bits}", []).extend(
                error(a, b, LEAST) for a, b in zip(got[1:], right[1:], strict=True))
    errors = {what: (worst(e), FLOAT64 if "64" in what else OP) for what, e in found.items() if e}
    return verdict(f"op {name}", "op", errors, start)


def _apply(example: Any, arrays: list[np.ndarray], g: np.ndarray, device: str, dtype: Any) -> list[np.ndarray]:
    """The value, and the gradients where there are some."""
    home = mg.device(device)
    xs = [mg.tensor(a.astype(dtype), requires_grad=True, device=device) for a in arrays]
    y = example.ours(*xs)
    found = [home.numpy(y.detach().data)]
    if example.tracked:
        y.backward(mg.tensor(g.astype(dtype), device=device))
        found += [home.numpy(x.grad.data) for x in xs if x.grad is not None]
    return found


# ---------------------------------------------------------------------------------------------- memory

def poisoned(device: str) -> Any:
    """While it is active, new GPU memory holds NaN (integers: -1): what reads it before it writes it is found out."""
    return _poisoned() if device == "cuda" else nullcontext()


@contextmanager
def _poisoned() -> Iterator[None]:
    import cupy
    pool: Callable[[int], Any] = cupy.get_default_memory_pool().malloc

    def malloc(size: int) -> Any:
        memory = pool(size)
        if size:
            memory.memset_async(0xFF, size)
        return memory
    cupy.cuda.set_allocator(malloc)
    try:
        yield
    finally:
        cupy.cuda.set_allocator(pool)
