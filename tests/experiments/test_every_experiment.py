"""Each experiment, made small: it runs to its end, and leaves what a full run leaves."""
from __future__ import annotations

import json

import pytest

from minigrad.experiments import find, names
from minigrad.experiments._console import Console


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
