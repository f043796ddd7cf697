"""Hand-ins from Git: a folder of clones, as a Git classroom gives them (`assignment-username/`).

A clone's own settings can run programs (hooks, fsmonitor, filters, a signature program, remotes), so git never reads
them: it is started on an empty repository of ours that only borrows the clone's objects, and the notebook is taken from
the last commit and not from the working files. The time is that commit's date, which its author sets; where that
matters, let the platform's own record of the push decide.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from autograder.downloads import MAX_FILES, MAX_SIZE, File, HandIn, Refuse
from autograder.entries import Refused, no_link
from autograder.errors import AutograderError
from autograder.submission import MAX_BYTES

MAX_REF = 4 << 20           # packed-refs of a big repository
MAX_CLONES = 20_000
SECONDS = 30

# Nothing of the user's or the machine's settings, no program, no network, no question.
ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": os.devnull, "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C.UTF-8",
}
SETTINGS = ["-c", "core.fsmonitor=", "-c", f"core.hooksPath={os.devnull}", "-c", "core.commitGraph=false",
            "-c", "core.multiPackIndex=false", "-c", "safe.directory=*"]


def git_folder(clone: Path) -> Path | None:
    """Where a clone keeps its objects and refs; None for what is no clone (or a link, or a worktree of another)."""
    for folder in (clone / ".git", clone):
        if not folder.is_symlink() and (folder / "objects").is_dir() and (folder / "HEAD").is_file():
            return folder
    return None


def are_clones(root: Path) -> bool:
    return any(git_folder(p) for p in root.iterdir() if p.is_dir() and not p.is_symlink())


def hand_ins(root: Path, assignment: str, staging: Path, refuse: Refuse) -> Iterator[HandIn]:
    """The notebooks of the last commit of each clone below `root`. Raises AutograderError where git is not there."""
    clones = sorted(p for p in root.iterdir() if p.is_dir() and not p.is_symlink())
    for other in (p for p in clones if not git_folder(p)):
        refuse(other.name, "is no clone")
    clones = [p for p in clones if git_folder(p)]
    if len(clones) > MAX_CLONES:
        raise AutograderError(f"'{root}' holds over {MAX_CLONES} clones")
    empty = staging / "empty.git"
    _git(["init", "--quiet", "--bare", str(empty)], None, None)
    names = usernames([p.name for p in clones], assignment)
    for number, clone in enumerate(clones):
        who = names[clone.name]
        found = HandIn(who, who, [(kind, who) for kind in ("login", "id", "email", "name")])
        try:
            _read(clone, found, empty, staging / f"git{number:06d}")
        except Refused as e:
            refuse(clone.name, str(e))
            continue
        yield found


def usernames(names: list[str], assignment: str) -> dict[str, str]:
    """Folder to username: without the assignment's name, or else without what all folders begin with."""
    starts = {f"{assignment}-".casefold(), re.sub(r"[^a-z0-9]+", "-", assignment.casefold()) + "-"}
    common = os.path.commonprefix(names)
    common = common[:common.rfind("-") + 1] if len(names) > 1 else ""
    found = {}
    for name in names:
        start = next((s for s in starts if name.casefold().startswith(s) and len(name) > len(s)), common)
        found[name] = name[len(start):] or name
    return found


def _read(clone: Path, found: HandIn, empty: Path, to: Path) -> None:
    """Take the notebooks and the time of the last commit; raises Refused."""
    folder = git_folder(clone)
    assert folder is not None
    head = _head(folder)
    if not head:
        raise Refused("has no commit")
    objects = (folder / "objects").resolve()
    _own_objects(objects)
    listing = _git(["ls-tree", "-r", "-l", "-z", "--full-tree", head], empty, objects)
    notebooks, latest = 0, 0
    for line in listing.split(b"\0"):
        match = re.fullmatch(rb"100(?:644|755) blob ([0-9a-f]{40,64}) +(\d+)\t(.+)", line, re.DOTALL)
        name = os.fsdecode(match[3]) if match else ""
        if not match or not name.casefold().endswith(".ipynb") or ".ipynb_checkpoints" in name:
            continue
        notebooks, found.size = notebooks + 1, found.size + int(match[2])
        if notebooks > MAX_FILES or found.size > MAX_SIZE:
            found.notes.append(f"'{name}' was left out: a hand-in has at most {MAX_SIZE >> 20} MB in {MAX_FILES} files")
            continue
        path = to.with_name(f"{to.name}-{notebooks}")
        path.write_bytes(_git(["cat-file", "blob", match[1].decode()], empty, objects))
        when = _git(["log", "-1", "--no-show-signature", "--format=%ct", head, "--", name], empty, objects).strip()
        seconds = int(when) if re.fullmatch(rb"\d{1,11}", when) else 0
        latest = max(latest, seconds)
        time = datetime.fromtimestamp(seconds, UTC) if seconds else None
        found.files.append(File(name.rpartition("/")[2], path, 0, time))
    found.time = datetime.fromtimestamp(latest, UTC) if latest else None


def _own_objects(objects: Path) -> None:
    """Raises Refused for objects that lie elsewhere: a clone could lend itself the work of another student."""
    lent = any((objects / "info" / name).exists() for name in ("alternates", "http-alternates"))
    for place, folders, names in os.walk(objects, followlinks=False):
        lent = lent or any(os.path.islink(os.path.join(place, name)) for name in (*folders, *names))
    if lent:
        raise Refused("borrows its objects from elsewhere: clone it without --shared or --reference")


def _head(folder: Path) -> str:
    """The commit that the clone has checked out, read without git."""
    text = _text(folder, "HEAD")
    for _ in range(5):
        if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text):
            return text
        match = re.fullmatch(r"ref: (refs/[\w./+@-]+)", text)
        if not match or ".." in match[1]:
            return ""
        loose = _text(folder, match[1])
        if not loose:
            refs = _text(folder, "packed-refs")
            packed = re.search(rf"^([0-9a-f]{{40,64}}) {re.escape(match[1])}$", refs, re.MULTILINE)
            return packed[1] if packed else ""
        text = loose
    return ""


def _text(folder: Path, name: str) -> str:
    try:
        with no_link(folder, tuple(name.split("/"))) as file:
            return file.read(MAX_REF).decode("utf-8", "replace").strip()
    except Refused:
        return ""


def _git(words: list[str], empty: Path | None, objects: Path | None) -> bytes:
    """Run git on our empty repository with the objects of a clone; raises Refused where it fails."""
    env = {**ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath)}
    if empty is not None:
        env |= {"GIT_DIR": str(empty), "GIT_OBJECT_DIRECTORY": str(objects)}
    try:
        process = subprocess.Popen(["git", "--no-pager", "--literal-pathspecs", *SETTINGS, *words], env=env,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        raise AutograderError("git is not installed: apt install git") from None
    assert process.stdout is not None
    clock = threading.Timer(SECONDS, process.kill)
    clock.start()
    try:
        data = process.stdout.read(MAX_BYTES + 1)       # a tree can name itself many times over and never end
        if len(data) > MAX_BYTES:
            process.kill()
        if process.wait() or len(data) > MAX_BYTES:
            raise Refused("cannot be read by git: it is damaged, or made to take very long")
    finally:
        clock.cancel()
        process.stdout.close()
    return data
