"""The fixed-window network: which words it sees, its equation, its size, and that it can fill gaps and write."""
from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.models.window_mlp_lm import CONTEXTS, WindowMLPLM, contexts
from minigrad.nn import functional as F

TEXT = np.array([3, 1, 4, 1, 5, 2, 6, 5])


# ----- Télécom's four contexts

@pytest.mark.parametrize("context, around_5", [
    ("last 4", [3, 1, 4, 1]), ("4 left and 4 right", [3, 1, 4, 1, 2, 6, 5, 0]), ("last 1", [1]), ((-2, 1), [4, 2])])
def test_a_context_is_what_the_slide_says(context, around_5):
    x, y = contexts(TEXT, context)
    assert y.tolist() == TEXT[1:].tolist() and len(x) == 7
    assert x[3].tolist() == around_5 and y[3] == 5


def test_nearby_1_is_one_word_of_the_neighbourhood_at_a_time():
    x, y = contexts(TEXT, "nearby 1", pad=9)
    assert x.shape == (7 * 8, 1) and y.reshape(7, 8)[3].tolist() == [5] * 8
    assert x.reshape(7, 8)[3].tolist() == [3, 1, 4, 1, 2, 6, 5, 9]


def test_beyond_the_ends_stands_the_padding():
    x, _ = contexts(TEXT, "last 4", pad=9)
    assert x[0].tolist() == [9, 9, 9, 3] and x[-1].tolist() == [1, 5, 2, 6]
    assert contexts(TEXT[:1])[0].shape == (0, 4)


@pytest.mark.parametrize("context, says", [("last 3", "one of 'last 4'"), ((0, 1), "than 0"), ((), "than 0")])
def test_a_context_that_gives_the_answer_away_is_refused(context, says):
    with pytest.raises(ValueError, match=says):
        WindowMLPLM(7, context=context)


# ----- The network

@pytest.mark.parametrize("direct", [False, True])
def test_it_is_the_slides_equation(direct, rng):
    """h = f(W1 e + b1), y = softmax(W2 h + b2 + W3 e), written out in float64."""
    model = WindowMLPLM(7, embedding=3, hidden=5, direct=direct).to(mg.float64)
    table, w1, b1, w2, b2, *w3 = (p.detach().numpy() for p in model.parameters())
    x, y = contexts(TEXT)
    e = table[x].reshape(len(x), 12)
    s = np.tanh(e @ w1.T + b1) @ w2.T + b2 + (e @ w3[0].T if direct else 0)
    want = np.log(np.exp(s).sum(1)) - s[np.arange(7), y]
    assert np.allclose(model.nats(TEXT), want, rtol=1e-12)                     # float64
    assert math.isclose(model.perplexity(TEXT), math.exp(want.mean()), rel_tol=1e-12)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("direct", [False, True])
def test_its_size_is_linear_in_the_context(context, direct):
    """V E + H (n E + 1) + V (H + 1), and V n E with direct connections."""
    v, e, h, n = 11, 3, 5, {"last 4": 4, "4 left and 4 right": 8, "last 1": 1, "nearby 1": 1}[context]
    model = WindowMLPLM(v, embedding=e, hidden=h, context=context, direct=direct)
    assert sum(p.data.size for p in model.parameters()) == v * e + h * (n * e + 1) + v * (h + 1) + direct * v * n * e


@pytest.mark.parametrize("context", CONTEXTS)
def test_losses_and_gradients_are_the_same_on_every_device(context, device):
    """float32 sums in another order: 1e-5."""
    results = []
    for where in ("cpu", device):
        mg.manual_seed(0)
        model = WindowMLPLM(7, embedding=3, hidden=5, context=context, direct=True).to(where)
        x, y = model.contexts(TEXT)
        loss = F.cross_entropy(model(mg.tensor(x, device=where)), mg.tensor(y, device=where))
        loss.backward()
        results.append([loss.item(), model.nats(TEXT), *(p.grad.cpu().numpy() for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        assert np.allclose(a, b, atol=1e-5)
    assert math.isclose(results[0][0], results[0][1].mean(), rel_tol=1e-5)     # nats are those of training


def fitted(context: str, text: np.ndarray, steps: int = 150) -> WindowMLPLM:
    """A small model after `steps` of Adam on the whole text."""
    model = WindowMLPLM(int(text.max()) + 1, embedding=4, hidden=16, context=context)
    adam = optim.Adam(model.parameters(), lr=0.03)
    x, y = (mg.tensor(a) for a in model.contexts(text))
    for _ in range(steps):
        loss = F.cross_entropy(model(x), y)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return model


def test_only_a_context_that_holds_the_cause_learns_it(rng):
    """abc abc def def: half of the words are those of three places before. 4 words tell some of it, 1 tells nothing."""
    train, test = (np.repeat(rng.integers(0, 3, (200, 3)), 2, 0).reshape(-1) for _ in range(2))
    assert fitted("last 4", train).nats(test).mean() < 0.95 * math.log(3)
    assert fitted("last 1", train).nats(test).mean() > 0.98 * math.log(3)


def test_words_on_both_sides_fill_a_gap_that_the_past_cannot(rng):
    """axa bxb: from the left the first of three words is new, ln 3 / 3 = 0.366; with both sides nothing is open."""
    def text():
        outer = rng.integers(0, 3, 150)
        return np.stack([outer, np.full(150, 3), outer], 1).reshape(-1)
    train, test = text(), text()
    past, both = (fitted(c, train).nats(test).mean() for c in ("last 4", "4 left and 4 right"))
    assert both < 0.15 < 0.36 < past


# ----- Writing

def test_a_text_is_written_from_the_words_that_are_seen():
    """A model of "0 1 2 3 0 ..." goes on; what it is given beyond its window changes nothing."""
    model = fitted("last 4", np.tile([0, 1, 2, 3], 20))
    assert model.sample([0, 1], 6, np.random.default_rng(0), temperature=0).tolist() == [2, 3, 0, 1, 2, 3]
    log_p, seen = model.step(np.array([1, 3]))
    assert seen.tolist() == [[0, 0, 0, 1], [0, 0, 0, 3]] and np.allclose(np.exp(log_p).sum(1), 1)
    _, seen = model.step(np.array([2, 2]), seen)
    assert seen.tolist() == [[0, 0, 1, 2], [0, 0, 3, 2]]


def test_what_is_said_step_by_step_is_what_the_whole_text_gives(device):
    model = WindowMLPLM(7, embedding=3, hidden=5, context=(-3, -1)).to(device)
    state, found = None, []
    for x, y in zip(TEXT, TEXT[1:], strict=False):
        log_p, state = model.step(np.array([x]), state)
        found.append(-log_p[0, y])
    assert np.allclose(found, model.nats(TEXT), atol=1e-5)                     # float32


def test_a_context_on_the_right_cannot_write():
    with pytest.raises(mg.MinigradError, match="sees words that are not written yet"):
        WindowMLPLM(7, context="4 left and 4 right").sample([1], 3, np.random.default_rng(0))


def test_a_text_in_which_nothing_follows_is_refused():
    with pytest.raises(mg.ShapeError, match="a text of 1 ids has nothing to predict"):
        WindowMLPLM(7).nats([1])
