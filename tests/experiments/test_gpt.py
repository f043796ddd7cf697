"""Escalera, *Recently in Natural Language Processing*: the two sources of letters, the measures, and the bars."""
from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

import minigrad as mg
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments._next_letters import by_place, cached_less_whole, streams_of, train, windows_of
from minigrad.experiments.gpt import LABELS, gpt
from minigrad.models.gpt import GPT
from minigrad.models.rnn_lm import RNNLM

TEXT = np.tile(np.arange(5), 40)


def context(folder, device="cpu"):
    return harness.Context(folder, 0, True, device, False, Console(quiet=True))


def small(**options):
    return GPT(5, **(dict(d_model=16, heads=2, layers=1, context=8) | options))


def test_a_bad_cache_is_found(tmp_path):
    """A step that forgets its cache is off by far more than the bar."""
    ctx, model = context(tmp_path), small().eval()
    for p in model.parameters():
        if p.ndim > 1:
            p.data *= 20
    assert cached_less_whole(ctx, model, TEXT) < 1e-3
    step = model.step
    model.step = lambda ids, state: step(ids, None)
    assert cached_less_whole(ctx, model, TEXT) > 1e-2


def test_bits_by_place_average_to_those_of_the_windows(tmp_path):
    ctx, model = context(tmp_path), small().eval()
    place = by_place(ctx, model, TEXT)
    rows = np.arange(0, len(TEXT) - 8, 8)[:, None] + np.arange(8)
    with mg.no_grad():
        want = model.loss(mg.tensor(TEXT[rows]), mg.tensor(TEXT[rows + 1])).item() / np.log(2)
    assert place.shape == (8,) and abs(place.mean() - want) < 1e-5


@pytest.mark.parametrize("kind", ["gpt", "lstm"])
def test_both_learn_a_text_that_repeats_alike_on_every_device(kind, device, tmp_path):
    losses = []
    for where in ("cpu", device):
        ctx = context(tmp_path / where, where)
        ctx.part("p")
        if kind == "gpt":
            model = ctx.to_device(small())
            train(ctx, "p", model, lambda: windows_of(ctx, model, TEXT, 8), TEXT[:50], updates=100, rate=1e-2)  # noqa: B023
        else:
            model = ctx.to_device(RNNLM(5, embedding=8, hidden=8, tied=True))
            train(ctx, "p", model, lambda: streams_of(ctx, model, TEXT, 4, 8), TEXT[:50], updates=100, rate=2e-2)  # noqa: B023
        losses.append([v for _, v in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=2e-2) and losses[0][-1] < 0.7 * losses[0][0]


def test_streams_hand_their_state_on_and_start_anew_with_the_text(tmp_path):
    """As many losses as are asked for, also past the end of the text; each is of the letters after the last ones."""
    ctx = context(tmp_path)
    model = RNNLM(5, embedding=8, hidden=8)
    found = [loss.item() for loss in islice(streams_of(ctx, model, TEXT, 4, 10), 12)]
    assert len(found) == 12 and found[0] != found[1]
    assert np.allclose(found[0], found[5], rtol=1e-6)          # 49 steps a stream: five chunks, and anew


def test_the_bars_say_no_to_a_gpt_that_counts_no_better_than_a_3_gram_and_to_one_that_ignores_its_window():
    good = {"order_1": 4.6, "order_2": 3.4, "order_3": 2.4, "order_5": 1.7, "gpt": 2.2, "lstm": 2.2, "start": 2.8,
            "end": 2.1, "cache": 1e-5}

    def missed(**changed):
        return [v["target"] for v in gpt._verdicts({**good, **changed}, quick=False) if v["met"] is False]
    assert set(good) == set(LABELS) and not missed()
    assert any("3-gram" in name for name in missed(gpt=2.5)) and any("LSTM" in name for name in missed(lstm=2.0))
    assert "window" in missed(end=2.5)[0] and missed(cache=0.1) == ["cache"]


@pytest.mark.proof
def test_over_three_seeds_the_gpt_beats_a_3_gram_and_uses_its_window(tmp_path, proof_record):
    record = gpt.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("gpt", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
