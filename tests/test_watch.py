"""`minigrad watch`: what a student sees of the visible tests when the notebook is saved."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minigrad import cli, watch

from . import ctrl_c

FIRST = ("import numpy as np\nfrom minigrad import course\n"
         "course.environment('99_test', functions=['twice', 'later', 'third'])")
TEST = ("course.test({f}, x=np.array([1.0, 2.0]), expected=np.array([2.0, 4.0]), equation='y = 2 x', "
        "not_tested='negative x.')")
STUB = "def {f}(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
RIGHT, WRONG = "def {f}(x):\n    print('here')\n    return 2 * x", "def {f}(x):\n    return 3 * x"


def notebook(path: Path, **sources: str) -> Path:
    """A notebook with these functions, each with its visible test, a picture cell and a cell with a magic."""
    cells = [FIRST, "%matplotlib inline\n!ls\nx = 1"]
    for name in ("twice", "later", "third"):
        cells += [sources.get(name, STUB).format(f=name), TEST.format(f=name)]
    made = [{"cell_type": "code", "metadata": {}, "source": s.splitlines(True)} for s in cells]
    made.append({"cell_type": "code", "metadata": {"tags": ["picture"]}, "source": "raise SystemExit"})
    made.append({"cell_type": "markdown", "metadata": {}, "source": "# not code"})
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def states(report: watch.Report) -> dict[str, str]:
    return {f.name: f.state for f in report.functions}


def test_each_function_is_right_wrong_or_not_written(tmp_path: Path) -> None:
    report = watch.run(notebook(tmp_path / "a b.ipynb", twice=RIGHT, later=WRONG))
    assert states(report) == {"twice": watch.PASSES, "later": watch.FAILS, "third": watch.UNWRITTEN}
    assert "2 came" not in report.functions[1].message and "3 came, 2 is expected" in report.functions[1].message
    assert report.stopped == [] and not report.passing


def test_the_cells_after_a_broken_or_endless_one_still_run(tmp_path: Path) -> None:
    endless = "def {f}(x):\n    while True:\n        pass"
    path = notebook(tmp_path / "n.ipynb", twice="def {f}(x:", later=endless, third=RIGHT)
    report = watch.run(path, seconds=8)
    assert states(report) == {"twice": watch.FAILS, "later": watch.FAILS, "third": watch.PASSES}
    assert report.stopped == ["cell `def twice(x:`: SyntaxError in line 1: '(' was never closed"]
    assert "twice: NameError: name 'twice' is not defined" in report.functions[0].message
    assert "still running after 2 s: is there a loop" in report.functions[1].message


def test_a_process_that_ends_or_hangs_for_good_is_told(tmp_path: Path) -> None:
    ended = watch.run(notebook(tmp_path / "n.ipynb", twice=RIGHT, later="import os\ndef {f}(x):\n    os._exit(3)"))
    assert states(ended) == {"twice": watch.PASSES, "later": watch.FAILS, "third": watch.NOT_RUN}
    assert ended.functions[1].message == "later: the process that ran it ended (code 3)"
    if not hasattr(signal, "setitimer"):
        return                      # no alarm, so the limit of the run is the only one anyway
    deaf = "import signal\ndef {f}(x):\n    signal.setitimer(signal.ITIMER_REAL, 0)\n    while True:\n        pass"
    for seconds in (2, 20, 60):         # the limit counts NumPy's import too, which a busy machine takes seconds for
        hung = watch.run(notebook(tmp_path / "n.ipynb", twice=RIGHT, later=deaf), seconds=seconds)
        if states(hung)["twice"] == watch.PASSES:
            break
    assert states(hung) == {"twice": watch.PASSES, "later": watch.FAILS, "third": watch.NOT_RUN}
    assert hung.functions[1].message == f"later: still running after {seconds} s: is there a loop that does not end?"


def test_once_is_for_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = notebook(tmp_path / "n.ipynb", twice=RIGHT, later=RIGHT)
    assert cli.main(["watch", str(path), "--once"]) == 1
    assert "2 of 3 visible tests pass" in capsys.readouterr().out
    notebook(path, twice=RIGHT, later=RIGHT, third=RIGHT)
    assert cli.main(["watch", str(tmp_path), "--once", "--json"]) == 0      # a folder that holds one
    assert [f["state"] for f in json.loads(capsys.readouterr().out)["functions"]] == ["passes"] * 3


@pytest.mark.parametrize(("name", "said"), [
    ("no.ipynb", "no notebook"), ("half.ipynb", "is no notebook as it stands (JSONDecodeError): is it being saved"),
    ("list.ipynb", "is no notebook as it stands (TypeError)"), ("empty", "it holds no notebook"),
    ("work", "work' is a folder; name a notebook (such as ")])
def test_what_is_no_notebook_is_one_line(tmp_path: Path, name: str, said: str,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "half.ipynb").write_text('{"cells": [')
    (tmp_path / "list.ipynb").write_text("[]")
    (tmp_path / "empty").mkdir()
    (tmp_path / "work" / "01_autograd").mkdir(parents=True)
    (tmp_path / "work" / "01_autograd" / "01_autograd.ipynb").write_text("{}")
    assert cli.main(["watch", str(tmp_path / name), "--once"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and len(err.splitlines()) == 1


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="Ctrl-C is sent as a signal")
def test_a_save_runs_the_tests_again_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    path = notebook(tmp_path / "n.ipynb", twice=WRONG, later=RIGHT, third=RIGHT)
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "minigrad", "watch", str(path)], stdout=file, stderr=file,
                                   env={**os.environ, "PYTHONUNBUFFERED": "1"}, preexec_fn=ctrl_c.heeded)
    try:
        wait_for(log, "2 of 3 visible tests pass")
        text = path.read_text()
        path.write_text(text[:100])
        wait_for(log, "Waiting for the next save")
        notebook(path, twice=RIGHT, later=RIGHT, third=STUB)
        wait_for(log, "2 of 3 visible tests pass", times=2)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    last = log.read_text().split("visible tests pass")[-1]
    order = [name for line in last.splitlines() for name in ("twice", "later", "third") if name in line]
    assert order == ["twice", "third", "later"]         # what changed stands first
    assert "stopped watching" in last and "Traceback" not in log.read_text()


def wait_for(log: Path, text: str, times: int = 1) -> None:
    for _ in range(300):
        if log.read_text().count(text) >= times:
            return
        time.sleep(0.1)
    raise AssertionError(f"{text!r} did not come; there is:\n{log.read_text()}")
