"""The primitives outside of the core against PyTorch and against what is known: tables, edges, and errors that teach."""
from __future__ import annotations

import math
import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import philox
from minigrad.nn import functional as F

from .test_ops import assert_like_torch, draw, host, leaf, torch

EINSUMS = {
    "ij,jk->ik": [(3, 4), (4, 2)], "ij->j": [(3, 4)], "ii->i": [(3, 3)], "ii": [(3, 3)], "iij->j": [(2, 2, 3)],
    "bij,bjk": [(2, 3, 4), (2, 4, 5)], "...ij,...jk->...ik": [(2, 3, 4), (4, 5)], "i,j,k->ijk": [(2,), (3,), (4,)],
    "ij,ij->": [(3, 1), (3, 4)], "...": [(2, 3)], "i...->...": [(2, 3)], "abc,cd,be->ade": [(2, 3, 4), (4, 5), (3, 2)],
    "ij->": [(0, 3)], "a...b,b...->a...": [(2, 3, 4), (4, 1)], "bhqd,bhkd->bhqk": [(2, 2, 3, 4), (2, 2, 5, 4)],
}
IDS = np.array([[0, 1, 2, 0], [2, 2, 1, 1]])
CONVS = [(1, 0), (2, 1), ((2, 3), (0, 1)), (3, (2, 0))]
ISSUE = """pow abs sign exp expm1 log log1p sqrt tanh sigmoid relu leaky_relu gelu silu softplus sin cos erf minimum maximum
    clip where sum mean var std prod max min amax logsumexp cumsum norm matmul einsum outer reshape flatten transpose permute
    swapaxes squeeze unsqueeze expand broadcast_to flip roll tril triu pad gather scatter_add index_select take_along_dim
    masked_fill concat stack split chunk unbind softmax log_softmax conv1d conv2d max_pool2d avg_pool2d dropout sort topk
    argmax""".split()
OPERATORS = "add sub mul truediv pow matmul mod floordiv and or xor".split()


def ids(values, device):
    return mg.tensor(np.asarray(values), device=device)


def agree(ours, theirs, arrays, device, order=2):
    """PyTorch's value and gradients, and those of differences."""
    assert mg.gradcheck(ours, [leaf(a, device) for a in arrays], order=order)
    assert_like_torch(ours, theirs, arrays, device)


# ---------------------------------------------------------------------------------------------- names

@pytest.mark.parametrize("name", ISSUE)
def test_every_operation_of_the_list_is_public(name):
    """Named as in PyTorch, so that what a student learns here holds there."""
    assert callable(getattr(mg, name)) and name in mg.__all__
    assert torch is None or hasattr(torch, name) or hasattr(torch.nn.functional, name) or name == "expand"


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_has_its_reflection(name):
    """2 - x, array @ x and True & mask must not fall through to NumPy."""
    assert hasattr(mg.Tensor, f"__{name}__") and hasattr(mg.Tensor, f"__r{name}__")


def test_masks_are_joined_with_bitwise_operators(device):
    """Padding masks are made of two conditions and a negation."""
    x = mg.tensor([1.0, 2.0, 3.0], device=device)
    mask = (x > 1) & ~(x == 3) | (x < 1) ^ False
    assert host(mask).tolist() == [False, True, False]
    assert host(x // 2).tolist() == [0, 1, 1] and host(7 // x).tolist() == [7, 3, 2]
    assert host(True & (x > 1)).tolist() == [False, True, True] and host(~mg.tensor([1, -1], device=device)).tolist() == [-2, 0]
    assert host(+x).tolist() == host(abs(-x)).tolist()


# ---------------------------------------------------------------------------------------------- special functions

def test_erf_is_exact_to_the_last_digits(device):
    """GELU stands on it, and NumPy has none: 4e-16 relatively in float64, 3e-7 in float32."""
    x = np.concatenate([np.linspace(-7, 7, 5001), np.geomspace(1e-300, 1, 500), [0.0, 1.0, -1.0, 40.0, np.inf, -np.inf]])
    want = np.array([math.erf(v) for v in x])
    got = host(mg.erf(mg.tensor(x, device=device)))
    assert np.all(np.abs(got - want) <= 4e-16 * np.abs(want))
    narrow = host(mg.erf(mg.tensor(x.astype(np.float32), device=device)))
    assert narrow.dtype == np.float32 and np.all(np.abs(narrow - want) <= 3e-7 * np.abs(want) + 1e-38)
    assert np.isnan(host(mg.erf(mg.tensor([np.nan], device=device)))).all()


def test_functions_that_saturate_do_not_overflow(device):
    """Logits of 1000 are ordinary early in training; a NaN or a warning there ends a run."""
    x = leaf(np.array([-1000.0, -30.0, 0.0, 30.0, 1000.0]), device)
    for f in (mg.softplus, mg.silu, mg.gelu, mg.log_softmax, lambda a: mg.gelu(a, "tanh"), mg.sigmoid, mg.erf):
        y = f(x)
        (g,) = mg.grad(y.sum(), x)
        assert np.isfinite(host(y)).all() and np.isfinite(host(g)).all()


def test_gelu_names_its_two_forms():
    """A misspelt form must not become the other one."""
    with pytest.raises(ValueError, match="'none' or 'tanh', not 'fast'"):
        mg.gelu(mg.ones(2), "fast")


# ---------------------------------------------------------------------------------------------- reductions at their edges

@pytest.mark.parametrize("zeros", [[], [1], [1, 2], [0, 1, 2, 3]], ids=str)
def test_a_product_with_zeros_has_the_right_gradients(zeros, device):
    """y / a_i is NaN at a zero; with one zero only its own gradient is left, with two none but the second order."""
    a = np.array([1.5, -0.7, 2.0, 0.4])
    a[zeros] = 0
    agree(lambda x: mg.prod(x), lambda x: x.prod(), [a], device)
    agree(lambda x: mg.prod(x.reshape(2, 2), 1), lambda x: x.reshape(2, 2).prod(1), [a], device)


def test_an_empty_product_is_one(device):
    """As an empty sum is 0."""
    x = leaf(np.zeros((0, 3)), device)
    y = mg.prod(x, 0)
    y.sum().backward()
    assert host(y).tolist() == [1, 1, 1] and x.grad.shape == (0, 3) and host(mg.prod(x)) == 1


def test_norm_and_std_have_a_zero_gradient_at_zero(device):
    """a / |a| is 0/0 there; gradient clipping and weight normalisation meet it on the first step."""
    for f, a in ((lambda x: x.norm(), np.zeros(3)), (lambda x: x.norm(3), np.zeros(3)), (lambda x: x.norm(1), np.zeros(3)),
                 (lambda x: x.std(), np.full(3, 2.0)), (lambda x: x.norm(2, 1), np.zeros((2, 2)))):
        x = leaf(a, device)
        f(x).sum().backward()
        assert (host(x.grad) == 0).all()
    assert np.isnan(host(mg.norm(mg.tensor([np.nan, 1.0], device=device))))


def test_a_power_at_zero_is_as_in_pytorch(device):
    """0^0 = 1 and its gradient is 0, for a number and for a tensor of exponents."""
    assert_like_torch(lambda a: a ** 0, lambda a: a ** 0, [np.array([0.0, 2.0])], device)
    assert_like_torch(lambda a, b: a ** b, lambda a, b: a ** b, [np.array([0.0, 2.0, 0.0]), np.array([0.0, 0.0, 3.0])], device)


def test_a_variance_of_too_few_values_is_an_error(device):
    """PyTorch warns and gives NaN, which is found much later."""
    with pytest.raises(mg.ShapeError, match=r"no variance of so few values: shape \(1,\), dim 0, correction 1"):
        mg.ones(1, device=device).var(0)
    assert mg.ones(1, device=device).var(0, correction=0).item() == 0


def test_the_largest_of_equals_shares_in_amax_and_is_the_first_in_max(device):
    """The two differ in PyTorch too: amax shares the gradient, max(dim) names one entry and gives it all."""
    a = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0]])
    x = leaf(a, device)
    assert host(mg.grad(x.amax(1).sum(), x)[0]).tolist() == [[0, 0.5, 0.5], [0.5, 0.5, 0]]
    values, best = x.max(1)
    assert host(best).tolist() == [1, 0] and not best.requires_grad
    assert host(mg.grad(values.sum(), x)[0]).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert host(mg.grad(x.min(0)[0].sum(), x)[0]).tolist() == [[1, 0, 0], [0, 1, 1]]


def test_a_fully_masked_row_has_no_gradient_in_log_softmax(device):
    """-inf minus -inf is NaN, and one NaN poisons every weight."""
    x = leaf(np.array([[-np.inf, -np.inf], [0.0, 1.0]]), device)
    y = mg.log_softmax(x)
    mg.where(mg.isfinite(y), y, 0.0).sum().backward()
    assert (host(y)[0] == -np.inf).all() and (host(x.grad)[0] == 0).all() and np.isfinite(host(x.grad)).all()


# ---------------------------------------------------------------------------------------------- products and shapes

@pytest.mark.parametrize("equation", EINSUMS)
def test_einsum_and_its_gradients_are_pytorchs(equation, device, rng):
    """Ellipses, diagonals, stretched sizes, letters that only one factor has: each takes another path in the gradient."""
    arrays = [draw(rng, s) for s in EINSUMS[equation]]
    agree(lambda *a: mg.einsum(equation, *a), lambda *a: torch.einsum(equation, *a), arrays, device)


def test_einsum_names_the_term_that_does_not_fit(device):
    """An operand too many or a letter too few."""
    a = mg.ones(2, 3, device=device)
    with pytest.raises(mg.ShapeError, match=r"term 'ijk' does not fit \(2, 3\)"):
        mg.einsum("ijk->i", a)
    with pytest.raises(mg.ShapeError, match="2 terms for 1 operands"):
        mg.einsum("ij,jk->ik", a)
    with pytest.raises(mg.ShapeError, match=r"outer joins two vectors, not \(2, 3\) and \(3,\)"):
        mg.outer(a, a[0])
    with pytest.raises(mg.ShapeError, match=r"the letter 'j' is 3, and 2 in \(2, 3\)"):
        mg.einsum("ij,jk->ik", a, a)
    for wrong in ("ij->ik", "ij->ii", "i1->i"):
        with pytest.raises(mg.ShapeError, match="axes are letters, and each of the output's stands there once"):
            mg.einsum(wrong, a)
    assert mg.einsum("ij,kj->ik", [a, a]).shape == (2, 2)


@pytest.mark.parametrize("widths", [(1, 2), (0, 3, 2, 0), ()], ids=str)
def test_padding_counts_from_the_last_axis(widths, device, rng):
    """PyTorch's order, which everybody gets wrong once."""
    agree(lambda a: mg.pad(a, widths, value=-1.5), lambda a: torch.nn.functional.pad(a, widths, value=-1.5),
          [draw(rng, (3, 4))], device)
    with pytest.raises(mg.ShapeError, match="the last axis first"):
        mg.pad(mg.ones(3, device=device), (1, 1, 1, 1))


# ---------------------------------------------------------------------------------------------- choosing

GATHERS = {
    "gather_0": (lambda i: lambda a: a.gather(0, i(IDS))), "gather_shorter": (lambda i: lambda a: a.gather(-1, i(IDS[:, :2]))),
    "index_select": (lambda i: lambda a: a.index_select(1, i(IDS[0]))),
}


@pytest.mark.parametrize("name", GATHERS)
def test_gather_reads_where_pytorch_reads(name, device, rng):
    """Ids that occur twice get both gradients."""
    agree(GATHERS[name](lambda v: ids(v, device)), GATHERS[name](lambda v: torch.tensor(v)), [draw(rng, (3, 4))], device)


def test_take_along_dim_and_scatter_add_are_pytorchs(device, rng):
    """The first stretches its ids, the second adds twice where an id occurs twice."""
    def t(v):
        return torch.tensor(v)
    a, b = draw(rng, (3, 4)), draw(rng, (2, 4))
    agree(lambda x: mg.take_along_dim(x, ids(IDS[:, :1], device), 0), lambda x: torch.take_along_dim(x, t(IDS[:, :1]), 0), [a], device)
    agree(lambda x: mg.take_along_dim(x, ids(IDS, device)), lambda x: torch.take_along_dim(x, t(IDS)), [a], device)
    agree(lambda x, y: x.scatter_add(0, ids(IDS, device), y), lambda x, y: x.scatter_add(0, t(IDS), y), [a, b], device)


def test_an_index_that_does_not_fit_is_named(device):
    """A wrong id wraps in silence on a GPU; a float index is a label that was not cast; a host index is a slow upload."""
    a = mg.ones(3, 4, device=device)
    with pytest.raises(mg.IndexRangeError, match=r"index 3 is outside of axis 0 of \(3, 4\)"):
        mg.gather(a, 0, ids([[3]], device))
    with pytest.raises(mg.IndexRangeError, match="index -4"):
        mg.index_select(a, 0, [-4])
    with pytest.raises(mg.DTypeError, match="integers, not float"):
        mg.gather(a, 0, mg.ones(1, 4, device=device))
    with pytest.raises(mg.ShapeError, match="the same rank"):
        mg.gather(a, 0, ids([0], device))
    with pytest.raises(mg.ShapeError, match="scatter_add adds"):
        mg.scatter_add(a, 0, ids(IDS, device), a[:1])
    with pytest.raises(mg.ShapeError, match="take_along_dim reads"):
        mg.take_along_dim(a, ids([[0, 0]], device), 0)
    with pytest.raises(mg.ShapeError, match="topk of 5"):
        mg.topk(a, 5)
    if device != "cpu":
        with pytest.raises(mg.DeviceError, match="an index on cpu into a tensor on"):
            mg.gather(a, 0, ids(IDS, "cpu"))


def test_sort_is_stable_in_both_directions(device):
    """Equal scores keep the order of the vocabulary, so that a beam search is the same on every device."""
    x = mg.tensor([2.0, 1.0, 2.0, 1.0], device=device)
    assert host(x.sort()[1]).tolist() == [1, 3, 0, 2] and host(x.argsort(0, True)).tolist() == [0, 2, 1, 3]
    flags = mg.tensor(np.array([True, False, True]), device=device)
    assert host(flags.sort(0, True)[0]).tolist() == [True, True, False]
    assert mg.sort(mg.tensor(3.0, device=device))[0].item() == 3.0


def test_one_hot_and_embedding_are_pytorchs(device, rng):
    """Rows of a table: an id that occurs twice gets both gradients, the padding id none."""
    assert host(F.one_hot(ids(IDS, device), 3)).sum(-1).tolist() == np.ones((2, 4)).tolist()
    assert mg.gradcheck(lambda w: F.embedding(ids(IDS, device), w), leaf(draw(rng, (3, 5)), device), order=2)
    for padding in (None, 2):
        assert_like_torch(lambda w, p=padding: F.embedding(ids(IDS, device), w, p),
                          lambda w, p=padding: torch.nn.functional.embedding(torch.tensor(IDS), w, p),
                          [draw(rng, (3, 5))], device)


def test_the_gradient_of_an_index_has_a_third_order(device):
    """The mirror of an index is written in place inside; replayed on Tensors it must not be."""
    x = leaf(np.array([0.5, -1.0, 2.0]), device)
    (g,) = mg.grad((x[[0, 0, 2]] ** 4).sum(), x, create_graph=True)
    (h,) = mg.grad((g ** 2).sum(), x, create_graph=True)
    (k,) = mg.grad(h.sum(), x)
    n = np.array([2.0, 0.0, 1.0])
    np.testing.assert_allclose(host(k), (4 * n) ** 2 * 6 * 5 * np.array([0.5, -1.0, 2.0]) ** 4, rtol=1e-12)


# ---------------------------------------------------------------------------------------------- writing in place

def test_items_are_written_in_place_and_counted(device):
    """On values that no graph holds: numbers, arrays, lists, masks, negative steps; and the clock moves."""
    x = mg.zeros(3, 4, device=device)
    before = x.version[0]
    x[1] = 2.0
    x[:, ::-1][0, 0] = 5.0
    x[x > 4] = 6.0
    x[0, :2] = [1, 2]
    x[2] = mg.ones(4, device=device) * 3
    assert host(x).tolist() == [[1, 2, 0, 6], [2, 2, 2, 2], [3, 3, 3, 3]] and x.dtype == np.float32
    assert x.version[0] > before


def test_a_write_that_a_gradient_needs_is_refused(device):
    """Into a tracked value, of a tracked value, or over a value that backward needs: each would be wrong in silence."""
    w, x = mg.ones(3, device=device, requires_grad=True), mg.ones(3, device=device)
    with pytest.raises(mg.InplaceError, match="requires a gradient cannot be recorded"):
        w[0] = 1.0
    with pytest.raises(mg.InplaceError, match="writing a value that requires a gradient"):
        x[0] = w[0]
    y = (w * x).sum()
    x[0] = 2.0
    with pytest.raises(mg.InplaceError, match="was overwritten"):
        y.backward()
    with mg.no_grad():
        x[:] = w
    if device != "cpu":
        with pytest.raises(mg.DeviceError, match="writing a value on cpu into one on"):
            x[0] = mg.tensor(1.0)


# ---------------------------------------------------------------------------------------------- windows

@pytest.mark.parametrize("stride, padding", CONVS, ids=str)
def test_convolution_is_pytorchs(stride, padding, device, rng):
    """Each window's product, and gradients added where windows overlap."""
    arrays = [draw(rng, (2, 3, 6, 5)), draw(rng, (2, 3, 3, 2)), draw(rng, (2,))]
    agree(lambda *a: mg.conv2d(*a, stride, padding), lambda *a: torch.conv2d(*a, stride, padding), arrays, device)
    agree(lambda *a: mg.conv2d(*a), lambda *a: torch.conv2d(*a), [arrays[0][0], arrays[1]], device)


def test_convolution_in_one_direction_is_pytorchs(device, rng):
    """Text: channels are features, the axis is time."""
    arrays = [draw(rng, (2, 3, 7)), draw(rng, (4, 3, 3)), draw(rng, (4,))]
    agree(lambda *a: mg.conv1d(*a, 2, 1), lambda *a: torch.conv1d(*a, 2, 1), arrays, device)


@pytest.mark.parametrize("size, stride, padding", [(2, None, 0), (3, 2, 1), ((3, 2), (1, 2), (1, 0))], ids=str)
def test_pooling_is_pytorchs(size, stride, padding, device, rng):
    """Overlapping windows, windows over padding; of equal entries the first gets the gradient."""
    a = draw(rng, (2, 3, 6, 5))
    agree(lambda x: mg.max_pool2d(x, size, stride, padding), lambda x: torch.nn.functional.max_pool2d(x, size, stride, padding), [a], device)
    agree(lambda x: mg.avg_pool2d(x, size, stride, padding), lambda x: torch.nn.functional.avg_pool2d(x, size, stride, padding), [a], device)
    agree(lambda x: mg.avg_pool2d(x, size, stride, padding), lambda x: torch.nn.functional.avg_pool2d(x, size, stride, padding), [a[0]], device)
    assert_like_torch(lambda x: mg.max_pool2d(x, size, stride, padding),
                      lambda x: torch.nn.functional.max_pool2d(x, size, stride, padding), [np.round(a)], device)


def test_a_kernel_that_does_not_fit_is_named(device):
    """Channels that differ, a kernel larger than the image, padding alone in a window."""
    x = mg.ones(1, 3, 4, 4, device=device)
    for call, text in ((lambda: mg.conv2d(x, mg.ones(2, 1, 3, 3, device=device)), "3 channels with a weight for 1"),
                       (lambda: mg.conv2d(x, mg.ones(2, 3, 5, 5, device=device)), "cannot lay a kernel of (5, 5)"),
                       (lambda: mg.conv2d(x[0, 0], mg.ones(2, 3, 3, 3, device=device)), "the input is (N, C, H, W)"),
                       (lambda: mg.max_pool2d(x, 2, padding=2), "at most half of the kernel")):
        with pytest.raises(mg.ShapeError, match=re.escape(text)):
            call()


# ---------------------------------------------------------------------------------------------- dropout

@pytest.mark.parametrize("counter, key, words", [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xffffffff,) * 4, (0xffffffff,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ((0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344), (0xa4093822, 0x299f31d0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
], ids=["zeros", "ones", "pi"])
def test_philox_gives_its_authors_known_answers(counter, key, words):
    """Random123's kat_vectors for philox4x32, 10 rounds: a CUDA twin is held to the same."""
    got = philox.rounds(tuple(np.array([c], np.uint64) for c in counter), key)
    assert " ".join(f"{int(c[0]):08x}" for c in got) == words


def test_words_lie_in_the_order_that_is_documented():
    """word i is word i mod 4 of block i div 4: what a twin must keep to."""
    got = philox.words(np, (7 << 32) + 5, 10)
    zero = np.zeros(1, np.uint64)
    second = philox.rounds((zero + np.uint64(1), zero, zero, zero), (5, 7))
    assert got.dtype == np.uint32 and got.shape == (10,) and got[6] == second[2][0]


def test_the_same_seed_gives_the_same_mask_on_every_device(device):
    """A run that moves to a GPU must drop the same units."""
    x = mg.ones(40, 50, device=device)
    mg.manual_seed(3)
    here = [host(mg.dropout(x, 0.3)) for _ in range(2)]
    mg.manual_seed(3)
    there = [host(mg.dropout(mg.ones(40, 50), 0.3)) for _ in range(2)]
    assert (here[0] == there[0]).all() and (here[1] == there[1]).all() and (here[0] != here[1]).any()
    assert (host(mg.dropout(x.T, 0.3, seed=9)) == host(mg.dropout(mg.ones(50, 40), 0.3, seed=9))).all()
    assert 0.65 < (here[0] > 0).mean() < 0.75 and here[0].dtype == np.float32
    np.testing.assert_allclose(here[0].max(), 1 / 0.7, rtol=1e-6)


def test_dropout_is_for_training_only(device):
    """In evaluation, and with p = 0, it is the tensor itself; with p = 1 nothing is left; the gradient takes the mask."""
    x = mg.ones(20, device=device, requires_grad=True)
    assert mg.dropout(x, 0.5, training=False) is x and mg.dropout(x, 0.0) is x
    assert (host(mg.dropout(x, 1.0)) == 0).all()
    y = mg.dropout(x, 0.5)
    y.sum().backward()
    assert (host(x.grad) == host(y)).all()
    with pytest.raises(ValueError, match=r"p in \[0, 1\], not 50"):
        mg.dropout(x, 50)
