"""Encoder and reader by self-attention: order, padding, causality, weights of each head; the average beside them."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models.attention_reader import AttentionReader, BagOfWords, mean_of_words
from minigrad.models.word_encoder import POSITIONS, WordEncoder

LENGTHS = np.array([6, 4, 1])


@pytest.fixture
def words(rng):
    ids = rng.integers(1, 9, (3, 6))
    ids[np.arange(6) >= LENGTHS[:, None]] = 0
    return ids


def encoder(device="cpu", **options):
    return WordEncoder(9, d_model=16, heads=2, longest=12, **options).to(device).eval()


def states(model, ids, lengths=None):
    device = model.embedding.weight.device
    return model(mg.tensor(ids, device=device), lengths).detach().cpu().numpy()


@pytest.mark.parametrize("positions", [*POSITIONS, None])
def test_only_without_positions_a_sentence_is_a_set(positions, words, rng):
    """A permutation of the words permutes the states, and does nothing else; with positions it does."""
    model, order = encoder(positions=positions), rng.permutation(6)
    same = np.allclose(states(model, words[:1])[:, order], states(model, words[:1, order]), atol=1e-5)
    assert same == (positions is None)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_padding_changes_no_state_of_a_real_word(norm, words, device):
    model, noise = encoder(device, norm=norm), words.copy()
    noise[np.arange(6) >= LENGTHS[:, None]] = 5
    one, two = states(model, words, LENGTHS), states(model, np.pad(noise, ((0, 0), (0, 2))), LENGTHS)[:, :6]
    real = np.arange(6) < LENGTHS[:, None]
    assert np.allclose(one[real], two[real], atol=1e-5)
    assert np.allclose(one[1, :4], states(model, words[1:2, :4])[0], atol=1e-5)


def test_a_causal_encoder_sees_no_later_word_and_a_usual_one_does(words):
    changed = words.copy()
    changed[:, 4:] = 7
    for causal in (True, False):
        model = encoder(causal=causal)
        assert np.allclose(states(model, words)[:, :4], states(model, changed)[:, :4], atol=1e-5) == causal


@pytest.mark.parametrize("causal", [True, False])
def test_weights_are_shares_of_what_each_word_may_see(causal, words, device):
    model = encoder(device, causal=causal, layers=3)
    weights = model.weights(words, LENGTHS)
    assert weights.shape == (3, 3, 2, 6, 6)                                    # B, layers, heads, T, T
    assert np.allclose(weights.sum(-1), 1, atol=1e-6)
    for b, n in enumerate(LENGTHS):
        assert not weights[b, :, :, :, n:].any()
    later = np.triu(np.ones((6, 6), bool), 1)
    assert (weights[..., later] == 0).all() == causal
    assert not np.allclose(weights[0, 0, 0], weights[0, 0, 1], atol=1e-3)      # heads are not averaged


def test_weights_are_those_of_the_softmax_by_hand(words):
    """Layer 1, written out: softmax(q k^T / sqrt d) for each head, float64."""
    model = encoder().to(mg.float64)
    attention = model.stack.layers[0].self_attn
    x = model.embed(mg.tensor(words[:1])).detach().numpy()[0]
    w, b = attention.in_proj_weight.detach().numpy(), attention.in_proj_bias.detach().numpy()
    q, k, _ = np.split(x @ w.T + b, 3, axis=1)
    for head in range(2):
        some = slice(8 * head, 8 * head + 8)
        e = np.exp(q[:, some] @ k[:, some].T / np.sqrt(8))
        assert np.allclose(model.weights(words[:1])[0, 0, head], e / e.sum(1, keepdims=True), atol=1e-12)


def test_layers_do_not_start_as_copies_of_one():
    one, two = encoder().stack.layers
    assert not np.allclose(one.linear1.weight.detach().numpy(), two.linear1.weight.detach().numpy())


def test_a_question_about_a_word_is_answered_from_its_state_and_one_about_the_sentence_from_the_mean(words, device):
    model = AttentionReader(9, 4, d_model=16, heads=2).to(device).eval()
    ids, at = mg.tensor(words, device=device), np.array([2, 3, 0])
    h = states(model.encoder, words, LENGTHS)
    w, b = model.read.weight.detach().cpu().numpy(), model.read.bias.detach().cpu().numpy()
    assert np.allclose(model(ids, LENGTHS, at).detach().cpu().numpy(), h[np.arange(3), at] @ w.T + b, atol=1e-5)
    means = np.array([row[:n].mean(0) for row, n in zip(h, LENGTHS, strict=True)])
    assert np.allclose(model(ids, LENGTHS).detach().cpu().numpy(), means @ w.T + b, atol=1e-5)


def test_a_mean_counts_no_padding():
    h = mg.tensor(np.array([[[1.0], [3.0], [100.0]], [[2.0], [4.0], [6.0]]]))
    assert mean_of_words(h, np.array([2, 3])).numpy().tolist() == [[2.0], [4.0]]


def test_an_average_of_vectors_knows_no_order(words, rng):
    model = BagOfWords(9, 4)
    a, b = (model(mg.tensor(ids), np.array([6])).detach().numpy() for ids in (words[:1], words[:1, rng.permutation(6)]))
    assert np.allclose(a, b, atol=1e-6)
    other = words[:1].copy()
    other[0, 0] = 1 + other[0, 0] % 8
    assert not np.allclose(a, model(mg.tensor(other), np.array([6])).detach().numpy(), atol=1e-4)


def test_other_positions_and_lengths_are_refused(words):
    with pytest.raises(ValueError, match="positions are 'sinusoidal', 'halves', 'learned' or None, not 'rotary'"):
        encoder(positions="rotary")
    with pytest.raises(ValueError, match="norm is 'post' or 'pre', not 'first'"):
        encoder(norm="first")
    with pytest.raises(mg.ShapeError, match="3 sentences of up to 6 words cannot have lengths"):
        states(encoder(), words, np.array([6, 7, 1]))
