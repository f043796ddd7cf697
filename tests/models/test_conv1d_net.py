"""Convolutions over time: what a step sees, what it does not, and that PyTorch computes the same."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models.conv1d_net import Conv1dNet, ConvOverTime
from minigrad.models.over_time import READINGS
from minigrad.nn import functional as F

LENGTHS = np.array([4, 7, 2])


def sees(model: ConvOverTime, at: int, steps: int = 12) -> list[int]:
    """The steps that the output at one step depends on, by its gradient."""
    x = mg.tensor(np.random.default_rng(5).normal(size=(1, steps, 3)), requires_grad=True)
    (model.to(mg.float64)(x)[0, at]).sum().backward()
    return np.nonzero(np.abs(x.grad.numpy()).sum((0, 2)))[0].tolist()


@pytest.mark.parametrize("kernel, layers, causal, want", [
    (3, 1, False, [4, 5, 6]), (3, 2, False, [3, 4, 5, 6, 7]), (4, 1, False, [3, 4, 5, 6]), (1, 2, False, [5]),
    (3, 1, True, [3, 4, 5]), (3, 2, True, [1, 2, 3, 4, 5])])
def test_a_step_sees_its_window_and_nothing_else(kernel, layers, causal, want):
    """Step 5 of 12; with 8 channels some relu is open on each path."""
    model = ConvOverTime(3, 8, kernel, layers, causal)
    assert sees(model, 5) == want and model.reach == len(want)


def test_it_is_the_equation(rng):
    """y_t = relu(sum_j W_j x_(t + j - p) + b) with zeros beyond both ends: float64, written out."""
    model = ConvOverTime(3, 4, kernel=3).to(mg.float64)
    w, b = (p.detach().numpy() for p in model.parameters())                    # (4, 3, 3): out, in, j
    x = rng.normal(size=(1, 6, 3))
    around = np.concatenate([np.zeros((1, 3)), x[0], np.zeros((1, 3))])
    want = [np.maximum(sum(w[:, :, j] @ around[t + j] for j in range(3)) + b, 0) for t in range(6)]
    assert np.allclose(model(mg.tensor(x)).detach().numpy()[0], want, atol=1e-14)


@pytest.mark.parametrize("pooling", [*READINGS, None])
@pytest.mark.parametrize("causal", [False, True])
def test_an_example_has_the_same_answer_whatever_stands_behind_its_end(pooling, causal, rng, device):
    """Two layers: the first one's values behind the end must not reach the second either."""
    model = Conv1dNet(3, 5, kernel=3, layers=2, outputs=2, pooling=pooling, causal=causal).to(device)
    x = rng.normal(size=(3, 7, 3)).astype(np.float32)
    x[np.arange(7) >= LENGTHS[:, None]] = 50
    got = model(mg.tensor(x, device=device), LENGTHS).detach().cpu().numpy()
    for k, n in enumerate(LENGTHS):
        alone = model(mg.tensor(x[k:k + 1, :n], device=device)).detach().cpu().numpy()[0]
        assert np.allclose(got[k] if pooling else got[k, :n], alone, atol=1e-5)
    assert not np.allclose(model(mg.tensor(x, device=device)).detach().cpu().numpy(), got)


@pytest.mark.parametrize("pooling", READINGS)
def test_scores_and_gradients_are_pytorchs(pooling, rng):
    """Two layers of Conv1d with padding, relu, a pooling and a Linear; float64, all examples of one length."""
    torch = pytest.importorskip("torch")
    model = Conv1dNet(3, 5, kernel=3, layers=2, outputs=2, pooling=pooling).to(mg.float64)
    one, two, read = torch.nn.Conv1d(3, 5, 3, padding=1), torch.nn.Conv1d(5, 5, 3, padding=1), torch.nn.Linear(5, 2)
    for theirs, mine in ((one, model.convolution.layers[0]), (two, model.convolution.layers[1]), (read, model.read)):
        theirs.double().load_state_dict({k: torch.tensor(v) for k, v in mine.state_dict().items()})
    x = rng.normal(size=(4, 6, 3))
    a, b = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = torch.relu(two(torch.relu(one(b.transpose(1, 2)))))                    # (B, C, T)
    want = read({"last": y[..., -1], "mean": y.mean(-1), "max": y.amax(-1)}[pooling])
    got = model(a)
    assert np.allclose(got.detach().numpy(), want.detach().numpy(), atol=1e-12)
    (got * got).sum().backward()
    (want * want).sum().backward()
    assert np.allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-12)
    assert np.allclose(model.convolution.layers[0].weight.grad.numpy(), one.weight.grad.numpy(), atol=1e-12)


def test_a_window_of_numbers_becomes_a_forecast():
    """What `forecasting` needs: (B, T, 1) -> (B, 1) from the last step of a causal network, which has seen `reach`."""
    model = Conv1dNet(1, 8, kernel=5, layers=3, pooling="last", causal=True)
    assert model(mg.zeros(4, 20, 1)).shape == (4, 1) and model.reach == 13
    x = np.random.default_rng(1).normal(size=(1, 20, 1)).astype(np.float32)
    x2 = x.copy()
    x2[:, :7] = 9
    assert np.array_equal(model(mg.tensor(x)).detach().numpy(), model(mg.tensor(x2)).detach().numpy())
    x2[:, 7] = 9
    assert not np.array_equal(model(mg.tensor(x)).detach().numpy(), model(mg.tensor(x2)).detach().numpy())


def test_training_gives_the_same_gradients_on_every_device(device, rng):
    """The same start; sums of float32 in another order."""
    x, grads = rng.normal(size=(3, 7, 3)).astype(np.float32), []
    for where in ("cpu", device):
        mg.manual_seed(2)
        model = Conv1dNet(3, 5, kernel=3, layers=2, outputs=2).to(where)
        F.cross_entropy(model(mg.tensor(x, device=where), LENGTHS), mg.tensor([0, 1, 1], device=where)).backward()
        grads.append([p.grad.cpu().numpy() for p in model.parameters()])
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(*grads, strict=True))


@pytest.mark.parametrize("options, text", [
    ({"kernel": 0}, "at least 1 layer and a kernel of 1 step, not 1 and 0"),
    ({"layers": 0}, "at least 1 layer and a kernel of 1 step, not 0 and 3"),
    ({"pooling": "sum"}, "reading is one of last, mean, max, not 'sum'")])
def test_a_network_of_nothing_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        Conv1dNet(3, **options)
