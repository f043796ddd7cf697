"""Télécom, *use skip-connections*, and Riveill, *Residual*: the ways back, a quick run, targets that say no."""
from __future__ import annotations

import json

import numpy as np
import pytest

import minigrad as mg
from minigrad.data import marked
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments.skip import JUDGED, ROWS, SETTINGS, SKIP, UPDATES, skip


def test_the_rows_differ_in_their_ways_back_alone():
    layers = {name: make() for name, (_, make) in ROWS.items()}
    assert [(n, layer.skip, layer.residual) for n, layer in layers.items()] == [
        ("plain", 0, False), ("skip", SKIP, False), ("residual", 0, True)]
    shapes = {n: [p.shape for p in layer.parameters()] for n, layer in layers.items()}
    assert shapes["plain"] == shapes["residual"] == shapes["skip"][:4] and len(shapes["skip"]) == 5


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_gradient_reaches_the_bit_by_a_shorter_way_only(setting, rng):
    """At the start, of 20 networks each: the median of the gradient at the first step."""
    lag, noise = SETTINGS[setting]
    reach = {}
    for name, (_, make) in ROWS.items():
        sizes = []
        for _ in range(20):
            x = mg.tensor(marked(rng, 1, lag, noise)[0].astype(np.float64), requires_grad=True)
            make().to(mg.float64)(x)[0][:, -1].sum().backward()
            sizes.append(np.linalg.norm(x.grad.numpy()[0, 0]))
        reach[name] = np.median(sizes)
    assert reach["plain"] < 1e-6 and reach["skip"] > 100 * reach["plain"] and reach["residual"] > 1e-2


def test_a_quick_run_shows_every_row_and_writes_its_figure(tmp_path, capsys):
    skip.execute(quick=True, out=tmp_path)
    table = capsys.readouterr().out
    assert all(label in table for label in skip.labels.values())
    folder = tmp_path / "skip/quick-seed-0"
    record = json.loads((folder / "numbers.json").read_text())
    assert set(record["results"]) == set(skip.labels) and all(v["met"] is None for v in record["targets"])
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    assert record["figures"] == ["loss.png"] and (folder / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_shorter_way_that_is_not_several_times_faster_is_missed():
    def missed(**changed):
        r = {f"{name}_{s}": 500.0 if name == "plain" else 60.0 for name in ROWS for s in SETTINGS} | changed
        return {v["target"] for v in skip._verdicts(r, quick=False) if v["met"] is False}
    assert not missed() and not missed(plain_40=UPDATES)
    for setting in SETTINGS:
        assert missed(**{f"plain_{setting}": 170.0}) == {
            f"{ROWS[name][0]}: at least {JUDGED[name]:g} times faster than plain, {setting.replace('_', ', ')}"
            for name in JUDGED}
        for name in JUDGED:
            assert f"{name}_{setting}" in missed(**{f"{name}_{setting}": UPDATES / 4 + 10, f"plain_{setting}": 8e3})


@pytest.mark.proof
def test_in_the_median_of_three_seeds_a_shorter_way_is_several_times_faster(tmp_path, proof_record):
    record = skip.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("skip", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                 "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
