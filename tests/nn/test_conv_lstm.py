"""The LSTM with convolutional gates: its equation, its layer, and its fused node against the readable loop."""
from __future__ import annotations

import gc

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DeviceError, GradError, InplaceError, ShapeError
from minigrad.nn import ConvLSTM, ConvLSTMCell
from minigrad.nn.conv_lstm import conv_lstm_step
from minigrad.nn.fused import workspace
from minigrad.nn.fused.conv_lstm import conv_lstm_sequence
from minigrad.nn.steps import lstm_step

NAMES = ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh")


def draw(rng, T=4, B=2, C=3, H=2, space=(4, 5), kernel=(3, 3), dtype="float64", without=()):
    """Random arrays for every argument of the node; None for those left out."""
    shapes = [(T, B, C, *space), (B, H, *space), (B, H, *space), (4 * H, C, *kernel), (4 * H, H, *kernel), (4 * H,),
              (4 * H,)]
    scale = {"w_ih": C * np.prod(kernel), "w_hh": H * np.prod(kernel)}
    return {n: None if n in without else (rng.standard_normal(s) / np.sqrt(scale.get(n, 1))).astype(dtype)
            for n, s in zip(NAMES, shapes, strict=True)}


def loop(x, h, c, *weights):
    outputs = []
    h = mg.zeros(x.shape[1], weights[1].shape[1], *x.shape[3:], dtype=x.dtype) if h is None else h
    c = mg.zeros(*h.shape, dtype=x.dtype) if c is None else c
    for x_t in x:
        h, c = conv_lstm_step(x_t, h, c, *weights)
        outputs.append(h)
    return mg.stack(outputs), h, c


def run(path, arrays, use="all", wanted=NAMES):
    """Outputs, and gradients of a loss that uses all outputs or the one named; 0 for what it does not depend on."""
    v = {n: a if a is None else mg.tensor(a, requires_grad=n in wanted) for n, a in arrays.items()}
    out = dict(zip(("y", "h", "c"), path(*v.values()), strict=True))
    sum(((t * t * t).sum() for n, t in out.items() if use in ("all", n)), mg.zeros((), dtype=v["x"].dtype)).backward()
    return {**{n: t.detach().numpy() for n, t in out.items()},
            **{"d" + n: np.zeros_like(t.detach().numpy()) if t.grad is None else t.grad.numpy()
               for n, t in v.items() if t is not None and t.requires_grad}}


def same(got, want, tolerance):
    for name, w in want.items():
        assert got[name].dtype == w.dtype and got[name].shape == w.shape, name
        np.testing.assert_allclose(got[name], w, rtol=tolerance, atol=tolerance * max(1, np.abs(w).max()),
                                   err_msg=name)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-5)])
def test_the_node_is_the_readable_step_over_time(dtype, tolerance):
    """Random sizes, kernels, biases, starts and uses of the outputs; two programs of one equation."""
    for seed in range(24):
        rng = np.random.default_rng(seed)
        T, B, C, H, high, wide = rng.integers(1, [6, 4, 4, 4, 7, 7])
        kernel = tuple(rng.choice([1, 3, 5], 2))
        without = [n for n in ("h0", "c0", "b_hh") if rng.random() < 0.4]
        without += ["b_ih"] if "b_hh" in without and rng.random() < 0.5 else []
        arrays = draw(rng, T, B, C, H, (high, wide), kernel, dtype, without)
        use = ["all", "y", "h", "c"][seed % 4]
        same(run(conv_lstm_sequence, arrays, use), run(loop, arrays, use), tolerance)


@pytest.mark.parametrize("sizes", [dict(T=1), dict(B=1), dict(C=1), dict(H=1), dict(space=(1, 1), kernel=(5, 5)),
                                   dict(space=(1, 6)), dict(space=(6, 1)), dict(kernel=(1, 1)), dict(kernel=(7, 3)),
                                   dict(T=1, B=1, C=1, H=1, space=(1, 1), kernel=(1, 1)), dict(T=40, space=(8, 9))],
                         ids=lambda s: "-".join(f"{k}{v}" for k, v in s.items()).replace(" ", ""))
def test_sizes_of_one_and_kernels_larger_than_the_picture_are_not_special(sizes, rng):
    """Where broadcasting hides a missing axis, and where a window reaches into the next picture of the batch."""
    arrays = draw(rng, **sizes)
    same(run(conv_lstm_sequence, arrays), run(loop, arrays), 1e-12)


@pytest.mark.parametrize("kernel", [(3, 3), (1, 5)])
def test_gradients_agree_with_differences(kernel, rng):
    """An oracle that shares no code with either path."""
    arrays = draw(rng, T=3, space=(3, 4), kernel=kernel)
    assert mg.gradcheck(conv_lstm_sequence, [mg.tensor(a, requires_grad=True) for a in arrays.values()])


def test_a_window_of_one_pixel_is_an_lstm_for_every_pixel(rng):
    """The equation without neighbours is the LSTM's: the same weights, pixels as examples."""
    arrays = draw(rng, T=1, kernel=(1, 1))
    x, h, c = (np.moveaxis(a, -3, -1).reshape(-1, a.shape[-3]) for a in (arrays["x"][0], arrays["h0"], arrays["c0"]))
    weights = [arrays["w_ih"][..., 0, 0], arrays["w_hh"][..., 0, 0], arrays["b_ih"], arrays["b_hh"]]
    want = lstm_step(*[mg.tensor(a) for a in (x, h, c, *weights)])
    got = conv_lstm_step(*[mg.tensor(a[0] if n == "x" else a) for n, a in arrays.items()])
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(np.moveaxis(g.numpy(), 1, -1).reshape(w.shape), w.numpy(), rtol=1e-12)


def test_a_step_is_pytorchs_convolutions(rng):
    """An oracle for padding, the order of the gates and the two biases: PyTorch's conv2d in the deck's equation."""
    torch = pytest.importorskip("torch")
    arrays = draw(rng, T=1)
    x, h, c, w_ih, w_hh, b_ih, b_hh = (torch.tensor(a) for a in arrays.values())
    a = torch.conv2d(x[0], w_ih, b_ih, padding="same") + torch.conv2d(h, w_hh, b_hh, padding="same")
    i, f, g, o = a.chunk(4, 1)
    want = f.sigmoid() * c + i.sigmoid() * g.tanh()
    got = conv_lstm_step(*[mg.tensor(a[0] if n == "x" else a) for n, a in arrays.items()])
    np.testing.assert_allclose(got[1].numpy(), want.numpy(), rtol=1e-12)
    np.testing.assert_allclose(got[0].numpy(), (o.sigmoid() * want.tanh()).numpy(), rtol=1e-12)


def test_no_value_is_read_before_it_was_written(rng, monkeypatch):
    """Memory that is fresh holds anything, and 0 times anything may be NaN."""
    arrays = draw(rng)
    want = run(loop, arrays)
    workspace.clear()
    monkeypatch.setattr(np, "empty", lambda shape, dtype=float: np.full(shape, np.nan, dtype))
    same(run(conv_lstm_sequence, arrays), want, 1e-12)


def test_a_workspace_keeps_nothing_of_the_last_call_and_serves_again(rng):
    """Given starts and biases, then none, in the same memory; with the cyclic collector off."""
    gc.disable()
    try:
        run(conv_lstm_sequence, draw(rng))
        idle = workspace.idle_bytes()
        arrays = draw(rng, without=("h0", "c0", "b_ih", "b_hh"))
        same(run(conv_lstm_sequence, arrays), run(loop, arrays), 1e-12)
        assert workspace.idle_bytes() == idle
    finally:
        gc.enable()


def test_two_live_graphs_share_no_memory_and_results_are_the_callers(rng):
    """Two forward passes of one size, then both backward; nothing returned before is overwritten."""
    draws = [draw(rng) for _ in range(2)]
    want = [run(conv_lstm_sequence, a, "y") for a in draws]
    values = [{n: mg.tensor(a, requires_grad=True) for n, a in v.items()} for v in draws]
    outs = [conv_lstm_sequence(*v.values())[0] for v in values]
    copies = [y.detach().numpy().copy() for y in outs]
    for y, v, w in zip(outs, values, want, strict=True):
        (y * y * y).sum().backward()
        for n, t in v.items():
            np.testing.assert_array_equal(t.grad.numpy(), w["d" + n], err_msg=n)
    run(conv_lstm_sequence, draw(rng))
    for y, copy, v, w in zip(outs, copies, values, want, strict=True):
        np.testing.assert_array_equal(y.detach().numpy(), copy)
        np.testing.assert_array_equal(v["w_hh"].grad.numpy(), w["dw_hh"])


def test_backward_twice_on_a_retained_graph_adds_the_same_gradient(rng):
    """The first pass must leave intact what the second reads."""
    v = [mg.tensor(a, requires_grad=True) for a in draw(rng).values()]
    loss = sum((t * t).sum() for t in conv_lstm_sequence(*v))
    loss.backward(retain_graph=True)
    once = [t.grad.numpy().copy() for t in v]
    loss.backward()
    for t, g in zip(v, once, strict=True):
        np.testing.assert_array_equal(t.grad.numpy(), 2 * g)


def test_only_wanted_gradients_are_computed(rng):
    """All are given as functions; who asks for the first state alone pays for no windows."""
    y = conv_lstm_sequence(*[mg.tensor(a, requires_grad=True) for a in draw(rng).values()])[0]
    assert all(callable(entry) for entry in y.edge.node.vjp([np.ones(y.shape), None, None]))
    v = {n: mg.tensor(a, requires_grad=n == "h0") for n, a in draw(rng).items()}
    y = conv_lstm_sequence(*v.values())[0]
    workspace.clear()
    y.sum().backward()
    assert [n for n, t in v.items() if t.grad is not None] == ["h0"]
    assert {key[0] for key in workspace._idle} == {"conv lstm", "conv lstm back", "conv lstm overlap"}


def test_a_weight_that_was_written_since_is_an_error_and_an_input_is_not(rng):
    """The optimiser's step between forward and backward; the node keeps a copy of its inputs."""
    arrays = draw(rng)
    want = run(conv_lstm_sequence, arrays, "y")
    v = {n: mg.tensor(a, requires_grad=n[0] in "wb") for n, a in arrays.items()}
    y = conv_lstm_sequence(*v.values())[0]
    v["x"].zero_(), v["h0"].zero_(), v["c0"].zero_()
    (y * y * y).sum().backward(retain_graph=True)
    np.testing.assert_array_equal(v["w_hh"].grad.numpy(), want["dw_hh"])
    with mg.no_grad():
        v["w_hh"].mul_(2)
    with pytest.raises(InplaceError, match="conv_lstm_sequence"):
        y.sum().backward()


def test_second_order_names_the_readable_path_and_works_there(rng):
    """The fused node says so and names the switch."""
    layer = ConvLSTM(1, 1, 3).to(mg.float64)
    x = mg.tensor(rng.standard_normal((2, 1, 1, 2, 2)), requires_grad=True)
    with pytest.raises(GradError, match="fused=False"):
        mg.grad(layer(x)[0].sum(), x, create_graph=True)
    layer.fused = False
    assert mg.gradcheck(lambda x: layer(x)[0], x, order=2)


# ---------------------------------------------------------------------------------------------- cell and layer

@pytest.mark.parametrize("options", [{}, {"bias": False}, {"bias": "one"}, {"num_layers": 2, "batch_first": True},
                                     {"num_layers": 3, "kernel_size": (1, 3)}], ids=str)
def test_a_fused_layer_is_a_readable_one(options, rng):
    """Stacks, both batch layouts, given states; values and every gradient."""
    options = {"kernel_size": 3, **options}
    fused, readable = (ConvLSTM(2, 3, **options, fused=f).to(mg.float64) for f in (True, False))
    readable.load_state_dict(fused.state_dict())
    data = [rng.standard_normal((4, 4, 2, 3, 5)), *rng.standard_normal((2, options.get("num_layers", 1), 4, 3, 3, 5))]
    results = []
    for layer in (fused, readable):
        x, h, c = (mg.tensor(a, requires_grad=True) for a in data)
        y, (h_n, c_n) = layer(x, (h, c))
        sum((t * t * t).sum() for t in (y, h_n, c_n)).backward()
        named = {"y": y, "h": h_n, "c": c_n}
        results.append({**{n: t.detach().numpy() for n, t in named.items()}, "dx": x.grad.numpy(), "dh": h.grad.numpy(),
                        "dc": c.grad.numpy(), **{n: p.grad.numpy() for n, p in layer.named_parameters()}})
    assert fused(x)[0].edge is not None
    same(*results, 1e-12)


def test_the_layer_uses_one_node_on_the_host_and_the_loop_where_it_is_told(rng):
    """A test of equality is worth nothing if both sides are the loop."""
    x = mg.tensor(rng.standard_normal((3, 2, 1, 4, 4)).astype("float32"))
    assert ConvLSTM(1, 2, 3)(x)[0].edge.node.op.name == "conv_lstm_sequence"
    assert ConvLSTM(1, 2, 3, fused=False)(x)[0].edge.op.name == "_stack"


def test_a_layer_is_its_cell_at_every_step_on_every_device(device, rng):
    """One equation, with one set of weights; and every picture keeps its size."""
    layer, cell = ConvLSTM(2, 3, (3, 5)), ConvLSTMCell(2, 3, (3, 5))
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    layer.to(device), cell.to(device)
    x = mg.tensor(rng.standard_normal((4, 2, 2, 6, 7)).astype("float32"), device=device)
    state = None
    for x_t in x:
        state = cell(x_t, state)
    y, (h, c) = layer(x)
    assert y.shape == (4, 2, 3, 6, 7) and h.shape == c.shape == (1, 2, 3, 6, 7)
    for got, want in ((y[-1], state[0]), (h[0], state[0]), (c[0], state[1])):
        np.testing.assert_allclose(got.detach().cpu().numpy(), want.detach().cpu().numpy(), rtol=2e-5, atol=1e-6)


def test_a_sequence_without_a_batch_is_a_batch_of_one(rng):
    """(T, C, height, width), and states of (layers, H, height, width); batch_first says nothing then."""
    layer, cell = ConvLSTM(2, 3, 3, num_layers=2, batch_first=True), ConvLSTMCell(2, 3, 3)
    x = mg.tensor(rng.standard_normal((4, 2, 5, 5)).astype("float32"))
    y, (h, c) = layer(x)
    want, (h_1, c_1) = layer(x.unsqueeze(0))
    assert h.shape == c.shape == (2, 3, 5, 5)
    for got, batch in ((y, want[0]), (h, h_1[:, 0]), (c, c_1[:, 0]), (layer(x, (h, c))[0], layer(
            x.unsqueeze(0), (h_1, c_1))[0][0]), (cell(x[0])[0], cell(x[:1])[0][0])):
        np.testing.assert_allclose(got.detach().numpy(), batch.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_the_parameters_have_the_lstms_names_and_pictures_for_weights():
    """weight_hh of every layer reads H channels, weight_ih of the first reads the input's."""
    shapes = {n: tuple(p.shape) for n, p in ConvLSTM(2, 3, (3, 5), num_layers=2).named_parameters()}
    assert shapes == {"weight_ih_l0": (12, 2, 3, 5), "weight_hh_l0": (12, 3, 3, 5), "bias_ih_l0": (12,),
                      "bias_hh_l0": (12,), "weight_ih_l1": (12, 3, 3, 5), "weight_hh_l1": (12, 3, 3, 5),
                      "bias_ih_l1": (12,), "bias_hh_l1": (12,)}
    assert [n for n, _ in ConvLSTMCell(2, 3, 1, bias="one").named_parameters()] == ["weight_ih", "weight_hh", "bias_ih"]


def test_what_does_not_fit_names_the_layer_and_what_it_takes():
    """Which module, and what it wanted."""
    layer = ConvLSTM(2, 3, 3, batch_first=True)
    with pytest.raises(ShapeError, match="kernel_size of ConvLSTM is odd, so that a window has a middle: not 4"):
        ConvLSTM(2, 3, 4)
    with pytest.raises(ShapeError, match="num_layers of ConvLSTM is at least 1, not 0"):
        ConvLSTM(2, 3, 3, num_layers=0)
    with pytest.raises(ShapeError, match="sizes of ConvLSTMCell are at least 1: input_size=0"):
        ConvLSTMCell(0, 3, 3)
    with pytest.raises(ShapeError) as error:
        layer(mg.zeros(2, 4, 7, 5, 5))
    assert str(error.value).startswith("ConvLSTM(2, 3, kernel_size=(3, 3), batch_first=True) cannot take (2, 4, 7, 5")
    assert "x is (B, T, C, height, width) with C = 2, or without B" in str(error.value)
    with pytest.raises(ShapeError, match=r"is \(1, 4, 3, 5, 5\), and x \(2, 4, 2, 5, 5\) needs \(1, 2, 3, 5, 5\)"):
        layer(mg.zeros(2, 4, 2, 5, 5), (mg.zeros(1, 4, 3, 5, 5),) * 2)
    with pytest.raises(ShapeError, match=r"batch_first=True\) has 2 tensors, and 1 came"):
        layer(mg.zeros(2, 4, 2, 5, 5), (mg.zeros(1, 2, 3, 5, 5),))
    with pytest.raises(ShapeError, match="has 2 tensors, and 1 came"):         # a batch of two is no pair
        ConvLSTMCell(2, 3, 3)(mg.zeros(2, 2, 5, 5), mg.zeros(2, 3, 5, 5))
    with pytest.raises(TypeError, match="takes a Tensor, and x is of type ndarray"):
        layer(np.zeros((2, 4, 2, 5, 5), np.float32))
    assert ConvLSTM(2, 3, np.int64(3)).kernel_size == (3, 3)
    with pytest.raises(DeviceError, match="lies on 'strict', and x on 'cpu'"):
        ConvLSTMCell(2, 3, 3).to("strict")(mg.zeros(1, 2, 5, 5))


def test_it_learns_where_a_dot_moves_which_one_picture_does_not_show():
    """A dot walks to the right or to the left. After one picture it is in one of two places, half of it in each at
    best: an error of 1/2. After two it is known, by weights that are the same at every place: errors 0.00 to 0.003 over
    five seeds.
    """
    T, wide = 4, 15
    frames = np.zeros((T + 1, 10, 1, 1, wide), "float32")
    for b in range(10):
        for t in range(T + 1):
            frames[t, b, 0, 0, 5 + b // 2 + (t if b % 2 else -t)] = 1
    layer, out = ConvLSTM(1, 8, (1, 3)), nn.Conv2d(8, 1, 1)
    opt = mg.optim.Adam([*layer.parameters(), *out.parameters()], lr=0.03)
    x, want = mg.tensor(frames[:-1]), mg.tensor(frames[1:].reshape(-1, 1, 1, wide))
    for _ in range(150):
        d = out(layer(x)[0].reshape(-1, 8, 1, wide)) - want
        opt.zero_grad()
        (d * d).mean().backward()
        opt.step()
    errors = (d.detach().numpy() ** 2).reshape(T, 10, wide).sum(2).mean(1)
    assert errors[0] > 0.45 and errors[1:].max() < 0.05


def test_the_initialisers_find_the_forget_gate_of_a_convolutional_lstm():
    """Its rows are i, f, g, o as in any LSTM."""
    layer = nn.init.lstm_forget_bias_(nn.ConvLSTM(2, 3, 3), 2.0)
    bias = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy()
    assert (bias[3:6] == 2).all() and not (bias[:3] == 2).any()
    layer.apply(nn.init.keras_)
    assert layer.bias_ih_l0.detach().numpy().tolist() == [0] * 3 + [1] * 3 + [0] * 6
