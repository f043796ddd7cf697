"""Packed sequences: `nn.utils.rnn` against PyTorch's, and layers that take them."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, ShapeError
from minigrad.nn.utils import rnn as ours

SORTED, MIXED = [5, 4, 4, 1], [4, 1, 5, 4]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def numpy(t):
    return t.detach().cpu().numpy()


def same(got, want):
    """Every field of two PackedSequences; None where None."""
    for name in ("data", "batch_sizes", "sorted_indices", "unsorted_indices"):
        a, b = getattr(got, name), getattr(want, name)
        assert (a is None) == (b is None), name
        if a is not None:
            np.testing.assert_array_equal(numpy(a), b.detach().numpy(), err_msg=name)
            assert str(a.dtype) == str(b.dtype).removeprefix("torch.")


@pytest.mark.parametrize("lengths, enforce", [(SORTED, True), (SORTED, False), (MIXED, False)], ids=str)
@pytest.mark.parametrize("batch_first", [False, True])
def test_packing_and_padding_are_pytorchs(device, rng, torch, lengths, enforce, batch_first):
    """All fields, there and back, with a padding value and a total length; and the gradient of both."""
    theirs = torch.nn.utils.rnn
    x = rng.standard_normal((4, 6, 3) if batch_first else (6, 4, 3)).astype("float32")
    a, b = mg.tensor(x, device=device, requires_grad=True), torch.tensor(x, requires_grad=True)
    p = ours.pack_padded_sequence(a, lengths, batch_first, enforce)
    q = theirs.pack_padded_sequence(b, torch.tensor(lengths), batch_first, enforce)
    same(p, q)
    for options in ({}, {"padding_value": -2.5}, {"total_length": 8}):
        (y, n), (z, m) = (f(s, batch_first, **options) for f, s in
                          ((ours.pad_packed_sequence, p), (theirs.pad_packed_sequence, q)))
        np.testing.assert_array_equal(numpy(y), z.detach().numpy())
        assert n.tolist() == m.tolist() == lengths
    weight = rng.standard_normal(y.shape).astype("float32")
    (y * mg.tensor(weight, device=device)).sum().backward()
    (z * torch.tensor(weight)).sum().backward()
    np.testing.assert_array_equal(numpy(a.grad), b.grad.numpy())


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
def test_padding_a_list_is_pytorchs_and_unpadding_undoes_it(device, rng, torch, shape, batch_first):
    """Sequences of any rank, on both sides, filled with any value."""
    parts = [rng.standard_normal((n, *shape)) for n in MIXED]
    a, b = [mg.tensor(p, device=device, requires_grad=True) for p in parts], [torch.tensor(p) for p in parts]
    for side in ("right", "left"):
        for value in (0.0, 7.0):
            y = ours.pad_sequence(a, batch_first, value, side)
            want = torch.nn.utils.rnn.pad_sequence(b, batch_first, value, side)
            np.testing.assert_array_equal(numpy(y), want.numpy())
    back = ours.unpad_sequence(ours.pad_sequence(a, batch_first), MIXED, batch_first)
    again = ours.unpack_sequence(ours.pack_sequence(a, enforce_sorted=False))
    for x, y, z in zip(parts, back, again, strict=True):
        np.testing.assert_array_equal(numpy(y), x)
        np.testing.assert_array_equal(numpy(z), x)
    sum((y * y).sum() for y in back).backward()
    for x, t in zip(parts, a, strict=True):
        np.testing.assert_allclose(numpy(t.grad), 2 * x)


@pytest.mark.parametrize("lengths, enforce", [(SORTED, True), (MIXED, False)], ids=["sorted", "mixed"])
def test_packing_a_list_is_pytorchs(rng, torch, lengths, enforce):
    """pack_sequence = pad, then pack."""
    parts = [rng.standard_normal((n, 3)) for n in lengths]
    same(ours.pack_sequence([mg.tensor(p) for p in parts], enforce),
         torch.nn.utils.rnn.pack_sequence([torch.tensor(p) for p in parts], enforce))


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_layer_gives_back_what_it_was_given_packed_alike(device, rng, name, batch_first):
    """Equal to the call with lengths; given and final states stand in the order before packing."""
    layer = getattr(nn, name)(3, 4, 2, bidirectional=True, batch_first=batch_first).to(mg.float64).to(device)
    x = mg.tensor(rng.standard_normal((4, 5, 3) if batch_first else (5, 4, 3)), device=device)
    states = tuple(mg.tensor(rng.standard_normal((4, 4, 4)), device=device) for _ in layer.state_sizes)
    hx = states if len(states) > 1 else states[0]
    packed = ours.pack_padded_sequence(x, MIXED, batch_first, enforce_sorted=False)
    y, last = layer(packed, hx)
    want, final = layer(x, hx, lengths=MIXED)
    assert isinstance(y, ours.PackedSequence)
    assert y.batch_sizes is packed.batch_sizes and y.sorted_indices is packed.sorted_indices
    np.testing.assert_array_equal(numpy(ours.pad_packed_sequence(y, batch_first)[0]), numpy(want))
    for a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in (last, final)), strict=True):
        np.testing.assert_array_equal(numpy(a), numpy(b))


def test_a_packed_sequence_can_be_detached_and_cast(rng):
    """A named tuple of tensors: `mg.detach` and `to` keep what it is."""
    x = mg.tensor(rng.standard_normal((5, 4, 3)), requires_grad=True)
    packed = ours.pack_padded_sequence(x, MIXED, enforce_sorted=False)
    cut = mg.detach(packed)
    assert isinstance(cut, ours.PackedSequence) and not cut.data.requires_grad and packed.data.requires_grad
    half = packed.to(mg.float32)
    assert half.data.dtype == mg.float32 and half.batch_sizes.dtype == mg.int64


def test_what_cannot_be_packed_says_why(rng):
    """Unsorted lengths, 0, too long, another number of them, floats; a total length too short; lengths given twice."""
    x = mg.tensor(rng.standard_normal((5, 4, 3)))
    for lengths, kind, text in [(MIXED, ShapeError, r"(?s)not sorted.*\[4, 1, 5, 4\].*enforce_sorted=False"),
                                ([5, 4, 4, 0], ShapeError, r"from 1 to T = 5, and these are \[5, 4, 4, 0\]"),
                                ([6, 4, 4, 1], ShapeError, "from 1 to T = 5"),
                                ([5, 4], ShapeError, r"lengths are \(2,\), and the batch is 4"),
                                ([5.0, 4.0, 4.0, 1.0], DTypeError, "integers, and these are float64")]:
        with pytest.raises(kind, match=text):
            ours.pack_padded_sequence(x, lengths)
    packed = ours.pack_padded_sequence(x, SORTED)
    with pytest.raises(ShapeError, match="total_length=4 is shorter than the longest sequence, 5"):
        ours.pad_packed_sequence(packed, total_length=4)
    with pytest.raises(ValueError, match="a PackedSequence has its lengths"):
        nn.GRU(3, 4).to(mg.float64)(packed, lengths=SORTED)
    with pytest.raises(ValueError, match="'right' or 'left', not 'both'"):
        ours.pad_sequence([x], padding_side="both")
    with pytest.raises(ShapeError, match=r"GRU\(2, 4\) cannot take \(5, 4, 3\)"):
        nn.GRU(2, 4).to(mg.float64)(packed)


def test_unsigned_lengths_are_lengths(rng):
    """Their differences wrap: 3 - 5 is 254, which looked as if they increased."""
    x = mg.tensor(rng.standard_normal((5, 4, 3)))
    same(ours.pack_padded_sequence(x, np.array(SORTED, np.uint8)), ours.pack_padded_sequence(x, SORTED))
    same(ours.pack_padded_sequence(x, np.array(MIXED, np.uint8), enforce_sorted=False),
         ours.pack_padded_sequence(x, MIXED, enforce_sorted=False))


def test_a_padding_value_does_not_change_the_dtype_of_ids(torch):
    """7.0 is how PyTorch's signature writes it; an embedding takes integers alone."""
    rows = [[1, 2, 3], [4]]
    y = ours.pad_sequence([mg.tensor(r) for r in rows], True, 7.0)
    want = torch.nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], True, 7.0)
    assert y.dtype == mg.int64 and y.tolist() == want.tolist()


def test_clipping_is_found_where_pytorch_has_it():
    """torch.nn.utils.clip_grad_norm_"""
    assert nn.utils.clip_grad_norm_ is mg.optim.clip_grad_norm_
    assert nn.utils.clip_grad_value_ is mg.optim.clip_grad_value_


def test_sequences_may_come_from_a_generator(device):
    """Read once for their lengths, it would be empty when they are joined."""
    rows = [mg.tensor([1.0, 2.0], device=device), mg.tensor([3.0], device=device)]
    assert ours.pad_sequence(r for r in rows).tolist() == [[1.0, 3.0], [2.0, 0.0]]
    assert ours.pack_sequence(r for r in rows).batch_sizes.tolist() == [2, 1]
    with pytest.raises(mg.ShapeError, match="no sequences"):
        ours.pad_sequence([])
