"""Attention as one node: equal to its composition in value and every gradient, whatever the sizes and masks."""
from __future__ import annotations

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GradError, InplaceError
from minigrad.nn.attention import attend
from minigrad.nn.fused import attention as node
from minigrad.nn.fused import threads, workspace
from minigrad.nn.fused.attention import attention

CLOSE = dict(rtol=1e-11, atol=1e-13)           # float64, sums in another order


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of one example: the seams between blocks are crossed at small sizes too."""
    monkeypatch.setattr(node, "CACHE", 1)


def leaves(rng, B=2, h=3, S=4, T=5, d=6, e=7, dtype=np.float64, scale=1.0):
    shapes = (B, h, S, d), (B, h, T, d), (B, h, T, e)
    return [mg.tensor((rng.standard_normal(s) * scale).astype(dtype), requires_grad=True) for s in shapes]


def both(qkv, mask, g):
    """(y, dq, dk, dv) of the node, and of the composition."""
    out = []
    for run in (attention, lambda *a: attend(*a)[0]):
        y = run(*qkv, mask)
        out.append([y.detach().numpy(), *[d.numpy() for d in mg.grad(y, qkv, mg.tensor(g))]])
    return out


def masks(rng, B=2, h=3, S=4, T=5):
    hidden = rng.random((B, h, S, T)) < 0.4
    return {"none": None, "one for all": hidden[:1, :1], "a row each": hidden[:, :1, :1], "a matrix": hidden[0, 0],
            "each": hidden, "all of a row": hidden | (np.arange(S) == 1)[:, None], "everything": np.ones((S, T), bool),
            "added": rng.standard_normal((B, 1, S, T)), "added and hidden": np.where(hidden, -np.inf, 0.5),
            "huge": rng.standard_normal((S, T)) * 1e9}


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("name", masks(np.random.default_rng(0)))
def test_the_node_is_the_composition(name, scale, rng, small_blocks):
    """Every mask, with scores so small that nothing is subtracted and so large that e^s would overflow."""
    qkv, mask = leaves(rng, scale=scale), masks(rng)[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours, want = both(qkv, None if mask is None else mg.tensor(mask), rng.standard_normal((2, 3, 4, 7)))
    for a, b in zip(ours, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12 * max(1, np.abs(b).max()))


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1, 1), (1, 2, 1, 9, 4, 4), (5, 1, 3, 3, 2, 8), (9, 4, 64, 64, 16, 16)],
                         ids=str)
def test_at_every_size(sizes, rng):
    """One example, one query, one key; and several blocks."""
    qkv = leaves(rng, *sizes)
    B, h, S, T, d, e = sizes
    for a, b in zip(*both(qkv, None, rng.standard_normal((B, h, S, e))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_in_float32_rows_still_sum_to_one(rng):
    """v of ones gives ones, also where a row's largest score is far below another's in the same block."""
    q, k, v = leaves(rng, dtype=np.float32, scale=8.0)
    y = attention(q, k, mg.ones(2, 3, 5, 7), None).detach().numpy()
    np.testing.assert_allclose(y, 1, rtol=1e-6)
    lone = np.zeros((2, 3, 4, 5), np.float32)
    lone[0, 0, 0] = -1e4                       # everything far away, nothing hidden: softmax does not change
    np.testing.assert_allclose(attention(q, k, v, mg.tensor(lone)).detach().numpy(),
                               attention(q, k, v, None).detach().numpy(), rtol=2e-3, atol=2e-3)


def test_strided_input_gives_the_same(rng):
    """Heads are views of wider rows, as they come from a projection."""
    wide = mg.tensor(rng.standard_normal((2, 5, 3, 3, 4)), requires_grad=True)
    qkv = [p for p in mg.permute(wide, axes=(2, 0, 3, 1, 4)).unbind(0)]
    g = rng.standard_normal((2, 3, 5, 4))
    a = mg.grad((attention(*qkv, None) * mg.tensor(g)).sum(), [wide], retain_graph=True)[0]
    b = mg.grad((attend(*qkv)[0] * mg.tensor(g)).sum(), [wide])[0]
    np.testing.assert_allclose(a.numpy(), b.numpy(), **CLOSE)


@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_a_single_gradient_may_be_wanted(wanted, rng):
    """Two of the three are data."""
    qkv = leaves(rng)
    g = rng.standard_normal((2, 3, 4, 7))
    want = both(qkv, None, g)[1][1 + wanted]
    for i, x in enumerate(qkv):
        x.requires_grad_(i == wanted)
    attention(*qkv, None).backward(mg.tensor(g))
    np.testing.assert_allclose(qkv[wanted].grad.numpy(), want, **CLOSE)
    assert [x.grad is None for x in qkv].count(True) == 2


def test_gradients_pass_gradcheck(rng):
    """Against differences, not only against the other form."""
    qkv = leaves(rng, 1, 2, 3, 4, 2, 2)
    hidden = mg.tensor(np.triu(np.ones((3, 4), bool), 1))
    mg.gradcheck(lambda q, k, v: (attention(q, k, v, hidden) ** 2).sum(), qkv)


def test_two_graphs_of_one_size_do_not_share_their_weights(rng):
    """A second call before the first backward; and a graph that is walked twice."""
    first, second, g = leaves(rng), leaves(rng), mg.tensor(rng.standard_normal((2, 3, 4, 7)))
    alone = [mg.grad(attention(*x, None), x, g) for x in (first, second)]
    ys = [attention(*x, None) for x in (first, second)]
    for y, x, want in zip(ys, (first, second), alone, strict=True):
        for _ in range(2):
            for a, b in zip(mg.grad(y, x, g, retain_graph=True), want, strict=True):
                np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_the_workspace_goes_back(rng):
    """After backward, and when a graph is dropped."""
    workspace.clear()
    qkv = leaves(rng)
    y = attention(*qkv, None)
    held = workspace.idle_bytes()
    y.sum().backward()
    assert workspace.idle_bytes() - held == 8 * 2 * 3 * 4 * 5
    y = attention(*qkv, None)
    assert workspace.idle_bytes() == held
    del y
    assert workspace.idle_bytes() > held


def test_a_key_that_was_overwritten_is_refused(rng):
    """The node saves its arguments: writing into one before backward must not give a wrong gradient."""
    q, k, v = leaves(rng)
    y = attention(q, k, v, None)
    with mg.no_grad():
        k.mul_(2)
    with pytest.raises(InplaceError, match="attention"):
        y.sum().backward()


def test_second_order_says_where_to_get_it(rng):
    """The node has first-order gradients only; the composition has all."""
    q, k, v = leaves(rng)
    with pytest.raises(GradError, match="fused=False"):
        mg.grad(attention(q, k, v, None).sum(), [q], create_graph=True)


def test_several_threads_give_the_same(rng):
    """Parts of a batch side by side; and `use` counts."""
    qkv, g = leaves(rng, 9), rng.standard_normal((9, 3, 4, 7))
    alone = both(qkv, None, g)[0]
    threads.use(3)
    try:
        assert threads.count() == 3
        for a, b in zip(both(qkv, None, g)[0], alone, strict=True):
            np.testing.assert_array_equal(a, b)
    finally:
        threads.use(1)
    with pytest.raises(ValueError, match="0 threads: at least one has to work"):
        threads.use(0)


def test_an_error_in_another_thread_is_not_lost():
    """The part that fails is the second."""
    def work(start, stop):
        if start:
            raise RuntimeError("second half")
    threads.use(2)
    try:
        with pytest.raises(RuntimeError, match="second half"):
            threads.parts(work, 4)
    finally:
        threads.use(1)
