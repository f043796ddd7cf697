"""The graded notebook: the verdict first, then what the student should read, then what the student's code printed.

nbgrader's `determine_grade` walks a cell's outputs and stops at the first that it understands: an error or anything on
stderr is 0, an execute_result is the score, and no output at all is full marks. So the trusted side writes the verdict
as the first output, always, and everything that came from the student is turned into stdout text or a PNG, which never
count. What a page would execute is made harmless here (see neutral.py), because the formgrader shows this file.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from autograder import neutral, submission
from autograder.submission import Submission

WIDTH = 88                  # the feedback page's boxes hold 95
MAX_OUTPUTS = 60
MAX_TEXT = 256 << 10        # characters of a student's text cells in all: at worst a page takes 4 s for 64 KB
_EMPHASIS = re.compile(r"(?<![\w*])\*(\S[^*\n]*\S)\*(?![\w*])")    # *a slide's title*: plain text has no italics


def message(result: Mapping[str, Any]) -> str:
    """A cell's result as the student reads it: points, parts, the reason, the idea behind the mistake, a question."""
    name = result.get("function") or result["grade_id"]
    lines = [f"{name}: {_number(result['score'])} of {_number(result['points'])} points"]
    parts = result.get("parts") or []
    width = max((len(p["name"]) for p in parts), default=0)
    for p in parts:
        mark = "ok " if p["ok"] else "   "
        lines.append(f"  {mark} {p['name']:<{width}}  {_number(p['earned'])} of {_number(p['points'])}")
        if not p["ok"] and p.get("sentence"):
            lines += wrap(p["sentence"], "        ")
    if result.get("message"):
        lines += ["", *wrap(result["message"])]
    for m in result.get("misconceptions") or []:
        lines += ["", *wrap(f"What may be behind it: {m['sentence']}")]
    if result.get("question"):
        lines += ["", *wrap(f"Question: {result['question']}")]
    for note in result.get("notes") or []:
        lines += wrap(f"Note: {note}")
    return "\n".join(lines) + "\n"


def wrap(text: str, indent: str = "") -> list[str]:
    """The lines of a text, wrapped at WIDTH; its own line breaks stay (a quoted line of code, a table of shapes)."""
    rows = str(text).split("\n")
    rows = [_EMPHASIS.sub(r"\1", row) for row in rows]
    return [line for row in rows for line in textwrap.wrap(
        row, WIDTH, initial_indent=indent, subsequent_indent=indent + row[:len(row) - len(row.lstrip())],
        drop_whitespace=True, break_on_hyphens=False) or [""]]


def _number(value: float) -> str:
    return f"{float(value):g}"


def verdict(score: float, reason: str = "", message: str = "") -> dict[str, Any]:
    """The output that decides the score: the number, or an error for 0, so that pages show a failed test as one.

    `message` is for where no longer one follows.
    """
    if score > 0:
        return {"output_type": "execute_result", "execution_count": None, "metadata": {},
                "data": {"text/plain": repr(float(score))}}
    name = {"timeout": "TooSlow", "died": "ProcessDied", "not_written": "NotWrittenYet", "missing": "Missing"}.get(
        reason, "HiddenTestFailed")
    line = f"{name}: {message or '0 points, for the reason below'}"
    return {"output_type": "error", "ename": name, "evalue": line.partition(": ")[2], "traceback": [line]}


def stdout(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def demoted(outputs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The student's own outputs as stdout text and PNG pictures: nothing that nbgrader counts or a page executes."""
    kept: list[dict[str, Any]] = []
    for o in list(outputs)[:MAX_OUTPUTS]:
        kind = o.get("output_type")
        found = o.get("data")
        data: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        if kind == "stream":
            text = neutral.output_text(o.get("text", ""))
        elif kind == "error":
            trace = o.get("traceback")
            rows = trace if isinstance(trace, list) and trace else [f"{o.get('ename')}: {o.get('evalue')}"]
            text = neutral.output_text("\n".join(map(str, rows))) + "\n"
        else:
            picture = neutral.png(data.get("image/png")) if "image/png" in data else None
            if picture:
                kept.append({"output_type": "display_data", "metadata": {}, "data": {"image/png": picture}})
                continue
            text = neutral.output_text(data["text/plain"]) + "\n" if "text/plain" in data else ""
        if not text:
            continue
        if kept and kept[-1]["output_type"] == "stream":
            kept[-1]["text"] += text
        else:
            kept.append(stdout(text))
    return kept


def build(sub: Submission, outputs: Mapping[str, list[dict[str, Any]]]) -> Any:
    """The autograded notebook (an nbformat NotebookNode); `outputs` by cell id are already in the order they stand in.

    Hidden tests are left out of the test cells: the formgrader and the feedback show this notebook, and nothing reads
    them from here any more.
    """
    from nbformat.notebooknode import from_dict

    cells, left = [], MAX_TEXT
    for cell in sub.cells:
        source = submission.visible(cell.source) if cell.spec and cell.spec.test else cell.source
        node: dict[str, Any] = {"cell_type": cell.cell_type, "id": _cell_id(cell.id), "source": source,
                                "metadata": cell.spec.metadata() if cell.spec else {}}
        if cell.cell_type == "code":
            node |= {"execution_count": None, "outputs": outputs.get(cell.id, [])}
        elif not (cell.trusted or (cell.spec and source == cell.spec.source)):
            node["source"] = neutral.markdown(source, left)
            left -= min(len(source), left)
        cells.append(node)
    metadata = {"language_info": {"name": "python"}}
    if sub.kernelspec:
        metadata["kernelspec"] = sub.kernelspec
    return from_dict({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def _cell_id(name: str) -> str:
    """nbformat allows 64 letters, digits, - and _; a grade_id has the same letters but may be longer."""
    return name if len(name) <= 64 else f"cell-{submission.digest(name)}"
