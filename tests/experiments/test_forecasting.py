"""KTH, *RNN in TensorFlow*: the series, the six networks, the table and the figure; the full counts are the proof."""
from __future__ import annotations

import json

import numpy as np
import pytest

import minigrad as mg
from minigrad.data import forecasting_sets, sine_series
from minigrad.data.sine_series import NOISE_FLOOR
from minigrad.experiments import forecasting as module
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments._window_length import FEW, by_length
from minigrad.experiments.forecasting import LABELS, NETWORKS, SLIDE, forecasting, least_squares, train
from minigrad.models import DeepRNN, DeepRNNDense, DenseForecaster, GRUForecaster, LSTMForecaster, SimpleRNN

MODELS = [DenseForecaster, SimpleRNN, DeepRNN, DeepRNNDense, LSTMForecaster, GRUForecaster]


# ----- The series

def test_the_sets_are_of_the_decks_sizes_and_share_no_series(rng):
    sets = forecasting_sets(rng)
    assert [len(s) for s in sets] == [7000, 7000, 2000, 2000, 1000, 1000]
    assert sets.x_train.shape == (7000, 50, 1) and sets.y_test.shape == (1000, 1) and sets.x_test.dtype == np.float32
    rows = np.concatenate([sets.x_train, sets.x_valid, sets.x_test])[..., 0]
    assert len(np.unique(rows, axis=0)) == 10_000


def test_a_series_is_two_sines_and_noise_of_a_tenth(rng):
    """Without its noise each series lies in the span of the sines of its own frequencies; what is left is the noise."""
    series = sine_series(np.random.default_rng(1), 200)[..., 0].astype(np.float64)
    f1, f2, *_ = np.random.default_rng(1).random((4, 200))
    t = np.linspace(0, 1, 51)
    left = []
    for s, a, b in zip(series, 10 * f1 + 10, 20 * f2 + 20, strict=True):
        basis = np.stack([np.sin(a * t), np.cos(a * t), np.sin(b * t), np.cos(b * t)], 1)
        left.append(s - basis @ np.linalg.lstsq(basis, s, rcond=None)[0])
    left = np.array(left)
    assert np.abs(left).max() < 0.1
    assert np.isclose(left.var() * 51 / 47, NOISE_FLOOR, rtol=0.05)          # 47: four weights were fitted to 51 values


def test_the_value_to_forecast_is_the_one_after_the_window():
    series = sine_series(np.random.default_rng(2), 10, 9)
    sets = forecasting_sets(np.random.default_rng(2), 10, window=8)
    assert np.array_equal(np.concatenate([sets.x_test[0], sets.y_test[:1]]), series[9])


@pytest.mark.parametrize("make", [lambda r: sine_series(r, 0), lambda r: sine_series(r, 3, 0),
                                  lambda r: forecasting_sets(r, 9)])
def test_sizes_that_leave_nothing_are_refused(make, rng):
    with pytest.raises(ValueError, match="at least"):
        make(rng)


# ----- The networks

@pytest.mark.parametrize("make, count", list(zip(MODELS, [51, 3, 1282, 1281, 5061, 3921], strict=True)))
def test_the_networks_have_as_many_weights_as_kerass(make, count):
    assert sum(p.data.size for p in make().parameters() if p.requires_grad) == count


@pytest.mark.parametrize("make", MODELS)
def test_the_networks_start_as_kerass_do(make):
    for name, p in make().named_parameters():
        w = p.detach().numpy()
        if make is LSTMForecaster and "bias_ih" in name:        # 1 for the forget gates: rows i, f, g, o of 20 each
            assert w.reshape(4, 20).tolist() == [[0] * 20, [1] * 20, [0] * 20, [0] * 20]
        elif "bias" in name:
            assert not w.any()
        elif "weight_hh" in name:
            assert np.allclose(w.T @ w, np.eye(w.shape[1]), atol=1e-6)
        else:
            assert np.abs(w).max() <= np.sqrt(6 / sum(w.shape))


def test_the_deep_networks_are_their_equation(rng):
    """h^l_t = tanh(U_l h^{l-1}_t + W_l h^l_{t-1} + b_l), in NumPy and float64."""
    x = rng.normal(size=(3, 7, 1))

    def layer(rnn, k, x):
        u, w, b, c = (p.detach().numpy() for name, p in rnn.named_parameters() if name.endswith(f"_l{k}"))
        h, out = np.zeros((len(x), len(w))), []
        for t in range(x.shape[1]):
            h = np.tanh(x[:, t] @ u.T + h @ w.T + b + c)
            out.append(h)
        return np.stack(out, 1)

    for model in (DeepRNN(5).to(mg.float64), DeepRNNDense(5).to(mg.float64), SimpleRNN().to(mg.float64)):
        h = x
        for k in range(model.rnn.num_layers):
            h = layer(model.rnn, k, h)
        if isinstance(model, DeepRNN):
            h = layer(model.last, 0, h)
        want = h[:, -1]
        if isinstance(model, DeepRNNDense):
            want = want @ model.dense.weight.detach().numpy().T + model.dense.bias.detach().numpy()
        assert np.allclose(model(mg.tensor(x)).detach().numpy(), want, atol=1e-12)      # float64, 21 products deep


def test_one_bias_is_the_only_difference_between_3921_and_the_3801_of_a_gru_that_resets_before():
    gru = GRUForecaster()
    second = sum(p.data.size for name, p in gru.named_parameters() if "bias_hh" in name)
    assert sum(p.data.size for p in gru.parameters()) - second == 3801 and gru.gru.reset == "after"


@pytest.mark.parametrize("make, part", [(LSTMForecaster, "lstm"), (GRUForecaster, "gru")])
def test_the_gated_networks_read_the_last_state_of_two_layers(make, part, rng):
    """Of the upper layer; the rest of its outputs is not read."""
    model = make(5).to(mg.float64)
    x = mg.tensor(rng.normal(size=(3, 7, 1)))
    layer = getattr(model, part)
    assert layer.num_layers == 2 and layer.hidden_size == 5
    _, last = layer(x)
    h = (last[0] if part == "lstm" else last)[1].detach().numpy()                          # (B, H)
    want = h @ model.dense.weight.detach().numpy().T + model.dense.bias.detach().numpy()
    assert np.allclose(model(x).detach().numpy(), want, atol=1e-14)


# ----- The experiment

def test_least_squares_finds_the_weights_of_a_linear_series(rng):
    x = rng.normal(size=(80, 10, 1))
    w = rng.normal(size=(10, 1))
    y = x[..., 0] @ w + 3
    assert np.allclose(least_squares(x[:60], y[:60], x[60:]), y[60:], atol=1e-10)


@pytest.mark.parametrize("count", [40, 200])
def test_a_window_of_t_steps_is_the_last_t_of_the_series(count, rng):
    """By the definition, and the series trained on are the first ones."""
    sets = forecasting_sets(rng, 400)
    found = by_length(sets, count, [3, 50])
    for k, T in enumerate([3, 50]):
        x, y = sets.x_train[:count, 50 - T:], sets.y_train[:count]
        judged = {"series trained on": (x, y), "test series": (sets.x_test[:, 50 - T:], sets.y_test)}
        for name, (a, b) in judged.items():
            assert np.isclose(found[name][k], np.mean((least_squares(x, y, a) - b) ** 2), rtol=1e-12)


def test_more_steps_always_fit_the_series_trained_on_better_and_few_series_forecast_worse(rng):
    """A longer window has the shorter one's weights and more: the VC dimension of Chemnitz, *Input aggregation*."""
    sets = forecasting_sets(rng)
    few, many = by_length(sets, FEW), by_length(sets, 7000)
    for errors in (few, many):
        assert (np.diff(errors["series trained on"]) <= 1e-12).all()
    assert few["test series"][-1] > 1.5 * few["series trained on"][-1]
    assert many["test series"][-1] < 1.1 * many["series trained on"][-1]


def test_the_convolution_sees_its_reach_and_no_step_before_it(rng):
    model, x = NETWORKS["conv1d"][2](), rng.normal(size=(2, 50, 1)).astype(np.float32)
    other = x.copy()
    other[:, :34] += 1                                         # all but the last 16
    a, b, c = (model(mg.tensor(a)).detach().numpy() for a in (x, other, np.roll(x, 1, 1)))
    assert np.array_equal(a, b) and not np.allclose(a, c) and a.shape == (2, 1)


@pytest.mark.parametrize("make", MODELS)
def test_training_gives_the_same_losses_on_every_device(make, device, tmp_path, rng):
    """The same start, batches and order; sums of float32 in another order differ in the last digits."""
    sets = forecasting_sets(rng, 60, window=6)
    losses = []
    for where in ("cpu", device):
        ctx = harness.Context(tmp_path / where, 0, True, where, False, Console(quiet=True))
        ctx.part("p")
        train(ctx, (lambda: make(6)) if make is DenseForecaster else make, 1e-2, sets.x_train, sets.y_train, epochs=4)
        losses.append([v for _, v in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=1e-4) and losses[0][-1] < losses[0][0]


def test_a_quick_run_prints_every_row_beside_the_slide_and_writes_figures_and_numbers(tmp_path, capsys):
    forecasting.execute(quick=True, out=tmp_path)
    table = capsys.readouterr().out
    assert all(row in table for row in LABELS.values())
    assert all(f"{slide:#.4g}" in table for slide in SLIDE.values())
    folder = tmp_path / "forecasting/quick-seed-0"
    record = json.loads((folder / "numbers.json").read_text())
    assert list(record["results"]) == list(LABELS) and all(v["met"] is None for v in record["targets"])
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    assert record["figures"] == ["mse.png", "forecasts.png", "window.png"]
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in record["figures"])


def test_a_row_25_percent_behind_the_slide_is_missed():
    """The bars say no: each number 26 % above the slide's misses, 24 % passes; the two deep rows may swap."""
    def missed(**changed):
        r = {"last_value": 0.02, "least_squares": 0.003, "lstm": 0.003, "gru": 0.003, "conv1d": 0.003, **SLIDE,
             "window_20": 0.0035, "few_20": 0.0045, "few_50": 0.008, **changed}
        return {v["target"] for v in forecasting._verdicts(r, quick=False) if v["met"] is False}
    assert not missed() and not missed(deep=0.0027, deep_dense=0.0032)
    for name in ("simple_rnn", "dense", "deep", "deep_dense"):
        assert name in missed(**{name: 1.26 * SLIDE[name]}) and name not in missed(**{name: 1.24 * SLIDE[name]})
    assert not missed(simple_rnn_default=0.141, lstm=0.02, gru=0.02, conv1d=0.02)          # shown, not judged
    assert any("order" in m for m in missed(dense=0.0031, deep=0.0032))
    assert any("least squares" in m for m in missed(least_squares=0.0033))
    assert any("50 steps" in m for m in missed(window_20=0.0029)) and any("50 steps" in m for m in missed(few_50=0.004))


def test_the_default_rate_of_adam_is_that_of_keras_in_all_rows_but_one():
    assert {rate for name, (*_, rate) in NETWORKS.items() if name != "simple_rnn"} == {1e-3}
    assert module.NETWORKS["simple_rnn"][3] == 5e-3


@pytest.mark.proof
def test_the_medians_of_three_seeds_reach_the_slides(tmp_path, proof_record):
    record = forecasting.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("forecasting", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                        "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
