"""Chemnitz, *Temporal dependencies*: the tasks' losses, the ladder of lengths, a quick run, targets that say no."""
from __future__ import annotations

import json

import numpy as np
import pytest

import minigrad as mg
from minigrad.experiments import harness
from minigrad.experiments import memory as module
from minigrad.experiments._console import Console
from minigrad.experiments._memory_rows import SYMBOLS, TASKS
from minigrad.experiments._until_solved import ROUND, Outcome, until_solved
from minigrad.experiments.memory import AT_LEAST, AT_MOST, CELLS, LENGTHS, H, climb, memory
from minigrad.models import SequenceReader


def context(folder, device="cpu", quick=False) -> harness.Context:
    return harness.Context(folder, 0, quick, device, False, Console(quiet=True))


@pytest.mark.parametrize("task", TASKS)
def test_the_best_answer_that_remembers_nothing_has_the_loss_that_is_called_its_baseline(task, rng):
    """Scores of zeros (the sum: 1; copying: no silence among the symbols) on many examples."""
    row = TASKS[task]
    _, answers = row.draw(rng, 4000, 20)
    scores = np.zeros((*answers.shape[:2 if row.every_step else 1], row.outputs), np.float32)
    if task == "adding":
        scores += 1
    if task == "copying":
        scores[..., -1] = -1e4
    loss = row.loss(mg.tensor(scores), mg.tensor(answers)).item()
    assert np.isclose(loss, row.baseline, rtol=0.06)                                 # adding: 4,000 squares


def test_parity_is_asked_for_once_or_told_at_every_step(rng):
    asked, told = (TASKS[t].draw(np.random.default_rng(1), 6, 9) for t in ("parity", "parity_told"))
    assert np.array_equal(asked[0], told[0]) and np.array_equal(asked[1], told[1][:, -1]) and asked[1].shape == (6, 1)


def test_only_the_copied_symbols_count(rng):
    row = TASKS["copying"]
    _, answers = row.draw(rng, 4, 10)
    scores = rng.normal(size=(4, answers.shape[1], 9)).astype(np.float32)
    other = scores.copy()
    other[:, :-SYMBOLS] += rng.normal(size=other[:, :-SYMBOLS].shape)
    a, b = (row.loss(mg.tensor(s), mg.tensor(answers)).item() for s in (scores, other))
    other[:, -1, 0] += 1
    assert a == b != row.loss(mg.tensor(other), mg.tensor(answers)).item()


def test_lengths_are_climbed_until_one_is_not_learned(tmp_path, monkeypatch):
    asked = []

    def fake(ctx, part, make, draw, loss, *, bar, updates, rate):
        asked.append(draw(np.random.default_rng(0))[0].shape[1])
        return Outcome(asked[-1] < 50, updates, 0.0)
    monkeypatch.setattr(module, "until_solved", fake)
    tried = climb(context(tmp_path), "parity", "tanh")
    assert asked == [10, 25, 50] == [n for n, _ in tried] and [o.solved for _, o in tried] == [True, True, False]


@pytest.mark.parametrize("task, cell", list(zip(TASKS, [*CELLS, "lstm"], strict=True)))
def test_every_task_and_cell_is_learned_alike_on_every_device(task, cell, device, tmp_path):
    """One start, one order; float32 sums in another order differ in the last digits, and Adam's first steps grow it."""
    row, losses = TASKS[task], []
    for where in ("cpu", device):
        ctx = context(tmp_path / where, where)
        until_solved(ctx, "p", lambda: SequenceReader(CELLS[cell][1](row.inputs), row.outputs, row.every_step),
                     lambda rng: row.draw(rng, 8, row.shortest), row.loss, bar=0, updates=ROUND, rate=1e-3)
        losses.append(ctx.history["p loss"][0][1])
    assert np.isclose(*losses, rtol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_cells_are_of_one_width(cell):
    assert CELLS[cell][1](3).hidden_size == H


def test_a_quick_run_shows_every_task_and_cell_and_writes_its_figure(tmp_path, capsys):
    memory.execute(quick=True, out=tmp_path)
    table = capsys.readouterr().out
    assert all(label in table for label in memory.labels.values())
    folder = tmp_path / "memory/quick-seed-0"
    record = json.loads((folder / "numbers.json").read_text())
    assert set(record["results"]) == set(memory.labels) and all(v["met"] is None for v in record["targets"])
    assert record["results"]["order_gru"] == 10.0
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    assert record["figures"] == ["lengths.png"] and (folder / "lengths.png").read_bytes().startswith(b"\x89PNG")


def test_a_cell_that_learns_less_or_more_than_it_should_is_missed():
    def missed(**changed):
        r = {f"{task}_{cell}": 0.0 for task in TASKS for cell in CELLS} | AT_LEAST | {"order_tanh": 10.0} | changed
        r["adding_gru"] = changed.get("adding_gru", 100.0)
        return {v["target"] for v in memory._verdicts(r, quick=False) if v["met"] is False}
    assert not missed()
    for name, bar in AT_LEAST.items():
        below = max(n for n in (0, *LENGTHS) if n < bar)
        assert name in missed(**{name: float(below)})
    for name, bar in AT_MOST.items():
        above = min(n for n in LENGTHS if n > bar)
        assert name in missed(**{name: float(above)})
    assert missed(adding_tanh=25.0, order_tanh=50.0) == {"over the tasks with a lag: tanh < LSTM < GRU"}


@pytest.mark.proof
def test_in_the_median_of_three_seeds_each_cell_learns_its_lags(tmp_path, proof_record):
    record = memory.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("memory", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                   "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
