"""The fused RNN, LSTM and GRU against the readable ones, and what a node that reuses memory must never do."""
from __future__ import annotations

import gc

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, GradError, IndexRangeError, InplaceError, ShapeError
from minigrad.nn.fused import workspace
from minigrad.nn.fused.embedding_lstm import embedding_lstm_sequence
from minigrad.nn.fused.gru import gru_sequence
from minigrad.nn.fused.lstm import lstm_sequence
from minigrad.nn.fused.rnn import rnn_sequence

CELLS = {"RNN": rnn_sequence, "LSTM": lstm_sequence, "GRU": gru_sequence}
FORMS = [("RNN", {"nonlinearity": "tanh"}), ("RNN", {"nonlinearity": "relu"}), ("RNN", {"nonlinearity": "sigmoid"}),
         ("LSTM", {}), ("GRU", {})]


def twins(cell="RNN", dtype="float64", **options):
    """A fused and a readable layer with the same weights."""
    make = getattr(nn, cell)
    fused, readable = make(3, 5, **options), make(3, 5, **options, fused=False)
    readable.load_state_dict(fused.state_dict())
    return fused.to(dtype), readable.to(dtype)


def run(layer, x, states, *, use="all", **more):
    """Outputs and gradients of everything, for a loss that uses the outputs, a final state, or all of them."""
    x, states = mg.tensor(x, requires_grad=True), [mg.tensor(s, requires_grad=True) for s in states]
    layer.zero_grad()
    y, last = layer(x, (tuple(states) if len(states) > 1 else states[0]) if states else None, **more)
    last = last if isinstance(last, tuple) else (last,)
    loss = mg.zeros((), dtype=x.dtype)
    if use in ("all", "outputs"):
        loss = loss + (y * y * y).sum()
    if use in ("all", "last"):
        loss = loss + (last[0] * last[0]).sum()
    if use in ("all", "cell"):
        loss = loss + (last[-1] * last[-1] * last[-1]).sum()
    loss.backward()
    return {"y": y.detach(), **{f"last {i}": s.detach() for i, s in enumerate(last)}, "dx": x.grad,
            **{f"d state {i}": s.grad for i, s in enumerate(states)},
            **{n: p.grad for n, p in layer.named_parameters()}}


def draw(rng, cell, T=6, B=4, ways=1, dtype="float64", batch_first=False):
    """x, and a state for each layer and direction."""
    x = rng.standard_normal((T, B, 3)).astype(dtype)
    batch = T if batch_first else B
    return x, [rng.standard_normal((ways, batch, 5)).astype(dtype) for _ in range(1 + (cell == "LSTM"))]


def equal(got, want, tolerance):
    assert list(got) == list(want)
    for name in want:
        assert got[name].dtype == want[name].dtype
        np.testing.assert_allclose(got[name].numpy(), want[name].numpy(), rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize("use", ["all", "outputs", "last", "cell"])
@pytest.mark.parametrize("cell, form", FORMS, ids=[c + "".join(f.values()) for c, f in FORMS])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bidirectional": True}, {"bias": False}, {"bias": "one"},
                                     {"num_layers": 3, "bidirectional": True, "batch_first": True}],
                         ids=["one", "two", "bothways", "nobias", "onebias", "all"])
def test_fused_is_readable_in_values_and_every_gradient(rng, options, cell, form, use, dtype, tolerance):
    """Two programs of one equation; the fused one saves other things, in another order."""
    fused, readable = twins(cell, dtype, **form, **options)
    ways = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    x, states = draw(rng, cell, ways=ways, dtype=dtype, batch_first="batch_first" in options)
    equal(run(fused, x, states, use=use), run(readable, x, states, use=use), tolerance)


@pytest.mark.parametrize("given", [True, False], ids=["given", "zeros"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["oneway", "bothways"])
@pytest.mark.parametrize("cell, form", FORMS, ids=[c + "".join(f.values()) for c, f in FORMS])
def test_fused_is_readable_where_some_examples_have_ended(rng, cell, form, bidirectional, given):
    """Masks are in the loops of both; the lengths are in no order, and one example has a single step."""
    fused, readable = twins(cell, num_layers=2, bidirectional=bidirectional, **form)
    x, states = draw(rng, cell, T=7, B=5, ways=2 + 2 * bidirectional)
    x[[3, 4, 5, 6], 1] = np.nan
    more = {"lengths": [7, 3, 1, 5, 7]}
    states = states if given else []
    for use in ("all", "outputs", "last", "cell"):
        equal(run(fused, x, states, use=use, **more), run(readable, x, states, use=use, **more), 1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (1, 3, 2, 4), (9, 1, 1, 1), (300, 1, 2, 3), (3, 70, 4, 90)])
def test_every_size_agrees_with_the_loop(rng, cell, sizes):
    """Sizes of one; more steps than a block of the backward pass; one step larger than a block."""
    T, B, D, H = sizes
    fused, readable = (getattr(nn, cell)(D, H, fused=f).to(mg.float64) for f in (True, False))
    readable.load_state_dict(fused.state_dict())
    x = rng.standard_normal((T, B, D))
    equal(run(fused, x, []), run(readable, x, []), 1e-10)                      # sums of 300 steps in another order


@pytest.mark.parametrize("cell", CELLS)
def test_the_layer_uses_one_node_on_the_host_and_the_loop_where_it_is_told(rng, cell):
    """A test of equality is worth nothing if both sides are the loop."""
    fused, readable = twins(cell, "float32")
    x = mg.tensor(rng.standard_normal((6, 4, 3)).astype("float32"))
    assert fused(x)[0].edge.node.op.name == f"{cell.lower()}_sequence"
    assert readable(x)[0].edge.op.name == "_stack"


@pytest.mark.parametrize("cell", CELLS)
def test_two_live_graphs_share_no_memory(rng, cell):
    """Two forward passes of one size, then both backward: the second must not have overwritten the first."""
    layer, _ = twins(cell, num_layers=2)
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


@pytest.mark.parametrize("cell", CELLS)
def test_what_a_call_returned_is_not_overwritten_by_later_calls(rng, cell):
    """Outputs, states and gradients are the caller's; the workspace is not."""
    layer, _ = twins(cell, num_layers=2)
    kept, copies = [], []
    for _ in range(3):
        result = run(layer, *draw(rng, cell, ways=2))
        kept.append(result)
        copies.append({n: t.numpy().copy() for n, t in result.items()})
    for result, copy in zip(kept, copies, strict=True):
        for name in copy:
            np.testing.assert_array_equal(result[name].numpy(), copy[name], err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
def test_backward_twice_on_a_retained_graph_adds_the_same_gradient(rng, cell):
    """The first pass must leave intact what the second reads."""
    layer, _ = twins(cell)
    loss = (layer(mg.tensor(rng.standard_normal((6, 4, 3))))[0] ** 2).sum()
    loss.backward(retain_graph=True)
    once = layer.weight_hh_l0.grad.numpy().copy()
    loss.backward()
    np.testing.assert_allclose(layer.weight_hh_l0.grad.numpy(), 2 * once, rtol=1e-14)


@pytest.mark.parametrize("cell", CELLS)
def test_a_workspace_serves_again_after_backward_and_after_a_graph_was_dropped(rng, cell):
    """With the cyclic collector off: no training step allocates, and no graph holds one for longer than it lives."""
    layer, _ = twins(cell)
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
    layer, _ = twins("LSTM")
    for steps in range(1, 40):
        layer(mg.tensor(rng.standard_normal((steps, 4, 3))))[0].sum().backward()
        assert workspace.idle_bytes() <= 20_000
    workspace.clear()
    assert workspace.idle_bytes() == 0


BYTES = {"RNN": lambda D, H: 4 * (H + D + 1), "LSTM": lambda D, H: 4 * (7 * H + D + 1),
         "GRU": lambda D, H: 4 * (5 * H + D + 1)}


@pytest.mark.parametrize("cell", CELLS)
def test_a_graph_keeps_what_the_docstring_says_for_each_step(cell):
    """Memory is proportional to T; outputs come on top: 4 B H bytes a step."""
    B, D, H = 3, 4, 50
    layer = getattr(nn, cell)(D, H)

    def saved(T):
        return mg.memory_ledger(layer(mg.zeros(T, B, D))[0].sum()).total
    assert saved(500) - saved(400) == 100 * B * BYTES[cell](D, H)


@pytest.mark.parametrize("cell", CELLS)
def test_only_wanted_gradients_are_computed(rng, cell):
    """The gradient of the data is a product over all steps: nobody asked for it."""
    layer, _ = twins(cell)
    node = layer(mg.tensor(rng.standard_normal((6, 4, 3))))[0].edge.node
    entries = node.vjp([None, np.ones((4, 5)), None][:2 + (cell == "LSTM")])
    assert all(callable(e) for e in entries)
    for p in layer.parameters():
        p.requires_grad_(False)
    x = mg.tensor(rng.standard_normal((6, 4, 3)), requires_grad=True)
    layer(x)[0].sum().backward()
    assert x.grad.shape == x.shape and layer.weight_hh_l0.grad is None


@pytest.mark.parametrize("cell", CELLS)
def test_a_weight_that_was_written_since_is_an_error(rng, cell):
    """The optimiser's step between forward and backward, the commonest wrong order."""
    layer, _ = twins(cell)
    loss = layer(mg.tensor(rng.standard_normal((6, 4, 3))))[0].sum()
    with mg.no_grad():
        layer.weight_hh_l0.mul_(2)
    with pytest.raises(InplaceError, match=f"{cell.lower()}_sequence"):
        loss.backward()


@pytest.mark.parametrize("cell", CELLS)
def test_outputs_and_inputs_that_are_written_since_do_no_harm(rng, cell):
    """The node keeps copies of them, so the gradient stays right."""
    layer, readable = twins(cell)
    x = rng.standard_normal((6, 4, 3))
    want = run(readable, x, [], use="outputs")["weight_hh_l0"]
    data = mg.tensor(x)
    layer.zero_grad()
    y = layer(data)[0]
    loss = (y * y * y).sum()
    data.zero_()
    loss.backward()
    np.testing.assert_allclose(layer.weight_hh_l0.grad.numpy(), want.numpy(), rtol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_second_order_needs_the_readable_path_and_works_there(rng, cell):
    """The fused node says so and names the switch."""
    fused, readable = twins(cell)
    x = mg.tensor(rng.standard_normal((3, 2, 3)), requires_grad=True)
    with pytest.raises(GradError, match="fused=False"):
        mg.grad(fused(x)[0].sum(), x, create_graph=True)
    mg.gradcheck(lambda x: readable(x)[0], x, order=2)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_a_long_sequence_agree_with_differences(rng, cell):
    """An oracle that shares no code with either path."""
    layer, _ = twins(cell)
    states = 1 + (cell == "LSTM")
    inputs = [mg.tensor(rng.standard_normal(s), requires_grad=True) for s in [(40, 2, 3), *[(2, 5)] * states]]
    inputs += [mg.tensor(p.detach().numpy(), requires_grad=True) for _, p in layer.named_parameters()]
    alive = np.arange(40)[:, None] < [40, 17]
    for more in ({}, {"reverse": True}, {"alive": alive}, {"alive": alive, "reverse": True}):
        assert mg.gradcheck(lambda *args, more=more: CELLS[cell](*args, **more), inputs)


# ----- Embedding and LSTM as one node

def embedded(dtype="float64", V=4, E=3, **options):
    """A joined and a plain module with the same weights."""
    joined, plain = nn.EmbeddingLSTM(V, E, 5, **options), nn.EmbeddingLSTM(V, E, 5, joined=False, **options)
    plain.load_state_dict(joined.state_dict())
    return joined.to(dtype), plain.to(dtype)


def run_embedded(module, ids, states):
    states = [mg.tensor(s, requires_grad=True) for s in states]
    module.zero_grad()
    y, (h, c) = module(mg.tensor(ids), tuple(states) or None)
    ((y * y * y).sum() + (h * c).sum()).backward()
    return {"y": y.detach(), "h": h.detach(), "c": c.detach(), **{f"d state {i}": s.grad for i, s in enumerate(states)},
            **{n: p.grad for n, p in module.named_parameters()}}


@pytest.mark.parametrize("options", [{}, {"bias": "one"}, {"bias": False}, {"batch_first": True}], ids=str)
@pytest.mark.parametrize("given", [True, False], ids=["given", "zeros"])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-5)])
def test_the_joined_node_is_the_two_layers(rng, options, given, dtype, tolerance):
    """Ids occur twice, and one of the vocabulary not at all: its row gets no gradient."""
    joined, plain = embedded(dtype, **options)
    ids = rng.integers(0, 3, (6, 4))
    B = 6 if options.get("batch_first") else 4
    states = [rng.standard_normal((1, B, 5)).astype(dtype) for _ in range(2 * given)]
    got, want = run_embedded(joined, ids, states), run_embedded(plain, ids, states)
    equal(got, want, tolerance)
    assert not got["embedding.weight"].numpy()[3].any()


def test_embedding_and_lstm_are_joined_only_where_that_is_right_and_pays(rng):
    """A wide vocabulary, two layers, padding, lengths: the two layers."""
    ids = mg.tensor(rng.integers(0, 4, (6, 4)))

    def name(module, **more):
        return module(ids, **more)[0].edge.node.op.name
    assert name(nn.EmbeddingLSTM(4, 3, 5)) == "embedding_lstm_sequence"
    for module in (nn.EmbeddingLSTM(5, 3, 5), nn.EmbeddingLSTM(4, 3, 5, 2), nn.EmbeddingLSTM(4, 3, 5, padding_idx=0),
                   nn.EmbeddingLSTM(4, 3, 5, joined=False), nn.EmbeddingLSTM(4, 3, 5, coupled=True)):
        assert name(module) == "lstm_sequence"
    assert name(nn.EmbeddingLSTM(4, 3, 5), lengths=[6, 2, 1, 6]) == "lstm_sequence"
    assert name(nn.EmbeddingLSTM(4, 3, 5, peephole="full")) == "peephole_sequence"


@pytest.mark.parametrize("child", ["embedding", "lstm"])
def test_a_hook_on_a_child_is_called_although_both_could_be_joined(rng, child):
    """The joined node calls neither child, so it must not be taken then."""
    module, seen = nn.EmbeddingLSTM(4, 3, 5), []
    getattr(module, child).register_forward_hook(lambda m, args, out: seen.append(m))
    module(mg.tensor(rng.integers(0, 4, (6, 4))))
    assert seen == [getattr(module, child)]


@pytest.mark.parametrize("batch_first", [False, True])
def test_packed_ids_are_embedded_and_read(rng, batch_first):
    """PyTorch's idiom: the data of a packed sequence through the embedding."""
    module = nn.EmbeddingLSTM(4, 3, 5, batch_first=batch_first).to(mg.float64)
    ids = mg.tensor(rng.integers(0, 4, (3, 6) if batch_first else (6, 3)))
    packed = nn.utils.rnn.pack_padded_sequence(ids, [2, 6, 3], batch_first, enforce_sorted=False)
    y, (h, _) = module(packed)
    want, (last, _) = module(ids, lengths=[2, 6, 3])
    got, n = nn.utils.rnn.pad_packed_sequence(y, batch_first)
    assert n.tolist() == [2, 6, 3]
    np.testing.assert_array_equal(got.detach().numpy(), want.detach().numpy())
    np.testing.assert_array_equal(h.detach().numpy(), last.detach().numpy())


def test_ids_and_states_that_do_not_fit_are_named(rng):
    """The joined node says what the two layers would say."""
    module = nn.EmbeddingLSTM(4, 3, 5)
    with pytest.raises(IndexRangeError, match=r"id 4 is outside of 0 \.\.\. 3"):
        module(mg.tensor([[1], [4]]))
    with pytest.raises(ShapeError, match="ids of two axes"):
        module(mg.tensor([1, 2]))
    with pytest.raises(ShapeError, match=r"state of LSTM.* needs \(1, 1, 5\)"):
        module(mg.tensor([[1], [2]]), (mg.zeros(1, 2, 5), mg.zeros(1, 2, 5)))
    with pytest.raises(ShapeError, match="has 2 tensors, and 1 came"):
        module(mg.tensor([[1], [2]]), mg.zeros(1, 1, 5))
    with pytest.raises(DTypeError, match=r"LSTM\(3, 5\) is of float32, and its state of float64"):
        module(mg.tensor([[1], [2]]), (mg.zeros(1, 1, 5, dtype=mg.float64),) * 2)
    with pytest.raises(TypeError, match="takes a Tensor, and x is of type list"):
        module([[1], [2]])


def test_ids_that_are_written_after_the_forward_pass_do_no_harm(rng):
    """Batches are often read into one buffer."""
    joined, plain = embedded()
    ids = rng.integers(0, 4, (6, 4))
    want = run_embedded(plain, ids.copy(), [])["embedding.weight"]
    held = mg.tensor(ids)
    y, (h, c) = joined(held)
    held.zero_()
    ((y * y * y).sum() + (h * c).sum()).backward()
    np.testing.assert_allclose(joined.embedding.weight.grad.numpy(), want.numpy(), rtol=1e-12)


def test_the_joined_nodes_gradients_agree_with_differences(rng):
    """Table, states and all weights."""
    joined, _ = embedded()
    ids = rng.integers(0, 4, (12, 2))
    inputs = [mg.tensor(p.detach().numpy(), requires_grad=True) for _, p in joined.named_parameters()]
    inputs[1:1] = [mg.tensor(rng.standard_normal((2, 5)), requires_grad=True) for _ in range(2)]
    assert mg.gradcheck(lambda *args: embedding_lstm_sequence(*args, ids=ids), inputs)
