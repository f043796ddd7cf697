"""Captioners with one vector for the picture: the slide's equation, where the picture enters, words fed back."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.data.shapes import pictures, scenes
from minigrad.models import translating
from minigrad.models.image_encoder import ImageVector, Places
from minigrad.models.rnn_lm import CELLS
from minigrad.models.show_and_tell import IMAGES, ShowAndTell, caption_step
from minigrad.nn import functional as F

CAPTIONS = np.array([[2, 5, 6, 7, 3, 0], [2, 4, 3, 0, 0, 0], [2, 6, 6, 5, 4, 3]])


def captioner(image="first", cell="lstm", device="cpu", **options):
    return ShowAndTell(ImageVector(Places(6), 5), 8, bos=2, eos=3, image=image, cell=cell, embedding=4, hidden=7,
                       **options).to(device)


def images(count=3, device="cpu", dtype=np.float32):
    return mg.tensor(pictures(scenes(np.random.default_rng(1), count)).astype(dtype), device=device)


# ----- Equations

def test_escaleras_captioner_is_the_slides_equation():
    """h_t = tanh(W_x x_t + W_h h_(t-1) + W_v v), the picture at every step, in a loop over words in float64."""
    model = captioner("every", "rnn", bias=False).to(mg.float64)
    v, e = model.encoder(images(dtype=np.float64)).detach().numpy(), model.embedding.weight.detach().numpy()
    w_ih, w_h = (w.detach().numpy() for w in (model.layer.weight_ih_l0, model.layer.weight_hh_l0))
    w_x, w_v = w_ih[:, :4], w_ih[:, 4:]
    w_y, b = model.read.weight.detach().numpy(), model.read.bias.detach().numpy()
    scores = model(images(dtype=np.float64), None, mg.tensor(CAPTIONS)).detach().numpy()
    for row, words in enumerate(CAPTIONS):
        h = np.zeros(7)
        for t, word in enumerate(words):
            step = caption_step(*(mg.tensor(a) for a in (e[word][None], h[None], v[row][None], w_x, w_h, w_v)))
            h = np.tanh(w_x @ e[word] + w_h @ h + w_v @ v[row])
            assert np.allclose(step.numpy()[0], h, atol=1e-12)
            assert np.allclose(scores[row, t], w_y @ h + b, atol=1e-12)


def test_show_and_tell_reads_the_picture_as_the_word_before_all_words():
    """Vinyals 2015: x_(-1) = W_v v. With v's vector in front of the words the layer is the same."""
    model = captioner("first")
    first = model.w_v(model.encoder(images())).detach().numpy()[:, None]
    words = model.embedding(mg.tensor(CAPTIONS)).detach().numpy()
    h, _ = model.layer(mg.tensor(np.concatenate([first, words], 1)))
    want = model.read(h).detach().numpy()[:, 1:]
    assert np.allclose(model(images(), None, mg.tensor(CAPTIONS)).detach().numpy(), want, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_as_the_start_the_picture_is_h_0_and_c_0(cell):
    model = captioner("init", cell)
    start = np.tanh(model.w_v(model.encoder(images())).detach().numpy())
    _, state = model.start(images())
    for k, part in enumerate(state if isinstance(state, tuple) else (state,)):
        assert np.allclose(part.detach().numpy()[0], start[:, 7 * k:7 * k + 7], atol=1e-6)


# ----- The picture enters, padding does not

@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("cell", CELLS)
def test_another_picture_gives_other_scores_and_the_encoder_a_gradient(image, cell, device):
    model = captioner(image, cell, device)
    words = mg.tensor(CAPTIONS, device=device)
    scores = model(images(device=device), None, words)
    other = model(images(device=device)[mg.tensor([1, 2, 0], device=device)], None, words)
    assert np.abs((scores - other).detach().cpu().numpy()).max() > 1e-4
    translating.loss(model, images(device=device), None, words).backward()
    assert all(np.isfinite(p.grad.cpu().numpy()).all() for p in model.parameters())
    assert np.abs(model.encoder.places.first.weight.grad.cpu().numpy()).max() > 0


def test_without_an_encoder_the_picture_does_not_enter():
    model = ShowAndTell(None, 8, bos=2, eos=3, embedding=4, hidden=7)
    words = mg.tensor(CAPTIONS)
    assert np.array_equal(model(images(), None, words).detach().numpy(),
                          model(images() * 0.5, None, words).detach().numpy())


def test_padding_behind_a_caption_changes_neither_loss_nor_scores_before_it():
    model = captioner()
    longer = np.concatenate([CAPTIONS, np.zeros((3, 2), int)], 1)
    a, b = (translating.loss(model, images(), None, ids).item() for ids in (CAPTIONS, longer))
    assert abs(a - b) < 1e-6


def test_several_captions_a_picture_are_as_the_picture_given_several_times():
    model, pics = captioner("every"), images(1)
    one = model(pics, None, mg.tensor(CAPTIONS)).detach().numpy()
    several = model(mg.tensor(np.repeat(pics.numpy(), 3, 0)), None, mg.tensor(CAPTIONS)).detach().numpy()
    assert np.allclose(one, several, atol=1e-6)


# ----- Word by word

@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_is_the_forward_call_of_that_word(image, cell, device):
    model = captioner(image, cell, device)
    whole = F.log_softmax(model(images(device=device), None, mg.tensor(CAPTIONS, device=device)), -1)
    state = model.start(images(device=device))
    for t, ids in enumerate(CAPTIONS.T):
        log_p, state = model.step(ids, state)
        assert np.allclose(log_p, whole.detach().cpu().numpy()[:, t], atol=1e-5)             # float32


@pytest.mark.parametrize("image", IMAGES)
def test_picked_rows_go_on_as_they_would(image):
    model = captioner(image)
    _, state = model.step(np.array([2, 2, 2]), model.start(images()))
    want, _ = model.step(np.array([5, 6, 7]), state)
    got, _ = model.step(np.array([7, 5]), model.pick(state, np.array([2, 0])))
    assert np.allclose(got, want[[2, 0]], atol=1e-6)


def test_it_learns_four_captions_by_heart_and_writes_them_by_greedy_and_beam_search():
    pics = images(4)
    ids = np.array([[2, 4, 5, 3], [2, 5, 6, 3], [2, 6, 4, 3], [2, 7, 7, 3]])
    model = ShowAndTell(ImageVector(Places(16), 16), 8, bos=2, eos=3, hidden=16, forget_bias=2.0)
    adam = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(200):
        loss = translating.loss(model, pics, None, ids)
        adam.zero_grad()
        loss.backward()
        adam.step()
    want = [row[1:-1].tolist() for row in ids]
    assert translating.greedy(model, pics, most=5) == want == translating.search(model, pics, most=5, beam=3)
    assert translating.greedy(model, images(4)[mg.tensor([1, 0, 3, 2])], most=5) == [want[k] for k in (1, 0, 3, 2)]


# ----- Options and errors

def test_given_word_vectors_are_the_table_and_are_learned_further():
    given = np.arange(24, dtype=np.float64).reshape(8, 3) / 10
    model = ShowAndTell(ImageVector(Places(6), 5), 8, bos=2, eos=3, embedding=given, hidden=7)
    assert np.array_equal(model.embedding.weight.detach().numpy(), given.astype(np.float32))
    translating.loss(model, images(), None, CAPTIONS).backward()
    assert np.abs(model.embedding.weight.grad.numpy()).max() > 0
    with pytest.raises(mg.ShapeError, match=r"8 words need word vectors \(8, E\), not \(7, 3\)."):
        ShowAndTell(None, 8, bos=2, eos=3, embedding=given[:7])


def test_wrong_options_and_captions_are_refused():
    with pytest.raises(ValueError, match="image is one of first, every, init, cell one of rnn, lstm, gru: not 'last'"):
        captioner("last")
    with pytest.raises(mg.ShapeError, match=r"2 pictures cannot share captions \(3, 6\)."):
        captioner()(images(2), None, mg.tensor(CAPTIONS))
