"""The form of a case: what is handed in, and what must come of it.

    CASE = Case(
        "endless loops",
        double="def double(x):\\n    while True: pass",
        lost={"double": ("timeout", "too slow")},
        incident="timeout",
    )

A submission is the right solution with the functions that are named replaced; `setup` is an added cell before them.
`edit(notebook, place)` changes the notebook, or gives other bytes in its place; `beside(folder, place)` puts files and
links where the notebook lies. Functions that neither `lost` nor `partly` names must earn all their points.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Notebook = dict[str, Any]
Place = Mapping[str, str]       # what an attacker who knows the machine would know: "course", "neighbour", "python"

HERE = Path(__file__).parent
NAME = "01_hostile"
POINTS = {"double": 4.0, "layer": 10.0, "layer_backward": 12.0, "sums": 8.0, "firsts": 4.0}

# The kinds that the corpus has to hold: at least one case of each.
KINDS = (
    "endless loops", "fork bombs", "memory floods", "disk floods", "output floods", "exits", "crashes",
    "stopped and daemonised processes", "threads left running", "file descriptors", "network", "reading files",
    "reading processes", "patching", "frames and gc", "forged outputs", "changed cells", "broken files", "links",
    "kernels and formats", "encodings", "lying objects", "wrong values", "aliasing", "numerical gradients",
    "other implementations", "channels", "pipe protocol", "markup", "hidden inputs", "earlier functions",
)


@dataclass(frozen=True)
class Case:
    """One hostile submission. `lost`: function -> (reason codes, "|" between them; a phrase that the student reads)."""

    kind: str
    setup: str = ""
    double: str = ""
    layer: str = ""
    layer_backward: str = ""
    sums: str = ""
    firsts: str = ""
    edit: Callable[[Notebook, Place], Notebook | bytes] | None = None
    beside: Callable[[Path, Place], None] | None = None
    lost: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    partly: Mapping[str, tuple[float, str]] = field(default_factory=dict)   # function -> (points, phrase)
    incident: str = ""
    status: str = "graded"
    reason: str = ""            # a phrase of the submission's notes, where the whole is judged

    def points(self, function: str) -> float:
        """What a function must earn."""
        if self.status != "graded" or function in self.lost:
            return 0.0
        return self.partly[function][0] if function in self.partly else POINTS[function]

    def submission(self, solved: Notebook, place: Place) -> bytes:
        """The bytes of the notebook."""
        notebook: Notebook = json.loads(json.dumps(solved))
        for function in POINTS:
            if source := getattr(self, function):
                cell(notebook, function.replace("_", "-"))["source"] = fill(source, place)
        if self.setup:
            notebook["cells"].insert(2, {"cell_type": "code", "metadata": {}, "id": "added", "outputs": [],
                                         "execution_count": None, "source": fill(self.setup, place)})
        made = self.edit(notebook, place) if self.edit else notebook
        return made if isinstance(made, bytes) else json.dumps(made).encode()


def fill(source: str, place: Place) -> str:
    """<COURSE> in a source is the course's folder, and so on."""
    for name, value in place.items():
        source = source.replace(f"<{name.upper()}>", value)
    return source.strip("\n")


def cell(notebook: Notebook, grade_id: str) -> dict[str, Any]:
    """The cell of this grade_id."""
    found = [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id]
    assert found, f"no cell {grade_id}"
    return found[0]


def cases() -> dict[str, Case]:
    """All cases by the name of their file."""
    names = sorted(p.stem for p in (HERE / "cases").glob("*.py") if p.stem != "__init__")
    return {n: importlib.import_module(f"tests.hostile.cases.{n}").CASE for n in names}
