"""A day ahead, hour by hour, three ways.   Riveill, *RNN for forecasting* to *Time series cross-validation*.

The slides: windows of 24 hours in and 24 out, a dense model, a recurrent one with return_sequences False and one with
True, several steps ahead, and TimeSeriesSplit. The series has a trend, a day, a week and noise of known size, so the
least error that a forecast can have at each hour ahead is known. Of the values as they are a network sees 24 hours, and
not which day it is: it stays far above that, and behind the value of a week before. With a line and a season fitted to
the past taken off, all come close to it, least squares too: what was hard was the calendar. KTH,
*Sequence-to-Sequence*, is the third way: shifted targets.

Folds drawn at random test a window on a model that has seen its neighbours, an hour away. They rank a look-up of
similar windows before least squares; folds in the order of time, and the weeks that came later, rank it behind.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad import nn, no_grad, optim
from minigrad.data.hourly_series import WEEK, hourly_series, noise_floor
from minigrad.experiments import Context, Experiment, Target
from minigrad.models.multi_step import AllAtOnce, EveryStep, MultiStep, OneByOne, dense
from minigrad.models.sequence_reader import SequenceReader

from ._forecasting_many import KINDS, RULES, STEPS, miss, naive, promised, views
from ._forecasts_shown import LEAST, ahead, horizon, promises

H = 32
NETWORKS: dict[str, tuple[str, Callable[[], MultiStep]]] = {
    "dense": ("Dense 32-24", lambda: dense(STEPS, STEPS, H)),
    "all_at_once": ("GRU, all at once", lambda: AllAtOnce(SequenceReader(gru(), STEPS), STEPS)),
    "every_step": ("GRU, sequence to sequence", lambda: EveryStep(gru(), STEPS)),
    "one_by_one": ("GRU, one by one", lambda: OneByOne(gru(), STEPS))}
MODELS = {"least_squares": RULES["least_squares"][0], **{name: row for name, (row, _) in NETWORKS.items()}}
NAIVE = {"last_value": "Last value", "day_before": "Value 24 h before", "week_before": "Value 168 h before"}
SEEN = {"raw": "values as they are", "removed": "trend and season removed"}
TOLD = ("raw_all_at_once", "raw_one_by_one")   # judged at hour 1 as well

LABELS = NAIVE | {f"{view}_{name}": f"{row}, {words}" for view, words in SEEN.items() for name, row in MODELS.items()}
LABELS |= {"differenced_least_squares": f"{MODELS['least_squares']}, differences of a week", "floor": LEAST,
           "basic_1": f"RNN of 16 on 5 hours + Dense(1), {SEEN['raw']}: hour 1",
           "raw_nearest": f"{RULES['nearest'][0]}, {SEEN['raw']}"} | {f"{n}_1": f"{LABELS[n]}: hour 1" for n in TOLD}
LABELS |= {f"{kind}_{rule}": f"{row}, {words}" for kind, words in KINDS.items() for rule, (row, _) in RULES.items()}

forecasting_many = Experiment(
    "forecasting_many", ids="K22 R22 R23 R24 R25 R26 R27 R28 R29", slide="Riveill, *RNN for forecasting*",
    seconds=20, unit="root mean square miss", labels=LABELS, targets=[
        *[Target(f"removed_{name}", at_most=0.39) for name in MODELS],
        Target("each model misses 1.5 times as much where trend and season are left in",
               holds=lambda r: all(r[f"raw_{name}"] > 1.5 * r[f"removed_{name}"] for name in MODELS)),
        Target("least squares: differences of a week help, a season fitted to the past helps more",
               holds=lambda r: r["raw_least_squares"] > r["differenced_least_squares"] > r["removed_least_squares"]),
        Target("values as they are: the value of a week before, untrained, misses least",
               holds=lambda r: r["week_before"] < min(r[f"raw_{name}"] for name in MODELS)),
        Target("values as they are, the day against its first hour: one by one loses a tenth more than all at once",
               holds=lambda r: r["raw_one_by_one"] / r["raw_one_by_one_1"]
               > 1.1 * r["raw_all_at_once"] / r["raw_all_at_once_1"]),
        Target("random folds rank the nearest windows before least squares, the weeks after them behind",
               holds=lambda r: r["random_nearest"] < r["random_least_squares"]
               and r["raw_nearest"] > r["raw_least_squares"]),
        Target("nearest windows: random folds promise less than 0.85 of the later miss, the past first 0.85 to 1.15",
               holds=lambda r: r["random_nearest"] < 0.85 * r["raw_nearest"]
               and abs(r["expanding_nearest"] / r["raw_nearest"] - 1) < 0.15)])


def gru() -> nn.GRU:
    """Of one input and H units."""
    return nn.GRU(1, H, batch_first=True)


def train(ctx: Context, model: MultiStep, stretches: np.ndarray, epochs: int = 15) -> MultiStep:
    """The model after Adam on its own loss, 64 stretches of window and future a batch.  stretches (N, T + m, 1)"""
    model = ctx.to_device(model)
    adam = optim.Adam(model.parameters(), lr=3e-3)
    for epoch in ctx.rounds(2 if ctx.quick else epochs, model=model, optimizer=adam):
        losses = []
        for rows in np.array_split(ctx.rng.permutation(len(stretches)), -(-len(stretches) // 64)):
            loss = model.loss(ctx.tensor(stretches[rows]))
            adam.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            losses.append(loss.item())
        ctx.log(epoch, loss=np.mean(losses))
    return model


def forecast(ctx: Context, model: MultiStep, x: np.ndarray) -> np.ndarray:
    """x (K, T, 1) -> (K, m)"""
    with no_grad():
        return model(ctx.tensor(x)).cpu().numpy()


@forecasting_many.run
def run(ctx: Context) -> None:
    """Forecast four weeks by every model, with and without the calendar; then ask two kinds of folds for an error."""
    values = hourly_series(ctx.part("data"), 6 if ctx.quick else 30).values
    cut = len(values) - (2 if ctx.quick else 4) * WEEK
    seen, forecasts = views(values, cut), naive(values, cut)
    for name, view in seen.items():
        forecasts |= {f"{name}_{rule}": view.back(learn(view.x, view.y, view.x_later))
                      for rule, (_, learn) in RULES.items()}
    for name in SEEN:
        for network, (_, make) in NETWORKS.items():
            ctx.part(LABELS[f"{name}_{network}"])
            model, view = train(ctx, make(), seen[name].stretches()), seen[name]
            forecasts[f"{name}_{network}"] = view.back(forecast(ctx, model, view.x_later))
    raw = seen["raw"]
    ctx.part(LABELS["basic_1"])                # Riveill, *A basic example: forecasting*
    model = AllAtOnce(SequenceReader(nn.RNN(1, 16, batch_first=True)), 1)
    basic = forecast(ctx, train(ctx, model, raw.stretches()[:, STEPS - 5:STEPS + 1]), raw.x_later[:, -5:])
    misses = {name: miss(f, raw.y_later, 0) for name, f in forecasts.items()}                  # (24,): each hour ahead
    misses["basic"] = miss(raw.back(basic)[:, :1], raw.y_later[:, :1], 0)
    folds = promised(raw, ctx.part("folds"))
    r = {name: np.sqrt(np.mean(m ** 2)) for name, m in [*misses.items(), ("floor", noise_floor(STEPS))]}
    r |= {f"{name}_1": misses[name][0] for name in ("basic", *TOLD)}
    r |= {f"{kind}_{rule}": each.mean() for (kind, rule), each in folds.items()}
    ctx.result(**{name: r[name] for name in LABELS})

    panels = {words: {row: misses[f"{name}_{model}"] for model, row in MODELS.items()} for name, words in SEEN.items()}
    panels[SEEN["raw"]] |= {row: misses[name] for name, row in NAIVE.items()}
    ctx.figure("horizon", horizon, panels, f"Least squares over 24 hours: {r['raw_least_squares']:.2f} as the values "
               f"are, {r['removed_least_squares']:.2f} with trend and season removed; noise costs {r['floor']:.2f}")
    ctx.figure("ahead", ahead, values, cut, {LABELS[name]: forecasts[name] for name in (*TOLD, "removed_every_step")},
               f"A GRU whose forecasts are fed back misses a day by {r[TOLD[1]]:.2f}, all at once by {r[TOLD[0]]:.2f}, "
               f"sequence to sequence without trend and season by {r['removed_every_step']:.2f}")
    ctx.figure("folds", promises, folds, {rule: r[f"raw_{rule}"] for rule in RULES},
               f"Random folds promise the nearest windows {r['random_nearest']:.2f}, the past first "
               f"{r['expanding_nearest']:.2f}; the weeks after them show {r['raw_nearest']:.2f}")
