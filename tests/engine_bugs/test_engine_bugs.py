"""Every injected bug is caught by the tests that are named for it; the unharmed copy passes them."""
from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .bugs import BUGS, Bug

ROOT = Path(__file__).resolve().parents[2]
DAY = datetime.date.today().toordinal()
TODAY = [BUGS[(DAY * 3 + i) % len(BUGS)] for i in range(3)]     # every bug in turn; all of them under `make proof`


def copy(to: Path) -> Path:
    """The package and its tests, to be harmed."""
    skip = shutil.ignore_patterns("__pycache__", "autograder", "experiments", "engine_bugs", "viz")
    shutil.copytree(ROOT / "tests", to / "tests", ignore=skip)
    shutil.copytree(ROOT / "minigrad", to / "minigrad", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", to)
    return to


def harmed(bug: Bug, text: str) -> str:
    """The source with the bug; an error if its place is not there exactly once."""
    times = text.count(bug.old)
    assert times == 1, f"{bug.name}: its place is in {bug.file} {times} times; adapt bugs.py"
    return text.replace(bug.old, bug.new)


def run(folder: Path, tests: str, k: str) -> subprocess.CompletedProcess:
    """The named tests against the copy, up to the first failure."""
    env = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist",
               "--tb=line", *tests.split(), "-k", k]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=180)


def caught(bug: Bug, folder: Path) -> str:
    """The test that caught the bug (pytest's line); the copy is unharmed again afterwards."""
    path = folder / "minigrad" / bug.file
    text = path.read_text()
    path.write_text(harmed(bug, text))
    try:
        done = run(folder, bug.tests, bug.k)
    finally:
        path.write_text(text)
    assert done.returncode == 1, (f"{bug.name} was not caught by {bug.tests} -k {bug.k!r} "
                                  f"(exit {done.returncode}): {bug.says}\n{done.stdout[-1500:]}{done.stderr[-500:]}")
    return next((line for line in done.stdout.split("\n") if line.startswith("FAILED")), "").removeprefix("FAILED ")


@pytest.mark.parametrize("bug", BUGS, ids=lambda b: b.name)
def test_the_place_of_every_bug_is_in_the_source_once(bug):
    """An engine that moved on leaves bugs behind that harm nothing."""
    text = (ROOT / "minigrad" / bug.file).read_text()
    compile(harmed(bug, text), bug.file, "exec")


def test_a_bug_that_harms_nothing_is_not_called_caught(tmp_path):
    """The driver's own no."""
    folder = copy(tmp_path)
    harmless = BUGS[0]._replace(name="harmless", new=BUGS[0].old + "  # harmless")
    with pytest.raises(AssertionError, match="harmless was not caught"):
        caught(harmless, folder)


@pytest.mark.parametrize("bug", TODAY, ids=lambda b: b.name)
def test_todays_bugs_are_caught(bug, tmp_path):
    """Three a day, in turn: a suite that lost its teeth is noticed within a fortnight."""
    pytest.importorskip("torch")                       # some are seen by parity alone
    assert caught(bug, copy(tmp_path))


@pytest.mark.proof
def test_every_injected_bug_is_caught_and_the_unharmed_engine_passes(tmp_path, proof_record):
    """What the suite is worth: the list of mistakes that it sees, and by which test."""
    pytest.importorskip("torch")                       # some are seen by parity alone
    folder, start, found = copy(tmp_path), time.perf_counter(), {}
    groups: dict[str, list[str]] = {}
    for bug in BUGS:
        groups.setdefault(bug.tests, []).append(f"({bug.k})")
    for tests, ks in groups.items():
        done = run(folder, tests, " or ".join(dict.fromkeys(ks)))
        assert done.returncode == 0, done.stdout[-1500:]
    missed = []
    for bug in BUGS:
        try:
            found[bug.name] = caught(bug, folder)
        except AssertionError as error:
            missed.append(str(error))
    seconds = round(time.perf_counter() - start)
    proof_record("engine_bugs", {"bugs": len(BUGS), "caught": len(found), "seconds": seconds, "by": found})
    assert not missed, "\n\n".join(missed)
