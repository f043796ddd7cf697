"""`autograder doctor --attack` says what an attack got, and can say that it got something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autograder import cli, trial
from autograder.errors import AutograderError
from autograder.trial import Trial
from tests.hostile.case import HERE, NAME

GREEDY = '''
import os
import socket
for path in ("<COURSE>/.autograder/secret", "<COURSE>/checks/01_hostile/checks.py", "<NEIGHBOUR>"):
    try:
        print(open(path).read())
    except OSError as e:
        print(type(e).__name__)
try:
    open("<COURSE>/checks/01_hostile/checks.py", "a").write("# I was here")
except OSError as e:
    print(type(e).__name__)
try:
    socket.create_connection(("127.0.0.1", int("<PORT>")), 1).close()
except OSError as e:
    print(type(e).__name__)
try:
    if os.fork() == 0:
        os.execv("<PYTHON>", ["python", "-c", "import time; time.sleep(120)", os.getcwd()])
except OSError as e:
    print(type(e).__name__)

def double(x):
    text = open("<COURSE>/checks/01_hostile/notebook.py").read()
    space = {"np": np}
    exec(next(c.partition("\\n")[2] for c in text.split("# %%") if "def double" in c), space)
    return space["double"](x)
'''


def notebook(path: Path, source: str) -> Path:
    cell = {"cell_type": "code", "source": source, "outputs": [], "execution_count": None,
            "metadata": {"nbgrader": {"grade_id": "double", "solution": True, "grade": False}}}
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}))
    return path


def test_an_attack_that_is_held_off_gets_nothing(tmp_path: Path) -> None:
    tried = trial.attack(notebook(tmp_path / "greedy.ipynb", GREEDY), NAME, solutions=HERE / "course")
    assert tried.got == {} and tried.score == 0 and tried.canaries == 6 and tried.searched >= 8
    assert tried.cells[0] == "double: 0 of 4, raises"
    assert trial.format(tried).splitlines()[-1] == "It got nothing."


def test_the_same_attack_gets_all_that_it_wants_where_nothing_protects(tmp_path: Path) -> None:
    """A check that cannot fail proves nothing."""
    tried = trial.attack(notebook(tmp_path / "greedy.ipynb", GREEDY), NAME, "none", solutions=HERE / "course")
    assert tried.got["points"] == ["double: 4 points, and the function is worth 0"]
    told = "\n".join(tried.got["canaries"])
    assert all(what in told for what in ("the secret", "the hidden tests", "a neighbour's work"))
    assert tried.got["files"] == ["checks/01_hostile/checks.py is changed"]
    assert tried.got["processes"] and tried.got["network"] == ["a port was reached by TCP"]
    text = trial.format(tried)
    assert "GOT   points     4 of 38, forged:" in text and "GOT   processes" in text and "held  neighbours" in text
    assert text.splitlines()[-1] == "It got something: the lines marked GOT."


@pytest.mark.parametrize(("got", "code"), [({}, 0), ({"files": ["x is new"]}, 1)])
def test_the_exit_code_says_whether_it_got_anything(got: dict[str, list[str]], code: int, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    path = notebook(tmp_path / "a.ipynb", "")
    monkeypatch.setattr(trial, "attack", lambda *args: Trial("a.ipynb", NAME, "bwrap", 1.0, 0.0, 38.0, [], 6, 9, got))
    assert cli.run(["doctor", "--attack", str(path)]) == code


def test_what_the_user_can_mend_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AutograderError, match="there is no notebook"):
        trial.attack(tmp_path / "none.ipynb")
    with pytest.raises(AutograderError, match="Did you mean '03_rnn'"):
        trial.attack(notebook(tmp_path / "a.ipynb", ""), "3_rnn")
    assert cli.run(["doctor", "--sandbox", "none"]) == 2
    assert "go with --attack FILE.ipynb" in capsys.readouterr().err


def test_names_in_the_text_are_harmless() -> None:
    cells = ["\x1b]0;x\x07: 0 of 4, wrong"]
    text = trial.format(Trial("\x1b[2Jx.ipynb", NAME, "bwrap", 1.0, 0.0, 38.0, cells, 6, 9, {}))
    assert "\x1b" not in text
