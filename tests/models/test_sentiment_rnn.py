"""The recurrent classifier: what is read of its states, at which step, and that PyTorch computes the same."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.data.streams import padded
from minigrad.models.over_time import READINGS
from minigrad.models.rnn_lm import CELLS
from minigrad.models.sentiment_rnn import SentimentRNN
from minigrad.nn import functional as F

IDS, LENGTHS = padded([[4, 2, 7], [5, 6, 1, 8, 3], [2], [7, 2, 4]])
KINDS = [(reading, two) for reading in READINGS for two in (False, True)]


def test_it_is_the_decks_equation():
    """softmax(W h_T + b), h at the text's own last word: float64, written out."""
    model = SentimentRNN(9, embedding=3, hidden=4, cell="rnn").to(mg.float64)
    e, w_x, w_h, b_x, b_h, w, b = (p.detach().numpy() for p in model.parameters())
    got = model(mg.tensor(IDS), LENGTHS).detach().numpy()
    for scores, ids, n in zip(got, IDS, LENGTHS, strict=True):
        h = np.zeros(4)
        for x in ids[:n]:
            h = np.tanh(w_x @ e[x] + b_x + w_h @ h + b_h)
        assert np.allclose(scores, w @ h + b, atol=1e-14)


@pytest.mark.parametrize("reading, two", KINDS)
@pytest.mark.parametrize("cell", CELLS)
def test_a_text_has_the_same_answer_whatever_it_is_padded_with(cell, reading, two, device):
    """A state read at the padded end, or a mean over the padding, would depend on the other texts of the batch."""
    model = SentimentRNN(9, 3, 4, cell=cell, reading=reading, bidirectional=two).to(device)
    alone = np.array([model(mg.tensor(ids[None, :n], device=device)).detach().cpu().numpy()[0]
                      for ids, n in zip(IDS, LENGTHS, strict=True)])
    longer = np.concatenate([np.where(np.arange(IDS.shape[1]) < LENGTHS[:, None], IDS, 8), np.full((4, 3), 5)], 1)
    for ids in (IDS, longer):
        assert np.allclose(model(mg.tensor(ids, device=device), LENGTHS).detach().cpu().numpy(), alone, atol=1e-5)
    assert not np.allclose(model(mg.tensor(IDS, device=device)).detach().cpu().numpy(), alone, atol=1e-5)


def test_solution_1_reads_the_last_state_and_solution_2_all_of_them():
    """Riveill's two, of one network's states: float64, written out from the layer's outputs."""
    last = SentimentRNN(9, 3, 4, cell="gru", bidirectional=True).to(mg.float64)
    w, b = (p.detach().numpy() for p in last.read.parameters())
    out, _ = last.layer(last.embedding(mg.tensor(IDS)), lengths=LENGTHS)
    for reading in READINGS:
        model = SentimentRNN(9, 3, 4, cell="gru", reading=reading, bidirectional=True).to(mg.float64)
        model.load_state_dict(last.state_dict())
        got = model(mg.tensor(IDS), LENGTHS).detach().numpy()
        for scores, h, n in zip(got, out.detach().numpy(), LENGTHS, strict=True):
            r = {"last": np.r_[h[n - 1, :4], h[0, 4:]], "mean": h[:n].mean(0), "max": h[:n].max(0)}[reading]
            assert np.allclose(scores, w @ r + b, atol=1e-12)


@pytest.mark.parametrize("reading, two", KINDS)
def test_the_order_of_the_words_counts(reading, two):
    """Texts 0 and 3 have the same words."""
    scores = SentimentRNN(9, reading=reading, bidirectional=two)(mg.tensor(IDS), LENGTHS).detach().numpy()
    assert not np.allclose(scores[0], scores[3], atol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_scores_and_gradients_are_pytorchs(cell):
    """Two layers in both directions over packed sequences, the last states; float64."""
    torch = pytest.importorskip("torch")
    model = SentimentRNN(9, 3, 4, cell=cell, bidirectional=True, layers=2).to(mg.float64)
    layer = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](
        3, 4, 2, batch_first=True, bidirectional=True).double()
    theirs = torch.nn.ModuleDict({"embedding": torch.nn.Embedding(9, 3), "layer": layer,
                                  "read": torch.nn.Linear(8, 2)}).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in model.state_dict().items()})
    packed = torch.nn.utils.rnn.pack_padded_sequence(theirs["embedding"](torch.tensor(IDS)), LENGTHS, True, False)
    state = theirs["layer"](packed)[1]
    h = state[0] if cell == "lstm" else state
    want = theirs["read"](torch.cat([h[-2], h[-1]], -1))
    got = model(mg.tensor(IDS), LENGTHS)
    assert np.allclose(got.detach().numpy(), want.detach().numpy(), atol=1e-12)
    F.cross_entropy(got, mg.tensor([0, 1, 1, 0])).backward()
    torch.nn.functional.cross_entropy(want, torch.tensor([0, 1, 1, 0])).backward()
    grads = dict(theirs.named_parameters())
    for name, p in model.named_parameters():
        assert np.allclose(p.grad.numpy(), grads[name].grad.numpy(), atol=1e-12), name


@pytest.mark.parametrize("reading, two", KINDS)
def test_training_gives_the_same_gradients_on_every_device(reading, two, device):
    """The same start; sums of float32 in another order, fused and step by step."""
    grads = []
    for where in ("cpu", device):
        mg.manual_seed(2)
        model = SentimentRNN(9, 3, 4, reading=reading, bidirectional=two).to(where)
        F.cross_entropy(model(mg.tensor(IDS, device=where), LENGTHS), mg.tensor([0, 1, 1, 0], device=where)).backward()
        grads.append([p.grad.cpu().numpy() for p in model.parameters()])
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(*grads, strict=True))


@pytest.mark.parametrize("options, text", [({"cell": "elman"}, "cell is one of rnn, lstm, gru, not 'elman'"),
                                           ({"reading": "first"}, "reading is one of last, mean, max, not 'first'")])
def test_another_cell_or_reading_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        SentimentRNN(9, **options)
