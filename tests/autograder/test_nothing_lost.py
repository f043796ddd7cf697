"""Nothing is lost: not by a kill at any moment, not by a regrade, not by two runs at a time."""

from __future__ import annotations

import copy
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from autograder import driver, workers
from autograder.workers import Outcome, Plan
from tests.autograder.grading_help import answer, copy_course, hand_in, release
from tests.autograder.nothing_lost_help import (
    A,
    Run,
    class_of,
    differences,
    half_written,
    kill_at_random,
    state,
)

PARTLY = "def double(x):\n    return 2 * x"


def compare(course: Path, wanted: dict[str, Any]) -> None:
    assert differences(state(course), wanted) == []
    assert half_written(course) == []


# ----- Kills inside of the writer, at each of its steps

class Dying:
    """Makes this process kill itself at its `at`th step: a write, a rename, a commit, each before, amid or after."""

    def __init__(self, at: int) -> None:
        self.at, self.count = at, 0
        self.report = -1

    def step(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """In a forked process: nothing is put back."""
        from sqlalchemy.orm import Session

        self._around(os, "replace")
        self._around(Session, "commit")
        write = Path.write_text

        def half(path: Path, text: str, **how: Any) -> int:
            if path.suffix == ".part":
                write(path, text[:len(text) // 2], **how)
                self.step()
            return write(path, text, **how)

        Path.write_text = half          # type: ignore[method-assign,assignment]

    def _around(self, owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def wrapped(*args: Any, **how: Any) -> Any:
            self.step()
            got = real(*args, **how)
            self.step()
            return got

        setattr(owner, name, wrapped)


def resubmitted(course: Path) -> None:
    """The hard case: another answer for the same score, so that the rows alone cannot tell the old from the new."""
    hand_in(course, "s000", answer(release(course, A), double=PARTLY + "\n# first"), A)
    driver.grade(course, A, jobs=1)
    path = hand_in(course, "s000", answer(release(course, A), double=PARTLY + "\n# second", total=""), A)
    (path.parent / "timestamp.txt").write_text("2026-02-20 12:00:00 UTC")


class Recorded:
    """In the place of `driver.outcomes`: grades once, and gives the same outcomes to all further runs.

    The writer is what is killed here, some forty times; grading anew for each would take minutes.
    """

    def __init__(self) -> None:
        self.known: dict[str, Outcome] = {}

    def __call__(self, plan: Plan, students: Sequence[str], *args: Any, **how: Any) -> Iterator[Outcome]:
        missing = [s for s in students if s not in self.known]
        self.known |= {out.student: out for out in workers.outcomes(plan, missing, 1)}
        for student in students:
            yield copy.deepcopy(self.known[student])


@pytest.mark.parametrize("prepare", [pytest.param(lambda course: class_of(course, 1), id="new",
                                                  marks=pytest.mark.proof), pytest.param(resubmitted, id="again")])
def test_a_kill_at_any_step_of_the_writer_leaves_the_old_or_the_new(
        mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[Path], object]) -> None:
    """Steps are numbered, and the run is killed at each; the next run must end as one that nobody disturbed."""
    prepare(mini)
    master = mini.rename(tmp_path / "master")
    monkeypatch.setattr(driver, "outcomes", Recorded())
    driver.grade(copy_course(master, tmp_path / "wanted"), A, jobs=1)
    wanted = state(tmp_path / "wanted")
    killed = 0
    for at in range(1, 100):
        course = copy_course(master, tmp_path / f"killed at {at}")
        run = Run(course, tmp_path / "tmp", fork=True, before=Dying(at).install)
        code = run.wait()
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
        driver.grade(course, A, jobs=1)
        compare(course, wanted)
        shutil.rmtree(course)
    assert killed >= 15, "a kept attempt, a notebook, a commit and a result have more steps"


# ----- Kills at random moments

MODES = [(1, "parent"), (2, "group"), (1, "parent"), (2, "worker"), (2, "parent")]      # jobs, and who is killed


def kills(master: Path, folder: Path, *, count: int, students: int, seed: int, fork: bool, each: int) -> dict[str, Any]:
    """Kill runs until `count` kills have hit, up to `each` in a row on one course, and compare after the next run."""
    rng = random.Random(seed)
    undisturbed, lengths = folder / "wanted", {}
    for jobs in (1, 2):
        shutil.rmtree(undisturbed, ignore_errors=True)
        copy_course(master, undisturbed)
        began = time.monotonic()
        assert Run(undisturbed, folder / "tmp", jobs=jobs, fork=fork).wait() == 0
        lengths[jobs] = time.monotonic() - began
    wanted = state(undisturbed)
    phases: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    runs = 0
    while sum(phases.values()) < count:
        course = copy_course(master, folder / f"course {runs}")
        for _ in range(rng.randint(1, each)):
            jobs, whom = MODES[sum(phases.values()) % len(MODES)]
            run = Run(course, folder / "tmp", jobs=jobs, fork=fork)
            phase = kill_at_random(run, rng, whom, lengths[jobs], students)
            code = run.wait()
            assert code in (0, -signal.SIGKILL), "a run whose worker is killed goes on; no other run ends by itself"
            assert run.left() == [], f"processes are left after a kill of the {whom}"
            if phase is not None and sum(phases.values()) < count:
                phases[phase] += 1
                modes[whom] += 1
        driver.grade(course, A, jobs=1)
        compare(course, wanted)
        shutil.rmtree(course)
        runs += 1
    last = Run(undisturbed, folder / "tmp", fork=fork, force=True)
    assert last.wait() == 0 and last.left() == [] and last.folders() == [], "scratch folders of killed runs are left"
    return {"kills": count, "class": students, "seed": seed, "resumed_and_compared": runs,
            "phases": dict(sorted(phases.items())), "killed": dict(sorted(modes.items())),
            "seconds_undisturbed": {str(jobs): round(s, 2) for jobs, s in lengths.items()}, "differences": 0}


def test_five_kills_at_random_moments_change_nothing(mini: Path, tmp_path: Path) -> None:
    class_of(mini, 8)
    record = kills(mini, tmp_path, count=5, students=8, seed=1, fork=True, each=5)
    assert sum(record["phases"].values()) == 5


@pytest.mark.proof
def test_a_hundred_kills_over_a_class_of_sixty_change_nothing(mini: Path, tmp_path: Path, proof_record: Any) -> None:
    class_of(mini, 60)
    record = kills(mini, tmp_path, count=100, students=60, seed=2, fork=False, each=3)
    assert record["phases"]["among the results"] >= 20 and set(record["killed"]) == {"parent", "group", "worker"}
    proof_record("kills", record)
