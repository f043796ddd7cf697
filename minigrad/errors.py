"""The errors of the engine: what happened, where the value was made, the likely cause, the fix.

    MinigradError
      ShapeError        (ValueError)          operands or gradients whose shapes do not fit
      DTypeError        (TypeError)           float32 meets float64; a gradient for integers
      DeviceError       (RuntimeError)        values on two devices; a device that is not there
      GradError         (RuntimeError)        a gradient asked of something that has none
      GraphFreedError   (RuntimeError)        backward through a graph that was already used
      InplaceError      (RuntimeError)        a saved value was overwritten before backward needed it
      IndexRangeError   (IndexError)          an index or id outside of its axis
      StateError        (RuntimeError)        a state_dict that does not fit the model or the optimiser
      NonFiniteError    (FloatingPointError)  a NaN or Inf, under mg.debug(nan=True)
      GraphError        (RuntimeError)        a step that cannot be captured or replayed by mg.graph

Each is also the built-in error that a reader would try to catch. This file formats; the tape decides when to raise.
"""
from __future__ import annotations

import linecache
import os
from typing import Any


class MinigradError(Exception):
    """The base of all errors that minigrad raises on purpose."""


class ShapeError(MinigradError, ValueError):
    """Shapes that an operation cannot join.

    The message names both shapes, the lines that made them, and what would fit. Shapes are lined up from the right;
    each pair of sizes must be equal, or one of them 1. A product needs as many columns on the left as rows on the
    right.

    Fails:

        h, W = mg.zeros(32, 20), mg.zeros(64, 20)
        h @ W

    Repaired:

        h, W = mg.zeros(32, 20), mg.zeros(64, 20)
        h @ W.T
    """


class DTypeError(MinigradError, TypeError):
    """Two float types in one operation, or a gradient asked of integers.

    Widening float32 to float64 in silence doubles memory and hides where it began. Python numbers and NumPy's scalars
    never widen; an array keeps its own type, so cast it.

    Fails:

        x = mg.ones(2)
        x * np.ones(2)

    Repaired:

        x = mg.ones(2)
        x * np.ones(2, np.float32)
    """


class DeviceError(MinigradError, RuntimeError):
    """Values of one operation lie on two devices, the device is not usable, or NumPy was to look into a device.

    Moving in silence would cost a copy, and a wait, at every step.

    Fails:

        x, W = mg.ones(2), mg.ones(2, device="strict")
        x * W

    Repaired:

        x, W = mg.ones(2), mg.ones(2, device="strict")
        x.to("strict") * W
    """


class GradError(MinigradError, RuntimeError):
    """A gradient asked of a value that has none: not a single number, not tracked, or not part of the graph.

    Fails:

        x = mg.ones(3, requires_grad=True)
        (x * 2).backward()

    Repaired:

        x = mg.ones(3, requires_grad=True)
        (x * 2).sum().backward()
    """


class GraphFreedError(MinigradError, RuntimeError):
    """A second backward through one graph: its saved values are gone.

    With recurrent networks the graph of the previous batch hangs on the state that is carried over. Detach it.

    Fails:

        W, h = mg.ones(2, 2, requires_grad=True), mg.ones(1, 2)
        for batch in range(2):
            h = mg.tanh(h @ W)
            h.sum().backward()

    Repaired:

        W, h = mg.ones(2, 2, requires_grad=True), mg.ones(1, 2)
        for batch in range(2):
            h = mg.tanh(mg.detach(h) @ W)
            h.sum().backward()
    """


class InplaceError(MinigradError, RuntimeError):
    """A value that backward needs was overwritten, or a write that the tape cannot record.

    Fails:

        x, c = mg.ones(3, requires_grad=True), mg.ones(3)
        loss = (x * c).sum()
        c[0] = 5
        loss.backward()

    Repaired:

        x, c = mg.ones(3, requires_grad=True), mg.ones(3)
        loss = (x * c.clone()).sum()
        c[0] = 5
        loss.backward()
    """


class IndexRangeError(MinigradError, IndexError):
    """An index outside of its axis. A GPU would take the remainder in silence: a wrong word instead of an error.

    Fails:

        table = mg.zeros(5, 2)
        table[[4, 5]]

    Repaired:

        table = mg.zeros(6, 2)
        table[[4, 5]]
    """


class StateError(MinigradError, RuntimeError):
    """A state_dict whose names or shapes are not those of the model or the optimiser.

    Fails:

        saved = mg.nn.Linear(3, 2).state_dict()
        mg.nn.Linear(4, 2).load_state_dict(saved)

    Repaired:

        saved = mg.nn.Linear(3, 2).state_dict()
        mg.nn.Linear(3, 2).load_state_dict(saved)
    """


class NonFiniteError(MinigradError, FloatingPointError):
    """The first NaN or Inf under `mg.debug(nan=True)`: which operation made it, on which line, of which operand.

    Fails:

        x = mg.tensor([0.0, 1.0], requires_grad=True)
        with mg.debug(nan=True):
            mg.where(x > 0, mg.sqrt(x), 0.0).sum().backward()

    Repaired:

        x = mg.tensor([0.0, 1.0], requires_grad=True)
        with mg.debug(nan=True):
            mg.sqrt(mg.where(x > 0, x, 1.0)).sum().backward()
    """


class GraphError(MinigradError, RuntimeError):
    """A step that `mg.graph` cannot capture, or a call that does not fit what was captured.

    A replay starts kernels and runs no Python, so a step must not look at values, copy from the host or draw there, and
    what it keeps from call to call must stay in the same memory. Device "strict" refuses what a GPU would.

    Fails:

        x, W = mg.ones(4, 2, device="strict"), mg.ones(2, 3, device="strict")
        losses = []

        def step(x):
            loss = (x @ W).sum()
            losses.append(loss.item())

        fast = mg.graph(step)
        for batch in range(4):
            fast(x)

    Repaired:

        x, W = mg.ones(4, 2, device="strict"), mg.ones(2, 3, device="strict")
        losses = []

        def step(x):
            return (x @ W).sum()

        fast = mg.graph(step)
        for batch in range(4):
            losses.append(fast(x).item())
    """


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


__all__ = ["DTypeError", "DeviceError", "GradError", "GraphError", "GraphFreedError", "IndexRangeError", "InplaceError",
           "MinigradError", "NonFiniteError", "ShapeError", "StateError"]
