"""Gradient flow: the numbers behind the picture, and that it says what it cannot see."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, viz

pytest.importorskip("matplotlib")


def test_the_norm_of_a_parameter_is_that_of_its_gradient(device):
    """And a parameter that the loss does not reach has none, which is not 0."""
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    model.to(device)
    loss = (model[0](mg.ones(4, 3, device=device)) ** 2).sum()
    norms = viz.parameter_norms(loss, model)
    assert norms["1.weight"] is None and list(norms) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    loss.backward()
    for name, p in model.named_parameters():
        if p.grad is not None:
            grad = p.grad.device.numpy(p.grad.data)
            assert norms[name] == pytest.approx(np.linalg.norm(grad), rel=1e-6)


def test_the_norms_over_time_are_those_of_the_hand_written_recursion():
    """dL/da_t = dL/dh_t (1 - h_t^2), and dL/dh_(t-1) = dL/da_t W_hh: KTH, Backpropagation Through Time."""
    rnn = nn.RNN(3, 4, fused=False).to(mg.float64)
    x = mg.randn(6, 2, 3, dtype=mg.float64)
    y, _ = rnn(x)
    loss = (y[-1] ** 2).sum()
    got = viz.time_norms(loss, rnn)["weight_hh_l0"]
    h, dh, want = y.detach().numpy(), 2 * y.detach().numpy()[-1], []
    for t in range(5, -1, -1):
        da = dh * (1 - h[t] ** 2)
        want.append(np.linalg.norm(da))
        dh = da @ rnn.weight_hh_l0.detach().numpy()
    np.testing.assert_allclose(got, want[::-1], rtol=1e-12)


@pytest.mark.parametrize("build, names", [
    (lambda: nn.GRU(2, 3), ["weight_hh_l0"]),
    (lambda: nn.LSTM(2, 3, 2, bidirectional=True, fused=False),
     ["weight_hh_l0", "weight_hh_l0_reverse", "weight_hh_l1", "weight_hh_l1_reverse"])], ids=["gru", "lstm"])
def test_every_layer_and_direction_has_its_line(build, names):
    """A reversed layer meets the last time step first: its line still runs in time."""
    model = build()
    if hasattr(model, "fused"):
        model.fused = False
    y, _ = model(mg.randn(7, 2, 2))
    times = viz.time_norms(y[0, :, -3:].sum(), model)
    assert list(times) == names and all(len(v) == 7 for v in times.values())
    if "weight_hh_l1_reverse" in times:        # the output at step 1 of the reversed layer hears of all steps
        assert (times["weight_hh_l1_reverse"] > 0).all()
        assert times["weight_hh_l1_reverse"][0] > times["weight_hh_l1_reverse"][-1]


def test_a_cell_in_a_loop_is_seen_too():
    """Students write the loop themselves first."""
    cell, h = nn.RNNCell(2, 3), None
    for _ in range(5):
        h = cell(mg.ones(2, 2), h)
    assert len(viz.time_norms(h.sum(), cell)["weight_hh"]) == 5


@pytest.mark.parametrize("cell, form", [("GRU", {"reset": "before"}), ("GRU", {}), ("LSTM", {"peephole": "full"})])
def test_a_step_is_one_point_however_many_products_it_has(cell, form):
    """The decks' GRU cuts W_hh in two: a product for r and z, and one with r h."""
    layer = getattr(nn, cell)(3, 4, **form, fused=False).to(mg.float64)
    y, _ = layer(mg.randn(6, 2, 3, dtype=mg.float64))
    norms = viz.time_norms((y[-1] ** 2).sum(), layer)["weight_hh_l0"]
    assert norms.shape == (6,) and (np.diff(norms) > 0).all()                  # a small start: it fades going back


def test_a_fused_layer_says_that_its_steps_are_hidden():
    """An empty picture would look like a vanished gradient."""
    rnn = nn.RNN(2, 3)
    y, _ = rnn(mg.randn(5, 2, 2))
    with pytest.raises(mg.GradError, match=r"(?s)hides its time steps.*fused=False"):
        viz.time_norms(y.sum(), rnn)
    figure = viz.flow(y.sum(), rnn)
    assert len(figure.axes) == 1 and "fused=False" in figure.axes[0].get_title("left")


def test_the_figure_has_a_bar_for_each_parameter_and_a_line_for_each_layer(tmp_path):
    """Zero, NaN and absent gradients are words, for a logarithmic axis has no place for them."""
    class Net(nn.Module):
        def __init__(self):
            self.rnn, self.unused, self.dead = nn.RNN(2, 3, fused=False), nn.Linear(2, 2), nn.Parameter(mg.zeros(2))
    net = Net()
    y, _ = net.rnn(mg.randn(9, 2, 2))
    figure = viz.flow(y[-1].sum() + (net.dead * 0).sum(), net, title="$x$ <b>")
    left, right = figure.axes
    labels = [t.get_text() for t in left.get_yticklabels()]
    assert "unused.weight" in labels and len(labels) == 7
    texts = [t.get_text() for t in left.texts]
    assert texts.count("not in the graph") == 2 and "0" in texts
    assert [line.get_label() for line in right.lines] == ["rnn.weight_hh_l0"]
    figure.savefig(tmp_path / "f.png")


def test_importing_the_pictures_imports_no_matplotlib():
    """`import minigrad` must stay as light as NumPy."""
    import subprocess
    import sys
    code = "import sys, minigrad; minigrad.viz.graph; print('matplotlib' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
