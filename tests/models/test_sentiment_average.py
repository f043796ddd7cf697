"""The average of word vectors: its equation, and that no order and no training brings it past one half."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.data.reviews import WORDS, review_pairs
from minigrad.data.streams import padded
from minigrad.data.vocabulary import SPECIALS, Vocabulary
from minigrad.models.sentiment_average import SentimentAverage
from minigrad.nn import functional as F

IDS, LENGTHS = padded([[4, 2, 7], [5, 6, 1, 8, 3], [2]])


def test_it_is_the_decks_equation(device):
    """softmax(W mean e + b), the mean over a text's own words: float64, written out."""
    model = SentimentAverage(9, embedding=4, classes=3).to(mg.float64).to(device)
    e, w, b = (p.detach().cpu().numpy() for p in model.parameters())
    got = model(mg.tensor(IDS, device=device), LENGTHS).detach().cpu().numpy()
    for scores, ids, n in zip(got, IDS, LENGTHS, strict=True):
        assert np.allclose(scores, w @ e[ids[:n]].mean(0) + b, atol=1e-14)


def test_padding_is_no_word(device):
    """Neither its vector nor its number counts: a mean that divides by the padded length makes short texts weak."""
    model = SentimentAverage(9).to(device)
    alone = [model(mg.tensor(ids[None, :n], device=device)).detach().cpu().numpy()[0]
             for ids, n in zip(IDS, LENGTHS, strict=True)]
    got = model(mg.tensor(IDS, device=device), LENGTHS)
    assert np.allclose(got.detach().cpu().numpy(), alone, atol=1e-6)
    (got * got).sum().backward()
    assert (model.embedding.weight.grad.cpu().numpy()[0] == 0).all()


def test_words_in_another_order_get_the_same_answer(rng):
    model, ids = SentimentAverage(30).to(mg.float64), rng.integers(0, 30, (20, 12))
    mixed = rng.permuted(ids, axis=1)
    assert (mixed != ids).any()
    assert np.allclose(model(mg.tensor(ids)).detach().numpy(), model(mg.tensor(mixed)).detach().numpy(), atol=1e-14)


@pytest.mark.parametrize("updates", [0, 60])
def test_of_reviews_in_pairs_it_has_exactly_one_half_right_before_and_after_training(updates, rng):
    """The task's promise, on the very texts that it is trained on; its loss cannot fall below log 2 either."""
    data, words = review_pairs(rng, 200), Vocabulary([*SPECIALS, *WORDS])
    ids, lengths = padded([words.encode(text) for text in data.texts])
    x, y, model = mg.tensor(ids), mg.tensor(data.labels), SentimentAverage(len(words))
    adam = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(updates):
        loss = F.cross_entropy(model(x, lengths), y)
        adam.zero_grad()
        loss.backward()
        adam.step()
    scores = model(x, lengths)
    assert (scores.detach().numpy().argmax(-1) == data.labels).mean() == 0.5
    assert F.cross_entropy(scores, y).item() >= np.log(2) - 1e-6


def test_training_gives_the_same_gradients_on_every_device(device):
    """The same start; sums of float32 in another order."""
    grads = []
    for where in ("cpu", device):
        mg.manual_seed(2)
        model = SentimentAverage(9).to(where)
        F.cross_entropy(model(mg.tensor(IDS, device=where), LENGTHS), mg.tensor([0, 1, 1], device=where)).backward()
        grads.append([p.grad.cpu().numpy() for p in model.parameters()])
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(*grads, strict=True))
