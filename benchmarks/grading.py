"""The whole command on a class: `autograder grade` beside stock `nbgrader autograde`, same submissions, cold start.

Stock runs its own preprocessors; the hidden tests then run in the student's kernel and call the same Checks. It also
runs the picture cells, which the grader leaves out. The submissions are honest and right: the solution and the right
variants that the Checks know, each with a line of its own, so that no two draw the same inputs.

    python -m benchmarks grading --class 40 300
    python -m benchmarks further                # what one more submission costs: ours alone, two sizes in turn
"""
from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.workers import cores

from .pairs import Row, settle

ASSIGNMENT = "03_rnn"
ROOT = Path(__file__).resolve().parents[1]
FEW, MANY = 12, 20          # times stock's speed, at a class of 40 and of 300
SIZES = (40, 300)           # of which the difference says what one more submission costs
OWN_LIMIT = 0.060           # seconds of the wall, a further submission, besides students' code
STOCK = """\
from pathlib import Path
c = get_config()
root = Path(__file__).resolve().parent
c.CourseDirectory.root = str(root)
c.CourseDirectory.course_id = "stock"
c.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
"""


def grading(pairs: int, sizes: Sequence[int] = (40,)) -> dict[str, Any]:
    """`autograder grade` over stock `nbgrader autograde`, whole commands: at most 1/12 at 40, 1/20 at 300."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        master = make(Path(name) / "master", max(sizes))
        for size in sizes:
            turns = min(pairs, 3) if size <= 40 else 1
            taken: dict[str, list[float]] = {"ours": [], "stock": []}
            for _ in range(turns):
                ours = copy(master, Path(name) / "ours", size)
                taken["ours"].append(grade(ours)[0])
                stock = copy(master, Path(name) / "stock", size)
                (stock / "nbgrader_config.py").write_text(STOCK)
                took, _ = timed([sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT], stock)
                taken["stock"].append(took)
                print(f"{size}: ours {taken['ours'][-1]:.1f} s, stock {took:.1f} s", file=sys.stderr, flush=True)
                differ = [pair for pair in zip(scores(ours), scores(stock), strict=True) if pair[0] != pair[1]]
                assert not differ, f"the two gradebooks differ: {differ[:5]}"
            ratios = sorted(a / b for a, b in zip(*taken.values(), strict=True))
            rows.append(Row(f"a class of {size}", statistics.median(ratios), ratios[len(ratios) // 4],
                            ratios[-1 - len(ratios) // 4], statistics.median(taken["ours"]),
                            statistics.median(taken["stock"]), turns, 1, round(1 / (FEW if size <= 100 else MANY), 4)))
    return {"rows": rows}


def further(pairs: int) -> dict[str, Any]:
    """What one more submission costs: of the wall, and without students' code. Ours alone, classes of 40 and of 300."""
    few, many = SIZES
    found = []
    with tempfile.TemporaryDirectory() as name:
        master = make(Path(name) / "master", many)
        for _ in range(min(pairs, 3)):
            found.append(one_more(few, many, *[grade(copy(master, Path(name) / "ours", size)) for size in SIZES]))
            print(found[-1], file=sys.stderr, flush=True)
    median = sorted(found, key=lambda f: f["own_wall_seconds"])[len(found) // 2]
    return {"a_further_submission": {"between": [few, many], **median}, "all": found,
            "limit_own_wall_seconds": OWN_LIMIT, "held": median["own_wall_seconds"] <= OWN_LIMIT, "rows": []}


def one_more(few: int, many: int, small: tuple[float, float], large: tuple[float, float]) -> dict[str, float]:
    """What one more submission costs, of what `grade` says of a class of `few` and one of `many`."""
    wall, code = ((b - a) / (many - few) for a, b in zip(small, large, strict=True))
    return {"wall_seconds": round(wall, 4), "students_processor_seconds": round(code, 4),
            "own_wall_seconds": round(wall - code / cores(), 4)}


def grade(course: Path) -> tuple[float, float]:
    """Grade the class: seconds of the wall, and seconds of a processor that students' code took."""
    took, said = timed([sys.executable, "-m", "autograder", "grade", str(course), ASSIGNMENT], course)
    found = re.search(r"students' code ([\d.]+) s", said)
    assert found, said
    return took, float(found[1])


def make(course: Path, students: int) -> Path:
    """A course with the assignment, and a class that has handed in."""
    from autograder.course import Course
    from autograder.demo_class import Classroom
    from autograder.make_course import make as make_course

    make_course(course, ROOT / "solutions" / ASSIGNMENT)
    opened = Course.open(course)
    assignment = opened.load(ASSIGNMENT)
    assert assignment is not None
    release = json.loads((opened.release / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_text(encoding="utf-8"))
    room = Classroom(assignment, release, course)
    for i in range(students):
        right = {name: [room.solution[name], *(v.source.strip() for v in check.variants)]
                 for name, check in room.checks.items()}
        answers = {name: f"{texts[i % len(texts)]}\n# {i}\n" for name, texts in right.items()}
        folder = opened.submitted / f"s{i:05}" / ASSIGNMENT
        folder.mkdir(parents=True)
        (folder / f"{ASSIGNMENT}.ipynb").write_bytes(room.notebook(answers))
    return course


def copy(master: Path, to: Path, size: int) -> Path:
    """A fresh copy of the course with the first `size` submissions."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(master, to, ignore=shutil.ignore_patterns("submitted"))
    for folder in sorted((master / "submitted").iterdir())[:size]:
        shutil.copytree(folder, to / "submitted" / folder.name)
    return to


def timed(command: list[str], folder: Path) -> tuple[float, str]:
    """Run a command in the course's folder: the seconds it took, and what it said."""
    env = {**os.environ, "PYTHONPATH": str(ROOT),
           "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])}
    settle()
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    took = time.perf_counter() - began
    assert done.returncode == 0, done.stderr[-2000:]
    return took, done.stderr


def scores(course: Path) -> list[tuple[str, float]]:
    """Student and total, from the gradebook."""
    query = """SELECT a.student_id, sum(g.auto_score) FROM grade g JOIN submitted_notebook n ON n.id = g.notebook_id
        JOIN submitted_assignment a ON a.id = n.assignment_id GROUP BY a.student_id ORDER BY a.student_id"""
    with sqlite3.connect(course / "gradebook.db") as db:
        return list(db.execute(query))
