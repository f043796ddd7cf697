"""Weights in files: `save(state, path)` and `load(path)`, as `.npz` or `.safetensors`. Data only: reading runs no code.

A state_dict becomes a file with PyTorch's key names: `safetensors.torch.load_file` reads what is saved here, and a file
of PyTorch's loads here. Nested data (an optimiser's state_dict, a step counter) is kept too: its tensors stand under
dotted names, and the rest is JSON beside them. Both formats are read and written with NumPy alone.

A file is written under another name and then renamed: whoever is interrupted still has the file before.
"""
from __future__ import annotations

import contextlib
import io
import json
import math
import os
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from . import backend
from .errors import StateError, describe
from .tensor import Tensor

_NAMES = {"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1", "U64": "u8",
          "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?"}
_CODES = {np.dtype(name): code for code, name in _NAMES.items()}
_TREE = "__minigrad__"                         # the key of the JSON that holds all that is not a tensor


def save(state: Any, path: str | os.PathLike[str]) -> None:
    """Write a Module's state_dict, a dict of tensors, or nested dicts, lists and tuples of tensors, numbers and text.

    path: its ending chooses the format, `.npz` or `.safetensors`.
    Raises StateError for another ending, and for a value or a dtype that such a file cannot hold; then the file that
    was there is as it was.
    """
    ending, target = _ending(path), os.path.realpath(path)
    arrays: dict[str, np.ndarray] = {}
    state = state.state_dict() if hasattr(state, "state_dict") else state
    tree = _take(state, "", arrays)
    flat = isinstance(tree, dict) and tree.get("dict") == [[k, {"tensor": k}] for k in arrays]
    text = None if flat and _TREE not in arrays else json.dumps(tree)
    temporary = f"{target}.{os.getpid()}.part"
    try:
        with open(temporary, "wb") as file:
            (_write_npz if ending == ".npz" else _write_safetensors)(file, arrays, text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def load(path: str | os.PathLike[str], device: Any = "cpu") -> Any:
    """What `save` wrote, or what another program did: a dict of tensors, or the nested data, on a device.

    bfloat16 becomes float32, which holds every value of it.
    Raises StateError that says what is wrong with a damaged or foreign file; FileNotFoundError.
    """
    import zipfile  # here, for it takes 10 ms that `import minigrad` need not pay

    ending, home = _ending(path), backend.device(device)
    with open(path, "rb") as file:
        try:
            arrays, text = (_read_npz if ending == ".npz" else _read_safetensors)(file)
            tree = json.loads(text) if text is not None else {"dict": [[k, {"tensor": k}] for k in arrays]}
            return _put(tree, arrays, home)
        except (ValueError, KeyError, TypeError, OSError, EOFError, RecursionError, struct.error, zipfile.BadZipFile,
                zipfile.LargeZipFile, NotImplementedError, SyntaxError) as error:
            if isinstance(error, StateError):
                raise
            reason = str(error).split("\n")[0][:200] or type(error).__name__
            raise StateError(describe(f"{os.path.basename(path)} is no {ending} file that can be read: {reason}.",
                                      likely="the file was cut off, or has another format than its ending says",
                                      fix="save it anew; a .pt file of PyTorch's: safetensors.torch.save_file("
                                          "model.state_dict(), path) there")) from error


def _ending(path: str | os.PathLike[str]) -> str:
    ending = os.path.splitext(path)[1]
    if ending not in (".npz", ".safetensors"):
        raise StateError(describe(f"{os.path.basename(path)} ends in {ending!r}: the ending chooses the format.",
                                  fix="use a name that ends in .npz or .safetensors"))
    return ending


# ---------------------------------------------------------------------------------------------- nested data

def _take(tree: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """JSON of the tree; its arrays go into `arrays` under dotted names, {"tensor": name} marks their places."""
    if isinstance(tree, Tensor):
        tree = tree.device.numpy(tree.data)
    if isinstance(tree, np.ndarray):
        if tree.dtype.newbyteorder("=") not in _CODES:
            raise StateError(describe(f"{name or 'the value'} is an array of {tree.dtype}, which no file format holds.",
                                      fix="save numbers: integers, floats or booleans"))
        while name in arrays:                  # {"a.b": x, "a": {"b": y}}
            name += "_"
        arrays[name] = tree
        return {"tensor": name}
    if isinstance(tree, Mapping):              # pairs, since JSON would turn an optimiser's integer keys into text
        return {"dict": [[_key(k), _take(v, f"{name}.{k}" if name else str(k), arrays)] for k, v in tree.items()]}
    if isinstance(tree, (list, tuple)):
        items = [_take(v, f"{name}.{i}" if name else str(i), arrays) for i, v in enumerate(tree)]
        return {"tuple": items} if isinstance(tree, tuple) else items
    tree = tree.item() if isinstance(tree, np.generic) else tree
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    raise StateError(describe(f"{name or 'the value'} is a {type(tree).__name__}, which no file format holds.",
                              fix="save tensors, numbers, text, and dicts and lists of them"))


def _key(key: Any) -> str | int:
    if isinstance(key, (str, int)):
        return key
    raise StateError(describe(f"a key of the state is {key!r}, a {type(key).__name__}.", fix="use text or integers"))


def _put(tree: Any, arrays: dict[str, np.ndarray], home: backend.Device) -> Any:
    if isinstance(tree, list):
        return [_put(v, arrays, home) for v in tree]
    if not isinstance(tree, dict):
        return tree
    if "tensor" in tree:
        return Tensor(home.asarray(arrays[tree["tensor"]]), False, home)
    if "tuple" in tree:
        return tuple([_put(v, arrays, home) for v in tree["tuple"]])
    return {k: _put(v, arrays, home) for k, v in tree["dict"]}


# ---------------------------------------------------------------------------------------------- npz

def _write_npz(file: BinaryIO, arrays: dict[str, np.ndarray], text: str | None) -> None:
    """A zip of npy members, as numpy.load reads it; the same state gives the same bytes, for no date is written."""
    import zipfile
    extra = {} if text is None else {_TREE: np.array(text)}
    with zipfile.ZipFile(file, "w") as z:
        for name, array in {**arrays, **extra}.items():
            with z.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def _read_npz(file: BinaryIO) -> tuple[dict[str, np.ndarray], str | None]:
    import zipfile
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(file) as z:
        for name in z.namelist():
            with z.open(name) as member:
                data = member.read()           # whole: the checksum is compared at the end
            if not data.startswith(b"\x93NUMPY"):
                raise ValueError(f"its member {name} is no array")
            arrays[name.removesuffix(".npy")] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    tree = arrays.pop(_TREE, None)
    return arrays, None if tree is None else str(tree)


# ---------------------------------------------------------------------------------------------- safetensors

def _write_safetensors(file: BinaryIO, arrays: dict[str, np.ndarray], text: str | None) -> None:
    """8 bytes: the length of the header; the header, JSON: name -> dtype, shape, place; then the arrays' bytes.

    https://github.com/huggingface/safetensors, "Format"; little-endian, without gaps.
    """
    header: dict[str, Any] = {} if text is None else {"__metadata__": {_TREE: text}}
    end = 0
    for name, a in arrays.items():
        if name == "__metadata__":
            raise StateError(describe("a tensor cannot be called __metadata__ in a .safetensors file.",
                                      fix="rename it, or save it as .npz"))
        start, end = end, end + a.nbytes
        header[name] = {"dtype": _CODES[a.dtype.newbyteorder("=")], "shape": list(a.shape),
                        "data_offsets": [start, end]}
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)            # the arrays begin at a multiple of 8
    file.write(struct.pack("<Q", len(head)) + head)
    for a in arrays.values():
        file.write(np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes())


def _read_safetensors(file: BinaryIO) -> tuple[dict[str, np.ndarray], str | None]:
    size = os.fstat(file.fileno()).st_size
    n, = struct.unpack("<Q", file.read(8))
    if n > size - 8:
        raise ValueError(f"its header would have {n:,} bytes, and the file has {size:,}")
    header = json.loads(file.read(n))
    if not isinstance(header, dict):
        raise ValueError("its header is no table of names")
    metadata = header.pop("__metadata__", {})
    arrays = {name: _array(file, name, entry, 8 + n, size) for name, entry in header.items()}
    return arrays, metadata.get(_TREE)


def _array(file: BinaryIO, name: str, entry: dict[str, Any], base: int, size: int) -> np.ndarray:
    """One array of a safetensors file. Raises ValueError where header and file do not fit each other."""
    code, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    wide = np.dtype("<u2" if code == "BF16" else "<" + _NAMES[code]) if code in (*_NAMES, "BF16") else None
    if wide is None:
        raise ValueError(f"{name} has the dtype {code}, which NumPy lacks")
    if not all(isinstance(k, int) and k >= 0 for k in (*shape, start, end)):
        raise ValueError(f"{name} has the shape {shape} at bytes {start} to {end}")
    if end - start != math.prod(shape) * wide.itemsize or base + end > size:
        raise ValueError(f"{name} {tuple(shape)} should lie at bytes {start} to {end} behind the header, and the file "
                         f"has {size - base:,} there")
    file.seek(base + start)
    array = np.frombuffer(bytearray(file.read(end - start)), wide).reshape(shape)      # a bytearray can be written
    if code == "BF16":                         # the upper half of a float32
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(wide.newbyteorder("="), copy=False)
