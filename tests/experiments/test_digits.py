"""Télécom, *Handwritten Character Recognition*: what each network sees, how answers form, and the bars."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.data.handwriting import Digits
from minigrad.experiments import harness
from minigrad.experiments._classifying import train
from minigrad.experiments._console import Console
from minigrad.experiments.digits import LABELS, MODELS, after_rows, digits, reading, seen


def context(folder, device="cpu"):
    return harness.Context(folder, 0, False, device, False, Console(quiet=True))


@pytest.fixture
def pictures(rng) -> Digits:
    x, y = rng.random((40, 8, 8)).astype(np.float32), np.arange(40) % 10
    return Digits(x[:30], y[:30], x[30:], y[30:])


def test_each_network_sees_the_rows_that_its_name_says(pictures):
    x, y = pictures.x_train, pictures.y_train
    whole, last, asked = (seen(x, y, name) for name in ("rnn", "last_row", "asked"))
    assert (whole.x == x).all() and (whole.lengths == 8).all() and (whole.y == y).all()
    assert (last.x[:, 0] == x[:, 7]).all() and last.x.shape == (30, 1, 8) and (last.lengths == 1).all()
    assert asked.x.shape == (240, 8, 8) and asked.lengths.reshape(30, 8).tolist() == [list(range(1, 9))] * 30
    assert (asked.x.reshape(30, 8, 8, 8) == x[:, None]).all() and (asked.y.reshape(30, 8) == y[:, None]).all()


class FromRow(nn.Module):
    """It says a picture's digit, written into its first pixel, once it has seen `row` rows, and 0 before."""

    def __init__(self, row: int) -> None:
        self.row = row

    def forward(self, x, lengths=None):
        digit = np.where(lengths >= self.row, np.round(10 * x.numpy()[:, 0, 0]).astype(int), 0)
        return mg.tensor(np.eye(10, dtype=np.float32)[digit])


def test_the_share_after_each_row_is_that_of_the_test_pictures_read_so_far(pictures, tmp_path):
    x = pictures.x_test.copy()
    x[:, 0, 0] = pictures.y_test / 10
    data = pictures._replace(x_test=x)
    got = after_rows(context(tmp_path), FromRow(3), data)
    zeros = (data.y_test == 0).mean()
    assert np.allclose(got, [zeros, zeros, 1, 1, 1, 1, 1, 1])


def test_the_panels_show_pictures_beside_their_probabilities_two_right_and_two_wrong(pictures, tmp_path):
    told = pictures.y_test.copy()
    told[[3, 5, 6]] += 1
    model = MODELS["rnn"][1]()
    panels = reading(context(tmp_path), model, pictures, told)
    assert list(panels)[::2] == [f"{letter}: somebody's {pictures.y_test[k]}"
                                 for letter, k in zip("ABCD", (0, 1, 3, 5), strict=True)]
    assert list(panels)[1::2] == [f"{letter} is read as {told[k]}" for letter, k in zip("ABCD", (0, 1, 3, 5),
                                                                                         strict=True)]
    for (ink, rows, columns), (p, _, names) in zip(list(panels.values())[::2], list(panels.values())[1::2],
                                                   strict=True):
        assert ink.shape == (len(rows), len(columns)) == (8, 8) and p.shape == (8, len(names)) == (8, 10)
        assert np.allclose(p.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_training_gives_the_same_losses_on_every_device(name, device, pictures, tmp_path):
    """The same start and order; sums of float32 in another order differ in the last digits."""
    losses = []
    for where in ("cpu", device):
        ctx = context(tmp_path / where, where)
        train(ctx, "p", MODELS[name][1], seen(pictures.x_train, pictures.y_train, name), rate=1e-2, epochs=3)
        losses.append([v for _, v in ctx.history["p loss"]])
    assert np.allclose(*losses, rtol=1e-3) and losses[0][-1] < losses[0][0]


def test_the_bars_say_no_to_a_network_that_cannot_read_and_to_one_whose_test_is_no_test():
    good = {name: 0.97 if name.startswith("random") else 0.92 for name in LABELS}
    good |= {"random_last_row": 0.5, "ordered_last_row": 0.45}

    def missed(**changed):
        return [v["target"] for v in digits._verdicts({**good, **changed}, quick=False) if v["met"] is False]
    assert not missed()
    for name in ("rnn", "lstm", "bilstm"):
        assert f"random_{name}" in missed(**{f"random_{name}": 0.955})
        assert missed(**{f"ordered_{name}": 0.88}) == [f"ordered_{name}"]
        assert "people" in missed(**{f"ordered_{name}": 0.96})[0]
    assert missed(random_last_row=0.9) == ["random_last_row"]


@pytest.mark.proof
def test_three_seeds_read_the_digits_row_by_row(tmp_path, proof_record):
    pytest.importorskip("sklearn")
    record = digits.execute([0, 1, 2], out=tmp_path, console=Console(quiet=True))
    proof_record("digits", {k: record[k] for k in ("slide", "seeds", "device", "results", "spread", "values",
                                                   "seconds_per_seed", "targets")})
    assert harness.met(record), record["targets"]
