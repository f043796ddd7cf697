"""Positional encodings against their formula, and what makes them useful: a shift is a linear map."""
from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn.positions import PositionalEncoding, sinusoidal


def formula(p: int, column: int, d: int, layout: str, freq: str) -> float:
    """One entry, as the paper prints it, or the deck draws it."""
    i = column // 2 if layout == "interleaved" else column % (d // 2)
    sine = column % 2 == 0 if layout == "interleaved" else column < d // 2
    angle = p / 10000 ** (2 * i / d) if freq == "paper" else p * math.exp(-i * math.log(10000) / (d / 2 - 1))
    return math.sin(angle) if sine else math.cos(angle)


@pytest.mark.parametrize("freq", ["paper", "tensor2tensor"])
@pytest.mark.parametrize("layout", ["interleaved", "halves"])
def test_every_entry_is_the_formulas(layout, freq):
    """Column, frequency and function: an exponent of 2 (2i) / d, or sines where cosines belong, shows here."""
    got = sinusoidal(20, 12, layout, freq)
    want = [[formula(p, c, 12, layout, freq) for c in range(12)] for p in range(20)]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-13)


def test_the_decks_figure_has_sines_on_the_left_and_cosines_on_the_right():
    """Télécom, *Positional Encoding (2)*: 20 words, 512 features; the first word is 0 left and 1 right."""
    pe = sinusoidal(20, 512, layout="halves")
    assert pe.shape == (20, 512)
    np.testing.assert_array_equal(pe[0], [0.0] * 256 + [1.0] * 256)


@pytest.mark.parametrize("freq", ["paper", "tensor2tensor"])
def test_moving_by_k_places_is_one_linear_map_for_all_places(freq):
    """PE(p + k) = M PE(p) with M of rotations, found from d places and true at all others: why the paper chose it."""
    d, k = 16, 7
    pe = sinusoidal(200, d, freq=freq)
    M = np.zeros((d, d))
    for i, (s, c) in enumerate(pe[k].reshape(-1, 2)):                  # sin and cos of k w_i
        M[2 * i:2 * i + 2, 2 * i:2 * i + 2] = [[c, s], [-s, c]]
    np.testing.assert_allclose(pe[:-k] @ M.T, pe[k:], rtol=0, atol=1e-12)


def test_tensor2tensor_reaches_the_slowest_frequency_exactly():
    """10000^-1 at the last pair, where the paper's formula stops one step before it."""
    pe = sinusoidal(2, 8, "halves", "tensor2tensor")
    assert pe[1, 3] == pytest.approx(math.sin(1e-4), rel=1e-12)
    assert sinusoidal(2, 8, "halves")[1, 3] == pytest.approx(math.sin(1e-3), rel=1e-12)


def test_no_two_places_are_alike():
    """A period shorter than the longest sequence would name two places by one vector."""
    pe = sinusoidal(2000, 32)
    assert len(np.unique(pe.round(6), axis=0)) == 2000


def test_an_odd_width_or_an_unknown_word_is_refused():
    """The error says what to write."""
    with pytest.raises(mg.ShapeError, match="positions of width 7 leave one alone.*\n.*an even width"):
        sinusoidal(4, 7)
    with pytest.raises(ValueError, match="layout is 'interleaved' or 'halves', not 'sideways'"):
        sinusoidal(4, 8, "sideways")
    with pytest.raises(ValueError, match="freq is 'paper' or 'tensor2tensor', not 'fast'"):
        sinusoidal(4, 8, freq="fast")
    with pytest.raises(ValueError, match="kind is 'sinusoidal' or 'learned', not 'none'"):
        PositionalEncoding(8, 4, "none")


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_the_module_adds_the_vectors_of_its_places(kind, device, rng):
    """From any start: decoding with a cache asks for one place at a time."""
    layer = PositionalEncoding(8, 10, kind).to(device)
    x = mg.tensor(rng.standard_normal((2, 6, 8)).astype(np.float32), device=device)
    whole = layer(x, start=3).detach().cpu().numpy()
    table = layer.weight.detach().cpu().numpy()
    np.testing.assert_allclose(whole, x.cpu().numpy() + table[3:9], rtol=1e-6)
    steps = [layer(x[:, t:t + 1], start=3 + t).detach().cpu().numpy() for t in range(6)]
    np.testing.assert_array_equal(np.concatenate(steps, 1), whole)


def test_only_learned_positions_are_trained_and_saved(device):
    """A sinusoidal table is a formula: a state saved with one length loads into another."""
    assert list(PositionalEncoding(8, 10).state_dict()) == [] == list(PositionalEncoding(8, 10).parameters())
    layer = PositionalEncoding(8, 10, "learned").to(device)
    assert list(layer.state_dict()) == ["weight"]
    layer(mg.zeros(2, 3, 8, device=device), start=4).sum().backward()
    used = np.zeros(10)
    used[4:7] = 2.0                            # two examples each
    np.testing.assert_array_equal(layer.weight.grad.cpu().numpy(), np.repeat(used[:, None], 8, 1))
    assert 0.01 < float(np.std(layer.weight.detach().cpu().numpy())) < 0.03


def test_dropout_is_of_the_sum_and_in_training_only(rng):
    """The paper drops the sum of embedding and position."""
    layer, x = PositionalEncoding(64, 50, dropout=0.5), mg.ones(4, 50, 64)
    thinned = layer(x).numpy()
    assert 0.45 < (thinned == 0).mean() < 0.55
    plain = layer.eval()(x).numpy()
    np.testing.assert_allclose(thinned[thinned != 0], 2 * plain[thinned != 0], rtol=1e-6)


def test_a_place_beyond_the_longest_is_refused():
    """The error says how many there are, and how many are needed; a wrong width says both."""
    layer = PositionalEncoding(8, 10)
    with pytest.raises(mg.ShapeError, match=r"places 6 \.\.\. 11 are asked for, and there are 10(.|\n)*longest=12"):
        layer(mg.zeros(1, 6, 8), start=6)
    with pytest.raises(mg.ShapeError, match=r"width 8 cannot be added to \(1, 6, 4\)(.|\n)*x is \(B, T, 8\)"):
        layer(mg.zeros(1, 6, 4))
