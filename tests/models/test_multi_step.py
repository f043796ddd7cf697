"""Three ways to forecast many steps: what each learns from, what each is fed, and the linear model beside them."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import ShapeError
from minigrad.models.autoregression import least_squares
from minigrad.models.multi_step import AllAtOnce, EveryStep, MultiStep, OneByOne, dense
from minigrad.models.sequence_reader import SequenceReader

T, M, H = 7, 4, 5


def made():
    """One model of each way, in float64."""
    gru = [nn.GRU(1, H, batch_first=True) for _ in range(3)]
    models = [OneByOne(gru[0], M), AllAtOnce(SequenceReader(gru[1], M), M), EveryStep(gru[2], M), dense(T, M, H)]
    return [model.to(mg.float64) for model in models]


def values(tensor):
    return tensor.detach().cpu().numpy()


def states(layer, x):
    """h of every step, by a loop over the layer's own step from its own state."""
    state, found = None, []
    for t in range(x.shape[1]):
        h, state = layer(mg.tensor(x[:, t:t + 1]), state)
        found.append(values(h)[:, 0])
    return np.stack(found, 1)                                  # (B, T, H)


def read(linear, h):
    return h @ values(linear.weight).T + values(linear.bias)


def test_forecasts_are_one_number_for_each_step_ahead_on_every_device(device, rng):
    x = rng.normal(size=(3, T, 1)).astype(np.float32)
    for model in made():
        model = model.to(mg.float32)
        want = values(model(mg.tensor(x)))
        got = values(model.to(device)(mg.tensor(x, device=device)))
        assert got.shape == (3, M) and np.allclose(got, want, atol=1e-6)   # sums of float32 in another order


def test_one_by_one_feeds_back_its_own_forecasts(rng):
    """The loop that a reader would write: the window grows by a forecast, and is read again from its start."""
    model, x = made()[0], rng.normal(size=(3, T, 1))
    grown, want = x, []
    for _ in range(M):
        want.append(read(model.read, states(model.layer, grown)[:, -1]))   # (B, 1)
        grown = np.concatenate([grown, want[-1][:, None]], 1)
    assert np.allclose(values(model(mg.tensor(x))), np.concatenate(want, 1), atol=1e-13)   # float64, T + M steps


def test_one_by_one_does_not_see_the_truth_that_it_forecasts(rng):
    """Two series that differ after the window have one forecast; the loss, which is given the truth, differs."""
    model, stretch = made()[0], rng.normal(size=(1, T + M, 1))
    other = np.concatenate([stretch[:, :T], rng.normal(size=(1, M, 1))], 1)
    a, b = (values(model(mg.tensor(s[:, :T]))) for s in (stretch, other))
    assert np.array_equal(a, b)
    assert model.loss(mg.tensor(stretch)).item() != model.loss(mg.tensor(other)).item()


def test_the_loss_of_one_by_one_is_that_of_the_next_value_at_every_step(rng):
    model, s = made()[0], rng.normal(size=(3, T + M, 1))
    want = np.mean((read(model.read, states(model.layer, s[:, :-1])) - s[:, 1:]) ** 2)
    assert np.isclose(model.loss(mg.tensor(s)).item(), want, rtol=1e-12)


def test_all_at_once_reads_the_last_state_and_is_held_to_the_steps_after_it(rng):
    model, s = made()[1], rng.normal(size=(3, T + M, 1))
    layer, linear = model.network.layer, model.network.read
    want = read(linear, states(layer, s[:, :T])[:, -1])        # (B, M)
    assert np.allclose(values(model(mg.tensor(s[:, :T]))), want, atol=1e-13)
    assert np.isclose(model.loss(mg.tensor(s)).item(), np.mean((want - s[:, T:, 0]) ** 2), rtol=1e-12)


def test_sequence_to_sequence_shares_one_layer_over_the_steps_and_shifts_its_targets(rng):
    """At step t the targets are t + 1 ... t + m; a shift by one too many or too few has another loss."""
    model, s = made()[2], rng.normal(size=(3, T + M, 1))
    ahead = read(model.network.read, states(model.network.layer, s[:, :T]))            # (B, T, M)
    losses = [np.mean([(ahead[:, t, k] - s[:, min(t + k + shift, T + M - 1), 0]) ** 2
                       for t in range(T) for k in range(M)]) for shift in (0, 1, 2)]
    assert np.isclose(model.loss(mg.tensor(s)).item(), losses[1], rtol=1e-12)
    assert not np.isclose(losses[1], losses[0]) and not np.isclose(losses[1], losses[2])
    assert np.allclose(values(model(mg.tensor(s[:, :T]))), ahead[:, -1], atol=1e-13)


def test_the_dense_model_is_its_equation(rng):
    model, x = made()[3], rng.normal(size=(3, T, 1))
    _, first, _, second = model.network
    want = read(second, np.maximum(read(first, x[..., 0]), 0))
    assert np.allclose(values(model(mg.tensor(x))), want, atol=1e-14)


@pytest.mark.parametrize("which", range(4), ids=["one by one", "all at once", "every step", "dense"])
def test_each_step_ahead_stands_in_its_own_column(which, rng):
    """A ramp modulo 5 is certain: column k holds the value k + 1 steps on, not that of another step."""
    model = made()[which].to(mg.float32)
    starts = rng.integers(5, size=(64, 1))
    s = (((starts + np.arange(T + M)) % 5 - 2) / 2).astype(np.float32)[..., None]
    adam = optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(400):
        loss = model.loss(mg.tensor(s))
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert np.abs(values(model(mg.tensor(s[:, :T]))) - s[:, T:, 0]).max() < 0.25       # neighbours are 0.5 apart


@pytest.mark.parametrize("shape", [(3, M, 1), (3, T + M), (3, T + M, 2)])
def test_a_stretch_without_room_for_a_window_is_refused(shape):
    for model in made():
        with pytest.raises(ShapeError, match=rf"{type(model).__name__} of {M} steps cannot learn(.|\n)*T \+ {M}, 1\)"):
            model.loss(mg.zeros(*shape, dtype=mg.float64))


def test_no_step_at_all_and_a_way_without_a_loss_are_refused():
    with pytest.raises(ShapeError, match="OneByOne forecasts at least 1 step, not 0"):
        OneByOne(nn.GRU(1, H, batch_first=True), 0)
    with pytest.raises(NotImplementedError, match="MultiStep.loss"):
        MultiStep(2).loss(mg.zeros(1, 3, 1))


# ----- The linear model

def test_least_squares_finds_an_autoregression(rng):
    """AR(2) without noise: exactly, two steps ahead as well."""
    s = list(rng.normal(size=2))
    while len(s) < 60:
        s.append(1.2 * s[-1] - 0.9 * s[-2] + 0.3)
    rows = np.lib.stride_tricks.sliding_window_view(np.array(s), 4)
    x, y = rows[:, :2, None], rows[:, 2:]
    assert np.allclose(least_squares(x[:30], y[:30], x[30:]), y[30:], atol=1e-9)


def test_with_several_series_it_is_a_vector_autoregression(rng):
    """y depends on the other series' last value alone."""
    x = rng.normal(size=(80, 3, 2))
    y = 2 * x[:, -1, 1:] - 1
    assert np.allclose(least_squares(x[:40], y[:40], x[40:]), y[40:], atol=1e-10)
