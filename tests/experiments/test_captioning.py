"""Escalera, *Image Captioning*: the bars say no to captioners that do not look, and three seeds meet them."""
from __future__ import annotations

import pytest

from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments.captioning import LABELS, MEASURES, ROWS, captioning


def results(**changed):
    good = {"true": 0.3, "things": 0.6, "relation": 0.5}
    found = {f"{name}_{what}": good[what] for name in ROWS for what in MEASURES}
    found |= {"blind_true": 0.02, "blind_things": 0.15, "attend_true": 0.8, "attend_things": 0.95,
              "attend_relation": 0.9, "attend_other": 0.02}
    return found | changed


def test_the_bars_say_no_to_a_captioner_that_does_not_look_or_has_no_relations():
    def missed(**changed):
        return [v["target"] for v in captioning._verdicts(results(**changed), quick=False) if v["met"] is False]
    assert set(results()) == set(LABELS) and not missed()
    assert missed(blind_true=0.2) == ["blind_true"]
    assert missed(attend_true=0.5) == ["attend_true"]
    assert missed(attend_other=0.3) == ["attend_other"]
    assert missed(mean_relation=0.8) == ["mean_relation"]
    assert missed(blind_relation=0.8) == ["blind_relation"]
    assert missed(attend_relation=0.7) == ["attend_relation"]
    for name in ("mean", "every", "first", "attend"):
        assert missed(**{f"{name}_things": 0.2})[0].startswith("every model that sees the picture")
    assert missed(every_true=0.9) == missed(first_relation=0.95) == ["attention tells most truths, and most relations"]


@pytest.mark.proof
def test_attention_tells_what_is_where_over_three_seeds(tmp_path, proof_record):
    record = captioning.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("captioning", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                       "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
