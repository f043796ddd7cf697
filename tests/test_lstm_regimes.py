"""Télécom, *LSTM regimes*: a unit with gates set by hand keeps, overwrites, adds, resets, and answers when told."""
from __future__ import annotations

import numpy as np
import pytest

from minigrad.models.lstm_regimes import COMMANDS, STORY, obey, regime_trace


def cell(*commands):
    return regime_trace(commands)[0]["c"]


def test_each_regime_does_to_the_cell_what_its_name_says():
    """Gates of 2e-9 and 1 - 2e-9, float32: six digits are right."""
    assert np.allclose(cell(("overwrite", 0.8), ("keep", -0.9), ("keep", 0.5)), 0.8)
    assert np.allclose(cell(("overwrite", 0.8), ("add", 0.6), ("add", -0.5)), [0.8, 1.4, 0.9])
    assert np.allclose(cell(("overwrite", 0.8), ("overwrite", -0.3)), [0.8, -0.3])
    assert np.allclose(cell(("overwrite", 0.8), ("reset", 0.7)), [0.8, 0], atol=1e-6)


def test_the_state_is_zero_until_the_output_gate_opens():
    h = regime_trace([("overwrite", 0.8), ("keep", 0.1), ("answer", -0.4), ("keep", 0.0)])[0]["h"]
    assert np.allclose(h, [0, 0, np.tanh(0.8), 0], atol=1e-6)


def test_the_gates_are_the_commands_and_the_story_has_all_of_them():
    trace, words = regime_trace(STORY)
    assert np.allclose(np.stack([trace[k] for k in "ifo"], 1), [COMMANDS[word] for word, _ in STORY], atol=1e-6)
    assert {word for word, _ in STORY} == set(COMMANDS) and words[0] == "overwrite +0.8"


@pytest.mark.parametrize("command", [("forget", 0.1), ("add", 1.0), ("add", -2.0)])
def test_what_is_no_command_is_refused(command):
    with pytest.raises(ValueError, match="a command is one of keep, overwrite, add, reset, answer"):
        obey([command])
