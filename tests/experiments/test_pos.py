"""Parts of speech: what each model cannot know by construction, the bars, and three seeds."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data import word_classes as classes
from minigrad.data.tagged_sentences import TagCoder, marked
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments._tagging import Answers, makers
from minigrad.experiments.pos import COLUMNS, PAIRS, pos, sentences
from minigrad.models.tagging import MajorityTags, accuracy


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return sentences(harness.Context(tmp_path_factory.mktemp("pos"), 0, True, "cpu", False, Console(quiet=True)))


def test_no_test_sentence_is_trained_on_and_new_words_are_new(drawn):
    learn, tests = drawn
    assert not {s.words for s in learn} & {s.words for s in tests}
    known = {w for s in learn for w in s.words}
    new = {w for s in tests for w, m in zip(s.words, s.marks, strict=True) if m in (classes.PLACE, classes.FORM)}
    assert not new & known and len(new) > 20
    assert set(COLUMNS) == set(classes.MARKS)


@pytest.mark.parametrize("name, marks", [("window", [classes.FAR]), ("rnn", [classes.FUTURE, classes.FAR])])
def test_a_model_that_cannot_look_there_is_right_in_exactly_one_half(name, marks, drawn):
    """Whatever its weights are: both of a pair look the same to it."""
    coder = TagCoder(drawn[0], classes.TAGS)
    for _ in range(3):
        model = makers(coder, 8)[name]()
        model.read.bias.data[:] = [20 if tag in ("NOUN", "VERB") else 0 for tag in classes.TAGS]       # one of the two
        said = Answers(model, coder, drawn[1])
        assert [accuracy(said.data.tags, said.ids, marked(drawn[1], mark)) for mark in marks] == [0.5] * len(marks)


def test_the_commonest_tag_is_right_in_one_half_of_the_forms_and_in_a_quarter_of_new_words(drawn):
    learn, tests = drawn
    coder = TagCoder(learn, classes.TAGS)
    data, asked = coder(learn), coder(tests)
    said = MajorityTags(data.words, data.tags, len(coder.words), len(coder.tags)).tags(asked.words)
    for mark in PAIRS:
        assert accuracy(asked.tags, said, marked(tests, mark)) == 0.5
    assert accuracy(asked.tags, said, marked(tests, classes.FORM)) < 0.6       # 20 words: 1/4 within 4 standard errors


GOOD = dict.fromkeys(pos.labels, 1.0) | {f"{mark}_majority": 0.5 for mark in PAIRS} | {
    "far_window": 0.5, "future_rnn": 0.5, "far_rnn": 0.5, "form_stacked": 0.25}
BAD = {"past_majority": 0.6, "far_window": 0.9, "future_rnn": 0.8, "far_rnn": 0.7, "form_stacked": 0.6,
       "past_window": 0.9, "past_rnn": 0.5, "far_stacked": 0.5, "place_stacked": 0.5, "form_letters": 0.25}


@pytest.mark.parametrize("name", BAD)
def test_each_bar_says_no_to_a_bad_result(name):
    def missed(results):
        return [v["target"] for v in pos._verdicts(results, quick=False) if not v["met"]]
    assert not missed(GOOD) and missed(GOOD | {name: BAD[name]}) == [name]


@pytest.mark.proof
def test_three_seeds_fail_only_where_they_cannot_look(tmp_path, proof_record):
    record = pos.execute(range(3), out=tmp_path, console=Console(quiet=True))
    proof_record("pos", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
    assert np.isclose(record["results"]["far_window"], 0.5)
