"""The errors of the engine: what happened, where the value was made, the likely cause, the fix.

    MinigradError
      ShapeError        (ValueError)    operands or gradients whose shapes do not fit
      DTypeError        (TypeError)     float32 meets float64; a gradient for integers
      DeviceError       (RuntimeError)  values on two devices; a device that is not there
      GradError         (RuntimeError)  a gradient asked of something that has none
      GraphFreedError   (RuntimeError)  backward through a graph that was already used
      InplaceError      (RuntimeError)  a saved value was overwritten before backward needed it
      IndexRangeError   (IndexError)    an index or id outside of its axis
      StateError        (RuntimeError)  a state_dict that does not fit the model or the optimiser

Each is also the built-in error that a reader would try to catch. This file formats; the tape decides when to raise.
"""
from __future__ import annotations

import linecache
import os
from typing import Any


class MinigradError(Exception):
    """The base of all errors that minigrad raises on purpose."""


class ShapeError(MinigradError, ValueError):
    """Shapes that an operation cannot join.  ``mg.zeros(2, 3) @ mg.zeros(2, 3)``: transpose one of them."""


class DTypeError(MinigradError, TypeError):
    """Two float types in one operation, or a gradient asked of integers.  Cast: ``x.to(mg.float32)``."""


class DeviceError(MinigradError, RuntimeError):
    """Values of one operation lie on two devices, or the device is not usable.  Move: ``x.to("cuda")``."""


class GradError(MinigradError, RuntimeError):
    """A gradient asked of a value that has none: not a scalar, not tracked, or not part of the graph."""


class GraphFreedError(MinigradError, RuntimeError):
    """A second backward through one graph.  Detach the state that is carried: ``h = mg.detach(h)``."""


class InplaceError(MinigradError, RuntimeError):
    """A value that backward needs was overwritten.  Work on a copy: ``y = x.clone()``."""


class IndexRangeError(MinigradError, IndexError):
    """An index outside of its axis.  A token id must lie in 0 ... V - 1."""


class StateError(MinigradError, RuntimeError):
    """A state_dict whose names or shapes are not the model's.  Build the model with the sizes it was saved with."""


def describe(headline: str, **lines: str | None) -> str:
    """Join a headline and its labelled lines, labels aligned, empty ones left out."""
    kept = {name.replace("_", " "): text for name, text in lines.items() if text}
    width = max(map(len, kept), default=0)
    return "\n".join([headline, *(f"  {name:<{width}}: {text}" for name, text in kept.items())])


def place(where: tuple[Any, int] | None) -> str | None:
    """`file:line   source` of a (code, instruction) pair that the tape kept; None if it kept none."""
    if where is None:
        return None
    code, instruction = where
    line = next((n for start, stop, n in code.co_lines() if start <= instruction < stop and n), code.co_firstlineno)
    source = linecache.getline(code.co_filename, line).strip()
    return f"{os.path.basename(code.co_filename)}:{line}   {source}".rstrip()


def shape_list(arrays: list[Any]) -> str:
    """The shapes of an operation's operands: `(32, 20) and (10, 64)`."""
    return " and ".join(str(tuple(a.shape)) for a in arrays if hasattr(a, "shape")) or "no arrays"
