"""n-grams, a window, recurrent networks: one text and vocabulary for all, bounds that can be met, bars that say no."""
from __future__ import annotations

import json
import math

import numpy as np
import pytest

from minigrad.data.grammar import PHRASES
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments._word_models import help_pages, phrases, train
from minigrad.experiments.lm_compare import LIMIT, ROWS, lm_compare
from minigrad.models.ngram import NGram
from minigrad.models.rnn_lm import RNNLM
from minigrad.models.window_mlp_lm import WindowMLPLM


def context(folder, device="cpu", quick=True):
    return harness.Context(folder, 0, quick, device, False, Console(quiet=True))


def test_the_pages_are_words_of_one_vocabulary_and_most_are_known(tmp_path):
    v, ids, test, truth = help_pages(context(tmp_path, quick=False))
    assert truth is None and 40_000 < len(ids) and 4_000 < len(test) and 800 < len(v) < 3_000
    assert (v.counts[2:] >= 5).all() and 0 < np.mean(test == v.unk) < 0.15
    assert v.decode(ids[:3])[0] != "<eos>" and (ids == v.eos).sum() > 1000


def test_the_truth_of_the_phrases_is_their_entropy_up_to_the_sample(tmp_path):
    """5,000 sentences: their mean of -ln P has a standard deviation of 0.3 %."""
    v, _, test, truth = phrases(context(tmp_path, quick=False))
    assert (test == v.eos).sum() == 5000 and not (test == v.unk).any()
    assert math.isclose(math.log(truth), PHRASES.entropy, rel_tol=0.012)
    assert PHRASES.perplexity < 0.98 * LIMIT         # what no 5-gram sees is worth more than the sample's error


def test_all_models_predict_the_same_tokens(tmp_path):
    v, ids, test, _ = phrases(context(tmp_path))
    n = len(test) - 1
    assert len(NGram(3, "kneser-ney", vocab=len(v)).fit(ids).log_probs(test)[1:]) == n
    assert len(RNNLM(len(v), hidden=4).nats(test)) == len(WindowMLPLM(len(v)).nats(test)) == n


@pytest.mark.parametrize("make", [lambda: RNNLM(46, embedding=8, hidden=8, cell="gru"),
                                  lambda: WindowMLPLM(46, embedding=8, hidden=8)], ids=["gru", "mlp"])
def test_training_is_the_same_on_every_device(make, device, tmp_path):
    """float32 sums in another order differ in the last digits."""
    losses = []
    for where in ("cpu", device):
        ctx = context(tmp_path, where)
        ids = phrases(ctx).train[:700]
        ctx.part("p")
        train(ctx, make(), ids, 2, 0.02)
        losses.append([v for _, v in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=1e-4) and losses[0][1] < losses[0][0]


def test_a_quick_run_compares_all_models_and_writes_the_figure(tmp_path, capsys):
    lm_compare.execute(quick=True, out=tmp_path)
    shown = capsys.readouterr().out
    assert all(name in shown for name in ROWS.values()) and "Numbers that are stored" in shown
    record = json.loads((tmp_path / "lm_compare/quick-seed-0/numbers.json").read_text())
    assert set(record["results"]) == set(lm_compare.labels)
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    assert record["figures"] == ["perplexity.png"]


def test_the_bars_say_no():
    good = {f"{corpus}_{row}": value for corpus, row, value in [
        *[("phrases", row, 1.575) for row in ("rnn", "gru", "lstm")],
        *[("phrases", f"order_{n}", 1.7) for n in range(1, 6)],
        ("phrases", "mlp", 1.61), ("phrases", "truth", 1.563), ("pages", "mlp", 33.0), ("pages", "rnn", 27.0),
        ("pages", "lstm", 24.0)]}

    def missed(**changed):
        return [v["target"] for v in lm_compare._verdicts({**good, **changed}, quick=False) if not v["met"]]
    assert not missed()
    assert "below what any 5-gram" in missed(phrases_gru=1.6)[0]
    assert "are not" in missed(phrases_mlp=1.58)[0] and "are not" in missed(phrases_order_5=1.585)[0]
    assert "within 1.5 %" in missed(phrases_lstm=1.59)[0] and "within 1.5 %" in missed(phrases_rnn=1.56)[0]
    assert "the deck's order" in missed(pages_lstm=27.5)[0]


@pytest.mark.proof
def test_three_seeds_meet_the_bars(tmp_path, proof_record):
    record = lm_compare.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("lm_compare", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                       "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
