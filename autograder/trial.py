"""`autograder doctor --attack FILE.ipynb`: grade anybody's attack in a throwaway course and say what it got.

The course is a real one, with canaries where an attacker would like to be: in the hidden tests, the solution, the
course's secret, the gradebook, the environment and the work of two honest neighbours, one graded before the attack and
one after it by the same worker. The attack is graded as `autograder grade` does it; then all that came out is searched
for canaries, and each point that it earned is asked for once more, in a place where there is nothing to steal.

In the notebook, <COURSE> <NEIGHBOUR> <PORT> <ABSTRACT> <PID> <PYTHON> stand for what an attacker who knows the machine
would know: the course's folder, a classmate's file, a port and an abstract socket that listen, the grader's process and
its interpreter.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.errors import AutograderError, UnknownName

LIMITS = {"draw": 1.0, "cell": 3.0, "submission": 10.0}
FIRST, ATTACKER, LAST = "a-neighbour", "m-attacker", "z-neighbour"
GIVEN = "03_rnn"            # the assignment where the notebook belongs to none that is known
SHARED = ("/tmp", "/var/tmp", "/dev/shm")
SMALL = 1 << 20             # bytes; a larger file that appears there is not searched


@dataclass
class Trial:
    """What an attack got. `got` is empty where it got nothing."""

    file: str
    assignment: str
    layer: str
    seconds: float
    score: float
    max_score: float
    cells: list[str]                # what became of each graded cell, in words
    canaries: int                   # how many were planted, and in how many texts they were looked for
    searched: int
    got: dict[str, list[str]] = field(default_factory=dict)     # by kind: points, canaries, files, processes, ...


def attack(notebook: str | Path, assignment: str = "", layer: str | None = None,
           solutions: str | Path | None = None) -> Trial:
    """Grade the notebook beside honest neighbours and look what it got.

    `assignment` is one of `solutions` (the checkout's); by default the one whose cells the notebook has. `layer` as in
    Sandbox. Raises AutograderError where there is no such file or assignment, NoSandbox where no layer works.
    """
    from autograder.sandbox import Sandbox

    path = Path(notebook)
    if not path.is_file():
        raise AutograderError(f"there is no notebook '{notebook}'")
    data = path.read_bytes()
    folder = _assignment(assignment, data, solutions)
    with Sandbox(layer) as sandbox:
        layer = sandbox.layer
    with tempfile.TemporaryDirectory(prefix="autograder-attack-") as root:
        return _Trial(Path(root), path.name, data, folder, layer).run()


def _assignment(name: str, data: bytes, solutions: str | Path | None) -> Path:
    """The folder of the assignment `name`, or of the one that has most of the notebook's graded cells."""
    from autograder import submission
    from autograder.assignment import Assignment
    from autograder.make_course import find_solutions

    found = {p.name: p for p in find_solutions(solutions)}
    if not found:
        raise AutograderError("an attack needs solutions/ of a checkout to be tried on; a wheel holds no solutions")
    if not name:
        try:
            mine = {c["grade_id"] for c in submission.read_cells(data)[0]}
        except submission.Unreadable:
            mine = set()
        shared = {n: len(mine & set(Assignment(p).checks)) for n, p in found.items()}
        name = max(shared, key=lambda n: (shared[n], n == GIVEN))
    if name not in found:
        raise UnknownName("assignment", name, "the solutions", found)
    return found[name]


class _Trial:
    """One run, in the folder `root`."""

    def __init__(self, root: Path, file: str, data: bytes, folder: Path, layer: str) -> None:
        self.root, self.file, self.data, self.folder, self.layer = root, file, data, folder, layer
        self.name, self.course = folder.name, root / "course"
        self.tokens = {where: "CANARY-" + secrets.token_hex(8) for where in (
            "the hidden tests", "the solution", "the gradebook", "the environment", "a neighbour's work")}
        self.got: dict[str, list[str]] = {}

    def run(self) -> Trial:
        self.make()
        before, names = self.digests(), _names()
        began = time.monotonic()
        with _listening() as (port, abstract, heard):
            self.hand_in(port, abstract)
            said = self.grade()
        seconds = round(time.monotonic() - began, 1)
        result = self.result(ATTACKER)
        texts = {"what was printed": said, **self.outputs()}
        self.note("canaries", [f"{what}: {where}" for where, text in texts.items()
                               for what, token in self.canaries(where).items() if token in text])
        after = self.digests()
        self.note("files", [f"{n} is {'changed' if n in before else 'new'}" for n, d in after.items()
                            if before.get(n) != d] + [f"{n} is gone" for n in before if n not in after])
        self.note("files", [f"a canary lies in {path}" for path in _names() - names if self.holds_canary(path)])
        self.note("network", sorted(set(heard)))
        self.note("neighbours", self.neighbours(result))
        self.note("points", self.forged(result))
        cells = [f"{c['function'] or c['grade_id']}: {c['score']:g} of {c['points']:g}, {c['reason']}"
                 for c in result["cells"]]
        return Trial(self.file, self.name, self.layer, seconds, result["score"], result["max_score"], cells,
                     len(self.canaries("")), len(texts), self.got)

    def note(self, kind: str, found: list[str]) -> None:
        if found:
            self.got.setdefault(kind, []).extend(found)

    # ----- Before

    def make(self) -> None:
        """The course, with canaries in the copies of its checks and solution, and in its gradebook."""
        import re

        from autograder.make_course import make

        solutions = self.root / "solutions" / self.name
        shutil.copytree(self.folder, solutions)
        notebook, checks = solutions / "notebook.py", solutions / "checks.py"
        text = notebook.read_text(encoding="utf-8")
        for marker, where in (("BEGIN SOLUTION", "the solution"), ("BEGIN HIDDEN TESTS", "the hidden tests")):
            text = re.sub(rf"(?m)^([ \t]*)(### {marker}.*)$", rf"\1\2\n\1# {self.tokens[where]}", text)
        notebook.write_text(text, encoding="utf-8")
        checks.write_text(f"{checks.read_text(encoding='utf-8')}\n# {self.tokens['the hidden tests']}\n", "utf-8")
        make(self.course, solutions)
        config = self.course / "course.toml"
        text = config.read_text(encoding="utf-8")
        for limit, value in LIMITS.items():
            text = re.sub(rf"(?m)^{limit} = [\d.]+", f"{limit} = {value}", text)
        config.write_text(text, encoding="utf-8")
        for student in (FIRST, LAST):
            self.put(student, json.dumps(self.honest()).encode())
        with contextlib.closing(sqlite3.connect(self.course / "gradebook.db")) as db, db:
            db.execute("INSERT INTO student (id, last_name) VALUES (?, ?)", (FIRST, self.tokens["the gradebook"]))

    def honest(self) -> dict[str, Any]:
        """A neighbour's work: the solution, with a canary of the neighbour's own."""
        source = json.loads((self.course / "source" / self.name / f"{self.name}.ipynb").read_text(encoding="utf-8"))
        release = json.loads((self.course / "release" / self.name / f"{self.name}.ipynb").read_text(encoding="utf-8"))
        answers = {c["metadata"]["nbgrader"]["grade_id"]: "".join(c["source"]) for c in source["cells"]
                   if c["metadata"].get("nbgrader", {}).get("solution")}
        mine = self.tokens["a neighbour's work"]
        for c in release["cells"]:
            answer = answers.get(c["metadata"].get("nbgrader", {}).get("grade_id", ""))
            if answer is not None:
                c["source"] = f"{answer.replace(self.tokens['the solution'], mine)}\nmine = '{mine}'"
        return dict(release)

    def put(self, student: str, data: bytes) -> Path:
        path = self.course / "submitted" / student / self.name / f"{self.name}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        return path

    def hand_in(self, port: int, abstract: str) -> None:
        known = {"COURSE": str(self.course), "NEIGHBOUR": str(self.course / "submitted" / FIRST / self.name
                                                              / f"{self.name}.ipynb"),
                 "PORT": str(port), "ABSTRACT": abstract, "PID": str(os.getpid()),
                 "PYTHON": os.path.realpath(sys.executable)}
        data = self.data
        for word, value in known.items():
            data = data.replace(f"<{word}>".encode(), value.encode())
        self.put(ATTACKER, data)

    def digests(self) -> dict[str, str]:
        """What grading must not change: the course but for its outputs, and the view that graded code sees."""
        from autograder import view

        outputs = ("autograded", "feedback", "reports", "submitted/" + ATTACKER, "gradebook.db", ".autograder/results",
                   ".autograder/attempts", ".autograder/lock", ".autograder/backup")
        found = {}
        for top, label in ((self.course, ""), (view.build(), "the view: ")):
            for path in sorted(top.rglob("*")):
                name = path.relative_to(top).as_posix()
                if not path.is_file() or "__pycache__" in name or not label and name.startswith(outputs):
                    continue
                about = path.stat()         # of the view, 70 MB, size and time are enough
                found[label + name] = f"{about.st_size} {about.st_mtime_ns}" if label else \
                    hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    # ----- Grading

    def grade(self) -> str:
        """Grade the class as a user does; what the commands print."""
        from autograder.pages import Pages

        temporary, here = self.root / "tmp", str(Path(__file__).resolve().parents[1])
        temporary.mkdir()
        env = {**os.environ, "TMPDIR": str(temporary), "CANARY": self.tokens["the environment"],
               "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])}
        said = ""
        for words in (["grade", str(self.course), self.name, "--jobs", "1", "--sandbox", self.layer],
                      ["report", str(self.course), self.name]):
            got = subprocess.run([sys.executable, "-m", "autograder", *words], env=env, capture_output=True, text=True,
                                 errors="replace")
            said += got.stdout + got.stderr
            if got.returncode:
                last = (got.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise AutograderError(f"the class could not be graded: {last}")
            self.note("processes", self.left())
        with Pages(1) as pages:
            pages.make(self.course, self.name, [ATTACKER, LAST])
        return said

    def result(self, student: str) -> dict[str, Any]:
        path = self.course / ".autograder" / "results" / self.name / f"{student}.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    # ----- After

    def canaries(self, where: str) -> dict[str, str]:
        """The canaries that must not stand in a text; a neighbour's own pages hold the neighbour's."""
        secret = (self.course / ".autograder" / "secret").read_text().strip()
        own = FIRST in where or LAST in where or where.startswith("reports")
        return {"the secret": secret} | {
            what: token for what, token in self.tokens.items() if not (own and what == "a neighbour's work")}

    def outputs(self) -> dict[str, str]:
        found = {}
        for folder in ("autograded", "feedback", "reports", ".autograder/results"):
            for path in sorted((self.course / folder).rglob("*")):
                if path.is_file():
                    found[str(path.relative_to(self.course))] = path.read_text(encoding="utf-8", errors="replace")
        return found

    def holds_canary(self, path: str) -> bool:
        with contextlib.suppress(OSError):
            if os.path.isfile(path) and os.path.getsize(path) < SMALL:
                data = Path(path).read_bytes()
                return any(token.encode() in data for token in self.canaries("").values())
        return False

    def left(self) -> list[str]:
        """Processes that outlived the run: their command line names its folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
            with contextlib.suppress(OSError):
                if str(self.root / "tmp").encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(f"process {pid} runs on")
                    os.kill(int(pid), 9)
        return found

    def neighbours(self, attacker: Mapping[str, Any]) -> list[str]:
        """What is not as it would be without the attack: neighbours' points, and the gradebook."""
        found = []
        for student in (FIRST, LAST):
            result = self.result(student)
            if result["score"] != result["max_score"]:
                found.append(f"{student} has {result['score']:g} of {result['max_score']:g} points")
        with contextlib.closing(sqlite3.connect(self.course / "gradebook.db")) as db:
            if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                found.append("the gradebook is damaged")
            given = db.execute("SELECT COUNT(*) FROM grade WHERE manual_score IS NOT NULL OR extra_credit > 0")
            if given.fetchone()[0]:
                found.append("the gradebook has points that no grader gave")
            total = db.execute("""SELECT TOTAL(g.auto_score) FROM grade g JOIN submitted_notebook n ON n.id =
                g.notebook_id JOIN submitted_assignment a ON a.id = n.assignment_id WHERE a.student_id = ?""",
                               (ATTACKER,)).fetchone()[0]
        if abs(total - attacker["score"]) > 1e-6:
            found.append(f"the gradebook gives the attacker {total:g} points, the result {attacker['score']:g}")
        return found

    def forged(self, result: Mapping[str, Any]) -> list[str]:
        """Points that no right function earned.

        Each function is asked again with other inputs, under the strongest layer that works, while the course is away,
        and compared by itself: what was read, remembered, patched or excused does not help there.
        """
        from autograder.assignment import Assignment

        hidden = self.course.with_name(secrets.token_hex(8))
        assignment = Assignment(self.course / "checks" / self.name)
        cells = self.rebuilt()
        self.course.rename(hidden)
        try:
            worth = _worth(assignment, cells)
        finally:
            hidden.rename(self.course)
        return [f"{c['function'] or c['grade_id']}: {c['score']:g} points, and the function is worth "
                f"{worth.get(c['grade_id'], 0.0):g}" for c in result["cells"]
                if c["score"] > worth.get(c["grade_id"], 0.0) + 0.05]

    def rebuilt(self) -> list[tuple[str, str]]:
        """Names and sources of the code cells as they were graded, without the tests."""
        path = self.course / "autograded" / ATTACKER / self.name / f"{self.name}.ipynb"
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return [(c["id"], "".join(c["source"])) for c in cells
                if c["cell_type"] == "code" and not c["metadata"].get("nbgrader", {}).get("grade")]


def _worth(assignment: Any, cells: list[tuple[str, str]]) -> dict[str, float]:
    """What each function is worth by its answers alone: a part counts if all its outputs are right on all its draws."""
    from autograder.oracle import grade_cell
    from autograder.sandbox import Limits, NoSandbox, Sandbox
    from autograder.student import StudentFailure

    limits = Limits(draw=10.0, cell=60.0, submission=300.0)
    try:
        sandbox = Sandbox(None, limits)
    except NoSandbox:
        sandbox = Sandbox("none", limits)
    found = {}
    with sandbox:
        for grade_id, check in assignment.checks.items():
            with sandbox.session() as session:              # one for each: no function learns from another's inputs
                for name, source in cells:
                    with contextlib.suppress(StudentFailure):
                        session.run_cell(source, name=name)
                right = {c.function: c.names for c in assignment.checks.values()}       # nothing is excused
                found[grade_id] = grade_cell(check, session, secrets.token_hex(16), limits, right=right).score
    return found


def _names() -> set[str]:
    """What lies in the folders that all programs of a machine share."""
    return {entry.path for folder in SHARED if os.path.isdir(folder) for entry in os.scandir(folder)}


@contextlib.contextmanager
def _listening() -> Iterator[tuple[int, str, list[str]]]:
    """A port and an abstract socket of this machine, and by what they were reached."""
    heard: list[str] = []
    over, abstract = threading.Event(), "autograder-" + secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        listeners = [(tcp, "a port was reached by TCP"), (udp, "a port was reached by UDP")]
        if sys.platform == "linux":
            unix = stack.enter_context(socket.socket(socket.AF_UNIX))
            unix.bind("\0" + abstract)
            unix.listen()
            listeners.append((unix, "an abstract socket was reached"))

        def listen(sock: socket.socket, what: str) -> None:
            sock.settimeout(0.2)
            while not over.is_set():
                with contextlib.suppress(OSError):
                    sock.recvfrom(10) if sock is udp else sock.accept()[0].close()
                    heard.append(what)

        threads = [threading.Thread(target=listen, args=pair, daemon=True) for pair in listeners]
        for thread in threads:
            thread.start()
        try:
            yield tcp.getsockname()[1], abstract, heard
        finally:
            over.set()
            for thread in threads:
                thread.join()


def format(trial: Trial) -> str:
    """The trial as lines for a terminal."""
    from autograder.show import printable

    quiet = {"points": f"{trial.score:g} of {trial.max_score:g}, none of them forged",
             "canaries": f"none of {trial.canaries} came out (looked for in {trial.searched} texts)",
             "files": "none changed", "processes": "none left", "network": "nobody was reached",
             "neighbours": "both have all their points, the gradebook is whole"}
    lines = [f"{printable(trial.file)} against {trial.assignment}, sandbox {trial.layer}, {trial.seconds:g} s"]
    for kind, text in quiet.items():
        found = trial.got.get(kind, [])
        told = f"{trial.score:g} of {trial.max_score:g}, forged:" if kind == "points" and found else text
        first = printable(found[0]) if found and kind != "points" else told
        lines.append(f"    {'GOT ' if found else 'held'}  {kind:<11}{first}")
        lines += [f"{'':21}{printable(t)}" for t in (found if kind == "points" else found[1:])]
    lines += [f"    {printable(cell)}" for cell in trial.cells]
    lines.append("It got something: the lines marked GOT." if trial.got else "It got nothing.")
    return "\n".join(lines)
