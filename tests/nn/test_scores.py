"""Scores of attention against their formulas; the masked softmax: what is hidden has no weight, the others add up."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.nn.scores import SCORES, AdditiveScore, ConcatScore, DotScore, attend_to, score_of

B, S, Q, K, A = 3, 5, 4, 6, 7


def drawn(name: str, rng, device="cpu"):
    """A score in float64, a query and keys for it."""
    keys = Q if name == "dot" else K
    arrays = rng.standard_normal((B, Q)), rng.standard_normal((B, S, keys))
    return score_of(name, Q, keys, A).to(mg.float64).to(device), *[mg.tensor(a, device=device) for a in arrays]


def formula(name: str, p: dict, s: np.ndarray, a: np.ndarray) -> float:
    """One number for one query s and one annotation a, as it is printed."""
    if name == "dot":
        return s @ a
    if name == "general":
        return s @ p["w"] @ a
    if name == "concat":
        return p["v"] @ np.tanh(p["w"] @ np.concatenate([s, a]))
    return p["v"] @ np.tanh(p["w_s"] @ s + p["w_a"] @ a)


def numpy(t):
    return t.detach().cpu().numpy()


@pytest.mark.parametrize("name", SCORES)
def test_each_score_is_its_formula(name, device, rng):
    """Without the query, without tanh, with tanh outside, or with W_s and W_a exchanged the numbers are others."""
    score, query, keys = drawn(name, rng, device)
    p = {n: numpy(t) for n, t in score.named_parameters()}
    want = [[formula(name, p, s, a) for a in row] for s, row in zip(numpy(query), numpy(keys), strict=True)]
    np.testing.assert_allclose(numpy(score(query, keys)), want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", SCORES)
def test_every_gradient_of_a_score_agrees_with_differences(name, rng):
    """Of query, keys and all weights."""
    score, query, keys = drawn(name, rng)
    names = [n for n, _ in score.named_parameters()]
    leaves = [mg.tensor(t.detach(), requires_grad=True) for t in (query, keys, *score.parameters())]

    def value(query, keys, *weights):
        vars(score).update(zip(names, weights, strict=True))
        return score(query, keys)
    assert mg.gradcheck(value, leaves)


@pytest.mark.parametrize("name", SCORES)
def test_what_is_projected_once_serves_every_query(name, rng):
    """A decoder computes W_a a_t once, and compares it with each of its states."""
    score, query, keys = drawn(name, rng)
    projected = score.project(keys)
    for q in (query, query * -2):
        np.testing.assert_array_equal(numpy(score.compare(q, projected)), numpy(score(q, keys)))


def test_concat_is_additive_with_both_matrices_side_by_side(rng):
    """W [s; a] = W_s s + W_a a, so one fused decoder computes both scores."""
    concat, query, keys = drawn("concat", rng)
    additive = AdditiveScore(Q, K, A).to(mg.float64)
    with mg.no_grad():
        additive.w_s.copy_(concat.w[:, :Q])
        additive.w_a.copy_(concat.w[:, Q:])
        additive.v.copy_(concat.v)
    np.testing.assert_allclose(numpy(additive(query, keys)), numpy(concat(query, keys)), rtol=1e-12)
    assert [p.shape for p in ConcatScore(Q, K, A).parameters()] == [(A, Q + K), (A,)]


def test_a_dot_of_unequal_sizes_names_both_and_the_way_out():
    with pytest.raises(ShapeError, match=r"a dot score multiplies a query of 4 with keys of 6\.") as error:
        DotScore()(mg.zeros(2, 4), mg.zeros(2, 3, 6))
    assert "GeneralScore, which has a matrix between them" in str(error.value)


def test_another_name_is_answered_by_the_list_of_names():
    with pytest.raises(ValueError, match="score is one of additive, dot, general, concat, not 'multiplicative'"):
        score_of("multiplicative", 1, 1, 1)


# ----- The softmax over the places

LENGTHS = np.array([5, 2, 1, 4, 3])


def hidden(device="cpu"):
    """(5, 5): as many examples as places, so that a softmax over the wrong axis fits."""
    return mg.tensor(np.arange(5) >= LENGTHS[:, None], device=device)


def test_each_example_is_as_if_its_padding_were_cut_off(device, rng):
    """Weights set to 0 after the softmax add up to less than 1; a score of 0 in the padding has a weight; a softmax
    over the batch adds up along the other axis: all differ from the softmax of the sentence alone."""
    e, a = rng.standard_normal((5, 5)) * 3, rng.standard_normal((5, 5, 3))
    c, weights = attend_to(mg.tensor(e, device=device), mg.tensor(a, device=device), hidden(device))
    for b, n in enumerate(LENGTHS):
        own = np.exp(e[b, :n]) / np.exp(e[b, :n]).sum()
        np.testing.assert_allclose(numpy(weights)[b, :n], own, rtol=1e-12)
        assert not numpy(weights)[b, n:].any()
        np.testing.assert_allclose(numpy(c)[b], own @ a[b, :n], rtol=1e-11, atol=1e-14)


def test_large_scores_give_no_overflow_and_no_nan(device, rng):
    """exp overflows in float32 above 88."""
    e = mg.tensor((rng.standard_normal((5, 5)) * 3000).astype(np.float32), device=device)
    c, weights = attend_to(e, mg.ones(5, 5, 2, device=device), hidden(device))
    np.testing.assert_allclose(numpy(weights).sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(numpy(c), 1, rtol=1e-6)


def test_a_row_of_which_everything_is_hidden_gives_zeros_and_no_gradient(device):
    """-inf minus -inf is NaN: the softmax decides on the mask."""
    e = mg.zeros(2, 3, requires_grad=True, device=device)
    mask = mg.tensor([[True] * 3, [False, False, True]], device=device)
    c, weights = attend_to(e, mg.ones(2, 3, 1, device=device), mask)
    (c.sum() + (weights ** 2).sum()).backward()
    assert numpy(weights).tolist() == [[0, 0, 0], [0.5, 0.5, 0]] and numpy(c).tolist() == [[0], [1]]
    assert not numpy(e.grad)[0].any() and np.isfinite(numpy(e.grad)).all()


def test_gradients_of_the_masked_sum_agree_with_differences(rng):
    """The softmax couples the places: raising one score lowers all other weights."""
    e, a = (mg.tensor(rng.standard_normal(s), requires_grad=True) for s in ((5, 5), (5, 5, 2)))
    assert mg.gradcheck(lambda e, a: attend_to(e, a, hidden()), [e, a])
    assert mg.gradcheck(lambda e, a: attend_to(e, a), [e, a])
