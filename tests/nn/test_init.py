"""Initial weights: the numbers that the papers give, PyTorch's gains and bounds, alike on every device."""
from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import MinigradError, ShapeError
from minigrad.nn import init

SHAPES = [(200, 300), (40, 30, 5, 3)]


@pytest.mark.parametrize("name", ["linear", "conv1d", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains_are_pytorchs(name):
    """With and without a slope."""
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.2) == torch.nn.init.calculate_gain("leaky_relu", 0.2)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name, options", [
    ("xavier_uniform_", {"gain": 2.0}), ("xavier_normal_", {}), ("kaiming_uniform_", {"a": 0.3}),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}), ("kaiming_uniform_", {"nonlinearity": "tanh"}),
    ("normal_", {"mean": 0.5, "std": 0.2}), ("uniform_", {"a": -1.0, "b": 3.0})])
def test_a_start_has_pytorchs_mean_and_spread(name, options, shape):
    """The same distribution, not the same numbers: 18,000 and more of them, 4 % apart at most; the same bounds."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    ours = getattr(init, name)(mg.zeros(shape), **options).numpy()
    theirs = getattr(torch.nn.init, name)(torch.zeros(shape), **options).numpy()
    assert ours.std() == pytest.approx(theirs.std(), rel=0.04)
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.04 * float(theirs.std()))
    if "uniform" in name:
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.01)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5), (3, 2, 4)], ids=str)
def test_orthogonal_rows_or_columns_have_the_gain_as_their_length(shape):
    """Of the matrix that a window is flattened to."""
    w = init.orthogonal_(mg.zeros(shape, dtype="float64"), 1.5).numpy().reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 2.25 * np.eye(len(product)), atol=1e-12)


@pytest.mark.parametrize("name", ["xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_",
                                  "orthogonal_"])
def test_every_start_is_alike_on_every_device_and_refuses_vectors(device, name):
    """Drawn on the host; a bias joins no inputs with outputs."""
    mg.manual_seed(4)
    here = getattr(init, name)(mg.zeros(3, 5, device=device)).cpu().numpy()
    mg.manual_seed(4)
    np.testing.assert_array_equal(getattr(init, name)(mg.zeros(3, 5)).numpy(), here)
    with pytest.raises(ShapeError, match=r"\(5,\) has fewer than two axes"):
        getattr(init, name)(mg.zeros(5))


def test_constants_fill(device):
    """Ones, zeros, any value; in the memory that is there."""
    x = mg.randn(2, 2, device=device)
    data = x.data
    for fill, value in ((init.ones_, 1.0), (init.zeros_, 0.0), (lambda t: init.constant_(t, 2.5), 2.5)):
        assert fill(x) is x and x.data is data and x.tolist() == [[value] * 2] * 2


@pytest.mark.parametrize("make", [lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True), lambda: nn.LSTMCell(3, 4)])
def test_the_forget_gates_of_all_layers_start_open(device, make):
    """bias_ih and bias_hh are added: one holds the value, the other 0; the other gates keep theirs."""
    module = nn.Sequential(make().to(device))
    before = {n: p.detach().cpu().numpy().copy() for n, p in module.named_parameters()}
    init.lstm_forget_bias_(module, 2.0)
    count = 0
    for name, p in module.named_parameters():
        want = before[name]
        if "bias" in name:
            want[4:8] = 2.0 if "bias_ih" in name else 0.0
            count += 1
        np.testing.assert_array_equal(p.detach().cpu().numpy(), want)
    assert count in (2, 8)


def test_a_module_without_an_lstm_has_no_forget_gate():
    """A GRU's gates are others: setting a third of its rows would be silent nonsense."""
    for module in (nn.GRU(3, 4), nn.Linear(3, 4), nn.LSTM(3, 4, bias=False)):
        with pytest.raises(MinigradError, match="no LSTM with biases"):
            init.lstm_forget_bias_(module)


def test_unknown_names_are_refused_with_the_choices():
    """The message lists them."""
    with pytest.raises(ValueError, match="leaky_relu, not 'swish'"):
        init.calculate_gain("swish")
    with pytest.raises(ValueError, match="not 'fan_avg'"):
        init.kaiming_normal_(mg.zeros(2, 2), mode="fan_avg")
    assert init.calculate_gain("tanh") == 5 / 3 and math.isclose(init.calculate_gain("relu") ** 2, 2)
