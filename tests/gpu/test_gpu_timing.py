"""The timed steps of `python -m benchmarks.gpu`, on `strict`: both sides compute the same, and no setting is left out.

What only a GPU has, events and PyTorch's graphs, is not run here.
"""
from __future__ import annotations

import json
import time

import pytest

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import parity, record, worker
from benchmarks.gpu.cases import CASES


@pytest.fixture
def settings():
    """TF32 is put back afterwards, ours and PyTorch's, which has one thread: two would wait for each other."""
    torch = pytest.importorskip("torch")
    homes = torch.backends.cudnn, torch.backends.cuda.matmul
    before, threads = [home.allow_tf32 for home in homes], torch.get_num_threads()
    torch.set_num_threads(1)
    with parity.tf32(False):
        yield
    torch.set_num_threads(threads)
    for home, on in zip(homes, before, strict=True):
        home.allow_tf32 = on


@pytest.mark.usefixtures("settings")
def test_a_case_is_timed_beside_pytorch_in_every_setting(tmp_path):
    """As a worker does it, here within this process: to import PyTorch once more would take a second."""
    kept = record.Record(tmp_path / "x.json", record.new("x", 1, 9.0, True))
    timed = [case for case in worker.timing_cases(kept, "strict", lambda: 9.0) if case.name == CASES[0].name]
    worker.go(kept, timed, time.time() + 60, "strict")
    data = json.loads(kept.path.read_text())
    record.check(data)
    (row,), (held,) = data["timing"], data["parity"]
    assert data["environment"]["torch_cudnn_tf32"] is True
    fine = {name for name, result in row["results"].items() if "error" not in result}
    assert fine == {f"{who} {setting}" for who in ("minigrad eager", "minigrad graph", "PyTorch eager")
                    for setting in ("fp32", "TF32")}, row["results"]
    assert "CUDA" in row["results"]["PyTorch graph TF32"]["error"] and row["target"]["ratio"] == "eager TF32"
    assert set(row["ratios"]) == {"eager fp32", "eager TF32", "graph fp32", "graph TF32", "A against A"}
    assert held["case"] == f"PyTorch {row['case']}" == f"PyTorch {CASES[0].name}" and held["held"]
    text, last = command.summary(data).split("| training step |")
    assert "1 of 1 cases held" in text and last.count(" rehearsed |") == 6 and "missed" not in last


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN", "Bahdanau", "skip-gram", "Transformer"])
def test_both_sides_of_a_timed_step_leave_the_same_gradients(name):
    """Two programs that compute different things have no ratio."""
    pytest.importorskip("torch")
    case = next(c for c in CASES if c.name.startswith(name))
    ours = case.ours("strict", **case.small)
    theirs = case.theirs("cpu", ours.weights, False, **case.small)
    for side in (ours, theirs):
        side.step()
    got, want = ours.result(), theirs.result()
    assert {k: v.shape for k, v in got.items()} == {k: v.shape for k, v in want.items()} and len(got) >= 2
    assert all(parity.error(got[k], want[k]) < 1e-4 for k in want), {k: parity.error(got[k], want[k]) for k in want}


def test_the_limits_are_those_that_the_project_set_itself():
    """LSTM 0.5 and 0.7, the decoder by a graph 0.3, skip-gram 0.3, the block 1.1; at two lengths, two batches."""
    assert [(c.name.split(",")[0], c.limit, c.by, c.default) for c in CASES if c.limit] == [
        *[("LSTM", limit, "eager", "TF32") for limit in (0.5, 0.5, 0.7, 0.7)],
        ("Bahdanau decoder", 0.3, "graph", "fp32"), *[("skip-gram", 0.3, "eager", "fp32")] * 2,
        ("Transformer block", 1.1, "eager", "fp32")]
    assert len(CASES) == 22 and len({c.name for c in CASES}) == 22
