"""One vector from all steps: what stands behind an example's end counts for nothing, whoever reads it."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.models.over_time import READINGS, last_state, pooled, prefixes, real, summary

LENGTHS = np.array([3, 5, 1, 5])


def by_hand(h: np.ndarray, lengths: np.ndarray, reading: str) -> np.ndarray:
    """A loop over the examples, each cut to its length."""
    read = {"last": lambda a: a[-1], "mean": lambda a: a.mean(0), "max": lambda a: a.max(0)}[reading]
    return np.stack([read(example[:n]) for example, n in zip(h, lengths, strict=True)])


@pytest.fixture
def h(rng) -> np.ndarray:
    """Steps (4, 5, 3), with values behind the ends that would win each maximum and spoil each mean."""
    h = rng.normal(size=(4, 5, 3))
    h[np.arange(5) >= LENGTHS[:, None]] = 1e3
    return h


# ----- pooled

@pytest.mark.parametrize("reading", READINGS)
def test_each_example_is_read_up_to_its_own_end(reading, h, device):
    got = pooled(mg.tensor(h, device=device), LENGTHS, reading)
    assert got.device.name == device and np.allclose(got.cpu().numpy(), by_hand(h, LENGTHS, reading), atol=1e-15)


@pytest.mark.parametrize("wrong", [
    lambda h: h[:, -1], lambda h: h.mean(1), lambda h: h.max(1), lambda h: h.sum(1) / LENGTHS[:, None],
    lambda h: (h * (np.arange(5) < LENGTHS[:, None])[..., None]).mean(1)],
    ids=["padded end", "padding counted", "largest of the padding", "padding in the sum", "divided by T"])
def test_the_readings_that_students_write_differ_here(wrong, h):
    """The case above must be able to say no to each of them."""
    assert not any(np.allclose(wrong(h), by_hand(h, LENGTHS, reading)) for reading in READINGS)


@pytest.mark.parametrize("reading", READINGS)
def test_without_lengths_all_steps_are_read(reading, h):
    full = np.full(4, 5)
    want = by_hand(h, full, reading)
    for lengths in (None, full, mg.tensor(full)):
        assert np.allclose(pooled(mg.tensor(h), lengths, reading).numpy(), want)


@pytest.mark.parametrize("reading", READINGS)
def test_not_even_nan_behind_an_end_changes_a_value_or_a_gradient(reading, h, device):
    found = []
    for junk in (0.0, np.nan):
        h[np.arange(5) >= LENGTHS[:, None]] = junk
        x = mg.tensor(h, device=device, requires_grad=True)
        y = pooled(x, LENGTHS, reading)
        (y * y).sum().backward()
        found.append((y.detach().cpu().numpy(), x.grad.cpu().numpy()))
    for a, b in zip(*found, strict=True):
        assert np.array_equal(a, b)
    assert (found[0][1][np.arange(5) >= LENGTHS[:, None]] == 0).all()


@pytest.mark.parametrize("reading", READINGS)
def test_its_gradient_is_that_of_central_differences(reading, rng):
    x = mg.tensor(rng.normal(size=(4, 5, 3)), requires_grad=True)
    assert mg.gradcheck(lambda x: pooled(x, LENGTHS, reading), x)


def test_the_type_of_the_steps_is_kept(rng):
    """A mean that divided by int64 lengths would be float64."""
    for reading in READINGS:
        assert pooled(mg.tensor(rng.normal(size=(4, 5, 3)).astype(np.float32)), LENGTHS, reading).dtype == np.float32


def test_real_steps_are_those_before_the_end(device):
    mask = real(mg.zeros(2, 3, 4, device=device), np.array([2, 3]))
    assert mask.shape == (2, 3, 1) and mask.cpu().numpy()[..., 0].tolist() == [[True, True, False], [True] * 3]


@pytest.mark.parametrize("lengths", [np.array([1, 2]), np.array([0, 1, 1, 1]), np.array([1, 1, 1, 6]), np.ones(4)],
                         ids=["two", "none", "too long", "floats"])
def test_lengths_that_do_not_fit_are_named(lengths, h):
    with pytest.raises(mg.ShapeError) as caught:
        pooled(mg.tensor(h), lengths, "mean")
    text = str(caught.value)
    assert f"lengths {lengths.tolist()} do not fit steps of (4, 5, 3)." in text
    assert text.endswith("fix    : (4,) integers, each from 1 to 5")


def test_another_reading_is_refused(h):
    with pytest.raises(ValueError, match="reading is one of last, mean, max, not 'first'"):
        pooled(mg.tensor(h), None, "first")


# ----- Recurrent layers

def test_the_last_state_is_pytorchs_h_n_of_packed_sequences(rng):
    """Of the top layer, of both directions; float64, so only the order of sums differs."""
    torch = pytest.importorskip("torch")
    for cell, layers, two in (("RNN", 1, False), ("LSTM", 1, True), ("GRU", 2, True), ("LSTM", 2, False)):
        mine = getattr(nn, cell)(3, 4, layers, batch_first=True, bidirectional=two).to(mg.float64)
        theirs = getattr(torch.nn, cell)(3, 4, layers, batch_first=True, bidirectional=two).double()
        theirs.load_state_dict({k: torch.tensor(v) for k, v in mine.state_dict().items()})
        x = rng.normal(size=(4, 5, 3))
        packed = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(x), LENGTHS, True, enforce_sorted=False)
        state = theirs(packed)[1]
        h_n = state[0] if cell == "LSTM" else state
        want = torch.cat(list(h_n[-1 - two:]), -1).detach().numpy()
        assert np.allclose(last_state(mine, mg.tensor(x), LENGTHS).detach().numpy(), want, atol=1e-12)
        assert (summary(mine, mg.tensor(x), LENGTHS).detach().numpy() ==
                last_state(mine, mg.tensor(x), LENGTHS).detach().numpy()).all()


def test_the_reverse_direction_is_read_at_its_last_step_which_is_the_first_word(rng):
    """The output at the last step holds a reverse state that has seen one word: a common mistake, and another value."""
    layer = nn.GRU(3, 4, batch_first=True, bidirectional=True)
    x = mg.tensor(rng.normal(size=(2, 5, 3)).astype(np.float32))
    out = layer(x)[0].detach().numpy()
    got = last_state(layer, x).detach().numpy()
    assert np.allclose(got, np.concatenate([out[:, -1, :4], out[:, 0, 4:]], -1)) and not np.allclose(got, out[:, -1])


@pytest.mark.parametrize("reading", READINGS)
def test_a_summary_is_that_of_each_example_alone(reading, rng, device):
    """float32, one example or four: sums in another order."""
    layer = nn.LSTM(3, 4, batch_first=True, bidirectional=True).to(device)
    x = rng.normal(size=(4, 5, 3)).astype(np.float32)
    got = summary(layer, mg.tensor(x, device=device), LENGTHS, reading).detach().cpu().numpy()
    for k, n in enumerate(LENGTHS):
        alone = summary(layer, mg.tensor(x[k:k + 1, :n], device=device), None, reading).detach().cpu().numpy()
        assert np.allclose(got[k], alone[0], atol=1e-6)


# ----- prefixes

def test_the_answers_after_each_step_are_those_for_the_beginnings(rng, device):
    class Reader(nn.Module):
        def __init__(self):
            self.layer, self.read, self.drop = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2), nn.Dropout(0.5)

        def forward(self, x, lengths=None):
            return self.read(self.drop(summary(self.layer, x, lengths)))
    model, x = Reader().to(device), rng.normal(size=(1, 6, 3)).astype(np.float32)
    told = prefixes(model, mg.tensor(x, device=device))
    assert told.shape == (6, 2) and np.allclose(told.sum(-1), 1) and model.training
    model.eval()
    for t in range(1, 7):
        scores = model(mg.tensor(x[:, :t], device=device)).detach().cpu().numpy()[0]
        assert np.allclose(told[t - 1], np.exp(scores) / np.exp(scores).sum(), atol=1e-6)


def test_a_batch_has_no_single_sequence_to_follow(rng):
    with pytest.raises(mg.ShapeError) as caught:
        prefixes(nn.Linear(3, 2), mg.zeros(2, 4, 3))
    assert str(caught.value).startswith("prefixes follows one sequence, not the 2 of (2, 4, 3).")
    assert str(caught.value).endswith("fix    : x[k:k + 1]")
