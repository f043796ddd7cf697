"""Whatever bytes a student's process sends, the trusted side gets a value or a StudentFailure, soon, in little memory.

The frames go the whole way: through a socket, `wire.recv` and the session's form checks, as an answer to a question
that was asked. Only the process behind the socket is missing: its part is played by the bytes. `make proof` sends 10^6.
"""

from __future__ import annotations

import contextlib
import json
import random
import resource
import socket
import struct
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder import notebook_out, wire
from autograder import session as sessions
from autograder.compare import judge
from autograder.session import Limits, Session
from autograder.student import StudentFailure

ID = 7                      # of every question here: a student's process knows the number and may answer under it
BUFFER = 100_000            # bytes that the socket takes at once
SLOWEST = 2.0               # seconds of a processor for one frame; colliding keys are the worst, see wire.COLLIDING_MAX
GROWTH = 200 << 20          # bytes of memory that a million frames may leave behind: one frame has at most 16 MB
TAGS = ["i", "f", "u", "n", "a", "l", "t", "s", "z", "d", "x", "", "ll", "__class__", "\x00"]
ATOMS = [None, True, False, 0, -1, 7, 1 << 62, -(1 << 63), 1 << 64, 10**30, "", "a", "é" * 200, "\ud800", "0x1.8p+1",
         "0x1f", "-0x" + "f" * 30, "nan", "inf", "<f8", "|b1", "|O", "<U2", 1.5]
RUN = {"ok": True, "outputs": [["stdout", "hello\n"], ["display", {"text/plain": "3"}], ["stderr", "careful"]],
       "error": None, "dropped": 0, "id": ID}
RAISED = {"ok": False, "outputs": [], "dropped": 1, "id": ID,
          "error": {"ename": "ValueError", "evalue": "no", "traceback": ["line 1", "line 2"]}}
ANSWER = {"value": (np.arange(6.0).reshape(2, 3), [1, {"k": np.float32(2)}], {1, 2}), "args": (np.ones(3),), "id": ID}
ERROR = {"raised": ["ValueError", "Exception"], "file": "<cell f>", "line": 1, "id": ID}
REPLIES = [RUN, RAISED, ANSWER, ERROR, {"missing": True, "id": ID}, {"nodata": "generator", "id": ID},
           {"value": "x" * 3000, "args": (2**70, -0.0), "id": ID}]
FRAMES = [wire.dumps(reply) for reply in REPLIES]


class Bytes:
    """In a worker's place: its children send what `feed` was given."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.ends: dict[int, socket.socket] = {}
        self.students_seconds = 0.0
        self.students_seconds = 0.0

    def take_scratch(self) -> str:
        return self.folder

    def give_scratch(self, path: str) -> None:
        pass

    def terms(self, scratch: str, limits: Limits) -> dict[str, Any]:
        return {}

    def fork(self, theirs: socket.socket) -> int:
        pid = len(self.ends)
        self.ends[pid] = theirs.dup()
        self.ends[pid].setblocking(False)
        self.ends[pid].send(wire.dumps({"ready": True}))
        return pid

    def kill(self, pid: int, patience: float) -> int:
        self.ends[pid].close()
        return 9

    def broken(self, why: str) -> RuntimeError:
        return RuntimeError(why)

    def feed(self, pid: int, data: bytes, *, end: bool) -> None:
        """Put an answer there before the question. `end`: the process is gone after it."""
        theirs = self.ends[pid]
        with contextlib.suppress(BlockingIOError):
            while theirs.recv(1 << 16):             # the questions so far; else their buffer fills up
                pass
        assert theirs.send(data) == len(data)
        if end:
            theirs.shutdown(socket.SHUT_RDWR)


# ----- What is sent

def prefixed(header: bytes, buffers: bytes = b"") -> bytes:
    return struct.pack("<II", len(header), len(buffers)) + header + buffers


def random_bytes(rng: random.Random) -> bytes:
    data = rng.randbytes(rng.choice((0, 1, 7, 8, 9, 30, 200)))
    return data if rng.random() < 0.3 else prefixed(data, rng.randbytes(rng.randrange(20)))


def damaged(rng: random.Random) -> bytes:
    """An honest answer with some bytes changed, put in or left out; mostly its prefix fits again."""
    good = rng.choice(FRAMES)
    data = bytearray(good)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(8, len(data))
        what = rng.randrange(4)
        if what == 0:
            data[at] = rng.randrange(256)
        elif what == 1:
            data[at] = rng.choice(b'{}[]":,0123456789-+.eE\\untrfl')
        elif what == 2:
            data[at:at] = rng.choice((b"[", b"{", b'"', b"0", b"[" * 50, rng.randbytes(3)))
        elif len(data) > 20:
            del data[at:at + rng.randrange(1, 9)]
    if rng.random() < 0.8:
        header = struct.unpack_from("<I", data)[0] + len(data) - len(good)      # as if all damage were in the header
        header = min(max(header, 0), len(data) - 8)
        struct.pack_into("<II", data, 0, header, len(data) - 8 - header)
    return bytes(data)


def cut(rng: random.Random) -> bytes:
    data = rng.choice(FRAMES)
    return data[:rng.randrange(len(data))]


def lengths(rng: random.Random) -> bytes:
    """A prefix that promises what does not come."""
    some = (0, 1, 8, 255, 1 << 20, (1 << 20) + 1, 16 << 20, (16 << 20) + 1, 1 << 31, (1 << 32) - 1)
    return struct.pack("<II", rng.choice(some), rng.choice(some)) + rng.randbytes(rng.randrange(40))


def deep(rng: random.Random) -> bytes:
    """Nesting, closed or not, in brackets or in tags."""
    depth = rng.choice((5, 31, 32, 33, 34, 100, 1000, 5000))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"l":[', b"]}"), (b'{"t":[', b"]}"), (b'{"d":[[1,', b"]]}"),
                                   (b'{"s":[{"t":[', b"]}]}"), (b'{"a":', b"}")))
    return prefixed(opening * depth + b"null" + closing * rng.choice((depth, depth, 0, depth - 1)))


def tree(rng: random.Random, depth: int = 0) -> Any:
    """JSON of the frame's look: tags that exist, bodies that may not fit them."""
    if depth > 4 or rng.random() < 0.3:
        return rng.choice(ATOMS)
    if rng.random() < 0.1:
        return [tree(rng, depth + 1) for _ in range(rng.randrange(4))]
    tag = rng.choice(TAGS)
    if tag == "a" and rng.random() < 0.7:
        return {tag: [rng.choice((*wire.DTYPES, "|O", "<U1")), [rng.choice((0, 1, 2, 3, 1 << 24, -1, True))
                                                               for _ in range(rng.choice((0, 1, 2, 3, 20)))]]}
    if tag == "d" and rng.random() < 0.7:
        return {tag: [[tree(rng, depth + 1), tree(rng, depth + 1)] for _ in range(rng.randrange(4))]}
    if tag in "ltsz" and rng.random() < 0.8:
        return {tag: [tree(rng, depth + 1) for _ in range(rng.randrange(5))]}
    if tag == "u" and rng.random() < 0.7:
        return {tag: rng.choice((0, 1, 5, 300, -1, 1 << 40))}
    return {tag: tree(rng, depth + 1)} | ({"l": []} if rng.random() < 0.05 else {})


def tagged(rng: random.Random) -> bytes:
    text = json.dumps(tree(rng), allow_nan=True).encode("ascii")
    return prefixed(text, rng.randbytes(rng.choice((0, 0, 1, 8, 24, 300))))


def misshapen(rng: random.Random) -> bytes:
    """A sound frame, no honest answer: a reply with values exchanged, left out, put in, or under another number."""
    reply = twisted(rng, rng.choice(REPLIES), 0)
    if type(reply) is dict and rng.random() < 0.9:
        reply["id"] = ID
    try:
        return wire.dumps(reply)
    except wire.NotData:
        return wire.dumps(None)


def twisted(rng: random.Random, value: Any, depth: int) -> Any:
    if rng.random() < 0.05:
        return rng.choice((None, True, 0, -1, 2**62, 2**90, 1.5, float("nan"), "", "x", "stdout", "y" * 70_000, [], (),
                           {}, {"text/plain": 3}, {"text/html": "<b>"}, {"image/png": "AAAA"}, np.zeros(2), {1}))
    if type(value) is dict:
        pairs = [(k, twisted(rng, v, depth + 1)) for k, v in value.items() if rng.random() > 0.03]
        return dict(pairs) | ({rng.choice(("ok", "value", 3, "raised")): 1} if rng.random() < 0.03 else {})
    if type(value) in (list, tuple):
        items = [twisted(rng, v, depth + 1) for v in value if rng.random() > 0.02]
        return type(value)(items * rng.choice((1, 1, 1, 1, 2)))
    return value


KINDS = [random_bytes, damaged, cut, lengths, deep, tagged, misshapen]
WEIGHTS = [10, 25, 5, 5, 5, 25, 25]


# ----- What must come of it

def fuzz(count: int, seed: int, folder: Path) -> dict[str, Any]:
    """Send `count` frames. What became of them; an exception that is no StudentFailure goes on to the test."""
    rng = random.Random(seed)
    came: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    slowest = 0.0
    new, wants = sessions_for(folder), [np.zeros((2, 3)), 1.5, (np.zeros(3), 2), "text", [1, 2], {"k": 1}]
    worker, one = next(new)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(count):
        make = rng.choices(KINDS, WEIGHTS)[0]
        data, calls = make(rng)[:BUFFER], rng.random() < 0.5
        sent[make.__name__] += 1
        if one._starts >= sessions.STARTS_MAX - 1:
            one.close()
            worker, one = next(new)
        role = one._probe if calls else one._stage
        process = role.process or one._start(role)
        whole = len(data) >= 8 and sum(struct.unpack_from("<II", data)) == len(data) - 8
        silent = not whole and rng.random() < 0.01                  # nothing more comes, and nobody hangs up
        worker.feed(process.pid, data, end=not whole and not silent)
        began = time.process_time()
        try:
            if calls:
                value, _ = one.call("f", (0,), timeout=0.01 if silent else None)
                judge(value, wants[i % len(wants)], 1e-7)
            else:
                notebook_out.demoted(one.run_cell("0", keep=False).outputs)
            came["taken"] += 1
        except StudentFailure as e:
            came[type(e).__name__] += 1
        slowest = max(slowest, time.process_time() - began)
    one.close()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"frames": count, "seed": seed, "sent": dict(sorted(sent.items())), "came": dict(sorted(came.items())),
            "slowest_ms": round(1000 * slowest, 1), "grown_MB": round(grown / 1024, 1), "other_exceptions": 0}


def sessions_for(folder: Path) -> Iterator[tuple[Bytes, Session]]:
    while True:
        worker: Any = Bytes(folder)
        yield worker, Session(worker, Limits(cell=0.02, draw=2.0, submission=1e9))


@pytest.fixture
def same_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions.secrets, "randbits", lambda bits: ID)


def check(record: dict[str, Any]) -> None:
    assert record["slowest_ms"] < 1000 * SLOWEST and record["grown_MB"] < GROWTH >> 20, record
    assert set(record["came"]) >= {"taken", "StudentDied", "StudentTimeout", "StudentError", "Untransferable",
                                   "MissingName"}, record
    assert set(record["sent"]) == {make.__name__ for make in KINDS}


def test_ten_thousand_frames(same_number: None, tmp_path: Path) -> None:
    check(fuzz(10_000, 1, tmp_path))


@pytest.mark.proof
def test_a_million_frames(same_number: None, tmp_path: Path, proof_record: Any) -> None:
    record = fuzz(1_000_000, 2, tmp_path)
    check(record)
    proof_record("reply_frames", record)


def test_honest_answers_are_taken(same_number: None, tmp_path: Path) -> None:
    """The fuzzer's own check: the same path, undamaged."""
    worker, one = next(sessions_for(tmp_path))
    worker.feed(0, FRAMES[0], end=False)
    run = one.run_cell("print('hello')", keep=False)
    assert run.ok and [o["output_type"] for o in run.outputs] == ["stream", "display_data", "stream"]
    worker.feed(one._start(one._probe).pid, FRAMES[2], end=False)
    value, args = one.call("f", (0,))
    assert value[1] == [1, {"k": 2}] and len(args) == 1
    one.close()


@pytest.mark.parametrize("header", [
    b'{"l":[' + b",".join([b'{"s":[]}'] * 116_000) + b"]}",
    b'{"d":[' + b",".join(b"[%d,1]" % (1 << 59 | i) for i in range(20_000)) + b"]}",
    b'{"l":[' + b",".join([b'{"i":"0x' + b"f" * 2000 + b'"}'] * 500) + b"]}",
], ids=["sets", "keys", "long integers"])
def test_the_fullest_frames_cost_little_time_and_memory(header: bytes) -> None:
    """What a megabyte of header can be blown up to; the processes that grade are bounded by this."""
    data = prefixed(header)
    tracemalloc.start()
    began = time.process_time()
    try:
        with contextlib.suppress(wire.WireError):
            wire.loads(data)
        assert tracemalloc.get_traced_memory()[1] < 120 << 20 and time.process_time() - began < 10
    finally:
        tracemalloc.stop()
