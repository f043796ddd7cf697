"""Sequences of different lengths: padded to one array, or packed without padding. PyTorch's names, fields and results.

    padded (T, B, *)    step t of example b; filled up behind each example's end
    packed (N, *)       all real steps, N = sum of lengths: first step 1 of all examples, longest example first, then
                        step 2 of those that have one, ...;  batch_sizes (T) says how many have step t

Recurrent layers take either: `layer(packed)`, or `layer(padded, lengths=lengths)`, which needs no packing and no order.
Ids and lengths (batch_sizes, sorted_indices, ...) always lie on the host: they decide shapes.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...backend import cpu
from ...errors import DTypeError, ShapeError, describe
from ...ops import concatenate, getitem, put, swapaxes, where
from ...ops_select import split
from ...tensor import Tensor


class PackedSequence(NamedTuple):
    """What `pack_padded_sequence` makes and recurrent layers take.

    data (N, *): the real steps.  batch_sizes (T): how many examples have step t, on the host.
    sorted_indices (B): which example of the batch stands at each place, or None if they were sorted before;
    unsorted_indices (B): at which place each example stands.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def to(self, target: Any) -> PackedSequence:
        """The data on another device, or of another dtype; ids stay on the host."""
        return self._replace(data=self.data.to(target))


def pack_padded_sequence(input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
                         ) -> PackedSequence:
    """Padded (T, B, *), or (B, T, *) with batch_first, and lengths (B) -> packed.

    enforce_sorted: lengths must not increase; False takes any order, and results come back in that order.
    Raises ShapeError (a length below 1 or above T, another number of them, not sorted), DTypeError.
    """
    x = swapaxes(input, 0, 1) if batch_first else input
    n = _lengths(lengths, x)
    order = None
    if enforce_sorted:
        if (np.diff(n) > 0).any():
            raise ShapeError(describe("the lengths are not sorted, the longest first.", lengths=str(n.tolist()),
                                      fix="enforce_sorted=False takes any order"))
    else:
        order = np.argsort(-n, kind="stable")
    sizes = (np.arange(n.max())[:, None] < n).sum(1)           # (T,)
    data = getitem(x, index=_index(_places(sizes, order), x))
    if order is None:
        return PackedSequence(data, _ids(sizes))
    return PackedSequence(data, _ids(sizes), _ids(order), _ids(np.argsort(order)))


def pad_packed_sequence(sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
                        total_length: int | None = None) -> tuple[Tensor, Tensor]:
    """Packed -> padded (T, B, *), or (B, T, *) with batch_first, in the order before packing, and lengths (B).

    total_length: T, where it is to be longer than the longest example.  Raises ShapeError if it is shorter.
    """
    sizes, order = _host(sequence.batch_sizes), sequence.sorted_indices
    steps = len(sizes) if total_length is None else total_length
    if steps < len(sizes):
        raise ShapeError(f"total_length={total_length} is shorter than the longest sequence, {len(sizes)}")
    places = _places(sizes, None if order is None else _host(order))
    n = np.bincount(places[1], minlength=int(sizes[0]))
    y = _spread(sequence.data, places, (steps, len(n)), n, padding_value)
    return swapaxes(y, 0, 1) if batch_first else y, _ids(n)


def pad_sequence(sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0,
                 padding_side: str = "right") -> Tensor:
    """Sequences (T_b, *) -> one tensor (T, B, *), or (B, T, *) with batch_first, filled up behind (or before) each.

    Raises ShapeError where sizes other than the length differ, or of no sequences.
    """
    if padding_side not in ("right", "left"):
        raise ValueError(f"padding_side is 'right' or 'left', not {padding_side!r}")
    rows = list(sequences)                     # a generator is read once
    if not rows:
        raise ShapeError("pad_sequence of no sequences")
    n = np.array([len(s) for s in rows])
    t = np.concatenate([np.arange(k) + (n.max() - k if padding_side == "left" else 0) for k in n])
    places = t, np.repeat(np.arange(len(n)), n)
    y = _spread(concatenate(rows), places, (int(n.max()), len(n)), n, padding_value, padding_side == "left")
    return swapaxes(y, 0, 1) if batch_first else y


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The reverse of `pad_sequence`: (T, B, *) and lengths (B) -> a list of B tensors (T_b, *)."""
    x = swapaxes(padded_sequences, 0, 1) if batch_first else padded_sequences
    n = _lengths(lengths, x)
    places = np.concatenate([np.arange(k) for k in n]), np.repeat(np.arange(len(n)), n)
    return list(split(getitem(x, index=_index(places, x)), n.tolist()))


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (T_b, *) -> packed."""
    rows = list(sequences)
    return pack_padded_sequence(pad_sequence(rows), [len(s) for s in rows], False, enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Packed -> a list of tensors (T_b, *), in the order before packing."""
    return unpad_sequence(*pad_packed_sequence(packed_sequences))


def pack_like(padded: Tensor, like: PackedSequence, batch_first: bool = False) -> PackedSequence:
    """Padded (T, B, *) -> packed as another one is: what a layer does with its outputs."""
    x = swapaxes(padded, 0, 1) if batch_first else padded
    places = _places(_host(like.batch_sizes), None if like.sorted_indices is None else _host(like.sorted_indices))
    return like._replace(data=getitem(x, index=_index(places, x)))


# ---------------------------------------------------------------------------------------------- the parts

def _places(sizes: np.ndarray, order: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Step and example of each packed row: (N), (N)."""
    place = np.concatenate([np.arange(k) for k in sizes])
    return np.repeat(np.arange(len(sizes)), sizes), place if order is None else order[place]


def _spread(rows: Tensor, places: tuple[np.ndarray, np.ndarray], shape: tuple[int, int], n: np.ndarray, value: float,
            left: bool = False) -> Tensor:
    """Rows (N, *) at their step and example in a tensor (T, B, *), and a value elsewhere."""
    y: Tensor = put(rows, index=_index(places, rows), shape=(*shape, *rows.shape[1:]))
    if value == 0:
        return y
    value = y.dtype.type(value)                # ids stay integers: 7.0 would make floats of them
    t = np.arange(shape[0])[::-1 if left else 1]
    real = (t[:, None] < n).reshape(*shape, *(1,) * (rows.ndim - 1))
    return where(Tensor(y.device.asarray(real), False, y.device), y, value)


def _index(places: tuple[np.ndarray, np.ndarray], of: Tensor) -> tuple[Any, Any]:
    return of.device.asarray(places[0]), of.device.asarray(places[1])


def _ids(host: np.ndarray) -> Tensor:
    return Tensor(host.astype(np.int64), False, cpu)


def _host(ids: Any) -> np.ndarray:
    """Integers of a Tensor, list or array, on the host."""
    host = ids.device.numpy(ids.data) if isinstance(ids, Tensor) else np.asarray(ids)
    if host.dtype.kind not in "iu":
        raise DTypeError(f"lengths and ids are integers, and these are {host.dtype}")
    return host.astype(np.int64, copy=False)   # unsigned ones have no differences


def _lengths(lengths: Any, x: Tensor) -> np.ndarray:
    """Lengths (B) of a padded (T, B, *), checked."""
    n = _host(lengths)
    if x.ndim < 2 or n.shape != (x.shape[1],):
        raise ShapeError(describe(f"lengths are {n.shape}, and the batch is {x.shape[1] if x.ndim > 1 else 'missing'}.",
                                  x=x._made(), fix="one length for each example"))
    if not n.size or n.min() < 1 or n.max() > x.shape[0]:
        raise ShapeError(describe(f"lengths are from 1 to T = {x.shape[0]}, and these are {n.tolist()}.", x=x._made(),
                                  fix="leave empty sequences out of the batch"))
    return n
