"""One warm sandbox a layer for the sandbox's tests, with limits small enough to run into."""

from __future__ import annotations

import functools
import os

import pytest

from autograder.sandbox import LAYERS, Limits, Sandbox, SandboxError

LIMITS = Limits(draw=0.5, cell=1.0, submission=20.0, memory=512 << 20, output=64 << 10, files=1 << 20)
STRONG = LAYERS[:-1]


@functools.cache
def sandbox(layer: str, limits: Limits = LIMITS) -> Sandbox:
    """The layer's sandbox; skips where the layer does not work. AUTOGRADER_LAYERS=1 (as in CI) makes that a failure."""
    try:
        return Sandbox(layer, limits)
    except SandboxError as e:
        if os.environ.get("AUTOGRADER_LAYERS"):
            raise
        pytest.skip(str(e))
