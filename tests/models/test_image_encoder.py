"""The picture's encoder: its equations, what its mean forgets, and that it learns to name things."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.data.shapes import BACKGROUND, Thing, pictures, scenes
from minigrad.models.image_encoder import KINDS, SPREAD, ImageVector, Names, Places, kinds_in


def test_places_are_the_docstrings_equation():
    """Each cell by itself, in loops: two convolutions, layer norm, relu, and where the place is."""
    model = Places(4).to(mg.float64)
    image = np.random.default_rng(0).random((3, 24, 24))
    w, b, w2, b2, gain, shift, where = (p.detach().numpy() for p in (
        model.first.weight, model.first.bias, model.second.weight, model.second.bias, model.norm.weight,
        model.norm.bias, model.where))
    want = np.zeros((9, 4))
    for p in range(9):
        y, x = divmod(p, 3)
        cell = (image[:, 8 * y:8 * y + 8, 8 * x:8 * x + 8] - BACKGROUND) / SPREAD
        inner = np.array([[np.maximum((w * cell[:, 4 * i:4 * i + 4, 4 * j:4 * j + 4]).sum((1, 2, 3)) + b, 0)
                           for j in range(2)] for i in range(2)])                            # (2, 2, 24)
        seen = np.einsum("ijc,ocij->o", inner, w2) + b2
        normal = (seen - seen.mean()) / np.sqrt(seen.var() + 1e-5) * gain + shift
        want[p] = np.maximum(normal, 0) + where[p]
    assert np.allclose(model(mg.tensor(image[None])).detach().numpy()[0], want, atol=1e-12)    # float64


def test_the_mean_of_all_places_forgets_what_is_where_and_the_flat_vector_does_not(device):
    one = (Thing("red", "circle", "small", 0, 0, 1, 2), Thing("blue", "square", "large", 1, 2))
    two = (one[0]._replace(row=1, column=2), one[1]._replace(row=0, column=0))
    images = mg.tensor(pictures([one, two]), device=device)
    mean, flat = (ImageVector(Places(8), 5, pool).to(device)(images).detach().cpu().numpy()
                  for pool in ("mean", "flat"))
    assert np.allclose(mean[0], mean[1], atol=1e-6)              # sums of float32 in another order
    assert np.abs(flat[0] - flat[1]).max() > 1e-2


def test_gradients_agree_with_finite_differences():
    model = ImageVector(Places(4), 3).to(mg.float64)
    images = mg.tensor(np.random.default_rng(1).random((2, 3, 24, 24)), requires_grad=True)
    assert mg.gradcheck(lambda x: model(x).sum(), images)


def test_values_and_gradients_are_the_same_on_every_device(device):
    found = []
    for where in ("cpu", device):
        mg.manual_seed(2)
        model = Names(Places(8)).to(where)
        found_scenes = scenes(np.random.default_rng(3), 6)
        loss = model.loss(mg.tensor(pictures(found_scenes), device=where),
                          mg.tensor(kinds_in(found_scenes), device=where))
        loss.backward()
        found.append([loss.item(), *(p.grad.cpu().numpy() for p in model.parameters())])
    for a, b in zip(*found, strict=True):
        assert np.allclose(a, b, atol=1e-5)                      # float32


def test_kinds_are_those_of_the_scene():
    (row,) = kinds_in([(Thing("red", "circle", "small", 0, 0), Thing("blue", "square", "large", 1, 2))])
    assert {KINDS[k] for k in np.flatnonzero(row)} == {("small", "red", "circle"), ("large", "blue", "square")}


def test_it_learns_to_name_what_is_in_a_picture(rng):
    """On 40 pictures by heart: the loss of an encoder that sees nothing stays at about 0.28."""
    found = scenes(rng, 40)
    model, there, images = Names(Places(16)), mg.tensor(kinds_in(found)), mg.tensor(pictures(found))
    adam = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        loss = model.loss(images, there)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss.item() < 0.06


def test_another_size_or_pool_is_refused_with_what_to_do():
    with pytest.raises(mg.ShapeError) as error:
        Places(4)(mg.tensor(np.zeros((3, 24, 24), np.float32)))
    assert str(error.value).startswith("the encoder takes pictures (B, 3, 24, 24), not (3, 24, 24).")
    assert "one picture is images[None]; its colours come first" in str(error.value)
    with pytest.raises(ValueError, match="pool is 'flat' or 'mean', not 'max'"):
        ImageVector(Places(4), 3, "max")
