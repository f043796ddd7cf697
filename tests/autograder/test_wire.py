"""The wire carries plain data exactly, and believes nothing of what a hostile peer sends."""

import collections
import json
import math
import socket
import struct
import threading
import time

import numpy as np
import pytest

from autograder import wire


def frame(tree, buffers=b""):
    """A frame with any header, as a hostile peer makes it."""
    header = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return struct.pack("<II", len(header), len(buffers)) + header + buffers


@pytest.mark.parametrize("value", [
    None, True, False, 0, -1, 2**62, -(2**63), 2**63, -(2**200), 0.1, -0.0, math.inf, -math.inf, 5e-324, "", "a",
    "ü" * 300,
    [], (), [1, (2, [3])], {}, {"a": [1.5], ("x", 1): None}, {1, 2}, frozenset({"a"}), {"l": [], "d": {}},
], ids=repr)
def test_plain_data_arrives_as_it_was_with_its_exact_types(value):
    got = wire.loads(wire.dumps(value))
    assert got == value and repr(got) == repr(value)


@pytest.mark.parametrize("dtype", wire.DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 1, 4)])
def test_arrays_arrive_with_shape_dtype_and_numbers(dtype, shape):
    value = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    got = wire.loads(wire.dumps(value))
    assert type(got) is np.ndarray and got.dtype == value.dtype and got.shape == shape
    np.testing.assert_array_equal(got, value)
    assert got.flags.writeable


def test_a_scalar_of_numpy_is_neither_a_float_nor_a_0d_array():
    """The oracle compares types strictly, so the wire may not blur them."""
    for value in (np.float64(1.5), np.float32(2), np.int64(3), np.bool_(True)):
        got = wire.loads(wire.dumps(value))
        assert type(got) is type(value) and got == value
    assert type(wire.loads(wire.dumps(np.array(1.5)))) is np.ndarray
    assert math.isnan(wire.loads(wire.dumps(math.nan)))


def test_strides_and_byte_order_are_only_a_matter_of_memory():
    a = np.arange(12.0).reshape(3, 4)
    for value in (a.T, a[::2, ::-1], a.astype(">f8")):
        np.testing.assert_array_equal(wire.loads(wire.dumps(value)), value)


class Lying(np.ndarray):
    """Equal to everything: in one process with the comparison, it would pass any test."""

    def __eq__(self, other):
        return True


class Text(str):
    pass


def cycle():
    loop = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize("value, name", [
    (np.zeros(2).view(Lying), "Lying"), (Text("a"), "Text"), (object(), "object"), (lambda: 0, "function"),
    ((i for i in ()), "generator"), (np.array([None]), "an array of objects"), (np.array(["a"]), "an array of str"),
    (np.zeros(1, "i4,f8"), "an array of records"), (cycle(), "a list nested more than 32 deep"), (1j, "complex"),
    (b"", "bytes"), ("\ud800", "a str with lone surrogates"), (10**5000, "an integer of too many digits"),
    (np.zeros(3 << 20), "an array of more than 16 MB"), ([np.zeros(1 << 20)] * 3, "a value of more than 16 MB"),
    (list(range(400_000)), "a value of too many parts"), (np.longdouble(1), "longdouble"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_no_plain_data_is_refused_by_name(value, name):
    with pytest.raises(wire.NotData) as e:
        wire.dumps(value)
    assert e.value.type_name.startswith(name) or name == "longdouble"


A = {"a": ["<f8", [1]]}


@pytest.mark.parametrize("data", [
    b"", b"\0" * 7, b"\0" * 8, b"\xff" * 64, frame(b"\xff"), frame(b"{"), frame(b"[]"), frame(b"[1]"), frame(b"1.5"),
    frame(b"NaN"), frame(b"Infinity"), frame(b"9" * 4000), frame(b"9" * 100_000), frame(b"1e5"),
    frame(b"9223372036854775808"), frame({}), frame({"l": [], "t": []}), frame(b'{"l":[],"l":[]}'), frame({"x": 1}),
    frame({"l": 3}), frame({"l": {"l": []}}), frame({"d": [[1]]}), frame({"d": [1]}), frame({"d": [[1, 1], [1, 2]]}),
    frame({"d": [[1, 1], [True, 2]]}), frame({"s": [1, 1]}), frame({"d": [[{"l": []}, 1]]}), frame({"s": [A]},
    b"\0" * 8),
    frame({"d": [[2**61 - 1, 0]]}), frame({"f": "1.5"}), frame({"f": 1}), frame({"f": "0x1.0p+99999"}),
    frame({"f": "0x1.0p+9999"}),
    frame({"i": "0x" + "f" * 5000}), frame({"i": "12"}), frame({"i": 5}), frame({"u": -1}), frame({"u": 5}, b"abc"),
    frame({"u": 2}, b"\xff\xff"), frame({"u": True}, b"a"), frame(A), frame(A, b"\0" * 7), frame(A, b"\0" * 9),
    frame({"a": ["<f8", [-1]]}), frame({"a": ["<f8", [1.0]]}), frame({"a": ["<f8", [True]]}, b"\0" * 8),
    frame({"a": ["<f8", [2**40]]}), frame({"a": ["<f8", [0] * 17]}), frame({"a": ["|O", [1]]}, b"\0" * 8),
    frame({"a": ["|V8", [1]]}, b"\0" * 8), frame({"a": ["<U2", [1]]}, b"\0" * 8), frame({"a": [["<f8"], [1]]},
    b"\0" * 8),
    frame({"a": ["<f8", {"l": []}]}), frame({"a": "<f8"}), frame({"n": ["<f8"]}, b"\0" * 8), frame({"n": "<M8[s]"},
    b"\0" * 8),
    frame({"a": ["|b1", [2]]}, b"\1\2"), frame(b'"\\ud800"'), frame(b"null null"), frame(b"null", b"\0"),
    frame(b'{"a":'),
    frame(b"[" * 200_000), frame(b'{"l":[' * 100_000), frame(b'{"l":[' * 60 + b"]}" * 60),
    frame({"a": ["<f8", [16 << 20, 16 << 20, 0]]}, b"x"),
])
def test_a_hostile_frame_is_refused_and_nothing_else_is_raised(data):
    with pytest.raises(wire.WireError):
        wire.loads(data)


def test_keys_made_to_collide_cost_little():
    """Python hashes an integer to itself modulo 2^61 - 1: forty thousand multiples of that would take half a minute."""
    hostile = [[{"i": hex((k << 61) - k)}, None] for k in range(1, 15_000)]
    began = time.monotonic()
    with pytest.raises(wire.WireError):
        wire.loads(frame({"d": hostile}))
    assert time.monotonic() - began < 2


def colliding_pairs(count):
    """Pairs of one hash: Python's hash of a tuple is no secret, and each of its steps can be undone."""
    prime_1, prime_2, prime_5, size = 11400714785074694791, 14029467366897019727, 2870177450012600261, 1 << 64
    back, found, first = pow(prime_2, -1, size), [], 0
    while len(found) < count:
        first += 1
        before = (prime_5 + first * prime_2) % size
        before = (before << 31 | before >> 33) % size * prime_1 % size
        second = (12345 - before) * back % size
        second -= size * (second >> 63)
        if abs(second) < 1 << 60 and second > 0:
            found.append((first, second))
    assert len({hash(pair) for pair in found}) == 1
    return found


def test_tuples_made_to_collide_are_refused():
    """Twenty thousand of them, in a frame of 0.7 MB, held the grader for six seconds; they are told by their hashes."""
    hostile = [{"t": list(pair)} for pair in colliding_pairs(20_000)]
    for tree in ({"s": hostile}, {"d": [[key, None] for key in hostile]}):
        with pytest.raises(wire.WireError, match="collide"):
            wire.loads(frame(tree))
    near = {(i, j): i * j for i in range(-70, 70) for j in range(-70, 70)}          # -1 and -2 have one hash
    assert wire.loads(wire.dumps(near)) == near


def test_any_byte_of_a_frame_may_change_without_another_exception():
    """Random damage, with a fixed seed: either a value or WireError comes."""
    rng = np.random.default_rng(0)
    good = wire.dumps({"value": (np.arange(3.0), [1, "x" * 300], {"k": 1.5}), "id": 2**61})
    for _ in range(3000):
        bad = bytearray(good)
        for at in rng.integers(0, len(bad), rng.integers(1, 4)):
            bad[at] = rng.integers(256)
        try:
            wire.loads(bad)
        except wire.WireError:
            pass


@pytest.fixture
def pair():
    a, b = socket.socketpair()
    with a, b:
        yield a, b


def test_a_byte_every_moment_does_not_extend_the_deadline(pair):
    """A time-out for each read alone would wait forever on a peer that drips."""
    ours, theirs = pair
    stop = threading.Event()

    def drip():
        for byte in wire.dumps("x" * 5000):
            if stop.wait(0.02):
                return
            theirs.send(bytes([byte]))

    thread = threading.Thread(target=drip)
    thread.start()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        wire.recv(ours, began + 0.4)
    stop.set()
    thread.join()
    assert 0.3 < time.monotonic() - began < 0.8


def test_a_silent_peer_times_out_and_tick_is_called_meanwhile(pair):
    ticks = []
    with pytest.raises(TimeoutError):
        wire.recv(pair[0], time.monotonic() + 0.7, lambda: ticks.append(1))
    assert 2 <= len(ticks) <= 4


def test_a_closed_peer_is_an_end_and_an_announced_gigabyte_is_an_error(pair):
    ours, theirs = pair
    theirs.sendall(struct.pack("<II", 10, 1 << 30))
    with pytest.raises(wire.WireError):
        wire.recv(ours, time.monotonic() + 1)
    theirs.close()
    with pytest.raises(EOFError):
        wire.recv(ours, time.monotonic() + 1)


def test_a_peer_that_reads_nothing_does_not_hold_the_sender(pair):
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        wire.send(pair[0], np.zeros(1 << 20), began + 0.3)
    assert time.monotonic() - began < 1


def test_a_shape_holds_no_secret_number():
    """An array without entries has a shape that costs no byte, and a wrong shape is told to the student."""
    assert wire.loads(frame({"a": ["<f8", [0, 5, 3]]})).shape == (0, 5, 3)
    for shape in ([0, 4815162, 3423], [0] + [1000] * 6, [1 << 25, 0]):
        with pytest.raises(wire.WireError, match="impossible length"):
            wire.loads(frame({"a": ["<f8", shape]}))


def test_honest_relatives_of_plain_data_come_out_plain():
    """A right answer as a named tuple, or with words out of an array, once cost all points of its function."""
    Pair = collections.namedtuple("Pair", "a b")
    counts = collections.defaultdict(collections.Counter)
    counts["x"]["y"] += 1
    for value, plain in ((Pair(1, [Pair(2, 3)]), (1, [(2, 3)])), (np.array(["word"])[0], "word"),
                         (counts, {"x": {"y": 1}}), (collections.OrderedDict(a=1), {"a": 1})):
        got = wire.loads(wire.dumps(value))
        assert got == plain and type(got) is type(plain)
