"""The GRU's kernels: the source is the twin, the layer is the loop, and no barrier can go (test_rnn.py uses it)."""
from __future__ import annotations

import ctypes
import os
import re
from contextlib import contextmanager

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, strict
from minigrad.kernels.signature import FOLDER
from minigrad.nn.gpu.gru import gru_on_device
from minigrad.nn.utils.rnn import pack_padded_sequence

from .emulator import EmulatorError, Mutant, _library, emulated, execute, replaced

T, B, D = 4, 6, 3
LENGTHS = [3, 4, 1, 2, 4, 1]
OPTIONS = {"one": {}, "two": {"num_layers": 2}, "bothways": {"bidirectional": True}, "nobias": {"bias": False},
           "onebias": {"bias": "one"}, "chunks": {"checkpoint": 3}, "batchfirst": {"batch_first": True},
           "many": {"num_layers": 2, "bidirectional": True, "batch_first": True, "checkpoint": 2, "merge": "sum"}}


@contextmanager
def clusters(there):
    """Whether device "strict" pretends to have thread-block clusters."""
    k = mg.device("strict").kernels
    before, k.clusters = k.clusters, there
    try:
        yield
    finally:
        k.clusters = before


@contextmanager
def compared(seed=0):
    """Every launch runs as twin and as source; all that both write must agree, also in what they leave unwritten."""
    started, twin = [], strict.body

    def both(kernel, grid, block, args, shared, cluster, macros):
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
        twin(kernel, grid, block, copies, shared, cluster, macros)
        execute(kernel, grid, block, args, shared, cluster, macros, seed)
        started.append(kernel.name)
        for p, a, b in zip(kernel.parameters, args, copies, strict=True):
            if isinstance(a, np.ndarray) and a.dtype == np.float32 and not p.const:
                close(a, b, f"{kernel.name}: {p.name}")
    strict.body = both
    try:
        yield started
    finally:
        strict.body = twin


def close(got, want, what):
    """Equal up to the order of sums in float32; NaN only where both have it."""
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=5e-6 * max(1, np.abs(want[np.isfinite(want)]).max(initial=0)),
                               err_msg=what)


def make(cell, H, fused, dtype="float32", **form):
    """A layer on "strict"; the same weights at every call."""
    mg.manual_seed(1)
    return getattr(nn, cell)(D, H, fused=fused, **form).to(dtype).to("strict")


def run(layer, *, given=True, use="all", lengths=None, packed=False, dtype="float32", sizes=(T, B)):
    """Output, final state and every gradient, for a loss that uses the outputs, the last state, or both."""
    layer.zero_grad()
    rng, (t, b) = np.random.default_rng(2), sizes
    x = rng.standard_normal((b, t, D) if layer.batch_first else (t, b, D)).astype(dtype)
    if lengths and not layer.batch_first:
        x[np.arange(t)[:, None] >= lengths] = np.nan           # what stands in the padding changes nothing
    start = rng.standard_normal((layer.num_layers * (1 + layer.bidirectional), b, layer.hidden_size)).astype(dtype)
    x, start = mg.tensor(x, requires_grad=True, device="strict"), mg.tensor(start, requires_grad=True, device="strict")
    source = pack_padded_sequence(x, lengths, layer.batch_first, enforce_sorted=False) if packed else x
    y, last = layer(source, start if given else None, lengths=None if packed else lengths)
    y = y.data if packed else y
    loss = (y * y * y).sum() if use != "last" else 0
    loss = loss + (last * last).sum() if use != "outputs" else loss
    loss.backward()
    found = {"y": y.detach(), "last": last.detach(), "dx": x.grad, **({"dh0": start.grad} if given else {}),
             **{name: p.grad for name, p in layer.named_parameters()}}
    return {name: t.cpu().numpy() for name, t in found.items()}


def equal(got, want):
    assert list(got) == list(want)
    for name in want:
        close(got[name], want[name], name)


def is_the_loop(cell, H, there, **form):
    """The layer by twins against the readable loop, for each way that a loss can use it, with a state and without."""
    layer, loop = make(cell, H, True, **form), make(cell, H, False, **form)
    with clusters(there):
        for use in ("all", "outputs", "last"):
            equal(run(layer, use=use), run(loop, use=use))
        equal(run(layer, given=False), run(loop, given=False))


def is_the_loop_where_examples_end(cell, H, there, **form):
    """Lengths, padding of NaN; then the same as a packed sequence."""
    layer, loop = make(cell, H, True, **form), make(cell, H, False, **form)
    with clusters(there):
        for use in ("all", "outputs", "last"):
            equal(run(layer, use=use, lengths=LENGTHS), run(loop, use=use, lengths=LENGTHS))
        equal(run(layer, lengths=LENGTHS, packed=True), run(loop, lengths=LENGTHS, packed=True))


def source_is_twin(cell, H, there, sizes, lengths, **form):
    """Each launch in both directions, from a state and without. Returns the names of the kernels that ran."""
    layer, names = make(cell, H, True, bidirectional=True, **form), set()
    with clusters(there):
        for given, use in ((True, "last"), (False, "outputs")):
            with compared() as started:
                run(layer, given=given, use=use, lengths=lengths, sizes=sizes)
            names |= set(started)
    return names


def switched(file):
    """The file with a number before each barrier, that of the one which the environment says to leave out; how many.

    One build serves all mutants.
    """
    text, count = (FOLDER / file).read_text(), iter(range(1000))
    text = re.sub(r"\b(?:__syncthreads|cl_sync)\(\);", lambda m: f"if (left_out() != {next(count)}) {m[0]}", text)
    head = 'static int left_out() { const char* n = getenv("MINIGRAD_LEFT_OUT"); return n ? atoi(n) : -1; }\n'
    return Mutant(file, 0, "a barrier", head + text), next(count)


def barriers_missed(cell, file, H=64):
    """The numbers of barriers without which three random orders of threads give right results all the same."""
    layer, missed, sizes = make(cell, H, True), [], (3, 2)
    want = run(layer, sizes=sizes)

    def right(seed):
        with emulated(seed):
            try:
                equal(run(layer, sizes=sizes), want)
            except (AssertionError, EmulatorError):
                return False
        return True
    mutant, count = switched(file)
    with replaced(mutant):
        assert right(0), "with all barriers it is right"
        try:
            for n in range(count):
                os.environ["MINIGRAD_LEFT_OUT"] = str(n)
                if all(right(seed) for seed in range(3)):
                    missed.append(n)
        finally:
            del os.environ["MINIGRAD_LEFT_OUT"]
    return missed, count


def walked(file, name, gates, shift, H=32):
    """The states of two steps from zeros, W_hh `shift` floats behind a multiple of 16 bytes. `execute` aligns all."""
    rng, size = np.random.default_rng(3), gates * H * H
    xg, room = rng.standard_normal((2, 1, gates * H)).astype("float32"), np.zeros(size + 8, "float32")
    start = -(room.ctypes.data // 4) % 4 + shift
    w = room[start:start + size]
    w[:] = rng.standard_normal(size) / H ** 0.5
    hs, last, saved = (np.full(n * H, np.nan, "float32") for n in (3, 1, 8))
    numbers = (2, 1, 0) if gates == 3 else (2, 1, 0, 0)        # T, B, reverse; phi
    arrays = [xg, w, None, None, None, None, *([saved] if gates == 3 else []), hs, None, last]
    pointers = [ctypes.c_void_p(0 if a is None else a.ctypes.data) for a in arrays]
    _library(FOLDER / file, "", (("H", H),))[name](1, 512, ctypes.c_long(1 << 16), 1, 0, *pointers, *numbers)
    return hs


def launches(cell, H, there, **form):
    """Of a layer's forward and backward, without a synchronisation, an upload or a float64."""
    layer = make(cell, H, True, **form)
    x, g = (mg.tensor(np.ones((T, B, n), "float32"), device="strict") for n in (D, H))
    with clusters(there):
        layer(x)[0].backward(g)
        layer.zero_grad()
        with strict.counting(forbid=("sync", "float64", "h2d")) as forward:
            y = layer(x)[0]
        with strict.counting(forbid=("sync", "float64", "h2d")) as backward:
            y.backward(g)
    return forward, backward


# ---------------------------------------------------------------------------------------------- the GRU

@pytest.mark.parametrize("there, H", [(True, 64), (False, 64), (True, 5)])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_layer_is_the_loop_in_values_and_every_gradient(options, there, H):
    is_the_loop("GRU", H, there, **options)


@pytest.mark.parametrize("there", [True, False], ids=["cluster", "steps"])
@pytest.mark.parametrize("form", [{"update": "writes"}, {"reset": "none"}, {"reset": "none", "bias": False},
                                  {"reset": "before", "update": "writes"}], ids=str)
def test_other_forms_are_the_loop_too(form, there):
    is_the_loop("GRU", 32, there, **form)


@pytest.mark.parametrize("there", [True, False], ids=["cluster", "steps"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bidirectional": True,
                                                                                    "checkpoint": 2}], ids=str)
def test_examples_that_end_keep_their_state_and_padding_changes_nothing(options, there):
    is_the_loop_where_examples_end("GRU", 32, there, **options)


@pytest.mark.parametrize("H, sizes, lengths", [(32, (1, 1), None), (32, (3, 5), [3, 1, 2, 3, 2]), (64, (3, 4), None)])
def test_the_cluster_kernels_are_their_twins(H, sizes, lengths):
    """One step; two clusters whose examples end, one with three empty places; a full one of two blocks."""
    assert {"gru_forward", "gru_backward"} <= source_is_twin("GRU", H, True, sizes, lengths)


@pytest.mark.proof
@pytest.mark.parametrize("H", [128, 256, 512])
@pytest.mark.parametrize("lengths", [None, [3, 1, 2, 3, 2]], ids=["all", "lengths"])
def test_the_large_cluster_kernels_are_their_twins(H, lengths):
    assert {"gru_forward", "gru_backward"} <= source_is_twin("GRU", H, True, (3, 5), lengths)


@pytest.mark.parametrize("H, sizes, lengths", [(1, (1, 1), None), (7, (3, 5), None), (90, (3, 4), [3, 1, 2, 3])])
def test_the_cell_kernels_are_their_twins(H, sizes, lengths):
    """90: more than one block of threads, the last one not full."""
    assert {"gru_cell_forward", "gru_cell_backward"} <= source_is_twin("GRU", H, False, sizes, lengths)


@pytest.mark.parametrize("form", [{"bias": False}, {"bias": "one"}], ids=str)
def test_the_kernels_are_their_twins_without_biases(form):
    for there in (True, False):
        source_is_twin("GRU", 32, there, (2, 3), None, **form)


def test_the_source_is_the_loop_and_the_order_of_threads_changes_no_bit():
    layer, loop = make("GRU", 64, True), make("GRU", 64, False)
    found = []
    for seed in (0, 1):
        with emulated(seed) as started:
            found.append(run(layer, lengths=LENGTHS))
        assert started.count("gru_forward") == started.count("gru_backward") == 1
    equal(found[0], run(loop, lengths=LENGTHS))
    for name in found[0]:
        assert np.array_equal(found[0][name], found[1][name]), name


def test_without_any_one_barrier_results_are_wrong():
    assert barriers_missed("GRU", "gru_cluster.cu") == ([], 9)


def test_weights_at_an_odd_place_of_a_flat_buffer_are_read_the_same():
    """An optimiser lays parameters side by side: W_hh may start at any float, and a GPU refuses to read four there."""
    aligned, *others = [walked("gru_cluster.cu", "gru_forward", 3, shift) for shift in range(4)]
    assert all(np.array_equal(aligned, hs) for hs in others) and np.isfinite(aligned).all()


def test_float64_and_a_reset_before_the_product_take_the_loop():
    x = mg.tensor(np.ones((T, B, D), "float32"), device="strict")
    assert make("GRU", 32, True)(x)[0].edge.node.op is gru_on_device.op
    assert make("GRU", 32, True, reset="before")(x)[0].edge.op.name == "_stack"
    assert make("GRU", 32, True, "float64")(x.to("float64"))[0].edge.op.name == "_stack"


def test_a_training_step_takes_two_launches_forward_and_four_backward():
    """Forward a product and the walk. Backward the walk, dW_ih, dW_hh, and one sum for both biases."""
    forward, backward = launches("GRU", 256, True)
    assert (forward.launch, backward.launch) == (2, 4), (forward, backward)


def test_without_clusters_it_takes_two_launches_a_step():
    """A product and a cell a step, but no product with a state of 0; the sums over all steps take two launches each."""
    forward, backward = launches("GRU", 48, False)
    assert (forward.launch, backward.launch) == (1 + 2 * T - 1, 2 * T - 1 + 2 + 4), (forward, backward)
