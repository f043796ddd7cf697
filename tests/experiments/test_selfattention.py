"""Télécom, *Self-Attention*: the readers that cannot know, the training, where "it" looks, and the bars."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.references import NOUNS, reference_texts
from minigrad.experiments import harness
from minigrad.experiments._attention_readers import ask, train
from minigrad.experiments._console import Console
from minigrad.experiments.selfattention import LABELS, READERS, asked, looks, reader, selfattention


def context(folder, device="cpu"):
    return harness.Context(folder, 0, True, device, False, Console(quiet=True))


@pytest.mark.parametrize("name", ["left_to_right", "no_order", "bag"])
def test_a_reader_without_order_or_without_the_reason_gives_two_of_a_group_one_answer(name, rng, tmp_path):
    """So it is right in at most one half, whatever it has learned: here with weights as they start."""
    texts, model = reference_texts(rng, 30), reader(READERS[name])
    said = ask(context(tmp_path), model, asked(texts)).reshape(-1, 4)
    for a, b in [(0, 1), (2, 3)] if name == "left_to_right" else [(0, 2), (1, 3)]:
        assert np.array_equal(said[:, a], said[:, b])
        assert (texts.answers.reshape(-1, 4)[:, a] != texts.answers.reshape(-1, 4)[:, b]).all()


@pytest.mark.parametrize("name", READERS)
def test_training_gives_the_same_losses_on_every_device(name, device, tmp_path):
    """The same start and batches; sums of float32 in another order differ in the last digits."""
    data, losses = asked(reference_texts(np.random.default_rng(5), 16)), []
    for where in ("cpu", device):
        ctx = context(tmp_path / where, where)
        train(ctx, "p", lambda: reader(READERS[name]), data, data, updates=50, batch=16)
        losses.append([v for _, v in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=1e-2) and losses[0][-1] < losses[0][0]


def test_where_it_looks_is_read_off_the_weights_of_its_row(rng):
    """An encoder of uniform attention gives each real word 1 / length, the right noun as much as the other one."""
    texts, model = reference_texts(rng, 5), reader({})
    for layer in model.encoder.stack.layers:
        layer.self_attn.in_proj_weight.data[:] = 0
    right, wrong = looks(model, texts)
    assert right.shape == wrong.shape == (2, 20)
    assert np.allclose(right, 1 / texts.lengths, atol=1e-6) and np.allclose(wrong, 1 / texts.lengths, atol=1e-6)


def test_in_the_first_layer_it_cannot_look_more_at_the_right_noun():
    """Its query is "it" and a place, so of two sentences that differ in the reason one looks right and one wrong."""
    right, wrong = looks(reader({}), reference_texts(np.random.default_rng(2), 40))
    assert 0.4 < (right[0] > wrong[0]).mean() < 0.6


def test_the_bars_say_no_to_a_reader_that_guesses_and_to_one_that_looks_elsewhere():
    good = {name: 0.5 for name in LABELS} | {"attention": 1.0, "bag": 0.45, "right_weight": 0.6, "wrong_weight": 0.02,
                                             "looks_right": 1.0}

    def missed(**changed):
        return [v["target"] for v in selfattention._verdicts({**good, **changed}, quick=False) if v["met"] is False]
    assert set(good) == set(LABELS) and not missed()
    for name, value in (("attention", 0.9), ("left_to_right", 0.6), ("no_order", 0.6), ("bag", 0.51),
                        ("right_weight", 0.3), ("wrong_weight", 0.2), ("looks_right", 0.8)):
        assert missed(**{name: value}) == [name]
    assert "exactly half" in missed(first=0.55)[0] and "exactly half" in missed(last=0.45)[0]
    assert "layer 1" in missed(looks_right_1=0.9)[0] and len(NOUNS) == 20


@pytest.mark.proof
def test_over_three_seeds_it_is_the_right_noun_and_the_others_stay_at_half(tmp_path, proof_record):
    record = selfattention.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("selfattention", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                          "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
