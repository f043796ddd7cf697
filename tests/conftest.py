"""What all tests share: the device fixture, seeds, and where a proof leaves its record."""
from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg

ROOT = Path(__file__).resolve().parents[1]
DEVICES = ["cpu", "strict"] + (["cuda"] if mg.cuda_status()[0] else [])


@pytest.fixture(params=DEVICES)
def device(request) -> str:
    """Every device that this machine has: NumPy, the strict double of CuPy, and a GPU where there is one."""
    return request.param


@pytest.fixture(autouse=True)
def _seed():
    """Each test starts from the same random state, so that its order does not matter."""
    mg.manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random inputs of a test."""
    return np.random.default_rng(0)


@pytest.fixture
def proof_record():
    """Write the dated record of a proof: `proof_record(name, numbers)` -> docs/proofs/<name>.json."""
    def write(name: str, numbers: dict) -> Path:
        folder = ROOT / "docs" / "proofs"
        folder.mkdir(parents=True, exist_ok=True)
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT)
        record = {"proof": name, "date": datetime.date.today().isoformat(), "commit": commit.stdout.strip(),
                  "python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine(),
                  "cores": os.cpu_count(), **numbers}
        path = folder / f"{name}.json"
        path.write_text(json.dumps(record, indent=1, sort_keys=False) + "\n")
        return path
    return write
