"""A checkpoint: nested dicts and lists of arrays, numbers and text, in one npz file. Data only: reading runs no code.

The arrays stand under "0", "1", ...; the rest is JSON under "tree", where {"array": i} marks the place of an array.
"""
from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..tensor import Tensor


def save(path: Path, tree: Any) -> None:
    """Write a tree whole or not at all: a run that is killed leaves the checkpoint before."""
    arrays: list[np.ndarray] = []
    text = json.dumps(_take(tree, arrays))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    named: dict[str, Any] = {str(i): a for i, a in enumerate(arrays)}
    with temporary.open("wb") as file:
        np.savez(file, tree=np.array(text), **named)
    os.replace(temporary, path)


def load(path: Path) -> Any:
    """The tree of a file, arrays as NumPy's; None where there is no file, or none that can be read."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return _put(json.loads(str(file["tree"])), file)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _take(tree: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(tree, Tensor):
        tree = tree.device.numpy(tree.data)
    if isinstance(tree, np.ndarray):
        arrays.append(tree)
        return {"array": len(arrays) - 1}
    if isinstance(tree, Mapping):              # pairs, since JSON would turn the keys of an optimiser's state into text
        return {"dict": [[_take(k, arrays), _take(v, arrays)] for k, v in tree.items()]}
    if isinstance(tree, (list, tuple)):
        return [_take(v, arrays) for v in tree]
    return tree.item() if isinstance(tree, np.generic) else tree


def _put(tree: Any, file: Any) -> Any:
    if isinstance(tree, list):
        return [_put(v, file) for v in tree]
    if isinstance(tree, dict):
        return file[str(tree["array"])] if "array" in tree else {_put(k, file): _put(v, file) for k, v in tree["dict"]}
    return tree
