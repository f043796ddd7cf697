"""Show, Attend and Tell: the paper's equations in a loop, weights that sum to 1, a look that depends on the words."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.data.shapes import pictures, scenes
from minigrad.models import translating
from minigrad.models.image_encoder import Places
from minigrad.models.show_attend_tell import ShowAttendTell
from minigrad.nn import functional as F

CAPTIONS = np.array([[2, 5, 6, 7, 3, 0], [2, 4, 3, 0, 0, 0], [2, 6, 6, 5, 4, 3]])


def captioner(device="cpu", **options):
    return ShowAttendTell(Places(6), 8, bos=2, eos=3, embedding=4, hidden=5, attention=3, **options).to(device)


def images(count=3, device="cpu", dtype=np.float32):
    return mg.tensor(pictures(scenes(np.random.default_rng(1), count)).astype(dtype), device=device)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_it_is_the_docstrings_equations():
    """One caption at a time, one place at a time, in float64."""
    model = captioner().to(mg.float64)
    p = {name: value.numpy() for name, value in model.state_dict().items()}
    a = model.places(images(dtype=np.float64)).detach().numpy()
    scores = model(images(dtype=np.float64), None, mg.tensor(CAPTIONS)).detach().numpy()
    looks = model.attention(images(dtype=np.float64), np.c_[CAPTIONS, [0, 0, 0]])
    for row, words in enumerate(CAPTIONS):
        h, c = np.split(np.tanh(p["init.weight"] @ a[row].mean(0) + p["init.bias"]), 2)
        for t, word in enumerate(words):
            e = np.array([p["score.v"] @ np.tanh(p["score.w_s"] @ h + p["score.w_a"] @ place) for place in a[row]])
            alpha = np.exp(e) / np.exp(e).sum()
            z = sum(weight * place for weight, place in zip(alpha, a[row], strict=True))
            x = np.concatenate([p["embedding.weight"][word], z])
            i, f, g, o = np.split(p["cell.weight_ih"] @ x + p["cell.bias_ih"] + p["cell.weight_hh"] @ h
                                  + p["cell.bias_hh"], 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            assert np.allclose(looks[row, t], alpha, atol=1e-12)
            assert np.allclose(scores[row, t], p["read.weight"] @ np.concatenate([h, z]) + p["read.bias"], atol=1e-12)


def test_weights_sum_to_one_over_places_and_change_with_the_words_read():
    """A mutant whose query is constant looks at one place all the time; one that normalises over words sums to T."""
    model = captioner()
    looks = model.attention(images(), CAPTIONS)
    assert looks.shape == (3, 5, 9) and np.allclose(looks.sum(-1), 1, atol=1e-6)
    other = CAPTIONS.copy()
    other[:, 1] = 7
    again = model.attention(images(), other)
    assert np.allclose(again[:, :2], looks[:, :2], atol=1e-6)                  # decided before word 1 is read
    assert np.abs(again[:, 2:] - looks[:, 2:]).max() > 1e-6


def test_a_step_is_the_forward_call_of_that_word(device):
    model = captioner(device)
    whole = F.log_softmax(model(images(device=device), None, mg.tensor(CAPTIONS, device=device)), -1)
    state = model.start(images(device=device))
    for t, ids in enumerate(CAPTIONS.T):
        log_p, state = model.step(ids, state)
        assert np.allclose(log_p, whole.detach().cpu().numpy()[:, t], atol=1e-5)             # float32


def test_picked_rows_go_on_as_they_would():
    model = captioner()
    _, state = model.step(np.array([2, 2, 2]), model.start(images()))
    want, _ = model.step(np.array([5, 6, 7]), state)
    got, _ = model.step(np.array([7, 5]), model.pick(state, np.array([2, 0])))
    assert np.allclose(got, want[[2, 0]], atol=1e-6)


def test_losses_and_gradients_are_finite_and_the_same_on_every_device(device):
    found = []
    for where in ("cpu", device):
        mg.manual_seed(5)
        model = captioner(where, forget_bias=1.0)
        loss = translating.loss(model, images(device=where), None, CAPTIONS)
        loss.backward()
        found.append([loss.item(), *(p.grad.cpu().numpy() for p in model.parameters())])
    for a, b in zip(*found, strict=True):
        assert np.isfinite(a).all() and np.allclose(a, b, atol=1e-5)


def test_padding_behind_a_caption_changes_nothing():
    model = captioner()
    longer = np.concatenate([CAPTIONS, np.zeros((3, 2), int)], 1)
    a, b = (translating.loss(model, images(), None, ids).item() for ids in (CAPTIONS, longer))
    assert abs(a - b) < 1e-6


def test_several_captions_a_picture_are_as_the_picture_given_several_times():
    model, pics = captioner(), images(1)
    one = model(pics, None, mg.tensor(CAPTIONS)).detach().numpy()
    several = model(mg.tensor(np.repeat(pics.numpy(), 3, 0)), None, mg.tensor(CAPTIONS)).detach().numpy()
    assert np.allclose(one, several, atol=1e-6)


def test_gradients_agree_with_finite_differences():
    model = captioner().to(mg.float64)
    assert mg.gradcheck(lambda x: translating.loss(model, x, None, CAPTIONS[:2]),
                        mg.tensor(np.random.default_rng(4).random((2, 3, 24, 24)), requires_grad=True))


def test_the_doubly_stochastic_loss_is_0_where_each_place_was_looked_at_once_in_all():
    model = captioner()
    alpha = np.eye(9, dtype=np.float32)[None]                                  # nine words, each at a place of its own
    real = np.ones((1, 9), np.float32)
    assert model.coverage(mg.tensor(alpha), mg.tensor(real)).item() == 0
    assert model.coverage(mg.tensor(alpha[:, [0] * 9]), mg.tensor(real)).item() == (1 - 9) ** 2 + 8
    real[0, 4:] = 0                                                            # padding looks at nothing
    assert model.coverage(mg.tensor(alpha), mg.tensor(real)).item() == 5


def test_it_learns_four_captions_by_heart_and_writes_them():
    pics = images(4)
    ids = np.array([[2, 4, 5, 3], [2, 5, 6, 3], [2, 6, 4, 3], [2, 7, 7, 3]])
    model = captioner()
    adam = optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(200):
        loss = translating.loss(model, pics, None, ids)
        adam.zero_grad()
        loss.backward()
        adam.step()
    want = [row[1:-1].tolist() for row in ids]
    assert translating.greedy(model, pics, most=5) == want == translating.search(model, pics, most=5, beam=3)


def test_captions_that_no_picture_has_are_refused():
    with pytest.raises(mg.ShapeError, match=r"2 pictures cannot share captions \(3, 6\)."):
        captioner()(images(2), None, mg.tensor(CAPTIONS))
