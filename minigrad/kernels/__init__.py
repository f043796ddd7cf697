"""The CUDA kernels: `NAME.cu` is the source, `NAME.py` its twin in NumPy with the same functions and parameters.

A fused node asks `of(xp, dtype)` for the launcher of its namespace. On "cuda" it compiles and starts the source, on
"strict" it runs the twin; the checks of the arguments, against the C signature, are the same.
"""
from __future__ import annotations

from typing import Any

import numpy as np

_launchers: dict[Any, Any] = {}                # namespace -> Launcher; `backend.device` enters them


def of(xp: Any, dtype: Any) -> Any:
    """The Launcher of the device that has this namespace; None where it has none, or the dtype is not float32."""
    launcher = _launchers.get(xp)
    return launcher if launcher is not None and dtype == np.float32 else None


def enter(launcher: Any) -> Any:
    """Make `launcher` the one of its namespace, and return it."""
    _launchers[launcher.xp] = launcher
    return launcher
