"""The one place that knows how this software is installed; every printed install line comes from here.

The names `minigrad` and `autograder` on the package index belong to others, and the distribution (`minigrad-course`)
is not published yet. So a line names the checkout that the code runs from, or else a wheel file.
"""

from __future__ import annotations

import json
import os
import tomllib
from importlib import metadata
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

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


def source_folder() -> Path | None:
    """The checkout that `pip install .` copied this package from, where pip noted it and the folder is still there."""
    try:
        noted = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    url = urlparse(noted.get("url", ""))
    if url.scheme != "file" or "dir_info" not in noted:
        return None
    return checkout_root(Path(url2pathname(url.path)) / "minigrad" / "install.py")


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
    root = checkout_root(start) or (source_folder() if start is None else None)
    if root is None:
        return f'pip install "minigrad_course-{version()}-py3-none-any.whl{wanted}"'
    try:
        below = root.relative_to(Path.cwd().resolve())
        where = "." if below == Path(".") else f".{os.sep}{below}"
    except ValueError:
        where = str(root)
    return f'pip install "{where}{wanted}"'
