"""What a training step of every layer and model asks of a GPU: no wait, no float64, no upload, and so many launches.

The counts stand in `launches.json`. More than there is a step that became slower on a GPU, where each launch costs the
host some microseconds; fewer is a file that is not current. After a change that is meant:

    python -m tests.gpu.test_budgets --record
"""
from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import minigrad as mg
from minigrad import models, nn, optim, strict
from minigrad.tensor import Tensor

from .budget_cases import LAYERS, MODELS, Inputs, Step

RECORD = Path(__file__).with_name("launches.json")
RECORD_LINE = "python -m tests.gpu.test_budgets --record"
FORBIDDEN = ("sync", "float64", "h2d")
RECORDED: dict[str, dict[str, int]] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
CASES = {"layers": LAYERS, "models": MODELS}
ALL = [(group, name) for group, cases in CASES.items() for name in cases]
# Not layers of their own: what holds modules, and the bases.
HOLDERS = {"Module", "ModuleDict", "ModuleList", "MultiStep", "Tagger"}


def training(case: Callable[[Inputs], Step]) -> Callable[[], Tensor]:
    """One step of Adam after another, each of which returns its loss."""
    mg.manual_seed(0)
    module, loss = case(Inputs("strict"))
    weights = [p for p in module.parameters() if p.requires_grad] or [nn.Parameter(mg.ones(2, device="strict"))]
    adam = optim.Adam(weights, lr=1e-3)

    def step() -> Tensor:
        adam.zero_grad()
        value = loss()
        value.backward()
        adam.step()
        return value
    return step


def counted(case: Callable[[Inputs], Step]) -> strict.Counts:
    """The third step: what the first ones make once is not counted."""
    step = training(case)
    for warm in (True, True, False):
        with strict.counting(forbid=() if warm else FORBIDDEN) as counts:
            step()
    return counts


@pytest.mark.parametrize("group, name", ALL, ids=[name for _, name in ALL])
def test_a_training_step_asks_for_what_is_recorded_and_waits_for_nothing(group, name):
    """`counting` raises at the line that waits, uploads or widens."""
    counts = counted(CASES[group][name])
    assert judge(f"{group}: {name}", counts.launch, RECORDED[group].get(name)) is None, counts


def judge(name: str, found: int, recorded: int | None) -> str | None:
    """What is wrong with a count, and what to do; None where it is the recorded one."""
    if found == recorded:
        return None
    if recorded is None:
        return f"{name} has no recorded number of launches; it makes {found}: {RECORD_LINE}"
    if found > recorded:
        return (f"{name} makes {found} launches in a training step, and {recorded} are recorded: it became slower on a "
                f"GPU. If that is meant: {RECORD_LINE}")
    return f"{name} makes {found} launches instead of {recorded}: fewer. Keep it so: {RECORD_LINE}"


CAPTURED = [pytest.param(group, name, id=name, marks=[] if group == "models" else pytest.mark.proof)
            for group, name in ALL]


@pytest.mark.parametrize("group, name", CAPTURED)
def test_a_step_is_captured_and_replayed_with_the_same_losses(group, name):
    """`mg.graph` of every model: bit for bit, with its dropout masks and Adam's counts."""
    plain = training(CASES[group][name])
    losses = [plain().item() for _ in range(3)]
    graph = mg.graph(training(CASES[group][name]), warmup=1, device="strict")
    assert [graph().item() for _ in range(3)] == losses and graph.captured


@pytest.mark.parametrize("found, recorded, says", [(5, 4, "slower on a GPU"), (3, 4, "fewer. Keep it so"),
                                                   (3, None, "no recorded number"), (4, 4, None)])
def test_growth_and_shrinking_are_both_told_with_what_to_type(found, recorded, says):
    """A budget that is never lowered is none."""
    said = judge("LSTM", found, recorded)
    assert said is says is None or says in said and said.endswith(RECORD_LINE)


def test_every_layer_and_every_model_has_a_case_and_every_record_a_case():
    """What is new gets a budget; what is gone leaves none."""
    for group, module in (("layers", nn), ("models", models)):
        there = {n for n in module.__all__ if isinstance(c := getattr(module, n), type) and issubclass(c, nn.Module)}
        assert {name.split(",")[0] for name in CASES[group]} == there - HOLDERS
    names = [{group: sorted(cases) for group, cases in of.items()} for of in (CASES, RECORDED)]
    assert names[0] == names[1]


DEAR = {"sync": lambda y: y * float(y.sum().data), "h2d": lambda y: y * mg.tensor(2.0, device="strict"),
        "float64": lambda y: y.to(mg.float64).to(mg.float32)}


@pytest.mark.parametrize("what", DEAR)
def test_a_step_that_waits_uploads_or_widens_is_caught(what):
    """A count that never says no counts nothing."""
    work = DEAR[what]

    def case(i: Inputs) -> Step:
        module, x = i.module(nn.Linear(3, 2)), i.floats(4, 3)
        return module, lambda: work(module(x)).mean()
    with pytest.raises(strict.StrictError, match=f"{what} is forbidden in this block"):
        counted(case)


def record() -> None:
    """Write the counts of all cases; print those that changed."""
    found: dict[str, dict[str, int]] = {}
    for group, name in ALL:
        now = found.setdefault(group, {})[name] = counted(CASES[group][name]).launch
        if (was := RECORDED.get(group, {}).get(name)) != now:
            print(f"{group}: {name}: {was} -> {now}")
    RECORD.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["--record"]:
        sys.exit(f"usage: {RECORD_LINE}")
    record()
