"""Taggers: the slides' equations, what each can see, padding that changes nothing, a loss over real words."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.data.tagged_sentences import IGNORE, TagCoder, sentence
from minigrad.data.vocabulary import Vocabulary
from minigrad.models.tagger_birnn import BiRNNTagger
from minigrad.models.tagger_charword import CharWordTagger
from minigrad.models.tagger_mlp import WindowTagger
from minigrad.models.tagger_rnn import RNNTagger
from minigrad.models.tagging import (
    Letters,
    MajorityTags,
    Tagger,
    accuracy,
    greedy_tags,
    hidden,
    log_probabilities,
    loss,
    scores,
    train_epoch,
)
from minigrad.nn import functional as F

SIZES = {"embedding": 5, "hidden": 6}
V, N, K = 9, 7, 3
MAKES = {"window": lambda: WindowTagger(V, K, **SIZES), "wide": lambda: WindowTagger(V, K, k=9, **SIZES),
         "rnn": lambda: RNNTagger(V, K, **SIZES), "birnn": lambda: BiRNNTagger(V, K, cell="rnn", **SIZES),
         "stacked": lambda: BiRNNTagger(V, K, layers=2, cell="lstm", **SIZES),
         "letters": lambda: CharWordTagger(V, N, K, letter_hidden=4, **SIZES),
         "lstm letters": lambda: CharWordTagger(V, N, K, cell="lstm", layers=2, **SIZES)}
TEXTS = [sentence("b a d b a".split(), "X Y X Y Z".split()), sentence("aab c".split(), "Z X".split()),
         sentence("ab b abcd".split(), "Y Y Z".split())]


@pytest.fixture
def batch():
    return TagCoder(TEXTS)(TEXTS)


def run(model, words, lengths, letters=None):
    device = model.read.weight.device
    if letters is None:
        n = np.maximum(np.arange(V) % 4, 1)
        ids = np.where(np.arange(4) < n[:, None], 1 + (np.arange(V)[:, None] + np.arange(4)) % (N - 1), 0)
        letters = Letters(mg.tensor(ids, device=device), n, mg.tensor(words, device=device))
    return model(mg.tensor(words, device=device), np.asarray(lengths), letters).detach().cpu().numpy()


# ----- The slides' equations

def test_the_window_is_the_slides_mlp_on_the_words_around(rng):
    """Riveill, *MLP for NER/POS*: softmax(W2 tanh(W1 [e_(t-k); ..; e_(t+k)])), zeros beyond the ends, in float64."""
    model = WindowTagger(V, K, k=2, **SIZES).to(mg.float64)
    e, w1, b1, w2, b2 = (p.detach().numpy() for p in model.parameters())
    words = rng.integers(1, V, 6)
    wide = np.concatenate([np.zeros((2, 5)), e[words], np.zeros((2, 5))])
    want = [w2 @ np.tanh(w1 @ wide[t:t + 5].reshape(-1) + b1) + b2 for t in range(6)]
    assert np.allclose(run(model, words[None], [6])[0], want, atol=1e-13)      # float64, sums of 25 products


def test_the_rnn_is_the_slides_equation(rng):
    model = RNNTagger(V, K, cell="rnn", **SIZES).to(mg.float64)
    e, u, w, b, c, v, a = (p.detach().numpy() for p in model.parameters())
    words, h, want = rng.integers(1, V, 5), np.zeros(6), []
    for x in words:
        h = np.tanh(u @ e[x] + b + w @ h + c)
        want.append(v @ h + a)
    assert np.allclose(run(model, words[None], [5])[0], want, atol=1e-13)      # float64


def test_both_directions_are_two_networks_side_by_side(rng):
    """Télécom, *Bi-directional RNN*: y = W_y [a->; a<-] + b_y, and a<-_t has read the words from the last one to t."""
    model = BiRNNTagger(V, K, cell="rnn", **SIZES).to(mg.float64)
    p = {name: t.detach().numpy() for name, t in model.named_parameters()}
    words = rng.integers(1, V, 5)
    x, sides = p["embedding.weight"][words], []
    for end, order in (("", range(5)), ("_reverse", range(4, -1, -1))):
        h, states = np.zeros(6), {}
        for t in order:
            h = np.tanh(p[f"layer.weight_ih_l0{end}"] @ x[t] + p[f"layer.bias_ih_l0{end}"]
                        + p[f"layer.weight_hh_l0{end}"] @ h + p[f"layer.bias_hh_l0{end}"])
            states[t] = h
        sides.append([states[t] for t in range(5)])
    want = np.concatenate(sides, 1) @ p["read.weight"].T + p["read.bias"]
    assert np.allclose(run(model, words[None], [5])[0], want, atol=1e-13)      # float64


def test_a_word_with_letters_is_its_vector_and_the_two_last_states_of_its_letters():
    """Riveill, *Multi-level encoding*: x_t = [e_word; h->_letters; h<-_letters], at the word's own ends."""
    model = CharWordTagger(V, N, K, letter_hidden=4, cell="gru", **SIZES).to(mg.float64)
    spelled = [[1, 2, 3], [4], [5, 6]]
    ids = np.array([row + [0] * (3 - len(row)) for row in spelled])
    letters = Letters(mg.tensor(ids), np.array([3, 1, 2]), mg.tensor([[2, 0, 1, 0]]))
    words = [7, 3, 8, 1]
    x = model.inputs(mg.tensor([words]), letters).detach().numpy()[0]          # (T, E + 2 H)
    for t, form in enumerate([2, 0, 1, 0]):
        y, _ = model.speller(model.letters(mg.tensor([spelled[form]])))        # no padding at all
        y = y.detach().numpy()[0]
        want = np.concatenate([model.embedding.weight.detach().numpy()[words[t]], y[-1, :4], y[0, 4:]])
        assert np.allclose(x[t], want, atol=1e-13)                             # float64


def test_the_sizes_are_those_that_the_docstring_counts():
    model = WindowTagger(100, 7, k=3, embedding=8, hidden=16)
    assert sum(p.data.size for p in model.parameters()) == 100 * 8 + 16 * (7 * 8 + 1) + 7 * (16 + 1)
    assert BiRNNTagger(V, K, layers=2, **SIZES).read.weight.shape == (K, 12)
    assert BiRNNTagger(V, K, layers=2, **SIZES).layer.weight_ih_l1.shape == (18, 12)       # 3 H of a GRU, 2 H inputs


# ----- What each sees

SEES = {"window": (2, 2), "wide": (9, 9), "rnn": (9, 0), "birnn": (9, 9), "stacked": (9, 9), "letters": (9, 9)}


@pytest.mark.parametrize("name", SEES)
def test_a_score_depends_on_exactly_the_words_that_the_model_can_see(name, rng):
    """Change one word: the RNN's scores move at and behind it, the window's within 2, those of both ways everywhere."""
    model, words = MAKES[name](), rng.integers(1, V, (1, 8))
    before = run(model, words, [8])[0]
    for at in range(8):
        other = words.copy()
        other[0, at] = 1 + words[0, at] % (V - 1)
        moved = np.abs(run(model, other, [8])[0] - before).max(-1) > 1e-7
        back, ahead = SEES[name]
        assert moved.tolist() == [at - ahead <= t <= at + back for t in range(8)]


@pytest.mark.parametrize("name", MAKES)
def test_a_sentence_has_the_same_scores_alone_and_beside_a_longer_one(name, device, rng):
    """Junk behind the end, too: a window that reads it, or a network from the right that begins there, is wrong."""
    model, words = MAKES[name]().to(device), rng.integers(1, V, (3, 8))
    lengths = [5, 8, 1]
    together = run(model, words, lengths)
    for row, n in enumerate(lengths):
        assert np.allclose(run(model, words[row:row + 1, :n], [n])[0], together[row, :n], atol=1e-5)       # float32


@pytest.mark.parametrize("name", ["letters", "lstm letters"])
def test_letters_behind_the_end_of_a_word_change_nothing(name):
    model, words, n = MAKES[name](), np.array([[3, 4]]), np.array([2, 1])
    found = [run(model, words, [2], Letters(mg.tensor(np.array(ids)), n, mg.tensor([[0, 1]])))
             for ids in ([[1, 2, 0], [3, 0, 0]], [[1, 2, 6], [3, 5, 4]])]
    assert np.array_equal(*found)
    one = run(model, words, [2], Letters(mg.tensor(np.array([[1, 2], [3, 0]])), n, mg.tensor([[0, 1]])))
    assert np.allclose(one, found[0], atol=1e-6)                               # and so does the room for them


def test_scores_and_gradients_are_the_same_on_every_device(device, batch):
    """Sums of float32 in another order: 1e-5."""
    for name, make in MAKES.items():
        results = []
        for where in ("cpu", device):
            mg.manual_seed(3)
            model = make().to(where)
            value = loss(model, batch)
            value.backward()
            results.append([value.item(), *(p.grad.cpu().numpy() for p in model.parameters())])
        for a, b in zip(*results, strict=True):
            assert np.allclose(a, b, atol=1e-5), name


# ----- The loss

@pytest.mark.parametrize("name", MAKES)
def test_the_loss_is_the_mean_over_real_words(name, batch):
    """Ten words here, and fifteen places: a mean over all places, or with padding as a tag, is another number."""
    model = MAKES[name]()
    log_p = F.log_softmax(scores(model, batch), -1).detach().numpy()
    real = [-log_p[b, t, batch.tags[b, t]] for b in range(3) for t in range(batch.lengths[b])]
    assert len(real) == 10 and np.isclose(loss(model, batch).item(), np.mean(real), rtol=1e-5)             # float32


def test_each_word_is_asked_for_its_own_tag(batch):
    """Tags that are shifted by one word give another loss, and a model that scores each tag right has loss 0."""
    class Sure(Tagger):
        def __init__(self, tags):
            self.read, self.tags = mg.nn.Linear(1, K), tags

        def forward(self, words, lengths, letters=None):
            return F.one_hot(mg.tensor(np.maximum(self.tags, 0)), K) * 50.0
    assert loss(Sure(batch.tags), batch).item() < 1e-6
    assert loss(Sure(np.roll(batch.tags, 1, 1)), batch).item() > 10


def test_padding_gets_no_gradient_from_the_loss(batch):
    model = BiRNNTagger(V, K, **SIZES)
    loss(model, batch).backward()
    assert not model.embedding.weight.grad.numpy()[0].any() and model.embedding.weight.grad.numpy().any()


# ----- Training and answers

@pytest.mark.parametrize("name", MAKES)
def test_every_tagger_learns_sentences_by_heart(name, batch):
    model = MAKES[name]()
    adam = optim.Adam(model.parameters(), lr=0.05)
    rng = np.random.default_rng(0)
    values = [train_epoch(model, adam, batch, rng, batch=2) for _ in range(60)]
    assert values[-1] < 0.05 < values[0]
    assert accuracy(batch.tags, greedy_tags(log_probabilities(model, batch))) == 1


def test_log_probabilities_are_those_of_one_sentence_at_a_time_and_nan_behind_it(batch):
    model = BiRNNTagger(V, K, **SIZES)
    log_p = log_probabilities(model, batch, batch=2)
    for row, n in enumerate(batch.lengths):
        alone = log_probabilities(model, batch.rows(np.array([row])))
        assert np.allclose(log_p[row, :n], alone[0], atol=1e-5) and np.isnan(log_p[row, n:]).all()
        assert np.allclose(np.exp(log_p[row, :n]).sum(-1), 1)
    assert (greedy_tags(log_p) == IGNORE).tolist() == (batch.tags == IGNORE).tolist() and model.training


def test_rare_words_are_hidden_and_frequent_ones_are_not():
    """alpha / (alpha + n): of a word counted once one half with alpha 1, of one counted 999 times one in a thousand."""
    words = Vocabulary(["<pad>", "<unk>", "often", "once"], [0, 0, 999, 1])
    batch = TagCoder(TEXTS)(TEXTS)._replace(words=np.tile([[2, 3, 0]], (4000, 1)))
    found = hidden(np.random.default_rng(0), batch, words, 1.0).words
    assert (found[:, 0] == 1).mean() < 0.005 and abs((found[:, 1] == 1).mean() - 0.5) < 0.04
    assert (found[:, 2] == 0).all() and set(np.unique(found)) == {0, 1, 2, 3}


def test_accuracy_counts_real_words_and_those_asked_for():
    tags, said = np.array([[1, 0, IGNORE], [2, IGNORE, IGNORE]]), np.array([[1, 1, IGNORE], [2, IGNORE, 0]])
    assert accuracy(tags, said) == 2 / 3
    assert accuracy(tags, said, np.array([[False, True, True], [False] * 3])) == 0
    with pytest.raises(ValueError, match="accuracy over no word at all"):
        accuracy(tags, said, np.zeros((2, 3), bool))


def test_the_commonest_tag_is_that_of_the_word_and_for_a_new_one_that_of_all():
    tags = np.array([[0, 1, 1, 2, IGNORE]])
    majority = MajorityTags(np.array([[3, 4, 4, 4, 0]]), tags, size=6, K=3)
    assert majority.tags(np.array([[3, 4, 5, 0]])).tolist() == [[0, 1, 1, 1]]


# ----- What is refused

def test_what_does_not_fit_is_refused(batch):
    with pytest.raises(ValueError, match="0 or more, not -1"):
        WindowTagger(V, K, k=-1)
    with pytest.raises(ValueError, match="cell is one of rnn, lstm, gru, not 'LSTM'"):
        RNNTagger(V, K, cell="LSTM")
    with pytest.raises(mg.ShapeError, match=r"words \(3, 5\) has lengths \(2,\).*\n.*fix: \(3,\): one length for each"):
        MAKES["window"]()(mg.tensor(batch.words), batch.lengths[:2])
    with pytest.raises(mg.MinigradError, match="reads letters, and got none"):
        MAKES["letters"]()(mg.tensor(batch.words), batch.lengths)
    with pytest.raises(NotImplementedError, match="Tagger has no forward"):
        Tagger()(mg.tensor(batch.words), batch.lengths)
