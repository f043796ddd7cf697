"""10_transformer: its text against minigrad's layers and tape. `test_assignments.py` has what is asked of all."""

import contextlib
import io

import numpy as np
import pytest

import minigrad as mg
from autograder.kernel import InKernel
from autograder.oracle import grade_cell
from autograder.prove import graded, seeds
from minigrad import nn
from minigrad.nn import functional as F
from minigrad.nn.positions import sinusoidal

from .assignment_help import assignment

TR = assignment("10_transformer")


# ----- The plan

def test_it_has_nine_functions_a_hundred_points_and_62_mutants():
    assert [check.function for check in TR.checks.values()] == [
        "scaled_dot_product", "make_mask", "multi_head", "positional_encoding", "layer_norm", "layer_norm_backward",
        "encoder_block", "decoder_block", "kv_cache_step"]
    assert [cell.points for cell in TR.graded.values()] == [16, 8, 16, 10, 10, 16, 8, 8, 8]
    assert sum(len(check.mutants) for check in TR.checks.values()) == 62


# ----- The hidden tests

def test_a_numerical_derivative_does_not_pass_for_a_gradient():
    """Central differences of all rows at once are quick; the digits give them away, most of all with mixed scales."""
    source = """
def layer_norm_backward(dy, x, gamma, eps):
    def row_losses(x, gamma, beta):
        return (dy * layer_norm(x, gamma, beta, eps)).sum(axis=-1)

    step, beta = 1e-5, np.zeros_like(gamma)
    dx, dgamma, dbeta = np.empty_like(x), np.empty_like(gamma), np.empty_like(gamma)
    for k in range(x.shape[-1]):
        e = step * np.eye(x.shape[-1])[k]
        dx[..., k] = (row_losses(x + e, gamma, beta) - row_losses(x - e, gamma, beta)) / (2 * step)
        dgamma[k] = (row_losses(x, gamma + e, beta) - row_losses(x, gamma - e, beta)).sum() / (2 * step)
        dbeta[k] = (row_losses(x, gamma, beta + e) - row_losses(x, gamma, beta - e)).sum() / (2 * step)
    return dx, dgamma, dbeta
"""
    [(_, result)] = graded(TR.checks["layer-norm-backward-test"], source, seeds(1))
    assert result.score == 0


def test_errors_of_earlier_functions_are_carried_forward_and_cost_nothing_twice():
    """A student who forgets the root in one function, and beta in another, loses points in these two alone."""
    replace = {name: TR.solution_cell(name).source.replace(old, "") for name, old in (
        ("scaled_dot_product", " / Q.shape[-1] ** 0.5"), ("layer_norm", " + beta"))}
    student, seed = InKernel(TR.namespace(replace=replace)), seeds(1)[0]
    lost = {check.function: check.points - grade_cell(check, student, seed).score for check in TR.checks.values()}
    assert lost == {name: 0 for name in lost} | {"scaled_dot_product": 11, "layer_norm": 10}


def test_the_ungraded_classifier_ignores_padding():
    space, rng = TR.namespace(), np.random.default_rng(0)
    X, lengths, cls = rng.normal(size=(3, 5, 8)), np.array([5, 2, 1]), rng.normal(size=8)
    params, W, b = space["new_block"](rng, 8, 16), rng.normal(size=(4, 8)), rng.normal(size=4)
    other = np.where(np.arange(5)[:, None] < lengths[:, None, None], X, 9.0)
    scores = [space["cls_scores"](x, lengths, cls, params, 2, W, b) for x in (X, other)]
    assert scores[0].shape == (3, 4)
    np.testing.assert_array_equal(*scores)


# ----- The solution's text against minigrad's layers

def double(a, **how):
    return mg.tensor(a, dtype=mg.float64, **how)


def close(got, want):
    want = want.detach().numpy() if isinstance(want, mg.Tensor) else want
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12 * (1 + np.max(np.abs(want), initial=0)))


def set_attention(layer, W_q, W_k, W_v, W_o):
    layer.in_proj_weight.data[...] = np.concatenate([W_q, W_k, W_v])
    layer.out_proj.weight.data[...] = W_o


def set_norm(layer, gamma, beta):
    layer.weight.data[...], layer.bias.data[...] = gamma, beta


def attention_agrees(space, rng):
    """scaled_dot_product, make_mask and kv_cache_step; a row that sees nothing is 0 in both."""
    B, h, T, S, d, e = (int(n) for n in rng.integers(1, 6, size=6))
    Q, K, V = (rng.normal(size=(B, h, n, m)) for n, m in ((T, d), (S, d), (S, e)))
    mask = rng.random((B, 1, T, S)) < 0.6
    Z, W = space["scaled_dot_product"](Q, K, V, mask)
    close(Z, F.scaled_dot_product_attention(double(Q), double(K), double(V), mg.tensor(mask)))
    close(W.sum(axis=-1), np.broadcast_to(mask.any(axis=-1), (B, h, T)).astype(float))

    X = rng.normal(size=(T, d))
    W_q, W_k, W_v = rng.normal(size=(3, d)), rng.normal(size=(3, d)), rng.normal(size=(e, d))
    z, *_ = space["decode"](X, W_q, W_k, W_v)
    close(z, F.scaled_dot_product_attention(*(double(X @ W.T) for W in (W_q, W_k, W_v)), is_causal=True))
    causal = space["make_mask"](np.array([T]), T, True)[0]
    np.testing.assert_array_equal(~causal, nn.Transformer.generate_square_subsequent_mask(T).numpy())


def norms_agree(space, rng):
    """layer_norm and its gradient, and the positions."""
    B, T, D = (int(n) for n in rng.integers([1, 1, 2], 7))
    x, dy, gamma, beta = rng.normal(size=(B, T, D)), rng.normal(size=(B, T, D)), rng.normal(size=D), rng.normal(size=D)
    eps = float(rng.choice([1e-5, 0.1]))
    leaves = [double(a, requires_grad=True) for a in (x, gamma, beta)]
    y = F.layer_norm(leaves[0], (D,), leaves[1], leaves[2], eps)
    close(space["layer_norm"](x, gamma, beta, eps), y)
    (double(dy) * y).sum().backward()
    for got, leaf in zip(space["layer_norm_backward"](dy, x, gamma, eps), leaves, strict=True):
        close(got, leaf.grad.numpy())
    close(space["positional_encoding"](T, 2 * D), sinusoidal(T, 2 * D))


def blocks_agree(space, rng):
    """multi_head, encoder_block and decoder_block, with padding; the layers' masks say True for what is hidden."""
    B, T, h, d = (int(n) for n in rng.integers([1, 2, 1, 2], [4, 6, 4, 5]))
    D, S, Forward = h * d, int(rng.integers(1, 6)), int(rng.integers(2, 9))
    X, M = rng.normal(size=(B, T, D)), rng.normal(size=(B, S, D))
    (own, _, *norms), (cross, *_) = (space["new_block"](rng, D, Forward) for _ in range(2))
    norms = [(gamma + rng.normal(size=D), rng.normal(size=D)) for gamma, _ in norms]
    network = rng.normal(size=(Forward, D)), rng.normal(size=Forward), rng.normal(size=(D, Forward)), rng.normal(size=D)
    lengths, source = rng.integers(1, T + 1, size=B), rng.integers(1, S + 1, size=B)
    hidden, hidden_source = (mg.tensor(np.arange(n) >= some[:, None]) for n, some in ((T, lengths), (S, source)))
    pad = np.repeat((np.arange(S) < source[:, None])[:, None], T, axis=1)
    seen, causal = (space["make_mask"](lengths, T, flag) for flag in (False, True))

    heads = nn.MultiheadAttention(D, h, bias=False, batch_first=True).to(mg.float64)
    set_attention(heads, *cross)
    close(space["multi_head"](X, M, *cross, h, pad), heads(double(X), double(M), double(M), hidden_source)[0])

    how = dict(dropout=0.0, batch_first=True)
    layer = nn.TransformerEncoderLayer(D, h, Forward, **how).to(mg.float64)
    set_attention(layer.self_attn, *own)
    for part, weight, bias in ((layer.linear1, *network[:2]), (layer.linear2, *network[2:])):
        part.weight.data[...], part.bias.data[...] = weight, bias
    for norm, params in zip((layer.norm1, layer.norm2), norms, strict=True):
        set_norm(norm, *params)
    close(space["encoder_block"](X, (own, network, *norms), h, seen), layer(double(X), None, hidden))

    layer = nn.TransformerDecoderLayer(D, h, Forward, **how).to(mg.float64)
    set_attention(layer.self_attn, *own)
    set_attention(layer.multihead_attn, *cross)
    for norm, params in zip((layer.norm1, layer.norm2), norms, strict=True):
        set_norm(norm, *params)
    masks = nn.Transformer.generate_square_subsequent_mask(T), hidden, hidden_source
    a = layer._attention(double(X), None, layer.self_attn, layer.norm1, layer.dropout1, masks[0], hidden, False, "tgt")
    z = layer._attention(a, double(M), layer.multihead_attn, layer.norm2, layer.dropout2, None, hidden_source, False,
                         "memory")
    close(space["decoder_block"](X, M, (own, cross, *norms), h, causal, pad), z)


def agrees(seed):
    space, rng = TR.namespace(), np.random.default_rng(seed)
    attention_agrees(space, rng)
    norms_agree(space, rng)
    blocks_agree(space, rng)


@pytest.mark.parametrize("seed", range(3))
def test_text_and_engine_are_equal(seed):
    agrees(seed)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(30))
def test_text_and_engine_are_equal_on_30_seeds(seed):
    agrees(seed)


# ----- The closing picture

def test_the_given_way_back_through_a_block_is_that_of_the_tape():
    space, rng = TR.namespace(), np.random.default_rng(4)
    B, T, D, h = 2, 5, 6, 3
    X, dy, params = rng.normal(size=(B, T, D)), rng.normal(size=(B, T, D)), space["new_block"](rng, D, 7)
    layer = nn.TransformerEncoderLayer(D, h, 7, dropout=0.0, batch_first=True).to(mg.float64)
    set_attention(layer.self_attn, *params[0])
    layer.linear1.weight.data[...], layer.linear2.weight.data[...] = params[1][0], params[1][2]
    layer.linear1.bias.data[...], layer.linear2.bias.data[...] = 0, 0
    x = double(X, requires_grad=True)
    (double(dy) * layer(x)).sum().backward()
    dX, ((dW_q, dW_k, dW_v, dW_o), network, norm_1, norm_2) = space["block_backward"](dy, X, params, h)
    wanted = [x, layer.self_attn.in_proj_weight, layer.self_attn.out_proj.weight, layer.linear1.weight,
              layer.linear1.bias, layer.linear2.weight, layer.linear2.bias, layer.norm1.weight, layer.norm1.bias,
              layer.norm2.weight, layer.norm2.bias]
    for got, leaf in zip((dX, np.concatenate([dW_q, dW_k, dW_v]), dW_o, *network, *norm_1, *norm_2), wanted,
                         strict=True):
        close(got, leaf.grad.numpy())


def test_the_trained_reader_says_what_the_text_beside_its_picture_says():
    space = TR.namespace()
    nouns = space["NOUNS"]
    pairs = [(a, b) for i, a in enumerate(nouns) for j, b in enumerate(nouns) if i != j and (i + j) % 5 != 1]
    with contextlib.redirect_stdout(io.StringIO()):
        reader = space["train_reader"](pairs)
    ids, answers = space["sentences"]([("animal", "street")])
    said, maps = space["read"](ids, reader)
    np.testing.assert_array_equal(said, answers)
    it, first, second = 7, 1, 5
    weights = maps[:, 1, :, it].mean(axis=1)                                # of block 2, the mean of its heads
    assert weights[0].argmax() == first and weights[1].argmax() == second
