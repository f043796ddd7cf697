"""Translation without attention and with it: clean splits, the two figures, the bars, and three seeds as a proof."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.translation import GLOSSES, word_by_word
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments.translation import LONGEST, MODELS, ROWS, SHOWN, SPANS, drawn, scores, translation


@pytest.mark.parametrize("quick", [True, False])
def test_no_sentence_is_in_two_splits_and_the_figure_shows_unseen_ones(quick, tmp_path):
    texts = drawn(harness.Context(tmp_path, 0, quick, "cpu", False, Console(quiet=True)))
    parts = [{" ".join(french) for french, _ in pairs} for pairs in (texts.train, texts.test, texts.longer)]
    assert sum(map(len, parts)) == len(set().union(*parts)) and not parts[0] & set(SHOWN.values())
    assert max(len(french) for french, _ in texts.train + texts.test) == LONGEST
    assert {len(french) for french, _ in texts.longer} <= set(range(LONGEST + 1, 41))
    assert quick or {len(french) for french, _ in texts.longer} == set(range(LONGEST + 1, 41))


def test_the_sentences_of_the_figure_are_french_of_the_grammar_and_cross_the_diagonal():
    """All words are known, and word by word each of them is wrong."""
    english = [" ".join(word_by_word(sentence.split())) for sentence in SHOWN.values()]
    assert all(word in GLOSSES for sentence in SHOWN.values() for word in sentence.split())
    assert english[0] == "the small cat black of the king sleeps not ."
    assert all(len(sentence.split()) <= LONGEST for sentence in SHOWN.values()) and len(SHOWN) == 4


def test_spans_of_length_score_the_sentences_of_their_lengths_only():
    pairs = [(["x"] * n, list("abcde")) for n in (4, 8, 20)]
    answers = [list("abcde"), list("abcde"), list("edcba")]
    assert scores(answers, pairs, [0, 1]) == pytest.approx(100, abs=1e-9) and scores(answers, pairs, [2]) == 0
    assert SPANS[""] == (4, LONGEST) and SPANS["_longer"][0] == LONGEST + 1


@pytest.mark.parametrize("name", MODELS)
def test_each_model_writes_and_the_two_with_attention_say_where_they_look(name):
    make, rate = MODELS[name]
    model = make(9, 7).eval()
    assert rate > 0 and name in ROWS
    if name != "plain":
        weights = model.alignments(np.array([[4, 5, 6]]), np.array([3]), np.array([[2, 4]]))
        assert weights.shape == (1, 2, 3)
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)      # float32


GOOD = {"plain_beam": 27, "attention_beam": 98, "attention_exact": 0.9, **{
    name + span: value for span, values in {"": (55, 25, 97, 94), "_short": (60, 75, 99, 98), "_long": (55, 15, 94, 92),
                                            "_longer": (55, 10, 65, 55)}.items()
    for name, value in zip(ROWS, values, strict=True)}}


@pytest.mark.parametrize("changed, missed", [
    ({}, []), ({"dictionary": 80.0}, ["dictionary"]), ({"attention": 85.0}, ["attention"]),
    ({"transformer": 60.0}, ["transformer"]), ({"plain_long": 40}, ["one vector falls"]),
    ({"attention_long": 80.0}, ["attention holds"]), ({"attention_longer": 25}, ["attention is above"])])
def test_the_bars_say_no_to_results_without_the_decks_shape(changed, missed):
    assert set(GOOD) == set(translation.labels)
    verdicts = translation._verdicts({**GOOD, **changed}, quick=False)
    assert [v["target"].startswith(m) for v, m in zip([v for v in verdicts if v["met"] is False], missed, strict=True)
            ] == [True] * len(missed)


@pytest.mark.proof
def test_bleu_falls_with_length_for_one_vector_and_holds_with_attention(tmp_path, proof_record):
    record = translation.execute(range(3), out=tmp_path, console=Console(quiet=True))
    proof_record("translation", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                        "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
