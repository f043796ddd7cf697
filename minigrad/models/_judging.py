"""A model that is asked and not trained."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..nn import Module
from ..tensor import no_grad


@contextlib.contextmanager
def judging(model: Module) -> Iterator[None]:
    """No dropout and no tape; afterwards the model is in the mode that it was in."""
    training = model.training
    if training:
        model.eval()
    try:
        with no_grad():
            yield
    finally:
        if training:
            model.train()
