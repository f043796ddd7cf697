from __future__ import annotations

from pathlib import Path

import click

from autograder.cli import emit, folder_argument, json_option


@click.command("status")
@folder_argument
@json_option
def command(folder: Path, as_json: bool) -> None:
    """List the assignments: handed in, graded, mean score.

    \b
    Example:
      autograder status mycourse
    """
    from autograder import show
    from autograder.course import Course, read_json

    found = Course.open(folder)
    rows = []
    for name in found.assignments():
        students = found.students(name)
        results = [r for r in (read_json(found.result_path(name, s)) for s in students) if isinstance(r, dict)]
        scores = [float(r.get("score", 0)) for r in results]
        rows.append({
            "assignment": name, "submitted": len(students), "graded": len(results),
            "unreadable": sum(r.get("status") != "graded" for r in results),
            "mean": round(sum(scores) / len(scores), 2) if scores else None,
            "max_score": max((float(r.get("max_score", 0)) for r in results), default=None)})
    if as_json:
        emit(rows)
    else:
        show.status(rows)
