"""Products by BLAS: the layouts, and every argument that goes to cuBLAS, by a cuBLAS in C that computes on the host."""
from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import blas, strict
from minigrad.blas import Blas, OnCuda, OnStrict

SOURCE = Path(__file__).with_name("fake_cublas.c")


@cache
def fake() -> ctypes.CDLL:
    """The C file as a library, compiled once for each content."""
    target = Path(tempfile.gettempdir()) / f"minigrad-fake-cublas-{hashlib.sha1(SOURCE.read_bytes()).hexdigest()}.so"
    if not target.exists():
        part = target.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", "-std=c99", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", part, SOURCE],
                       check=True)
        part.replace(target)
    library = ctypes.CDLL(str(target))
    library.fake_count.restype = ctypes.c_long
    library.fake_workspace.restype = ctypes.c_size_t
    return library


class Host(OnCuda):
    """The cuda form on arrays of "strict": host pointers, and a stream that the test chooses."""

    def __init__(self) -> None:
        self.now = 0
        fake().fake_reset()
        super().__init__(fake(), strict, lambda a: a._host.ctypes.data, lambda: self.now)

    @property
    def counts(self) -> tuple[int, int]:
        """Plain products, products of stacks."""
        return fake().fake_count(0), fake().fake_count(1)


@pytest.fixture(params=["cuda", "strict"])
def products(request) -> Blas:
    """Both forms."""
    return Blas(Host() if request.param == "cuda" else OnStrict())


def device(array: np.ndarray) -> strict.ndarray:
    """A device array that has the very strides of a host array."""
    base = array
    while base.base is not None:
        base = base.base
    return strict.ndarray(array, strict.ndarray(base, None) if base is not array else None)


def normal(rng: np.random.Generator, *shape: int, dtype: str = "f4") -> np.ndarray:
    """Normal numbers."""
    return np.asarray(rng.standard_normal(shape), dtype)


def close(y: Any, a: np.ndarray, b: np.ndarray, times: float = 1.0, plus: Any = 0.0) -> None:
    """y is times a b + plus, to the precision of its dtype."""
    wanted = np.matmul(a.astype(np.float64), b.astype(np.float64)) * times + plus
    tolerance = 1e-5 if a.dtype == np.float32 else 1e-13
    assert y.shape == wanted.shape and y.dtype == a.dtype
    np.testing.assert_allclose(strict.asnumpy(y), wanted, rtol=tolerance, atol=tolerance * 10)


# ---------------------------------------------------------------------------------------------- the layouts

# name -> (a, b, copies): operands as they occur in layers, and how many of them must be copied.
LAYOUTS = {
    "rows": (lambda n: (n(3, 4), n(4, 5)), 0),
    "a transposed": (lambda n: (n(4, 3).T, n(4, 5)), 0),
    "b transposed": (lambda n: (n(3, 4), n(5, 4).T), 0),
    "both transposed": (lambda n: (n(4, 3).T, n(5, 4).T), 0),
    "a part of the columns": (lambda n: (n(3, 9)[:, 2:6], n(4, 7)[:, 1:6]), 0),
    "a part of the rows of a transposed one": (lambda n: (n(9, 3)[2:6].T, n(4, 5)), 0),
    "every second row": (lambda n: (n(6, 4)[::2], n(4, 5)), 0),
    "every second column": (lambda n: (n(3, 8)[:, ::2], n(4, 5)), 1),
    "rows from behind": (lambda n: (n(3, 4)[::-1], n(4, 5)), 1),
    "one row repeated": (lambda n: (np.broadcast_to(n(1, 4), (3, 4)), n(4, 5)), 1),
    "one column": (lambda n: (n(3, 1), n(1, 5)), 0),
    "one row": (lambda n: (n(1, 4), n(4, 1)), 0),
    "a column of a matrix": (lambda n: (n(3, 4), n(4, 5)[:, 2:3]), 0),
    "vectors": (lambda n: (n(4), n(4)), 0),
    "a vector on the left": (lambda n: (n(4), n(4, 5)), 0),
    "a vector on the right": (lambda n: (n(3, 4), n(4)), 0),
    "a strided vector": (lambda n: (n(3, 4), n(8)[::2]), 0),
    "a stack and a weight": (lambda n: (n(2, 3, 4), n(4, 5)), 0),
    "a stack and a transposed weight": (lambda n: (n(2, 3, 4), n(5, 4).T), 0),
    "a turned stack and a weight": (lambda n: (n(3, 2, 4).swapaxes(0, 1), n(4, 5)), 0),
    "stacks": (lambda n: (n(2, 3, 4), n(2, 4, 5)), 0),
    "stacks, the right one transposed": (lambda n: (n(2, 3, 4), n(2, 5, 4).swapaxes(-1, -2)), 0),
    "stacks, the left one transposed": (lambda n: (n(2, 4, 3).swapaxes(-1, -2), n(2, 4, 5)), 0),
    "two leading axes": (lambda n: (n(2, 3, 4, 5), n(2, 3, 5, 2)), 0),
    "heads of attention": (lambda n: (n(2, 4, 3, 5).swapaxes(1, 2), n(2, 3, 5, 4)), 1),
    "a stack by one matrix on the left": (lambda n: (n(3, 4), n(2, 4, 5)), 0),
    "a stack and a vector": (lambda n: (n(2, 3, 4), n(4)), 0),
    "a stack of one and a stack": (lambda n: (n(1, 3, 4), n(2, 4, 5)), 0),
    "a stack from behind": (lambda n: (n(2, 3, 4)[::-1], n(2, 4, 5)), 1),
    "stacks that broadcast crosswise": (lambda n: (n(2, 1, 3, 4), n(3, 4, 5)), 2),
    "a leading axis of one": (lambda n: (n(1, 3, 4), n(1, 4, 5)), 0),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_product_is_numpys_and_copies_only_what_blas_cannot_read(name, products, rng):
    """Launches: one, and one for each copy; the cuda form calls cuBLAS once."""
    make, copies = LAYOUTS[name]
    a, b = make(lambda *shape: normal(rng, *shape))
    with strict.counting(forbid=("sync", "h2d", "float64")) as counts:
        y = products.matmul(device(a), device(b))
    close(y, a, b)
    if isinstance(products.on, Host):
        assert sum(products.on.counts) == 1 and counts.launch == copies
    else:
        assert counts.launch == 1 + copies


def test_a_weight_makes_one_large_product_of_a_stack(rng):
    """(T, B, D) (D, H): rows of all steps at once, and no stack of small products."""
    on = Host()
    a, b = normal(rng, 5, 2, 4), normal(rng, 4, 3)
    close(Blas(on).matmul(device(a), device(b)), a, b)
    assert on.counts == (1, 0)
    b = normal(rng, 5, 4, 3)
    close(Blas(on).matmul(device(a), device(b)), a, b)
    assert on.counts == (1, 1)


@st.composite
def operands(draw: Any) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Two operands whose shapes fit, each in a layout that was drawn: turned, cut, stepped over, stretched."""
    rng = np.random.default_rng(draw(st.integers(0, 2 ** 32 - 1)))
    m, k, n = (draw(st.integers(1, 4)) for _ in range(3))
    batch = draw(st.lists(st.integers(1, 3), max_size=2))
    dtype = draw(st.sampled_from(["f4", "f8"]))

    def operand(rows: int, columns: int) -> np.ndarray:
        lead = batch[draw(st.integers(0, len(batch))):]
        shape = [1 if draw(st.booleans()) and draw(st.booleans()) else size for size in lead] + [rows, columns]
        order = draw(st.permutations(range(len(shape))))
        steps = [draw(st.sampled_from([1, 1, 1, 2, -1])) for _ in shape]
        room = [shape[axis] * abs(steps[axis]) + draw(st.integers(0, 1)) for axis in order]
        whole = normal(rng, *room, dtype=dtype).transpose(np.argsort(order))
        cut = whole[tuple([slice(None, size * step, step) if step > 0 else slice(size - 1, None, -1)
                           for size, step in zip(shape, steps, strict=True)])]
        if draw(st.integers(0, 5)) == 0:
            cut = np.broadcast_to(cut[..., :1, :], cut.shape)
        return cut
    return operand(m, k), operand(k, n), rng


@settings(max_examples=60, deadline=None)
@given(operands(), st.booleans(), st.sampled_from([1.0, 0.5]))
def test_any_layout_gives_numpys_product_in_both_forms(case, accumulate, alpha):
    """Also into an output that is turned or cut; what lies beside it stays."""
    a, b, rng = case
    shape = np.matmul(a, b).shape
    for form in (Blas(Host()), Blas(OnStrict())):
        close(form.matmul(device(a), device(b), alpha=alpha), a, b, alpha)
        room = normal(rng, *[n + 1 for n in shape[:-2]], shape[-1] + 1, shape[-2] + 1, dtype=a.dtype.str)
        before = room.copy()
        out = room.swapaxes(-1, -2)[tuple([slice(n) for n in shape])]
        old = out.copy() if accumulate else 0.0
        target = device(out)
        assert form.matmul(device(a), device(b), out=target, accumulate=accumulate, alpha=alpha) is target
        close(target, a, b, alpha, old)
        outside = np.ones(room.shape, bool)
        outside.swapaxes(-1, -2)[tuple([slice(n) for n in shape])] = False
        assert np.array_equal(room[outside], before[outside])


def test_an_output_that_blas_cannot_write_takes_one_launch_more(products, rng):
    """Every second row and column: the product is made elsewhere, then written or added."""
    a, b, room = normal(rng, 3, 4), normal(rng, 4, 2), normal(rng, 6, 4)
    for accumulate in (False, True):
        out, before = room[::2, ::2], room.copy()
        with strict.counting() as counts:
            products.matmul(device(a), device(b), out=device(out), accumulate=accumulate)
        assert counts.launch == (1 if isinstance(products.on, Host) else 2)
        close(device(out), a, b, plus=before[::2, ::2] if accumulate else 0.0)
        assert np.array_equal(room[1::2], before[1::2]) and np.array_equal(room[:, 1::2], before[:, 1::2])


def test_a_field_of_a_record_lies_in_no_whole_number_of_elements():
    """NumPy can make such strides; BLAS counts in elements."""
    assert blas.plan(4, (2, 3), (15, 5), (3, 2), (8, 4), (2, 2), (8, 4)).a is None


def test_a_sum_over_nothing_is_zero_and_an_empty_result_is_empty(products):
    """k = 0, and no rows; cuBLAS is not called."""
    zeros = strict.zeros
    assert products.matmul(zeros((2, 0), "f4"), zeros((0, 3), "f4")).tolist() == [[0.0] * 3] * 2
    out = strict.ones((2, 3), "f4")
    products.matmul(zeros((2, 0), "f4"), zeros((0, 3), "f4"), out=out, accumulate=True)
    assert out.tolist() == [[1.0] * 3] * 2
    assert products.matmul(zeros((0, 4), "f4"), zeros((4, 3), "f4")).shape == (0, 3)


def test_a_gradient_is_added_to_a_part_of_a_larger_buffer_without_a_copy(products, rng):
    """dW += x^T g, where dW is a block of one flat array: one launch."""
    x, g = normal(rng, 6, 3), normal(rng, 6, 4)
    flat = normal(rng, 40)
    before = flat.copy()
    part = device(flat)[8:20].reshape(3, 4)
    with strict.counting() as counts:
        products.matmul(device(x).T, device(g), out=part, accumulate=True)
    assert counts.launch == (0 if isinstance(products.on, Host) else 1)
    close(part, x.T, g, plus=before[8:20].reshape(3, 4))
    assert np.array_equal(flat[:8], before[:8]) and np.array_equal(flat[20:], before[20:])


# ---------------------------------------------------------------------------------------------- what is refused

WRONG = {
    "columns that meet no rows": (ValueError, lambda f, a: f.matmul(a, a), "3 columns meet 2 rows"),
    "leading axes that do not fit": (ValueError, lambda f, a: f.matmul(strict.zeros((2, 2, 2), "f4"),
                                                                       strict.zeros((3, 2, 2), "f4")), "broadcast"),
    "two dtypes": (TypeError, lambda f, a: f.matmul(a, a.T.astype("f8")), "float32 and float64"),
    "integers": (TypeError, lambda f, a: f.matmul(a.astype("i8"), a.T.astype("i8")), "int64 and int64"),
    "an output of another dtype": (TypeError, lambda f, a: f.matmul(a, a.T, strict.zeros((2, 2))), "into float64"),
    "an output of another shape": (ValueError, lambda f, a: f.matmul(a, a.T, strict.zeros((2, 3), "f4")),
                                   r"is \(2, 2\), and out= is \(2, 3\)"),
    "adding to nothing": (ValueError, lambda f, a: f.matmul(a, a.T, accumulate=True), "there is none"),
    "a number": (ValueError, lambda f, a: f.matmul(a[0, 0], a), "no matrix product"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_product_says_what_is_wrong(name, products, rng):
    """In both forms alike."""
    error, attempt, text = WRONG[name]
    with pytest.raises(error, match=text):
        attempt(products, device(normal(rng, 2, 3)))


def test_an_output_that_is_an_operand_is_refused_on_strict(rng):
    """cuBLAS would read what it has just written, in silence."""
    a = device(normal(rng, 3, 3))
    with pytest.raises(strict.StrictError, match="matmul writes to an operand"):
        Blas(OnStrict()).matmul(a, a, out=a)


# ---------------------------------------------------------------------------------------------- cuBLAS

def test_the_stream_is_set_when_it_changes_and_the_workspace_each_time_after_it(rng):
    """Setting the stream takes the workspace away; a product without one would be refused."""
    on = Host()
    form, a = Blas(on), device(normal(rng, 3, 3))
    for on.now in (0, 0, 64, 64, 0):
        form.matmul(a, a)
    assert fake().fake_count(2) == 3 and fake().fake_workspace() == 32 << 20
    assert sorted(on._workspaces) == [0, 64]


def test_tf32_is_off_until_it_is_allowed_and_never_for_float64(rng):
    """As in PyTorch's matmul."""
    form = Blas(Host())
    for dtype, allowed, expected in (("f4", False, 0), ("f4", True, 1), ("f8", True, 1)):
        assert mg.allow_tf32(allowed) is allowed
        try:
            form.matmul(device(normal(rng, 2, 3, dtype=dtype)), device(normal(rng, 3, 2, dtype=dtype)))
        finally:
            mg.allow_tf32(False)
        assert fake().fake_count(3) == expected
    assert mg.allow_tf32() is False


@pytest.mark.parametrize("status, name", [(1, "NOT_INITIALIZED"), (13, "EXECUTION_FAILED"), (99, "99")])
def test_a_status_of_cublas_is_an_error_with_its_name(status, name, rng):
    """And the call; the next one works again."""
    form, a = Blas(Host()), device(normal(rng, 3, 3))
    fake().fake_fail(status)
    with pytest.raises(mg.DeviceError, match=f"cublasGemmEx: CUBLAS_STATUS_{name}$"):
        form.matmul(a, a)
    fake().fake_fail(0)
    close(form.matmul(a, a), a._host, a._host)


def test_a_size_that_an_int_cannot_hold_is_refused_before_it_is_cut_off():
    """ctypes would pass the lower 32 bits."""
    p = blas.plan(4, (2, 3), (2 ** 34, 4), (3, 2), (8, 4), (2, 2), (8, 4))
    a = device(np.zeros((3, 3), np.float32))
    assert p.a is not None and p.a.ld == 2 ** 32
    with pytest.raises(ValueError, match="too large for cuBLAS"):
        Host().gemm(p, a, a, a, 1.0, False)


def test_the_double_refuses_what_the_real_one_refuses():
    """A fake that takes everything would prove nothing: rows that are too short, no workspace, no handle."""
    on = Host()
    good = blas.plan(4, (2, 3), (12, 4), (3, 2), (8, 4), (2, 2), (8, 4))
    a, b, out = (device(np.zeros(shape, np.float32)) for shape in ((2, 3), (3, 2), (2, 2)))
    on.gemm(good, a, b, out, 1.0, False)
    fake().cublasSetStream_v2(on._handle, 5)
    with pytest.raises(mg.DeviceError, match="INTERNAL_ERROR"):
        on.gemm(good, a, b, out, 1.0, False)
    with pytest.raises(mg.DeviceError, match="INVALID_VALUE"):
        on.gemm(good._replace(a=blas.Layout(False, 2, 0)), a, b, out, 1.0, False)


# ---------------------------------------------------------------------------------------------- the engine

def test_the_matmul_of_the_tape_is_one_launch_forward_and_two_backward(rng):
    """Transposed operands included: F.linear multiplies by W^T."""
    x = mg.tensor(normal(rng, 4, 5), device="strict", requires_grad=True)
    w = mg.tensor(normal(rng, 3, 5), device="strict", requires_grad=True)
    with strict.counting() as counts:
        y = x @ w.T
        y.backward(mg.ones(4, 3, device="strict"))
    assert counts.calls["launch: matmul"] == 3
    np.testing.assert_allclose(x.grad.numpy(), np.ones((4, 3)) @ w.detach().numpy(), rtol=1e-6)


EINSUMS = ["ab,bc->ac", "ab,cb->ac", "abc,acd->abd", "ab->ba", "ab->", "aab->ab", "aa,ab->b", "ab,ab->ab", "a,b->ab",
           "abc,cd,de->abe", "ab,bc,ca->", "abcd,abed->abce", "abb,bc->ac", ",ab->ab", "aaa->a", "ab,->ab"]


@pytest.mark.parametrize("equation", EINSUMS)
def test_einsum_on_a_device_is_made_of_products_that_a_graph_can_capture(equation, rng):
    """No product of CuPy's own is called; values and gradients are those of the host."""
    sizes = dict(zip("abcde", (2, 3, 4, 5, 6), strict=True))
    factors = [normal(rng, *[sizes[c] for c in term]) for term in equation.split("->")[0].split(",")]
    found = []
    for name in ("cpu", "strict"):
        tensors = [mg.tensor(f, device=name, requires_grad=True) for f in factors]
        with strict.counting() as counts:
            y = mg.einsum(equation, *tensors)
            (y * y).sum().backward()
        assert not any("einsum" in call for call in counts.calls)
        found.append([y.detach(), *[t.grad for t in tensors]])
    for host, other in zip(*found, strict=True):
        np.testing.assert_allclose(other.cpu().numpy(), host.numpy(), rtol=2e-5, atol=1e-5)
    one = mg.tensor(normal(rng, 1, 3), device="strict")
    stretched = mg.einsum("ab,bc,ac->ac", one, mg.ones(3, 4, device="strict"), mg.ones(5, 1, device="strict"))
    np.testing.assert_allclose(stretched.numpy(), np.full((5, 4), one.numpy().sum()), rtol=1e-5)
