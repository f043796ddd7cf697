"""The strict double: it computes what NumPy computes, says no where CuPy says no or is silently wrong, and counts."""
from __future__ import annotations

import copy
import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import strict as xp

X = np.array([[0.5, -1.0, 2.0], [3.0, 0.25, -2.0]], np.float32)


@pytest.fixture
def x() -> xp.ndarray:
    """A device array, whose host twin is X."""
    return xp.asarray(X)


def ids(*numbers: int) -> xp.ndarray:
    """Ids on the device."""
    return xp.asarray(np.array(numbers))


# ---------------------------------------------------------------------------------------------- values

# One expression for both namespaces: n is NumPy or the double, a is (2, 3), b is (3,), i holds ids, m is a mask.
SAME = [
    lambda n, a, b, i, m: a + b * 2 - b / 3,
    lambda n, a, b, i, m: 1 / (1 + n.exp(-a)),
    lambda n, a, b, i, m: (2 ** a, a ** 2, a // b, a % b, -a, abs(a), +a),
    lambda n, a, b, i, m: np.float32(2) * a,
    lambda n, a, b, i, m: a * np.float64(2),
    lambda n, a, b, i, m: (a < b, a == 0.5, (a > 0) & ~(a > 1), (a > 0) | m, m ^ True),
    lambda n, a, b, i, m: (a @ b, a @ a.T, b @ b, a.dot(b), n.matmul(a.T, a), n.dot(b, b)),
    lambda n, a, b, i, m: n.matmul(n.stack([a, a]), n.swapaxes(n.stack([a, a]), -1, -2)),
    lambda n, a, b, i, m: (n.einsum("ij,j->i", a, b), n.tensordot(a, a, axes=([1], [1])), n.outer(b, b)),
    lambda n, a, b, i, m: (a.sum(), n.sum(a, axis=0), n.mean(a, axis=(0, 1), keepdims=True), a.var(axis=1), n.std(a)),
    lambda n, a, b, i, m: (a.max(1), n.amin(a, axis=0, keepdims=True), n.prod(a), n.any(m), n.all(m, axis=1)),
    lambda n, a, b, i, m: (n.argmax(a, axis=1), a.argmin(), n.argsort(a, axis=0), n.sort(a), n.cumsum(a, axis=1)),
    lambda n, a, b, i, m: (a.reshape(3, 2), n.reshape(a, (-1,)), a.T.reshape(-1), a.ravel(), a.flatten()),
    lambda n, a, b, i, m: (a.transpose(1, 0), n.transpose(a, (1, 0)), n.swapaxes(a, 0, 1), n.moveaxis(a, 0, -1)),
    lambda n, a, b, i, m: (n.expand_dims(a, 1), a[:, None].squeeze(1), n.broadcast_to(b, (4, 3)), n.flip(a, 1)),
    lambda n, a, b, i, m: (n.concatenate([a, a], axis=1), n.stack([b, b], 1), *n.split(a, [1], axis=1)),
    lambda n, a, b, i, m: (n.where(m, a, 0.0), n.clip(a, -1, 1), n.maximum(a, b), n.tril(a), n.diff(a, axis=0)),
    lambda n, a, b, i, m: (a[0], a[0, 1], a[..., 1], a[:, ::-1], a[-1:], a[None, :, 1]),
    lambda n, a, b, i, m: (a[i], a[:, i], a[i, i], a[m], a[i, None], a[i[0]]),
    lambda n, a, b, i, m: (n.take(a, i, axis=0), n.take_along_axis(a, n.argmax(a, axis=1, ).reshape(2, 1), axis=1)),
    lambda n, a, b, i, m: (n.zeros((2, 3)), n.ones(2, dtype=n.float32), n.full((2,), 0.5), n.eye(3, dtype=n.int64)),
    lambda n, a, b, i, m: (n.zeros_like(a), n.ones_like(i), n.full_like(a, 7), n.arange(5), n.linspace(0, 1, 5)),
    lambda n, a, b, i, m: (a.astype(n.float64), i.astype(n.float32), a.copy(), n.copy(a), n.asarray(a), n.array(b)),
    lambda n, a, b, i, m: (n.isfinite(a / 0), n.isnan(a), n.log(a), n.sqrt(abs(a)), n.allclose(a, a), n.sign(a)),
    lambda n, a, b, i, m: (n.nonzero(m), n.count_nonzero(m), n.unique(i), n.repeat(b, 2), n.tile(b, 2), n.pad(b, 1)),
    lambda n, a, b, i, m: (n.add(a, b, out=n.zeros_like(a)), n.tanh(b, b.copy()), n.divmod(a, 2), divmod_of(a)),
    lambda n, a, b, i, m: [row.sum() for row in a],
    lambda n, a, b, i, m: (n.pi, n.inf, n.float32(3), n.finfo(n.float32).eps, n.shape(a), n.result_type(a, b)),
]


def divmod_of(a):
    """// and % in place, on a copy."""
    b, c = a.copy(), a.copy()
    b //= 2
    c %= 2
    return b, c


def flat(value) -> list:
    """The leaves of nested tuples and lists."""
    return [leaf for part in value for leaf in flat(part)] if isinstance(value, (tuple, list)) else [value]


@pytest.mark.parametrize("case", range(len(SAME)))
def test_values_shapes_dtypes_and_strides_are_numpys_bit_for_bit(case):
    """What comes out, 0-d results too, is an array of the device. The double never warns of NaN, and CuPy does not."""
    host = (X, X[0] + 1, np.array([1, 0, 1]), X > 0)
    with np.errstate(all="ignore"):
        wanted = flat(SAME[case](np, *host))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = flat(SAME[case](xp, *map(xp.asarray, host)))
    assert len(got) == len(wanted)
    for g, w in zip(got, wanted, strict=True):
        if isinstance(g, xp.ndarray):
            w = np.asarray(w)
            assert (g.shape, g.dtype, g.strides) == (w.shape, w.dtype, w.strides)
            np.testing.assert_array_equal(xp.asnumpy(g), w)
        else:
            assert type(g) is type(w) and g == w and not isinstance(w, np.ndarray)      # about arrays, or a constant


def test_a_reduction_and_an_element_are_arrays_of_the_device_and_no_numpy_scalars(x):
    """In NumPy they are np.float32; code that relies on it breaks on a GPU."""
    for value in (x.sum(), xp.max(x), x[0, 0], x[0] @ x[0], xp.exp(2.0), abs(x[0, 0]), x.mean() + 1, xp.allclose(x, x)):
        assert type(value) is xp.ndarray and value.shape == ()


def test_python_numbers_do_not_widen_and_float64_scalars_do(x):
    """NEP 50, as in CuPy 14."""
    assert (x * 2.5).dtype == np.float32 and (x * np.float64(2)).dtype == np.float64


def test_attributes_are_the_arrays(x):
    """And len, iteration, the host copies, and the transposes."""
    assert (x.shape, x.ndim, x.size, x.dtype, x.nbytes, x.itemsize, len(x)) == ((2, 3), 2, 6, np.float32, 24, 4, 2)
    assert x.T.shape == x.mT.shape == (3, 2) and [row.shape for row in x] == [(3,), (3,)]
    assert x.flags.c_contiguous and x.T.flags.f_contiguous and x.flags.owndata and not x.T.flags.owndata
    assert not hasattr(x.flags, "writeable")
    assert x[0, 0].item() == float(x[0, 0]) == 0.5 and int(x[1, 0]) == 3 and bool(x[0, 0] > 0)
    assert x.tolist() == X.tolist() and f"{x[0, 0]:.2f}" == "0.50" and "0.5" in str(x) and repr(x).startswith("array(")
    with pytest.raises(TypeError):
        hash(x)


def test_uninitialised_memory_is_poisoned():
    """A GPU's pool hands out used blocks: zeros there are luck."""
    assert np.isnan(xp.asnumpy(xp.empty((2, 2)))).all() and (xp.asnumpy(xp.empty_like(ids(1, 2))) == 77).all()


# ---------------------------------------------------------------------------------------------- identity and memory

VIEWS = [lambda a: a[0], lambda a: a[0, 1], lambda a: a[:, 1:], lambda a: a[...], lambda a: a.T, lambda a: a[None],
         lambda a: a.reshape(-1), lambda a: a.T[1], lambda a: xp.swapaxes(a, 0, 1), lambda a: xp.split(a, 2)[1],
         lambda a: next(iter(a)), lambda a: a.view(), lambda a: xp.expand_dims(a, 0), lambda a: xp.ravel(a),
         lambda a: xp.moveaxis(a, 0, 1), lambda a: xp.broadcast_to(a, (2, 2, 3)), lambda a: xp.diagonal(a)]
COPIES = [lambda a: a.copy(), lambda a: a + 0, lambda a: a[ids(0, 1)], lambda a: a[a > 0], lambda a: a.flatten(),
          lambda a: a.T.reshape(-1), lambda a: xp.array(a), lambda a: a.astype(np.float32), lambda a: a.sum(),
          lambda a: xp.tile(a, 2), lambda a: xp.concatenate([a]), lambda a: copy.deepcopy(a),
          lambda a: copy.copy(a), lambda a: a[ids(0)[0]],
          lambda a: pickle.loads(pickle.dumps(a))]


@pytest.mark.parametrize("case", range(len(VIEWS)))
def test_a_view_names_the_owner_as_its_base_and_shares_its_memory(case, x):
    """Also a view of a view: its base is the owner, as in NumPy and CuPy."""
    view = VIEWS[case](x)
    assert view.base is x and VIEWS[case](x[...]).base is x
    x += 100
    assert (xp.asnumpy(view) > 90).all()


@pytest.mark.parametrize("case", range(len(COPIES)))
def test_a_copy_has_no_base_and_memory_of_its_own(case, x):
    """So that a tape may accumulate into it."""
    made = COPIES[case](x)
    before = xp.asnumpy(made)
    x += 100
    assert made.base is None and made is not x
    np.testing.assert_array_equal(xp.asnumpy(made), before)


def test_what_needs_no_copy_is_the_same_array(x):
    """`is`, not only equal."""
    out = xp.empty_like(x)
    assert xp.asarray(x) is x and x.astype(np.float32, copy=False) is x and xp.ascontiguousarray(x) is x
    assert xp.add(x, 1, out=out) is out and xp.multiply(x, 2, out) is out and xp.sum(x, axis=0, out=out[0]).base is out


def test_in_place_operators_keep_the_array_and_change_its_base(x):
    """x[0] += 1 goes through the view, as `+=` of a row of a parameter does."""
    same, row = x, x[0]
    x += 1
    x *= np.float32(2)
    row -= 1
    x[1] /= 2
    assert x is same
    np.testing.assert_array_equal(xp.asnumpy(x), np.stack([(X[0] + 1) * 2 - 1, X[1] + 1]))


def test_host_memory_is_never_shared(x):
    """Neither on the way in nor on the way out."""
    host = np.zeros(3)
    device = xp.asarray(host)
    host += 1
    xp.asnumpy(device)[:] = 5
    assert device.tolist() == [0, 0, 0]


def test_writing_by_index_is_numpys(x):
    """Numbers, arrays, ids, masks; `add.at` adds twice where an id occurs twice."""
    host = X.copy()
    on_host, on_device = (host, np.array([1, 0]), X > 1, np.float32(1)), (x, ids(1, 0), x > 1, xp.ones((), np.float32))
    for a, i, m, one in (on_host, on_device):
        a[0, 1] = 9
        a[:, 2] = one
        a[i] = a[:] * 2
        a[m] = 0.5
    np.testing.assert_array_equal(xp.asnumpy(x), host)
    grad = xp.zeros((2, 3), dtype=np.float32)
    xp.add.at(grad, ids(1, 1), xp.ones((2, 3), dtype=np.float32))
    assert grad.tolist() == [[0, 0, 0], [2, 2, 2]]
    xp.put_along_axis(grad, ids(0, 2).reshape(2, 1), 7.0, axis=1)
    assert grad.tolist() == [[7, 0, 0], [2, 2, 7]]
    grad.fill(3)
    assert grad.tolist() == [[3, 3, 3]] * 2


# ---------------------------------------------------------------------------------------------- refusals

N3 = np.ones(3, np.float32)
REFUSED = {
    "host array on the right": (TypeError, lambda a: a + N3),
    "host array on the left": (TypeError, lambda a: N3 + a),
    "host array in a product": (TypeError, lambda a: a @ N3),
    "host array times": (TypeError, lambda a: X @ a.T),
    "host array compared": (TypeError, lambda a: a < N3),
    "device into host in place": (TypeError, lambda a: N3.__iadd__(a)),
    "host into device in place": (TypeError, lambda a: a.__iadd__(N3)),
    "host array in a ufunc": (TypeError, lambda a: xp.maximum(a, N3)),
    "host array in a list": (TypeError, lambda a: xp.concatenate([a, X])),
    "host array as out": (TypeError, lambda a: xp.exp(a, out=X.copy())),
    "host array written": (TypeError, lambda a: a.__setitem__(0, N3)),
    "host list written": (TypeError, lambda a: a.__setitem__(0, [1.0, 2.0, 3.0])),
    "list in an operator": (TypeError, lambda a: a + [1, 2, 3]),
    "list in a ufunc": (TypeError, lambda a: xp.add(a, [1, 2, 3])),
    "list in a reduction": (TypeError, lambda a: xp.sum([1, 2, 3])),
    "number in a reduction": (TypeError, lambda a: xp.sum(3.0)),
    "host ids in take": (TypeError, lambda a: xp.take(a, [0, 1], axis=0)),
    "np.asarray": (TypeError, lambda a: np.asarray(a)),
    "np.array of a list": (TypeError, lambda a: np.array([a, a])),
    "np.exp": (TypeError, lambda a: np.exp(a)),
    "np.add.reduce": (TypeError, lambda a: np.add.reduce(a)),
    "np.sum": (TypeError, lambda a: np.sum(a)),
    "np.concatenate": (TypeError, lambda a: np.concatenate([a, a])),
    "assert_allclose": (TypeError, lambda a: np.testing.assert_allclose(a, a)),
    "ufunc with where": (TypeError, lambda a: xp.exp(a, where=a > 0)),
    "sum with initial": (TypeError, lambda a: xp.sum(a, initial=0)),
    "method with where": (TypeError, lambda a: a.sum(where=a > 0)),
    "take with mode": (TypeError, lambda a: xp.take(a, ids(0), mode="clip")),
    "einsum with out": (TypeError, lambda a: xp.einsum("ij->i", a, out=a[:, 0])),
    "zeros with device": (TypeError, lambda a: xp.zeros(3, device="cpu")),
    "too many positional": (TypeError, lambda a: xp.sum(a, 0, None, None, True, 0)),
    "argmax(a, axis, out)": (TypeError, lambda a: xp.argmax(a, 1, ids(0, 0))),
    "no such function": (AttributeError, lambda a: xp.vecdot(a, a)),
    "no errstate": (AttributeError, lambda a: xp.errstate(all="ignore")),
    "no random": (AttributeError, lambda a: xp.random.rand(3)),
    "no scatter_add": (AttributeError, lambda a: xp.scatter_add(a, ids(0), 1)),
    "no einsum_path": (AttributeError, lambda a: xp.einsum_path),
    "no reduceat": (AttributeError, lambda a: xp.add.reduceat),
    "no resize": (AttributeError, lambda a: a.resize(3)),
    "no setflags": (AttributeError, lambda a: a.setflags(write=False)),
    "no new attributes": (AttributeError, lambda a: setattr(a, "grad", 0)),
    "no @= that keeps the array": (AttributeError, lambda a: a.__imatmul__),
    "list index by a device array": (TypeError, lambda a: [1, 2][xp.argmax(a)]),
    "range of a device array": (TypeError, lambda a: range(xp.argmax(a))),
    "shape of a device array": (TypeError, lambda a: xp.zeros((xp.argmax(a), 2))),
    "axis from the device": (TypeError, lambda a: xp.sum(a, axis=ids(0)[0])),
    "reshape to a device number": (TypeError, lambda a: a.reshape(xp.argmax(a), 2)),
    "object dtype": (ValueError, lambda a: xp.asarray([None, "a"])),
    "string dtype": (ValueError, lambda a: xp.array(["a"])),
    "astype object": (ValueError, lambda a: a.astype(object)),
    "void view": (ValueError, lambda a: a.view("V12")),
    "long double": (ValueError, lambda a: a.astype(np.longdouble)),
    "out that is not contiguous": (ValueError, lambda a: xp.dot(a, a.T, out=xp.zeros((2, 2), np.float32).T)),
    "write to a broadcast view": (ValueError, lambda a: xp.broadcast_to(a, (2, 2, 3)).fill(0)),
    "atomic max of float16": (TypeError, lambda a: xp.maximum.at(a.astype(np.float16), ids(0), 1)),
    "atomic multiply": (TypeError, lambda a: xp.multiply.at(a, ids(0), 2)),
    "host list as index": (xp.StrictError, lambda a: a[[0, 1]]),
    "host array as index": (xp.StrictError, lambda a: a[:, np.array([0, 1])]),
    "host mask": (xp.StrictError, lambda a: a[X > 0]),
    "host index written": (xp.StrictError, lambda a: a.__setitem__([0], 1.0)),
    "host index in add.at": (xp.StrictError, lambda a: xp.add.at(a, [0], 1.0)),
    "an id twice": (xp.StrictError, lambda a: a.__setitem__(ids(0, 0), a * 2)),
    "an id and its negative": (xp.StrictError, lambda a: a.__setitem__(ids(1, -1), a * 2)),
    "a pair of ids twice": (xp.StrictError, lambda a: a.__setitem__((ids(0, 0), ids(2, 2)), a[0, :2])),
    "put_along_axis twice": (xp.StrictError, lambda a: xp.put_along_axis(a, ids(0, 0).reshape(1, 2), a[:, :2], axis=1)),
    "id out of range": (IndexError, lambda a: a[ids(0, 2)]),
    "negative id out of range": (IndexError, lambda a: a[:, ids(-4)]),
    "id out of range written": (IndexError, lambda a: a.__setitem__(ids(2), 0.0)),
    "id out of range in add.at": (IndexError, lambda a: xp.add.at(a, ids(2), 1.0)),
    "id out of range in take": (IndexError, lambda a: xp.take(a, ids(2), axis=0)),
    "id out of range along an axis": (IndexError, lambda a: xp.take_along_axis(a, ids(3).reshape(1, 1), axis=1)),
    "number out of range": (IndexError, lambda a: a[2]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_says_no_where_cupy_says_no_or_is_silently_wrong(name, x):
    """And nothing was written before it said so."""
    error, attempt = REFUSED[name]
    with pytest.raises(error):
        attempt(x)
    np.testing.assert_array_equal(xp.asnumpy(x), X)


def test_one_value_written_twice_is_no_race(x):
    """Zeroing the row of a padding id is fine however often it occurs."""
    x[ids(0, 0)] = 0.0
    x[ids(1, 1)] = xp.ones((), dtype=np.float32)
    assert x.tolist() == [[0, 0, 0], [1, 1, 1]]


MESSAGES = [
    (lambda a: a + N3, """+ got a host ndarray.
  cupy: Unsupported type <class 'numpy.ndarray'>
  fix : move it first, and once: xp.asarray(values, dtype=...)"""),
    (lambda a: np.asarray(a), """a device array was turned into a NumPy array.
  cupy: Implicit conversion is not allowed
  fix : xp.asnumpy(x), which waits for the device and copies"""),
    (lambda a: np.exp(a), """np.exp was called on a device array.
  cupy: some NumPy functions dispatch to CuPy, some fail
  fix : xp.exp, xp of the array's device"""),
    (lambda a: xp.sum(a, initial=0), """sum got the keyword 'initial'.
  cupy: its parameters are (a, axis, dtype, out, keepdims)
  fix : leave it out, or compute the same with another call"""),
    (lambda a: xp.errstate, """xp has no attribute 'errstate'.
  cupy: it lacks it too, or strict_api.json leaves it out
  fix : keep bad values out with xp.where"""),
    (lambda a: xp.zeros((xp.argmax(a), 2)), """zeros: shape is a device array.
  cupy: it fails, or the host waits for the value
  fix : pass a Python number: the host must know shape before the kernel starts"""),
    (lambda a: a[[0, 1]], """x[index] got a host list as index.
  cupy: it is uploaded at every call, and a graph capture fails
  fix : upload it once: ids = xp.asarray(ids)"""),
    (lambda a: a.__setitem__(ids(0, 0), a * 2), """x[ids] = value writes to one place more than once.
  cupy: which value stays differs from run to run
  fix : make the ids unique, or add instead: xp.add.at(x, ids, value)"""),
    (lambda a: a[ids(0, 2)], """x[ids]: index 2 is out of bounds for axis 0 with size 2
  cupy: an id outside of its axis wraps around in silence, to another row
  fix : check ids against the axis before the lookup"""),
    (lambda a: xp.maximum.at(a.astype(np.float16), ids(0), 1), """maximum.at on float16.
  cupy: there are atomics for add, maximum, minimum, subtract; maximum.at takes dtypes fdilqILQ
  fix : cast first, or write to unique ids: x[ids] = value"""),
]


@pytest.mark.parametrize("case", range(len(MESSAGES)))
def test_a_refusal_says_what_was_done_what_cupy_does_and_the_fix(case, x):
    """The whole text."""
    attempt, text = MESSAGES[case]
    with pytest.raises(Exception) as caught:  # noqa: B017
        attempt(x)
    assert str(caught.value) == text


def test_an_index_error_that_cupy_raises_too_keeps_its_own_text(x):
    """A wrong axis and too many indices do not wrap on a GPU."""
    mask = xp.zeros(5, dtype=bool)
    for attempt in (lambda: x[5], lambda: xp.sum(x, axis=5), lambda: x[ids(0), 0, 0], lambda: x[mask]):
        with pytest.raises(IndexError) as caught:
            attempt()
        assert "wraps" not in str(caught.value)


# ---------------------------------------------------------------------------------------------- counting

COUNTED = {
    "an operator": ((1, 0, 0), lambda a, i: a * 2),
    "in place": ((1, 0, 0), lambda a, i: a.__iadd__(1)),
    "softmax": ((5, 0, 0), lambda a, i: (e := xp.exp(a - a.max(axis=1, keepdims=True))) / e.sum(axis=1, keepdims=True)),
    "views": ((0, 0, 0), lambda a, i: (a[0], a.T, a.reshape(-1), xp.split(a, 3, axis=1), a[None], a[0, 0], list(a))),
    "a reshape that copies": ((1, 0, 0), lambda a, i: a.T.reshape(-1)),
    "empty": ((0, 0, 0), lambda a, i: xp.empty((2, 2))),
    "ids": ((1, 0, 0), lambda a, i: a[i]),
    "pairs of ids": ((4, 0, 0), lambda a, i: a[i, i]),
    "a mask": ((2, 1, 0), lambda a, i: a[a > 0]),
    "a mask written": ((2, 1, 1), lambda a, i: a.__setitem__(a > 0, 0.0)),
    "nonzero": ((1, 1, 0), lambda a, i: xp.nonzero(a)),
    "where of a condition": ((1, 1, 0), lambda a, i: xp.where(a)),
    "where of values": ((2, 0, 0), lambda a, i: xp.where(a > 0, a, 0.0)),
    "a number to ids": ((1, 0, 1), lambda a, i: a.__setitem__(i, 1.0)),
    "a number to a slice": ((1, 0, 0), lambda a, i: a.__setitem__(slice(1), 1.0)),
    "scatter": ((1, 0, 0), lambda a, i: xp.add.at(a, i, a)),
    "scatter of a number": ((1, 0, 1), lambda a, i: xp.add.at(a, i, 1.0)),
    "upload": ((0, 0, 2), lambda a, i: (xp.asarray(X), xp.array([1, 2]))),
    "no upload": ((0, 0, 0), lambda a, i: xp.asarray(a)),
    "float": ((1, 1, 0), lambda a, i: float(a.sum())),
    "item": ((0, 1, 0), lambda a, i: a[0, 0].item()),
    "int": ((1, 1, 0), lambda a, i: int(xp.argmax(a))),
    "if": ((2, 1, 0), lambda a, i: 1 if xp.any(a > 0) else 0),
    "print": ((0, 1, 0), lambda a, i: str(a)),
    "an f-string": ((0, 1, 0), lambda a, i: f"{a[0, 0]:.3f}"),
    "asnumpy": ((0, 1, 0), lambda a, i: xp.asnumpy(a)),
    "three parts joined": ((3, 0, 0), lambda a, i: xp.concatenate([a, a, a])),
    "nine parts joined": ((1, 0, 1), lambda a, i: xp.hstack([a] * 9)),
    "nine parts joined by minigrad": ((9, 0, 0), lambda a, i: xp.stack([a] * 9)),
    "a product": ((1, 0, 0), lambda a, i: a @ a.T),
    "a product of stacks": ((2, 0, 0), lambda a, i: a[None] @ xp.swapaxes(a[None], 1, 2)),
    "a product of stacks that broadcast": ((4, 0, 0), lambda a, i: a.reshape(2, 1, 3) @ a.reshape(1, 3, 2)),
    "the same by minigrad's BLAS": ((1, 0, 0), lambda a, i: xp.matmul(a.reshape(2, 1, 3), a.reshape(1, 3, 2))),
    "variance": ((2, 0, 0), lambda a, i: xp.var(a)),
}


@pytest.mark.parametrize("name", COUNTED)
def test_launches_synchronisations_and_uploads_are_counted(name, x):
    """Numbers of launches are CuPy's where its source tells them: joins, ids, stacks of matrices."""
    wanted, work = COUNTED[name]
    i = ids(1, 0)
    with xp.counting() as counts:
        work(x, i)
    assert (counts.launch, counts.sync, counts.h2d) == wanted, counts


def test_blocks_nest_and_what_is_outside_does_not_count(x):
    """The outer block counts the inner one's work too; `calls` says whose it was."""
    x + 1
    with xp.counting() as outer:
        x + 1
        with xp.counting() as inner:
            float(x[0, 0] * 2)
    x + 1
    assert (outer.launch, outer.sync) == (2, 1) and (inner.launch, inner.sync) == (1, 1)
    assert outer.calls == {"launch: +": 1, "launch: *": 1, "sync: float()": 1}
    assert repr(inner) == "Counts(launch=1, sync=1, h2d=0, calls={'launch: *': 1, 'sync: float()': 1})"


FORBIDDEN = [("sync", lambda a: bool(a[0, 0])), ("sync", lambda a: a[a > 0]), ("h2d", lambda a: xp.asarray(X)),
             ("launch", lambda a: a + 1), ("float64", lambda a: a * np.float64(2)), ("float64", lambda a: xp.zeros(3)),
             ("float64", lambda a: xp.exp(2.0)), ("float64", lambda a: xp.asarray([1.0]))]


@pytest.mark.parametrize("case", range(len(FORBIDDEN)))
def test_what_is_forbidden_raises_where_it_happens_and_only_inside_the_block(case, x):
    """A budget of zero should point at the line, not at the end of the step."""
    kind, work = FORBIDDEN[case]
    with xp.counting(forbid=(kind,)), pytest.raises(xp.StrictError, match=f"{kind} is forbidden in this block"):
        work(x)
    work(x)


def test_forbidding_says_what_it_costs_and_what_to_do(x):
    """The whole text; and a kind that does not exist is named."""
    with xp.counting(forbid=("sync",)), pytest.raises(xp.StrictError) as caught:
        float(x[0, 0])
    assert str(caught.value) == """float(): sync is forbidden in this block.
  cupy: the host waits until the device has finished
  fix : keep the value on the device; read it after the step"""
    with pytest.raises(ValueError, match="knows launch, sync, h2d, float64; it got syncs"):
        xp.counting(forbid=["syncs"]).__enter__()


# ---------------------------------------------------------------------------------------------- the table, the engine

def test_every_name_of_the_table_works_in_this_numpy_or_is_refused_by_name():
    """The table is CuPy's; a NumPy that is older than one of its functions does not have it."""
    table = json.loads(Path(xp.__file__).with_name("strict_api.json").read_text())
    for name in [*table["host"], *table["ufuncs"], *table["functions"]]:
        assert hasattr(xp, name) == hasattr(np, name), name
    assert all(hasattr(xp.ndarray, name) for name in table["methods"])


def test_a_training_step_of_the_engine_stays_on_the_device():
    """No synchronisation, no float64, no upload: forward, backward and the update."""
    x, y = mg.randn(8, 5, device="strict"), mg.randn(8, 2, device="strict")
    W, v = (mg.ones(*shape, device="strict", requires_grad=True) for shape in ((5, 7), (7, 2)))
    with xp.counting(forbid=("sync", "float64", "h2d")) as counts:
        loss = ((mg.tanh(x @ W) @ v - y) ** 2).mean()
        loss.backward()
        for p in (W, v):
            p.data -= p.grad.data * 0.1
    assert counts.launch <= 24, counts
