"""Chemnitz, *Truncated BPTT*, and Escalera: the starts, how far a gradient sees, a quick run, targets that say no."""
from __future__ import annotations

import json

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.data import echo
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments.truncation import CHUNKS, LAG, STARTS, orthogonal, reservoir, small, train, truncation


def recurrent(model) -> np.ndarray:
    return dict(model.layer.named_parameters())["weight_hh_l0"].detach().numpy()


def test_the_small_start_forgets_and_the_orthogonal_one_turns():
    w, q = recurrent(small()), recurrent(orthogonal())
    assert w.shape == (16, 16) and np.abs(w).max() <= 0.1 / np.sqrt(16) and np.linalg.norm(w, 2) < 0.2
    assert q.shape == (32, 32) and np.allclose(q @ q.T, np.eye(32), atol=1e-6)       # float32


def test_of_the_reservoir_only_the_reading_is_trained():
    assert [name for name, p in reservoir().named_parameters() if p.requires_grad] == ["read.weight", "read.bias"]


@pytest.mark.parametrize("chunk, sees", [(LAG, False), (LAG + 1, True)])
def test_a_chunk_sees_the_bit_that_it_answers_only_if_it_is_longer_than_the_lag(chunk, sees, rng):
    """dy_t / dx_{t - lag} through the tape, in every chunk of a sequence: that of the chunk's last step."""
    model, x = orthogonal(), mg.tensor(echo(rng, 2, 4 * chunk, LAG)[0], requires_grad=True)
    for start, h, _ in nn.truncated(model.layer, x, k1=chunk):
        x.grad = None
        model.read(h)[:, -1].sum().backward()
        t = start + chunk - 1
        assert bool(x.grad.numpy()[:, t - LAG].any()) == sees


@pytest.mark.parametrize("k1, k2", [(3, None), (1, 2)])
def test_training_gives_the_same_losses_on_every_device(k1, k2, device, tmp_path):
    """The same start and bits; sums of float32 in another order differ in the last digits."""
    losses = []
    for where in ("cpu", device):
        ctx = harness.Context(tmp_path / where, 0, True, where, False, Console(quiet=True))
        losses.append([train(ctx, "p", small, 5e-3, 50, k1, k2), *[v for _, v in ctx.history["p training"]]])
    assert np.allclose(*losses, rtol=1e-4) and len(losses[0]) == 2


def test_a_quick_run_shows_every_start_and_writes_its_figure(tmp_path, capsys):
    truncation.execute(quick=True, out=tmp_path)
    table = capsys.readouterr().out
    assert all(f"{row}, chunks of {k}" in table for row, *_ in STARTS.values() for k in (2, 5, 10))
    folder = tmp_path / "truncation/quick-seed-0"
    record = json.loads((folder / "numbers.json").read_text())
    results = record["results"]
    assert all(v["met"] is None for v in record["targets"]) and len(results) == 10
    assert results["small_2"] > 0.6 and results["small_5"] > 0.6 and results["small_10"] < 0.1
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    assert record["figures"] == ["loss.png"] and (folder / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_short_chunks_that_learn_and_long_ones_that_do_not_are_missed():
    def missed(**changed):
        r = {f"{name}_{k}": 0.01 if name == "reservoir" or k > LAG else 0.69 for name in STARTS for k in CHUNKS}
        r |= {"true_6": 0.01} | changed
        return {v["target"] for v in truncation._verdicts(r, quick=False) if v["met"] is False}
    assert not missed() and not missed(orthogonal_1=0.02)
    for k in CHUNKS:
        assert missed(**{f"small_{k}": 0.3}) == {f"small_{k}"}
    assert missed(true_6=0.69) == {"true_6"} and missed(reservoir_1=0.06) == {"reservoir_1"}
    assert missed(orthogonal_8=0.06) == {"orthogonal_8"}
    assert [m for m in missed(orthogonal_4=0.02) if "worse off" in m]


@pytest.mark.proof
def test_in_the_median_of_three_seeds_the_lag_decides_which_chunks_learn(tmp_path, proof_record):
    record = truncation.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("truncation", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                       "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
