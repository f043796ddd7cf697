"""Chunks whose state goes on, windows, padding: every id once, in its place, with its successor."""
from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.data import batches_by_length, padded, streams, windows
from tests.data import quiet
from tests.texts import expect, message


def test_the_docstrings_nine_ids_in_two_streams_of_two_steps():
    (x0, y0, fresh0), (x1, y1, fresh1) = streams(np.arange(9), 2, 2)
    assert x0.tolist() == [[0, 4], [1, 5]] and y0.tolist() == [[1, 5], [2, 6]] and fresh0
    assert x1.tolist() == [[2, 6], [3, 7]] and y1.tolist() == [[3, 7], [4, 8]] and not fresh1


@quiet
@given(st.integers(2, 200), st.integers(1, 8), st.integers(1, 9))
def test_each_column_reads_its_own_piece_from_end_to_end(n, batch, steps):
    """Column b, chunk after chunk, is a contiguous piece, and its answers are the same piece one later."""
    ids = np.random.default_rng(n).integers(0, 99, n)
    length = (n - 1) // batch
    if length == 0:
        with pytest.raises(ValueError, match="too few"):
            streams(ids, batch, steps)
        return
    chunks = list(streams(ids, batch, steps))
    x, y = (np.concatenate(part) for part in list(zip(*chunks, strict=True))[:2])
    assert x.dtype == y.dtype == np.int64 and x.shape == (length, batch)
    for b in range(batch):
        assert x[:, b].tolist() == ids[b * length:(b + 1) * length].tolist()
        assert y[:, b].tolist() == ids[b * length + 1:(b + 1) * length + 1].tolist()
    assert [c.fresh for c in chunks] == [True] + [False] * (len(chunks) - 1)
    assert all(len(c.x) == steps for c in chunks[:-1]) and n - 1 - length * batch < batch
    whole = list(streams(ids, batch, steps, drop_last=True)) if length >= steps else []
    assert len(whole) == length // steps and all(len(c.x) == steps for c in whole)


def test_every_pass_starts_fresh_and_none_means_for_ever():
    ids = np.arange(9)
    assert [c.fresh for c in streams(ids, 2, 2, passes=2)] == [True, False, True, False]
    forever = list(itertools.islice(streams(ids, 2, 3, passes=None), 7))
    assert [c.fresh for c in forever] == [True, False] * 3 + [True]
    assert (forever[0].x == forever[4].x).all()


def test_a_network_that_carries_its_state_reads_the_pieces_as_if_uncut():
    """The reason of this order: with `fresh` obeyed, chunks of 3 steps give the outputs of one sequence of 12."""
    ids = np.random.default_rng(0).integers(0, 5, 25)
    table, layer = mg.randn(5, 4), nn.GRU(4, 3)
    state, outputs = None, []
    for x, _, fresh in streams(ids, 2, 3):
        out, state = layer(table[x], None if fresh else state)
        outputs.append(out.detach().numpy())
    whole, _ = layer(table[ids[:24].reshape(2, 12).T])
    assert np.allclose(np.concatenate(outputs), whole.detach().numpy(), atol=1e-6)      # float32, other shapes of GEMM


def test_a_text_that_is_too_short_says_what_would_fit():
    assert message(ValueError, lambda: streams(np.arange(5), 5, 2)) == expect("""
        5 ids are too few for 5 streams of 1 step and the id after.
          fix: a longer text, fewer streams.""")
    assert message(ValueError, lambda: streams(np.arange(9), 4, 3, drop_last=True)) == expect("""
        9 ids are too few for 4 streams of 3 steps and the id after.
          fix: a longer text, fewer streams or fewer steps.""")


@pytest.mark.parametrize("call", [lambda: streams("hello", 1, 1), lambda: windows("hello", 2),
                                  lambda: windows(["a", "b"], 2), lambda: padded([["a"]])])
def test_a_text_that_was_not_encoded_is_told_so(call):
    with pytest.raises(ValueError, match=r"ids, \(N,\) whole numbers, not a text\.\n +fix: vocabulary.encode"):
        call()


@pytest.mark.parametrize("call", [lambda: streams(np.zeros((2, 3), int), 1, 1), lambda: streams(np.zeros(3), 1, 1),
                                  lambda: streams(np.arange(9), 0, 1), lambda: streams(np.arange(9), 1, 0),
                                  lambda: windows(np.arange(3), 0), lambda: padded([]), lambda: padded([[[1]]]),
                                  lambda: batches_by_length([1, 2], 0)])
def test_what_cannot_be_cut_is_refused_before_the_first_chunk(call):
    with pytest.raises(ValueError):
        call()


@quiet
@given(st.lists(st.integers(0, 9), max_size=20), st.integers(1, 6))
def test_windows_are_all_the_n_grams_in_order(ids, size):
    got = windows(np.array(ids, np.int64), size)
    assert got.shape == (max(0, len(ids) - size + 1), size)
    assert got.tolist() == [ids[k:k + size] for k in range(len(ids) - size + 1)]


def test_windows_are_a_view():
    """A million 5-grams cost no memory."""
    ids = np.arange(10)
    assert np.shares_memory(windows(ids, 3), ids) and not windows(ids, 3).flags.writeable


@quiet
@given(st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=8), st.integers(-1, 0))
def test_padding_stands_behind_each_end_and_lengths_take_it_off(sequences, pad):
    ids, lengths = padded(sequences, pad)
    assert ids.dtype == lengths.dtype == np.int64 and ids.shape == (len(sequences), max(map(len, sequences)))
    assert [row[:n].tolist() for row, n in zip(ids, lengths, strict=True)] == sequences
    assert all((row[n:] == pad).all() for row, n in zip(ids, lengths, strict=True))


def test_a_recurrent_layer_takes_what_padded_gives():
    ids, lengths = padded([[1, 2, 3], [4], [2, 2]])
    out, last = nn.GRU(4, 3, batch_first=True)(mg.randn(5, 4)[ids], lengths=lengths)
    assert out.shape == (3, 3, 3) and (out.detach().numpy()[1, 1:] == 0).all()
    assert (last.detach().numpy()[0, 1] == out.detach().numpy()[1, 0]).all()


@quiet
@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 7), st.booleans())
def test_every_example_is_in_one_batch(lengths, batch, shuffled):
    found = batches_by_length(lengths, batch, np.random.default_rng(0) if shuffled else None, pool=3)
    assert sorted(k for part in found for k in part) == list(range(len(lengths)))
    assert all(0 < len(part) <= batch for part in found)


def test_neighbours_in_length_share_a_batch_and_passes_differ(rng):
    lengths = rng.integers(1, 60, (2000, 2))
    spent = {}
    for name, found in (("sorted", batches_by_length(lengths, 32)), ("shuffled", batches_by_length(lengths, 32, rng)),
                        ("random", np.split(rng.permutation(2000)[:1984], 62))):
        spent[name] = sum(len(part) * lengths[part, 0].max() for part in found) / lengths[:, 0].sum()
    assert spent["sorted"] < spent["shuffled"] < 1.1 < 1.8 < spent["random"]     # measured 1.01, 1.03, 1.94
    by_first = batches_by_length(lengths, 32)
    assert lengths[np.concatenate(by_first)].tolist() == sorted(lengths.tolist())
    a, b = batches_by_length(lengths, 32, rng), batches_by_length(lengths, 32, rng)
    assert not np.array_equal(np.concatenate(a), np.concatenate(b))
