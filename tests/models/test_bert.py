"""BERT: both sides are seen, only picked words count, [CLS] is read at place 0, and the stack is PyTorch's."""
from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.models.bert import BERT

LENGTHS = np.array([6, 4])
IDS = np.array([[2, 3, 1, 5, 6, 4], [2, 7, 8, 1, 0, 0]])
TARGETS = np.full((2, 6), -100)
TARGETS[0, 2], TARGETS[1, 3] = 8, 5


def model_of(device="cpu", **options):
    return BERT(9, **(dict(d_model=16, heads=2, longest=8, classes=3) | options)).to(device).eval()


def scores(model, ids, targets=TARGETS, lengths=LENGTHS):
    return model.hidden_words(mg.tensor(ids, device=next(model.parameters()).device), lengths, targets)[0]


@pytest.mark.parametrize("place", [1, 3, 5])
def test_a_hidden_word_is_named_from_words_on_both_sides(place, device):
    model, changed = model_of(device), IDS.copy()
    changed[0, place] = 7
    before, after = (scores(model, ids).detach().cpu().numpy() for ids in (IDS, changed))
    assert before.shape == (2, 9)
    assert not np.allclose(before[0], after[0], atol=1e-4) and np.allclose(before[1], after[1], atol=1e-6)


def test_only_the_picked_places_are_asked_and_padding_changes_nothing(device):
    """The loss is that of two words by hand; other targets would change it."""
    model, ids = model_of(device), mg.tensor(IDS, device=device)
    found, words = model.hidden_words(ids, LENGTHS, TARGETS)
    assert words.tolist() == [8, 5]
    s = found.detach().cpu().numpy().astype(float)
    want = np.mean([math.log(np.exp(row).sum()) - row[w] for row, w in zip(s, words, strict=True)])
    assert math.isclose(model.masked_loss(ids, LENGTHS, TARGETS).item(), want, rel_tol=1e-5)
    noise = IDS.copy()
    noise[1, 4:] = 6
    assert np.allclose(s, scores(model, noise).detach().cpu().numpy(), atol=1e-5)


def test_both_readings_are_the_papers_equations():
    """Written out in float64: E LN(gelu(W h + b)) + c at a word, V tanh(U h_0 + u) + v at [CLS]."""
    model = model_of().to(mg.float64)
    h = model.encoder(mg.tensor(IDS), LENGTHS).detach().numpy()

    def linear(layer, x):
        return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    z = linear(model.transform, h[0, 2])
    z = z * 0.5 * (1 + np.array([math.erf(v / math.sqrt(2)) for v in z]))
    z = (z - z.mean()) / np.sqrt(z.var() + 1e-5)
    assert np.allclose(scores(model, IDS).detach().numpy()[0], z @ model.encoder.embedding.weight.detach().numpy().T,
                       atol=1e-12)
    want = linear(model.classify, np.tanh(linear(model.pool, h[:, 0])))
    assert np.allclose(model(mg.tensor(IDS), LENGTHS).detach().numpy(), want, atol=1e-12)


def test_the_stack_is_pytorchs_encoder_by_state_dict():
    """float64, two layers: 1e-9. Norm after, GELU, learned positions."""
    torch = pytest.importorskip("torch")
    model = model_of().to(mg.float64)
    layer = torch.nn.TransformerEncoderLayer(16, 2, 64, 0.0, "gelu", batch_first=True)
    theirs = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).double()
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in model.encoder.stack.state_dict().items()})
    table, places = (p.detach().numpy() for p in (model.encoder.embedding.weight, model.encoder.positions.weight))
    want = theirs(torch.tensor(table[IDS] + places[:6]),
                  src_key_padding_mask=torch.tensor(np.arange(6) >= LENGTHS[:, None])).detach().numpy()
    got = model.encoder(mg.tensor(IDS), LENGTHS).detach().numpy()
    real = np.arange(6) < LENGTHS[:, None]
    assert np.allclose(got[real], want[real], rtol=1e-9, atol=1e-11)


def test_the_loss_of_hidden_words_trains_the_table_and_leaves_the_classes_alone():
    model = model_of()
    model.masked_loss(mg.tensor(IDS), LENGTHS, TARGETS).backward()
    assert (np.abs(model.encoder.embedding.weight.grad.numpy()).sum(1) > 0).all()          # as the reading: all words
    assert model.classify.weight.grad is None and model.pool.weight.grad is None
    assert model.word_bias.grad.numpy()[[8, 5]].max() < 0


def test_it_learns_two_hidden_words_by_heart():
    model = model_of().train()
    adam = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(30):
        loss = model.masked_loss(mg.tensor(IDS), LENGTHS, TARGETS)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss.item() < 0.05


def test_losses_and_gradients_are_the_same_on_every_device(device):
    """Sums of float32 in another order: 1e-5."""
    results = []
    for where in ("cpu", device):
        mg.manual_seed(3)
        model = model_of(where).train()
        ids = mg.tensor(IDS, device=where)
        loss = model.masked_loss(ids, LENGTHS, TARGETS) + model(ids, LENGTHS).sum()
        loss.backward()
        results.append([loss.item(), *(p.grad.cpu().numpy() for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_targets_that_ask_nothing_or_do_not_fit_are_refused():
    for targets in (np.full((2, 6), -100), TARGETS[:, :5]):
        with pytest.raises(mg.ShapeError, match=r"for ids \(2, 6\) ask for"):
            model_of().hidden_words(mg.tensor(IDS), LENGTHS, targets)
