"""Kernels at sizes that an int does not count: 2^31 elements are 8 GB of float32, and a GPU has more.

The arrays lie in a sparse file, of which a test touches a few pages, and the source itself runs on them.
"""
from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, ShapeError
from minigrad.kernels import launcher
from minigrad.kernels.signature import files, find

from .emulator import _library

INT = 2 ** 31                                  # what an int does not hold


@pytest.fixture
def huge(tmp_path) -> Iterator[np.ndarray]:
    """2^32 floats and some more. What counts wrongly by an int, from the middle, stays inside."""
    array = np.memmap(tmp_path / "sparse", np.float32, "w+", shape=2 * INT + 4096)
    yield array
    (tmp_path / "sparse").unlink()


def start(name: str, grid: int, block: int, *args) -> None:
    """As `emulator.execute`, but without copies: where arrays lie is passed on."""
    passed = []
    for p, value in zip(find(name).parameters, args, strict=True):
        if p.pointer:
            passed.append(ctypes.c_void_p(0 if value is None else value.ctypes.data))
        else:
            passed.append(np.ctypeslib.as_ctypes_type(np.dtype(p.dtype))(value))
    assert _library(find(name).file, "", ())[name](grid, block, ctypes.c_long(128), 1, ctypes.c_uint(0), *passed) == 0


def test_the_norm_of_a_gradient_counts_what_lies_behind_an_int(huge):
    """A thread reads elements 2^30 apart, of which the third is the first that an int does not count."""
    gradient, parts = huge[INT:], np.zeros(1, np.float32)
    gradient[[0, INT // 2 + 3, INT + 7]] = 1, 2, 3
    huge[5] = huge[INT - 1] = 100.0                          # before the gradient: none of it
    none = [None] * 15
    start("gradient_squares", 1, 256, parts, 0, INT // 2 // 256, gradient, *none, INT + 200, *[0] * 15)
    assert parts[0] == 1 + 4 + 9


@pytest.mark.parametrize("name", ["gradient_squares", "gradient_scale"])
def test_clipping_takes_sizes_of_64_bits(name):
    """Both count in the same words, `EACH`."""
    sizes = [p for p in find(name).parameters if re.fullmatch(r"n\d+", p.name)]
    assert [p.dtype for p in sizes] == ["int64"] * 16
    assert launcher._number(find(name), sizes[0], 2 * INT) == 2 * INT


def test_the_last_block_of_a_flat_buffer_writes_nothing_behind_what_an_int_counts(huge):
    """Parameters that end 150 elements before it: the block's last threads count on, and have nothing to do."""
    out, first = huge[INT:], INT - 200
    bounds, gradient = np.array([[first, first + 50]], np.int32), np.full(50, 2.0, np.float32)
    start("gradient_gather", 1, 256, out, bounds, 1, gradient, *[None] * 15)
    assert (out[first:first + 50] == 2).all() and not out[first + 50:].any() and not huge[:4096].any()


def test_a_threads_number_is_an_int_only_where_the_caller_counted_them():
    """By `blocks`, in three layers; in columns.cu by a size that is a parameter. Elsewhere it is long or unsigned."""
    text = {file.stem: file.read_text() for file in files()}
    ints = {name for name, t in text.items() if re.search(r"\bint \w+ = [^;]*blockIdx\.x \* blockDim\.x", t)}
    assert ints == {"columns", "gru_cell", "lstm_cell", "rnn_cell"}
    assert not [name for name, t in text.items() if "blockDim.x + threadIdx.x) >>" in t]


@pytest.mark.parametrize("value", [2 ** 31, 2 ** 31 - 1])
def test_a_size_at_the_end_of_an_int_is_refused(value):
    """Kernels add up to 1/64 of it, or a block, before they compare: that would be negative."""
    kernel = find("column_parts")
    rows = next(p for p in kernel.parameters if p.name == "rows")
    with pytest.raises(DTypeError, match=f"rows is {value} .* takes one int32 of at most {2 ** 31 - 2 ** 26}"):
        launcher._number(kernel, rows, value)
    assert launcher._number(kernel, rows, 2 ** 31 - 2 ** 26) == 2 ** 31 - 2 ** 26


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_step_with_more_units_than_an_int_counts_is_refused(layer, monkeypatch):
    """Its threads would return at once, and leave what nobody wrote. In clusters no thread counts so far."""
    launcher._limits("int32")                                # known before `_MOST` is another
    monkeypatch.setattr(launcher, "_MOST", 4 * 33 - 1)
    x = mg.ones(2, 4, 3, device="strict")
    with pytest.raises(ShapeError, match="a thread for each of at most 131 things, and these are 132"):
        layer(3, 33).to("strict")(x)
    layer(3, 64).to("strict")(x)
