"""The measured table of docs/lectures.md: `python -m tests.lecture_docs` writes it from docs/proofs/*.json.

The inventory below the table is written by hand; `tests/test_lecture_docs.py` holds its names, its commands and its
rows to what is there.
"""
from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minigrad.experiments import Experiment, find, names
from minigrad.experiments._console import number

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "lectures.md"
BEGIN, END = "<!-- measured: python -m tests.lecture_docs -->\n", "<!-- end of measured -->\n"
FIGURE = re.compile(r"""ctx\.figure\(\s*f?"([^"]+)""")
IMPORTED = re.compile(r"from minigrad\.experiments import .*?(_\w+)|from minigrad\.experiments\.(_\w+) import")


def proofs(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of an experiment's proof, with the options each ran under: ("", ...) or (" --corpus notes", ...)."""
    for path in sorted((ROOT / "docs" / "proofs").glob(f"{name}*.json")):
        rest = path.stem.removeprefix(name)
        options = {f"_{c}": f" --{o.name} {c}" for o in find(name).options for c in o.choices}
        if rest in {"", *options}:
            record = json.loads(path.read_text())
            if "targets" in record:
                yield options.get(rest, ""), record


def figures(experiment: Experiment) -> list[str]:
    """The names of the figures that an experiment draws, read from its source and that of its helpers."""
    folder = ROOT / "minigrad" / "experiments"
    text = (folder / f"{experiment.name}.py").read_text()
    helpers = [a or b for a, b in IMPORTED.findall(text)]
    text += "".join((folder / f"{h}.py").read_text() for h in dict.fromkeys(helpers) if (folder / f"{h}.py").exists())
    return list(dict.fromkeys(re.sub(r"\{.*?\}", "...", name) for name in FIGURE.findall(text)))


def section(experiment: Experiment) -> str:
    """An experiment: slide, rows and figures, and a table of its targets for each record."""
    drawn = ", ".join(f"{name}.png" for name in figures(experiment))
    text = f"### {experiment.name}\n\n{experiment.slide}. Rows {', '.join(experiment.ids.split())}. Figures: {drawn}.\n"
    for options, record in proofs(experiment.name):
        seeds = ", ".join(map(str, record["seeds"]))
        text += (f"\n`minigrad run {experiment.name}{options} --seeds {seeds.replace(',', '')}`, {record['date']}, "
                 f"{experiment.unit}:\n\n| what | here | slide or paper | bar |\n|---|---|---|---|\n")
        text += "".join(f"| {' | '.join(cells)} |\n" for cells in rows(experiment, record))
    return text


def rows(experiment: Experiment, record: dict[str, Any]) -> Iterator[list[str]]:
    """What a run prints: each result beside the slide's number and its bar, then what else must hold."""
    targets = {t["target"]: t for t in record["targets"]}
    for name in sorted(record["results"], key=[*experiment.labels, *record["results"]].index):
        target = targets.pop(name, {"slide": None, "bar": "", "met": None})
        low, high = (f"{v:.4g}" for v in record["spread"][name])
        value = f"{record['results'][name]:.4g}" + (f" ({low} to {high})" if low != high else "")
        yield [experiment.labels.get(name, name.replace("_", " ")).replace("|", "\\|"), value,
               "" if target["slide"] is None else number(target["slide"]), _bar(target)]
    for target in targets.values():
        yield [target["target"], "yes" if target["met"] else "no", "", _bar(target)]


def _bar(target: dict[str, Any]) -> str:
    return target["bar"] + (", **missed**" if target["met"] is False else "")


def table() -> str:
    """All experiments, between the marks."""
    return BEGIN + "\n" + "\n".join(section(find(name)) for name in names()) + "\n" + END


def page(text: str) -> str:
    """The page with the table of today's records."""
    before, _, rest = text.partition(BEGIN)
    return before + table() + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
