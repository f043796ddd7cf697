"""The fused RNN against the readable one, and what a node that reuses memory must never do."""
from __future__ import annotations

import gc

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import GradError, InplaceError
from minigrad.nn.fused import workspace
from minigrad.nn.fused.rnn import rnn_sequence


def twins(dtype="float64", **options):
    """A fused and a readable layer with the same weights."""
    fused, readable = nn.RNN(3, 5, **options), nn.RNN(3, 5, **options, fused=False)
    readable.load_state_dict(fused.state_dict())
    return fused.to(mg.float64 if dtype == "float64" else mg.float32), readable.to(dtype)


def run(layer, x, h, *, use="both"):
    """Outputs and gradients of everything, for a loss that uses the outputs, the last state, or both."""
    x, h = mg.tensor(x, requires_grad=True), mg.tensor(h, requires_grad=True)
    layer.zero_grad()
    y, last = layer(x, h)
    loss = mg.zeros((), dtype=x.dtype)
    if use != "last":
        loss = loss + (y * y * y).sum()
    if use != "outputs":
        loss = loss + (last * last).sum()
    loss.backward()
    return {"y": y.detach(), "last": last.detach(), "dx": x.grad, "dh": h.grad,
            **{n: p.grad for n, p in layer.named_parameters()}}


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize("use", ["both", "outputs", "last"])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bidirectional": True}, {"bias": False},
                                     {"num_layers": 3, "bidirectional": True, "batch_first": True}],
                         ids=["one", "two", "bothways", "nobias", "all"])
def test_fused_is_readable_in_values_and_every_gradient(rng, options, nonlinearity, use, dtype, tolerance):
    """Two programs of one equation; the fused one saves other things, in another order."""
    fused, readable = twins(dtype, nonlinearity=nonlinearity, **options)
    ways = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    x = rng.standard_normal((6, 4, 3)).astype(dtype)
    h = rng.standard_normal((ways, 6 if "batch_first" in options else 4, 5)).astype(dtype)
    got, want = run(fused, x, h, use=use), run(readable, x, h, use=use)
    for name in want:
        assert got[name].dtype == want[name].dtype
        np.testing.assert_allclose(got[name].numpy(), want[name].numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


def test_the_layer_uses_one_node_on_the_host_and_the_loop_where_it_is_told(rng):
    """A test of equality is worth nothing if both sides are the loop."""
    fused, readable = twins("float32")
    x = mg.tensor(rng.standard_normal((6, 4, 3)).astype("float32"))
    assert fused(x)[0].edge.node.op.name == "rnn_sequence"
    assert readable(x)[0].edge.op.name == "_stack"


def test_two_live_graphs_share_no_memory(rng):
    """Two forward passes of one size, then both backward: the second must not have overwritten the first."""
    layer, _ = twins(num_layers=2)
    xs = rng.standard_normal((2, 6, 4, 3))

    def alone(x):
        layer.zero_grad()
        layer(mg.tensor(x))[0].sum().backward()
        return layer.weight_hh_l0.grad.numpy().copy()
    want = [alone(x) for x in xs]
    losses = [layer(mg.tensor(x))[0].sum() for x in xs]
    for loss, w in zip(losses, want, strict=True):
        layer.zero_grad()
        loss.backward()
        np.testing.assert_array_equal(layer.weight_hh_l0.grad.numpy(), w)


def test_what_a_call_returned_is_not_overwritten_by_later_calls(rng):
    """Outputs, states and gradients are the caller's; the workspace is not."""
    layer, _ = twins(num_layers=2)
    kept, copies = [], []
    for _ in range(3):
        result = run(layer, rng.standard_normal((6, 4, 3)), rng.standard_normal((2, 4, 5)))
        kept.append(result)
        copies.append({n: t.numpy().copy() for n, t in result.items()})
    for result, copy in zip(kept, copies, strict=True):
        for name in copy:
            np.testing.assert_array_equal(result[name].numpy(), copy[name], err_msg=name)


def test_backward_twice_on_a_retained_graph_adds_the_same_gradient(rng):
    """The first pass must leave intact what the second reads."""
    layer, _ = twins()
    loss = (layer(mg.tensor(rng.standard_normal((6, 4, 3))))[0] ** 2).sum()
    loss.backward(retain_graph=True)
    once = layer.weight_hh_l0.grad.numpy().copy()
    loss.backward()
    np.testing.assert_allclose(layer.weight_hh_l0.grad.numpy(), 2 * once, rtol=1e-14)


def test_a_workspace_serves_again_after_backward_and_after_a_graph_was_dropped(rng):
    """With the cyclic collector off: no training step allocates, and no graph holds one for longer than it lives."""
    layer, _ = twins()
    x = mg.tensor(rng.standard_normal((6, 4, 3)))
    gc.disable()
    try:
        layer(x)[0].sum().backward()
        idle = workspace.idle_bytes()
        for _ in range(3):
            loss = layer(x)[0].sum()
            assert workspace.idle_bytes() < idle
            loss.backward()
            assert workspace.idle_bytes() == idle
            layer(x)
            assert workspace.idle_bytes() == idle
            with mg.no_grad():
                y = layer(x)[0]
            assert workspace.idle_bytes() == idle and y.shape == (6, 4, 5)
    finally:
        gc.enable()


def test_idle_workspaces_are_bounded(rng, monkeypatch):
    """Batches of many lengths must not keep one workspace each for ever."""
    monkeypatch.setattr(workspace, "LIMIT", 20_000)
    layer, _ = twins()
    for steps in range(1, 40):
        layer(mg.tensor(rng.standard_normal((steps, 4, 3))))[0].sum().backward()
        assert workspace.idle_bytes() <= 20_000
    workspace.clear()
    assert workspace.idle_bytes() == 0


def test_only_wanted_gradients_are_computed(rng, monkeypatch):
    """The gradient of the data is a product over all steps: nobody asked for it."""
    layer, _ = twins()
    node = layer(mg.tensor(rng.standard_normal((6, 4, 3))))[0].edge.node
    entries = node.vjp([None, np.ones((4, 5))])
    assert all(callable(e) for e in entries)
    for p in layer.parameters():
        p.requires_grad_(False)
    x = mg.tensor(rng.standard_normal((6, 4, 3)), requires_grad=True)
    layer(x)[1].sum().backward()
    assert x.grad.shape == x.shape and layer.weight_hh_l0.grad is None


def test_a_weight_that_was_written_since_is_an_error(rng):
    """The optimiser's step between forward and backward, the commonest wrong order."""
    layer, _ = twins()
    loss = layer(mg.tensor(rng.standard_normal((6, 4, 3))))[0].sum()
    with mg.no_grad():
        layer.weight_hh_l0.mul_(2)
    with pytest.raises(InplaceError, match="rnn_sequence"):
        loss.backward()


def test_outputs_and_inputs_that_are_written_since_do_no_harm(rng):
    """The node keeps copies of them, so the gradient stays right."""
    layer, readable = twins()
    x = rng.standard_normal((6, 4, 3))
    want = run(readable, x, np.zeros((1, 4, 5)), use="outputs")["weight_hh_l0"]
    data = mg.tensor(x)
    layer.zero_grad()
    y = layer(data)[0]
    loss = (y * y * y).sum()
    data.zero_()
    loss.backward()
    np.testing.assert_allclose(layer.weight_hh_l0.grad.numpy(), want.numpy(), rtol=1e-12)


def test_second_order_needs_the_readable_path_and_works_there(rng):
    """The fused node says so and names the switch."""
    fused, readable = twins()
    x = mg.tensor(rng.standard_normal((3, 2, 3)), requires_grad=True)
    with pytest.raises(GradError, match="fused=False"):
        mg.grad(fused(x)[0].sum(), x, create_graph=True)
    mg.gradcheck(lambda x: readable(x)[0], x, order=2)


def test_gradients_of_a_long_sequence_agree_with_differences(rng):
    """An oracle that shares no code with either path."""
    layer, _ = twins()
    names = [n for n, _ in layer.named_parameters()]

    def f(x, h, *weights):
        return rnn_sequence(x, h, *weights)
    inputs = [mg.tensor(rng.standard_normal((40, 2, 3)), requires_grad=True),
              mg.tensor(rng.standard_normal((2, 5)), requires_grad=True),
              *[mg.tensor(getattr(layer, n).detach().numpy(), requires_grad=True) for n in names]]
    assert mg.gradcheck(f, inputs)
    assert mg.gradcheck(lambda *args: rnn_sequence(*args, reverse=True), inputs)
