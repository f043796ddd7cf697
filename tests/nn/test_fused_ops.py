"""Layer norm, cross-entropy and embedding as one node: equal to their compositions, at first and second order."""
from __future__ import annotations

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import InplaceError
from minigrad.nn import functional as F
from minigrad.nn.fused import workspace


def gradients(loss, *leaves):
    return [g.detach().cpu().numpy() for g in mg.grad(loss, list(leaves), retain_graph=True)]


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
@pytest.mark.parametrize("n, v", [(1, 1), (3, 7), (300, 65), (40, 5000)])
def test_fused_cross_entropy_is_the_composition(device, rng, n, v, scale):
    """With small logits, where nothing is subtracted; with large ones, where e^x would overflow; in several blocks."""
    x = mg.tensor(rng.standard_normal((n, v)) * scale, device=device, requires_grad=True)
    y = mg.tensor(np.where(rng.random(n) < 0.2, -100, rng.integers(0, v, n)), device=device)
    g = mg.tensor(rng.standard_normal(n), device=device)
    pair = [F.cross_entropy(x, y, reduction="none", fused=fused) for fused in (True, False)]
    np.testing.assert_allclose(*(p.detach().cpu().numpy() for p in pair), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(*(gradients((p * g).sum(), x)[0] for p in pair), rtol=1e-12, atol=1e-14)


def test_fused_cross_entropy_of_masked_logits_is_the_composition(device):
    """-inf for a forbidden class, and a row where everything is forbidden and ignored; no warning."""
    logits = np.array([[0.5, -np.inf, 1.0], [-np.inf] * 3, [2.0, 1.0, -np.inf]])
    x = mg.tensor(logits, device=device, requires_grad=True)
    y = mg.tensor([0, -100, 1], device=device)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a = F.cross_entropy(x, y)
        da, = gradients(a, x)
    b = F.cross_entropy(x, y, fused=False)
    db, = gradients(b, x)
    assert a.item() == pytest.approx(b.item(), rel=1e-12)
    np.testing.assert_allclose(da, db, atol=1e-14)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape, axes", [((3, 7), 1), ((2, 5, 64), 1), ((2, 3, 4, 5), 2), ((700, 128), 1), ((0, 4), 1)])
def test_fused_layer_norm_is_the_composition(device, rng, shape, axes, affine):
    """Value and all three gradients, in several blocks, over several axes, and of no rows at all."""
    inner = shape[-axes:]
    leaves = [mg.tensor(rng.standard_normal(s) + 0.5, device=device, requires_grad=True) for s in (shape, inner, inner)]
    leaves = leaves if affine else leaves[:1]
    g = mg.tensor(rng.standard_normal(shape), device=device)
    pair = [F.layer_norm(leaves[0], inner, *leaves[1:], fused=fused) for fused in (True, False)]
    np.testing.assert_allclose(*(p.detach().cpu().numpy() for p in pair), rtol=1e-11, atol=1e-12)
    for a, b in zip(*(gradients((p * g).sum(), *leaves) for p in pair), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("given", ["weight", "bias"])
def test_layer_norm_with_one_parameter_alone_is_pytorchs(device, rng, given):
    """weight without bias, bias without weight."""
    torch = pytest.importorskip("torch")
    x, p, g = rng.standard_normal((4, 6)), rng.standard_normal(6), rng.standard_normal((4, 6))
    a, b = (mg.tensor(v, device=device, requires_grad=True) for v in (x, p))
    c, d = (torch.tensor(v, requires_grad=True) for v in (x, p))
    (F.layer_norm(a, 6, **{given: b}) * mg.tensor(g, device=device)).sum().backward()
    (torch.nn.functional.layer_norm(c, (6,), **{given: d}) * torch.tensor(g)).sum().backward()
    np.testing.assert_allclose(a.grad.cpu().numpy(), c.grad.numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(b.grad.cpu().numpy(), d.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(0,), (5,), (40, 3), (2, 3, 4)])
def test_the_embedding_node_is_an_index(device, rng, shape):
    """Repeated ids add up, unused rows get zeros, any shape of ids."""
    w = mg.tensor(rng.standard_normal((6, 4)), device=device, requires_grad=True)
    ids = mg.tensor(rng.integers(0, 5, shape), device=device)
    g = mg.tensor(rng.standard_normal((*shape, 4)), device=device)
    pair = [F.embedding(ids, w), w[ids]]
    np.testing.assert_array_equal(*(p.detach().cpu().numpy() for p in pair))
    np.testing.assert_allclose(*(gradients((p * g).sum(), w)[0] for p in pair), rtol=1e-13)


CASES = {
    "cross_entropy": lambda x, w, b, y, fused: F.cross_entropy(x * w + b, y, fused=fused),
    "layer_norm": lambda x, w, b, y, fused: (F.layer_norm(x, 5, w, b, fused=fused) ** 3).sum(),
    "embedding": lambda x, w, b, y, fused: ((F.embedding(y, x, 1) if fused else F.where(
        (y != 1).unsqueeze(-1), x[y], x[y].detach())) ** 3 * w).sum(),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fused_node_has_second_order_gradients(device, rng, name):
    """The same formula on Tensors: gradient penalties and Hessians go through it, without fused=False."""
    F.where = mg.where
    x = mg.tensor(rng.standard_normal((4, 5)), device=device, requires_grad=True)
    w, b = (mg.tensor(rng.standard_normal(5), device=device, requires_grad=True) for _ in range(2))
    y = mg.tensor([0, 3, 1, 3], device=device)
    found = []
    for fused in (True, False):
        first = mg.grad(CASES[name](x, w, b, y, fused), [x, w, b], create_graph=True, allow_unused=True)
        penalty = sum((g * g).sum() for g in first if g is not None and g.requires_grad)
        found.append([g.cpu().numpy() for g in mg.grad(penalty, [x, w, b], allow_unused=True) if g is not None])
    for a, c in zip(*found, strict=True):
        np.testing.assert_allclose(a, c, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["cross_entropy", "layer_norm"])
def test_two_graphs_of_one_size_do_not_share_a_workspace(rng, name):
    """A second forward call before the first backward must not overwrite what that needs."""
    def run(x):
        return CASES[name](x, w, b, y, True)
    w, b, y = mg.ones(5, dtype="float64"), mg.zeros(5, dtype="float64"), mg.tensor([0, 3, 1, 3])
    xs = [mg.tensor(rng.standard_normal((4, 5)), requires_grad=True) for _ in range(2)]
    alone = [gradients(run(x), x)[0] for x in xs]
    together = [run(x) for x in xs]
    for x, loss, want in zip(xs, together, alone, strict=True):
        np.testing.assert_array_equal(gradients(loss, x)[0], want)
        np.testing.assert_array_equal(gradients(loss, x)[0], want)         # and a second time on a retained graph


def test_the_workspace_of_a_freed_graph_serves_the_next_one(rng):
    """Otherwise each step pays page faults for fresh memory."""
    workspace.clear()
    x = mg.tensor(rng.standard_normal((64, 65)).astype("float32"), requires_grad=True)
    loss = F.cross_entropy(x, mg.tensor(rng.integers(0, 65, 64)))
    assert workspace.idle_bytes() == 0
    loss.backward()
    assert workspace.idle_bytes() == 64 * 65 * 4


def test_a_batch_buffer_that_is_filled_again_does_not_change_the_gradient(device, rng):
    """A loader that reuses its memory for ids: the graph has its own copy."""
    w = mg.tensor(rng.standard_normal((4, 3)), device=device, requires_grad=True)
    ids = mg.tensor([0, 1, 2], device=device)
    loss = F.cross_entropy(F.embedding(ids, w), ids)
    want = gradients(loss, w)[0]
    ids.copy_(mg.tensor([2, 2, 2], device=device))
    np.testing.assert_array_equal(gradients(loss, w)[0], want)


def test_a_weight_written_after_the_forward_pass_is_refused():
    """The gradient of x needs the weight that was there; that of the bias needs none."""
    x, w, b = mg.randn(2, 3, requires_grad=True), mg.ones(3, requires_grad=True), mg.zeros(3, requires_grad=True)
    loss = F.layer_norm(x, 3, w, b).sum()
    with mg.no_grad():
        b.add_(1)
    loss.backward(retain_graph=True)
    with mg.no_grad():
        w.add_(1)
    with pytest.raises(InplaceError, match="layer_norm"):
        loss.backward()


def test_gradients_keep_float32(device):
    """A float64 constant inside would double the memory and refuse the sweep."""
    x = mg.randn(4, 5, device=device, requires_grad=True)
    w, b = mg.ones(5, device=device, requires_grad=True), mg.zeros(5, device=device, requires_grad=True)
    table = mg.randn(7, 5, device=device, requires_grad=True)
    y = mg.tensor([0, 3, 1, 3], device=device)
    F.cross_entropy(F.layer_norm(x + F.embedding(y, table), 5, w, b), y, mg.ones(5, device=device)).backward()
    assert all(t.grad.dtype == np.float32 for t in (x, w, b, table))


@pytest.mark.parametrize("v", [5, 300, 70000])
def test_the_gradient_of_an_embedding_is_right_for_rare_and_frequent_ids(device, rng, v):
    """Ids once, a few times and hundreds of times; more of them than 16 bits count; a padding row among them."""
    ids = (v * rng.random(1000) ** 6).astype(np.int64)
    g = rng.standard_normal((1000, 3))
    w = mg.tensor(np.zeros((v, 3)), device=device, requires_grad=True)
    (F.embedding(mg.tensor(ids, device=device), w, 1) * mg.tensor(g, device=device)).sum().backward()
    want = np.zeros((v, 3))
    np.add.at(want, ids, g)
    want[1] = 0
    np.testing.assert_allclose(w.grad.cpu().numpy(), want, rtol=1e-12, atol=1e-13)
