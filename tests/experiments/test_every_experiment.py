"""Each experiment, made small: it runs to its end, and leaves what a full run leaves."""
from __future__ import annotations

import json

import pytest

from minigrad.experiments import find, names
from minigrad.experiments._console import Console

from ..conftest import DEVICES

IN_EVERY_RUN = {"hello"}                       # on a device; all of them take minutes
ON_A_DEVICE = [pytest.param(name, marks=[] if name in IN_EVERY_RUN else pytest.mark.proof) for name in names()]
# Results that a device need not share: word2vec's fused form is the host's alone, and where training is chaotic weights
# that start 1e-7 larger end as far away (truncation on the host: 0.526 becomes 0.655).
OWN_RESULTS = {"analogy", "wordvec", "clipping", "truncation"}

@pytest.mark.parametrize("name", names())
def test_a_quick_run_writes_its_numbers_its_figures_and_a_checkpoint(name, tmp_path, capsys):
    """Finite numbers and a falling loss are what the harness asks of it; no target is judged."""
    pytest.importorskip("matplotlib")
    if name == "digits":
        pytest.importorskip("sklearn")
    experiment = find(name)
    experiment.execute(quick=True, out=tmp_path, console=Console())
    shown, folder = capsys.readouterr().out, tmp_path / name / "quick-seed-0"
    record = json.loads((folder / "numbers.json").read_text())
    assert record["status"] == "finished" and record["results"]
    assert all(experiment.labels.get(name, "") in shown for name in record["results"])
    assert all(v["met"] is None for v in record["targets"])
    assert record["figures"] and all((folder / f).read_bytes().startswith(b"\x89PNG") for f in record["figures"])
    saved = [*(folder / "checkpoints").glob("*.npz"), *folder.glob("model.*")]
    assert saved, "ctx.rounds(..., model=..., optimizer=...) writes one"


@pytest.mark.parametrize("device", [d for d in DEVICES if d != "cpu"])
@pytest.mark.parametrize("name", ON_A_DEVICE)
def test_a_quick_run_on_a_device_ends_as_one_on_the_host(name, device, tmp_path, capsys):
    """`minigrad run NAME --device cuda`: an array of the host among those of a device is an error here.

    The numbers are the host's: kernels sum in another order, so within 0.1 % after the training.
    """
    pytest.importorskip("matplotlib")
    if name == "digits":
        pytest.importorskip("sklearn")
    record = find(name).execute(quick=True, device=device, out=tmp_path, console=Console())
    written = json.loads((tmp_path / name / "quick-seed-0" / "numbers.json").read_text())
    assert record["status"] == "finished" and record["results"] and written["device"] == device
    assert written["figures"] and f", {device}, " in capsys.readouterr().out
    if name not in OWN_RESULTS and device == "strict":
        here = find(name).execute(quick=True, out=tmp_path / "host", console=Console())
        assert record["results"] == pytest.approx(here["results"], rel=1e-3, abs=1e-6)
