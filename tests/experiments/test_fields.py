"""Fields of adverts: rules at chance, templates from tags, the bars, and three seeds."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.data.adverts import TAGS, adverts, exact, template
from minigrad.data.tagged_sentences import TagCoder, stems
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments._tagging import Answers, makers
from minigrad.experiments.fields import fields


def test_owners_of_the_tests_are_new(rng):
    known, new = np.array_split(stems(rng, 40), 2)
    owners = [{template(s.words, s.tags)["OWNER"] for s in adverts(rng, 60, part.tolist())} - {None}
              for part in (known, new)]
    assert not owners[0] & owners[1] and all(owners)


def test_a_model_that_knows_nothing_fills_no_template(rng):
    """The checker says no: an untrained tagger is right only where fields are rightly empty."""
    texts = adverts(rng, 30, stems(rng, 20))
    coder = TagCoder(texts, TAGS)
    said = Answers(makers(coder, 8)["birnn"](), coder, texts)
    assert said.spans().f1 < 0.2 and max(exact(texts, said.legal).values()) < 0.5
    assert said.illegal_share(legal=True) == 0


GOOD = {"lots": 0.14, "size": 0.15, "place": 0.15, "f1_window": 0.7, "f1_rnn": 0.7, "f1_birnn": 0.98,
        "f1_stacked": 0.99, "whole_window": 0.1, "whole_rnn": 0.0, "whole_birnn": 0.9, "whole_stacked": 0.95}


@pytest.mark.parametrize("name, value, target", [
    ("size", 0.3, "by size as by lots, within 0.05"), ("place", 0.3, "by place as by lots, within 0.06"),
    ("f1_rnn", 0.9, "f1_rnn"), ("f1_window", 0.95, "f1_window"), ("f1_stacked", 0.9, "f1_stacked"),
    ("whole_stacked", 0.5, "whole_stacked")])
def test_each_bar_says_no_to_a_bad_result(name, value, target):
    def missed(results):
        return [v["target"] for v in fields._verdicts(results, quick=False) if not v["met"]]
    assert set(GOOD) == set(fields.labels) and not missed(GOOD)
    assert missed(GOOD | {name: value}) == [target]


@pytest.mark.proof
def test_three_seeds_fill_the_template(tmp_path, proof_record):
    record = fields.execute(range(3), out=tmp_path, console=Console(quiet=True))
    proof_record("fields", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                   "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
