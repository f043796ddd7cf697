"""Networks that read films: their equations, what they cannot see, and sizes that they refuse."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import ShapeError
from minigrad.models.video import FilmReader, FrameEncoder, FramesAlone, NextFrame
from minigrad.nn import functional as F
from minigrad.nn.conv_lstm import conv_lstm_step

SIZE, T = 6, 5


def values(tensor):
    return tensor.detach().cpu().numpy()


def film(rng, B=2, size=SIZE):
    return rng.normal(size=(B, T, size, size))


@pytest.mark.parametrize("make", [
    lambda: FilmReader(SIZE, 3), lambda: FilmReader(SIZE, 3, every_frame=True), lambda: FramesAlone(SIZE, 3),
    lambda: FramesAlone(SIZE, 3, every_frame=True, back=2), NextFrame, lambda: NextFrame(memory=False)],
    ids=["whole", "frames", "mean", "two", "next", "next alone"])
def test_every_device_gives_the_same_scores_and_gradients(make, device, rng):
    x, model, found = film(rng).astype(np.float32), make(), []
    for where in ("cpu", device):
        model.to(where).zero_grad()
        scores = model(mg.tensor(x, device=where))
        (scores * scores).sum().backward()
        found.append([values(scores), *[p.grad.cpu().numpy() for p in model.parameters()]])
    for a, b in zip(*found, strict=True):
        assert np.allclose(a, b, atol=1e-4 * np.abs(b).max())              # float32 in another order
    idle = {name for name, p in model.named_parameters() if not p.grad.cpu().numpy().any()}
    assert idle == ({"layer.weight_hh_l0"} if "memory" in vars(model) and not model.memory else set())


def test_the_encoder_is_its_equation_frame_by_frame(rng):
    """K * x_t by the definition of a convolution, the pool as a maximum over blocks of 2 x 2."""
    model, x = FrameEncoder(SIZE, channels=3, width=4).to(mg.float64), film(rng, 1)
    kernel, bias = values(model.see.weight), values(model.see.bias)
    got = values(model(mg.tensor(x)))[0]
    for t in range(T):
        around = np.pad(x[0, t], 1)
        seen = np.array([[[(k * around[r:r + 3, c:c + 3]).sum() for c in range(SIZE)] for r in range(SIZE)]
                         for k in kernel[:, 0]]) + bias[:, None, None]
        pooled = np.maximum(seen, 0).reshape(3, SIZE // 2, 2, SIZE // 2, 2).max((2, 4))
        want = np.tanh(values(model.dense.weight) @ pooled.ravel() + values(model.dense.bias))
        assert np.allclose(got[t], want, atol=1e-13)           # float64, sums of 27 products


def test_a_film_is_read_by_its_last_state_and_frames_by_each(rng):
    whole, each = FilmReader(SIZE, 3).to(mg.float64), FilmReader(SIZE, 3, every_frame=True).to(mg.float64)
    each.load_state_dict(whole.state_dict())
    x = mg.tensor(film(rng))
    assert whole(x).shape == (2, 3) and each(x).shape == (2, T, 3)
    assert np.allclose(values(whole(x)), values(each(x))[:, -1], atol=1e-14)
    h, _ = whole.reader.layer(whole.encoder(x))
    want = values(h)[:, -1] @ values(whole.reader.read.weight).T + values(whole.reader.read.bias)
    assert np.allclose(values(whole(x)), want, atol=1e-14)


def test_a_label_of_a_frame_does_not_know_the_frames_after_it(rng):
    model, x = FilmReader(SIZE, 3, every_frame=True).to(mg.float64), film(rng)
    other = np.concatenate([x[:, :3], film(rng)[:, 3:]], 1)
    a, b = (values(model(mg.tensor(films))) for films in (x, other))
    assert np.allclose(a[:, :3], b[:, :3], atol=1e-14) and not np.allclose(a[:, 3:], b[:, 3:])


def test_the_mean_of_frames_says_the_same_of_a_film_backwards_and_the_reader_does_not(rng):
    x = film(rng)
    for model, alike in ((FramesAlone(SIZE, 2), True), (FramesAlone(SIZE, 2, back=2), False),
                         (FilmReader(SIZE, 2), False)):
        a, b = (values(model.to(mg.float64)(mg.tensor(films))) for films in (x, x[:, ::-1].copy()))
        assert np.allclose(a, b, atol=1e-13) == alike


@pytest.mark.parametrize("back", [1, 2, 3])
def test_frames_alone_see_as_many_frames_as_they_say(back, rng):
    """A change of frame 0 is seen in the scores of frames 0 ... back - 1, and in no later one."""
    model, x = FramesAlone(SIZE, 3, every_frame=True, back=back).to(mg.float64), film(rng)
    other = x.copy()
    other[:, 0] += 1
    changed = (values(model(mg.tensor(x))) != values(model(mg.tensor(other)))).any((0, 2))
    assert changed.tolist() == [t < back for t in range(T)]


def test_the_next_frame_is_read_from_the_state_of_each_step(rng):
    model, x = NextFrame(3).to(mg.float64), film(rng)
    weights = [getattr(model.layer, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    h = c = mg.zeros(2, 3, SIZE, SIZE, dtype=mg.float64)
    got = values(model(mg.tensor(x)))
    for t in range(T):
        h, c = conv_lstm_step(mg.tensor(x[:, t:t + 1]), h, c, *weights)
        want = values(F.conv2d(h, model.read.weight, model.read.bias, padding=1))[:, 0]
        assert np.allclose(got[:, t], want, atol=1e-13)


def test_without_memory_the_next_frame_depends_on_one_frame_alone(rng):
    x = film(rng)
    other = x.copy()
    other[:, 0] += 1
    for memory in (True, False):
        model = NextFrame(3, memory).to(mg.float64)
        later = [values(model(mg.tensor(films)))[:, 1:] for films in (x, other)]
        assert np.array_equal(*later) != memory


def test_convolutional_weights_move_with_the_picture_and_fit_any_size(rng):
    """A film moved by two pixels has scores moved by two, away from the borders: 3 x 3 three times a step, 2 steps."""
    model = NextFrame(3).to(mg.float64)
    x = np.zeros((1, 2, 24, 24))
    x[:, :, 10:13, 10:13] = rng.normal(size=(1, 2, 3, 3))
    a, b = (values(model(mg.tensor(films)))[..., 6:18, 8:16] for films in (x, np.roll(x, 2, -1)))
    assert np.allclose(a[..., :-2], b[..., 2:], atol=1e-13) and not np.allclose(a, b)
    assert model(mg.zeros(1, 2, 9, 11, dtype=mg.float64)).shape == (1, 2, 9, 11)


@pytest.mark.parametrize("make, shape, fix", [
    (lambda: FilmReader(SIZE, 3), (2, T, 5, SIZE), r"\(B, T, 6, 6\)"),
    (lambda: FramesAlone(SIZE, 3), (2, SIZE, SIZE), r"\(B, T, 6, 6\)"),
    (NextFrame, (2, T, 1, SIZE, SIZE), r"\(B, T, height, width\)"),
    (NextFrame, (2, 0, SIZE, SIZE), r"\(B, T, height, width\)")], ids=["size", "no batch", "channels", "no frame"])
def test_films_of_another_form_are_refused(make, shape, fix):
    with pytest.raises(ShapeError, match=rf"cannot read(.|\n)*films are {fix}"):
        make()(mg.zeros(*shape))
