"""What a registered hook is taken away by: of tensors and of modules."""
from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

_numbers = itertools.count()


class Handle:
    """A registered hook; `remove()` takes it away again, once or twice. Also a context manager."""

    def __init__(self, hooks: dict[float, Callable], hook: Callable) -> None:
        self._hooks, self._number = hooks, float(next(_numbers))
        hooks[self._number] = hook

    def last(self) -> None:
        """Call the hook behind all others, those of later too."""
        hook = self._hooks.pop(self._number)
        self._number = math.inf
        self._hooks[math.inf] = hook

    def remove(self) -> None:
        """Call the hook no longer."""
        self._hooks.pop(self._number, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()
