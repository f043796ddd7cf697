"""A class of thousands: bounded memory, cost by the number of submissions, one thread a worker, and what is shown."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from autograder import driver, lean, pipeline, show, workers
from autograder.check import Check, Draw
from autograder.course import Course
from autograder.gradebook import Grades
from autograder.sandbox import Limits, NoSandbox
from autograder.shelf import Shelf
from autograder.workers import Outcome, Plan, Used
from benchmarks import grading
from benchmarks import table as figures
from tests.autograder.grading_help import CHECKOUT, answer, hand_in, solved, totals

A = "01_mini"
PRINTS_ITS_THREADS = """
import json as _json, os as _os, pathlib as _pathlib
from threadpoolctl import threadpool_info as _info
_threads = [p["num_threads"] for p in _info() if p["user_api"] == "blas"]
_cores = sorted(_os.sched_getaffinity(0))
_names = [_os.environ.get("OPENBLAS_NUM_THREADS"), _os.environ.get("OMP_NUM_THREADS")]
_seen = _json.dumps([*_names, _threads, _cores])
(_pathlib.Path(__file__).parent / f"threads-{_os.getpid()}.json").write_text(_seen)
"""


def a_class(course: Path, size: int) -> None:
    """Honest submissions, each with a line of its own."""
    notebook = solved(course, A)
    for i in range(size):
        hand_in(course, f"s{i:05}", answer(notebook, double=f"def double(x):\n    return x + x  # {i}"), A)


def resident() -> int:
    """Bytes of this process and of all below it."""
    me = psutil.Process()
    found = 0
    for process in [me, *me.children(recursive=True)]:
        try:
            found += process.memory_info().rss
        except psutil.NoSuchProcess:
            pass
    return found


def plan(course: Path) -> Plan:
    opened = Course.open(course)
    with Grades(opened) as grades:
        return Plan(opened.root, grades.sheet(A), None, opened.limits(A))


# ----- Threads

def seen_in(course: Path, jobs: int, run: Callable[[], object]) -> list[list[Any]]:
    """What each process that graded four submissions saw: two variables, the threads of its BLAS, its cores."""
    a_class(course, 4)
    checks = course / "checks" / A / "checks.py"
    checks.write_text(checks.read_text() + PRINTS_ITS_THREADS)
    run()
    seen = {p.name: json.loads(p.read_text()) for p in checks.parent.glob("threads-*.json")}
    seen.pop(f"threads-{os.getpid()}.json", None)
    assert len(seen) == jobs
    return list(seen.values())


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_process_that_computes_has_one_thread_whatever_the_environment_says(
        mini: Path, monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    """With one job the command's own process computes: it must not have loaded NumPy before it sets the threads."""
    for name in lean.THREADS:
        monkeypatch.setenv(name, "7")
    if jobs == 2:
        seen = seen_in(mini, 2, lambda: driver.grade(mini, A, jobs=2))
        assert os.environ["OMP_NUM_THREADS"] == "7"         # the user's own is as it was
    else:
        command = [sys.executable, "-m", "autograder", "grade", str(mini), A, "--jobs", "1"]
        seen = seen_in(mini, 1, lambda: subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True))
    for openblas, omp, threads, _ in seen:
        assert (openblas, omp) == ("1", "1") and threads and set(threads) == {1}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system keeps no process to a core")
def test_each_process_has_its_own_core_where_there_are_as_many(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = sorted(os.sched_getaffinity(0))
    monkeypatch.setattr(workers, "cores", lambda: 2)
    seen = seen_in(mini, 2, lambda: driver.grade(mini, A, jobs=2))
    assert sorted(cores for *_, cores in seen) == ([[core] for core in here[:2]] if len(here) > 1 else [here, here])
    monkeypatch.setattr(workers, "cores", lambda: 3)        # fewer processes than cores: the system moves them
    for old in (mini / "checks" / A).glob("threads-*.json"):
        old.unlink()
    seen = seen_in(mini, 2, lambda: driver.grade(mini, A, jobs=2, force=True))
    assert [cores for *_, cores in seen] == [here, here]
    assert sorted(os.sched_getaffinity(0)) == here


def test_jsonschema_is_imported_without_its_slow_parser() -> None:
    """Half of the start of `autograder grade`; who wants the parser later still gets it."""
    code = ("import sys; from autograder import lean; lean.prepare(); import nbformat, jsonschema\n"
            "assert 'rfc3987_syntax' not in sys.modules\n"
            "nbformat.validate(nbformat.v4.new_notebook())\n"
            "import importlib.util; print(importlib.util.find_spec('rfc3987_syntax') is not None)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() in ("True", "False"), done.stderr


# ----- Memory and cost

class InstantPool:
    """Stands in for the pool of processes: every submission is graded at once, and those not fetched are counted."""

    out, most = 0, 0

    def __init__(self, *args: Any, **options: Any) -> None:
        InstantPool.out = InstantPool.most = 0

    def submit(self, function: Callable[..., Any], student: str) -> Future[Outcome]:
        InstantPool.out += 1
        InstantPool.most = max(InstantPool.most, InstantPool.out)
        future: Future[Outcome] = Future()
        future.set_result(Outcome(student, {}, {"n": "x" * 100_000}, frozenset(), None))
        return future

    def shutdown(self, **options: Any) -> None:
        pass


def test_a_few_submissions_are_under_way_and_none_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 outcomes of 100 kB each: half a gigabyte, if they waited for the writer or were held after it."""
    monkeypatch.setattr(workers, "ProcessPoolExecutor", InstantPool)
    students = [f"s{i:05}" for i in range(5000)]
    came = []
    tracemalloc.start()
    began = time.process_time()
    for out in workers.outcomes(SimpleNamespace(limits=Limits()), students, 4):     # type: ignore[arg-type]  # the pool reads no plan
        InstantPool.out -= 1
        came.append(out.student)
    seconds = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sorted(came) == students
    assert InstantPool.most <= workers.AHEAD * 4 and peak < 20e6
    assert seconds < 10         # a wait that looks at all that are out would need a minute


def test_results_are_read_when_asked_for(mini: Path) -> None:
    a_class(mini, 3)
    results = driver.grade(mini, A, jobs=1)
    assert [r["student"] for r in results] == ["s00000", "s00001", "s00002"] and len(results) == 3
    assert results[-1]["score"] == 10.0 and [r["student"] for r in results[1:]] == ["s00001", "s00002"]
    assert not any(isinstance(v, dict) and "cells" in v for v in vars(results).values())


def test_a_result_that_was_taken_away_is_said(mini: Path) -> None:
    shelf = Shelf(Course.open(mini), A, ["nobody"])
    with pytest.raises(Exception, match="cannot be read now"):
        shelf[0]


def test_saving_reads_no_rows_of_other_students(mini: Path) -> None:
    """nbgrader's tables have no index by notebook: a plain walk over its objects reads the whole class each time."""
    from sqlalchemy import event

    a_class(mini, 2)
    driver.grade(mini, A, jobs=1)
    asked: list[tuple[str, Any]] = []
    with Grades(Course.open(mini)) as grades:
        engine = grades.book.engine
        event.listen(engine, "before_cursor_execute", lambda c, cursor, sql, values, *more: asked.append((sql, values)))
        rows = driver.rows(grades.sheet(A), next(workers.outcomes(plan(mini), ["s00001"], 1)))
        asked.clear()
        grades.save(A, rows)
        told = []
        for sql, values in [a for a in asked if a[0].lstrip().startswith("SELECT")]:
            with engine.connect() as connection:
                told += [(r[-1], sql) for r in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + sql, values)]
    assert len(told) > 5
    whole = [(step, sql) for step, sql in told if re.match(r"SCAN (TABLE )?(grade|comment)\b", step)]
    assert not whole


def grow(course: Path, size: int, first: int) -> dict[str, Any]:
    """Grade a class and look at memory and rate after `first` submissions and at the end."""
    a_class(course, size)
    marks: list[tuple[float, int]] = []
    done = 0

    def finished(result: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        if done in (first, 2 * first, size - first, size):
            marks.append((time.perf_counter(), resident()))

    results = driver.grade(course, A, jobs=2, finished=finished)
    assert len(results) == size and set(totals(course, A).values()) == {10.0}
    (t0, m0), (t1, _), (t2, _), (t3, m1) = marks
    return {"submissions": size, "early_seconds_each": round((t1 - t0) / first, 4),
            "late_seconds_each": round((t3 - t2) / first, 4), "grown_mb": round((m1 - m0) / 1e6, 1)}


def test_fifty_submissions_take_no_more_memory_than_ten(mini: Path) -> None:
    assert grow(mini, 50, 10)["grown_mb"] < 30


@pytest.mark.proof
def test_five_thousand_submissions_cost_each_what_the_first_did(mini: Path, proof_record: Callable[..., Path]) -> None:
    record = grow(mini, 5000, 500)
    assert record["grown_mb"] < 100 and record["late_seconds_each"] < 1.3 * record["early_seconds_each"], record
    proof_record("scale", record)


@pytest.mark.proof
def test_a_worker_does_not_grow_over_a_thousand_submissions(mini: Path, proof_record: Callable[..., Path]) -> None:
    a_class(mini, 10)
    worker = workers.Worker(plan(mini))
    try:
        sizes = []
        for i in range(1000):
            worker.grade(f"s{i % 10:05}")
            if i in (99, 999):
                sizes.append(resident())
    finally:
        worker.close()
    assert sizes[1] - sizes[0] < 20e6
    proof_record("worker-growth", {"submissions": 1000, "grown_mb_after_100": round((sizes[1] - sizes[0]) / 1e6, 1)})


# ----- The pool

def test_where_no_sandbox_is_the_pool_says_so_and_writes_nothing(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_class(mini, 3)
    with pytest.raises(NoSandbox, match="there is no sandbox layer 'iron'"):
        driver.grade(mini, A, jobs=2, layer="iron")
    assert not list((mini / ".autograder" / "results").glob("*/*.json"))


def test_when_a_process_is_lost_fewer_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half as many at each loss, and this process in the end; every submission is graded once."""
    started = []

    def parallel(plan: Any, students: Sequence[str], jobs: int) -> Iterator[Outcome]:
        started.append(jobs)
        yield Outcome(students[0], {}, {}, frozenset(), None)       # and then its pool is broken

    own = SimpleNamespace(grade=lambda s: Outcome(s, {"own": True}, {}, frozenset(), None), close=lambda: None)
    monkeypatch.setattr(workers, "_parallel", parallel)
    monkeypatch.setattr(workers, "Worker", lambda plan: own)
    came = list(workers.outcomes(SimpleNamespace(), list("abcdefgh"), 8))      # type: ignore[arg-type]
    assert started == [8, 4, 2] and [o.student for o in came] == list("abcdefgh")
    assert [bool(o.result) for o in came] == [False] * 3 + [True] * 5


@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_a_process_that_dies_while_another_starts_does_not_stop_the_run(
        pause: float, mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that dies holds the lock of the queue; the new one would wait for it, and the pool for the new one.

    A little later the pool is closed already, and cannot start one.
    """
    a_class(mini, 4)
    spawn = ProcessPoolExecutor._spawn_process
    killed: list[int] = []

    def late(pool: Any) -> None:
        if pool._processes and not killed:
            killed.append(first := next(iter(pool._processes)))
            wait_for(lambda: not pool._pending_work_items, 20)      # it has graded, and waits for more
            os.kill(first, signal.SIGKILL)
            wait_for(lambda: pool._broken, 10)
            time.sleep(pause)                                       # the pool ends the processes that it knows
        spawn(pool)

    monkeypatch.setattr(ProcessPoolExecutor, "_spawn_process", late)
    run = threading.Thread(target=driver.grade, args=(mini, A), kwargs={"jobs": 2}, daemon=True)
    run.start()
    run.join(40)
    for child in multiprocessing.active_children():
        child.kill()
    assert not run.is_alive(), "the run hangs"
    assert killed and totals(mini, A) == {f"s{i:05}": 10.0 for i in range(4)}


def wait_for(holds: Callable[[], object], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.02)


def test_students_time_is_told_apart_from_the_graders(mini: Path) -> None:
    """The kernel counts it: a loop of the student's is theirs, and the grader's is no more for it."""
    busy = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass\n"
    hand_in(mini, "busy", answer(solved(mini, A), double=busy + "def double(x):\n    return 2 * x"), A)
    hand_in(mini, "quick", solved(mini, A), A)
    used: list[Used] = []
    driver.grade(mini, A, jobs=1, students=["busy"], used=lambda s, g: used.append(Used(s, g)))
    driver.grade(mini, A, jobs=1, students=["quick"], used=lambda s, g: used.append(Used(s, g)))
    loop, quick = used
    assert 0.75 < loop.students < 1.6           # the cell runs twice, for the page and for the hidden test
    assert 0 < quick.students < 0.3 and quick.grader > 0
    assert loop.grader < quick.grader + 0.4


# ----- A small memory for answers

def test_the_reference_answers_a_plain_draw_once_and_its_answer_cannot_be_spoiled() -> None:
    from autograder.check import Solution

    check = Check("train", cell="t", slide="", equation="", args=("seed",), results=("y (B,)",))
    check.part("value", 1)
    asked: list[int] = []
    Solution({"train": "def train(seed):\n    asked.append(seed)\n    return np.arange(3.0) + seed"}, [check],
             given="import numpy as np")
    check.space["asked"] = asked
    check.bind(check.text)
    first = check.expected(Draw((1,)))
    first[:] = -1
    assert list(check.expected(Draw((1,)))) == [1, 2, 3] and asked == [1]
    assert list(check.expected(Draw((1.0,)))) == [1, 2, 3] and len(asked) == 2      # 1.0 is another draw than 1
    for seed in range(1000):
        check.expected(Draw((seed,)))
    assert len(check._expected) <= 200


# ----- What is shown

def result(student: str, **more: Any) -> dict[str, Any]:
    return {"student": student, "status": "graded", "score": 5.0, "max_score": 10.0, "notes": [],
            "layers": ["landlock", "seccomp", "rlimits"]} | more


def test_a_log_tells_rate_time_left_and_what_the_run_took(monkeypatch: pytest.MonkeyPatch,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    monkeypatch.setattr(show.time, "perf_counter", lambda: now[0])
    with show.Progress() as progress:
        progress.start(90, 3)
        for i in range(60):
            now[0] += 0.5
            progress.used(0.2, 0.1)
            progress.step(result(f"s{i}\x1b[2J", **({"status": pipeline.ERROR, "layers": [], "notes": ["no"]} if i == 9
                                                    else {})))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("3 already graded")
    assert lines[1] == "[1/90] s0?[2J: 5 of 10"
    assert lines.count("2.0 a second, 0:35 left") == 1 and sum(" left" in line for line in lines) == 3
    took = "60 submissions in 30.0 s (2.0 a second); processor time: students' code 12.0 s, grader 6.0 s"
    assert lines[-2:] == [took, "sandbox: landlock, seccomp, rlimits"]


def test_a_run_under_two_layers_counts_them(capsys: pytest.CaptureFixture[str]) -> None:
    with show.Progress() as progress:
        progress.start(3, 0)
        for i, layers in enumerate((["landlock"], ["bwrap", "landlock"], ["landlock"])):
            progress.step(result(str(i), layers=layers))
    assert capsys.readouterr().err.splitlines()[-1] == "sandbox: landlock (2); bwrap, landlock (1)"


def test_a_run_without_a_sandbox_says_so_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with show.Progress() as progress:
        progress.start(1, 0)
        progress.step(result("ada", layers=[]))
    assert capsys.readouterr().err.splitlines()[-1] == "sandbox: none"


def test_a_terminal_shows_a_bar_with_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(show, "_console", lambda stream: console)
    with show.Progress() as progress:
        progress.start(3, 0)
        for student in ("ada", "bob", "eve"):
            time.sleep(0.15)
            progress.step(result(student))
        progress.tell("a [bold]line[/bold]\x07 beside it")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "grading" in text and "3/3" in text and re.search(r"[5-7]\.\d a second, 0:00 left", text)
    assert "a [bold]line[/bold]? beside it" in text


@pytest.mark.parametrize(("rate", "said"), [(2.04, "2.0 a second"), (0.98, "1.0 a second"), (0.8, "one in 1.2 s"),
                                            (0.05, "one in 20 s")])
def test_a_rate_is_told_in_words_that_fit(rate: float, said: str) -> None:
    assert show._rate(rate) == said and show.counted(1, "page") == "1 page" and show.counted(0, "page") == "0 pages"


@pytest.mark.parametrize(("width", "columns"), [(40, 1), (80, 6), (120, 12), (320, None)])
def test_a_table_fits_the_terminal_by_numbers_under_a_legend(width: int, columns: int | None,
                                                             monkeypatch: pytest.MonkeyPatch,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    cells = [{"grade_id": f"c{i}", "function": f"rnn_function_{i}", "points": 2.5, "score": 1.25} for i in range(12)]
    rows = [result("ada", cells=cells), result("bob", cells=cells, status="unreadable", notes=["no notebook " * 4])]
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width)
    monkeypatch.setattr(show, "_console", lambda stream: console)
    show.table(rows)
    printed, shown = capsys.readouterr().out.splitlines(), re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    assert all(len(line.rstrip()) <= width for line in [*printed, *shown.splitlines()])
    head = shown.splitlines()[0].split()
    if columns is None:
        assert "rnn_function_11" in head and len(printed) == 1
    else:
        assert head == ["student", *map(str, range(1, columns + 1)), "total", "/10"]
        assert printed[0].startswith("1: rnn_function_0 /2.5")
        assert ("in a wider window" in "\n".join(printed)) == (columns < 12)
    monkeypatch.setattr(show, "_console", lambda stream: None)
    show.table(rows)
    assert "rnn_function_11 /2.5  total /10" in capsys.readouterr().out


# ----- The documents

def test_the_figures_in_the_guide_are_the_measured_ones() -> None:
    """docs/scale.md shows the recorded run, and nothing that was typed; docs/performance.md has a test of its own."""
    text = (CHECKOUT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert figures.updated(text) == text, "a newer record is there: python -m benchmarks.table --update"
    assert "| a class of " in text and "one more takes" in text


def test_a_further_submission_is_counted_without_students_code() -> None:
    """Two cores, 40 to 300: 26 s more of the wall, 13 s of students' processor time, half of it on each core."""
    found = grading.one_more(40, 300, (6.0, 2.0), (32.0, 15.0))
    assert found["wall_seconds"] == 0.1 and found["students_processor_seconds"] == 0.05
    assert found["own_wall_seconds"] == pytest.approx(0.1 - 0.05 / workers.cores(), abs=1e-4)
