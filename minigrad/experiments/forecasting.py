"""Forecasting the next value of a series.   KTH, *RNN in TensorFlow (1/5)* to *(5/5)*, *LSTM in TensorFlow*, *GRU ...*.

The deck: on 10,000 series of 50 steps, after 20 epochs of Adam, a dense layer reaches a test error of 0.00399, a
recurrent layer of one unit 0.01103, and two deep recurrent networks 0.00320 and 0.00276. Beside them stand two rows
that the deck leaves out: the last value, and least squares, the classic autoregression (Télécom, *What are sequential
data ?*), here of 50 steps. The dense layer is the same linear model, not yet at its best; solved exactly, it beats all
of the deck's networks but the last, with no training at all. For its LSTM and its GRU the deck prints no result, and a
metric `last_time_step_mse` that it does not define: with one output a series that is the loss. Their rows are shown and
not judged, as is a convolution in place of the RNN (Télécom, *Using 1D convolution instead of RNN*).

Chemnitz, *Input aggregation*, asks how long the window should be. From 7,000 series, the longer the better; from 80,
the weights of a long one are fitted to noise, and 50 steps forecast worse than 20.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad import models, nn, no_grad, optim, viz
from minigrad.data.sine_series import NOISE_FLOOR, forecasting_sets
from minigrad.experiments import Context, Experiment, Target
from minigrad.models.autoregression import least_squares
from minigrad.models.conv1d_net import Conv1dNet
from minigrad.nn import functional as F

from ._window_length import FEW, LENGTHS, by_length

# result name -> row, the slide's test MSE (None: it prints none), the network, Adam's rate.  At Keras's default rate of
# 1e-3 a single unit is still on its way after 20 epochs, and how far depends on the seed: shown, and judged at 5e-3.
NETWORKS: dict[str, tuple[str, float | None, Callable[[], nn.Module], float]] = {
    "simple_rnn_default": ("SimpleRNN(1), rate 1e-3", 0.011026302369932333, models.SimpleRNN, 1e-3),
    "simple_rnn": ("SimpleRNN(1), rate 5e-3", 0.011026302369932333, models.SimpleRNN, 5e-3),
    "dense": ("Dense(1) on the flat window", 0.003993967570985357, models.DenseForecaster, 1e-3),
    "deep": ("Deep RNN 20-20-1", 0.003197280486735205, models.DeepRNN, 1e-3),
    "deep_dense": ("Deep RNN 20-20 + Dense(1)", 0.002757748544837038, models.DeepRNNDense, 1e-3),
    "lstm": ("LSTM 20-20 + Dense(1)", None, models.LSTMForecaster, 1e-3),
    "gru": ("GRU 20-20 + Dense(1)", None, models.GRUForecaster, 1e-3),
    "conv1d": ("Conv1D(20, 16 steps) + Dense(1)", None,
               lambda: Conv1dNet(1, 20, kernel=16, pooling="last", causal=True).apply(nn.init.keras_), 1e-3),
}
SLIDE = {name: slide for name, (_, slide, _, _) in NETWORKS.items() if slide is not None}
LABELS = {"last_value": "Last value", "least_squares": "Least squares on the flat window: AR(50)",
          **{name: row for name, (row, *_) in NETWORKS.items()}, "window_20": "Least squares on 20 steps: AR(20)",
          "few_20": f"AR(20) from {FEW} series", "few_50": f"AR(50) from {FEW} series"}
JUDGED = [name for name in SLIDE if name != "simple_rnn_default"]

forecasting = Experiment(
    "forecasting", ids="C1 C2 K24 K25 K26 K27 K28 K49 K51 T1 T16", slide="KTH, *RNN in TensorFlow*",
    seconds=35, unit="test MSE", labels=LABELS, targets=[
        *[Target(name, at_most=1.25 * SLIDE[name] if name in JUDGED else None, slide=SLIDE.get(name, "not printed"))
          for name in NETWORKS],
        Target("the deck's order: SimpleRNN(1), Dense, then the two deep RNNs in either order",
               holds=lambda r: r["simple_rnn"] > r["dense"] > max(r["deep"], r["deep_dense"])),
        Target("least squares beats the slide's Dense (0.00399) and its first deep RNN (0.00320), untrained",
               holds=lambda r: r["least_squares"] < SLIDE["deep"]),
        Target(f"50 steps beat 20 when learned from 7,000 series, and lose to them when from {FEW}",
               holds=lambda r: r["least_squares"] < r["window_20"] and r["few_50"] > r["few_20"])])


def train(ctx: Context, make: Callable[[], nn.Module], rate: float, x: np.ndarray, y: np.ndarray, epochs: int,
          batch: int = 32) -> nn.Module:
    """A network after `epochs` of Adam on the mean squared error: batches of 32, in a new order each epoch.

    x (N, T, 1), y (N, 1).  Keras's settings, which the deck uses: batch 32, eps 1e-7.
    """
    model = ctx.to_device(make())
    adam = optim.Adam([p for p in model.parameters() if p.requires_grad], lr=rate, eps=1e-7)
    for epoch in ctx.rounds(epochs, model=model, optimizer=adam):
        total = 0.0
        for rows in np.split(ctx.rng.permutation(len(x)), range(batch, len(x), batch)):
            loss = F.mse_loss(model(ctx.tensor(x[rows])), ctx.tensor(y[rows]))
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += loss.item() * len(rows)
        ctx.log(epoch, loss=total / len(x))
    return model


@forecasting.run
def run(ctx: Context) -> None:
    """Train the deck's networks, forecast the test set, and set the errors beside the slide's."""
    sets = forecasting_sets(ctx.part("data"), 300 if ctx.quick else 10_000)
    x, y, x_test, y_test = sets.x_train, sets.y_train, sets.x_test, sets.y_test
    forecasts = {"last_value": x_test[:, -1], "least_squares": least_squares(x, y, x_test)}
    for name, (row, _, make, rate) in NETWORKS.items():
        ctx.part(row)
        model = train(ctx, make, rate, x, y, epochs=3 if ctx.quick else 20)
        with no_grad():
            forecasts[name] = model(ctx.tensor(x_test)).cpu().numpy()
    mse = {name: float(np.mean((f - y_test) ** 2)) for name, f in forecasts.items()}
    lengths = {count: by_length(sets, count) for count in (len(x), min(FEW, len(x)))}
    many, few = (errors["test series"] for errors in lengths.values())
    last = LENGTHS.index(20)
    ctx.result(**mse, window_20=many[last], few_20=few[last], few_50=few[-1])

    shown = [name for name in forecasts if name not in ("simple_rnn_default", "conv1d")]       # as many as have marks
    best = min(shown, key=mse.__getitem__)
    ctx.figure("mse", viz.bars, {LABELS[n]: v for n, v in mse.items()}, {LABELS[n]: v for n, v in SLIDE.items()},
               label=f"mean squared error on {len(y_test):,} test series",
               floor=("noise: no forecast is better", NOISE_FLOOR),
               title=f"Least squares, without training, beats {sum(mse['least_squares'] < SLIDE[n] for n in JUDGED)} "
                     "of the slide's 4 networks")
    ctx.figure("forecasts", viz.forecasts, x_test[:3], y_test[:3],
               {LABELS[n]: forecasts[n][:3] for n in shown},
               title=f"Root mean square miss of step 51: last value {mse['last_value'] ** 0.5:.3f}, best forecast "
                     f"{mse[best] ** 0.5:.3f} ({LABELS[best]})")
    ctx.figure("window", viz.curves, {f"learned from {count:,} series": {name: (LENGTHS, e) for name, e in both.items()}
                                      for count, both in lengths.items()},
               xlabel="steps that the forecast sees, T", ylabel="mean squared error of AR(T)", log="y",
               title=f"Against 20 steps, 50 have {many[-1] / many[last]:.0%} of the error when learned from {len(x):,} "
                     f"series, and {few[-1] / few[last]:.0%} when from {min(FEW, len(x))}")
