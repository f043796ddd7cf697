"""Batches of ids: contiguous streams for truncated BPTT, windows, and sentences of unequal length padded to one.

    streams             a long text, cut into B pieces that are read side by side; the state goes on from chunk to chunk
    windows             every n-gram of a text, as a view
    padded              sentences -> (B, T) and their lengths
    batches_by_length   which sentences to pad together, so that little padding is computed
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import describe


class Chunk(NamedTuple):
    """x (T, B) and the ids one step later, y (T, B); fresh: the state starts anew here, and goes on otherwise."""

    x: np.ndarray
    y: np.ndarray
    fresh: bool


def streams(ids: np.ndarray, batch: int, steps: int, *, passes: int | None = 1,
            drop_last: bool = False) -> Iterator[Chunk]:
    """A text of ids (N,) as chunks of B contiguous streams.   Escalera, *Truncated Backpropagation through time*.

    Column b reads the b-th of `batch` equal pieces, `steps` ids a chunk: chunk k + 1 begins where chunk k ended, so the
    state h (B, H) that a network had at the end of one is its start for the next, unless `fresh`.

        ids 0 1 2 3 4 5 6 7 8 in 2 streams of 2 steps:   x  0 4   y  1 5   fresh      x  2 6   y  3 7
                                                            1 5      2 6                 3 7      4 8

    passes: how often over the text, None for ever; each starts fresh.  drop_last: leave out a shorter last chunk.
    Up to B - 1 ids at the end are not read. x, y: int64, views that belong to the iterator: copy before writing.
    Raises ValueError for a text too short for one step of every stream, or ids that are not (N,) whole numbers.
    """
    ids = _ids("streams", ids)
    if batch < 1 or steps < 1:
        raise ValueError(f"streams needs at least 1 stream and 1 step, not {batch} and {steps}")
    length = (len(ids) - 1) // batch
    if length < (steps if drop_last else 1):
        raise ValueError(describe(f"{len(ids)} ids are too few for {batch} streams of {steps if drop_last else 1} "
                                  f"step{'s' * (drop_last and steps > 1)} and the id after.",
                                  fix="a longer text, fewer streams" + (" or fewer steps." if drop_last else ".")))
    return _chunks(ids, batch, length, steps, passes, drop_last)


def _chunks(ids: np.ndarray, batch: int, length: int, steps: int, passes: int | None,
            drop_last: bool) -> Iterator[Chunk]:
    used = batch * length
    x = np.ascontiguousarray(ids[:used].reshape(batch, length).T)           # (length, B): a chunk is contiguous
    y = np.ascontiguousarray(ids[1:used + 1].reshape(batch, length).T)
    end = length - length % steps if drop_last else length
    done = 0
    while passes is None or done < passes:
        for start in range(0, end, steps):
            yield Chunk(x[start:start + steps], y[start:start + steps], start == 0)
        done += 1


def windows(ids: np.ndarray, size: int) -> np.ndarray:
    """Every `size` ids in a row: ids (N,) -> (N - size + 1, size), a read-only view; (0, size) for a shorter text.

    Raises ValueError for a size below 1, or ids that are not (N,) whole numbers.
    """
    ids = _ids("windows", ids)
    if size < 1:
        raise ValueError(f"a window holds at least 1 id, not {size}")
    if len(ids) < size:
        return np.empty((0, size), np.int64)
    return np.lib.stride_tricks.sliding_window_view(ids, size)


def padded(sequences: Sequence[Sequence[int] | np.ndarray], pad: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """B sentences of ids -> ids (B, T), filled up with `pad` behind each end, and lengths (B,); int64.

    nn.RNN, LSTM and GRU take both: `layer(embedding(ids), lengths=lengths)` with batch_first.
    Raises ValueError for no sentence at all, or one that is not (T,) whole numbers.
    """
    if not len(sequences):
        raise ValueError("padded needs at least one sequence")
    rows = [_ids("padded", row) for row in sequences]
    lengths = np.array([len(row) for row in rows], np.int64)
    ids = np.full((len(rows), lengths.max()), pad, np.int64)
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = np.concatenate(rows)
    return ids, lengths


def batches_by_length(lengths: Sequence[int] | np.ndarray, batch: int, rng: np.random.Generator | None = None,
                      *, pool: int = 50) -> list[np.ndarray]:
    """Which examples to put in a batch together: arrays of up to `batch` indices, all examples once.

    Neighbours in length share a batch, so padding is small. Lengths of pairs may be (N, 2): sorted by the first, then
    the second. With rng, examples are shuffled first and sorted within pools of `pool` batches, and batches come in a
    random order: each pass has other batches. Without it, from short to long.
    Raises ValueError for a batch below 1.
    """
    if batch < 1:
        raise ValueError(f"a batch holds at least 1 example, not {batch}")
    lengths = np.asarray(lengths)
    if not len(lengths):
        return []
    keys = lengths.reshape(len(lengths), -1).T[::-1]                        # np.lexsort: the last key decides first
    if rng is None:
        order = np.lexsort(keys)
        return [order[k:k + batch] for k in range(0, len(order), batch)]
    order, found = rng.permutation(len(lengths)), []
    for start in range(0, len(order), pool * batch):
        part = order[start:start + pool * batch]
        part = part[np.lexsort(keys[:, part])]
        found += [part[k:k + batch] for k in range(0, len(part), batch)]
    return [found[k] for k in rng.permutation(len(found))]


def _ids(name: str, ids: np.ndarray | Sequence[int]) -> np.ndarray:
    array = np.asarray(ids)
    if array.ndim == 1 and (array.dtype.kind in "iu" or array.size == 0):
        return array.astype(np.int64, copy=False)
    what = "a text" if array.dtype.kind in "US" else f"{array.dtype} {array.shape}"
    raise ValueError(describe(f"{name} takes ids, (N,) whole numbers, not {what}.",
                              fix="vocabulary.encode(tokens) makes ids of a text."))
