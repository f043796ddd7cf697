"""Nests of tuples, lists and dicts with tensors and arrays in them: the inputs and outputs of a captured step."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import GraphError, describe, place
from .tensor import Tensor, caller


def nest(f: Callable[[Any, str], Any], value: Any, name: str = "input") -> Any:
    """The same nest of tuples, lists and dicts, with f(leaf, name) for its tensors and arrays. Raises GraphError."""
    if isinstance(value, (Tensor, np.ndarray)):
        return f(value, name)
    if isinstance(value, np.generic):
        return f(np.asarray(value), name)
    if isinstance(value, dict):
        return {k: nest(f, v, f"{name}[{k!r}]") for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        parts = [nest(f, v, f"{name}[{i}]") for i, v in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if value is None:
        return None
    raise frozen(value, name)


def frozen(value: Any, name: str) -> GraphError:
    return GraphError(describe(
        f"{name} of a graph is {value!r:.40} ({type(value).__name__}): a replay would keep it for ever.",
        made_at=place(caller()), fix="a number that changes goes in as np.float32(x), comes out as a tensor; one that "
                                     "does not belongs into the step"))


def leaves(value: Any) -> list[Any]:
    found: list[Any] = []
    nest(lambda x, name: found.append(x), value)
    return found


def flat(shapes: Any, name: str = "input") -> dict[str, tuple]:
    """name -> (shape, dtype), of a nest of them."""
    if isinstance(shapes, tuple) and len(shapes) == 2 and isinstance(shapes[1], str):
        return {name: shapes}
    pairs = shapes.items() if isinstance(shapes, dict) else enumerate(shapes or ())
    return {n: s for key, part in pairs for n, s in flat(part, f"{name}[{key!r}]").items()}
