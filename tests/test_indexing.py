"""Indices and axes beside PyTorch's: where NumPy means something else by x[...], and what would wrap in silence."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg

from .test_ops import host, torch

APART = {                                      # indices in which a number and an array do not stand side by side
    "number, slice, ids": lambda ids, mask: (0, slice(None), ids([2, 0])),
    "number, slice, list": lambda ids, mask: (1, slice(0, 2), [0, 3]),
    "ids, slice, number": lambda ids, mask: (ids([1, 0, 1]), slice(None), -1),
    "number, axis, ids": lambda ids, mask: (0, None, ids([2, 2])),
    "number, mask": lambda ids, mask: (slice(None), 1, None, mask([True, False, True, True])),
    "number, dots, matrix of ids": lambda ids, mask: (1, Ellipsis, ids([[0, 1], [3, 3]])),
    "one id, slice, ids": lambda ids, mask: (ids(1), slice(None, None, 2), ids([0, 1])),
    "side by side": lambda ids, mask: (slice(None), 2, ids([0, 1])),
    "two ids": lambda ids, mask: (ids([0, 1]), slice(None), ids([0, 1])),
}
TWICE = {"ids, slice, number", "number, axis, ids", "number, dots, matrix of ids"}    # which value stays is not defined


@pytest.mark.parametrize("name", APART)
def test_a_number_is_chosen_before_an_array_of_ids(name, device, rng):
    """x[0, :, ids] is x[0][:, ids]: NumPy would move the axis of ids to the front, and transpose in silence."""
    x = rng.standard_normal((2, 3, 4))
    ours = APART[name](lambda v: mg.tensor(v, device=device), lambda v: mg.tensor(v, device=device))
    theirs = APART[name](torch.tensor, torch.tensor)
    a, b = mg.tensor(x, device=device, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, want = a[ours], b[theirs]
    assert y.shape == tuple(want.shape)
    np.testing.assert_array_equal(host(y), want.detach().numpy())
    (y * y).sum().backward()
    (want * want).sum().backward()
    np.testing.assert_allclose(host(a.grad), b.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in APART if n not in TWICE])
def test_values_are_written_where_they_are_read(name, device, rng):
    """An assignment takes values of the shape that reading gives, and must not write them into a copy."""
    x = rng.standard_normal((2, 3, 4))
    ours = APART[name](lambda v: mg.tensor(v, device=device), lambda v: mg.tensor(v, device=device))
    a, b = mg.tensor(x, device=device), torch.tensor(x)
    values = rng.standard_normal(a[ours].shape)
    a[ours] = mg.tensor(values, device=device)
    b[APART[name](torch.tensor, torch.tensor)] = torch.tensor(values)
    np.testing.assert_array_equal(host(a), b.numpy())


@pytest.mark.parametrize("call", [
    lambda a: mg.gather(a, 2, [[0, 0, 0]]), lambda a: mg.index_select(a, 2, [0]), lambda a: mg.index_select(a, -3, [0]),
    lambda a: mg.take_along_dim(a, [[0]], 2), lambda a: mg.scatter_add(a, 2, [[0]], a), lambda a: mg.prod(a, 2),
    lambda a: mg.flatten(a, 2), lambda a: mg.flatten(a, 0, 2), lambda a: mg.moveaxis(a, 2, 0),
    lambda a: mg.moveaxis(a, 0, -3), lambda a: mg.split(a, 1, 2), lambda a: mg.chunk(a, 2, 2),
    lambda a: mg.topk(a, 1, 2), lambda a: a.mean(2), lambda a: a.var(2), lambda a: mg.concat([a, a], 2),
    lambda a: mg.nn.Flatten(2)(a)])
def test_an_axis_that_is_not_there_is_refused(call, device):
    """Taken modulo the number of axes, 2 would be 0: another axis, and no word about it."""
    with pytest.raises(mg.IndexRangeError, match=r"there is no axis (2|-3) in \(2, 3\): -2 ... 1"):
        call(mg.ones(2, 3, device=device))


def test_a_single_value_has_the_axes_0_and_minus_1(device):
    """As in PyTorch: a loss that is reduced already may be reduced again."""
    x = mg.tensor(2.0, device=device)
    assert [y.item() for y in (x.mean(0), x.mean(-1), x.sum(0), mg.prod(x, 0), mg.index_select(mg.flatten(x), 0, [0]))
            ] == [2.0] * 5


@pytest.mark.parametrize("call", [lambda a: mg.gather(a, 0, [[-1, 0, 0]]), lambda a: mg.index_select(a, 0, [-1]),
                                  lambda a: mg.take_along_dim(a, [[-1, 0, 0]], 0),
                                  lambda a: mg.scatter_add(a, 0, [[0, -1, 0]], a[:1])])
def test_an_id_below_zero_is_refused_where_pytorch_refuses_it(call, device):
    """-1 often marks "no class": read as the last one it would be trained."""
    with pytest.raises(mg.IndexRangeError, match=r"index -1 is outside of axis 0 of \(2, 3\): 0 ... 1"):
        call(mg.ones(2, 3, device=device))


def test_scatter_add_refuses_more_places_than_there_are(device):
    """Places behind the end of another axis would wrap to its start."""
    with pytest.raises(mg.ShapeError, match=r"scatter_add adds \(2, 5\) at \(2, 5\) places of \(2, 3\)"):
        mg.scatter_add(mg.zeros(2, 3, device=device), 0, np.zeros((2, 5), int), mg.ones(2, 5, device=device))


def test_an_index_of_floats_or_on_another_device_is_named(device):
    """Labels that were not cast, and ids that were not moved."""
    a = mg.ones(2, 3, device=device)
    for wrong in (mg.zeros(1, device=device), [0.5], np.zeros(1)):
        with pytest.raises(mg.DTypeError, match="integers or booleans, not float"):
            a[wrong]
    other = "cpu" if device != "cpu" else "strict"
    with pytest.raises(mg.DeviceError, match=f"an index on {other} into a tensor on {device}"):
        a[mg.tensor([0], device=other)]
    assert a[range(2)].shape == (2, 3)


def test_pieces_of_nothing_are_pytorchs_and_no_pieces_are_refused(device):
    """An empty axis splits into one empty piece, or into as many as are asked for; sizes may be NumPy's numbers."""
    empty = mg.zeros(0, 2, device=device)
    assert [p.shape for p in mg.split(empty, 3)] == [(0, 2)] and [p.shape for p in mg.chunk(empty, 3)] == [(0, 2)] * 3
    assert [p.shape for p in mg.split(mg.ones(5, device=device), np.int64(2))] == [(2,), (2,), (1,)]
    for call in (lambda: mg.split(empty, 0), lambda: mg.chunk(empty, 0), lambda: mg.split(mg.tensor(1.0), 1)):
        with pytest.raises(mg.ShapeError, match="split of|chunk of"):
            call()


def test_an_axis_may_be_a_numpy_number(device):
    """What np.argmax gave, or len() of an array of axes."""
    x = mg.ones(2, 3, device=device)
    assert x.mean(dim=np.int64(1)).shape == x.sum(np.int64(1)).shape == (2,)
    assert mg.nn.functional.layer_norm(x, np.int64(3)).shape == (2, 3)
    assert mg.nn.LayerNorm(np.int64(3)).normalized_shape == (3,)


def test_all_and_any_join_truths(device):
    """(a == b).all() is how two tensors are compared; `if a == b` has no single answer, and says so."""
    a = mg.tensor([[1.0, 2.0], [3.0, 4.0]], device=device)
    assert (a == a).all() and (a > 3).any() and not (a > 3).all()
    assert (a > 1).all(dim=1).tolist() == [False, True] and (a > 3).any(0, keepdim=True).tolist() == [[False, True]]
    with pytest.raises(mg.ShapeError, match=r"4 values are not one truth(.|\n)*\.all\(\)"):
        bool(a == a)


def test_small_integers_do_not_overflow_in_a_product(device):
    """16 x 16 is 0 in uint8."""
    assert mg.prod(mg.tensor(np.array([16, 16], np.uint8), device=device)).item() == 256


@pytest.mark.parametrize("read", [
    lambda x, i: x[i], lambda x, i: x[:, i], lambda x, i: mg.gather(x, 0, i.reshape(1, 3)),
    lambda x, i: mg.index_select(x, 1, i), lambda x, i: mg.take_along_dim(x, i.reshape(1, 3), 0),
    lambda x, i: mg.scatter_add(mg.zeros(3, 3, device=x.device), 0, i.reshape(1, 3), x)])
def test_ids_may_be_written_before_backward(read, device):
    """A batch buffer is filled again: the gradient goes to where the values were read."""
    def gradient(write):
        x = mg.arange(9.0, device=device).reshape(3, 3).requires_grad_()
        ids = mg.tensor([2, 0, 1], device=device)
        y = (read(x, ids) * mg.tensor([1.0, 2.0, 3.0], device=device)).sum()
        if write:
            ids.zero_()
        y.backward()
        return x.grad.tolist()
    assert gradient(True) == gradient(False)


def test_the_ids_of_a_choice_and_a_mask_may_be_written_before_backward(device):
    """What topk, sort and max return belongs to the caller; so does NumPy's memory."""
    for choose in (lambda x: mg.topk(x, 2), lambda x: mg.sort(x), lambda x: mg.max(x, 1)):
        x = mg.tensor([[1.0, 3.0, 2.0]], device=device, requires_grad=True)
        values, ids = choose(x)
        ids.zero_()
        values.sum().backward()
        assert x.grad.tolist()[0][1] == 1.0
    x, mask = mg.ones(3, device=device, requires_grad=True), np.array([True, False, True])
    y = x[mask].sum()
    mask[:] = True
    y.backward()
    assert x.grad.tolist() == [1.0, 0.0, 1.0]
