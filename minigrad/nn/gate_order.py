"""The rows of the gates in another order: what a deck, Keras or ONNX calls i, f, o, g stands elsewhere in its matrix.

    stored (PyTorch)    LSTM i f g o    without forget gate i g o    coupled f g o    GRU r z n    without reset z n
    Escalera            LSTM i f o g
    Keras               LSTM i f c o    GRU z r h
    ONNX                LSTM i o f c    GRU z r h

A layer's `state_dict(order=...)` and `load_state_dict(state, order=...)` move whole blocks of rows. Columns are never
touched: a matrix on [x; h] (Escalera) is cut into W_ih and W_hh, and Keras' are transposed, by who reads them.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensor import Tensor
from .module import _host

if TYPE_CHECKING:
    from .forms import Form

OTHER_NAMES = {"g": "c", "i": "u", "n": "hc", "z": "u"}        # ours -> Télécom's u and c~, Keras' and ONNX's c and h
_ROWS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")       # rows of all gates; those of peepholes are i, f, o


def letters(form: Form, order: str) -> str:
    """The gates in our letters, in that order.  Raises ValueError that says what would do."""
    name, gates = type(form).__name__, form.gates
    if not gates:
        raise ValueError(f"{name} has no gates to order: leave order=None")
    ours = "".join(next((g for g in gates if letter in g + OTHER_NAMES.get(g, "")), "?") for letter in order)
    if sorted(ours) != sorted(gates):
        also = ", ".join(f"{theirs} for {g}" for g in gates for theirs in OTHER_NAMES.get(g, ""))
        raise ValueError(f"order names the gates of {name}, {gates!r}, each once ({also} will do): not {order!r}")
    return ours


def to_order(form: Form, state: Mapping[str, Tensor], order: str) -> dict[str, Tensor]:
    """A form's own values as copies whose gates are in that order."""
    theirs = letters(form, order)
    return {name: Tensor(t.device.asarray(_moved(form, name, _host(t), form.gates, theirs)), False, t.device)
            for name, t in state.items()}


def from_order(form: Form, state: Mapping[str, Any], order: str) -> dict[str, Any]:
    """Values whose gates are in that order, as the form stores them.  Another number of rows stays as it is."""
    theirs = letters(form, order)
    return {name: _moved(form, name, _host(value), theirs, form.gates) for name, value in state.items()}


def _moved(form: Form, name: str, host: np.ndarray, source: str, target: str) -> np.ndarray:
    """A copy whose blocks of rows, which stand in the order of source, stand in that of target."""
    if name.startswith("weight_ch"):           # the candidate sees no cell: peepholes have no block g
        source, target = source.replace("g", ""), target.replace("g", "")
    elif not name.startswith(_ROWS):
        return host.copy()
    if host.ndim and host.shape[0] == len(source) * form.hidden_size:
        parts = np.split(host, len(source))
        return np.concatenate([parts[source.index(gate)] for gate in target])
    return host.copy()
