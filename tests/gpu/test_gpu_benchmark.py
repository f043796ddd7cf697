"""`python -m benchmarks.gpu`, rehearsed on `strict`: its checks say no, the budget is kept, the file is always whole.

What runs on a GPU is what runs here, but for events, PyTorch's graphs and the ceilings.
"""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from benchmarks import table as documents
from benchmarks.gpu import __main__ as command
from benchmarks.gpu import layers, models, page, parity, record, worker
from benchmarks.gpu.cases import CASES
from minigrad import strict
from minigrad.kernels import signature

from .. import ctrl_c
from .emulator import emulated

ROOT = Path(__file__).resolve().parents[2]


def start(out: Path, *words: str, site: str = "") -> subprocess.Popen:
    """The command on `strict`, with seed 1; `site` runs in each of its processes before anything else."""
    (out / "site").mkdir(parents=True)
    (out / "site" / "sitecustomize.py").write_text(site)
    env = {**os.environ, "PYTHONPATH": str(out / "site"), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    words = ("--out", str(out / "results"), "--device", "strict", "--seed", "1", *words)
    return subprocess.Popen([sys.executable, "-m", "benchmarks.gpu", *words], cwd=ROOT, env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=ctrl_c.heeded)


def written(out: Path) -> dict:
    """The one file of a run, which holds the schema."""
    (path,) = (out / "results").iterdir()
    assert path.name.startswith("rehearsal-") and path.suffix == ".json"
    data = json.loads(path.read_text())
    record.check(data)
    return data


def rows(data: dict) -> dict[str, dict]:
    return {row["case"]: row for section in ("parity", "timing") for row in data[section]}


# ---------------------------------------------------------------------------------------------- the whole command

def test_a_rehearsal_holds_parity_and_prints_the_table_last(tmp_path):
    """Layers, models, graphs, curves, optimisers, operations."""
    run = start(tmp_path, "--budget", "120", "--only", "LSTM, hidden 32", "layer LayerNorm", "model GPT", "op conv2d",
                "graph CharRNN", "curve CharRNN", "optimiser AdamW", "op softmax")
    out, err = run.communicate(timeout=120)
    data = written(tmp_path)
    assert run.returncode == 0, out + err
    assert {row["kind"] for row in data["parity"]} == {"layer", "model", "graph", "curve", "optimiser", "op"}
    assert rows(data)["layer LSTM, hidden 32"]["errors"]["float64"][1] == 1e-10
    assert data["rehearsal"] and not data["left_out"] and data["environment"]["device"] == "strict"
    text, last = out.split("| training step |")
    assert "cases held, seed 1" in text and last.count("\n| ") == len(CASES)


BROKEN = """
import os, sys
import numpy as np
class Late:                                    # after minigrad.ops has been imported, its functions are replaced
    def find_spec(self, name, path=None, target=None):
        if name == "benchmarks.gpu.draws":
            import minigrad as mg
            tanh, exp = mg.tanh, mg.expm1
            mg.tanh = lambda x: tanh(x) * (1 if x.dtype == np.float64 else 1.0001)
            mg.expm1 = lambda x: os.abort()
            mg.sin = lambda x: x.does_not_exist
sys.meta_path.insert(0, Late())
"""


def test_a_wrong_operation_one_that_raises_and_one_that_kills_the_process_end_in_1_and_stop_no_other(tmp_path):
    """A kernel that writes where it must not takes its process with it, and the next case is none the worse."""
    run = start(tmp_path, "--budget", "120", "--only", "op expm1", "op tanh", "op sin", "op cos", site=BROKEN)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 1, out + err
    found = rows(written(tmp_path))
    assert found["op cos"]["held"] and not any(found[f"op {name}"]["held"] for name in ("tanh", "sin", "expm1"))
    assert found["op tanh"]["errors"]["value, float32"][0] == pytest.approx(1e-4, rel=0.01)
    assert found["op tanh"]["errors"]["value, float64"][0] < 1e-10
    assert "does_not_exist" in found["op sin"]["error"] and "SIGABRT" in found["op expm1"]["error"]
    assert "LOST op expm1: the process was ended by SIGABRT" in out


def test_the_budget_is_kept_and_what_was_left_out_is_said(tmp_path):
    """A run that is cut is no lost parity, and a slow case does not take the time of those in other sections."""
    kept = record.Record(tmp_path / "x.json", record.new("x", 1, 9.0, True))
    row = parity.verdict("", "layer", {"a": (0.0, 0.0)}, 0.0)
    cases = [worker.Case("parity", f"{k}", (lambda k=k: time.sleep(0.1) or {**row, "case": f"{k}"})) for k in range(9)]
    began = time.monotonic()
    worker.go(kept, cases, time.time() + 0.25, "strict")
    assert time.monotonic() - began < 2 and 1 <= len(kept.data["parity"]) <= 3 and not kept.lost
    late = ["--device", "strict", "--start", str(time.time() - 60), "--budget", "60"]
    subprocess.run([sys.executable, "-m", "benchmarks.gpu.worker", str(kept.path), *late], cwd=ROOT, check=True)
    data = json.loads(kept.path.read_text())
    record.check(data)
    assert len(data["left_out"]) > 300 and len(rows(data)) == len(kept.data["parity"]) + 1       # and "all kernels"
    assert f"left out, the budget being spent: {len(data['left_out'])} cases" in command.summary(data)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_leaves_a_whole_file_and_no_process(number, tmp_path):
    """Whoever stops it has all that was known until then."""
    run = start(tmp_path, "--budget", "60", "--only", "layer ")
    assert run.stderr and run.stderr.readline().startswith("seed 1,")
    (path,) = (tmp_path / "results").glob("*.json")
    end = time.monotonic() + 30
    while len(json.loads(path.read_text())["parity"]) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    run.send_signal(number)
    run.communicate(timeout=20)
    data = written(tmp_path)
    assert run.returncode and len(data["parity"]) >= 2 and not data["timing"]
    time.sleep(0.2)
    assert json.loads(path.read_text()) == data, "a worker went on writing"


def test_a_worker_that_hangs_is_ended_and_its_case_recorded(tmp_path, monkeypatch):
    """A barrier that one thread never reaches would take the whole budget."""
    monkeypatch.setattr(command, "HUNG", 0.3)
    kept = record.Record(tmp_path / "x.json", record.new("x", 1, 9.0, True))
    hung = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert "it hangs" in command._wait(hung, kept.path, time.time() + 9)
        assert "the budget was spent" in command._wait(hung, kept.path, time.time() + 0.1)
    finally:
        hung.kill()
        hung.wait()
    kept.begin("parity: layer LSTM")
    again = record.Record(kept.path)
    again.end("parity", command.raised(again.data["running"], "it hangs"))
    assert again.done() == {"parity: layer LSTM"} and again.lost and again.data["running"] is None


def test_a_worker_that_has_lost_its_device_asks_for_a_new_process(tmp_path, monkeypatch):
    """After an illegal address every later CUDA call of a process fails: the next cases would all look wrong."""
    kept = record.Record(tmp_path / "x.json", record.new("x", 1, 9.0, True))
    cases = [worker.Case("parity", f"layer {k}", (lambda k=k: 1 // k)) for k in (0, 1)]
    monkeypatch.setattr(worker, "alive", lambda device: False)
    with pytest.raises(SystemExit) as ended:
        worker.go(kept, cases, time.time() + 9, "strict")
    assert ended.value.code == worker.AGAIN and kept.done() == {"parity: layer 0"}
    assert "ZeroDivisionError" in kept.lost[0]["error"] and "1 // k" in kept.lost[0]["trace"]


def test_without_a_gpu_it_says_so_in_one_line_and_ends_with_2(tmp_path):
    """Nothing is written that could be taken for a record."""
    run = subprocess.run([sys.executable, "-m", "benchmarks.gpu", "--out", str(tmp_path)], cwd=ROOT, text=True,
                         capture_output=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert run.returncode == 2 and "device 'cuda' cannot be used" in run.stderr and not run.stdout
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------------------- what is compared

def test_no_layer_no_model_and_no_optimiser_is_left_out(monkeypatch):
    """Who adds one gives it a case in benchmarks/gpu: for parity, and for its budget in test_budgets.py."""
    assert models.missing() == []
    for table, name in (("MODELS", "GPT"), ("MODELS", "GPT, dropout"), ("OPTIMISERS", "AdamW"), ("LAYERS", "ReLU")):
        monkeypatch.delitem(getattr(models, table), name)
    assert models.missing() == ["AdamW", "GPT", "ReLU"]


def test_a_case_makes_what_its_name_says():
    """Else a name alone would stand for a layer."""
    for name, training in {**layers.LAYERS, **models.MODELS}.items():
        made = {type(part).__name__ for _, part in training.make().named_modules()}
        assert name.partition(",")[0] in made, (name, made)


def test_every_kernel_is_started_by_a_case():
    """Else "parity of every kernel" would be a claim. Cells are started at sizes that no cluster is compiled for."""
    started = set()
    narrow = [training for name, training in layers.LAYERS.items() if "hidden 512" not in name]     # for the time
    for training in [*narrow, *layers.LOSSES.values(), *models.MODELS.values()]:
        with strict.counting() as counts:
            parity.step(training, "strict", np.float32, 3)
        started |= {call.rpartition(" ")[2] for call in counts.calls if call.startswith("launch: kernel ")}
    for how in models.OPTIMISERS.values():
        with strict.counting() as counts:
            parity.curve(models.TRAINED, "strict", np.float32, 3, **how)
        started |= {call.rpartition(" ")[2] for call in counts.calls if call.startswith("launch: kernel ")}
    every = {name for file in signature.files() for name in signature.kernels(file)}
    assert every <= started, f"no case starts {sorted(every - started)}"


@pytest.mark.proof
def test_all_of_it_holds_on_the_double(tmp_path, proof_record):
    """Every case, also the many that the sample above leaves out, with a fresh seed."""
    run = start(tmp_path, "--budget", "1200", "--seed", str(np.random.default_rng().integers(2 ** 31)))
    out, err = run.communicate(timeout=1300)
    data = written(tmp_path)
    assert run.returncode == 0 and not data["left_out"], out + err
    assert rows(data)["all kernels"]["not_started"] == []
    proof_record("gpu_rehearsal", {"seed": data["seed"], "parity": len(data["parity"]), "timed": len(data["timing"])})


@pytest.mark.proof
def test_the_sources_themselves_hold_in_every_layer_and_model(proof_record):
    """The emulator executes the .cu files while layers and models make a step, and the twins run beside them."""
    wide = (" 128", " 256", " 512", " 1003")   # a fiber a thread: minutes each
    table = {name: training for part in (layers.LAYERS, layers.LOSSES, models.MODELS) for name, training in part.items()
             if not any(f"{name} ".count(f"{number}{end}") for number in wide for end in (" ", ","))}
    with emulated(seed=5):
        found = [parity.training_step(name, "layer", training, "strict", 5) for name, training in table.items()]
    assert len(found) > 130 and not [row for row in found if not row["held"]]
    proof_record("gpu_emulated", {"cases": len(found), "kernels": len({k for row in found for k in row["errors"]
                                                                      if k.startswith("kernel ")})})


def test_nan_a_missing_gradient_and_another_shape_hold_no_tolerance():
    """max() lets NaN pass; this is what `worst` is for."""
    a, nan = np.ones((2, 3)), float("nan")
    assert parity.error(a, a) == 0 and parity.error(a + 1e-3, a) == pytest.approx(1e-3)
    assert parity.error(a * nan, a) != parity.error(a * nan, a) and not record.below(nan, 1.0)
    assert parity.error(a, a * nan) != parity.error(a, a * nan)
    assert parity.error(a[0], a) == parity.error(a.astype(int), a) == np.inf
    assert parity.error(np.zeros(2), np.zeros(2)) == 0 and parity.error(np.ones(2), np.zeros(2)) == np.inf
    assert parity.error(np.array([1, 2]), np.array([1, 3])) == np.inf and parity.error(a[:0], a[:0]) == 0
    assert parity.worst([0.1, nan, 0.3]) != parity.worst([0.1, nan, 0.3]) and parity.worst([]) == 0
    step = {"loss": np.ones(()), "d w": a, "d b": np.full(3, 1e-9)}
    assert parity.compare(step, step)[0] == 0
    assert parity.compare({k: v for k, v in step.items() if k != "d b"}, step) == (np.inf, "d b")
    assert parity.compare({**step, "d w": a * nan}, step)[1] == "d w"
    assert parity.compare({**step, "d b": np.zeros(3)}, step)[0] < 1e-6, "about 0 beside the others"
    assert not any(parity.verdict("x", "op", errors, 0.0)["held"] for errors in ({}, {"a": (nan, 1.0)}))


def test_a_kernel_that_differs_from_its_twin_is_found_out(monkeypatch):
    """On a GPU the source runs and the twin runs beside it; here a wrong twin stands for a wrong source."""
    training, home = layers.LAYERS["LayerNorm"], mg.device("strict")
    right = parity.training_step("layer LayerNorm", "layer", training, "strict", 1)
    assert right["held"] and "kernel layer_norm_forward" in right["errors"]
    run = home.kernels.run

    def wrong(kernel, grid, block, args, shared, cluster, macros):
        run(kernel, grid, block, args, shared, cluster, macros)
        if kernel.name == "layer_norm_backward":
            out = next(a for a, p in zip(args, kernel.parameters, strict=True) if p.pointer and not p.const)
            out *= np.float32(1 + 3e-5)
    monkeypatch.setattr(home.kernels, "run", wrong)
    row = parity.training_step("layer LayerNorm", "layer", training, "strict", 1)
    assert not row["held"] and row["errors"]["kernel layer_norm_backward"][0] == pytest.approx(3e-5, rel=0.1)
    assert row["errors"]["kernel layer_norm_forward"][0] == 0 and home.kernels.run is wrong


def test_what_a_twin_leaves_unwritten_has_to_be_left():
    """Poisoned memory holds NaN; a number there is a write out of place, NaN elsewhere a write that is missing."""
    want = np.array([1.0, np.nan, np.inf], np.float32)
    assert parity.written(want.copy(), want) == 0
    for got in ([1.0, 2.0, np.inf], [np.nan, np.nan, np.inf], [1.0, np.nan, 3.0], [1.0, np.nan, -np.inf]):
        assert not record.below(parity.written(np.array(got, np.float32), want), 1e-5)


def test_a_graph_that_replays_other_numbers_is_found_out(monkeypatch):
    """Bit for bit: a frozen step count of Adam would differ in the fourth step."""
    training = models.MODELS["CharRNN"]
    assert parity.graph_replay("graph CharRNN", training, "strict", 1)["held"]

    def frozen(step, device):
        calls = []

        def run():
            loss = step()
            calls.append(1)
            return loss if len(calls) < 4 else loss * 1.0000002
        return run
    monkeypatch.setattr(mg, "graph", frozen)
    assert not parity.graph_replay("graph CharRNN", training, "strict", 1)["held"]


# ---------------------------------------------------------------------------------------------- the record

def full() -> dict:
    """A record as a GPU would leave it."""
    data = record.new("python -m benchmarks.gpu --budget 540 --seed 7", 7, 540.0, False)
    wall = {"median": 812.0, "p10": 800.0, "p90": 830.0}
    result = {"wall_us": wall, "device_us": 700.0, "steps": 50, "rounds": 5}
    ratios = {name: {"median": 0.41, "p10": 0.4, "p90": 0.43} for name in ("eager TF32", "graph TF32", "A against A")}
    data["parity"] = [{"case": "layer LSTM", "kind": "layer", "held": True, "errors": {"float64": [1e-14, 1e-10]},
                       "seconds": 0.1}]
    data["timing"] = [{"case": CASES[0].name, "setting": "TF32", "seconds": 9.0, "ratios": ratios, "results": {
        "minigrad eager TF32": result, "PyTorch eager TF32": result, "PyTorch graph TF32": {"error": "refused"}},
        "target": {"limit": 0.5, "ratio": "eager TF32", "value": 0.41, "held": True}}]
    data["environment"] = {"gpu": "A made-up chip", "cuda": 13000, "copy_TB_per_s": 4.2, "products": {
        "8192 x 8192 x 8192, fp32": {"us": 1.0, "TFLOP_per_s": 51.0},
        "8192 x 8192 x 8192, TF32": {"us": 1.0, "TFLOP_per_s": 301.0}}}
    return data


@pytest.mark.parametrize("change, told", [
    (lambda d: d.pop("seed"), "no seed"), (lambda d: d.update(budget_s="x"), "budget_s is str"),
    (lambda d: d.update(schema=0), "schema 0"), (lambda d: d["parity"][0].pop("held"), "no held"),
    (lambda d: d["parity"][0].update(errors={"float64": ["nan", 1e-10]}), "its errors say it is not"),
    (lambda d: d["parity"][0].update(errors={}), "its errors say it is not"),
    (lambda d: d["parity"][0].update(errors={"float64": 1.0}), "no \\[error, tolerance\\]"),
    (lambda d: d["timing"][0]["results"]["minigrad eager TF32"].pop("wall_us"), "no wall_us"),
    (lambda d: d["timing"][0]["results"]["minigrad eager TF32"]["wall_us"].pop("p90"), "no p90")])
def test_the_schema_says_no_to(change, told):
    data = json.loads(json.dumps(full()))
    record.check(data)
    change(data)
    with pytest.raises(ValueError, match=told):
        record.check(data)


def test_nan_and_infinity_are_words_in_the_file(tmp_path):
    """JSON has no such numbers, and a reader that fails on them has no record."""
    kept = record.Record(tmp_path / "a.json", record.new("x", 1, 9.0, True))
    kept.end("parity", parity.verdict("layer X", "layer", {"float64": (float("nan"), 1e-10), "b": (np.inf, 0)}, 0.0))
    data = json.loads(kept.path.read_text(), parse_constant=lambda word: pytest.fail(word))
    assert data["parity"][0]["errors"] == {"float64": ["nan", 1e-10], "b": ["inf", 0]} and not data["parity"][0]["held"]
    record.check(data)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


# ---------------------------------------------------------------------------------------------- the table

def test_the_page_shows_the_newest_record_and_without_one_no_figure():
    """docs/gpu.md is renewed by `python -m benchmarks.table --update`."""
    text = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    assert documents.updated(text) == text, "python -m benchmarks.table --update"
    assert "| training step |" in text
    if not list((ROOT / "benchmarks" / "results").glob("gpu-*.json")):
        found = [line.split("|")[2:-2] for line in text.splitlines() if line.startswith("| ") and " (TF32) |" in line
                 or " (fp32) |" in line]
        assert len(found) == len(CASES) and {cell.strip() for row in found for cell in row} == {"not measured"}


def test_figures_come_from_the_newest_record_alone(tmp_path, monkeypatch):
    """Held and missed as recorded, cells that failed are not measured, and a rehearsal is refused."""
    assert page.newest(tmp_path) is None and page.table(None).count("not measured") > 6 * len(CASES)
    data = full()
    (tmp_path / "gpu-2026-12-01T080000-aaaaaaa.json").write_text("{}")
    (tmp_path / "gpu-2026-12-02T080000-aaaaaaa.json").write_text(json.dumps(data))
    made = page.table(page.newest(tmp_path))
    assert made.splitlines()[2] == (
        f"| {CASES[0].name} (TF32) | not measured / 812 us | not measured | not measured / 812 us | not measured | "
        "0.41 (0.40 to 0.43) | 0.41 (0.40 to 0.43) | eager 0.5, held |")
    assert "1 of 1 (layer) held." in made and "A made-up chip" in made and "TF32 301 TFLOP/s" in made
    data["timing"][0]["target"].update(value=0.6, held=False)
    data["parity"].append({"case": "op exp", "kind": "op", "held": False, "errors": {"a": ["nan", 1e-5]}, "seconds": 0})
    made = page.table(json.loads(json.dumps(data)))
    assert "eager 0.5, **missed** |" in made and "**Not held: op exp.**" in made
    (tmp_path / "gpu-2026-12-03T080000-aaaaaaa.json").write_text(json.dumps({**data, "rehearsal": True}))
    with pytest.raises(ValueError, match="gpu-2026-12-03.* is a rehearsal"):
        page.newest(tmp_path)
    (tmp_path / "gpu-2026-12-04T080000-aaaaaaa.json").write_text("{}")
    with pytest.raises(ValueError, match="gpu-2026-12-04.*has no schema"):
        page.newest(tmp_path)
    monkeypatch.setattr(documents, "RESULTS", tmp_path)
    assert documents.names() == [] and documents.updated("<!-- other -->\nx\n<!-- /other -->").count("x") == 1
