"""The Elman network's kernels: the source is the twin, the layer is the loop, and no barrier can go."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn.gpu.rnn import rnn_on_device

from .emulator import emulated
from .test_gru import (
    LENGTHS,
    OPTIONS,
    B,
    D,
    T,
    barriers_missed,
    equal,
    is_the_loop,
    is_the_loop_where_examples_end,
    launches,
    make,
    run,
    source_is_twin,
    walked,
)


@pytest.mark.parametrize("there, H", [(True, 64), (False, 64), (True, 5)])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_layer_is_the_loop_in_values_and_every_gradient(options, there, H):
    is_the_loop("RNN", H, there, **options)


@pytest.mark.parametrize("there", [True, False], ids=["cluster", "steps"])
@pytest.mark.parametrize("form", [{"nonlinearity": "relu"}, {"nonlinearity": "sigmoid"}, {"skip": 2},
                                  {"residual": True, "nonlinearity": "relu"}], ids=str)
def test_other_forms_are_the_loop_too(form, there):
    is_the_loop("RNN", 32, there, **form)


@pytest.mark.parametrize("there", [True, False], ids=["cluster", "steps"])
@pytest.mark.parametrize("options", [{"nonlinearity": "relu"}, {"num_layers": 2, "bidirectional": True},
                                     {"bidirectional": True, "checkpoint": 2}], ids=str)
def test_examples_that_end_keep_their_state_and_padding_changes_nothing(options, there):
    is_the_loop_where_examples_end("RNN", 32, there, **options)


@pytest.mark.parametrize("H, nonlinearity, sizes, lengths", [
    (32, "tanh", (1, 1), None), (32, "sigmoid", (3, 5), [3, 1, 2, 3, 2]), (64, "relu", (3, 4), None)])
def test_the_cluster_kernels_are_their_twins(H, nonlinearity, sizes, lengths):
    """One step; two clusters whose examples end, one with three empty places; a full one of two blocks."""
    ran = source_is_twin("RNN", H, True, sizes, lengths, nonlinearity=nonlinearity)
    assert {"rnn_forward", "rnn_backward"} <= ran


@pytest.mark.proof
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("H", [128, 256, 512])
@pytest.mark.parametrize("lengths", [None, [3, 1, 2, 3, 2]], ids=["all", "lengths"])
def test_the_large_cluster_kernels_are_their_twins(H, lengths, nonlinearity):
    ran = source_is_twin("RNN", H, True, (3, 5), lengths, nonlinearity=nonlinearity)
    assert {"rnn_forward", "rnn_backward"} <= ran


@pytest.mark.parametrize("H, nonlinearity, sizes, lengths", [(1, "tanh", (1, 1), None), (7, "relu", (3, 5), None),
                                                             (90, "sigmoid", (3, 4), [3, 1, 2, 3])])
def test_the_cell_kernels_are_their_twins(H, nonlinearity, sizes, lengths):
    """90: more than one block of threads, the last one not full."""
    ran = source_is_twin("RNN", H, False, sizes, lengths, nonlinearity=nonlinearity)
    assert {"rnn_cell_forward", "rnn_cell_backward"} <= ran


@pytest.mark.parametrize("form", [{"bias": False}, {"bias": "one"}], ids=str)
def test_the_kernels_are_their_twins_without_biases(form):
    for there in (True, False):
        source_is_twin("RNN", 32, there, (2, 3), None, **form)


def test_the_source_is_the_loop_and_the_order_of_threads_changes_no_bit():
    layer, loop = make("RNN", 64, True), make("RNN", 64, False)
    found = []
    for seed in (0, 1):
        with emulated(seed) as started:
            found.append(run(layer, lengths=LENGTHS))
        assert started.count("rnn_forward") == started.count("rnn_backward") == 1
    equal(found[0], run(loop, lengths=LENGTHS))
    for name in found[0]:
        assert np.array_equal(found[0][name], found[1][name]), name


def test_without_any_one_barrier_results_are_wrong():
    assert barriers_missed("RNN", "rnn_cluster.cu") == ([], 9)


def test_weights_at_an_odd_place_of_a_flat_buffer_are_read_the_same():
    aligned, *others = [walked("rnn_cluster.cu", "rnn_forward", 1, shift) for shift in range(4)]
    assert all(np.array_equal(aligned, hs) for hs in others) and np.isfinite(aligned).all()


def test_a_relu_network_that_overflows_gives_what_the_loop_gives():
    """A NaN must not become 0 on the way, as fmaxf would have it."""
    layers = [make("RNN", 32, fused, nonlinearity="relu") for fused in (True, False)]
    x = mg.tensor(np.full((T, B, D), np.nan, "float32"), device="strict")
    with emulated():
        kernel = layers[0](x)[0]
    assert np.isnan(layers[1](x)[0].detach().cpu().numpy()).all() and np.isnan(kernel.detach().cpu().numpy()).all()


def test_float64_and_shortcuts_take_the_loop():
    x = mg.tensor(np.ones((T, B, D), "float32"), device="strict")
    assert make("RNN", 32, True)(x)[0].edge.node.op is rnn_on_device.op
    assert make("RNN", 32, True, skip=2)(x)[0].edge.op.name == "_stack"
    assert make("RNN", 32, True, residual=True)(x)[0].edge.op.name == "_stack"
    assert make("RNN", 32, True, "float64")(x.to("float64"))[0].edge.op.name == "_stack"


def test_a_training_step_takes_two_launches_forward_and_five_backward():
    """Forward a product and the walk. Backward the walk, dW_ih, dW_hh, and a sum for both biases, which is copied."""
    forward, backward = launches("RNN", 256, True)
    assert (forward.launch, backward.launch) == (2, 5), (forward, backward)


def test_without_clusters_it_takes_two_launches_a_step():
    """A product and a cell a step, but no product with a state of 0; the sum takes two launches, and is copied."""
    forward, backward = launches("RNN", 48, False)
    assert (forward.launch, backward.launch) == (1 + 2 * T - 1, 2 * T - 1 + 2 + 3), (forward, backward)
