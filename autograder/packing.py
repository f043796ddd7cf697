"""Zips that this program writes: the same files make the same zip, and it appears whole or not at all."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

A_DATE = (1980, 1, 1, 0, 0, 0)


@contextmanager
def packed(path: Path) -> Iterator[Callable[..., None]]:
    """Write a zip to `path`. What it gives takes a name, the bytes and `executable=True` for a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with zipfile.ZipFile(part, "w") as archive:
            def add(name: str, data: bytes, *, executable: bool = False) -> None:
                info = zipfile.ZipInfo(name, A_DATE)
                info.external_attr = (0o755 if executable else 0o644) << 16
                archive.writestr(info, data, zipfile.ZIP_DEFLATED)

            yield add
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
