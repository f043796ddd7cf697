"""Time limits: nobody loses a point because the machine is busy, and nobody gets more than the limit by any trick."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder import driver
from autograder.clock import Clock
from autograder.kernel import InKernel
from autograder.sandbox import Limits, Sandbox, Session
from autograder.student import StudentTimeout
from tests.autograder.grading_help import answer, hand_in, solved
from tests.autograder.test_pipeline import quick

A = "01_mini"
WORK = """
import time

def work(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return 1

def rest(seconds):
    time.sleep(seconds)
    return 2

def work_in_threads(seconds):
    import threading
    threads = [threading.Thread(target=work, args=(seconds,)) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    return 3
"""


@contextlib.contextmanager
def hogs(count: int) -> Iterator[None]:
    """So many other programs that want a processor all the time."""
    busy = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """This process, and those that it starts meanwhile, have one processor together: a few hogs are a crowd there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture
def crowded() -> Iterator[Session]:
    """A session that gets about a third of its only processor."""
    with one_core(), hogs(2), Sandbox(limits=Limits(draw=1.0, cell=3.0, submission=30.0)) as sandbox:
        with sandbox.session() as session:
            session.run_cell(WORK)
            yield session


def test_on_a_crowded_machine_a_call_has_its_limits_in_seconds_of_its_own(crowded: Session) -> None:
    """0.15 s of work take half a second of the wall here; under a limit by the wall all three calls would fail."""
    assert crowded.call("work", (0.15,), timeout=0.3)[0] == 1
    assert crowded.call("work", (0.15,), timeout=2.0, budget=0.2)[0] == 1
    used = crowded.seconds_used
    began = time.monotonic()
    assert crowded.call("work", (0.5,))[0] == 1
    own, wall = crowded.seconds_used - used, time.monotonic() - began
    assert 0.45 <= own < 0.9 and own < wall - 0.1


def test_on_a_crowded_machine_too_much_work_is_still_too_much(crowded: Session) -> None:
    began = time.monotonic()
    with pytest.raises(StudentTimeout, match=r"work had not answered after 0\.2 s"):
        crowded.call("work", (60,), timeout=1.0, budget=0.2)
    with pytest.raises(StudentTimeout, match=r"work had not answered after 0\.3 s"):
        crowded.call("work", (60,), timeout=0.3)
    with pytest.raises(StudentTimeout, match=r"rest had not answered after 0\.3 s"):
        crowded.call("rest", (60,), timeout=0.3)
    assert time.monotonic() - began < 8


@pytest.fixture(scope="module")
def calm() -> Iterator[Session]:
    with Sandbox(limits=Limits(draw=0.8, cell=3.0, submission=60.0)) as sandbox, sandbox.session() as session:
        session.run_cell(WORK)
        yield session


def test_a_budget_counts_the_work_and_the_limit_of_a_draw_the_rest(calm: Session) -> None:
    assert calm.call("rest", (0.4,), budget=0.1)[0] == 2
    with pytest.raises(StudentTimeout, match=r"0\.1 s"):
        calm.call("work", (0.3,), budget=0.1)
    with pytest.raises(StudentTimeout):
        calm.call("rest", (5,), budget=0.1)


def test_threads_do_not_hide_work(calm: Session) -> None:
    """The main thread waits for the others, and where those wait for a processor it waits as well."""
    with pytest.raises(StudentTimeout):
        calm.call("work_in_threads", (0.3,), budget=0.3)
    assert calm.call("work_in_threads", (0.01,), budget=0.3)[0] == 3


def test_a_clock_reads_another_process_and_outlives_it() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    clock = Clock(process.pid)
    began = clock.now()
    time.sleep(0.3)
    computed, own = clock.computed(began), clock.own(began)
    assert 0 < computed <= own + 0.05 < 0.45
    process.kill()
    process.wait()
    assert clock.own(began) >= own                  # nothing more is known, so the wall's time counts
    clock.close()
    none = Clock(None)
    began = none.now()
    time.sleep(0.05)
    assert none.computed(began) >= 0.05 and none.own(began) >= 0.05


def test_in_a_plain_kernel_the_same_times_count() -> None:
    space: dict[str, Any] = {}
    exec(WORK, space)
    kernel = InKernel(space)
    with one_core(), hogs(2):
        assert kernel.call("work", (0.15,), timeout=0.3)[0] == 1
        assert kernel.call("work", (0.15,), timeout=2.0, budget=0.2)[0] == 1
        assert 0.27 <= kernel.seconds_used < 0.6           # two clocks, each with a grain
        with pytest.raises(StudentTimeout, match=r"0\.1 s"):
            kernel.call("work", (60,), timeout=2.0, budget=0.1)
    assert kernel.call("rest", (0.3,), timeout=0.8, budget=0.1)[0] == 2
    with pytest.raises(StudentTimeout):
        kernel.call("rest", (5,), timeout=0.2, budget=0.1)


# ----- The end of a submission

def cells(*sources: str) -> list[dict[str, Any]]:
    return [{"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None,
             "id": f"own-{i}"} for i, source in enumerate(sources)]


def double(body: str) -> str:
    return f"import os, time\ndef double(x):\n    {body}\n    return 2 * x"


SLOW = {
    "sleeper": (["import time; time.sleep(0.7)"] * 6, "pass"),
    "spinner": (["while True: pass"] * 3, "while True: pass"),
    "deaf": (["while True:\n    try:\n        while True: pass\n    except BaseException: pass"] * 3, "pass"),
    # every call ends its process, and all cells before it have to be run again for the next one
    "replayer": (["import time; time.sleep(0.3)"] * 2, "os._exit(1) if len(x) % 2 else time.sleep(0.3)"),
    "threads": (["import threading\ndef f():\n    while True: pass\n"
                 "[threading.Thread(target=f, daemon=True).start() for _ in range(8)]"], "time.sleep(0.3)"),
    "stopped": (["import os, signal; signal.raise_signal(signal.SIGSTOP)"] * 3, "pass"),
}


def test_a_submission_ends_within_its_limit_plus_one_second(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an idle machine: what the student's processes wait for others is not taken off here."""
    monkeypatch.setattr(Clock, "_waited", lambda self: 0.0)
    limit = 1.5
    quick(mini, draw=0.4, cell=0.8, submission=limit)
    for student, (before, body) in SLOW.items():
        notebook = answer(solved(mini, A), double=double(body))
        notebook["cells"] = cells(*before) + notebook["cells"]
        hand_in(mini, student, notebook, A)
    results = {r["student"]: r for r in driver.grade(mini, A, jobs=1)}
    took = {student: result["seconds"] for student, result in results.items()}
    assert max(took.values()) <= limit + 1, took
    assert {r["status"] for r in results.values()} == {"graded"}
    assert [c["reason"] for c in results["sleeper"]["cells"]] == ["timeout", "timeout"]


# ----- The whole grader on a crowded machine

def honest_class(course: Path, count: int) -> None:
    for i in range(count):
        notebook = solved(course, A)
        hand_in(course, f"s{i:03}", answer(notebook, double=f"def double(x):\n    return x + x + 0 * {i}"), A)


def test_an_honest_class_beside_hogs_gets_all_points(mini: Path) -> None:
    honest_class(mini, 4)
    with one_core(), hogs(2):
        results = driver.grade(mini, A, jobs=1)
    assert [r["score"] for r in results] == [10.0] * 4


@pytest.mark.proof
def test_sixty_honest_submissions_beside_eight_hogs_get_all_points(rnn: Path, proof_record: Any) -> None:
    """The real 03_rnn, with its budgets of 0.2 s, on a machine that has five times the work it can do."""
    notebook = solved(rnn, "03_rnn")
    for i in range(60):
        own = {"cell_type": "code", "source": f"mine = {i}", "metadata": {}, "outputs": [], "execution_count": None,
               "id": f"own-{i}"}
        hand_in(rnn, f"s{i:03}", notebook | {"cells": [*notebook["cells"], own]}, "03_rnn")
    with hogs(8):
        began = time.monotonic()
        results = driver.grade(rnn, "03_rnn", jobs=2)
    record = {"submissions": len(results), "hogs": 8, "seconds": round(time.monotonic() - began, 1),
              "slowest_submission_seconds": max(r["seconds"] for r in results),
              "zeros": sum(not c["score"] for r in results for c in r["cells"] if c["points"]),
              "lost_points": round(sum(r["max_score"] - r["score"] for r in results), 1)}
    assert (record["zeros"], record["lost_points"]) == (0, 0.0), record
    proof_record("busy", record)
