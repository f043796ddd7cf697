"""The folders that students' processes write in, and the end of those whose grader was killed.

A worker in a sandbox of its own cannot remove the folder that is mounted for it, only what is in it. So the name says
who made it: the next worker on this machine removes what a process that is gone has left behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

_NAME = re.compile(r"autograder-(\d+)-(\d+)-\w+")


def make() -> Path:
    """A new folder that is this process's own, in the system's place for such; first removes what is left there."""
    sweep()
    return Path(tempfile.mkdtemp(prefix=f"autograder-{_namespace()}-{os.getpid()}-"))


def remove(folder: Path) -> None:
    """Remove a folder of `make`, whatever a student's process has left in it. Follows no link, raises nothing."""
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of processes that are gone: of this user, and of this process namespace alone.

    A container may share the place and not the processes; what its processes make is not ours to judge.
    """
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if match and int(match[1]) == _namespace() and not _alive(int(match[2])) and _ours(entry):
                remove(Path(entry.path))


def _ours(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.getuid()
    except OSError:
        return False


def _namespace() -> int:
    """The number of the namespace that process numbers are of; 0 where the system has none."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass                # another user's
    return True
