"""Chemnitz, *Question answering*: the bars say no to one side alone, and three seeds meet them."""
from __future__ import annotations

import pytest

from minigrad.data.questions import CHANCE, KINDS
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments.vqa import ALL, LABELS, ROWS, vqa


def results(**changed):
    found = {f"{name}_{kind}": CHANCE[kind] for name in ROWS for kind in KINDS}
    found |= {f"{name}_all": ALL for name in ROWS} | {f"full_{kind}": 0.98 for kind in (*KINDS, "all")}
    found["full_looks"] = 0.9
    return found | changed


def test_the_bars_say_no_to_one_side_that_knows_too_much_and_to_a_full_model_that_does_not():
    def missed(**changed):
        return [v["target"] for v in vqa._verdicts(results(**changed), quick=False) if v["met"] is False]
    assert set(results()) == set(LABELS) and not missed()
    for kind in KINDS:
        assert missed(**{f"full_{kind}": 0.8}) == [f"full_{kind}"]
        for name in ("question", "picture"):
            assert missed(**{f"{name}_{kind}": CHANCE[kind] + 0.02}) == [f"{name}_{kind}"]
    assert missed(full_all=0.9) == ["full_all"]


@pytest.mark.proof
def test_a_look_for_each_word_answers_over_three_seeds(tmp_path, proof_record):
    record = vqa.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("vqa", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
