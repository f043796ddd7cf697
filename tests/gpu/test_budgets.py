"""What a training step of every layer and model asks of a GPU: no wait, no float64, no upload, and so many launches.

The counts stand in `launches.json`. More than there is a step that became slower on a GPU, where each launch costs the
host some microseconds; fewer is a file that is not current. The cases are those of parity, in benchmarks/gpu; that
none is missing is tested there (test_gpu_benchmark.py). After a change that is meant:

    python -m tests.gpu.test_budgets --record
"""
from __future__ import annotations

import gc
import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from benchmarks.gpu import parity
from benchmarks.gpu.layers import LAYERS, LOSSES, Training, floats, of
from benchmarks.gpu.models import MODELS
from minigrad import strict
from minigrad.tensor import Tensor

RECORD = Path(__file__).with_name("launches.json")
RECORD_LINE = "python -m tests.gpu.test_budgets --record"
FORBIDDEN = ("sync", "float64", "h2d")
RECORDED: dict[str, dict[str, int]] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
CASES = {"layers": LAYERS, "losses": LOSSES, "models": MODELS}
ALL = [(group, name) for group, cases in CASES.items() for name in cases]


def steps(case: Training, group: str) -> Callable[[], Tensor]:
    """A step of Adam after another, on inputs that lie on the device; a layer's have a gradient, as within a model."""
    return parity.loop(case, "strict", np.float32, 0, captured=True, leaves=group != "models")


def counted(case: Training, group: str) -> tuple[strict.Counts, list[float]]:
    """The fourth step, for what the first ones make once is not counted; and the losses of all."""
    step, losses = steps(case, group), []
    for warm in (True, True, True, False):
        with strict.counting(forbid=() if warm else FORBIDDEN) as counts:
            loss = step()
        losses.append(loss.item())
    return counts, losses


@cache
def eager(group: str, name: str) -> tuple[strict.Counts, list[float]]:
    """`counted`, for both tests of a model."""
    return counted(CASES[group][name], group)


@pytest.fixture(scope="module", autouse=True)
def little_to_look_through() -> Iterator[None]:
    """A capture looks at all that lives: what other tests left is set aside, for the time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


WIDE = re.compile("hidden (128|256|512)")      # they take longer, and start what narrow ones start
COUNTED = [pytest.param(group, name, id=name, marks=[pytest.mark.proof] if WIDE.search(name) else [])
           for group, name in ALL]


@pytest.mark.parametrize("group, name", COUNTED)
def test_a_training_step_asks_for_what_is_recorded_and_waits_for_nothing(group, name):
    """`counting` raises at the line that waits, uploads or widens."""
    counts, _ = eager(group, name)
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
    _, losses = eager(group, name)
    graph = mg.graph(steps(CASES[group][name], group), warmup=1, device="strict")
    assert [graph().item() for _ in losses] == losses and graph.captured


@pytest.mark.parametrize("found, recorded, says", [(5, 4, "slower on a GPU"), (3, 4, "fewer. Keep it so"),
                                                   (3, None, "no recorded number"), (4, 4, None)])
def test_growth_and_shrinking_are_both_told_with_what_to_type(found, recorded, says):
    """A budget that is never lowered is none."""
    said = judge("LSTM", found, recorded)
    assert said is says is None or says in said and said.endswith(RECORD_LINE)


def test_every_case_has_a_record_and_every_record_a_case():
    """What is new gets a budget; what is gone leaves none."""
    names = [{group: sorted(cases) for group, cases in of.items()} for of in (CASES, RECORDED)]
    assert names[0] == names[1]


@pytest.mark.parametrize("layer", ["LSTM", "GRU", "RNN"])
def test_the_width_changes_no_count(layer):
    """Of those that kernels are compiled for."""
    for more in ("", ", lengths, both ways"):
        assert len({RECORDED["layers"][f"{layer}, hidden {width}{more}"] for width in (32, 64, 128, 256, 512)}) == 1


@pytest.mark.parametrize("layer", ["LSTM", "GRU", "RNN"])
def test_a_sequence_in_one_launch_beats_a_launch_a_step_and_that_beats_the_loop(layer):
    """Of the same steps: hidden size 32 walks by a cluster, 6 by a cell."""
    of = RECORDED["layers"]
    assert of[f"{layer}, hidden 32"] < of[layer] < of[f"{layer}, readable"] / 3


DEAR = {"sync": lambda y: y * float(y.sum().data), "h2d": lambda y: y * mg.tensor(2.0, device="strict"),
        "float64": lambda y: y.to(mg.float64).to(mg.float32)}


@pytest.mark.parametrize("what", DEAR)
def test_a_step_that_waits_uploads_or_widens_is_caught(what):
    """A count that never says no counts nothing."""
    work = DEAR[what]
    with pytest.raises(strict.StrictError, match=f"{what} is forbidden in this block"):
        counted(of(lambda x: work(x).mean(), floats(4, 3)), "losses")


def record() -> None:
    """Write the counts of all cases; print those that changed."""
    found: dict[str, dict[str, int]] = {}
    for group, name in ALL:
        now = found.setdefault(group, {})[name] = eager(group, name)[0].launch
        if (was := RECORDED.get(group, {}).get(name)) != now:
            print(f"{group}: {name}: {was} -> {now}")
    RECORD.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] != ["--record"]:
        sys.exit(f"usage: {RECORD_LINE}")
    record()
