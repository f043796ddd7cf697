"""Ranking windows: the hinge, what a wrong window is, and that a trained model ranks the true word first."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.data.streams import windows
from minigrad.models.collobert_weston import CollobertWeston, replaced


def test_the_score_and_the_hinge_are_the_papers(rng):
    """s = w2 tanh(W1 e + b1) + b2, loss max(0, 1 - s + s'), written out in float64."""
    model = CollobertWeston(9, embedding=3, hidden=4, window=3).to(mg.float64)
    table, w1, b1, w2, b2 = (p.detach().numpy() for p in model.parameters())
    x = rng.integers(0, 9, (6, 3))
    wrong = replaced(x, rng, 9)
    s, t = (np.tanh(table[a].reshape(6, 9) @ w1.T + b1) @ w2[0] + b2[0] for a in (x, wrong))
    assert np.allclose(model(mg.tensor(x)).detach().numpy(), s, rtol=1e-12)
    loss = model.loss(mg.tensor(x), mg.tensor(wrong))
    assert np.isclose(loss.item(), np.maximum(0, 1 - s + t).mean(), rtol=1e-12)


def test_a_pair_that_is_a_margin_apart_gives_no_gradient():
    model = CollobertWeston(5, embedding=2, hidden=3, window=3)
    x, wrong = mg.tensor([[1, 2, 3]]), mg.tensor([[1, 4, 3]])
    better = model(x).item() > model(wrong).item()
    model.read.weight.data *= 1e3 if better else -1e3
    model.loss(x, wrong).backward()
    assert not any(p.grad.numpy().any() for p in model.parameters())


def test_only_the_middle_word_is_replaced_and_by_every_other_word_alike(rng):
    x = np.tile([1, 2, 3], (8000, 1))
    wrong = replaced(x, rng, 5)
    assert (x[:, 1] == 2).all() and (wrong[:, [0, 2]] == [1, 3]).all()
    shares = np.bincount(wrong[:, 1], minlength=5) / 8000
    assert shares[2] == 0 and np.abs(shares[[0, 1, 3, 4]] - 0.25).max() < 0.02             # four standard deviations


def test_scores_and_gradients_are_the_same_on_every_device(device, rng):
    """float32 sums in another order: 1e-5."""
    x = rng.integers(0, 9, (6, 5))
    wrong, results = replaced(x, rng, 9), []
    for where in ("cpu", device):
        mg.manual_seed(0)
        model = CollobertWeston(9, embedding=3, hidden=4).to(where)
        loss = model.loss(mg.tensor(x, device=where), mg.tensor(wrong, device=where))
        loss.backward()
        results.append([loss.item(), model.ranks(x), *(p.grad.cpu().numpy() for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_a_trained_model_ranks_the_true_word_high_and_an_untrained_one_does_not(rng):
    """Text 0 1 2 ... 9 0 1 ...: the neighbours name the word. Untrained, ranks are 5.5 on average."""
    x = windows(np.tile(np.arange(10), 30), 3)
    model = CollobertWeston(10, embedding=8, hidden=16, window=3)
    before = model.ranks(x[:10]).mean()
    adam = optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        rows = x[rng.integers(0, len(x), 32)]
        loss = model.loss(mg.tensor(rows), mg.tensor(replaced(rows, rng, 10)))
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert model.ranks(x[:10]).mean() < 1.2 < 3 < before


def test_words_of_equal_score_share_their_places():
    model = CollobertWeston(7, embedding=2, hidden=3, window=3)
    model.embedding.weight.data[...] = 0
    assert model.ranks(np.array([[1, 2, 3]])).tolist() == [4.0]


@pytest.mark.parametrize("window", [1, 4])
def test_a_window_needs_a_middle_and_neighbours(window):
    with pytest.raises(ValueError, match=f"an odd number from 3 on, not {window}"):
        CollobertWeston(7, window=window)
