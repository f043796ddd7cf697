"""A convolution over words, alone and under a BiLSTM: windows, padding, one-hot words."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.data.streams import padded
from minigrad.models.sentiment_conv import SentimentConv
from minigrad.models.sentiment_conv_bilstm import SentimentConvBiLSTM
from minigrad.nn import functional as F

IDS, LENGTHS = padded([[4, 2, 7], [5, 6, 1, 8, 3], [2], [7, 2, 4]])
MAKES = {"conv": lambda: SentimentConv(9, 3, 4), "conv, deep": lambda: SentimentConv(9, 3, 4, layers=2, pooling="mean"),
         "one-hot": lambda: SentimentConvBiLSTM(9, channels=4, hidden=3),
         "embedding": lambda: SentimentConvBiLSTM(9, 3, channels=4, hidden=3)}


@pytest.mark.parametrize("name", MAKES)
def test_a_text_has_the_same_answer_whatever_it_is_padded_with(name, device):
    """The convolution's last window must not see padding, and the LSTM must end, and begin in reverse, at the end."""
    model = MAKES[name]().to(device)
    alone = np.array([model(mg.tensor(ids[None, :n], device=device)).detach().cpu().numpy()[0]
                      for ids, n in zip(IDS, LENGTHS, strict=True)])
    longer = np.concatenate([np.where(np.arange(IDS.shape[1]) < LENGTHS[:, None], IDS, 8), np.full((4, 3), 5)], 1)
    for ids in (IDS, longer):
        assert np.allclose(model(mg.tensor(ids, device=device), LENGTHS).detach().cpu().numpy(), alone, atol=1e-5)
    assert not np.allclose(model(mg.tensor(longer, device=device)).detach().cpu().numpy(), alone, atol=1e-5)


@pytest.mark.parametrize("name", MAKES)
def test_training_gives_the_same_gradients_on_every_device(name, device):
    """The same start; sums of float32 in another order."""
    grads = []
    for where in ("cpu", device):
        mg.manual_seed(2)
        model = MAKES[name]().to(where)
        F.cross_entropy(model(mg.tensor(IDS, device=where), LENGTHS), mg.tensor([0, 1, 1, 0], device=where)).backward()
        grads.append([p.grad.cpu().numpy() for p in model.parameters()])
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(*grads, strict=True))


def test_words_that_never_share_a_window_may_change_places_unseen(rng):
    """Max pooling over windows of 3: far from each other and among like words, two words can swap; near ones cannot."""
    model = SentimentConv(9, kernel=3).to(mg.float64)

    def scores(*at):
        ids = np.full((1, 15), 4)
        ids[0, list(at)] = [5, 6]
        return model(mg.tensor(ids)).detach().numpy()
    assert np.allclose(scores(3, 11), scores(11, 3), atol=1e-14)
    assert not np.allclose(scores(3, 4), scores(4, 3), atol=1e-6)


def test_the_network_is_the_decks_four_steps():
    """One-hot, convolution, BiLSTM, dense: PyTorch's layers with the same weights; float64."""
    torch = pytest.importorskip("torch")
    model = SentimentConvBiLSTM(9, channels=4, hidden=3, classes=2).to(mg.float64)
    theirs = {"convolution.layers.0": torch.nn.Conv1d(9, 4, 3, padding=1),
              "layer": torch.nn.LSTM(4, 3, batch_first=True, bidirectional=True), "read": torch.nn.Linear(6, 2)}
    state = model.state_dict()
    for name, layer in theirs.items():
        layer.double().load_state_dict({k.removeprefix(name + "."): torch.tensor(v) for k, v in state.items()
                                        if k.startswith(name + ".")})
    assert model.embedding is None and len(state) == sum(len(layer.state_dict()) for layer in theirs.values())
    got = model(mg.tensor(IDS), LENGTHS).detach().numpy()
    for scores, ids, n in zip(got, IDS, LENGTHS, strict=True):
        x = torch.nn.functional.one_hot(torch.tensor(ids[:n]), 9).double()
        y = torch.relu(theirs["convolution.layers.0"](x.T[None]))
        _, (h, _) = theirs["layer"](y.transpose(1, 2))
        want = theirs["read"](torch.cat([h[0], h[1]], -1))[0].detach().numpy()
        assert np.allclose(scores, want, atol=1e-12)


def test_one_hot_words_are_an_embedding_by_the_identity():
    """Télécom, *Matrix*: e = E o."""
    one_hot, table = (SentimentConvBiLSTM(9, size, channels=4, hidden=3) for size in (None, 9))
    table.load_state_dict({"embedding.weight": np.eye(9, dtype=np.float32), **one_hot.state_dict()})
    assert np.allclose(one_hot(mg.tensor(IDS), LENGTHS).detach().numpy(), table(mg.tensor(IDS), LENGTHS)
                       .detach().numpy(), atol=1e-6)
