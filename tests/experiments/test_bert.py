"""Télécom, *BERT*: hidden verbs, one side alone, few labels, and the bars."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.masking import masking_vocabulary
from minigrad.data.two_sides import PEOPLE, WORDS
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments._two_readings import (
    by_one_side,
    classes_right,
    fine_tune,
    pretrain,
    sentences,
    verbs_named,
)
from minigrad.experiments.bert import LABELLED, LABELS, bert
from minigrad.models.bert import BERT

VOCABULARY = masking_vocabulary(WORDS)


def context(folder, device="cpu"):
    ctx = harness.Context(folder, 0, True, device, False, Console(quiet=True))
    ctx.part("p")
    return ctx


def small(ctx):
    return ctx.to_device(BERT(len(VOCABULARY), classes=len(PEOPLE), d_model=16, heads=2, layers=1, longest=12))


def test_no_sentence_of_the_test_is_trained_on_and_classes_are_balanced(rng):
    everything = sentences(rng, 2000, VOCABULARY)
    assert len({tuple(text) for text in everything.texts}) == 2000
    assert everything.ids.shape[1] <= 12 and (np.bincount(everything.kind) / 2000 > 0.22).all()
    assert all(VOCABULARY.tokens[row[at]] == text[at - 1]
               for row, at, text in zip(everything.ids, everything.verb, everything.texts, strict=True))
    some = everything.rows(np.array([3, 1]))
    assert some.texts == [everything.texts[3], everything.texts[1]] and some.verb.tolist() == [
        everything.verb[3], everything.verb[1]]
    turns = everything.in_turn()
    assert sorted(turns.texts) == sorted(everything.texts) and turns.kind[:8].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


@pytest.mark.parametrize("side", [0, 1])
def test_counting_by_one_side_names_about_a_quarter_of_the_verbs(side, rng):
    data = sentences(rng, 3000, VOCABULARY)
    assert 0.2 < by_one_side(data.rows(np.arange(2000)), data.rows(np.arange(2000, 3000)), side) < 0.33


def test_verbs_named_are_those_of_the_models_first_choice(rng, tmp_path):
    """A model whose bias wants one verb names the sentences with that verb and no others."""
    ctx, data = context(tmp_path), sentences(rng, 400, VOCABULARY)
    model = small(ctx)
    model.word_bias.data[VOCABULARY["bakes"]] = 100
    share = np.mean(["bakes" in text for text in data.texts])
    assert 0.02 < share < 0.12 and verbs_named(ctx, model, data, VOCABULARY) == pytest.approx(share)


def test_hidden_words_and_classes_are_learned_alike_on_every_device(device, tmp_path):
    found = []
    for where in ("cpu", device):
        ctx = context(tmp_path / where, where)
        data = sentences(np.random.default_rng(1), 64, VOCABULARY)
        model = small(ctx)
        pretrain(ctx, model, data, data, VOCABULARY, updates=100, batch=16)
        losses = [v for _, v in ctx.history["p loss"]]
        before = classes_right(ctx, model, data)
        fine_tune(ctx, model, data, updates=60, rate=1e-2)
        found.append([*losses, classes_right(ctx, model, data)])
        assert losses[1] < losses[0] and found[-1][-1] > max(0.7, before)
    assert np.allclose(*found, rtol=0.05)


def test_the_bars_say_no_to_a_bert_that_sees_one_side_and_to_pre_training_that_does_not_help():
    good = {"verb": 1.0, "untrained": 0.05, "left": 0.26, "right": 0.25}
    good |= {f"pre_{n}": v for n, v in zip(LABELLED, (0.5, 0.7, 0.9, 0.95, 0.99, 1.0), strict=True)}
    good |= {f"new_{n}": v for n, v in zip(LABELLED, (0.3, 0.4, 0.6, 0.7, 0.85, 0.95), strict=True)}

    def missed(**changed):
        return [v["target"] for v in bert._verdicts({**good, **changed}, quick=False) if v["met"] is False]
    assert set(good) == set(LABELS) and not missed()
    for name, value in (("verb", 0.3), ("left", 0.5), ("right", 0.5)):
        assert missed(**{name: value}) == [name]
    assert missed(pre_64=0.9) == ["pre_64"] and "ahead" in missed(pre_16=0.65)[0]
    assert "worth" in missed(new_16=0.75)[0] and len(missed(pre_8=0.45)) == 2


@pytest.mark.proof
def test_over_three_seeds_both_sides_tell_the_verb_and_pre_training_saves_labels(tmp_path, proof_record):
    record = bert.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("bert", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                 "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
