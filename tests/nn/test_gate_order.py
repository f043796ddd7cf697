"""Weights whose gates stand in another order than ours: Escalera's, Keras', ONNX'."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import StateError

from .formulas import FORMS, logistic
from .test_recurrent_options import build


def numpy(t):
    return t.detach().cpu().numpy()


def test_escaleras_multilayer_lstm_loads_with_its_order(device, rng):
    """*Multilayer RNNs*: (i, f, o, g) = W^l (h_t^(l-1); h_(t-1)^l), W^l (4n, 2n), rows i, f, o, g, input first."""
    n, T, B = 4, 5, 3
    W = [rng.standard_normal((4 * n, 2 * n)) for _ in range(2)]
    layer = nn.LSTM(n, n, num_layers=2, bias=False).to(mg.float64).to(device)
    layer.load_state_dict({f"weight_{kind}_l{k}": w for k in range(2) for kind, w in
                           (("ih", W[k][:, :n]), ("hh", W[k][:, n:]))}, order="ifog")
    x = rng.standard_normal((T, B, n))
    h, c, want = np.zeros((2, B, n)), np.zeros((2, B, n)), []
    for t in range(T):
        below = x[t]
        for k in range(2):
            i, f, o, g = np.split(np.concatenate([below, h[k]], 1) @ W[k].T, 4, 1)
            c[k] = logistic(f) * c[k] + logistic(i) * np.tanh(g)
            below = h[k] = logistic(o) * np.tanh(c[k])
        want.append(below)
    np.testing.assert_allclose(numpy(layer(mg.tensor(x, device=device))[0]), want, rtol=1e-11)


@pytest.mark.parametrize("reset", ["after", "before"])
def test_keras_gru_loads_with_its_order(rng, reset):
    """Rows z, r, h (its kernel transposed); reset_after=True has two biases. z keeps, as in PyTorch."""
    D, H = 3, 4
    kernel, recurrent, bias = (rng.standard_normal(s) for s in ((D, 3 * H), (H, 3 * H), (2, 3 * H)))
    layer = nn.GRU(D, H, reset=reset).to(mg.float64)
    layer.load_state_dict({"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T, "bias_ih_l0": bias[0],
                           "bias_hh_l0": bias[1]}, order="zrh")
    x, h, want = rng.standard_normal((5, 2, D)), np.zeros((2, H)), []
    for x_t in x:
        xz, xr, xh = np.split(x_t @ kernel + bias[0], 3, 1)
        hz, hr, hh = np.split(h @ recurrent + bias[1], 3, 1)
        z, r = logistic(xz + hz), logistic(xr + hr)
        new = np.tanh(xh + (r * hh if reset == "after" else (r * h) @ recurrent[:, 2 * H:] + bias[1][2 * H:]))
        h = z * h + (1 - z) * new
        want.append(h)
    np.testing.assert_allclose(numpy(layer(mg.tensor(x))[0]), want, rtol=1e-11)


ORDERS = {"ifgo": "ofgi", "igo": "oug", "fgo": "ofc", "rzn": "hzr", "zn": "nu"}     # Télécom's u and c~, Keras' h


@pytest.mark.parametrize("form", [f for f, (name, _) in FORMS.items() if name != "RNN"])
def test_values_that_leave_in_an_order_come_back_in_it(device, form):
    """Both ways through one order, for every form, layer and direction; ours stay as they are."""
    layer, other = (build(form, 3, 4, 2, device=device, bidirectional=True) for _ in range(2))
    order = ORDERS[layer.gates]
    moved = layer.state_dict(order=order)
    plain = layer.state_dict()
    assert any((numpy(moved[k]) != numpy(plain[k])).any() for k in plain)
    moved["weight_hh_l0"].mul_(1)              # a copy: writing into it touches no parameter
    other.load_state_dict(moved, order=order)
    for k, v in other.state_dict().items():
        np.testing.assert_array_equal(numpy(v), numpy(plain[k]), err_msg=k)


def test_peepholes_follow_the_order_without_the_candidate():
    """ONNX: W rows i, o, f, c and P rows i, o, f."""
    layer = nn.LSTM(1, 1, peephole="full")
    for p in layer.parameters():
        p.data[...] = np.arange(len(p)).reshape(p.shape)           # i f g o = 0 1 2 3; peepholes i f o = 0 1 2
    state = layer.state_dict(order="iofc")
    assert state["weight_ih_l0"].tolist() == [[0], [3], [1], [2]] and state["bias_hh_l0"].tolist() == [0, 3, 1, 2]
    assert state["weight_ch_l0"].tolist() == [[0], [2], [1]]
    layer.load_state_dict(state, order="iofc")
    assert layer.weight_ch_l0.tolist() == [[0], [1], [2]] and layer.weight_ih_l0.tolist() == [[0], [1], [2], [3]]


def test_a_projection_and_a_cell_keep_what_has_no_gates(rng):
    """weight_hr maps a whole state."""
    layer, cell = nn.LSTM(2, 3, proj_size=2), nn.LSTMCell(2, 3)
    np.testing.assert_array_equal(numpy(layer.state_dict(order="ofgi")["weight_hr_l0"]), numpy(layer.weight_hr_l0))
    want = numpy(cell.weight_ih)
    np.testing.assert_array_equal(numpy(cell.state_dict(order="ofgi")["weight_ih"]), np.concatenate(
        [want[9:], want[3:6], want[6:9], want[:3]]))


def test_an_order_that_is_none_says_what_would_do():
    """Unknown letters, one missing, a form without gates; and shapes are still reported by their names."""
    for layer, order in [(nn.LSTM(2, 3), "ifo"), (nn.LSTM(2, 3), "ifoo"), (nn.GRU(2, 3), "ifgo")]:
        with pytest.raises(ValueError, match=rf"names the gates of .*each once .*: not '{order}'"):
            layer.state_dict(order=order)
    with pytest.raises(ValueError, match="gates of GRU, 'rzn', each once .u for z, h for n, c for n will do.: not "):
        nn.GRU(2, 3).load_state_dict({}, order="abc")
    with pytest.raises(ValueError, match="RNN has no gates to order: leave order=None"):
        nn.RNN(2, 3).state_dict(order="x")
    small = nn.LSTM(2, 5).state_dict(order="ifog")
    with pytest.raises(StateError, match=r"weight_hh_l0: \(20, 5\) in the file, \(12, 3\) in the model"):
        nn.LSTM(2, 3).load_state_dict(small, order="ifog")
