"""Grading on a Dask cluster gives the grades of this machine, whatever happens to the cluster meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from autograder import cli, cluster, driver, parcel
from autograder.cluster import ClusterError
from autograder.course import Course, read_json
from autograder.regrade import regrade
from autograder.submission import MAX_BYTES
from tests.autograder.cluster_help import relay
from tests.autograder.grading_help import CHECKOUT, answer, command, copy_course, hand_in, release, scores, solved
from tests.autograder.test_attempts import hand_in_and_grade, settings
from tests.autograder.test_regrade import thrice
from tests.autograder.test_scale import plan

A = "01_mini"
TIMES = ("started", "seconds")


def without_times(result: Any) -> Any:
    """A result as it must be the same wherever it was made."""
    if isinstance(result, dict):
        return {k: without_times(v) for k, v in result.items() if k not in TIMES}
    return [without_times(v) for v in result] if isinstance(result, list) else result


def odd_class(course: Path) -> None:
    """Right, wrong and half work, and whatever can be odd about a submission's files."""
    right = solved(course, A)
    for i in range(4):
        hand_in(course, f"right{i}", answer(right, double=f"def double(x):\n    return x + x  # {i}"), A)
    hand_in(course, "wrong", answer(release(course, A), double="def double(x):\n    return x * x"), A)
    hand_in(course, "broken", b"{", A)
    place = hand_in(course, "late", right, A).parent
    (place / "timestamp.txt").write_text("2031-01-02 03:04:05.000000 UTC")
    renamed = hand_in(course, "renamed", right, A)
    renamed.rename(renamed.with_name("01_mini (1).ipynb"))
    (course / "submitted" / "empty" / A).mkdir(parents=True)
    for student in ("link", "pipe", "folder", "huge"):
        (course / "submitted" / student / A).mkdir(parents=True)
    notebook = f"{A}/{A}.ipynb"
    (course / "submitted" / "link" / notebook).symlink_to(place / f"{A}.ipynb")
    os.mkfifo(course / "submitted" / "pipe" / notebook)
    (course / "submitted" / "folder" / notebook).mkdir()
    with open(course / "submitted" / "huge" / notebook, "wb") as file:
        file.truncate(MAX_BYTES + 1)
    (course / "submitted" / "linked").symlink_to(course / "submitted" / "late")


def written(course: Path, assignment: str = A) -> dict[str, Any]:
    """All that a run leaves, but for its times: results, pages, rows."""
    found: dict[str, Any] = {"rows": scores(course, assignment)}
    for path in sorted((course / ".autograder" / "results").rglob("*.json")):
        found[path.stem] = without_times(read_json(path))
    for path in sorted((course / "autograded").rglob("*.ipynb")):
        found[str(path.relative_to(course))] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Any]:
    """A cluster of two worker processes on this machine."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as found:
        yield found


def test_a_cluster_gives_the_grades_of_this_machine_byte_for_byte(mini: Path, tmp_path: Path, two_workers: Any) -> None:
    Course.open(mini).secret()          # made now, so that both have the same
    there = copy_course(mini, tmp_path / "there")
    for course in (mini, there):
        odd_class(course)
    driver.grade(mini, A, jobs=1)
    told: list[str] = []
    results = driver.grade(there, A, scheduler=two_workers.scheduler_address, tell=told.append)
    assert told == [] and len(results) == 14
    assert {r["student"]: r["status"] for r in results if r["status"] != "graded"} == {
        "broken": "unreadable", "empty": "missing", "folder": "refused", "huge": "refused", "link": "refused",
        "linked": "refused", "pipe": "refused"}
    here, cluster_made = written(mini), written(there)
    assert here == cluster_made
    assert {r["layers"][-1] for r in results if r["status"] == "graded"} == {"rlimits"}


def test_a_regrade_on_a_cluster_changes_what_it_changes_here(mini: Path, tmp_path: Path, two_workers: Any,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    """Earlier attempts too, which lie elsewhere; a dry run shows the same and writes nothing."""
    settings(mini, "best")
    hand_in_and_grade(mini, "both", "total")
    thrice(mini)
    there = copy_course(mini, tmp_path / "there")
    here = regrade(mini, A, jobs=1)
    before = written(there)
    told: list[str] = []
    shown = regrade(there, A, dry_run=True, scheduler=two_workers.scheduler_address, tell=told.append)
    assert shown.rows() == here.rows() and written(there) == before and told == []
    assert [(s.student, s.before, s.after, s.attempt) for s in shown.students] == [("ada", 10.0, 6.0, 1)]
    assert cli.run(["regrade", str(there), A, "--scheduler", two_workers.scheduler_address]) == 0
    said = capsys.readouterr()
    assert "ada      double-test       4      0" in said.out and "this machine" not in said.err
    assert written(there) == written(mini)


def test_without_a_scheduler_nothing_of_the_cluster_is_imported(mini: Path) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    (mini / "look.py").write_text(f"""
import sys
from autograder import cli
assert cli.run(["regrade", ".", "{A}", "--jobs", "1"]) == 0     # which is `grade` with a copy of the gradebook
print(sorted({{"dask", "distributed"}} & set(sys.modules)))
""")
    assert command(mini, "look").splitlines()[-1] == "[]"


def test_nothing_of_a_run_stays_on_a_worker(mini: Path, two_workers: Any) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    with two_workers.get_client() as client:
        folders: list[str] = []

        def look(result: dict[str, Any]) -> None:
            for found in client.run(lambda: [str(p.folder) for p in cluster._places.values()]).values():
                folders.extend(found)

        driver.grade(mini, A, scheduler=two_workers.scheduler_address, finished=look)
        assert set(client.run(lambda: len(cluster._places)).values()) == {0}
    assert len(folders) == 2 and not any(Path(f).exists() for f in folders)


@pytest.mark.parametrize(("name", "there"), [("Python", "3.9"), ("NumPy", "1.0"), ("autograder", "0" * 12)])
def test_a_worker_of_another_version_is_refused_by_name(mini: Path, two_workers: Any, name: str, there: str,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    here = cluster.fingerprint()
    monkeypatch.setattr(cluster, "fingerprint", lambda: here | {name: there})
    with pytest.raises(ClusterError) as caught:
        driver.grade(mini, A, scheduler=two_workers.scheduler_address)
    said = str(caught.value)
    assert f"has {name} {here[name]}, and this machine {there}" in said and "Install the same" in said
    assert any(address in said for address in two_workers.scheduler_info["workers"]) and "\n" not in said
    assert not list((mini / ".autograder" / "results").rglob("*.json"))


def test_a_worker_without_a_sandbox_is_refused(mini: Path, two_workers: Any) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    with pytest.raises(ClusterError, match="the worker tcp://.* has no sandbox: there is no sandbox layer 'iron'"):
        driver.grade(mini, A, scheduler=two_workers.scheduler_address, layer="iron")


def test_a_worker_with_many_threads_is_refused(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(mini)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "8")
    assert cluster.prepare(cluster.Setup("t", made, ())) == (
        "has OPENBLAS_NUM_THREADS = 8: its linear algebra would take other workers' cores. Start it with "
        "OPENBLAS_NUM_THREADS=1")


def test_a_worker_without_the_package_is_refused() -> None:
    said = cluster._differs(ModuleNotFoundError("No module named 'autograder'"))
    assert said.startswith("cannot import autograder (No module named 'autograder')")
    assert "did not answer" in cluster._differs(TimeoutError())


def test_where_no_scheduler_answers_one_line_says_so(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    with pytest.raises(ClusterError, match="no Dask scheduler answers at 'tcp://127.0.0.1:9'"):
        driver.grade(mini, A, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(ClusterError, match="no Dask scheduler answers at 'nonsense"):
        driver.grade(mini, A, scheduler="nonsense://:")


def test_a_scheduler_that_is_stopped_is_not_waited_for(mini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes the connection in its place, and then nothing comes."""
    hand_in(mini, "ada", solved(mini, A), A)
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as stopped:
        address = f"tcp://127.0.0.1:{stopped.getsockname()[1]}"
        with pytest.raises(ClusterError) as caught:
            driver.grade(mini, A, scheduler=address)
    assert str(caught.value).startswith(f"no Dask scheduler answers at '{address}' (TimeoutError). Is it running, not ")
    assert "\n" not in str(caught.value)


def test_a_scheduler_that_falls_silent_ends_the_run_and_the_same_command_goes_on(
        mini: Path, tmp_path: Path, two_workers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped process, a network that swallows packets: the connection stands, and Dask would wait for ever."""
    Course.open(mini).secret()
    for i in range(6):
        hand_in(mini, f"s{i}", answer(solved(mini, A), double=f"def double(x):\n    return x + x  # {i}"), A)
    here = copy_course(mini, tmp_path / "here")
    driver.grade(here, A, jobs=1)
    done: list[str] = []
    told: list[str] = []
    with relay(two_workers.scheduler_address) as (address, lost), monkeypatch.context() as patch:

        def finished(result: dict[str, Any]) -> None:
            done.append(result["student"])
            if len(done) == 2:
                patch.setattr(cluster, "SILENT_SECONDS", 0.5)
                lost.set()

        with pytest.raises(ClusterError) as caught:
            driver.grade(mini, A, scheduler=address, finished=finished, tell=told.append)
    said = str(caught.value)
    assert said.startswith(f"the scheduler at {address} has said nothing for 0.5 s: is its process stopped, ")
    assert "give the same command again" in said and "\n" not in said and told == []
    assert len(done) == 2 and sorted(done) == sorted(scores(mini, A))       # the others have no row, and so no 0
    results = driver.grade(mini, A, scheduler=two_workers.scheduler_address, tell=told.append)
    assert told == [] and {r["attempt"] for r in results} == {1} and written(mini) == written(here)
    with two_workers.get_client() as client:
        client.run(cluster._forget_all)         # what could not be told that its run was over


def test_an_answer_that_its_worker_does_not_give_is_made_again(mini: Path, two_workers: Any,
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    """Its worker was stopped just then. The scheduler is there, so it is not taken for the silent one."""
    from distributed import Future

    for student in ("ada", "bob"):
        hand_in(mini, student, answer(solved(mini, A), double=f"def double(x):\n    return x + x  # {student}"), A)
    real = Future.result
    withheld: list[str] = []

    def result(self: Any, timeout: float | None = None) -> Any:
        if timeout == 61 and not withheld:
            withheld.append(self.key)
            raise TimeoutError
        return real(self, timeout)

    monkeypatch.setattr(cluster, "SILENT_SECONDS", 61)      # which tells this wait from the others
    monkeypatch.setattr(Future, "result", result)
    told: list[str] = []
    results = driver.grade(mini, A, scheduler=two_workers.scheduler_address, tell=told.append)
    assert len(withheld) == 1 and told == [] and [r["score"] for r in results] == [10.0, 10.0]


def test_without_the_cluster_extra_the_command_says_how_to_install_it(mini: Path,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    hand_in(mini, "ada", solved(mini, A), A)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"--scheduler needs the package 'distributed': pip install .*\[cluster\]"):
        driver.grade(mini, A, scheduler="tcp://127.0.0.1:1")


def test_a_parcel_holds_no_other_submission_and_no_gradebook(mini: Path) -> None:
    odd_class(mini)
    course = Course.open(mini)
    of_course = parcel.of_course(course, A)
    assert {i.path for i in of_course} == {"course.toml", ".autograder/secret", f"checks/{A}/checks.py",
                                           f"checks/{A}/notebook.py"}
    of_ada = parcel.of_submission(course, A, "late", [A])
    assert [i.path for i in of_ada] == ["submitted/late", f"submitted/late/{A}", f"submitted/late/{A}/{A}.ipynb",
                                        f"submitted/late/{A}/timestamp.txt"]
    huge = parcel.of_submission(course, A, "huge", [A])[-1]
    assert (huge.data, huge.size) == (b"", MAX_BYTES + 1)


# ----- What happens to a cluster

@dataclass
class Hired:
    """Scheduler and workers as separate processes, started as a cluster's own tools start them."""

    folder: Path
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(json.loads((self.folder / "scheduler.json").read_text())["address"])

    def pids(self) -> list[int]:
        """The processes that grade, below their nannies."""
        import psutil

        found = []
        for process in [p for w in self.workers for p in psutil.Process(w.pid).children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                if "spawn_main" in " ".join(process.cmdline()):
                    found.append(process.pid)
        return found


@contextlib.contextmanager
def hired(folder: Path, count: int) -> Iterator[Hired]:
    env = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")} | {"PYTHONPATH": str(CHECKOUT)}
    file = folder / "scheduler.json"

    def start(*words: str) -> subprocess.Popen[bytes]:
        with open(folder / "log.txt", "ab") as log:
            return subprocess.Popen([sys.executable, "-m", *words, "--no-dashboard", "--scheduler-file", str(file)],
                                    cwd=folder, env=env, stdout=log, stderr=log)

    scheduler = start("distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1")
    found = Hired(folder, scheduler)
    try:
        for _ in range(300):
            if file.exists():
                break
            time.sleep(0.1)
        found.workers = [start("distributed.cli.dask_worker", "--nthreads", "1") for _ in range(count)]
        from distributed import Client

        with Client(found.address, timeout=30, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)
        yield found
    finally:
        for process in [*found.workers, scheduler]:
            process.terminate()
        for process in [*found.workers, scheduler]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


def sixty(course: Path) -> None:
    notebook = solved(course, "03_rnn")
    for i in range(60):
        own = {"cell_type": "code", "source": f"mine = {i}", "metadata": {}, "outputs": [], "execution_count": None,
               "id": f"own-{i}"}
        hand_in(course, f"s{i:02}", notebook | {"cells": [*notebook["cells"], own]}, "03_rnn")


def kill(hired: Hired) -> None:
    os.kill(hired.pids()[0], signal.SIGKILL)


def stop(hired: Hired) -> None:
    """Stops answering, and its connection stays: what a scheduler sees last."""
    os.kill(hired.pids()[0], signal.SIGSTOP)


def lose_scheduler(hired: Hired) -> None:
    hired.scheduler.kill()


@pytest.mark.proof
def test_sixty_submissions_survive_what_happens_to_a_cluster(rnn: Path, tmp_path: Path,
                                                             proof_record: Callable[..., Path]) -> None:
    """Killed and stopped workers, a lost scheduler: each run ends with the grades of this machine."""
    sixty(rnn)
    Course.open(rnn).secret()
    fresh = copy_course(rnn, tmp_path / "fresh")
    driver.grade(rnn, "03_rnn", jobs=2)
    wanted = written(rnn, "03_rnn")
    record: dict[str, Any] = {"submissions": 60, "workers": 3}
    for event in (None, kill, stop, lose_scheduler):
        name = event.__name__ if event else "quiet"
        course = copy_course(fresh, tmp_path / name)
        (tmp_path / f"{name}-cluster").mkdir()
        with hired(tmp_path / f"{name}-cluster", 3) as hands:
            told: list[str] = []
            happened: list[Any] = []
            done = 0

            def finished(result: dict[str, Any], hands: Hired = hands, event: Any = event,
                         happened: list[Any] = happened) -> None:
                nonlocal done
                done += 1
                if done == 10 and event:
                    event(hands)
                    happened.append(event)

            began = time.monotonic()
            driver.grade(course, "03_rnn", scheduler=hands.address, jobs=2, finished=finished, tell=told.append)
            record[name] = {"seconds": round(time.monotonic() - began, 1), "told": told,
                            "same_bytes": written(course, "03_rnn") == wanted}
            for pid in hands.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        assert record[name]["same_bytes"] and happened == ([event] if event else []), name
        assert bool(told) == (event is lose_scheduler), told
    proof_record("cluster", record)
