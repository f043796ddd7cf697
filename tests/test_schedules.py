"""Learning rates over time: PyTorch's values, resuming, and what is refused."""
from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

CASES = {
    "StepLR": lambda m, o: m.StepLR(o, 3, 0.5),
    "ExponentialLR": lambda m, o: m.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda m, o: m.CosineAnnealingLR(o, 7, 0.01),
    "LinearLR": lambda m, o: m.LinearLR(o, 0.1, total_iters=4),
    "LambdaLR": lambda m, o: m.LambdaLR(o, lambda t: min((t + 1) ** -0.5, (t + 1) / 4 ** 1.5)),
    "LambdaLR of each group": lambda m, o: m.LambdaLR(o, [lambda t: 0.9 ** t, lambda t: 1 / (1 + t)]),
}


def groups(make, module):
    """An optimiser with two groups of different rates."""
    return make([{"params": [module(np.ones(2))], "lr": 0.5}, {"params": [module(np.ones(3))]}], lr=0.1)


@pytest.mark.parametrize("name", CASES)
def test_the_rates_are_pytorchs(name):
    """Twelve steps, two groups: PyTorch multiplies step by step, we compute from t; they agree to rounding."""
    torch = pytest.importorskip("torch")
    ours, theirs = groups(optim.SGD, nn.Parameter), groups(
        torch.optim.SGD, lambda a: torch.nn.Parameter(torch.tensor(a)))
    a, b = CASES[name](optim, ours), CASES[name](torch.optim.lr_scheduler, theirs)
    for _ in range(12):
        np.testing.assert_allclose(a.get_last_lr(), b.get_last_lr(), rtol=1e-12)
        theirs.step()
        a.step()
        b.step()


@pytest.mark.parametrize("options", [{}, {"mode": "max", "cooldown": 2}, {"threshold_mode": "abs", "threshold": 0.1},
                                     {"min_lr": [0.3, 0.0]}, {"mode": "max", "threshold_mode": "abs"}], ids=str)
def test_the_plateau_is_pytorchs(rng, options):
    """Forty noisy numbers with a NaN among them: every counter and both comparisons are passed through."""
    torch = pytest.importorskip("torch")
    ours, theirs = groups(optim.SGD, nn.Parameter), groups(
        torch.optim.SGD, lambda a: torch.nn.Parameter(torch.tensor(a)))
    a = optim.ReduceLROnPlateau(ours, factor=0.5, patience=2, **options)
    b = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, factor=0.5, patience=2, **options)
    for t, value in enumerate(1 / (1 + np.arange(40.0)) + 0.1 * rng.standard_normal(40)):
        value = math.nan if t == 5 else float(value)
        a.step(mg.tensor(value) if t % 2 and t != 5 else value)
        b.step(float(np.float32(value)) if t % 2 and t != 5 else value)
        assert a.get_last_lr() == [g["lr"] for g in theirs.param_groups], t


@pytest.mark.parametrize("first", ["optimiser", "schedule"])
@pytest.mark.parametrize("name", CASES)
def test_a_schedule_resumes_bit_for_bit_whichever_is_loaded_first(name, first):
    """The rates of the rest are those of the run that was not interrupted."""
    opt = groups(optim.SGD, nn.Parameter)
    schedule = CASES[name](optim, opt)
    for _ in range(5):
        schedule.step()
    states, want = (opt.state_dict(), schedule.state_dict()), []
    for _ in range(5):
        want.append(schedule.get_last_lr())
        schedule.step()

    other = groups(optim.SGD, nn.Parameter)
    if first == "optimiser":
        other.load_state_dict(states[0])
        again = CASES[name](optim, other)      # made from rates that have fallen already
        again.load_state_dict(states[1])
    else:
        again = CASES[name](optim, other)
        again.load_state_dict(states[1])
        other.load_state_dict(states[0])
    for rates in want:
        assert again.get_last_lr() == rates
        again.step()


def test_a_plateau_resumes_with_its_best_value_and_its_patience():
    """One bad epoch more than patience cuts the rate, counted over the interruption."""
    opt = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
    schedule = optim.ReduceLROnPlateau(opt, patience=2)
    for value in (1.0, 2.0, 2.0):
        schedule.step(value)
    other = optim.SGD([nn.Parameter(np.ones(1))], lr=9.0)
    again = optim.ReduceLROnPlateau(other)
    again.load_state_dict(schedule.state_dict())
    assert again.get_last_lr() == [1.0]
    again.step(1.5)
    assert again.get_last_lr() == [0.1]


def test_a_rate_that_the_schedule_set_is_used_by_the_next_step():
    """The schedule writes into the groups that the optimiser reads."""
    p = nn.Parameter(np.zeros(1))
    opt = optim.SGD([p], lr=1.0)
    schedule = optim.StepLR(opt, 1, 0.5)
    p.grad = mg.tensor(np.ones(1))
    for _ in range(3):
        opt.step()
        schedule.step()
    assert p.tolist() == [-1.75]


def test_wrong_settings_are_refused_with_the_value():
    """Each message holds what came."""
    opt = groups(optim.SGD, nn.Parameter)
    for make, message in ((lambda: optim.StepLR(opt, 0), "not 0"), (lambda: optim.CosineAnnealingLR(opt, 0), "not 0"),
                          (lambda: optim.LinearLR(opt, 0.0), "0.0"),
                          (lambda: optim.LambdaLR(opt, [abs]), "1 functions"),
                          (lambda: optim.ReduceLROnPlateau(opt, factor=1.0), "1.0"),
                          (lambda: optim.ReduceLROnPlateau(opt, mode="mean"), "'mean'"),
                          (lambda: optim.ReduceLROnPlateau(opt, min_lr=[0.1]), "1 values")):
        with pytest.raises(ValueError, match=message):
            make()
