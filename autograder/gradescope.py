"""Gradescope: a results.json a student, an autograder to upload, and what runs in its container.

The forms are those of Gradescope's documentation, *Autograder Specifications*: the zip has `setup.sh` and
`run_autograder` at its root and is unpacked to /autograder/source; the work lies in /autograder/submission; the result
goes to /autograder/results/results.json. There the same grader runs as everywhere, with the sandbox inside the
container: Gradescope's own wall stands around the grader and the checks, and not between them and the student's code.

    python -m autograder.gradescope /autograder        what run_autograder runs
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import notebook_out, pipeline, roster, times
from autograder.course import Course, read_record, write_atomically
from autograder.errors import AutograderError
from autograder.packing import packed
from autograder.sheet import TIMESTAMP
from autograder.show import printable

if TYPE_CHECKING:
    from autograder.export import Grade

MAX_OUTPUT = 20_000
SKIPPED = ("__pycache__", ".mypy_cache", ".ruff_cache")

RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for every submission. No results.json is written where the grader itself fails: then Gradescope
# says that the autograder failed, and nobody gets a 0 for it.
set -eu
ROOT="${AUTOGRADER_ROOT:-/autograder}"
export PYTHONPATH="$ROOT/source/package" OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
exec "${AUTOGRADER_PYTHON:-$ROOT/venv/bin/python}" -m autograder.gradescope "$ROOT"
"""

SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, while it builds the image: Python 3.11 or newer, and the packages of the grader.
set -eu
ROOT="${AUTOGRADER_ROOT:-/autograder}"
export DEBIAN_FRONTEND=noninteractive

newest() {
    for name in python3.13 python3.12 python3.11; do
        if command -v "$name"; then return 0; fi
    done
    return 1
}

apt-get update -qq
if ! newest; then
    apt-get install -y -qq python3.13 || apt-get install -y -qq python3.12 || apt-get install -y -qq python3.11
fi
PYTHON="$(newest)"
apt-get install -y -qq "$(basename "$PYTHON")-venv" bubblewrap
"$PYTHON" -m venv "$ROOT/venv"
"$ROOT/venv/bin/python" -m pip install --quiet --requirement "$ROOT/source/requirements.txt"
# For the build's log: which layer of the sandbox holds here.
PYTHONPATH="$ROOT/source/package" "$ROOT/venv/bin/python" -m autograder doctor || true
"""


# results --------------------------------------------------------------------------------------------------------------

def results(result: Mapping[str, Any], *, scores: Mapping[tuple[str, str], tuple[float | None, float]] | None = None,
            total: float | None = None, more: Sequence[str] = (), quote: bool = True) -> dict[str, Any]:
    """A result in Gradescope's form. `scores` and `total` stand for the result's own where a person has graded too;
    `quote`: with the sentences, which may quote a line of the student's."""
    told = {(str(c.get("notebook") or result.get("assignment")), str(c["grade_id"])): c
            for c in result.get("cells", [])}
    if scores is None:
        scores = {key: (float(c["score"]), float(c["points"])) for key, c in told.items()}
    several = len({notebook for notebook, _ in scores}) > 1
    tests = []
    for i, ((notebook, name), (score, most)) in enumerate(scores.items(), start=1):
        cell = told.get((notebook, name))
        title = (cell or {}).get("function") or name
        test: dict[str, Any] = {"name": printable(f"{notebook}: {title}" if several else title), "number": str(i),
                                "max_score": most, "output_format": "text", "visibility": "visible"}
        if score is None:
            test["output"] = "waits for manual grading"
        else:
            test |= {"score": score, "status": "passed" if score >= most else "failed"}
            if cell is not None and quote:
                test["output"] = _text(notebook_out.message(_for_student(cell)))
        tests.append(test)
    lines = [*more, *(str(n) for n in result.get("notes", ()) if quote)]
    return {"score": float(result.get("score", 0.0)) if total is None else total,
            "execution_time": round(float(result.get("seconds", 0.0)), 3), "output": _text("\n".join(lines)),
            "output_format": "text", "visibility": "visible", "stdout_visibility": "hidden", "tests": tests}


def _for_student(cell: Mapping[str, Any]) -> dict[str, Any]:
    """The cell without what is for the instructor alone."""
    return {**cell, "notes": [n for n in cell.get("notes") or [] if n != pipeline.FORGEABLE]}


def _text(text: str) -> str:
    return "\n".join(printable(line) for line in text[:MAX_OUTPUT].splitlines())


def write(course: Course, assignment: str, grades: Sequence[Grade], out: Path, *, anonymous: bool) -> list[Path]:
    """Write results/STUDENT.json and autograder.zip into the folder `out`; only the zip where `out` ends in .zip."""
    if out.suffix.casefold() == ".zip":
        return [build(course, assignment, out)]
    paths = [out]
    for g in grades:
        if g.score is None:
            continue
        scores = {(c.notebook, c.grade_id): (c.score, c.max_score) for c in g.cells}
        more = [f"late: {g.penalty:g} points off"] if g.penalty else []
        more += ["a part still waits for manual grading"] if any(c.score is None for c in g.cells) else []
        found = results({"assignment": assignment, **g.result}, scores=scores, total=g.score, more=more,
                        quote=not anonymous)
        path = out / "results" / f"{g.student}.json"
        write_atomically(path, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        paths.append(path)
    return [*paths, build(course, assignment, out / "autograder.zip")]


# the autograder -------------------------------------------------------------------------------------------------------

def build(course: Course, assignment: str, out: Path) -> Path:
    """Write the zip to upload: the grader's code, and a course of this assignment alone.

    No student, no grade, no setting of nbgrader's and no secret of the course goes in; the new course has a secret of
    its own. Raises AutograderError.
    """
    with tempfile.TemporaryDirectory() as name:
        small = Path(name) / "course"
        _small_course(course, assignment, small)
        with packed(out) as add:
            add("setup.sh", SETUP.encode(), executable=True)
            add("run_autograder", RUN.encode(), executable=True)
            add("requirements.txt", "".join(f"{line}\n" for line in requirements()).encode())
            for path in _files(small):
                add(f"course/{path.relative_to(small).as_posix()}", path.read_bytes())
            here = Path(__file__).resolve().parent.parent
            for package in ("minigrad", "autograder"):
                for path in _files(here / package):
                    add(f"package/{path.relative_to(here).as_posix()}", path.read_bytes())
    return out


def _small_course(course: Course, assignment: str, to: Path) -> None:
    from autograder.make_course import generate_release

    to.mkdir()
    shutil.copyfile(course.root / "course.toml", to / "course.toml")
    for folder in (course.source / assignment, course.checks / assignment):
        if folder.is_dir():
            shutil.copytree(folder, to / folder.relative_to(course.root),
                            ignore=shutil.ignore_patterns(*SKIPPED, ".ipynb_checkpoints"))
    small = Course.open(to)
    small.secret()
    generate_release(small, assignment)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc" and not any(p in SKIPPED for p in path.parts):
            yield path


def requirements() -> list[str]:
    """The grading extra, each at the version that grades here; raises AutograderError where that is not known."""
    try:
        wanted = metadata.requires("minigrad-course") or []
    except metadata.PackageNotFoundError:
        raise AutograderError("this software runs from a copied folder: install it, so that the zip can name the "
                              "packages it needs") from None
    lines = []
    for line in wanted:
        name = re.match(r"[\w.-]+", line)
        if name and ("extra ==" not in line or re.search(r"extra == ['\"]grading['\"]", line)):
            lines.append(f"{name[0]}=={metadata.version(name[0])}")
    return sorted(lines)


# in the container -----------------------------------------------------------------------------------------------------

def grade(root: Path) -> dict[str, Any]:
    """Grade what lies in `root`/submission and write `root`/results/results.json; returns what was written.

    Raises AutograderError (also NoSandbox) where the grader itself fails, and writes nothing then.
    """
    from autograder.driver import grade as run

    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(root / "source" / "course", Path(name) / "course")
        course = Course.open(Path(name) / "course")
        assignment = course.assignments()[0]
        student, notes = _hand_in(course, assignment, root, Path(name))
        result = run(course.root, assignment, students=[student], jobs=1, layer="auto")[0]
    if result["status"] == pipeline.ERROR:
        raise AutograderError(str(result["notes"][0]))
    by_hand = float(result["max_score"]) - sum(float(c["points"]) for c in result["cells"])
    if by_hand > 0:
        notes.append(f"{by_hand:g} points more are given by a person")
    found = results(result, more=notes)
    write_atomically(root / "results" / "results.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return found


def _hand_in(course: Course, assignment: str, root: Path, staging: Path) -> tuple[str, list[str]]:
    """Put the submission where the course has submissions; the student's id and what is to be said."""
    from autograder import downloads, entries, pick

    about = read_record(root / "submission_metadata.json")
    users = about.get("users") if isinstance(about.get("users"), list) else []
    mail = users[0].get("email") if users and isinstance(users[0], dict) else None
    student = roster.safe_id(str(mail or "")) or "student"
    refused: list[str] = []
    hand_in = downloads.HandIn(student, student, [])
    reader = downloads.Reader(staging, None, lambda name, why: refused.append(f"'{printable(name)}' {why}"))
    with entries.opened(root / "submission", reader.refuse) as found:
        for entry in found:
            reader.take(hand_in, entry, entry.name)
    chosen, _, notes = pick.choose(hand_in.files, pick.notebooks(course, assignment))
    folder = course.submitted / student / assignment
    folder.mkdir(parents=True)
    for name, file in chosen.items():
        shutil.copyfile(file.path, folder / f"{name}.ipynb")
    if when := times.parse(str(about.get("created_at") or "")):
        (folder / TIMESTAMP).write_text(times.stamp(when), encoding="utf-8")
    return student, [*hand_in.notes, *refused, *notes]


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade the one submission; 1 where the grader itself failed."""
    from autograder.sandbox import NoSandbox

    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        found = grade(Path(words[0] if words else "/autograder"))
    except (AutograderError, NoSandbox, OSError) as e:
        print(f"autograder: not graded: {' '.join(str(e).split())}", file=sys.stderr)
        return 1
    print(f"graded: {found['score']:g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
