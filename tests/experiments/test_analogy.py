"""x/analogy: the slide's table, the baseline of counts, a quick run, and bars that say no."""
from __future__ import annotations

import json

import numpy as np
import pytest

from minigrad.data.relations import relations
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments.analogy import JUDGED, ROWS, analogy, chosen_numbers, nearest_by_count


def test_the_table_answers_as_the_slides_say(tmp_path, capsys):
    ctx = harness.Context(tmp_path, 0, True, "cpu", False, Console())
    chosen_numbers(ctx)
    assert ctx.results == {"queen": 0, "aunt": 0, "chancellor": 1, "king": 1}
    row, = [line.split() for line in capsys.readouterr().out.split("\n") if "president - France" in line]
    assert row[-4:] == ["chancellor", "0.5000", "king", "0.9634"]


def test_the_nearest_count_answers_what_it_should_if_counts_were_made_for_it():
    """The baseline can say yes: with the answers' counts set to those of the second words it is always right."""
    text = relations(np.random.default_rng(0), sentences=20)
    assert nearest_by_count(text) < 0.1
    questions = text.questions["capital"][:1]
    ids = np.repeat(np.arange(len(text.corpus.words)), 5)
    ids = np.append(ids, [questions[0, 1]] * 50 + [questions[0, 3]] * 50)
    made = text._replace(corpus=text.corpus._replace(ids=ids), questions={"capital": questions})
    assert nearest_by_count(made) == 1


def test_a_quick_run_prints_every_row_and_writes_figures_and_numbers(tmp_path, capsys):
    analogy.execute(quick=True, out=tmp_path)
    table = capsys.readouterr().out
    assert all(row in table for row in analogy.labels.values())
    folder = tmp_path / "analogy/quick-seed-0"
    record = json.loads((folder / "numbers.json").read_text())
    assert set(record["results"]) == set(analogy.labels) and all(v["met"] is None for v in record["targets"])
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    assert record["figures"] == ["table.png", "space.png", "answers.png"]
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in record["figures"])


def test_the_bars_say_no():
    good = {"queen": 0.0, "aunt": 0.0, "chancellor": 1.0, "king": 1.0, **dict.fromkeys(ROWS, 1.0), "glove_100": 0.9,
            "glove_clean": 0.1, "euclid": 1.0, "by_count": 0.0}

    def missed(**changed):
        return [v["target"] for v in analogy._verdicts({**good, **changed}, quick=False) if v["met"] is False]
    assert not missed() and not missed(glove_100=0.5)          # shown, not judged
    for name in (*JUDGED, "euclid"):
        assert name in missed(**{name: 0.94})
    assert missed(queen=0.1) == ["queen"] and missed(king=0) == ["king"] and missed(by_count=0.2) == ["by_count"]
    assert "without strays" in missed(glove_clean=0.6)[0]


@pytest.mark.proof
def test_analogies_come_out_over_three_seeds(tmp_path, proof_record):
    record = analogy.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("analogy", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                    "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
