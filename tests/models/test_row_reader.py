"""A picture read row by row: the equation, rows that are not seen, and the picture at once."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models.row_reader import RowReader, WholePicture
from minigrad.nn import functional as F


def test_it_is_the_equation_over_the_rows(rng):
    """h_t = tanh(W_x x_t + W_h h_(t-1) + b), scores = W h_8 + b: float64, written out; rows, not columns."""
    model = RowReader(hidden=5).to(mg.float64)
    w_x, w_h, b_x, b_h, w, b = (p.detach().numpy() for p in model.parameters())
    pictures = rng.random((2, 8, 8))
    for picture, scores in zip(pictures, model(mg.tensor(pictures)).detach().numpy(), strict=True):
        h = np.zeros(5)
        for row in picture:
            h = np.tanh(w_x @ row + b_x + w_h @ h + b_h)
        assert np.allclose(scores, w @ h + b, atol=1e-14)


@pytest.mark.parametrize("options", [{}, {"cell": "lstm"}, {"cell": "gru", "bidirectional": True}, {"reading": "max"}],
                         ids=str)
def test_rows_beyond_the_length_are_not_seen(options, rng, device):
    model = RowReader(hidden=5, **options).to(device)
    x = rng.random((3, 8, 8)).astype(np.float32)
    got = model(mg.tensor(x, device=device), np.array([8, 3, 1])).detach().cpu().numpy()
    for k, n in enumerate((8, 3, 1)):
        assert np.allclose(got[k], model(mg.tensor(x[k:k + 1, :n], device=device)).detach().cpu().numpy()[0], atol=1e-6)
    assert got.shape == (3, 10)


def test_the_picture_at_once_is_one_linear_layer(rng):
    model, x = WholePicture().to(mg.float64), rng.random((2, 8, 8))
    w, b = (p.detach().numpy() for p in model.parameters())
    assert np.allclose(model(mg.tensor(x)).detach().numpy(), x.reshape(2, 64) @ w.T + b, atol=1e-14)


def test_training_gives_the_same_gradients_on_every_device(device, rng):
    """The same start; sums of float32 in another order."""
    x, grads = rng.random((3, 8, 8)).astype(np.float32), []
    for where in ("cpu", device):
        mg.manual_seed(2)
        model = RowReader(hidden=6).to(where)
        F.cross_entropy(model(mg.tensor(x, device=where)), mg.tensor([3, 1, 4], device=where)).backward()
        grads.append([p.grad.cpu().numpy() for p in model.parameters()])
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(*grads, strict=True))


@pytest.mark.parametrize("options, text", [({"cell": "mdlstm"}, "cell is one of rnn, lstm, gru, not 'mdlstm'"),
                                           ({"reading": "sum"}, "reading is one of last, mean, max, not 'sum'")])
def test_another_cell_or_reading_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        RowReader(**options)
