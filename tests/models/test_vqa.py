"""Readers of questions: their equations, that both sides enter, and that padding does not."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.data.questions import ANSWERS, WORDS, questions
from minigrad.data.shapes import pictures, scenes
from minigrad.models.image_encoder import ImageVector, Places
from minigrad.models.vqa import VQA, AttentiveVQA, answers_of, best_of, looks_at_named
from minigrad.nn import functional as F

QUESTIONS, LENGTHS = np.array([[2, 5, 6, 7], [2, 4, 3, 0], [2, 6, 0, 0]]), np.array([4, 3, 2])


def reader(kind, device="cpu"):
    if kind == "full":
        return AttentiveVQA(Places(6), 8, 4, embedding=4, hidden=5).to(device)
    return VQA(None if kind == "question" else ImageVector(Places(6), 5), 8, 4, embedding=4, hidden=5,
               reads=kind != "picture").to(device)


def images(count=3, device="cpu", dtype=np.float32):
    return mg.tensor(pictures(scenes(np.random.default_rng(1), count)).astype(dtype), device=device)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(p, xs):
    """h after the last of xs, by `lstm_step`'s equations in NumPy."""
    h = c = np.zeros(p["layer.weight_hh_l0"].shape[1])
    for x in xs:
        i, f, g, o = np.split(p["layer.weight_ih_l0"] @ x + p["layer.bias_ih_l0"] + p["layer.weight_hh_l0"] @ h
                              + p["layer.bias_hh_l0"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def test_the_slides_form_reads_the_picture_beside_each_word():
    model = reader("vector").to(mg.float64)
    p = {name: value.numpy() for name, value in model.state_dict().items()}
    v = model.encoder(images(dtype=np.float64)).detach().numpy()
    scores = model(images(dtype=np.float64), mg.tensor(QUESTIONS), LENGTHS).detach().numpy()
    for row, (words, length) in enumerate(zip(QUESTIONS, LENGTHS, strict=True)):
        h = lstm(p, [np.concatenate([p["embedding.weight"][word], v[row]]) for word in words[:length]])
        assert np.allclose(scores[row], p["read.weight"] @ h + p["read.bias"], atol=1e-12)


def test_the_full_model_is_the_docstrings_equations():
    model = reader("full").to(mg.float64)
    p = {name: value.numpy() for name, value in model.state_dict().items()}
    a = model.places(images(dtype=np.float64)).detach().numpy()
    scores = model(images(dtype=np.float64), mg.tensor(QUESTIONS), LENGTHS).detach().numpy()
    looks = model.attention(images(dtype=np.float64), QUESTIONS)
    for row, (words, length) in enumerate(zip(QUESTIONS, LENGTHS, strict=True)):
        xs = []
        for t, word in enumerate(words[:length]):
            x = p["embedding.weight"][word]
            e = a[row] @ (p["query.weight"] @ x + p["query.bias"]) / np.sqrt(6)
            alpha = np.exp(e) / np.exp(e).sum()
            assert np.allclose(looks[row, t], alpha, atol=1e-12)
            xs.append(np.concatenate([x, alpha @ a[row]]))
        h = lstm(p, xs)
        counted = (p["gate.weight"] @ h + p["gate.bias"]) * a[row].mean(0)
        assert np.allclose(scores[row], p["read.weight"] @ np.concatenate([h, counted]) + p["read.bias"], atol=1e-12)


@pytest.mark.parametrize("kind, sees, reads", [("question", False, True), ("picture", True, False),
                                               ("vector", True, True), ("full", True, True)])
def test_picture_and_question_enter_where_they_should_and_nowhere_else(kind, sees, reads, device):
    model, turned = reader(kind, device), mg.tensor([1, 2, 0], device=device)
    ids = mg.tensor(QUESTIONS, device=device)
    scores = model(images(device=device), ids, LENGTHS).detach().cpu().numpy()
    pictures_turned = model(images(device=device)[turned], ids, LENGTHS).detach().cpu().numpy()
    words_turned = model(images(device=device), ids[turned], LENGTHS[[1, 2, 0]]).detach().cpu().numpy()
    assert (np.abs(scores - pictures_turned).max() > 1e-4) == sees
    assert (np.abs(scores - words_turned).max() > 1e-4) == reads


@pytest.mark.parametrize("kind", ["question", "vector", "full"])
def test_padding_behind_a_question_does_not_enter(kind):
    model, other = reader(kind), QUESTIONS.copy()
    other[1, 3], other[2, 2:] = 5, 7
    a, b = (model(images(), mg.tensor(ids), LENGTHS).detach().numpy() for ids in (QUESTIONS, other))
    assert np.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("kind", ["vector", "full"])
def test_losses_and_gradients_are_finite_and_the_same_on_every_device(kind, device):
    found = []
    for where in ("cpu", device):
        mg.manual_seed(5)
        model = reader(kind, where)
        loss = F.cross_entropy(model(images(device=where), mg.tensor(QUESTIONS, device=where), LENGTHS),
                               mg.tensor(np.array([0, 3, 2]), device=where))
        loss.backward()
        found.append([loss.item(), *(p.grad.cpu().numpy() for p in model.parameters())])
    for a, b in zip(*found, strict=True):
        assert np.isfinite(a).all() and np.allclose(a, b, atol=1e-5)


def test_looks_sum_to_one_over_places():
    looks = reader("full").attention(images(), QUESTIONS)
    assert looks.shape == (3, 4, 9) and np.allclose(looks.sum(-1), 1, atol=1e-6)


def test_answers_are_numbers_of_answers_one_for_each_question(rng):
    (asked,) = questions(rng, 1)
    said = answers_of(AttentiveVQA(Places(6), len(WORDS), len(ANSWERS)), asked)
    assert said.shape == asked.answers.shape and set(said) <= set(range(len(ANSWERS)))


def test_looks_at_the_named_thing_are_counted_and_others_are_not(rng):
    (asked,) = questions(rng, 1)
    looks = np.zeros((*asked.ids.shape, 9))
    for k, (text, at) in enumerate(zip(asked.texts, asked.picture, strict=True)):
        for it in asked.scenes[at]:
            if it.shape == text.split()[-1]:
                looks[k, asked.lengths[k] - 1, 3 * it.row + it.column] = 1
    assert looks_at_named(looks, asked) == 1
    assert looks_at_named(np.roll(looks, 1, -1), asked) == 0


def test_the_best_of_a_value_is_its_commonest_answer():
    assert best_of(np.array([7, 7, 7, 1]), np.array([2, 3, 3, 0])).tolist() == [3, 3, 3, 0]
