"""Open a file that a student may have made: a regular one, and no link is followed, not even one that just came."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path


class NotPlain(Exception):
    """It is a folder, a pipe or a device."""


def open_plain(root: Path, parts: Sequence[str]) -> int:
    """A descriptor for reading the file `parts` below `root`, opened folder by folder. Raises OSError and NotPlain."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for i, part in enumerate(parts):
            # O_NONBLOCK: opening a named pipe would wait for ever
            kind = os.O_NONBLOCK if i == len(parts) - 1 else os.O_DIRECTORY
            below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | kind, dir_fd=fd)
            os.close(fd)
            fd = below
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotPlain
    except (OSError, NotPlain):
        os.close(fd)
        raise
    return fd
