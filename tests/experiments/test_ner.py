"""Named entities: what the data promise of the models, the bars, and three seeds."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data import named_entities as names
from minigrad.data.apple import FUTURE, NAME, OTHER, PAST, apple_sentences
from minigrad.data.tagged_sentences import TagCoder, marked, stems
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments._tagging import Answers, makers, train
from minigrad.experiments.ner import LABELS, ner
from minigrad.models.tagging import MajorityTags, accuracy


@pytest.fixture
def ctx(tmp_path):
    return harness.Context(tmp_path, 0, True, "cpu", False, Console(quiet=True))


def test_no_network_that_reads_to_the_right_has_more_than_three_quarters_of_the_apples(rng):
    """Trained or not, it says the same to both of a future pair: exactly one half there, whatever its weights are."""
    texts = apple_sentences(rng, 60)
    coder = TagCoder(texts, (OTHER, NAME))
    for _ in range(3):
        said = Answers(makers(coder, 8)["rnn"](), coder, texts)
        assert accuracy(said.data.tags, said.ids, marked(texts, FUTURE)) == 0.5
        assert accuracy(said.data.tags, said.ids, marked(texts, FUTURE) | marked(texts, PAST)) <= 0.75


def test_the_commonest_tag_of_the_word_has_one_half_of_the_apples(rng):
    texts = apple_sentences(rng, 60)
    data = (coder := TagCoder(texts, (OTHER, NAME)))(texts)
    said = MajorityTags(data.words, data.tags, len(coder.words), 2).tags(data.words)
    assert accuracy(data.tags, said, marked(texts, PAST) | marked(texts, FUTURE)) == 0.5


def test_whoever_looks_words_up_says_the_same_of_all_new_names(rng):
    """Two sentences that differ in a new name's ending alone: <unk> to the BiRNN, and not to the letters."""
    known, new = np.array_split(stems(rng, 40), 2)
    coder = TagCoder(names.entity_sentences(rng, 100, known.tolist()), names.TAGS)
    text = names.entity_sentences(rng, 1, new.tolist())[0]
    at = max(t for t, m in enumerate(text.marks) if m)
    other = text._replace(words=(*text.words[:at], text.words[at][:2] + "xyz", *text.words[at + 1:]))
    for name, same in (("window", True), ("rnn", True), ("birnn", True), ("letters", False)):
        log_p = Answers(makers(coder, 8)[name](), coder, [text, other]).log_p
        assert np.allclose(*log_p, atol=1e-6) == same


def test_spans_are_counted_of_the_kinds_asked_and_legal_tags_are_legal(ctx, rng):
    texts = names.entity_sentences(rng, 80, stems(rng, 10))
    coder = TagCoder(texts, names.TAGS)
    said = Answers(train(ctx, "p", makers(coder, 8)["rnn"], coder(texts), coder, 3), coder, texts)
    assert said.illegal_share() > 0 == said.illegal_share(legal=True)          # three passes: many tags are illegal yet
    assert said.spans(False).predicted > said.spans(False, names.NAMES).predicted
    assert said.spans().gold == sum(t[0] == "B" for s in texts for t in s.tags)
    first, last = (v for _, v in (ctx.history["p loss"][0], ctx.history["p loss"][-1]))
    assert last < first


GOOD = dict.fromkeys(LABELS, 1.0) | {"apple_rnn_future": 0.5, "apple_rnn": 0.75, "greedy_rnn": 0.45, "new_birnn": 0.3,
                                     "illegal_after": 0.0}


@pytest.mark.parametrize("name, value", [
    ("apple_rnn_past", 0.9), ("apple_rnn_future", 0.6), ("apple_rnn", 0.8), ("apple_birnn", 0.75), ("known_birnn", 0.9),
    ("known_letters", 0.9), ("greedy_rnn", 0.95), ("known_rnn", 0.5), ("new_birnn", 0.6), ("new_letters", 0.4),
    ("macron", 0.0), ("illegal_after", 0.1)])
def test_each_bar_says_no_to_a_bad_result(name, value):
    def missed(results):
        return [v["target"] for v in ner._verdicts(results, quick=False) if not v["met"]]
    assert not missed(GOOD) and missed(GOOD | {name: value}) == [name]


@pytest.mark.proof
def test_three_seeds_tell_names_as_far_as_they_can_be_told(tmp_path, proof_record):
    record = ner.execute(range(3), out=tmp_path, console=Console(quiet=True))
    proof_record("ner", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
