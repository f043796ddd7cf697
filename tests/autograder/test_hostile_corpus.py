"""The hostile corpus: each submission of tests/hostile earns what it should, and does nothing to anybody else.

The whole corpus is one class, with honest students before, between and after, graded in one run as `autograder grade`
does it. Canaries lie in the hidden tests, the solution, the neighbours' work, the environment, the course's secret and
in every draw; all that comes out of the run is searched for them.
"""

from __future__ import annotations

import contextlib
import hashlib
import html.parser
import io
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder import driver
from autograder.errors import AutograderError
from autograder.sandbox import LAYERS, Sandbox, SandboxError, available_layers
from autograder.session import OUTPUTS
from tests.autograder.grading_help import CHECKOUT, copy_course, scores, solved
from tests.hostile.case import HERE, KINDS, NAME, POINTS, Case, cases

CASES = cases()
TESTS, SOLUTION, ENVIRONMENT = "CANARY-TESTS-77aa", "CANARY-SOLUTION-5e1b", "CANARY-ENV-09d4"
NEIGHBOUR, GRADEBOOK, DRAWN = "CANARY-NEIGHBOUR-31f0", "CANARY-GRADEBOOK-c2c8", "4815162342"
LIMITS = {"draw": 0.5, "cell": 0.8, "submission": 5.0, "memory": 512, "files": 4}
PAGES = 16                  # feedback pages made in the normal run; nbgrader takes 0.3 s for one
HONEST = ("aaa-first", "m-middle", "zzz-last")


@dataclass
class Run:
    """The corpus graded under one layer."""

    layer: str
    course: Path
    results: dict[str, dict[str, Any]]
    said: str                           # stdout and stderr of the commands
    before: dict[str, str]              # digests of the course's own files
    left: list[str]                     # processes and folders that outlived the run
    connections: list[str]
    seconds: float
    pages: dict[str, str] = field(default_factory=dict)     # HTML by name of student, the report under ""


@pytest.fixture(scope="session")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from autograder.make_course import make

    folder = tmp_path_factory.mktemp("hostile") / "course"
    make(folder, HERE / "course" / NAME)
    config = folder / "course.toml"
    text = config.read_text(encoding="utf-8")
    for name, value in LIMITS.items():
        text = re.sub(rf"(?m)^{name} = [\d.]+", f"{name} = {value}", text)
    config.write_text(text, encoding="utf-8")
    return folder


def honest(course: Path, student: str) -> None:
    notebook = solved(course, NAME)
    for c in notebook["cells"]:
        if c["metadata"].get("nbgrader", {}).get("grade_id") == "double":
            c["source"] = c["source"].replace(f"    # {SOLUTION}", f"  # {NEIGHBOUR}\n\nmine = '{NEIGHBOUR}'")
    hand_in(course, student, json.dumps(notebook).encode())


def hand_in(course: Path, student: str, data: bytes) -> Path:
    folder = course / "submitted" / student / NAME
    folder.mkdir(parents=True)
    (folder / f"{NAME}.ipynb").write_bytes(data)
    return folder


def clean(notebook: dict[str, Any]) -> dict[str, Any]:
    """The solution as a student would have written it: the canary is the instructor's."""
    return json.loads(json.dumps(notebook).replace(f"    # {SOLUTION}", ""))


@contextlib.contextmanager
def listening() -> Iterator[tuple[int, str, list[str]]]:
    """A port and an abstract socket of this machine, and who connected."""
    heard: list[str] = []
    name = f"hostile-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind("\0" + name)
        unix.listen()
        over = threading.Event()

        def listen(sock: socket.socket, kind: str) -> None:
            sock.settimeout(0.2)
            while not over.is_set():
                with contextlib.suppress(TimeoutError, OSError):
                    sock.recvfrom(10) if kind == "UDP" else sock.accept()
                    heard.append(kind)

        threads = [threading.Thread(target=listen, args=pair, daemon=True)
                   for pair in ((tcp, "TCP"), (udp, "UDP"), (unix, "Unix"))]
        for t in threads:
            t.start()
        try:
            yield tcp.getsockname()[1], name, heard
        finally:
            over.set()
            for t in threads:
                t.join()


def digests(course: Path) -> dict[str, str]:
    """Every file of the course that a grading run must not change."""
    found = {}
    for folder in ("checks", "source", "release", "submitted"):
        for path in sorted((course / folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                found[str(path.relative_to(course))] = hashlib.sha256(path.read_bytes()).hexdigest()
    found["secret"] = (course / ".autograder" / "secret").read_text()
    return found


def grade(master: Path, root: Path, layer: str, pages: int | None) -> Run:
    """Hand in and grade the corpus; `pages` feedback pages are made, all by None."""
    course = copy_course(master, root / "course")
    for student in HONEST:
        honest(course, student)
    with sqlite3.connect(course / "gradebook.db") as db:
        db.execute("INSERT INTO student (id, last_name) VALUES (?, ?)", ("aaa-first", GRADEBOOK))
    right = clean(solved(course, NAME))
    temporary = root / "tmp"
    temporary.mkdir()
    with listening() as (port, abstract, heard):
        place = {"course": str(course), "neighbour": str(course / "submitted" / HONEST[0] / NAME / f"{NAME}.ipynb"),
                 "python": os.path.realpath(sys.executable), "port": str(port), "abstract": abstract,
                 "pid": str(os.getpid()), "grader": str(Path(driver.__file__).parent)}
        for name, case in CASES.items():
            folder = hand_in(course, name, case.submission(right, place))
            if case.beside:
                case.beside(folder, place)
        before = digests(course)
        env = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OPENBLAS_NUM_THREADS": "1", "TMPDIR": str(temporary),
               "CANARY": ENVIRONMENT}
        began = time.monotonic()
        got = subprocess.run([sys.executable, "-m", "autograder", "grade", str(course), NAME, "--jobs", "2",
                              "--sandbox", layer], env=env, capture_output=True, text=True, errors="surrogateescape")
        seconds = time.monotonic() - began
        assert got.returncode == 0, got.stdout[-3000:] + got.stderr[-3000:]
        folder = course / ".autograder" / "results" / NAME
        results = {p.stem: json.loads(p.read_text()) for p in folder.glob("*.json")}
    run = Run(layer, course, results, got.stdout + got.stderr, before, outliving(temporary), heard, round(seconds, 1))
    look_at(run, pages)
    return run


def outliving(temporary: Path) -> list[str]:
    """Sandbox folders that are left, and processes whose command names one."""
    left = [p.name for p in temporary.glob("autograder-*") if not p.name.startswith("autograder-view")]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if str(temporary).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                left.append(pid)
    return left


def look_at(run: Run, pages: int | None) -> None:
    """Make what people look at: the class report, the table, feedback pages."""
    from autograder.cli import run as command
    from autograder.pages import Pages, page

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        assert command(["report", str(run.course), NAME]) == 0
        assert command(["status", str(run.course)]) == 0
    run.said += out.getvalue()
    for path in run.course.rglob("reports/**/*.html"):
        run.pages[""] = run.pages.get("", "") + path.read_text(encoding="utf-8")
    loud = ("markup", "hidden inputs", "channels", "forged outputs", "reading files", "encodings", "frames and gc")
    some = sorted(CASES, key=lambda n: (loud.index(CASES[n].kind) if CASES[n].kind in loud else 9, n))[:pages]
    with Pages(2) as makers:
        failed = makers.make(run.course, NAME, some)
    assert not failed, f"nbgrader made no feedback page for {failed}"
    for student in some:
        run.pages[student] = page(run.course, student, NAME).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def corpus(master: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The corpus, once, under the strongest layer of this machine."""
    try:
        with Sandbox() as sandbox:
            layer = sandbox.layer
    except SandboxError as e:
        pytest.skip(str(e))
    return grade(master, tmp_path_factory.mktemp("strongest"), layer, PAGES)


# ----- What must hold

def words(cell: dict[str, Any]) -> str:
    """What the student reads about a cell."""
    parts = [p["sentence"] for p in cell["parts"]]
    return "\n".join([cell["message"], *parts, *(m["sentence"] for m in cell["misconceptions"]), *cell["notes"]])


def wrong(case: Case, result: dict[str, Any]) -> list[str]:
    """How a result differs from what must come of a case."""
    found = []
    total = sum(case.points(f) for f in POINTS)
    if result["status"] != case.status or abs(result["score"] - total) > 1e-9:
        found.append(f"{result['status']} {result['score']:g}, not {case.status} {total:g}")
    if case.reason and not any(case.reason in note for note in result["notes"]):
        found.append(f"no note says '{case.reason}': {result['notes']}")
    if case.incident and not any(i["kind"] == case.incident for i in result["incidents"]):
        found.append(f"no incident '{case.incident}': {result['incidents']}")
    if any(i["kind"] == "error" for i in result["incidents"]):
        found.append(f"the grader failed: {result['incidents']}")
    for c in result["cells"] if case.status == "graded" else []:
        reasons, phrase = case.lost.get(c["function"], ("ok", ""))
        if c["function"] in case.partly:
            reasons, phrase = "partial", case.partly[c["function"]][1]
        points = case.points(c["function"])
        if c["reason"] not in reasons.split("|") or abs(c["score"] - points) > 1e-9 or phrase not in words(c):
            came = f"{c['function']}: {c['score']:g} {c['reason']}"
            found.append(f"{came}, not {points:g} {reasons} '{phrase}'\n{words(c)}")
        if c["score"] < POINTS[c["function"]] and not words(c).strip():
            found.append(f"{c['function']}: points are lost and nothing says why")
    return found


def shown(run: Run, *, but: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every text that came out, by name; without the outputs of the students `but`."""
    yield "stdout and stderr", run.said
    for student, page in run.pages.items():
        if student not in but:
            yield f"page of {student or 'the class'}", page
    for folder in ("autograded", ".autograder/results", ".autograder/attempts"):
        for path in sorted((run.course / folder).rglob("*")):
            mine = any(student in path.parts or path.stem == student for student in but)
            handed_in = folder.endswith("attempts") and path.name != "result.json"
            if path.is_file() and not mine and not handed_in:
                yield str(path.relative_to(run.course)), path.read_text(encoding="utf-8", errors="replace")


def leaks(run: Run) -> list[str]:
    """Where a canary came out."""
    secret = (run.course / ".autograder" / "secret").read_text().strip()
    found = []
    for name, text in shown(run):
        for what, canary in (("hidden tests", TESTS), ("solution", SOLUTION), ("environment", ENVIRONMENT),
                             ("gradebook", GRADEBOOK), ("secret", secret), ("a drawn input", DRAWN)):
            if canary in text:
                found.append(f"{what}: {name}")
    found += [f"a neighbour's work: {name}" for name, text in shown(run, but=HONEST) if NEIGHBOUR in text]
    found += [f"another's folder: {name}" for name, text in shown(run) if re.search(r"others: \[[^\]]", text)]
    return found


class Live(html.parser.HTMLParser):
    """Finds the corpus's mark where a browser would run it: in a script, a handler, a link, a source."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.script = tag in ("script", "style")
        for name, value in attrs:
            if "hostile-xss" in (value or "") and (name.startswith("on") or name in ("href", "src", "style", "data")):
                self.found.append(f"<{tag} {name}=...>")

    def handle_endtag(self, tag: str) -> None:
        self.script = False

    def handle_data(self, data: str) -> None:
        if self.script and "hostile-xss" in data:
            self.found.append("a script")


def live(page: str) -> list[str]:
    parser = Live()
    parser.feed(page)
    return parser.found


def rows(course: Path, student: str) -> dict[str, float | None]:
    return scores(course, NAME)[student]


def check_all(run: Run) -> dict[str, list[str]]:
    """All that is wrong with a run, by what must hold."""
    found: dict[str, list[str]] = {n: wrong(c, run.results[n]) for n, c in CASES.items()}
    found["neighbours"] = [s for s in HONEST if run.results[s]["score"] != sum(POINTS.values())]
    found["leaks"], found["left"], found["network"] = leaks(run), run.left, run.connections
    found["files"] = [n for n, d in digests(run.course).items() if run.before.get(n) != d]
    found["markup"] = [f"{s}: {what}" for s, page in run.pages.items() for what in live(page)]
    found["terminal"] = ["an escape sequence"] if "\x1b" in run.said else []
    book = scores(run.course, NAME)
    found["gradebook"] = [n for n in (*CASES, *HONEST)
                          if abs(sum(v or 0.0 for v in book[n].values()) - run.results[n]["score"]) > 1e-9]
    return {name: what for name, what in found.items() if what}


# ----- The tests

def test_the_corpus_holds_every_kind_of_attack() -> None:
    assert len(CASES) >= 60
    assert {c.kind for c in CASES.values()} == set(KINDS)


@pytest.mark.parametrize("name", CASES)
def test_it_earns_what_it_should_and_says_why(corpus: Run, name: str) -> None:
    assert not wrong(CASES[name], corpus.results[name])


def test_honest_neighbours_earn_all_their_points(corpus: Run) -> None:
    for student in HONEST:
        assert corpus.results[student]["score"] == sum(POINTS.values()), corpus.results[student]


def test_nothing_leaks(corpus: Run) -> None:
    """Forged points are one half of an attack, read secrets the other."""
    assert not leaks(corpus)


def test_the_search_for_canaries_finds_one_that_is_there(corpus: Run) -> None:
    path = corpus.course / "autograded" / "planted"
    path.mkdir()
    try:
        (path / "x.txt").write_text(f"{TESTS} {DRAWN} {NEIGHBOUR}")
        assert sorted(leaks(corpus)) == [f"{what}: autograded/planted/x.txt" for what in
                                         ("a drawn input", "a neighbour's work", "hidden tests")]
    finally:
        (path / "x.txt").unlink()
        path.rmdir()


def test_the_gradebook_is_whole_and_has_the_rows_of_an_honest_class(corpus: Run, master: Path, tmp_path: Path) -> None:
    book = scores(corpus.course, NAME)
    assert set(book) == {*CASES, *HONEST}
    with sqlite3.connect(corpus.course / "gradebook.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert not db.execute("PRAGMA foreign_key_check").fetchall()
        assert db.execute("SELECT COUNT(*) FROM grade").fetchone() == (len(POINTS) * (len(CASES) + len(HONEST)),)
    alone = copy_course(master, tmp_path / "alone")
    for student in HONEST:
        honest(alone, student)
    driver.grade(alone, NAME, jobs=1, layer=corpus.layer)
    assert {s: book[s] for s in HONEST} == scores(alone, NAME)
    for name in CASES:
        assert abs(sum(v or 0.0 for v in book[name].values()) - corpus.results[name]["score"]) < 1e-9, name


def test_no_file_of_the_course_is_changed(corpus: Run) -> None:
    assert digests(corpus.course) == corpus.before


def test_no_process_and_no_folder_is_left(corpus: Run) -> None:
    assert not corpus.left


def test_nobody_was_reached_over_the_network(corpus: Run) -> None:
    assert not corpus.connections


def test_nothing_of_a_student_s_runs_in_a_page_or_a_terminal(corpus: Run) -> None:
    assert set(corpus.pages) > {""} and any("hostile-xss" in page for page in corpus.pages.values())
    for student, page in corpus.pages.items():
        assert not live(page), student or "the report"
    assert "\x1b" not in corpus.said
    assert live("<img src=x onerror=hostile-xss>") and live("<script>hostile-xss</script>")


def graded(run: Run, name: str) -> Path:
    return run.course / "autograded" / name / NAME / f"{NAME}.ipynb"


def test_no_graded_notebook_is_larger_than_what_cells_may_show_in_all(corpus: Run) -> None:
    """One of 140 kB became one of 900 MB: each of its cells showed what one cell may."""
    sizes = {n: graded(corpus, n).stat().st_size >> 20 for n, r in corpus.results.items() if r["status"] == "graded"}
    assert max(sizes.values()) < OUTPUTS + 2 and sizes["output_flood_of_many_cells"] >= OUTPUTS


def test_every_graded_notebook_is_one_by_nbformats_schema_with_a_name_of_its_own_for_each_cell(corpus: Run) -> None:
    """It is written without a look at the schema, and read by nbgrader and Jupyter."""
    for path in (corpus.course / "autograded").glob("*/*/*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        ids = [cell["id"] for cell in notebook["cells"]]
        assert len(set(ids)) == len(ids), path      # validate would mend that in silence
        nbformat.validate(notebook)


def test_no_verdict_and_no_output_turns_round_what_stands_behind_it(corpus: Run) -> None:
    cells = json.loads(graded(corpus, "markup_direction").read_text())["cells"]
    assert any("\u202e" in "".join(c["source"]) for c in cells)
    shown = [json.dumps(c.get("outputs", []), ensure_ascii=False) for c in cells]
    assert any("001 fo 001" in text for text in shown) and any("4 fo 4" in text for text in shown)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", "".join(shown))


def test_no_submission_ran_much_longer_than_its_limit(corpus: Run) -> None:
    """Its limit is 5 s of its own; a second is what ending it may take, and the machine's other work comes on top."""
    slow = {n: r["seconds"] for n, r in corpus.results.items() if r["seconds"] > 3 * LIMITS["submission"]}
    assert not slow


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\x1b[2J", b"a\nb"])
def test_a_folder_whose_name_is_no_text_is_said_before_anything_is_graded(master: Path, tmp_path: Path,
                                                                          name: bytes) -> None:
    """It ended the run of the whole class once, in the middle."""
    course = copy_course(master, tmp_path / "course")
    honest(course, "ada")
    honest(course, os.fsdecode(name))
    with pytest.raises(AutograderError, match="rename it"):
        driver.grade(course, NAME, jobs=1)
    assert not list(course.glob("autograded/*"))


@pytest.mark.proof
def test_the_corpus_under_every_layer(master: Path, tmp_path: Path, proof_record: Any) -> None:
    """Every case, every page, every layer that this machine offers; the record says which those are."""
    record: dict[str, Any] = {}
    for layer in [name for name in available_layers() if name != "none"]:
        (tmp_path / layer).mkdir()
        run = grade(master, tmp_path / layer, layer, None)
        record[layer] = {"seconds": run.seconds, "unexpected": check_all(run),
                         "slowest": max(r["seconds"] for r in run.results.values())}
    kinds = {kind: sum(c.kind == kind for c in CASES.values()) for kind in KINDS}
    proof_record("hostile", {"cases": len(CASES), "kinds": kinds, "layers": record,
                             "not_on_this_machine": sorted(set(LAYERS[:-1]) - set(record))})
    assert record and not any(r["unexpected"] for r in record.values()), record
