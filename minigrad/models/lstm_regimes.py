"""An LSTM of one unit whose gates are set by hand.   Télécom, *LSTM regimes*; Chemnitz, *LSTM cell*.

With i and f open or shut, c_t = f c_(t-1) + i g keeps, overwrites, adds or resets, whatever the value; o says when the
cell is shown. Each command is a word that the gates obey:

    keep  i 0, f 1      overwrite  i 1, f 0      add  i 1, f 1      reset  i 0, f 0      answer  keep, and o 1
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import nn
from ..create import tensor

COMMANDS = {"keep": (0, 1, 0), "overwrite": (1, 0, 0), "add": (1, 1, 0), "reset": (0, 0, 0), "answer": (0, 1, 1)}
STORY = [("overwrite", 0.8), ("keep", 0.5), ("keep", -0.9), ("answer", 0.3), ("add", 0.6), ("keep", -0.5),
         ("answer", 0.0), ("overwrite", -0.7), ("keep", 0.9), ("answer", 0.0), ("reset", 0.4), ("answer", 0.8)]
_SHUT = 20.0                                   # a gate's input of +-20: 1 minus sigmoid is 2e-9


def regimes() -> nn.LSTM:
    """The LSTM: inputs (i, f, o, v), each gate open where its input is 1, and g = tanh(v). Its state feeds nothing."""
    lstm = nn.LSTM(4, 1)
    w, b = np.zeros((4, 4), np.float32), np.full(4, -_SHUT, np.float32)        # rows i, f, g, o
    w[[0, 1, 3], [0, 1, 2]] = 2 * _SHUT
    w[2, 3], b[2] = 1, 0
    lstm.load_state_dict({"weight_ih_l0": w, "weight_hh_l0": np.zeros((4, 1), np.float32),
                          "bias_ih_l0": b, "bias_hh_l0": np.zeros(4, np.float32)})
    return lstm


def obey(commands: Sequence[tuple[str, float]]) -> np.ndarray:
    """Commands ("add", 0.5) as inputs x (T, 1, 4): the gates of COMMANDS, and the value that g then has, in (-1, 1).

    Raises ValueError for a command that there is not, or a value outside of (-1, 1).
    """
    rows = []
    for word, value in commands:
        if word not in COMMANDS or not -1 < value < 1:
            raise ValueError(f"a command is one of {', '.join(COMMANDS)} with a value in (-1, 1), not {word!r} {value}")
        rows.append((*COMMANDS[word], np.arctanh(value)))
    return np.array(rows, np.float32)[:, None]


def regime_trace(commands: Sequence[tuple[str, float]]) -> tuple[dict[str, np.ndarray], list[str]]:
    """What the unit does at each command, i, f, g, o, c, h (T,), and the commands as words: for `viz.gates`."""
    trace = nn.gate_trace(regimes(), tensor(obey(commands)))
    return {name: part[:, 0, 0] for name, part in trace.items()}, [f"{word} {value:+.1f}" for word, value in commands]
