"""`autograder course DIR`: make an nbgrader course folder, add assignments to one, or bring it up to date.

What this command wrote is remembered by hash (`.autograder/written.json`). On a course that is there already it adds
what is missing and says what a newer version would change; `--upgrade` changes it, after it was shown and backed up.
Files that the instructor edited are kept, and grades and submissions are never touched (changes.py has the rules).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from autograder import changes, nbgrader_api, record
from autograder.assignment import CHECKS, NOTEBOOK
from autograder.changes import EDITED, MISSING, SAME, Part, hash_of
from autograder.course import CONFIG, Course, write_atomically
from autograder.course_texts import COURSE_TOML, GITIGNORE, NBGRADER_CONFIG
from autograder.errors import AutograderError, CourseError

HARMLESS = {".git", ".gitignore", ".gitattributes", ".DS_Store", "README.md", "lost+found"}


def make(folder: str | Path, solutions: str | Path | None = None, *, upgrade: bool = False, dry_run: bool = False,
         tell: Callable[[str], None] = lambda text: None) -> dict[str, list[str]]:
    """Make the course in `folder`, or add to it; returns what was done to which file or assignment.

    `solutions`: a folder with NN_topic/{notebook.py, checks.py}, or NN_topic/NOTEBOOK/{...} for an assignment of
    several notebooks; by default the checkout's. `upgrade` also replaces what is there by what is newer, after a
    backup; `dry_run` writes nothing. Keys: made, updated, kept, unchanged, and waiting for what `upgrade` would update.
    Raises CourseError where `folder` holds something that is not a course, and AutograderError where there is nothing
    to make it from.
    """
    root = Path(folder)
    existing = (root / CONFIG).is_file()
    if root.exists() and not existing:
        others = sorted(p.name for p in root.iterdir() if p.name not in HARMLESS) if root.is_dir() else [root.name]
        if others:
            raise CourseError(f"'{folder}' is not empty and not a course (it holds '{others[0]}'); "
                              "nothing was changed. Name a new folder")
    found, own = find_solutions(solutions), (root / "checks").resolve()
    named = solutions is not None and not Path(solutions).resolve().is_relative_to(own)
    if not found and (named or not existing):
        where = f"'{solutions}'" if solutions else "this installation (the wheel holds none)"
        raise AutograderError(f"no solutions in {where}: name a folder with NN_topic/{NOTEBOOK} and {CHECKS} "
                              "by --solutions")
    found = [p for p in found if not p.resolve().is_relative_to(own)]      # these are looked at in any case
    if not existing:
        if dry_run:
            tell(f"would make a course of {', '.join(p.name for p in found)} in {shlex.quote(str(folder))}")
            return {"made": [p.name for p in found], "updated": [], "kept": [], "unchanged": [], "waiting": []}
        _settings(root, found)
    course = Course.open(folder)
    if dry_run:
        return _Maker(course, tell, upgrade, fresh=not existing).show(found)
    with course.lock():
        return _Maker(course, tell, upgrade, fresh=not existing).make(found)


def find_solutions(folder: str | Path | None = None) -> list[Path]:
    """The assignment folders below `folder`, or below the checkout's `solutions/`; empty where there is none.

    The checkout is the one that runs, or that `pip install .` copied this package from.
    """
    from minigrad.install import checkout_root, source_folder

    if folder is None:
        checkout = checkout_root() or source_folder()
        if checkout is None:
            return []
        folder = checkout / "solutions"
    place = Path(folder)
    if not place.is_dir():
        return []

    def whole(p: Path) -> bool:
        return (p / NOTEBOOK).is_file() and (p / CHECKS).is_file()

    below = sorted(p for p in place.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [p for p in [place, *below] if whole(p) or (p is not place and any(whole(q) for q in p.iterdir()))]


def _settings(root: Path, found: list[Path]) -> None:
    """The folder with its course.toml, which no later run ever writes again."""
    notebooks = [(p.name, a) for p in found for a in changes.read_solutions(p).values()]
    lines = (f"#   {name}: " + ", ".join(f"{n} {c.points:g}" for n, c in a.graded.items()) for name, a in notebooks)
    points = "".join(f"{line}\n" for line in lines)
    root.mkdir(parents=True, exist_ok=True)
    (root / ".autograder").mkdir(mode=0o700, exist_ok=True)
    write_atomically(root / CONFIG, COURSE_TOML.format(name=_toml(root.resolve().name), points=points))


class _Maker:
    """One run of `autograder course` on a folder that has its course.toml."""

    def __init__(self, course: Course, tell: Callable[[str], None], upgrade: bool, *, fresh: bool) -> None:
        self.course, self.tell, self.upgrade, self.fresh = course, tell, upgrade, fresh
        self.did: dict[str, list[str]] = {"made": [], "updated": [], "kept": [], "unchanged": [], "waiting": []}
        self.written = changes.written(course)
        self.newer = False          # something is newer than what was kept

    def make(self, found: list[Path]) -> dict[str, list[str]]:
        parts = self._parts(found)
        waiting = [part for part in parts if part.waits]
        if waiting and self.upgrade:
            self._tell_changes(waiting)
            self._back_up(waiting)
        if self.fresh:
            self.did["made"].append(CONFIG)
            self.tell(f"made     {CONFIG}")
        self.course.secret()
        self.course.submitted.mkdir(exist_ok=True)
        checks = {part.name: record.digest(record.checks_of(self.course, part.name))
                  for part in parts if self._write(part) and part.name}
        changes.remember(self.course, self.written)
        current = self.upgrade or not waiting
        record.write(self.course, checks, made_with=record.version() if current else "")
        self._summary(waiting)
        return self.did

    def show(self, found: list[Path]) -> dict[str, list[str]]:
        """What `make` would do; nothing is written."""
        parts = self._parts(found)
        will = [p for p in parts if p.changed and not p.kept and (self.upgrade or not p.waits)]
        self._tell_changes(will)
        self.did["updated" if self.upgrade else "made"] += [path for part in will for path in part.changed]
        for part in parts:
            self._keep(part)
        self._summary([part for part in parts if part.waits])
        self.tell("dry run: nothing was written")
        return self.did

    def _parts(self, found: list[Path]) -> list[Part]:
        given = {p.name for p in found}
        own = sorted({p.parent for p in self.course.checks.glob(f"*/{NOTEBOOK}")}
                     | {p.parent.parent for p in self.course.checks.glob(f"*/*/{NOTEBOOK}")})
        folders = [*found, *(p for p in own if p.name not in given)]    # the instructor's own live in the course alone
        files = {"nbgrader_config.py": NBGRADER_CONFIG, ".gitignore": GITIGNORE}
        return [changes.course_part(self.course, files, self.written),
                *(changes.assignment_part(self.course, p, self.written) for p in folders)]

    def _tell_changes(self, parts: list[Part]) -> None:
        for part in parts:
            for path, stat in part.changed.items():
                self.tell(f"{'makes' if part.states[path] == MISSING else 'changes':<8} {path}  {stat}")
            if part.name and part.submissions:
                then = (f"{part.graded} graded: the next `autograder grade` grades {part.graded} again"
                        if part.regrades else "no check changes, no grade either")
                self.tell(f"{part.name}: {part.submissions} handed in, {then}")

    def _back_up(self, parts: list[Part]) -> None:
        """The gradebook, and each file that will be replaced. Nothing has been written before."""
        from autograder.backup import backup

        copy = backup(self.course, "upgrade")
        place = self.course.private / "backups" / f"files-{datetime.now(UTC):%Y%m%d-%H%M%S}-upgrade"
        replaced = [path for part in parts for path in part.changed if (self.course.root / path).is_file()]
        replaced += [p.relative_to(self.course.root).as_posix() for part in parts if part.name
                     for p in sorted((self.course.release / part.name).glob("*.ipynb"))]
        for path in replaced:
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.course.root / path, place / path)
        self.tell(f"backed up to {self.course.private / 'backups'}: "
                  + ", ".join([*([copy.name] if copy else []), f"{len(replaced)} files in {place.name}"]))

    def _write(self, part: Part) -> bool:
        """Bring one part to what it should hold; returns whether its checks are the recorded ones now."""
        if self._keep(part):
            return False
        if part.waits and not self.upgrade:
            self.did["waiting"] += part.changed
            return False
        for path, text in part.files.items():
            before = part.states[path]
            if before == EDITED:
                self.did["kept"].append(path)
                newer = hash_of(text) != self.written.get(path)
                self.newer |= newer
                self.tell(f"kept     {path}: edited here" + (". A newer one is there: to take it, move the edited file "
                                                             "away and give the command again" if newer else ""))
                continue
            self.written[path] = hash_of(text)
            if before == SAME:
                continue
            write_atomically(self.course.root / path, text)
            self._done("made" if before == MISSING else "updated", path)
        return not part.name or self._release(part.name)

    def _keep(self, part: Part) -> bool:
        """Say what is kept although it could be newer; returns whether that is the whole part."""
        if part.kept or part.newer:
            self.did["kept"].append(part.name)
            self.newer = True
        if part.kept:
            self.tell(f"kept     {part.name}: {part.kept}")
        for path, newer in part.newer.items() if not part.kept else ():
            both = f"{shlex.quote(str(self.course.root / path))} {shlex.quote(str(newer))}"
            self.tell(f"kept     {path}: edited here. The newer one is {newer}: diff {both} compares them; to take it, "
                      "move the edited file away and give --upgrade again")
        return bool(part.kept)

    def _done(self, what: str, path: str) -> None:
        self.did[what].append(path)
        self.tell(f"{what:<8} {path}")

    def _release(self, name: str) -> bool:
        """Run nbgrader's own generate_assignment, which also writes the cells to the gradebook."""
        sources = sorted((self.course.source / name).glob("*.ipynb"))
        key = f"release/{name}"
        now = hash_of("".join(p.read_text(encoding="utf-8") for p in sources))
        releases = [self.course.release / name / p.name for p in sources]
        if all(p.is_file() for p in releases) and self.written.get(key) == now and self.course.database.is_file():
            self.did["unchanged"].append(name)
            return True
        old = [p for p in releases if p.is_file()]
        generate_release(self.course, name)
        self.written[key] = now
        for path in releases:
            what, shown = "updated" if path in old else "made", f"release/{name}/{path.name}"
            self.did[what].append(shown)
            self.tell(f"{what:<8} {shown} and its cells in gradebook.db")
        return True

    def _summary(self, waiting: list[Part]) -> None:
        where = self.course.shown
        if self.fresh:
            self.tell(f"The course is in {where}. Then, for an ASSIGNMENT: autograder release, collect, grade {where} "
                      "ASSIGNMENT (each with --help)")
        elif waiting and not self.upgrade:
            names = ", ".join(part.name or "the course's own files" for part in waiting)
            self.tell(f"newer here: {names}. Nothing of it was changed; autograder course {where} --upgrade shows "
                      "what changes, backs up and brings it up to date (with --dry-run it only shows)")
        elif not (self.did["made"] or self.did["updated"]):
            self.tell(f"{where} is up to date" + (", but for what is kept" if self.newer else ""))


def generate_release(course: Course, name: str) -> None:
    """nbgrader's generate_assignment through its API: the release notebook and the gradebook's cells.

    Raises AutograderError with nbgrader's own words where it fails.
    """
    from traitlets.config import Config

    from autograder.gradebook import Grades

    config = Config()
    config.CourseDirectory.root = str(course.root)
    config.CourseDirectory.course_id = course.name
    config.CourseDirectory.db_url = course.db_url
    Grades(course).close()      # makes the gradebook where there is none
    answer = nbgrader_api.call(config, "generate_assignment", name, force=True)
    if not answer.get("success"):
        log = f"{answer.get('error', '')}\n{answer.get('log', '')}"
        found = [line.strip() for line in log.splitlines() if re.match(r"\s*[\w.]*(Error|Exception)\b.*: ", line)]
        why = next((line for line in reversed(found) if "NbGraderException" not in line), "no reason given")
        raise AutograderError(f"nbgrader could not make the release of '{name}': {why}")


def _toml(text: str) -> str:
    """A basic string of TOML; JSON's escapes are the same for what a folder's name can hold."""
    return json.dumps(text)
