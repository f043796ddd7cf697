"""03_rnn in the sandbox: what a caller's page says where an earlier function of the same notebook is at fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autograder import driver
from tests.autograder.grading_help import answer, by_cell, hand_in, solved

A = "03_rnn"
STEP = "def rnn_step(x, h, W_x, W_h, b):\n"


def grade(course: Path, **sources: str) -> dict[str, dict[str, Any]]:
    """The cells of a notebook that is right, but for these."""
    settings = course / "course.toml"
    settings.write_text(settings.read_text().replace("draw = 2.0", "draw = 0.5").replace("cell = 10.0", "cell = 1.0"))
    hand_in(course, "ada", answer(solved(course, A), **sources), A)
    return by_cell(driver.grade(course, A, jobs=1)[0])


def test_a_step_that_writes_into_its_state_is_named_where_it_costs_points(rnn: Path) -> None:
    cells = grade(rnn, rnn_step=f"{STEP}    h += .5\n    return np.tanh(x @ W_x.T + h @ W_h.T + b)")
    for name in ("rnn-forward-test", "train-hello-test"):
        assert f"`rnn_step`, which `{cells[name]['function']}` calls, changes its arguments" in cells[name]["message"]
        assert cells[name]["score"] < cells[name]["points"] and cells[name]["notes"] == []
    assert cells["rnn-backward-test"]["score"] == 22


@pytest.mark.parametrize(("sources", "root", "waiting", "sentence"), [
    ({"clip_gradient": "def clip_gradient(grads, c):\n    while True: pass"}, "clip_gradient", ["train-hello-test"],
     "does not answer in time. Mend it first"),
    ({"rnn_step_backward": "def rnn_step_backward(*args):\n    raise NotImplementedError"}, "rnn_step_backward",
     ["rnn-backward-test", "train-hello-test"], "is not written yet. Write it first"),
    ({"rnn_step": f"{STEP}    return np.tanh(hh)"}, "rnn_step", ["rnn-forward-test", "train-hello-test"],
     "raises an error. Mend it first"),
    ({"rnn_step": f"{STEP}    a = 1"}, "rnn_step", ["rnn-forward-test", "train-hello-test"],
     "is not written yet. Write it first"),
    ({"rnn_step": f"{STEP}    return ("}, "rnn_step", ["rnn-forward-test", "train-hello-test"],
     "is not in the notebook. Write it first"),
    ({"rnn_step": f"import os\n{STEP}    os._exit(1)"}, "rnn_step", ["rnn-forward-test", "train-hello-test"],
     "ends its process. Mend it first")])
def test_the_earlier_function_is_named_and_its_callers_are_not_blamed(
        rnn: Path, sources: dict[str, str], root: str, waiting: list[str], sentence: str) -> None:
    cells = grade(rnn, **sources)
    for name in waiting:
        cell, caller = cells[name], cells[name]["function"]
        assert cell["score"] == 0
        told = f"`{root}`, which `{caller}` needs, {sentence}: until then nothing is known of `{caller}`."
        assert cell["message"].startswith(told)
        assert "too slow" not in str(cell) and "the process that ran it" not in str(cell)
    full = sum(c["points"] for name, c in cells.items() if name not in waiting and c["function"] != root)
    assert sum(c["score"] for c in cells.values()) == full


def test_a_line_of_another_function_is_quoted_as_that_functions(rnn: Path) -> None:
    """The caller is at fault here, and yet the line is not its own."""
    cells = grade(rnn, rnn_forward="""
def rnn_forward(xs, h0, W_x, W_h, b):
    return np.stack([rnn_step(x, h0, W_h, W_x, b) for x in xs])""")
    message = cells["rnn-forward-test"]["message"]
    assert "in the line `return np.tanh(x @ W_x.T + h @ W_h.T + b)` of `rnn_step`; `rnn_forward` was called" in message
    assert "needs" not in message
