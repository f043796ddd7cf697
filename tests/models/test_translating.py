"""What sequence-to-sequence models share: batches, a loss that padding does not enter, greedy and beam decoding."""
from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.data import Vocabulary
from minigrad.models import translating
from minigrad.models.bahdanau import Bahdanau
from minigrad.models.seq2seq import Seq2Seq
from minigrad.models.translating import batch_of, encoded, greedy, search, translate

PAIRS = [([4, 5, 6], [2, 6, 5, 4, 3]), ([7], [2, 7, 3]), ([5, 5], [2, 5, 4, 5, 3])]
MODELS = {"init": (Seq2Seq, {}), "every": (Seq2Seq, {"context": "every", "cell": "lstm", "bidirectional": True}),
          "bahdanau": (Bahdanau, {}), "luong": (Bahdanau, {"query": "current", "score": "general"})}


def made(name: str, target: int = 8, device: str = "cpu"):
    """A small model in float64, with weights so large that what it writes depends on the source and on the past."""
    kind, own = MODELS[name]
    model = kind(9, target, embedding=4, hidden=6, **own).to(mg.float64)
    rng = np.random.default_rng(1)
    for p in model.parameters():
        p.data[...] = rng.normal(0, 1.5, p.shape)
    return model.to(device)


# ----- Pairs

def test_words_become_ids_and_the_target_stands_between_bos_and_eos():
    source, target = Vocabulary.build("abc"), Vocabulary.build("xyz")
    (x, y), = encoded([(list("cab"), list("zx"))], source, target)
    assert source.decode(x) == list("cab") and target.decode(y) == ["<bos>", "z", "x", "<eos>"]


def test_a_target_vocabulary_without_ends_is_refused():
    ready = Vocabulary(["x", "y"])
    with pytest.raises(mg.MinigradError, match="between <bos> and <eos>, and its vocabulary lacks one"):
        encoded([(["x"], ["y"])], ready, ready)


def test_a_batch_holds_the_chosen_pairs_filled_up_to_the_longest():
    source, lengths, target = batch_of(PAIRS, [1, 0])
    assert source.tolist() == [[7, 0, 0], [4, 5, 6]] and lengths.tolist() == [1, 3]
    assert target.tolist() == [[2, 7, 3, 0, 0], [2, 6, 5, 4, 3]]
    assert batch_of(PAIRS, [1], pad=9)[2].tolist() == [[2, 7, 3]]


# ----- The loss

@pytest.mark.parametrize("name", MODELS)
def test_the_loss_is_the_mean_over_real_tokens_of_sentences_read_alone(name, device):
    """Télécom, *Machine Translation*. A padding that counts, on either side, gives another number; so does a model
    that is asked for the token that it is given."""
    model = made(name, device=device)
    nats = []
    for x, y in PAIRS:
        scores = model(mg.tensor([x], device=device), None, mg.tensor([y[:-1]], device=device))[0]
        log_p = scores.detach().cpu().numpy()
        log_p = log_p - np.log(np.exp(log_p).sum(-1, keepdims=True))
        nats += [-log_p[t, k] for t, k in enumerate(y[1:])]
    batch = batch_of(PAIRS, range(3))
    assert math.isclose(translating.loss(model, *batch).item(), np.mean(nats), rel_tol=1e-11)
    assert math.isclose(translating.loss(model, *batch, reduction="sum").item(), np.sum(nats), rel_tol=1e-11)


@pytest.mark.parametrize("name", MODELS)
def test_more_padding_changes_neither_loss_nor_gradient(name, device):
    """Three more columns on both sides."""
    model, results = made(name, device=device), []
    for more in (0, 3):
        source, lengths, target = batch_of(PAIRS, range(3))
        source, target = (np.pad(a, ((0, 0), (0, more))) for a in (source, target))
        model.zero_grad()
        loss = translating.loss(model, source, lengths, target)
        loss.backward()
        results.append([loss.item(), *[p.grad.cpu().numpy() for p in model.parameters()]])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


def test_tensors_and_arrays_and_options_of_the_cross_entropy_are_taken(device):
    model, batch = made("init", device=device), batch_of(PAIRS, range(3))
    source, target = (mg.tensor(a, device=device) for a in (batch[0], batch[2]))
    plain = translating.loss(model, *batch).item()
    assert translating.loss(model, source, mg.tensor(batch[1]), target).item() == plain
    assert translating.loss(model, *batch, label_smoothing=0.5).item() != plain
    other = np.where(batch[2] == 0, 7, batch[2])                               # 7 is a word of the first two sentences
    assert translating.loss(model, batch[0], batch[1], other, pad=7).item() != plain


def test_targets_that_cannot_be_learned_are_refused():
    """Without <bos> a model would be trained to begin with a word, and started with <bos> later."""
    model, (source, lengths, target) = made("init"), batch_of(PAIRS, range(3))
    with pytest.raises(mg.MinigradError, match="a target begins with <bos>, id 2, and here one begins with id 6"):
        translating.loss(model, source, lengths, target[:, 1:])
    for wrong in (target[:, :1], target[0]):
        with pytest.raises(mg.ShapeError, match=r"a target is ids \(B, T\) from <bos> to <eos>, T at least 2"):
            translating.loss(model, source, lengths, wrong)


# ----- Greedy

class Chains(nn.Module):
    """P(next | last) by a table (V, V) for each first word of the source; counts its steps."""

    bos, eos = 2, 3

    def __init__(self, *tables):
        self.weight, self.tables, self.steps = nn.Parameter(mg.zeros(1)), np.array(tables, float), 0

    def start(self, source, lengths=None):
        return source.numpy()[:, 0]

    def step(self, ids, state):
        self.steps += 1
        with np.errstate(divide="ignore"):
            return np.log(self.tables[state, ids]), state

    @staticmethod
    def pick(state, rows):
        return state[rows]


def chain(*ids: int, size: int = 7) -> np.ndarray:
    """After <bos> these ids, one after another, with probability 0.9."""
    p = np.full((size, size), 0.1 / (size - 1))
    p[np.array([2, *ids[:-1]]), np.array(ids)] = 0.9
    return p


def test_greedy_writes_each_sentence_to_its_own_end_without_bos_and_eos():
    """One ends at once, one after two words, one after four; what comes after an end is not written, and the search is
    over with the last one."""
    model = Chains(chain(4, 5, 3, 6), chain(3, 4, 4), chain(6, 5, 4, 0, 3))
    assert greedy(model, [[0], [1], [2]], None, 20) == [[4, 5], [], [6, 5, 4, 0]]
    assert model.steps == 5
    assert greedy(model, [[2], [2], [0]]) == [[6, 5, 4, 0]] * 2 + [[4, 5]]


def test_greedy_writes_at_most_so_many_words():
    model = Chains(chain(4, 5, 6, 4))                                          # after 4 comes 5: no end
    assert greedy(model, [[0]], None, 5) == [[4, 5, 6, 4, 5]] and model.steps == 5
    assert greedy(Chains(chain(4, 5, 3)), [[0]], None, 2) == [[4, 5]]
    assert greedy(Chains(chain(4, 5, 3)), [[0]], None, 0) == [[]]


def test_of_equal_words_greedy_takes_the_one_of_the_lowest_id():
    p = chain(4, 3)
    p[2] = [0, 0, 0, 0.2, 0.4, 0.4, 0]
    assert greedy(Chains(p), [[0]]) == [[4]]


@pytest.mark.parametrize("name", MODELS)
def test_greedy_feeds_back_what_it_wrote(name, device):
    """Each word is the best after all before it, by the scores of the whole sentence in one go; `<bos>` fed at each
    step would repeat the first word."""
    model = made(name, device=device)
    source, lengths, _ = batch_of(PAIRS, range(3))
    texts = greedy(model, source, lengths, 6)
    assert len({tuple(t) for t in texts}) > 1 and any(len(set(t)) > 1 for t in texts)
    for x, text in zip(PAIRS, texts, strict=True):
        scores = model(mg.tensor([x[0]], device=device), None, mg.tensor([[2, *text]], device=device))[0]
        best = scores.detach().cpu().numpy().argmax(-1)
        assert best[:len(text)].tolist() == text and (len(text) == 6 or best[-1] == 3)


# ----- Beams

def listed(model, x, most: int, size: int, alpha: float) -> list[int]:
    """The best of all sentences of at most `most` words by ln p / length^alpha, <eos> counted."""
    found = []
    for n in range(most + 1):
        for ids in itertools.product([k for k in range(size) if k != model.eos], repeat=n):
            scores = model(mg.tensor([x]), None, mg.tensor([[model.bos, *ids]]))[0].detach().numpy()
            log_p = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
            total = sum(log_p[t, k] for t, k in enumerate([*ids, model.eos]))
            found.append((total / (n + 1) ** alpha, ids))
    return list(max(found)[1])


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("name", MODELS)
def test_a_beam_as_wide_as_everything_finds_the_best_of_all_sentences(name, alpha):
    """4 tokens, at most 3 words: 1 + 3 + 9 + 27 sentences for each source, of which beams keep their own states."""
    model = made(name, target=4)
    want = [listed(model, x, 3, 4, alpha) for x, _ in PAIRS]
    source, lengths, _ = batch_of(PAIRS, range(3))
    assert search(model, source, lengths, 3, beam=27, alpha=alpha) == want


def test_a_beam_sees_past_a_bad_first_word_and_greedy_does_not():
    """4 is likelier than 5, but behind 4 all is even, and behind 5 the end is certain."""
    p = np.full((7, 7), 1 / 7)
    p[2], p[5] = [0, 0, 0, 0, 0.55, 0.45, 0], [0, 0, 0, 1, 0, 0, 0]
    assert greedy(Chains(p), [[0]], None, 1) == [[4]] and search(Chains(p), [[0]], None, 1, beam=2) == [[5]]


def test_length_normalisation_lets_a_long_sentence_win():
    """Ending at once has 0.4, three certain words and the end 0.3: by ln p the short one wins, by the mean the long."""
    p = np.zeros((7, 7))
    p[2, [3, 4, 0]] = 0.4, 0.3, 0.3
    p[4, 5] = p[5, 6] = p[6, 3] = p[0, 0] = 1
    assert search(Chains(p), [[0]], None, 5, beam=3, alpha=0) == [[]]
    assert search(Chains(p), [[0]], None, 5, beam=3, alpha=1) == [[4, 5, 6]]


def test_a_beam_writes_at_most_so_many_words_and_counts_no_eos():
    assert search(Chains(chain(4, 5, 3)), [[0]], None, 2) == [[4, 5]]
    never = np.full((7, 7), 1 / 6)
    never[:, 3] = 0
    assert [len(t) for t in search(Chains(never), [[0]], None, 4)] == [4]      # no end at all: it is cut


def test_each_source_is_searched_with_its_own_state():
    model = Chains(chain(4, 5, 3), chain(3), chain(6, 5, 3))
    assert search(model, [[2], [0], [1]]) == [[6, 5], [4, 5], []]


# ----- Many

@pytest.mark.parametrize("name", MODELS)
def test_translations_come_in_the_order_of_the_sources_whatever_the_batch(name):
    """Sources are sorted by length into batches; padding and neighbours change nothing."""
    model = made(name)
    rng = np.random.default_rng(0)
    sources = [rng.integers(0, 9, n).tolist() for n in (3, 1, 6, 2, 1, 5, 4)]
    alone = [greedy(model, [s], None, 5)[0] for s in sources]
    assert len({tuple(t) for t in alone}) > 3
    for batch in (1, 3, 64):
        assert translate(model, sources, 5, batch=batch) == alone
    assert translate(model, sources, 5, batch=3, beam=2) == [search(model, [s], None, 5, beam=2)[0] for s in sources]
    assert translate(model, [], 5) == []


@pytest.mark.parametrize("write", [greedy, search])
def test_writing_leaves_the_model_in_its_mode_and_records_nothing(write):
    model = made("bahdanau")
    write(model, [[4, 5]], None, 3)
    assert model.training and all(p.grad is None for p in model.parameters())
    model.eval()
    write(model, [[4, 5]], None, 3)
    assert not model.training
