"""The one place that knows how this software is installed; every printed install line comes from here.

The names `minigrad` and `autograder` on the package index belong to others, and the distribution (`minigrad-course`)
is not published yet. So a line names the checkout that the code runs from, or else a wheel file.
"""

from __future__ import annotations

import os
import tomllib
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "minigrad-course"


def checkout_root(start: Path | None = None) -> Path | None:
    """The checkout that this package runs from, or None when it was installed from a wheel.

    A folder counts when it holds a `pyproject.toml` of this distribution beside the package.
    """
    root = (start or Path(__file__)).resolve().parent.parent
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return root if project.get("project", {}).get("name") == DISTRIBUTION else None


def version() -> str:
    """The installed version; a word to fill in where none is recorded (a copied folder)."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "VERSION"


def install_line(extra: str | None = None, start: Path | None = None) -> str:
    """The command that installs this software, with `extra` (such as "grading") where one is asked for.

    It can be pasted as it stands: the path is quoted, and relative when the checkout lies below the current folder.
    `start` is the file whose checkout is looked for (tests hand in another).
    """
    wanted = f"[{extra}]" if extra else ""
    root = checkout_root(start)
    if root is None:
        return f'pip install "minigrad_course-{version()}-py3-none-any.whl{wanted}"'
    try:
        below = root.relative_to(Path.cwd().resolve())
        where = "." if below == Path(".") else f".{os.sep}{below}"
    except ValueError:
        where = str(root)
    return f'pip install "{where}{wanted}"'
