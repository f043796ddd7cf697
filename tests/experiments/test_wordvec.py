"""x/wordvec: the held-out plane, what counts say about it, a quick run, and bars that say no."""
from __future__ import annotations

import json

import numpy as np
import pytest

from minigrad.data.relations import HELD_OUT, VEHICLES, relations
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments.wordvec import after_the_trip, counted, wordvec
from minigrad.models.cbow import CBOW


@pytest.fixture(scope="module")
def text():
    return relations(np.random.default_rng(0), sentences=20)


def test_counts_give_the_plane_no_chance_and_the_other_vehicles_all(text):
    p = counted(text)
    assert p.sum() == pytest.approx(1) and p[text.ids([HELD_OUT])[0]] == 0
    assert p[text.ids([v for v in VEHICLES if v != HELD_OUT])].sum() == pytest.approx(1)


def test_an_untrained_cbow_gives_every_word_the_same_chance(text, tmp_path, device):
    ctx = harness.Context(tmp_path, 0, True, device, False, Console(quiet=True))
    p = after_the_trip(ctx, ctx.to_device(CBOW(text.corpus.counts, 5, "softmax")), text)
    assert p.shape == (len(text.corpus.words),) and np.allclose(p, 1 / len(p), rtol=1e-5)


def test_a_quick_run_prints_every_row_and_writes_figures_and_numbers(tmp_path, capsys):
    wordvec.execute(quick=True, out=tmp_path)
    table = capsys.readouterr().out
    assert all(row in table for row in wordvec.labels.values()) and "Nearest by cosine" in table
    folder = tmp_path / "wordvec/quick-seed-0"
    record = json.loads((folder / "numbers.json").read_text())
    assert set(record["results"]) == set(wordvec.labels) and all(v["met"] is None for v in record["targets"])
    assert record["results"]["one_hot"] == record["results"]["counted"] == 0
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    assert record["figures"] == ["trip.png", "map.png"]
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in record["figures"])


def test_the_bars_say_no():
    good = {"one_hot": 0.0, "counted": 0.0, "plane": 5e-3, "boat": 0.1, "unrelated": 5e-6, "times": 1000.0, "rank": 1.0,
            "vehicles": 1.0, "own_group": 0.99, "own_group_start": 0.01, "own_kind": 0.84, "own_kind_count": 0.16}

    def missed(**changed):
        return [v["target"] for v in wordvec._verdicts({**good, **changed}, quick=False) if v["met"] is False]
    assert not missed()
    for name, value in (("one_hot", 1), ("counted", 0.01), ("times", 5), ("rank", 2), ("vehicles", 6 / 7),
                        ("own_group", 0.9), ("own_group_start", 0.5), ("own_kind", 0.5), ("own_kind_count", 0.5)):
        assert missed(**{name: value}) == [name]


@pytest.mark.proof
def test_the_plane_goes_on_a_trip_over_three_seeds(tmp_path, proof_record):
    record = wordvec.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("wordvec", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                    "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
