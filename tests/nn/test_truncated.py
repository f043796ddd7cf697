"""Truncated backpropagation through time, and the gradient at each step as the tape gives it."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

T, B, D, H = 12, 3, 2, 4


def numpy(t):
    return t.detach().cpu().numpy()


def layer_of(name="RNN", device="cpu", **options):
    return getattr(nn, name)(D, H, **options).to(mg.float64).to(device)


def sequence(rng, device="cpu"):
    return mg.tensor(rng.standard_normal((T, B, D)), device=device)


def gradients(layer):
    return {n: numpy(p.grad).copy() for n, p in layer.named_parameters()}


def equal(got, want):
    """Float64: the same up to the order of sums."""
    for name in want:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-11, atol=1e-13, err_msg=name)


# ---------------------------------------------------------------------------------------------- truncated

@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("chunk", [1, 4, 5, 12, 20])
def test_k1_equal_to_k2_is_chunks_with_a_carried_state(device, rng, name, chunk):
    """Escalera: forward for ever, back inside the chunk. 5 does not divide 12; 20 is more than there is."""
    layer, x = layer_of(name, device), sequence(rng, device)
    state, starts = None, []
    pieces = nn.truncated(layer, x, k1=chunk)
    for start in range(0, T, chunk):
        begin, y, carried = next(pieces)
        layer.zero_grad()
        (y ** 3).sum().backward()
        got = gradients(layer)
        layer.zero_grad()
        z, state = layer(x[start:start + chunk], state)
        (z ** 3).sum().backward()
        equal(got, gradients(layer))
        np.testing.assert_array_equal(numpy(y), numpy(z))
        state = mg.detach(state)
        for a, b in zip(*(s if isinstance(s, tuple) else (s,) for s in (carried, state)), strict=True):
            assert not a.requires_grad
            np.testing.assert_array_equal(numpy(a), numpy(b))
        starts.append(begin)
    assert starts == list(range(0, T, chunk)) and next(pieces, None) is None


def by_hand(x, w, h, t, steps):
    """dL_t/dW_hh of L_t = sum h_t^3 for h = tanh(W_ih x + b + W_hh h), back from t over so many steps, in NumPy."""
    d, dW = 3 * h[t] ** 2, np.zeros((H, H))    # h[-1] is the start: the list has one more at its end
    for k in range(t, max(t - steps, -1), -1):
        d = d * (1 - h[k] ** 2)
        dW += d.T @ h[k - 1]
        d = d @ w
    return dW


@pytest.mark.parametrize("back", [1, 3, 6, 12])
def test_k1_of_1_is_the_gradient_from_every_t_back_to_t_minus_k2(rng, back):
    """Chemnitz, *Truncated BPTT*: at t - T - 1 it counts as 0. Against the sum of paths in NumPy."""
    layer, x = layer_of(), sequence(rng)
    w, h = numpy(layer.weight_hh_l0), [*numpy(layer(x)[0]), np.zeros((B, H))]
    for t, (start, y, _) in enumerate(nn.truncated(layer, x, k1=1, k2=back)):
        assert start == t and y.shape == (1, B, H)
        layer.zero_grad()
        (y ** 3).sum().backward()
        np.testing.assert_allclose(numpy(layer.weight_hh_l0.grad), by_hand(numpy(x), w, h, t, back), rtol=1e-10,
                                   atol=1e-14)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
@pytest.mark.parametrize("k1", [1, 3])
def test_k2_of_the_whole_length_is_full_bptt_of_each_loss(device, rng, name, k1):
    """Nothing is cut: the gradient of the newest outputs' loss in the graph of the whole sequence."""
    layer, x = layer_of(name, device, num_layers=2), sequence(rng, device)
    for start, y, _ in nn.truncated(layer, x, k1=k1, k2=T):
        layer.zero_grad()
        (y ** 3).sum().backward()
        got = gradients(layer)
        layer.zero_grad()
        (layer(x)[0][start:start + k1] ** 3).sum().backward()
        equal(got, gradients(layer))


def test_the_outputs_are_those_of_the_whole_sequence_whatever_k1_and_k2(rng):
    """Truncation cuts gradients, not the forward pass."""
    layer = layer_of("GRU", batch_first=True)
    x = mg.tensor(rng.standard_normal((B, T, D)))
    h0 = mg.tensor(rng.standard_normal((1, B, H)))
    want, last = layer(x, h0)
    for k1, k2 in [(1, 1), (2, 6), (5, 10), (12, 12), (5, 50)]:
        parts = list(nn.truncated(layer, x, h0, k1=k1, k2=k2))
        np.testing.assert_allclose(np.concatenate([numpy(y) for _, y, _ in parts], 1), numpy(want), rtol=1e-12)
        np.testing.assert_allclose(numpy(parts[-1][2]), numpy(last), rtol=1e-12)
    single = layer_of("GRU")
    assert [y.shape for _, y, _ in nn.truncated(single, x[0], k1=5)] == [(5, H), (5, H), (2, H)]


def test_weights_may_be_updated_inside_the_loop(rng):
    """The steps before are computed once more with the new weights, from a state that the old ones made."""
    layer, x = layer_of(), sequence(rng)
    opt = optim.SGD(layer.parameters(), lr=0.1)
    border = None
    for start, y, state in nn.truncated(layer, x, k1=2, k2=4):
        if start == 4:                         # from the state after step 2, which an older W made
            want, _ = layer(x[2:6], border)
            np.testing.assert_array_equal(numpy(y), numpy(want)[2:])
        if start == 0:
            border = state
        opt.zero_grad()
        (y * y).sum().backward()
        opt.step()


def test_any_layer_of_x_and_state_will_do(rng):
    """A model of one's own, with a nested state."""
    class Net(nn.Module):
        def __init__(self):
            self.rnn, self.out = nn.LSTM(D, H), nn.Linear(H, 1)

        def forward(self, x, state=None):
            y, s = self.rnn(x, state["rnn"] if state else None)
            return self.out(y), {"rnn": s}
    net = Net().to(mg.float64)
    x = sequence(rng)
    parts = [numpy(y) for _, y, _ in nn.truncated(net, x, k1=4, k2=8)]
    np.testing.assert_allclose(np.concatenate(parts), numpy(net(x)[0]), rtol=1e-12)


def test_layers_of_ids_and_of_pictures_are_cut_along_time(rng):
    """The axis of time hangs on how many axes an example has: ids one, vectors two, pictures four."""
    ids = mg.tensor(rng.integers(0, 4, (B, T)))
    clips = mg.tensor(rng.standard_normal((B, T, 2, 3, 3)))
    for layer, x, single in [(nn.EmbeddingLSTM(4, 8, H, batch_first=True).to(mg.float64), ids, None),
                             (nn.ConvLSTM(2, 3, 3, batch_first=True).to(mg.float64), clips, clips[0])]:
        parts = list(nn.truncated(layer, x, k1=5))
        assert [(start, y.shape[:2]) for start, y, _ in parts] == [(0, (B, 5)), (5, (B, 5)), (10, (B, 2))]
        np.testing.assert_allclose(np.concatenate([numpy(y) for _, y, _ in parts], 1), numpy(layer(x)[0]), rtol=1e-12)
        if single is not None:
            assert [len(y) for _, y, _ in nn.truncated(layer, single, k1=5)] == [5, 5, 2]


def test_what_cannot_be_truncated_is_refused(rng):
    """At the call, not at the first step."""
    x = sequence(rng)
    with pytest.raises(ValueError, match="two directions cannot be truncated"):
        nn.truncated(nn.EmbeddingLSTM(4, 8, H, bidirectional=True), mg.tensor(rng.integers(0, 4, (T, B))), k1=2)
    for k1, k2 in [(0, None), (4, 2), (4, 6)]:
        with pytest.raises(ValueError, match=f"multiple of k1: not k1={k1}, k2="):
            nn.truncated(layer_of(), x, k1=k1, k2=k2)
    with pytest.raises(ValueError, match="two directions cannot be truncated"):
        nn.truncated(layer_of(bidirectional=True), x, k1=2)


# ---------------------------------------------------------------------------------------------- from the tape

def loop(cell, x):
    """h_1 ... h_T of a cell over time, from zeros."""
    h, states = None, []
    for x_t in x.unbind(0):
        h = cell(x_t, h)
        states.append(h)
    return states


@pytest.mark.parametrize("phi, slope", [("tanh", lambda h: 1 - h * h), ("sigmoid", lambda h: h * (1 - h)),
                                        ("relu", lambda h: (h > 0) * 1.0)], ids=["tanh", "sigmoid", "relu"])
def test_the_gradient_at_each_step_is_the_product_of_jacobians(device, rng, phi, slope):
    """dL/dh_k = dL/dh_T prod_{j=k+1..T} diag(phi'(s_j)) W_hh: Riveill, *Main learning problem*; Télécom, *Vanishing
    and exploding gradients*. One call gives all of them."""
    cell = nn.RNNCell(D, H, nonlinearity=phi).to(mg.float64).to(device)
    x = mg.tensor(rng.standard_normal((T, 1, D)), device=device)
    states = loop(cell, x)
    got = mg.grad((states[-1] ** 2).sum(), states)
    W, h = numpy(cell.weight_hh), [numpy(s)[0] for s in states]
    want = 2 * h[-1]
    for k in range(T - 1, -1, -1):
        np.testing.assert_allclose(numpy(got[k])[0], want, rtol=1e-10, atol=1e-14)
        want = want @ (slope(h[k])[:, None] * W)


def test_a_loss_of_the_last_outputs_alone_sends_no_gradient_through_earlier_ones(device, rng):
    """KTH, *Backpropagation Through Time (3/3)*: of five outputs the last three enter the cost."""
    layer = layer_of(device=device)
    out = nn.Linear(H, 1).to(mg.float64).to(device)
    h = layer(sequence(rng, device)[:5])[0].unbind(0)
    outputs = [out(h_t) for h_t in h]
    loss = sum((y * y).sum() for y in outputs[2:])
    at_outputs = mg.grad(loss, outputs, retain_graph=True, allow_unused=True)
    assert [g is None for g in at_outputs] == [True, True, False, False, False]
    dv, = mg.grad(loss, out.weight, retain_graph=True)
    want = sum(2 * numpy(y).T @ numpy(s) for y, s in zip(outputs[2:], h[2:], strict=True))
    np.testing.assert_allclose(numpy(dv), want, rtol=1e-12)
    loss.backward()                            # yet the first inputs count, through the states
    assert numpy(layer.weight_ih_l0.grad).any()
