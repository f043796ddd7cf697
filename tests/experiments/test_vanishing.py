"""Chemnitz, Escalera, Télécom, Riveill: how far back a gradient reaches; the full counts are the proof."""
from __future__ import annotations

import json
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.experiments import _chains, harness
from minigrad.experiments import vanishing as module
from minigrad.experiments._console import Console
from minigrad.experiments.vanishing import CELLS, RADII, ROWS, fate, reach, vanishing
from minigrad.models.random_cell import spectral_radius_, update_bias_


@pytest.fixture
def ctx(tmp_path):
    context = harness.Context(tmp_path, 0, True, "cpu", False, Console(quiet=True))
    context.part("test")
    return context


# ----- The weights

@pytest.mark.parametrize("gates", [1, 3, 4])
def test_every_gates_block_has_the_spectral_radius_that_was_asked_for(gates, device, rng):
    weight = mg.zeros(gates * 8, 8, dtype=mg.float64, device=device)
    sigma = spectral_radius_(weight, 1.3, rng)
    blocks = weight.cpu().numpy().reshape(gates, 8, 8)
    assert np.allclose(np.abs(np.linalg.eigvals(blocks)).max(-1), 1.3)
    assert sigma == pytest.approx(max(np.linalg.norm(b, 2) for b in blocks)) and sigma > 1.3
    with pytest.raises(ValueError, match="not negative"):
        spectral_radius_(weight, -1.0, rng)


def test_the_largest_singular_value_of_a_normal_matrix_is_near_twice_its_radius(rng):
    """Why |W_h| of Chemnitz and the largest singular value of Escalera are two thresholds."""
    ratios = [spectral_radius_(mg.zeros(64, 64), 1.0, rng) for _ in range(10)]
    assert 1.6 < min(ratios) and max(ratios) < 2.2             # both grow like sqrt(H): a limit of 2, slowly reached


def test_only_the_update_gate_is_biased():
    cell = update_bias_(nn.GRUCell(2, 3), -5.0)
    both = (cell.bias_ih + cell.bias_hh).detach().numpy()
    assert np.array_equal(both[3:6], [-5] * 3) and np.abs(both[[0, 1, 2, 6, 7, 8]]).max() < 2


# ----- The decks' chains

def test_the_chain_of_one_unit_is_a_product_of_w_and_slopes(ctx):
    """A logistic held where s = 0 keeps w / 4 a step, a tanh held at 0 keeps w."""
    n = np.arange(51)
    assert np.allclose(_chains.one_unit(ctx, "sigmoid", 4, -2, start=0.5), 1.0)
    assert np.allclose(_chains.one_unit(ctx, "sigmoid", 2, -1, start=0.5), 0.5 ** n)
    assert np.allclose(_chains.one_unit(ctx, "tanh", 0.9), 0.9 ** n)
    assert (_chains.one_unit(ctx, "sigmoid", 1, size=1.0)[1:] < 0.25 ** n[1:]).all()


def test_the_slides_misprint_is_a_factor_of_ten_and_its_other_numbers_are_right_to_their_digits(ctx):
    off = {n: 0.25 ** n / float(text) for n, text in _chains.PRINTED.items()}
    assert off.pop(16) == pytest.approx(10, rel=1e-3)
    assert off.pop(50) == pytest.approx(1, abs=0.13)           # one digit, and cut: 7.89 became 7
    assert all(value == pytest.approx(1, rel=5e-3) for value in off.values())


# ----- What is measured

def test_the_reach_of_a_linear_chain_is_the_power_of_its_radius(ctx):
    """W_h = r I in a relu whose units are all on: every step back multiplies by r exactly."""
    class Linear(nn.RNNCell):
        def forward(self, x, h=None):
            self.weight_hh.data[...] = 0.9 * np.eye(module.H)
            self.bias_ih.data[...] = 100.0                     # inputs of size 1 switch nothing off
            return super().forward(x, h)
    (curve,), _ = reach(ctx, Linear(module.D, module.H, nonlinearity="relu"), 1.0)
    assert np.allclose(curve, 0.9 ** np.arange(module.STEPS + 1))


@pytest.mark.parametrize("name", list(CELLS))
def test_the_reach_is_the_same_on_every_device(name, device, tmp_path):
    """float64 in another order of summation, over 100 steps back: nine digits are left at least."""
    found = []
    for where in ("cpu", device):
        context = harness.Context(tmp_path, 0, True, where, False, Console(quiet=True))
        context.part("p")
        found.append(reach(context, CELLS[name](), 1.1))
    (a, sigma), (b, _) = found
    assert len(a) == (2 if "LSTM" in name else 1) and a[0].shape == (module.STEPS + 1,) and sigma > 1.1
    np.testing.assert_allclose(a, b, rtol=1e-9)


def test_a_fate_is_death_explosion_or_what_is_left():
    d = np.arange(101)
    assert fate([0.5 ** d, 0.5 ** d, 0.25 ** d]) == "dies 20 (10-20)"
    assert fate([2.0 ** d, 1.0 ** d, 4.0 ** d]) == "explodes 20 (10-over 100)"
    assert fate([0.99 ** d] * 3) == "0.37 left" and fate([0.5 ** d], 1e-3) == "dies 10 (10-10)"


# ----- The experiment

def test_a_quick_run_prints_the_slides_numbers_and_all_cells_and_writes_figures_and_numbers(tmp_path, capsys):
    vanishing.execute(quick=True, out=tmp_path)
    table = capsys.readouterr().out
    assert all(row in table for row in vanishing.labels.values())
    assert all(text in table for text in _chains.PRINTED.values())
    assert all(re.search(rf"^ *{re.escape(name)}  ", table, re.M) for name in [*CELLS, "LSTM, b_f 5, along c"])
    assert all(f"radius {radius}" in table for radius in RADII)
    folder = tmp_path / "vanishing/quick-seed-0"
    record = json.loads((folder / "numbers.json").read_text())
    assert set(record["results"]) == set(ROWS) and all(v["met"] is None for v in record["targets"])
    assert len([name for name in record["history"] if name.startswith("radius 0.9 ")]) == len(CELLS) + 2
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    names = [f"{name}.png" for name in ("chain", "product", "distance", "saturation", "direct", "terms")]
    assert record["figures"] == names
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in names)


def test_every_bar_says_no():
    """Each result in turn just beyond its bar; a row without a bar would be missed by none."""
    good = {name: bar.get("at_most", bar.get("at_least")) for name, (_, bar, _) in ROWS.items()}

    def missed(**changed):
        return [v["target"] for v in vanishing._verdicts({**good, **changed}, quick=False) if v["met"] is False]
    assert not missed()
    for name, (_, bar, _) in ROWS.items():
        beyond = good[name] * 1.001 + 1e-12 if "at_most" in bar else good[name] * 0.999
        assert missed(**{name: beyond}) == [name]


@pytest.mark.proof
def test_the_medians_of_three_seeds_reach_the_bars(tmp_path, proof_record):
    record = vanishing.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("vanishing", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                      "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
