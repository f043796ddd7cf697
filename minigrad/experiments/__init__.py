"""The lectures' experiments, one a file: data, model, training, the figure, the numbers it must reach.

`minigrad list` shows them, `minigrad run NAME` runs one. A file `NAME.py` here with an `Experiment` of that name is all
that a new one needs.
"""
from __future__ import annotations

import difflib
import importlib
import pkgutil

from ._options import Option
from .harness import Context, Experiment, ExperimentError, Target

__all__ = ["Context", "Experiment", "ExperimentError", "Option", "Target", "UnknownExperiment", "find", "names"]


class UnknownExperiment(ExperimentError):
    """There is no experiment of that name; the message holds the nearest one."""


def names() -> list[str]:
    """The names of all experiments: the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "harness" and not m.name.startswith("_"))


def find(name: str) -> Experiment:
    """The experiment of that name. Raises UnknownExperiment with the nearest name."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.5)
        raise UnknownExperiment(f"no experiment '{name}'." + (f" Did you mean '{near[0]}'?" if near else "")
                                + " (minigrad list shows all)")
    module = importlib.import_module(f"{__name__}.{name}")
    return next(e for e in vars(module).values() if isinstance(e, Experiment) and e.name == name)
