"""The harness: what it judges and what it must not, what it keeps when a run is stopped, what it says."""
from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import experiments, nn, optim
from minigrad.experiments import Experiment, ExperimentError, Target, harness
from minigrad.experiments._console import Console

from ..lines import code_lines

FOLDER = Path(experiments.__file__).parent


@pytest.fixture
def quiet() -> Console:
    return Console(quiet=True)


class Stopped(Exception):
    """Stands for Ctrl-C."""


def line(ctx, part: str, rounds: int = 6, stop_at: int | None = None) -> list[float]:
    """A small training: y = 2x with Adam and random batches; returns the weights at the end."""
    rng = ctx.part(part)
    model = ctx.to_device(nn.Linear(1, 1))
    adam = optim.Adam(model.parameters(), lr=0.1)
    for i in ctx.rounds(rounds, model=model, optimizer=adam):
        if i == stop_at:
            raise Stopped
        x = ctx.tensor(rng.random((8, 1)).astype("float32"))
        loss = ((model(x) - x * 2) ** 2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        ctx.log(i, loss=loss)
    return [p.item() for p in model.parameters()]


def toy(**results: float) -> Experiment:
    """An experiment that logs a falling loss and returns what it is told; a list gives one value a seed."""
    e = Experiment("toy", slide="Deck, *Slide*", seconds=0)

    @e.run
    def run(ctx):
        for step in range(3):
            ctx.log(step, loss=3.0 - step)
        ctx.result(**{k: v[ctx.seed] if isinstance(v, list) else v for k, v in results.items()})
    return e


# ----- Targets

@pytest.mark.parametrize("bars", [{}, {"at_most": 1, "at_least": 0}, {"at_most": 1, "holds": bool}])
def test_a_target_without_exactly_one_bar_is_refused(bars):
    with pytest.raises(ValueError, match="'accuracy' needs one of"):
        Target("accuracy", **bars)


def test_a_full_run_misses_the_target_that_its_result_does_not_reach(tmp_path, quiet):
    e = toy(good=1.0, bad=0.5)
    e.targets = [Target("good", at_least=1.0), Target("bad", at_least=1.0), Target("bad", at_most=0.5),
                 Target("good is below bad", holds=lambda r: r["good"] < r["bad"]), Target("good", slide=0.9)]
    record = e.execute(out=tmp_path, console=quiet)
    assert [t["met"] for t in record["targets"]] == [True, False, True, False, None]
    assert not harness.met(record)


def test_a_target_on_a_result_that_is_not_there_is_an_error(tmp_path, quiet):
    e = toy(acuracy=1.0)
    e.targets = [Target("accuracy", at_least=1.0)]
    with pytest.raises(ExperimentError, match="'accuracy' has no result of that name; there are: acuracy"):
        e.execute(out=tmp_path, console=quiet)


def test_a_quick_run_never_judges(tmp_path, quiet):
    e = toy(accuracy=0.0)
    e.targets = [Target("accuracy", at_least=1.0), Target("no", holds=lambda r: False)]
    record = e.execute(quick=True, out=tmp_path, console=quiet)
    assert [t["met"] for t in record["targets"]] == [None, None] and harness.met(record)


def test_several_seeds_are_judged_by_their_median(tmp_path, quiet):
    """The mean of these misses the bar, the median does not; one seed alone misses it too."""
    e = toy(error=[0.9, 0.1, 0.2])
    e.targets = [Target("error", at_most=0.2)]
    record = e.execute([0, 1, 2], out=tmp_path, console=quiet)
    assert record["results"] == {"error": 0.2} and record["spread"] == {"error": [0.1, 0.9]} and harness.met(record)
    assert json.loads((tmp_path / "toy/seeds-0-1-2/numbers.json").read_text())["values"] == {"error": [0.9, 0.1, 0.2]}
    assert not harness.met(e.execute([0], out=tmp_path, console=quiet))


# ----- What a quick run asserts

@pytest.mark.parametrize("losses, message", [
    ([1, 2, 3], "loss does not fall: 1.000 at first, 3.000 at last"), ([1, 1], "does not fall"),
    ([1], "does not fall"), ([2, float("nan")], "loss at step 1 is nan"), ([float("inf")], "loss at step 0 is inf"),
    ([], "no loss was logged")])
def test_a_quick_run_refuses_a_loss_that_does_not_fall_or_is_not_finite(tmp_path, quiet, losses, message):
    e = Experiment("toy", slide="", seconds=0)

    @e.run
    def run(ctx):
        for step, loss in enumerate(losses):
            ctx.log(step, loss=float(loss))
    with pytest.raises(ExperimentError, match=message):
        e.execute(quick=True, out=tmp_path, console=quiet)


def test_a_loss_may_rise_between_two_steps_of_a_quick_run(tmp_path, quiet):
    e = Experiment("toy", slide="", seconds=0)
    e.run(lambda ctx: [ctx.log(i, loss=v) for i, v in enumerate([3, 4, 2, 2.5, 1, 1.5])])
    e.execute(quick=True, out=tmp_path, console=quiet)


def test_a_result_that_is_not_a_number_is_refused(tmp_path, quiet):
    with pytest.raises(ExperimentError, match="accuracy is nan"):
        toy(accuracy=float("nan")).execute(out=tmp_path, console=quiet)


# ----- What is kept

def test_the_numbers_of_a_run_say_where_they_come_from(tmp_path, quiet):
    toy(accuracy=0.5).execute([3], out=tmp_path, console=quiet)
    record = json.loads((tmp_path / "toy/seed-3/numbers.json").read_text())
    assert record["results"] == {"accuracy": 0.5} and record["history"] == {"loss": [[0, 3], [1, 2], [2, 1]]}
    assert record["seeds"] == [3] and record["status"] == "finished" and record["device"] == "cpu"
    assert record["versions"]["numpy"] == np.__version__ and record["seconds"] >= 0
    assert {"commit", "date", "cores", "machine", "slide"} <= record.keys()


def test_a_run_that_fails_leaves_the_numbers_it_had(tmp_path, quiet):
    e = Experiment("toy", slide="", seconds=0)

    @e.run
    def run(ctx):
        ctx.result(first=1.0)
        ctx.figure("broken", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        e.execute(out=tmp_path, console=quiet)
    record = json.loads((tmp_path / "toy/seed-0/numbers.json").read_text())
    assert record["status"] == "stopped" and record["results"] == {"first": 1.0}


@pytest.mark.parametrize("every", [0.0, 1e9], ids=["each round", "each part"])
def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_bits(tmp_path, quiet, monkeypatch, every):
    """Weights, both moments of Adam and the generator of the batches go on; so does a part that had not begun."""
    monkeypatch.setattr(harness, "SAVE_EVERY", every)
    stop_at = None
    began: list[int] = []
    e = Experiment("toy", slide="", seconds=0)

    @e.run
    def run(ctx):
        for part in ("a", "b", "c"):
            w, b = line(ctx, part, stop_at=stop_at if part == "b" else None)
            ctx.result(**{part + "_w": w, part + "_b": b})
            began.append(len(ctx.history[part + " loss"]))
    whole = e.execute(out=tmp_path / "whole", console=quiet)
    stop_at = 4
    with pytest.raises(Stopped):
        e.execute(out=tmp_path / "cut", console=quiet)
    stop_at = None
    resumed = e.execute(out=tmp_path / "cut", resume=True, console=quiet)
    assert resumed["results"] == whole["results"]
    histories = [json.loads((tmp_path / f"{name}/toy/seed-0/numbers.json").read_text())["history"]
                 for name in ("whole", "cut")]
    assert histories[0] == histories[1] and len(histories[0]["b loss"]) == 6


def test_a_resumed_run_skips_what_is_done_and_a_new_run_does_not(tmp_path, quiet):
    rounds = []
    e = Experiment("toy", slide="", seconds=0)

    @e.run
    def run(ctx):
        model = nn.Linear(1, 1)
        for i in ctx.rounds(3, model=model):
            rounds.append(i)
    e.execute(out=tmp_path, console=quiet)
    e.execute(out=tmp_path, resume=True, console=quiet)
    assert rounds == [0, 1, 2]
    e.execute(out=tmp_path, console=quiet)
    assert rounds == [0, 1, 2] * 2


def test_a_checkpoint_that_was_cut_off_is_left_aside(tmp_path, quiet):
    """A disk that was full leaves half a file; the part begins anew."""
    e = Experiment("toy", slide="", seconds=0)
    e.run(lambda ctx: ctx.result(w=line(ctx, "a")[0]))
    whole = e.execute(out=tmp_path, console=quiet)
    file = tmp_path / "toy/seed-0/checkpoints/a.npz"
    for content in (file.read_bytes()[:200], b"", b"text"):
        file.write_bytes(content)
        assert e.execute(out=tmp_path, resume=True, console=quiet)["results"] == whole["results"]


def test_the_randomness_of_a_part_does_not_hang_on_the_parts_before_it(tmp_path):
    ctx = harness.Context(tmp_path, 0, False, "cpu", False, Console(quiet=True))
    first = ctx.part("b").random()
    ctx.part("a").random(100)
    assert ctx.part("b").random() == first != ctx.part("a").random()
    assert ctx.rng is mg.backend.generator()


# ----- Figures and what is said

def test_without_matplotlib_the_note_holds_the_install_line_and_the_numbers_are_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(harness, "find_spec", lambda name: None)
    e = toy(accuracy=1.0)
    body = e.body
    e.body = lambda ctx: (body(ctx), ctx.figure("curve", None))
    e.execute(out=tmp_path)
    note = capsys.readouterr().err
    assert "no figure curve.png: Matplotlib is missing." in note and harness.install_line("viz") in note
    assert json.loads((tmp_path / "toy/seed-0/numbers.json").read_text())["results"] == {"accuracy": 1.0}


def test_importing_the_experiments_imports_no_matplotlib_and_no_rich():
    code = ("import sys, minigrad.cli, minigrad.viz\nfrom minigrad import experiments\n"
            "[experiments.find(n) for n in experiments.names()]\n"
            "print([m for m in ('matplotlib', 'rich', 'torch', 'cupy') if m in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_table_is_plain_text_with_numbers_right_and_missing_ones_as_a_dash():
    out = io.StringIO()
    Console(out).table("Title", ["row", "value", "slide"], [["a", 0.5, 0.0123], ["long", 12.0, None]])
    assert out.getvalue() == ("Title\n  row    value    slide\n  ----  ------  -------\n"
                              "  a     0.5000  0.01230\n  long   12.00        -\n\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_the_same_table_and_items_from_rich(monkeypatch):
    pytest.importorskip("rich")
    out = Terminal()
    monkeypatch.setattr(sys, "stderr", Terminal())
    console = Console(out)
    console.table("Title [x]", ["row", "value"], [["a [b]", 0.25]])
    assert "Title [x]" in out.getvalue() and "a [b]" in out.getvalue() and "0.2500" in out.getvalue()
    assert list(console.progress(range(3), "Deep [20]", lambda: "loss 1")) == [0, 1, 2]
    assert "Deep [20]" in sys.stderr.getvalue() and "3/3" in sys.stderr.getvalue()


def test_progress_in_a_log_file_is_one_line_for_a_short_loop(capsys):
    assert list(Console().progress(iter("abc"), "letters", lambda: "loss 0.5")) == ["a", "b", "c"]
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("letters  3  loss 0.5") and said.err.count("\n") == 1


# ----- The folder of experiments

def test_an_unknown_experiment_is_refused_with_the_nearest_name():
    with pytest.raises(experiments.UnknownExperiment, match="no experiment 'forcast'. Did you mean 'forecasting'?"):
        experiments.find("forcast")


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_names_its_slide_and_reads_in_under_100_lines(name):
    e = experiments.find(name)
    path = FOLDER / f"{name}.py"
    assert e.name == name and e.slide and e.body is not None and e.targets
    assert code_lines(path) < 100 and "argparse" not in path.read_text()                   # docstrings do not count
