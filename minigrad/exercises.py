"""The course's notebooks, copied into a student's folder: from the installed package, or from the checkout."""
from __future__ import annotations

import difflib
import shutil
from collections.abc import Sequence
from pathlib import Path

from .errors import MinigradError
from .install import checkout_root, install_line


class ExercisesError(MinigradError):
    """The notebooks cannot be copied: none are here, no such name, or a file is in the way."""


def source() -> Path | None:
    """The folder that holds the release notebooks, one folder an assignment; None if there is none."""
    root = checkout_root()
    places = [Path(__file__).parent / "_exercises", *([root / "exercises"] if root else [])]
    return next((p for p in places if p.is_dir() and any(p.glob("*/*.ipynb"))), None)


def copy(folder: Path, names: Sequence[str] = (), force: bool = False) -> list[Path]:
    """Copy the assignments (all, or those named) to folder/NAME/ and return the files written.

    A file that is there with other content is a student's work: then nothing at all is copied, unless `force` is set,
    which overwrites it.  Raises ExercisesError with what to type next.
    """
    home = source()
    if home is None:
        raise ExercisesError(f"this installation has no notebooks; install the whole package: {install_line('course')}")
    known = sorted(p.parent.name for p in home.glob("*/*.ipynb"))
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            raise ExercisesError(f"no assignment '{name}'." + (f" Did you mean '{near[0]}'?" if near else "")
                                 + f" There are: {', '.join(known)}")
    if folder.exists() and not folder.is_dir():
        raise ExercisesError(f"'{folder}' is a file; name a folder")
    wanted = [p for name in dict.fromkeys(names or known) for p in sorted((home / name).rglob("*"))
              if p.is_file() and not any(part.startswith(".") for part in p.relative_to(home).parts)]
    pairs = [(p, folder / p.relative_to(home)) for p in wanted]
    pairs = [(p, to) for p, to in pairs if not (to.is_file() and to.read_bytes() == p.read_bytes())]
    inside = [to for _, to in pairs if to.exists()]
    if inside and not force:
        more = f" and {len(inside) - 1} more" if len(inside) > 1 else ""
        raise ExercisesError(f"'{inside[0]}'{more} holds other content, perhaps your work: nothing was copied. "
                             "Name the assignments to copy, or --force to overwrite")
    for p, to in pairs:
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(p, to)
    return [to for _, to in pairs]
