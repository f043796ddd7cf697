"""The gates of an LSTM: its own outputs come from them, they obey the equation, and what cannot be read is refused."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError


def sigma(a):
    return 1 / (1 + np.exp(-a))


@pytest.mark.parametrize("layer, reverse", [(0, False), (0, True), (1, False), (1, True)])
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "hx"])
def test_the_state_of_the_trace_is_the_layers_own_output(layer, reverse, given, device):
    """Of each layer and direction; float64, so only the order of sums may differ."""
    lstm = nn.LSTM(3, 4, 2, bidirectional=True).to(mg.float64).to(device)
    x = mg.randn(6, 2, 3, dtype=mg.float64, device=device)
    hx = tuple(mg.randn(4, 2, 4, dtype=mg.float64, device=device) for _ in "hc") if given else None
    y, (h_n, c_n) = lstm(x, hx)
    trace = nn.gate_trace(lstm, x, hx, layer=layer, reverse=reverse)
    assert list(trace) == ["i", "f", "g", "o", "c", "h"] and all(part.shape == (6, 2, 4) for part in trace.values())
    last = 0 if reverse else -1
    for part, final in ((trace["h"], h_n), (trace["c"], c_n)):
        np.testing.assert_allclose(part[last], final[2 * layer + reverse].cpu().detach().numpy(), rtol=1e-12)
    if layer == 1:
        np.testing.assert_allclose(trace["h"], y.cpu().detach().numpy()[..., 4 * reverse:4 * reverse + 4], rtol=1e-12)


def test_cell_and_state_follow_from_the_gates_and_the_gates_from_the_state():
    """c_t = f c_(t-1) + i g and h_t = o tanh c_t, with f the gate that W's second quarter gives."""
    lstm = nn.LSTM(3, 2).to(mg.float64)
    x = mg.randn(5, 1, 3, dtype=mg.float64)
    t = {name: part[:, 0] for name, part in nn.gate_trace(lstm, x).items()}
    before = {name: np.vstack([np.zeros(2), t[name][:-1]]) for name in "ch"}
    np.testing.assert_allclose(t["c"], t["f"] * before["c"] + t["i"] * t["g"], rtol=1e-12)
    np.testing.assert_allclose(t["h"], t["o"] * np.tanh(t["c"]), rtol=1e-12)
    w_ih, w_hh, b_ih, b_hh = (p.detach().numpy() for p in lstm.parameters())
    a = x.numpy()[:, 0] @ w_ih.T + before["h"] @ w_hh.T + b_ih + b_hh
    np.testing.assert_allclose(t["f"], sigma(a)[:, 2:4], rtol=1e-12)
    np.testing.assert_allclose(t["g"], np.tanh(a)[:, 4:6], rtol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
def test_batch_first_and_unbatched_give_the_same_trace(bias):
    lstm = nn.LSTM(3, 4, bias=bias)
    first = nn.LSTM(3, 4, bias=bias, batch_first=True)
    first.load_state_dict(lstm.state_dict())
    x = mg.randn(6, 1, 3)
    want = nn.gate_trace(lstm, x)
    single = {name: part[:, None] for name, part in nn.gate_trace(lstm, x[:, 0]).items()}
    for got in (nn.gate_trace(first, x.swapaxes(0, 1)), single):
        for name in want:
            np.testing.assert_allclose(got[name], want[name], rtol=1e-5, atol=1e-7)  # float32


def test_a_trace_records_nothing():
    x = mg.randn(4, 1, 3)
    lstm = nn.LSTM(3, 2)
    with mg.no_grad():
        before = lstm(x)[0].numpy().copy()
    assert isinstance(nn.gate_trace(lstm, x)["f"], np.ndarray)
    assert all(p.grad is None for p in lstm.parameters()) and mg.is_grad_enabled()
    assert np.array_equal(lstm(x)[0].detach().numpy(), before)


@pytest.mark.parametrize("ask", [{"layer": 2}, {"layer": -1}, {"reverse": True}])
def test_a_layer_that_is_not_there_is_refused(ask):
    with pytest.raises(ValueError, match="there is no layer"):
        nn.gate_trace(nn.LSTM(3, 2, 2), mg.randn(4, 1, 3), **ask)


def test_an_lstm_of_another_equation_is_refused():
    lstm = nn.LSTM(3, 2)
    lstm.peephole = "full"
    with pytest.raises(ValueError, match="peephole='full'"):
        nn.gate_trace(lstm, mg.randn(4, 1, 3))


def test_a_layer_that_is_no_lstm_and_a_state_that_is_none_are_refused():
    """The rows of an RNN of 4 units pass for four gates of one unit each."""
    with pytest.raises(ValueError, match="the gates of an nn.LSTM, and RNN is none"):
        nn.gate_trace(nn.RNN(3, 4), mg.randn(4, 1, 3))
    with pytest.raises(ShapeError, match=r"LSTM\(3, 4, num_layers=2\) has 2 tensors, and 1 came"):
        nn.gate_trace(nn.LSTM(3, 4, 2), mg.randn(4, 1, 3), mg.zeros(2, 1, 4))
    with pytest.raises(ShapeError, match=r"LSTM\(3, 4\) cannot take \(4, 1, 2\)"):
        nn.gate_trace(nn.LSTM(3, 4), mg.randn(4, 1, 2))
