"""The recurrent language model: the slides' equations, tied weights, a carried state, what a text is worth."""
from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.data.streams import streams
from minigrad.models.rnn_lm import CELLS, RNNLM, train_chunk
from minigrad.nn import functional as F

KINDS = [{}, {"embedding": 6}, {"embedding": 6, "tied": True}, {"embedding": 5, "tied": True, "layers": 2},
         {"embedding": 6, "dropout": 0.5, "layers": 2}]
TEXT = np.array([0, 3, 1, 4, 1, 5, 6, 2, 6, 5, 3, 5])


def ids(device, array):
    return mg.tensor(np.asarray(array)[:, None], device=device)


# ----- The slides' equations

def test_it_is_the_slides_equation():
    """KTH, *A RNN Neural Language Model (2/2)*: h = tanh(u e + w h), y = softmax(v h), written out in float64."""
    model = RNNLM(7, embedding=4, hidden=5, cell="rnn").to(mg.float64)
    e, u, w, b, c, v, a = (p.detach().numpy() for p in model.parameters())
    h, loss = np.zeros(5), []
    for x, y in zip(TEXT, TEXT[1:], strict=False):
        h = np.tanh(u @ e[x] + b + w @ h + c)
        s = v @ h + a
        loss.append(-math.log(np.exp(s)[y] / np.exp(s).sum()))
    assert np.allclose(model.nats(TEXT), loss, rtol=1e-12)                     # float64, eleven steps
    assert math.isclose(model.score(TEXT), -sum(loss), rel_tol=1e-12)
    assert math.isclose(model.perplexity(TEXT), math.exp(np.mean(loss)), rel_tol=1e-12)
    assert math.isclose(model.bits(TEXT), np.mean(loss) / math.log(2), rel_tol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_one_hot_input_is_a_table_of_unit_vectors_that_is_not_trained(cell):
    """The layer gets one-hot vectors: Télécom, *Matrix*, e = E o with E the identity."""
    model = RNNLM(7, hidden=5, cell=cell)
    x = F.one_hot(ids("cpu", TEXT[:-1]), 7).to(mg.float32)                     # (T, 1, V)
    h, _ = model.layer(x)
    assert np.allclose(model(ids("cpu", TEXT[:-1]))[0].detach().numpy(), model.read(h).detach().numpy(), atol=1e-6)
    model.loss(ids("cpu", TEXT[:-1]), ids("cpu", TEXT[1:]))[0].backward()
    assert model.reader.embedding.weight.grad is None and model.layer.weight_ih_l0.grad is not None


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_scores_and_gradients_are_the_same_on_every_device(cell, kind, device):
    """Sums of float32 in another order: 1e-5. Dropout masks are the same everywhere."""
    results = []
    for where in ("cpu", device):
        mg.manual_seed(3)
        model = RNNLM(7, hidden=8, cell=cell, **kind).to(where)
        loss, state = model.loss(ids(where, TEXT[:-1]), ids(where, TEXT[1:]))
        loss.backward()
        results.append([loss.item(), *(p.grad.cpu().numpy() for p in model.parameters() if p.requires_grad)])
    for a, b in zip(*results, strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_characters_take_the_joined_node_and_give_what_two_layers_give():
    model = RNNLM(7, embedding=6, hidden=8)
    assert isinstance(model.reader, nn.EmbeddingLSTM) and model.reader._as_one(ids("cpu", TEXT))
    joined = model.nats(TEXT)
    model.reader.joined = False
    assert np.allclose(joined, model.nats(TEXT), atol=1e-5)                    # float32: the table is multiplied first


# ----- Tied weights, starts, options

def test_tied_weights_are_one_matrix_that_gets_both_gradients():
    """Press and Wolf 2017: the gradient is the sum of the table's and the reading's."""
    tied = RNNLM(7, embedding=6, hidden=6, tied=True).to(mg.float64)
    apart = RNNLM(7, embedding=6, hidden=6).to(mg.float64)
    state = tied.state_dict()
    assert np.array_equal(state["reader.embedding.weight"].numpy(), state["read.weight"].numpy())
    apart.load_state_dict(state)
    for model in (tied, apart):
        model.loss(ids("cpu", TEXT[:-1]), ids("cpu", TEXT[1:]))[0].backward()
    both = apart.reader.embedding.weight.grad.numpy() + apart.read.weight.grad.numpy()
    assert np.allclose(tied.read.weight.grad.numpy(), both, atol=1e-12)
    assert sum(p.data.size for p in apart.parameters()) - sum(p.data.size for p in tied.parameters()) == 7 * 6
    optim.SGD(tied.parameters(), lr=0.1).step()
    assert tied.reader.embedding.weight is tied.read.weight


def test_where_the_state_is_not_as_wide_as_the_embedding_a_projection_joins_them():
    model = RNNLM(7, embedding=5, hidden=8, tied=True)
    assert model.project.weight.shape == (5, 8) and model.read.weight.shape == (7, 5)
    assert RNNLM(7, embedding=8, hidden=8, tied=True).project is None
    assert RNNLM(7, embedding=4, hidden=8, tied=True, proj_size=4).project is None


def test_tied_without_an_embedding_is_refused():
    with pytest.raises(mg.MinigradError, match="one-hot input has none"):
        RNNLM(7, tied=True)
    with pytest.raises(ValueError, match="cell is one of rnn, lstm, gru, not 'LSTM'"):
        RNNLM(7, cell="LSTM")


@pytest.mark.parametrize("kind", [{}, {"embedding": 64}, {"embedding": 64, "tied": True},
                                  {"embedding": 64, "tied": True, "init": 0.1}], ids=str)
def test_a_model_that_has_learned_nothing_is_close_to_a_perplexity_of_v(kind, rng):
    """A tied table that starts standard normal would be at exp(30) and more."""
    model = RNNLM(50, hidden=64, **kind)
    assert 45 < model.perplexity(rng.integers(0, 50, 200)) < 56


def test_init_is_uniform_and_the_bias_zero():
    model = RNNLM(50, embedding=16, hidden=16, init=0.1)
    for p in (model.reader.embedding.weight, model.read.weight):
        assert 0.09 < np.abs(p.detach().numpy()).max() <= 0.1
    assert not model.read.bias.detach().numpy().any()
    assert RNNLM(9, hidden=4, forget_bias=2.0).layer.bias_ih_l0.detach().numpy()[4:8].tolist() == [2.0] * 4


# ----- The state

@pytest.mark.parametrize("cell", CELLS)
def test_a_text_in_chunks_with_carried_state_is_the_text_at_once(cell):
    model = RNNLM(7, embedding=6, hidden=5, cell=cell, layers=2)
    assert np.allclose(model.nats(TEXT), model.nats(TEXT, steps=3), atol=1e-6)
    assert not np.allclose(model.nats(TEXT)[6:], model.nats(TEXT[6:]), atol=1e-3)          # without it, it is not


def test_a_batch_of_streams_is_as_many_texts():
    model = RNNLM(7, embedding=6, hidden=5)
    both = model.nats(TEXT, batch=2).reshape(-1, 2)                            # (T, B)
    for b in (0, 1):
        assert np.allclose(both[:, b], model.nats(TEXT[5 * b:5 * b + 6]), atol=1e-6)


def test_training_a_chunk_hands_on_the_state_without_its_past():
    model = RNNLM(7, embedding=6, hidden=5)
    adam = optim.Adam(model.parameters(), lr=1e-2)
    x, y = ids("cpu", TEXT[:-1]), ids("cpu", TEXT[1:])
    first, state = train_chunk(model, adam, x, y)
    assert all(not s.requires_grad for s in state)
    last = [train_chunk(model, adam, x, y, state)[0] for _ in range(30)][-1]
    assert last < first


def test_gradients_of_a_chunk_are_clipped_together():
    model = RNNLM(7, embedding=6, hidden=5)
    sgd = optim.SGD(model.parameters(), lr=1.0)
    before = [p.detach().numpy().copy() for p in model.parameters()]
    train_chunk(model, sgd, ids("cpu", TEXT[:-1]), ids("cpu", TEXT[1:]), max_norm=0.01)
    moved = math.sqrt(sum(((p.detach().numpy() - b) ** 2).sum() for p, b in zip(model.parameters(), before,
                                                                               strict=True)))
    assert math.isclose(moved, 0.01, rel_tol=1e-3)             # the norm is divided by itself + 1e-6


@pytest.mark.parametrize("cell", CELLS)
def test_what_needs_a_memory_is_learned(cell):
    """a b b a b b: what follows b needs the letter before; a model without a state stays above ln 2 * 2/3 = 0.46."""
    text = np.tile([0, 1, 1], 40)
    model = RNNLM(2, hidden=8, cell=cell)
    adam = optim.Adam(model.parameters(), lr=0.05)
    state = None
    for x, y, fresh in streams(text, 2, 10, passes=8):
        _, state = train_chunk(model, adam, mg.tensor(x), mg.tensor(y), None if fresh else state)
    assert model.nats(text).mean() < 0.1


# ----- Sentences and text

def test_the_probabilities_of_all_sentences_add_up_to_one():
    """Télécom, *(2) Test using a RNN*: all texts of two tokens after the first."""
    model = RNNLM(4, embedding=3, hidden=5)
    total = sum(math.exp(model.score([1, a, b])) for a in range(4) for b in range(4))
    assert math.isclose(total, 1, abs_tol=1e-5)                # sixteen float32 probabilities


def test_a_step_gives_what_the_whole_text_gives(device):
    model = RNNLM(7, embedding=6, hidden=5).to(device)
    state, found = None, []
    for x, y in zip(TEXT, TEXT[1:], strict=False):
        log_p, state = model.step(np.array([x]), state)
        found.append(-log_p[0, y])
    assert np.allclose(found, model.nats(TEXT), atol=1e-5)


def test_judging_and_writing_drop_nothing_and_leave_the_mode_as_it_was():
    model = RNNLM(7, embedding=6, hidden=5, dropout=0.5)
    a, b = model.nats(TEXT), model.nats(TEXT)
    assert np.array_equal(a, b) and model.training
    texts = [model.sample([1], 20, np.random.default_rng(0)) for _ in range(2)]
    assert np.array_equal(*texts) and model.training
    model.eval()
    model.nats(TEXT)
    assert not model.training
    loss = [model.train().loss(ids("cpu", TEXT[:-1]), ids("cpu", TEXT[1:]))[0].item() for _ in range(2)]
    assert loss[0] != loss[1]


@pytest.mark.parametrize("text", [[], [1]])
def test_a_text_in_which_nothing_follows_is_refused(text):
    with pytest.raises(mg.ShapeError, match=f"a text of {len(text)} ids has nothing to predict"):
        RNNLM(7).nats(text)


def test_lengths_leave_padding_out():
    model = RNNLM(7, embedding=6, hidden=5, cell="gru")
    x = mg.tensor(np.array([[1, 2], [3, 4], [5, 0]]))
    _, padded = model(x, lengths=[3, 2])
    _, alone = model(x[:2, 1:])
    assert np.allclose(padded.detach().numpy()[:, 1], alone.detach().numpy()[:, 0], atol=1e-6)


def test_it_is_pytorchs_word_language_model(rng):
    """Embedding, LSTM of two layers, linear: loss and every gradient, with PyTorch's keys under other prefixes."""
    torch = pytest.importorskip("torch")
    model = RNNLM(11, embedding=4, hidden=6, layers=2, tied=True).to(mg.float64)
    table, lstm = torch.nn.Embedding(11, 4).double(), torch.nn.LSTM(4, 6, 2).double()
    project, read = torch.nn.Linear(6, 4, bias=False).double(), torch.nn.Linear(4, 11).double()
    table.weight = read.weight
    state = {k: torch.tensor(v.numpy()) for k, v in model.state_dict().items()}
    lstm.load_state_dict({k.removeprefix("reader.lstm."): v for k, v in state.items() if "lstm" in k})
    project.load_state_dict({"weight": state["project.weight"]})
    read.load_state_dict({"weight": state["read.weight"], "bias": state["read.bias"]})
    text = rng.integers(0, 11, (9, 3))
    x, y = torch.tensor(text[:-1]), torch.tensor(text[1:])
    want = torch.nn.functional.cross_entropy(read(project(lstm(table(x))[0])).reshape(-1, 11), y.reshape(-1))
    want.backward()
    loss, _ = model.loss(mg.tensor(text[:-1]), mg.tensor(text[1:]))
    loss.backward()
    assert math.isclose(loss.item(), want.item(), rel_tol=1e-12)
    assert np.allclose(model.read.weight.grad.numpy(), read.weight.grad.numpy(), atol=1e-12)
    for name, p in lstm.named_parameters():
        assert np.allclose(getattr(model.layer, name).grad.numpy(), p.grad.numpy(), atol=1e-12)
