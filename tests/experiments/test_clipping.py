"""Télécom, *Exploding: gradient clipping*, and Escalera's code: the curves; the full counts are the proof."""
from __future__ import annotations

import json

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.experiments import clipping as module
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments.clipping import BARS, CAP, CLIPS, clipping, norm_of, slides_clip_, train


def with_gradient(*values: float) -> list[mg.Tensor]:
    """Parameters, one for each value, which is its gradient."""
    parameters = [nn.Parameter(mg.zeros(1)) for _ in values]
    for p, value in zip(parameters, values, strict=True):
        p.grad = mg.tensor([value])
    return parameters


@pytest.fixture
def ctx(tmp_path):
    context = harness.Context(tmp_path, 0, True, "cpu", False, Console(quiet=True))
    context.part("start 0")
    return context


# ----- The slide's code

@pytest.mark.parametrize("threshold, gradient, slide, right", [
    (5.0, (6.0, 8.0), 0.5, 5.0),               # norm 10: ten times too small
    (0.25, (0.6,), 0.25 / 0.6, 0.25),          # norm 0.6: still above the threshold
    (0.5, (0.6,), 0.6, 0.5),                   # 0.36 is below the threshold, 0.6 is not: left as it is
    (5.0, (3.0, 0.0), 5 / 3, 3.0)])            # norm 3 is below the threshold, 9 is not: shrunk
def test_the_slides_code_misses_the_threshold_for_want_of_a_square_root(threshold, gradient, slide, right):
    printed, correct = with_gradient(*gradient), with_gradient(*gradient)
    slides_clip_(printed, threshold)
    optim.clip_grad_norm_(correct, threshold)
    assert norm_of(printed) == pytest.approx(slide) and norm_of(correct) == pytest.approx(right, rel=1e-5)


def test_the_norm_does_not_overflow_where_float32_squares_do():
    assert norm_of(with_gradient(3e30, 4e30)) == pytest.approx(5e30) and norm_of(with_gradient(np.inf)) == np.inf


# ----- The training

def test_the_net_starts_beyond_the_threshold_in_radius_and_in_singular_value(ctx):
    started = []

    def look(net):
        started.append(module.recurrent_weight(net).detach().numpy().copy())
    train(ctx, look, 1)
    assert np.allclose(np.linalg.svd(started[0], compute_uv=False), module.RADIUS, atol=1e-5)
    assert np.allclose(np.abs(np.linalg.eigvals(started[0])), module.RADIUS, atol=1e-5)


def test_every_clipping_begins_with_the_same_net_and_batch(ctx):
    first = []
    for _, clip in CLIPS.values():
        ctx.part("start 0")
        losses, norms = train(ctx, clip, 1)
        first.append((losses[0], norms[0]))
    assert len(set(first)) == 1


@pytest.mark.parametrize("name, touched", [("none", set()), ("w_h", {"layer.weight_hh_l0"}),
                                           ("layer", {f"layer.{kind}_l0" for kind in (
                                               "weight_ih", "weight_hh", "bias_ih", "bias_hh")})])
def test_a_part_is_clipped_and_the_rest_is_left(name, touched, ctx):
    seen = []

    def clip(net):
        for p in net.parameters():
            p.grad.mul_(1e3 / norm_of([p]))    # all gradients explode
        CLIPS[name][1](net)
        seen.append({n for n, p in net.named_parameters() if norm_of([p]) < 999})
    train(ctx, clip, 1)
    assert seen == [touched]


def test_a_run_that_is_not_finite_any_more_is_recorded_as_diverged_and_raises_nothing(ctx, recwarn):
    """Gradients times 1e20 after the first step: the second loss is not finite."""
    losses, norms = train(ctx, lambda net: [p.grad.mul_(1e20) for p in net.parameters()], 5)
    assert losses[0] < 10 and (losses[1:] == CAP).all() and np.isnan(norms[1:]).all() and not recwarn.list


def test_clipped_training_gives_the_same_losses_on_every_device(device, tmp_path):
    """float32 sums in another order, through 100 steps of radius 1.3: three digits after four updates."""
    found = []
    for where in ("cpu", device):
        context = harness.Context(tmp_path, 0, True, where, False, Console(quiet=True))
        context.part("start 0")
        found.append(train(context, CLIPS["norm"][1], 4)[0])
    assert np.allclose(*found, rtol=1e-3)


# ----- The experiment

def test_a_quick_run_prints_every_clipping_and_writes_figure_and_numbers(tmp_path, capsys):
    clipping.execute(quick=True, out=tmp_path)
    table = capsys.readouterr().out
    assert all(table.count(row) >= 2 for row, _ in CLIPS.values())            # in the curves' table and in the results'
    folder = tmp_path / "clipping/quick-seed-0"
    record = json.loads((folder / "numbers.json").read_text())
    assert set(record["results"]) == set(clipping.labels) and all(v["met"] is None for v in record["targets"])
    assert record["history"]["norm loss"][-1][1] < record["history"]["norm loss"][0][1]
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return
    assert record["figures"] == ["clipping.png"]
    assert (folder / "clipping.png").read_bytes().startswith(b"\x89PNG")


def test_every_bar_says_no():
    good = {"none": CAP, "norm": 0.03, "layer": 0.02, "w_h": CAP, "value": 0.03, "squared": 1.0, "t100": CAP,
            "t10": 0.01, "t01": 0.05, "lost_none": 4, "lost_norm": 0}

    def missed(**changed):
        return [v["target"] for v in clipping._verdicts({**good, **changed}, quick=False) if v["met"] is False]
    assert not missed()
    for name, bar in BARS.items():
        beyond = bar["at_most"] + 0.01 if "at_most" in bar else bar["at_least"] - 0.01
        assert name in missed(**{name: beyond})
    assert any("square root" in m for m in missed(squared=0.055))
    assert any("10 against 100" in m for m in missed(t100=0.005))


@pytest.mark.proof
def test_the_medians_of_three_seeds_reach_the_bars(tmp_path, proof_record):
    record = clipping.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("clipping", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                     "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
