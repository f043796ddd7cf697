"""Is what was given a Tensor? A list or a NumPy array would fail far from the call, as an attribute of something."""
from __future__ import annotations

from typing import Any

from ..errors import describe
from ..tensor import Tensor


def tensors(name: str, **given: Any) -> None:
    """Raise TypeError, with what to write, unless all arguments are Tensors."""
    for word, value in given.items():
        if not isinstance(value, Tensor):
            device = next((x.device.name for x in given.values() if isinstance(x, Tensor)), "cpu")
            on = "" if device == "cpu" else f", device={device!r}"
            raise TypeError(describe(f"{name} takes Tensors, and its {word} is of type {type(value).__name__}.",
                                     fix=f"mg.tensor({word}{on})"))
