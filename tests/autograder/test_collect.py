"""Submissions come in from every platform with their students and times, hostile names do nothing, nothing is lost."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shlex
import struct
import subprocess
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder import clones, entries, times
from autograder.__main__ import main
from autograder.collect import CHANGED, LEFT, NEW, OLDER, SAME, Collected, collect
from autograder.course import Course
from autograder.downloads import File
from autograder.errors import AutograderError, Busy
from autograder.pick import choose, names_of
from autograder.roster import read as read_roster
from autograder.roster import safe_id
from tests.autograder import several_help
from tests.autograder.grading_help import CHECKOUT, edit, solved

A = "01_mini"
NOON = (2026, 11, 30, 12, 0, 0)
Entries = Mapping[str, tuple[bytes, tuple[int, int, int, int, int, int]]]


@pytest.fixture
def right(mini: Path) -> bytes:
    return json.dumps(solved(mini, A)).encode()


@pytest.fixture
def wrong(mini: Path) -> bytes:
    bad = edit(solved(mini, A), "double", lambda c: c.update(source="def double(x):\n    return x"))
    return json.dumps(bad).encode()


def pack(path: Path, files: Entries) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (data, when) in files.items():
            archive.writestr(zipfile.ZipInfo(name, when), data, zipfile.ZIP_DEFLATED)
    return path


def day(n: int, hour: int = 12) -> tuple[int, int, int, int, int, int]:
    return (2026, 11, n, hour, 0, 0)


def table(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def states(got: Collected) -> dict[str, str]:
    return {r.student or r.who: r.state for r in got.rows}


def stamp(course: Path, student: str) -> str | None:
    path = course / "submitted" / student / A / "timestamp.txt"
    return path.read_text() if path.exists() else None


def due(course: Path, when: str) -> None:
    from autograder.gradebook import Grades

    with Grades(Course.open(course)) as grades:
        grades.book.update_or_create_assignment(A, duedate=when)


def content(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(root.rglob("*")) if p.is_file() and p.name not in ("gradebook.db", "lock")}


# platforms ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("join", ["/", "", "_"], ids=["folders", "flat, Moodle 2", "flat, Moodle 4"])
def test_moodles_zip_in_each_of_its_forms(join: str, mini: Path, right: bytes, tmp_path: Path) -> None:
    def name(who: str, file: str) -> str:
        return f"{who}_assignsubmission_file_{join}{file}" if join != "_" else f"{who}_assignsubmission_file_{file}"

    path = pack(tmp_path / "m.zip", {
        name("Ada Lovelace_12345", "01_mini.ipynb"): (right, day(1)),
        name("Jürgen Müller_12346", "01_mini (1).ipynb"): (right, day(2)),
        name("Jürgen Müller_12346", "photo.png"): (b"x", day(2)),
        "Eve_12347_assignsubmission_onlinetext_/onlinetext.html": (b"<p>hi", day(2))})
    got = collect(mini, A, path, timezone="Europe/Berlin")
    assert got.format == "moodle" and states(got) == {"Ada_Lovelace": NEW, "Jürgen_Müller": NEW}
    assert stamp(mini, "Ada_Lovelace") == "2026-11-01 11:00:00.000000 UTC"
    assert (mini / "submitted" / "Jürgen_Müller" / A / f"{A}.ipynb").read_bytes() == right
    assert sorted(p.name for p in (mini / "submitted" / "Jürgen_Müller" / A).iterdir()) == ["01_mini.ipynb",
                                                                                            "timestamp.txt"]
    assert [r.notes for r in got.rows if r.student == "Jürgen_Müller"] == [["'photo.png' is no notebook and was left "
                                                                            "out"]]
    assert [why for _, why in got.refused] == ["is a text written in Moodle, no notebook"]


def test_a_zip_with_the_time_of_the_download_gives_no_time_and_the_worksheet_gives_it(
        mini: Path, right: bytes, tmp_path: Path) -> None:
    """Moodle since 3.10 stamps every entry with the moment of the download: counted, it would make all late."""
    due(mini, "2026-11-15 00:00:00")
    path = pack(tmp_path / "m.zip", {f"{who}_assignsubmission_file_/01_mini.ipynb": (right, day(20))
                                     for who in ("Ada Lovelace_7", "Bob Ray_8")})
    got = collect(mini, A, path, timezone="UTC")
    assert [(r.time, r.late) for r in got.rows] == [(None, None)] * 2 and stamp(mini, "Ada_Lovelace") is None
    assert any("grading worksheet" in text for text in got.warnings)
    sheet = table(tmp_path / "sheet.csv", "Identifier,Full name,Email address,Status,Grade,Maximum Grade,"
                  "Last modified (submission),Last modified (grade),Feedback comments",
                  'Participant 7,Ada Lovelace,ada@uni.de,Submitted,,10.00,"Monday, 2 November 2026, 9:00 PM",-,',
                  'Participant 8,Bob Ray,bob@uni.de,Submitted,,10.00,"Mittwoch, 18. November 2026, 09:30",-,')
    got = collect(mini, A, path, roster_file=sheet, timezone="UTC")
    assert [(r.student, r.late) for r in got.rows] == [("ada@uni.de", False), ("bob@uni.de", True)]
    assert stamp(mini, "ada@uni.de") == "2026-11-02 21:00:00.000000 UTC"
    assert stamp(mini, "bob@uni.de") == "2026-11-18 09:30:00.000000 UTC"
    assert not any("older" in text for text in got.warnings)
    # a second hand-in, and the roster is still the one of the first: its times say nothing, and that is told
    for student in ("ada@uni.de", "bob@uni.de"):
        (mini / "submitted" / student / A / "timestamp.txt").write_text("2026-11-19 00:00:00 UTC")
    again = collect(mini, A, pack(tmp_path / "again.zip", {
        f"{who}_assignsubmission_file_/01_mini.ipynb": (right + b" ", when)
        for who, when in (("Ada Lovelace_7", day(21)), ("Bob Ray_8", day(22)))}),
        roster_file=sheet, timezone="UTC", dry_run=True)
    assert states(again) == {"ada@uni.de": OLDER, "bob@uni.de": OLDER}
    assert [text for text in again.warnings if text.startswith("2 older than what is there, by the roster's times")]
    # the first collection had no time: the second adds it to work that is otherwise the same
    plain = collect(mini, A, pack(tmp_path / "n.zip", {
        "Ada Lovelace_7_assignsubmission_file_/01_mini.ipynb": (right, day(1)),
        "Bob Ray_8_assignsubmission_file_/01_mini.ipynb": (right, day(20))}), timezone="UTC")
    assert states(plain) == {"Ada_Lovelace": SAME, "Bob_Ray": SAME}
    assert stamp(mini, "Ada_Lovelace") == "2026-11-01 12:00:00.000000 UTC"


def test_canvas_says_late_and_a_file_number_says_newer(mini: Path, right: bytes, wrong: bytes, tmp_path: Path) -> None:
    """Canvas's entries have the time of the download; its flag and its file numbers are the record."""
    due(mini, "2026-11-15 00:00:00")
    path = pack(tmp_path / "c.zip", {
        "lovelaceada_100_5001_01_mini-1.ipynb": (right, day(20)),
        "rayb_ob_LATE_101_5002_01_mini.ipynb": (right, day(20)),
        "anon_x7Yz_5003_01_mini.ipynb": (right, day(20)),
        "texter_102_text.html": (b"<p>typed", day(20))})
    roster = table(tmp_path / "g.csv", "Student,ID,SIS User ID,SIS Login ID,Section,01_mini (77)",
                   "    Points Possible,,,,,10", '"Lovelace, Ada",100,s1,ada,A,', '"Ray, B_ob",101,s2,bob,A,')
    got = collect(mini, A, path, roster_file=roster, timezone="UTC")
    assert got.format == "canvas"
    assert [(r.student, r.state, r.late) for r in got.rows[:2]] == [("ada", NEW, False), ("bob", NEW, True)]
    assert [stamp(mini, s) for s in ("ada", "bob")] == [f"2026-11-15 00:00:0{n}.000000 UTC" for n in (0, 1)]
    assert got.rows[2].state == LEFT and got.rows[2].notes[0] == "not in the roster"
    older = pack(tmp_path / "old.zip", {"lovelaceada_100_4000_01_mini.ipynb": (wrong, day(21))})
    newer = pack(tmp_path / "new.zip", {"lovelaceada_100_6000_01_mini-2.ipynb": (wrong, day(19))})
    assert states(collect(mini, A, older, roster_file=roster)) == {"ada": OLDER}
    assert (mini / "submitted/ada" / A / f"{A}.ipynb").read_bytes() == right
    assert states(collect(mini, A, newer, roster_file=roster)) == {"ada": CHANGED}
    assert (mini / "submitted/ada" / A / f"{A}.ipynb").read_bytes() == wrong
    kept = (mini / ".autograder/replaced" / A / "ada").rglob("*.ipynb")
    assert sorted(p.read_bytes() for p in kept) == sorted([right, wrong])


def test_a_folder_of_notebooks_and_nbgraders_own_layout(mini: Path, right: bytes, tmp_path: Path) -> None:
    a, b = tmp_path / "flat", tmp_path / "nbgrader"
    for path in (a / "ada.ipynb", a / "bob" / "deep" / "My Work.ipynb", b / "eve" / A / "01_mini.ipynb",
                 b / "eve" / "02_other" / "02_other.ipynb"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(right)
    (b / "eve" / A / "timestamp.txt").write_text("2026-11-02 10:00:00.5 Europe/Berlin")
    got = collect(mini, A, a)
    assert got.format == "folder" and states(got) == {"ada": NEW, "bob": NEW}
    assert stamp(mini, "ada") is None          # a file's own date is no platform's record
    assert got.rows[1].notes == ["'My Work.ipynb' was taken as 01_mini.ipynb"]
    got = collect(mini, A, b)
    assert states(got) == {"eve": NEW} and stamp(mini, "eve") == "2026-11-02 09:00:00.500000 UTC"
    packed = pack(tmp_path / "around.zip", {f"class/{s}/01_mini.ipynb": (right, NOON) for s in ("kim", "lee")})
    assert states(collect(mini, A, packed)) == {"kim": NEW, "lee": NEW}


def test_nbgraders_exchange_is_collected_by_nbgrader_and_no_link_is_followed(
        mini: Path, right: bytes, wrong: bytes, tmp_path: Path) -> None:
    inbound = tmp_path / "exchange" / "other course" / "inbound"

    def submit(who: str, when: str, data: bytes) -> Path:
        folder = inbound / f"{who}+{A}+{when}+abcdef"
        folder.mkdir(parents=True)
        (folder / f"{A}.ipynb").write_bytes(data)
        (folder / "timestamp.txt").write_text(when)
        return folder

    submit("ada", "2026-11-01 10:00:00.000000 UTC", wrong)
    second = submit("ada", "2026-11-02 10:00:00.000000 UTC", right)
    submit("eve", "no time at all", right)              # anyone may write there: it must not stop the others
    (second / "key.ipynb").symlink_to(mini / "gradebook.db")
    (inbound / f"mallory+{A}+2026-11-02 10:00:00.000000 UTC").symlink_to(mini / "checks" / A)
    got = collect(mini, A, tmp_path / "exchange")
    assert got.format == "exchange" and states(got) == {"ada": NEW, "eve": NEW}
    assert (mini / "submitted/ada" / A / f"{A}.ipynb").read_bytes() == right
    assert stamp(mini, "ada") == "2026-11-02 10:00:00.000000 UTC" and stamp(mini, "eve") is None
    assert sorted(why for _, why in got.refused) == ["is a link", "is a link"]
    assert not list((mini / "submitted").rglob("key*")) and not (mini / "submitted" / "mallory").exists()

    with pytest.raises(AutograderError, match="nbgrader has no exchange here"):
        collect(mini, A)
    with (mini / "nbgrader_config.py").open("a") as file:
        file.write(f"\nc.Exchange.root = {str(tmp_path / 'exchange')!r}\n"
                   "c.CourseDirectory.course_id = 'other course'\n")
    assert states(collect(mini, A)) == {"ada": SAME, "eve": SAME}


def git(folder: Path, *words: str, when: str = "2026-11-03T10:00:00+01:00") -> None:
    env = {**os.environ, "GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when, "GIT_CONFIG_GLOBAL": os.devnull,
           "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@y", *words], cwd=folder, env=env, check=True,
                   capture_output=True)


def clone(root: Path, name: str, files: Mapping[str, bytes]) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "my work")
    return folder


def test_clones_are_read_without_a_word_of_their_own_settings(
        mini: Path, right: bytes, wrong: bytes, tmp_path: Path) -> None:
    root, ran = tmp_path / "clones", tmp_path / "ran"
    ada = clone(root, "01-mini-ada", {"work/01_mini.ipynb": right, "README.md": b"hi"})
    (ada / "README.md").write_bytes(b"later, and no notebook")
    git(ada, "commit", "--quiet", "-am", "later", when="2026-11-29T10:00:00+00:00")
    (ada / "work" / "01_mini.ipynb").write_bytes(wrong)         # not committed, so not handed in
    bomb = f"touch {ran}"
    for hook in ("post-checkout", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        path = ada / ".git" / "hooks" / hook
        path.write_text(f"#!/bin/sh\n{bomb}\n")
        path.chmod(0o755)
    with (ada / ".git" / "config").open("a") as file:
        file.write(f'[core]\n fsmonitor = "{bomb}"\n sshCommand = "{bomb}"\n pager = "{bomb}"\n'
                   f'[log]\n showSignature = true\n[gpg]\n program = "{bomb}"\n[alias]\n log = "!{bomb}"\n'
                   f'[extensions]\n partialClone = origin\n[remote "origin"]\n url = "ext::{bomb}"\n promisor = true\n'
                   f'[protocol "ext"]\n allow = always\n[diff]\n external = "{bomb}"\n')
    borrowed = clone(root, "01-mini-mallory", {"01_mini.ipynb": wrong})
    (borrowed / ".git/objects/info").mkdir(exist_ok=True)
    (borrowed / ".git/objects/info/alternates").write_text(str(ada / ".git/objects"))
    linked = clone(root, "01-mini-eve", {"README.md": b"x"})
    (linked / "01_mini.ipynb").symlink_to(mini / "gradebook.db")
    git(linked, "add", "-A")
    git(linked, "commit", "--quiet", "-m", "link")
    (root / "no clone").mkdir()
    got = collect(mini, A, root)
    assert got.format == "git" and states(got) == {"ada": NEW, "eve": LEFT}
    assert stamp(mini, "ada") == "2026-11-03 09:00:00.000000 UTC"       # of the commit that touched the notebook
    assert (mini / "submitted/ada" / A / f"{A}.ipynb").read_bytes() == right
    assert not ran.exists()
    assert {n: w.partition(":")[0] for n, w in got.refused} == {
        "no clone": "is no clone", "01-mini-mallory": "borrows its objects from elsewhere"}


def test_a_classroom_folder_becomes_a_username() -> None:
    assert clones.usernames(["01-mini-ada-l", "01_mini-bob"], A) == {"01-mini-ada-l": "ada-l", "01_mini-bob": "bob"}
    assert clones.usernames(["hw1-ada", "hw1-bob-x"], A) == {"hw1-ada": "ada", "hw1-bob-x": "bob-x"}
    assert clones.usernames(["ada"], A) == {"ada": "ada"} and clones.usernames(["ada", "bob"], A) == {"ada": "ada",
                                                                                                     "bob": "bob"}


def test_other_names_are_taken_apart_by_a_pattern(mini: Path, right: bytes, tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"ps1_ada_attempt_2026-11-04-15-00-00_01_mini.ipynb": (right, NOON),
                                     "readme.ipynb": (right, NOON)})
    pattern = r".*_(?P<student_id>\w+)_attempt_(?P<timestamp>[0-9\-]+)_(?P<file_id>.*)"
    got = collect(mini, A, path, pattern=pattern, timezone="UTC")
    assert states(got) == {"ada": NEW} and stamp(mini, "ada") == "2026-11-04 15:00:00.000000 UTC"
    assert got.refused == [("readme.ipynb", "its name is not of this platform's form")]
    for bad, said in (("(", "no regular expression"), ("x", "no group")):
        with pytest.raises(AutograderError, match=said):
            collect(mini, A, path, pattern=bad)


# hostile downloads ----------------------------------------------------------------------------------------------------

def test_names_that_lead_out_links_and_broken_entries_do_nothing_and_stop_nobody(
        mini: Path, right: bytes, tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ada/01_mini.ipynb", right)
        for name in ("../../out.ipynb", "/abs/out.ipynb", "C:/out.ipynb", "eve/..\\..\\out.ipynb",
                     "a/" * 600 + "x.ipynb"):
            archive.writestr(name, right)
        link = zipfile.ZipInfo("mallory/01_mini.ipynb")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(mini / "gradebook.db"))
        archive.writestr("broken/01_mini.ipynb", right)
        archive.writestr("__MACOSX/ada/._01_mini.ipynb", b"noise")
        archive.writestr("\x1b]0;owned\x07/01_mini.ipynb", right)
    data = bytearray(path.read_bytes())
    at = data.rindex(right[:200], 0, data.index(b"\x1b]0;owned"))        # a byte of the entry `broken`
    data[at + 50] ^= 0xFF
    path.write_bytes(data)
    before = content(tmp_path)
    got = collect(mini, A, path)
    assert states(got) == {"ada": NEW, "broken": LEFT, "\x1b]0;owned\x07": LEFT}
    assert sorted(w for _, w in got.refused if "cannot" not in w) == ["is a link"] + 5 * [
        "its name leads out of the download"]
    assert any("cannot be read (Bad CRC" in w for _, w in got.refused)
    assert {n for n in content(tmp_path) if n not in before and not n.startswith("mini course/")} == set()
    assert not list(mini.glob(".autograder/incoming-*"))


def test_a_bomb_stops_the_collection_before_it_fills_the_disk(
        mini: Path, right: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "SPARE", 1 << 20)
    bomb = pack(tmp_path / "b.zip", {f"s{i}/01_mini.ipynb": (b"0" * (4 << 20), NOON) for i in range(4)})
    assert bomb.stat().st_size * entries.MAX_RATIO < 15 << 20
    with pytest.raises(AutograderError, match="as a bomb does; nothing was collected"):
        collect(mini, A, bomb)
    assert not list((mini / "submitted").iterdir())
    monkeypatch.setattr(entries, "MAX_BYTES", 1 << 20)
    got = collect(mini, A, pack(tmp_path / "big.zip", {"s/01_mini.ipynb": (os.urandom(2 << 20), NOON),
                                                       "ada/01_mini.ipynb": (right, NOON)}))
    assert states(got) == {"s": LEFT, "ada": NEW} and got.refused == [("s/01_mini.ipynb", "over 1 MB")]
    monkeypatch.setattr(entries, "MAX_ENTRIES", 1)
    with pytest.raises(AutograderError, match="at most 1 are read"):
        collect(mini, A, bomb)


def test_one_students_bomb_does_not_stop_the_others(
        mini: Path, right: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autograder import downloads

    monkeypatch.setattr(entries, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(downloads, "MAX_SIZE", 2 << 20)
    zeros = b"0" * (1 << 20)
    inner = pack(tmp_path / "i.zip", {f"{i}.ipynb": (zeros, NOON) for i in range(9)})
    got = collect(mini, A, pack(tmp_path / "m.zip", {
        "Ada L_1_assignsubmission_file_/01_mini.ipynb": (right, day(1)),
        "Eve X_2_assignsubmission_file_/bomb.zip": (inner.read_bytes(), day(2)),
        **{f"Kim Y_3_assignsubmission_file_/{i}.ipynb": (zeros, day(3)) for i in range(9)}}))
    assert states(got)["Ada_L"] == NEW and len(got.rows) == 3
    said = [why for _, why in got.refused]
    assert said == ["a hand-in has at most 2 MB in 100 files"] * 13        # 3 of Kim's files, and 2 of Eve's, were read


def test_a_zip_that_states_a_small_size_is_counted_while_it_unpacks(
        mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_BYTES", 1 << 20)
    path = pack(tmp_path / "liar.zip", {"s/01_mini.ipynb": (b"0" * (3 << 20), NOON)})
    data = path.read_bytes().replace(struct.pack("<I", 3 << 20), struct.pack("<I", 10))
    path.write_bytes(data)
    got = collect(mini, A, path)
    assert states(got) == {"s": LEFT} and len(got.refused) == 1
    assert sum(p.stat().st_size for p in mini.rglob("*") if p.is_file()) < 2 << 20


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=60),
                      min_size=1, max_size=5, unique=True),
       frame=st.sampled_from(["{}", "{}/x.ipynb", "A B_1_assignsubmission_file_/{}", "{}.ipynb", "ab_1_2_{}",
                              "{}_1_assignsubmission_file_/x.ipynb", "{}_LATE_1_2_x.ipynb"]),
       kind=st.sampled_from(["moodle", "canvas", "folder"]))
def test_no_name_in_a_zip_reaches_the_disk(names: list[str], frame: str, kind: str, tmp_path_factory: Any) -> None:
    """Whatever a file is called: it is taken or refused, and our copies have names of their own."""
    from autograder.downloads import Reader, hand_ins

    place = tmp_path_factory.mktemp("names")
    staging = place / "staging"
    staging.mkdir()
    path = pack(place / "x.zip", {frame.format(name): (b"{}", NOON) for name in names})
    refused: list[str] = []
    with entries.opened(path, lambda name, why: refused.append(name)) as found:
        got = hand_ins(kind, found, Reader(staging, UTC, lambda name, why: refused.append(name)), assignment=A)
    taken = [f.path for h in got for f in h.files]
    assert all(p.parent == staging and re.fullmatch(r"\d{6}", p.name) for p in taken)
    assert sorted(p for p in place.rglob("*") if p.is_file()) == sorted({path, *taken, *staging.glob("*")})
    for h in got:
        student = safe_id(h.own)
        assert student is None or (place / "submitted" / student).resolve().parent == (place / "submitted").resolve()


def test_a_students_own_zip_is_opened_once(mini: Path, right: bytes, tmp_path: Path) -> None:
    inner = pack(tmp_path / "i.zip", {"my folder/01_mini.ipynb": (right, NOON), "../x.ipynb": (right, NOON)})
    twice = pack(tmp_path / "t.zip", {"i.zip": (inner.read_bytes(), NOON)})
    got = collect(mini, A, pack(tmp_path / "m.zip", {
        "Ada L_1_assignsubmission_file_/abgabe.ZIP": (inner.read_bytes(), day(1)),
        "Bob R_2_assignsubmission_file_/t.zip": (twice.read_bytes(), day(2)),
        "Eve S_3_assignsubmission_file_/x.zip": (b"no zip", day(3))}))
    assert states(got) == {"Ada_L": NEW, "Bob_R": LEFT, "Eve_S": LEFT}


def test_names_without_the_flag_for_utf8_are_read_as_utf8(mini: Path, right: bytes, tmp_path: Path) -> None:
    """Some programs write UTF-8 and do not say so; Python then reads the bytes as those of an old PC."""
    name = "Zoë Ångström_9_assignsubmission_file_/01_mini.ipynb".encode()
    path = pack(tmp_path / "m.zip", {"x" * len(name): (right, NOON)})
    path.write_bytes(path.read_bytes().replace(b"x" * len(name), name))
    assert zipfile.ZipFile(path).namelist() != [name.decode()]
    assert states(collect(mini, A, path)) == {"Zoë_Ångström": NEW}


def test_a_link_in_the_place_of_a_students_folder_is_not_written_through(
        mini: Path, right: bytes, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (mini / "submitted" / "ada").symlink_to(tmp_path / "elsewhere")
    got = collect(mini, A, pack(tmp_path / "x.zip", {"ada/01_mini.ipynb": (right, NOON)}))
    assert states(got) == {"ada": LEFT} and not list((tmp_path / "elsewhere").iterdir())


def test_a_dry_run_leaves_even_the_times_of_the_courses_folders(mini: Path, right: bytes, tmp_path: Path) -> None:
    """It unpacks outside of the course, which may be mounted read-only."""
    path = pack(tmp_path / "x.zip", {"ada/01_mini.ipynb": (right, NOON), "eve/notes.ipynb": (b"{}", NOON)})
    folders = [p for p in [mini, *mini.rglob("*")] if p.is_dir()]
    before = [p.stat().st_mtime_ns for p in folders]
    assert states(collect(mini, A, path, dry_run=True)) == {"ada": NEW, "eve": NEW}
    assert [p.stat().st_mtime_ns for p in folders] == before


def test_what_a_better_roster_brings_in_is_no_longer_among_the_uncollected(
        mini: Path, right: bytes, wrong: bytes, tmp_path: Path) -> None:
    names = ["Min Kim_2", "Min Kim_3", "Ada Lovelace_1"]
    path = pack(tmp_path / "m.zip", {f"{who}_assignsubmission_file_/01_mini.ipynb": (data, NOON)
                                     for who, data in zip(names, [right, right, wrong], strict=True)})
    kept = mini / ".autograder/uncollected" / A
    rows = ["Participant 2,Min Kim,k2@uni.de", "Participant 1,Ada Lovelace,ada@uni.de",
            "Participant 3,Min Kim,k3@uni.de"]
    for known, left in ((0, 3), (2, 2), (3, 0)):     # with two of them, both Kims lead to the one
        roster = table(tmp_path / "r.csv", "Identifier,Full name,Email address", *(rows[:known] or ["9,No One,x@y.z"]))
        collect(mini, A, path, roster_file=roster)
        assert len(list(kept.rglob("*.ipynb"))) == left
    assert not kept.exists()


# students -------------------------------------------------------------------------------------------------------------

def test_who_is_not_in_the_roster_or_there_twice_is_kept_and_said(
        mini: Path, right: bytes, wrong: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roster = table(tmp_path / "r.csv", "id;Nachname;Vorname;E-Mail-Adresse", "ada;Lovelace;Ada;ada@uni.de",
                   "k1;Kim;Min;k1@uni.de", "k2;Kim;Min;k2@uni.de", "../x;Bad;Id;")
    path = pack(tmp_path / "m.zip", {
        f"{who}_assignsubmission_file_/01_mini.ipynb": (data, day(i + 1)) for i, (who, data) in enumerate([
            ("Ada Lovelace_1", right), ("Min Kim_2", right), ("Nobody Known_3", wrong)])})
    got = collect(mini, A, path, roster_file=roster)
    assert states(got) == {"ada": NEW, "Min Kim (2)": LEFT, "Nobody Known (3)": LEFT}
    assert [r.notes[0] for r in got.rows[1:]] == [
        "the roster has 2 students called Min Kim: one with the platform's own numbers, as Moodle's grading worksheet, "
        "tells them apart", "not in the roster"]
    kept = sorted((mini / ".autograder/uncollected" / A).rglob("*.ipynb"))
    assert sorted(p.read_bytes() for p in kept) == sorted([right, wrong])
    assert any("'../x'" in text for text in got.warnings)
    assert main(["collect", str(mini), A, str(path), "--roster", str(roster)]) == 0
    out = capsys.readouterr()
    assert "(Min Kim (2))" in out.out and f"kept in {mini / '.autograder/uncollected' / A}" in out.err
    assert sorted((mini / ".autograder/uncollected" / A).rglob("*.ipynb")) == kept          # kept once

    from autograder.gradebook import Grades

    with Grades(Course.open(mini)) as grades:
        ada = grades.book.find_student("ada")
        assert (ada.first_name, ada.last_name, ada.email) == ("Ada", "Lovelace", "ada@uni.de")


def test_a_student_stays_one_student_whichever_table_is_the_roster(mini: Path, right: bytes, tmp_path: Path) -> None:
    """Moodle's list of participants has numbers, its worksheet may have addresses alone."""
    who = [("Ada L", "4711", "ada@uni.de"), ("Bob R", "4712", "bob@uni.de"), *(
        (f"S {i}", f"50{i}", f"s{i}@uni.de") for i in range(4))]
    path = pack(tmp_path / "m.zip", {f"{name}_{i}_assignsubmission_file_/01_mini.ipynb": (right, day(i + 1))
                                     for i, (name, _, _) in enumerate(who)})
    people = table(tmp_path / "p.csv", "First name,Last name,ID number,Email address",
                   *(f"{name.replace(' ', ',')},{number},{mail}" for name, number, mail in who))
    sheet = table(tmp_path / "w.csv", "Identifier,Full name,Email address", *(
        f"Participant {i},{name},{mail.upper()}" for i, (name, _, mail) in enumerate(who)))
    assert states(collect(mini, A, path, roster_file=people)) == dict.fromkeys((n for _, n, _ in who), NEW)
    assert states(collect(mini, A, path, roster_file=sheet)) == dict.fromkeys((n for _, n, _ in who), SAME)
    got = collect(mini, A, path)        # no table, so full names: all would be new
    assert got.count(NEW) == 6 and got.warnings == [
        "6 of 6 are new to the gradebook, 'Ada_L' for one, which has ids such as '4711': if they are the same people, "
        "name the roster's column of ids by --id-column"]


def test_two_moodle_students_of_one_name_are_never_one(mini: Path, right: bytes, wrong: bytes, tmp_path: Path) -> None:
    path = pack(tmp_path / "m.zip", {"Min Kim_1_assignsubmission_file_/01_mini.ipynb": (right, day(1)),
                                     "Min Kim_2_assignsubmission_file_/01_mini.ipynb": (wrong, day(2))})
    got = collect(mini, A, path)
    assert set(states(got).values()) == {LEFT} and "2 hand-ins lead to 'Min_Kim'" in got.rows[0].notes[0]
    assert not list((mini / "submitted").iterdir())
    one = table(tmp_path / "r.csv", "id,name", "kim,Min Kim")
    assert set(states(collect(mini, A, path, roster_file=one)).values()) == {LEFT}


def test_no_student_hands_in_as_another_by_the_name_of_a_file_or_of_himself(
        mini: Path, right: bytes, wrong: bytes, tmp_path: Path) -> None:
    sheet = table(tmp_path / "w.csv", "Identifier,Full name,ID number", "Participant 5,Eve X,eve",
                  "Participant 9,Ada L,ada")
    path = pack(tmp_path / "m.zip", {
        "Eve X_5_assignsubmission_file_Ada L_9_assignsubmission_file_01_mini.ipynb": (wrong, day(2)),
        "Eve X_5_assignsubmission_file_/Ada L_9_assignsubmission_file_/01_mini.ipynb": (wrong, day(2))})
    assert states(collect(mini, A, path, roster_file=sheet)) == {"eve": NEW}

    # Canvas's form has no such order: a name that ends in a number can be read as another's number
    roster = table(tmp_path / "g.csv", "Student,ID,SIS Login ID,Section", '"L, Ada",9,ada,x', '"X, Eve",5,eve,x')
    path = pack(tmp_path / "c.zip", {"xeve_9_5_7001_01_mini.ipynb": (wrong, NOON),
                                     "lada_9_6000_01_mini.ipynb": (right, NOON)})
    got = collect(mini, A, path, roster_file=roster)
    assert states(got) == {"ada": NEW, "xeve (9)": LEFT}
    assert got.rows[1].notes[0] == "the number 9 is one student's, and the name another's"
    assert (mini / "submitted/ada" / A / f"{A}.ipynb").read_bytes() == right
    assert {r.state for r in collect(mini, A, path).rows} == {LEFT}         # nobody is taken for another without one


def test_a_submission_in_anothers_name_does_not_replace_the_students_own(
        mini: Path, right: bytes, wrong: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autograder.exchange import CarefulCollect

    for who, when, data in (("ada", "01", right), ("ada", "02", wrong), ("bob", "01", right)):
        folder = tmp_path / "exchange" / "c" / "inbound" / f"{who}+{A}+2026-11-{when} 10:00:00.000000 UTC"
        folder.mkdir(parents=True)
        (folder / f"{A}.ipynb").write_bytes(data)
    monkeypatch.setattr(CarefulCollect, "_owner", lambda self, r: "eve" if "11-02" in r["filename"] else "ada")
    got = collect(mini, A, tmp_path / "exchange")
    assert states(got) == {"ada": NEW, "bob": NEW}          # where no account is the student's, nbgrader's rule stands
    assert (mini / "submitted/ada" / A / f"{A}.ipynb").read_bytes() == right
    assert [why for _, why in got.refused] == ["is owned by eve, and the student has handed in as well"]


@pytest.mark.parametrize(("header", "row", "keys", "student"), [
    ("Student,ID,SIS User ID,SIS Login ID,Section", '"Lovelace, Ada",77,u1,ada1,A', [("canvas", "77")], "ada1"),
    ("Student,ID,SIS Login ID,Section", '"van Rossum, Guido",78,gvr,A', [("squashed", "vanrossumguido")], "gvr"),
    ("Student,ID,Section", '"Lovelace, Ada",77,A', [("name", "ada  LOVELACE")], "77"),
    ("First name,Last name,Email address,Groups", "Ada,Lovelace,ada@uni.de,", [("name", "Ada Lovelace")], "ada@uni.de"),
    ("First name,Last name,ID number,Email address", "Ada,Lovelace,4711,ada@uni.de", [("email", "ADA@uni.de")], "4711"),
    ("Vorname;Nachname;ID-Nummer;E-Mail-Adresse", "Zoë;Ång;4712;z@uni.de", [("name", "Zoë Ång")], "4712"),
    ("ID;Vollständiger Name;E-Mail-Adresse;Status", "Teilnehmer/in 512;Ada Lovelace;ada@uni.de;x", [("moodle", "512")],
     "ada@uni.de"),
    ("Identifier,Full name,Email address", "Participant 512,Ada L,ada@uni.de", [("moodle", "512")], "ada@uni.de"),
    ("id,github", "s1,octo-cat", [("login", "octo-cat")], "s1"),
    ("\ufeffid,name", "s1,Ada", [("name", "Ada")], "s1"),
])
def test_rosters_of_every_platform(header: str, row: str, keys: list[tuple[str, str]], student: str, tmp_path: Path
                                   ) -> None:
    assert read_roster(table(tmp_path / "r.csv", header, row)).find(keys) == (student, "")


@pytest.mark.parametrize(("text", "said"), [
    ("a,b\n1,2\n", "has no column for the students' ids"), ("", "is empty"), ("id\n\n", "names no student"),
    ("PK\x03\x04", "save it as CSV")])
def test_a_table_that_is_no_roster_says_what_it_has(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(AutograderError, match=said):
        read_roster(tmp_path / "r.csv")


@pytest.mark.parametrize("bad", ["", ".", "..", ".x", "a/b", "a\\b", "a\0b", "a\nb", "-rf", "x" * 200, "a:b",
                                 "\u202ex"])
def test_an_id_that_could_leave_its_folder_is_none(bad: str) -> None:
    assert safe_id(bad) is None


# which file -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [
    "03_rnn.ipynb", "03_rnn (1).ipynb", "03_rnn(12).IPYNB", "03_rnn-1.ipynb", "03_rnn-Copy1.ipynb", "03_rnn_v2.ipynb",
    "Copy of 03_rnn.ipynb", "Kopie von 03_rnn.ipynb", "03_rnn - Kopie.ipynb", "03_RNN_final.ipynb",
    "03_rnn (1)-2.ipynb"])
def test_a_name_that_a_browser_or_a_platform_changed_is_known(name: str) -> None:
    assert "03_rnn" in names_of(name)


def test_several_notebooks_go_to_their_own_by_name_or_by_cells(tmp_path: Path) -> None:
    def notebook(name: str, *ids: str, order: int = 0) -> File:
        path = tmp_path / f"{name}-{order}"
        cells = [{"cell_type": "code", "source": "", "metadata": {"nbgrader": {"grade_id": i}}} for i in ids]
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
        return File(name, path, order)

    wanted = {"part1": {"a", "b"}, "part2": {"c"}}
    one, two, other = notebook("part1-1.ipynb", "a", "b", order=5), notebook("stuff.ipynb", "c"), notebook("x.ipynb")
    older = notebook("part1.ipynb", "a", order=4)
    chosen, left, notes = choose([older, other, two, one], wanted)
    assert chosen == {"part1": one, "part2": two} and left == [other, older]
    assert notes == ["'stuff.ipynb' was taken as part2.ipynb"]
    assert choose([two], wanted)[2] == ["'stuff.ipynb' was taken as part2.ipynb", "not handed in: part1.ipynb"]
    assert choose([other], {"part1": {"a"}})[2] == [
        "'x.ipynb' was taken as part1.ipynb, though it has no cell of this assignment"]


def test_a_renamed_notebook_is_known_by_answers_and_tests_and_not_by_what_all_assignments_share(
        rnn: Path, tmp_path: Path) -> None:
    """Every assignment of the course has a cell `environment`: another assignment's notebook has it as well."""
    other = (CHECKOUT / "exercises/02_ngram/02_ngram.ipynb").read_bytes()
    right = json.dumps(solved(rnn, "03_rnn")).encode()
    bare = json.loads(right)
    for cell in bare["cells"]:
        cell["metadata"] = {}           # an editor that keeps the cells' ids alone
    said = "was taken as 03_rnn.ipynb"
    got = collect(rnn, "03_rnn", pack(tmp_path / "x.zip", {
        "ada/my work.ipynb": (right, NOON), "bob/02_ngram.ipynb": (other, NOON),
        "cyd/02_ngram.ipynb": (other, NOON), "cyd/Untitled.ipynb": (right, NOON),
        "dan/02_ngram.ipynb": (other, NOON), "dan/notes.ipynb": (b"{}", NOON),
        "eve/plain.ipynb": (json.dumps(bare).encode(), NOON)}))
    assert {r.student: (r.state, r.notes[0]) for r in got.rows} == {
        "ada": (NEW, f"'my work.ipynb' {said}"),
        "bob": (NEW, f"'02_ngram.ipynb' {said}, though it has no cell of this assignment"),
        "cyd": (NEW, f"'Untitled.ipynb' {said}"),
        "dan": (LEFT, "has no notebook of this assignment"),
        "eve": (NEW, f"'plain.ipynb' {said}")}


def test_a_courses_own_folders_are_no_submissions(
        mini: Path, right: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given as a download, each assignment would become a student."""
    before = content(mini)
    for folder in (mini, mini / "source", mini / "release" / A, mini / "checks", mini / "source" / ".." / "release"):
        assert main(["collect", str(mini), A, str(folder)]) == 2
        assert capsys.readouterr().err.splitlines() == [
            f"autograder: '{folder}' belongs to the course itself, and holds no student's work: name a platform's zip, "
            "or a folder with a notebook or a folder for each student"]
    several_help.write_several(mini)
    elsewhere = tmp_path / "exercises"
    for name in (A, several_help.A):
        (elsewhere / name).mkdir(parents=True)
        (elsewhere / name / f"{name}.ipynb").write_bytes(right)
    with pytest.raises(AutograderError, match=f"has entries called {A}, {several_help.A}, as the assignments are"):
        collect(mini, A, elsewhere)
    assert {n for n in content(mini) if n.startswith("submitted")} == {n for n in before if n.startswith("submitted")}
    # a download that lies in the course's folder is a download, and so is what an earlier collection could not place
    for folder in (mini / "downloaded", mini / ".autograder/uncollected" / A):
        (folder / "ada").mkdir(parents=True)
        (folder / "ada" / f"{A}.ipynb").write_bytes(right)
        assert states(collect(mini, A, folder)) == {"ada": NEW if folder.name == "downloaded" else SAME}


# again and again ------------------------------------------------------------------------------------------------------

def test_newer_replaces_older_and_every_version_stays_somewhere(
        mini: Path, right: bytes, wrong: bytes, tmp_path: Path) -> None:
    def moodle(data: bytes, n: int) -> Path:
        return pack(tmp_path / f"{n}.zip", {"Ada L_1_assignsubmission_file_/01_mini.ipynb": (data, day(n)),
                                            "Bob R_2_assignsubmission_file_/01_mini.ipynb": (right, day(3))})

    assert states(collect(mini, A, moodle(right, 10))) == {"Ada_L": NEW, "Bob_R": NEW}
    path = mini / "submitted/Ada_L" / A / f"{A}.ipynb"
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert states(collect(mini, A, moodle(right, 11))) == {"Ada_L": SAME, "Bob_R": SAME}
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before and "-11-10" in str(stamp(mini, "Ada_L"))
    assert states(collect(mini, A, moodle(wrong, 9))) == {"Ada_L": OLDER, "Bob_R": SAME}
    assert path.read_bytes() == right
    assert states(collect(mini, A, moodle(wrong, 12))) == {"Ada_L": CHANGED, "Bob_R": SAME}
    assert path.read_bytes() == wrong and "-11-12" in str(stamp(mini, "Ada_L"))
    kept = [p for p in (mini / ".autograder/replaced").rglob("*.ipynb")]
    assert {right, wrong} == {p.read_bytes() for p in kept}
    assert sorted((p.parent / "timestamp.txt").read_text()[:10] for p in kept) == ["2026-11-09", "2026-11-10"]


def test_a_collection_that_is_killed_goes_on_where_it_stopped(
        mini: Path, right: bytes, wrong: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at each write in turn: the next collection ends as an undisturbed one, and the old version is kept."""
    first = pack(tmp_path / "1.zip", {"Ada L_1_assignsubmission_file_/01_mini.ipynb": (wrong, day(1))})
    second = pack(tmp_path / "2.zip", {"Ada L_1_assignsubmission_file_/01_mini.ipynb": (right, day(2))})
    collect(mini, A, first)
    real = os.replace
    for stop in range(1, 8):
        count = 0

        def replace(a: Any, b: Any, stop: int = stop) -> None:
            nonlocal count
            count += 1
            if count == stop:
                raise KeyboardInterrupt
            real(a, b)

        monkeypatch.setattr(os, "replace", replace)
        try:
            collect(mini, A, second)
            break
        except KeyboardInterrupt:
            pass
    else:
        raise AssertionError("never ended")
    assert stop > 3
    assert (mini / "submitted/Ada_L" / A / f"{A}.ipynb").read_bytes() == right and "-11-02" in str(stamp(mini, "Ada_L"))
    assert wrong in [p.read_bytes() for p in (mini / ".autograder/replaced").rglob("*.ipynb")]
    assert not list((mini / ".autograder").glob("incoming-*"))


def test_a_dry_run_changes_nothing_and_another_run_is_waited_for(
        mini: Path, right: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = pack(tmp_path / "x.zip", {"ada/01_mini.ipynb": (right, NOON), "eve/notes.ipynb": (b"{}", NOON)})
    before = content(mini)
    assert main(["collect", str(mini), A, str(path), "--dry-run", "--json"]) == 0
    got = capsys.readouterr()
    assert [(s["student"], s["state"]) for s in json.loads(got.out)["submissions"]] == [("ada", NEW), ("eve", NEW)]
    assert "nothing was changed" in got.err and content(mini) == before
    with Course.open(mini).lock(), pytest.raises(Busy):
        collect(mini, A, path)
    assert content(mini) == before


def test_the_table_shows_each_hand_in_and_no_control_character(
        mini: Path, right: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = pack(tmp_path / "m.zip", {"Ada L_1_assignsubmission_file_/01_mini.ipynb": (right, day(1, 9)),
                                     "\x1b[2JEve_2_assignsubmission_file_/\x07bad.txt": (b"x", day(2))})
    assert main(["collect", str(mini), A, str(path), "--timezone", "UTC"]) == 0
    out = capsys.readouterr()
    rows = out.out.splitlines()
    assert rows[0].split() == ["student", "file", "time", "(UTC)", "late"]
    assert rows[1].split() == ["Ada_L", "01_mini.ipynb", "2026-11-01", "09:00", "?", "new"]
    assert rows[-1] == "2 hand-ins (moodle): 1 new, 1 left out" and not set("\x1b\x07") & set(out.out + out.err)


@pytest.mark.parametrize(("words", "said"), [
    (["nowhere.zip"], "there is no 'nowhere.zip' to collect from"),
    (["plain.txt"], "'plain.txt' is no zip, and no folder"),
    (["--timezone", "Mars/Olympus", "plain.txt"], "no time zone 'Mars/Olympus'. Write it as in Europe/Berlin or UTC"),
    (["empty", "--format", "exchange"], "'empty' is no exchange: it has no folder 'inbound'")])
def test_what_cannot_be_collected_from_is_one_line(words: list[str], said: str, mini: Path, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    assert main(["collect", str(mini), A, *words]) == 2
    assert capsys.readouterr().err.splitlines() == [f"autograder: {said}"]


# times ----------------------------------------------------------------------------------------------------------------

def test_a_time_is_read_as_it_is_written_and_nothing_is_guessed() -> None:
    berlin = times.zone("Europe/Berlin")
    for text in ("2026-11-30 12:00:00.000000 UTC", "Monday, 30 November 2026, 1:00 PM", "2026-11-30T13:00:00+01:00",
                 "Montag, 30. November 2026, 13:00", "Monday, November 30, 2026, 1:00 PM", "30/11/2026 13:00"):
        assert times.parse(text, berlin) == datetime(2026, 11, 30, 12, tzinfo=UTC), text
    for text in ("", "-", "never", "99/99/9999", "\x00" * 50, "1" * 500):
        assert times.parse(text) is None, text
    assert times.parse(times.stamp(datetime(2026, 11, 30, 12, tzinfo=UTC))) == datetime(2026, 11, 30, 12, tzinfo=UTC)


def test_a_late_submission_is_penalised_by_nbgraders_plugin_and_a_regrade_after_an_extension_is_not(
        mini: Path, right: bytes, tmp_path: Path) -> None:
    """From the platform's word to the penalty: Canvas says late, the course's policy is zero."""
    from datetime import timedelta

    from autograder.driver import grade
    from autograder.export import grades
    from autograder.gradebook import Grades

    due(mini, "2026-11-15 00:00:00")
    (mini / "course.toml").write_text((mini / "course.toml").read_text().replace('policy = "none"', 'policy = "zero"'))
    collect(mini, A, pack(tmp_path / "c.zip", {"ada_LATE_1_2_01_mini.ipynb": (right, NOON),
                                               "bob_3_4_01_mini.ipynb": (right, NOON)}))
    grade(mini, A, jobs=1)
    assert {g.id: (g.raw_score, g.penalty, g.score) for g in grades(Course.open(mini), A)} == {
        "1": (10.0, 10.0, 0.0), "3": (10.0, 0.0, 10.0)}
    with Grades(Course.open(mini)) as book:
        book.book.grant_extension(A, "1", hours=1)
    grade(mini, A, jobs=1, force=True)
    found = {g.id: g for g in grades(Course.open(mini), A)}
    assert (found["1"].score, found["1"].penalty, found["1"].seconds_late) == (10.0, 0.0, 0.0)
    assert found["1"].submitted == datetime(2026, 11, 15, tzinfo=UTC) + timedelta(seconds=1)


def test_the_example_of_the_help_runs(mini: Path, right: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    main(["collect", "--help"])
    text = capsys.readouterr().out
    assert "id, name, email" in " ".join(text.split())
    examples = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("    autograder ")]
    mini.rename(tmp_path / "mycourse")
    monkeypatch.chdir(tmp_path)
    pack(tmp_path / "download.zip", {"Ada L_1_assignsubmission_file_/01_mini.ipynb": (right, NOON)})
    table(tmp_path / "participants.csv", "First name,Last name,Email address", "Ada,L,ada@uni.de")
    for words in examples:
        assert main([A if word == "03_rnn" else word for word in words]) == 0
    assert examples and (tmp_path / "mycourse/submitted/ada@uni.de" / A / f"{A}.ipynb").read_bytes() == right


def test_an_assignment_of_several_notebooks_is_collected_whole(mini: Path, right: bytes, tmp_path: Path) -> None:
    several_help.write_several(mini)
    data = {n: json.dumps(several_help.answered(mini, n)).encode() for n in several_help.NOTEBOOKS}
    got = collect(mini, several_help.A, pack(tmp_path / "m.zip", {
        "Ada L_1_assignsubmission_file_/maths-1.ipynb": (data["maths"], day(1)),
        "Ada L_1_assignsubmission_file_/sub/my words.ipynb": (data["words"], day(1)),
        "Ada L_1_assignsubmission_file_/other.ipynb": (right, day(1)),
        "Bob R_2_assignsubmission_file_/words.ipynb": (data["words"], day(2))}))
    folder = mini / "submitted" / "Ada_L" / several_help.A
    assert sorted(p.name for p in folder.iterdir()) == ["maths.ipynb", "timestamp.txt", "words.ipynb"]
    assert (folder / "words.ipynb").read_bytes() == data["words"]
    assert [r.notes[-1] for r in got.rows] == ["'other.ipynb' was not taken; it is kept", "not handed in: maths.ipynb"]


def test_csv_keeps_quotes_and_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "name"], ["s1", 'Ada "the\nfirst"']])
    assert read_roster(path).find([("name", 'ada "the first"')]) == ("s1", "")
