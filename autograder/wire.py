"""Data between the trusted side and a student's process: a JSON tree and raw array buffers, never pickle.

A frame is `<II` (bytes of header, bytes of buffers), then the header, then the buffers. The header is JSON that holds
the tree; long strings and all numbers of arrays lie in the buffers. In the tree

    null true false 7 "text"     stand for themselves (integers up to 64 bit, text up to 256 characters)
    {"i": "-0x1f..."}            an integer of more than 63 bits
    {"f": "0x1.8p+1"}            a float, exactly
    {"u": 2000}                  a longer text: so many bytes of UTF-8 in the buffers
    {"n": "<f8"}                 a NumPy scalar
    {"a": ["<f8", [2, 3]]}       a NumPy array
    {"l": []} {"t": []} {"s": []} {"z": []}     list, tuple, set, frozenset
    {"d": [[key, value], ...]}   dict

The peer of the trusted side is hostile: it may send any bytes at any speed. `loads` takes nothing on trust (sizes,
depth, tags, dtypes, text, counts) and raises only WireError; `recv` ends at its deadline however slowly bytes drip.

Stands alone (NumPy and the standard library): the untrusted worker loads this file by its path.
"""

from __future__ import annotations

import json
import math
import re
import socket
import struct
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

HEADER_MAX = 1 << 20
FRAME_MAX = 16 << 20
DEPTH_MAX = 32
SHORT_TEXT = 256            # longer text goes to the buffers, or a printed megabyte would fill the header
HASHED_MAX = 20_000         # entries of a set or dict
COLLIDING_MAX = 1000        # of them with a hash that another one has: 20,000 tuples made for it would cost 6 seconds
INT_DIGITS_MAX = 2000       # hexadecimal
DIMENSIONS_MAX = 16
AT_ONCE = 1 << 14           # bytes that the first read of a frame may bring: all of it, usually
TICK = 0.2                  # seconds between two calls of `recv`'s tick

DTYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16")
ARRAYS_REFUSED = {"O": "an array of objects", "U": "an array of str", "T": "an array of str", "S": "an array of bytes",
                  "V": "an array of records", "M": "an array of dates", "m": "an array of times"}
LONG_DOUBLES = "an array of long doubles"
_DTYPES = {name: np.dtype(name) for name in DTYPES}
_PREFIX = struct.Struct("<II")
_HEX_INT = re.compile(rf"-?0x[0-9a-f]{{1,{INT_DIGITS_MAX}}}", re.ASCII)
_HEX_FLOAT = re.compile(r"-?(?:0x[01]\.[0-9a-f]{1,13}p[+-][0-9]{1,4}|inf)|nan", re.ASCII)
_SEQUENCES: dict[str, Any] = {"l": list, "t": tuple, "s": set, "z": frozenset}
_TAG_OF = {kind: tag for tag, kind in _SEQUENCES.items()}
_DICTS = (dict, defaultdict, OrderedDict, Counter)      # these come out as a dict


class WireError(ValueError):
    """The peer sent something that is no frame. Says what was wrong, never quotes it."""


class NotData(TypeError):
    """A value of ours that cannot be sent; `type_name` says of which type it is."""

    def __init__(self, type_name: str) -> None:
        super().__init__(f"{type_name} cannot be sent as data")
        self.type_name = type_name


# ----- Encoding

def dumps(value: Any) -> bytes:
    """The frame of `value`. Raises NotData for anything but plain data: for subclasses, cycles, what is too big."""
    buffers: list[bytes] = []
    header = _encode(_tree(value, buffers, 0)).encode("ascii")
    size = sum(map(len, buffers))
    if len(header) > HEADER_MAX or len(header) + size > FRAME_MAX:
        raise NotData("a value of more than 16 MB" if size > FRAME_MAX // 2 else "a value of too many parts")
    return b"".join((_PREFIX.pack(len(header), size), header, *buffers))


def _tree(value: Any, buffers: list[bytes], depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if -1 << 63 <= value < 1 << 63 else {"i": _long(value)}
    if kind is float:
        return {"f": value.hex()}
    if kind is str or kind is np.str_:          # an entry of an array of words
        return _text(str(value), buffers)
    if depth >= DEPTH_MAX:
        raise NotData(f"a {kind.__name__} nested more than {DEPTH_MAX} deep")
    if kind is np.ndarray:
        return {"a": [_raw(value, buffers), list(value.shape)]}
    if kind in _TAG_OF:
        return {_TAG_OF[kind]: [_tree(item, buffers, depth + 1) for item in value]}
    if isinstance(value, tuple) and hasattr(kind, "_fields"):       # a namedtuple: honest, and no more than a tuple
        return {"t": [_tree(item, buffers, depth + 1) for item in value]}
    if kind in _DICTS:
        return {"d": [[_tree(k, buffers, depth + 1), _tree(v, buffers, depth + 1)] for k, v in value.items()]}
    if isinstance(value, np.generic) and kind.__module__ == "numpy":
        return {"n": _raw(np.asarray(value), buffers)}
    raise NotData(kind.__name__)


def _long(value: int) -> str:
    if value.bit_length() > 4 * INT_DIGITS_MAX:
        raise NotData("an integer of too many digits")
    return hex(value)


def _text(value: str, buffers: list[bytes]) -> Any:
    try:
        raw = value.encode()
    except UnicodeEncodeError:
        raise NotData("a str with lone surrogates") from None
    if len(raw) <= SHORT_TEXT:
        return value
    buffers.append(raw)
    return {"u": len(raw)}


def _raw(array: np.ndarray, buffers: list[bytes]) -> str:
    """Put the numbers of `array` in C order and little-endian into the buffers; the dtype they have there."""
    dtype = array.dtype.newbyteorder("<")
    if dtype.str not in _DTYPES:
        raise NotData(ARRAYS_REFUSED.get(dtype.kind, LONG_DOUBLES))
    if array.nbytes > FRAME_MAX:
        raise NotData("an array of more than 16 MB")
    buffers.append(array.astype(dtype, copy=False).tobytes())
    return dtype.str


# ----- Decoding

def _tagged(pairs: list[tuple[str, Any]]) -> tuple[str, Any]:
    """An object of the tree as (tag, body), at once, so two equal keys cannot hide behind each other. JSON has no tuple
    of its own."""
    if len(pairs) != 1:
        raise WireError(f"an object of {len(pairs)} keys")
    return pairs[0]


def _refuse(_: str) -> Any:
    raise WireError("a bare float: those are sent in hexadecimal")


_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder(object_pairs_hook=_tagged, parse_float=_refuse, parse_constant=_refuse).decode


class _Buffers:
    """The bytes behind the header, taken in order."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> memoryview:
        if count > len(self.data) - self.at:
            raise WireError("a buffer shorter than its array")
        self.at += count
        return self.data[self.at - count:self.at]


def loads(frame: bytes | bytearray | memoryview) -> Any:
    """The value of a frame from a hostile peer. Raises WireError for whatever is not exactly what `dumps` makes."""
    view = memoryview(frame)
    if len(view) < _PREFIX.size:
        raise WireError("a frame without its prefix")
    header, size = _sizes(view[:_PREFIX.size])
    if len(view) != _PREFIX.size + header + size:
        raise WireError("a frame of another length than it says")
    body = view[_PREFIX.size:]
    try:
        tree = _decode(str(body[:header], "ascii"))
        buffers = _Buffers(body[header:])
        value = _value(tree, buffers, 0)
    except WireError:
        raise
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError) as e:
        raise WireError(f"no frame ({type(e).__name__})") from None
    if buffers.at != size:
        raise WireError("bytes after the last buffer")
    return value


def _sizes(prefix: bytes | bytearray | memoryview) -> tuple[int, int]:
    header, size = _PREFIX.unpack(prefix)
    if header > HEADER_MAX or header + size > FRAME_MAX:
        raise WireError("a frame of more than 16 MB, or its header of more than 1 MB")
    return header, size


def _value(node: Any, buffers: _Buffers, depth: int) -> Any:
    if node is None or node is True or node is False:
        return node
    if type(node) is int:
        if not -1 << 63 <= node < 1 << 63:
            raise WireError("a long integer outside of its tag")
        return node
    if type(node) is str:
        node.encode()               # lone surrogates end here, not in the middle of writing a report
        return node
    if type(node) is not tuple or depth > DEPTH_MAX:
        raise WireError("a bare list, or one nested too deep")
    tag, body = node
    if tag == "f" and _HEX_FLOAT.fullmatch(body):
        return float.fromhex(body)
    if tag == "a":
        name, shape = _two(body)
        return _array(name, shape, buffers)
    if tag == "n":
        return _array(body, [], buffers)[()]
    if tag in ("l", "t") and type(body) is list:
        return _SEQUENCES[tag](_value(item, buffers, depth + 1) for item in body)
    if tag in ("s", "z", "d") and type(body) is list:
        return _hashed(tag, body, buffers, depth + 1)
    if tag == "u" and type(body) is int and body >= 0:
        return str(buffers.take(body), "utf-8")
    if tag == "i" and _HEX_INT.fullmatch(body):
        return int(body, 16)
    raise WireError("an unknown tag")


def _two(body: Any) -> tuple[Any, Any]:
    if type(body) is not list or len(body) != 2:
        raise WireError("a pair of another length")
    return body[0], body[1]


def _array(name: Any, shape: Any, buffers: _Buffers) -> Any:
    if type(name) is not str or name not in _DTYPES or type(shape) is not list or len(shape) > DIMENSIONS_MAX:
        raise WireError("an array of an unknown dtype or too many axes")
    # Also where one axis is 0: a shape is told to the student, and fifteen more axes would hold a secret number.
    if not all(type(n) is int and n >= 0 for n in shape) or math.prod(max(n, 1) for n in shape) > FRAME_MAX:
        raise WireError("an axis of an impossible length")
    dtype = _DTYPES[name]
    flat = np.frombuffer(buffers.take(math.prod(shape) * dtype.itemsize), dtype=dtype)
    if dtype.kind == "b" and flat.size and flat.view(np.uint8).max() > 1:
        raise WireError("a bool that is neither 0 nor 1")
    return flat.reshape(shape).copy()


def _hashed(tag: str, body: list[Any], buffers: _Buffers, depth: int) -> Any:
    if len(body) > HASHED_MAX:
        raise WireError("too many entries")
    if tag == "d":
        pairs = [(_key(_value(k, buffers, depth)), _value(v, buffers, depth)) for k, v in map(_two, body)]
        keys = [key for key, _ in pairs]
    else:
        keys = [_key(_value(item, buffers, depth)) for item in body]
    if len(keys) - len(set(map(hash, keys))) > COLLIDING_MAX:       # the hash of a tuple can be computed backwards
        raise WireError("keys made to collide")
    made: Any = dict(pairs) if tag == "d" else _SEQUENCES[tag](keys)
    if len(made) != len(body):
        raise WireError("the same key twice")
    return made


def _key(key: Any) -> Any:
    """`key`, if hashing it runs none of the peer's code, and no number collides with others at will (huge ones can)."""
    if type(key) is tuple:
        for part in key:
            _key(part)
    elif not (key is None or type(key) in (str, bool, float) or type(key) is int and abs(key) < 1 << 60):
        raise WireError("a key of a type that is no key")
    return key


# ----- Sockets

def send(sock: socket.socket, value: Any, deadline: float | None = None) -> None:
    """Send `value` before `deadline` (of time.monotonic). Raises NotData, TimeoutError, OSError."""
    frame = dumps(value)
    sock.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-3))
    sock.sendall(frame)             # its time-out is for the whole frame


def recv(sock: socket.socket, deadline: float | None = None, tick: Callable[[], None] | None = None,
         later: Callable[[], float] | None = None) -> Any:
    """The next value, complete before `deadline`: a peer that sends a byte every second gains nothing.

    `tick` is called about every 0.2 s of waiting; what it raises ends the wait. `later` is asked at the deadline for
    another one, or raises TimeoutError. Raises WireError, TimeoutError, EOFError where the peer has closed, OSError.
    Each side waits for the other's frame before it sends the next: more bytes than one frame's are a WireError.
    """
    next_tick = time.monotonic() + TICK
    data, got, end = bytearray(AT_ONCE), 0, 0       # end: of the frame, 0 until its prefix is here
    while not end or got < end:
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            if later is None:
                raise TimeoutError
            deadline = later()
        left = None if deadline is None else max(deadline - now, 1e-3)
        if tick is not None:
            if now >= next_tick:
                tick()
                next_tick = now + TICK
            left = TICK if left is None else min(left, TICK)
        sock.settimeout(left)
        try:
            n = sock.recv_into(memoryview(data)[got:])
        except TimeoutError:
            continue
        if n == 0:
            raise EOFError("the peer has closed")
        got += n
        if not end and got >= _PREFIX.size:
            end = _PREFIX.size + sum(_sizes(data[:_PREFIX.size]))
            if end > AT_ONCE:
                data += bytes(end - AT_ONCE)
    if got > end:
        raise WireError("bytes behind a frame")
    return loads(memoryview(data)[:end])
