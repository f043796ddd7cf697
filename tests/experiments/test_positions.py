"""Télécom, *Positional Encoding*: exactly half without positions, the training on every device, and the bars."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.data.token_orders import LETTERS, token_orders
from minigrad.experiments import harness
from minigrad.experiments._attention_readers import Questions, ask, train
from minigrad.experiments._console import Console
from minigrad.experiments.positions import KINDS, LABELS, asked, positions
from minigrad.models.attention_reader import AttentionReader


def context(folder, device="cpu"):
    return harness.Context(folder, 0, True, device, False, Console(quiet=True))


def reader(kind, **options):
    return AttentionReader(len(LETTERS), 2, d_model=16, heads=2, longest=24,
                           positions=None if kind == "none" else kind, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_only_without_positions_both_texts_of_a_pair_get_one_answer(kind, rng, tmp_path):
    texts, model = asked(token_orders(rng, 100, range(2, 21))), reader(kind)
    one, two = model(mg.tensor(texts.ids), texts.lengths).detach().numpy().reshape(-1, 2, 2).swapaxes(0, 1)
    assert np.allclose(one, two, atol=1e-5) == (kind == "none")
    if kind == "none":
        assert (ask(context(tmp_path), model, texts) == texts.answers).mean() == 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_training_gives_the_same_losses_on_every_device(kind, device, tmp_path):
    """The same start and batches; sums of float32 in another order differ in the last digits."""
    data, losses = asked(token_orders(np.random.default_rng(5), 16, [3, 4])), []
    for where in ("cpu", device):
        ctx = context(tmp_path / where, where)
        train(ctx, "p", lambda: reader(kind), data, data, updates=50, batch=16)
        losses.append([v for _, v in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=1e-2)


def test_some_questions_are_those_rows_with_or_without_a_place():
    whole = Questions(np.arange(6).reshape(3, 2), np.array([2, 1, 2]), None, np.array([0, 1, 0]))
    assert whole.rows(np.array([2, 0])).ids.tolist() == [[4, 5], [0, 1]] and whole.rows(np.array([1])).at is None
    assert whole._replace(at=np.array([0, 1, 0])).rows(np.array([1])).at.tolist() == [1]


def test_the_bars_say_no_to_a_leak_and_to_positions_that_do_not_help():
    good = {kind: 1.0 for kind in KINDS} | {f"{kind}_longer": 0.7 for kind in KINDS} | {
        "none": 0.5, "none_longer": 0.5, "distance_only": 1e-13}

    def missed(**changed):
        return [v["target"] for v in positions._verdicts({**good, **changed}, quick=False) if v["met"] is False]
    assert set(good) == set(LABELS) and not missed()
    for name, value in (("sinusoidal", 0.9), ("halves", 0.9), ("learned", 0.5), ("distance_only", 0.1)):
        assert missed(**{name: value})[0] == name
    assert "half" in missed(none=0.51)[0] and "half" in missed(none_longer=0.6)[0]
    assert "longer" in missed(learned_longer=0.99)[0]


@pytest.mark.proof
def test_over_three_seeds_positions_of_any_kind_tell_the_order(tmp_path, proof_record):
    record = positions.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("positions", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                      "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
