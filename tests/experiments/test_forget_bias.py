"""Télécom, *Forget Gate LSTM*: what the starts are, a quick run, and targets that say no; all starts are the proof."""
from __future__ import annotations

import json

import numpy as np
import pytest

import minigrad as mg
from minigrad.data import marked
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments.forget_bias import CLOSED, LAG, NOISE, OPEN, ROWS, UPDATES, H, forget_bias, gru, lstm


@pytest.mark.parametrize("bias", [0.0, 1.0, 3.0, 5.0])
def test_the_forget_gate_starts_at_its_bias_and_all_else_as_usual(bias):
    w_ih, w_hh, b_ih, b_hh = (p.detach().numpy() for p in lstm(bias).parameters())
    f = slice(H, 2 * H)                                                              # i, f, g, o
    assert np.array_equal(b_ih[f] + b_hh[f], np.full(H, bias))
    others = np.concatenate([w_ih.ravel(), w_hh.ravel(), np.delete(b_ih + b_hh, np.arange(4 * H)[f]) / 2])
    assert 0.2 < np.abs(others).max() <= 1 / np.sqrt(H)


def test_the_shut_gru_is_the_usual_one_but_for_the_bias_of_z():
    mg.manual_seed(1)
    usual = [p.detach().numpy() for p in gru().parameters()]
    mg.manual_seed(1)
    shut = [p.detach().numpy() for p in gru(-3.0).parameters()]
    z = slice(H, 2 * H)                                                              # r, z, n
    assert np.array_equal(shut[2][z] + shut[3][z], np.full(H, -3.0))
    for a, b in zip(usual[2:], shut[2:], strict=True):
        assert np.array_equal(np.delete(a, np.arange(3 * H)[z]), np.delete(b, np.arange(3 * H)[z]))
    assert np.array_equal(usual[0], shut[0]) and np.array_equal(usual[1], shut[1])


@pytest.mark.parametrize("shut, open_", [(lambda: lstm(0), lambda: lstm(5)), (gru, lambda: gru(-3))])
def test_a_bit_of_60_steps_ago_moves_the_state_only_if_the_gates_start_open(shut, open_, rng):
    """The claim: what is left of the first input, and so of the gradient to it, is next to nothing: 0.5^60 = 9e-19."""
    x = marked(rng, 1, LAG)[0]
    moved = []
    for make in (shut, open_):
        layer = make().to(mg.float64)
        a, b = (layer(mg.tensor(s * x.astype(np.float64)))[0][:, -1].detach().numpy() for s in (1, -1))
        moved.append(np.abs(a - b).max())
    assert moved[0] < 1e-8 and moved[1] > 1e-3


def test_a_quick_run_shows_every_row_and_writes_its_figure(tmp_path, capsys):
    forget_bias.execute(quick=True, out=tmp_path)
    table = capsys.readouterr().out
    assert all(f"{row}, {noise}" in table for row, _ in ROWS.values() for noise in NOISE)
    folder = tmp_path / "forget_bias/quick-seed-0"
    record = json.loads((folder / "numbers.json").read_text())
    assert set(record["results"]) == set(forget_bias.labels) and all(v["met"] is None for v in record["targets"])
    assert record["results"]["open_solved"] == 1.0                                   # a lag of 6 is learned by all
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    assert record["figures"] == ["loss.png"] and (folder / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_open_gates_that_need_long_and_closed_ones_that_learn_are_missed():
    def missed(**changed):
        r = {f"{name}_{noise}": 100.0 if name in OPEN else UPDATES for name in ROWS for noise in NOISE}
        r |= {"open_solved": 1.0, "closed_solved": 0.0} | changed
        return {v["target"] for v in forget_bias._verdicts(r, quick=False) if v["met"] is False}
    assert not missed() and not missed(lstm_1_quiet=60) and not missed(open_solved=0.95, closed_solved=0.1)
    for noise in NOISE:
        for name in OPEN:
            assert missed(**{f"{name}_{noise}": UPDATES}) == {f"{name}_{noise}"}
        for name in CLOSED:
            assert missed(**{f"{name}_{noise}": UPDATES / 2 - 10}) == {f"{name}_{noise}"}
    assert missed(open_solved=0.8) == {"open_solved"} and missed(closed_solved=0.3) == {"closed_solved"}


@pytest.mark.proof
def test_in_the_median_of_three_seeds_open_gates_solve_it_and_others_do_not(tmp_path, proof_record):
    record = forget_bias.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("forget_bias", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                        "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
