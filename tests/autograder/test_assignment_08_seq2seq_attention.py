"""08_seq2seq_attention: its text against minigrad. `test_assignments.py` has what is asked of all assignments."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from autograder.prove import graded, seeds
from minigrad.data.bleu import bleu as corpus_bleu
from minigrad.models import decoding
from minigrad.models.seq2seq import Encoder
from minigrad.nn import functional as F
from minigrad.nn.scores import AdditiveScore, attend_to

from .assignment_help import assignment

NAME = "08_seq2seq_attention"
CELLS = assignment(NAME).checks
SPACE = assignment(NAME).namespace()


# ----- The plan

def test_it_has_eight_functions_a_hundred_points_and_53_mutants():
    found = assignment(NAME)
    assert [check.function for check in found.checks.values()] == [
        "last_state", "bahdanau_scores", "masked_softmax", "decoder_step", "attention_backward", "greedy", "beam",
        "bleu"]
    assert [cell.points for cell in found.graded.values()] == [6, 14, 16, 10, 16, 8, 16, 14]
    assert sum(len(check.mutants) for check in found.checks.values()) == 53


# ----- The hidden tests

@pytest.mark.parametrize("way", ["central differences", "complex steps"])
def test_a_numerical_derivative_does_not_pass_for_a_gradient(way):
    """The one is not exact enough; the other is, and takes too long."""
    source = """
def attention_backward(dc, alpha, a):
    scores = np.log(np.maximum(alpha, 1e-300))

    def loss(e, a):                                                     # of each sentence
        w = np.exp(e)
        return np.sum(np.sum((w / w.sum(axis=0))[:, :, None] * a, axis=0) * dc, axis=1)

    def slope(f, x, i):
        step = np.zeros(x.shape, STEP)
        step[i] = EPS
        return QUOTIENT

    de, da = np.zeros_like(alpha), np.zeros_like(a)
    for t in range(len(a)):
        de[t] = slope(lambda e: loss(e, a), scores, t)
        for j in range(a.shape[2]):
            da[t, :, j] = slope(lambda a: loss(scores, a), a, (t, slice(None), j))
    return de, da
"""
    step, eps, quotient = (("float", "1e-5", "(f(x + step) - f(x - step)) / 2e-5") if way == "central differences" else
                           ("complex", "1e-30j", "f(x + step).imag / 1e-30"))
    source = source.replace("STEP", step).replace("EPS", eps).replace("QUOTIENT", quotient)
    [(_, result)] = graded(CELLS["attention-backward-test"], source, seeds(1))
    assert result.score <= (0 if way == "central differences" else 2)


def test_a_beam_without_an_end_is_not_longer_than_max_len_and_one_with_k_of_1_is_greedy():
    for draw in CELLS["beam-test"].drawn(np.random.default_rng(3)):
        logp, bos, eos, max_len, k = draw.args
        ids, total = SPACE["beam_in"](*draw.args)
        assert len(ids) <= max_len and eos not in ids and total < 0
        if k == 1:
            assert ids == SPACE["greedy_in"](logp, bos, eos, max_len)


def test_the_translators_gradient_is_right():
    """The given training, by central differences: it holds the student's functions together."""
    rng = np.random.default_rng(0)
    batch = SPACE["numbered"]([SPACE["sentence_pair"](rng, phrases) for phrases in (1, 3, 2)])
    for attention in (True, False):
        p = {name: w.astype(np.float64) for name, w in SPACE["start"](1, E=3, H=4, S=5, D=6).items()}
        _, g = SPACE["gradients"](p, *batch, attention)
        for name, w in p.items():
            i = np.unravel_index(np.abs(g[name]).argmax(), w.shape)
            old = w[i]
            w[i] = old + 1e-5
            up, _ = SPACE["gradients"](p, *batch, attention)
            w[i] = old - 1e-5
            down, _ = SPACE["gradients"](p, *batch, attention)
            w[i] = old
            np.testing.assert_allclose(g[name][i], (up - down) / 2e-5, rtol=1e-5, atol=1e-9, err_msg=name)


# ----- The solution's text against minigrad

def leaf(a):
    return mg.tensor(a, dtype=mg.float64, requires_grad=True)


def close(got, want):
    want = want.detach().numpy()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12 * (1 + np.max(np.abs(want))))


def attention_agrees(rng):
    """Scores, weights, context, the step and both gradients are what AdditiveScore, attend_to and the tape say."""
    T, B, H, A, D, E = (int(n) for n in rng.integers(2, 7, size=6))
    y, s, a, W_s, W_a, b, v = (rng.normal(size=shape) for shape in (
        (B, E), (B, H), (T, B, A), (D, H), (D, A), (D,), (D,)))
    W, b_s, dc = rng.normal(size=(H, H + E + A)), rng.normal(size=H), rng.normal(size=(B, A))
    mask = np.arange(T)[:, None] < rng.integers(1, T + 1, size=B)

    score = AdditiveScore(H, A, D)
    score.w_s, score.w_a, score.v = (mg.nn.Parameter(mg.tensor(w, dtype=mg.float64)) for w in (W_s, W_a, v))
    places = leaf(a.transpose(1, 0, 2))                                 # minigrad's batch comes first
    e = score.compare(mg.tensor(s, dtype=mg.float64), score.project(places) + mg.tensor(b, dtype=mg.float64))
    close(SPACE["bahdanau_scores"](s, a, W_s, W_a, b, v).T, e)

    scores, places = leaf(e.detach().numpy()), leaf(a.transpose(1, 0, 2))
    c, alpha = attend_to(scores, places, mg.tensor(~mask.T))
    got = SPACE["masked_softmax"](scores.detach().numpy().T, mask)
    close(got.T, alpha)
    s_new, context = SPACE["decoder_step"](y, s, a, got, W, b_s)
    close(context, c)
    joined = mg.tensor(np.concatenate([s, y, c.detach().numpy()], axis=1))
    close(s_new, mg.tanh(F.linear(joined, mg.tensor(W), mg.tensor(b_s))))
    mg.sum(c * mg.tensor(dc)).backward()
    de, da = SPACE["attention_backward"](dc, got, a)
    close(de.T, scores.grad)
    close(da.transpose(1, 0, 2), places.grad)


def last_state_agrees(rng):
    """The encoder's final state, for sentences of different lengths."""
    B, T = int(rng.integers(1, 6)), int(rng.integers(1, 8))
    lengths = rng.integers(1, T + 1, size=B)
    places, (state,) = Encoder(9, embedding=3, hidden=4, cell="rnn")(mg.tensor(rng.integers(9, size=(B, T))), lengths)
    hs = places.detach().numpy().transpose(1, 0, 2)
    np.testing.assert_array_equal(SPACE["last_state"](hs, lengths), state.detach().numpy()[-1])


def search_agrees(rng):
    """Greedy is minigrad's; a beam of everything finds the best of all sentences, and so does minigrad's."""
    V, max_len = 4, int(rng.integers(2, 5))
    z = 1.5 * rng.normal(size=(V, V, V))
    logp = z - np.log(np.exp(z).sum(axis=2, keepdims=True))

    def step(ids, state):
        return logp[state, ids], ids

    options = {"length": max_len, "stop": 1, "state": np.array([0])}
    found = decoding.sample(step, [0], rng=rng, temperature=0, **options).tolist()
    assert SPACE["greedy_in"](logp, 0, 1, max_len) == [w for w in found if w != 1]

    ids, total = SPACE["beam_in"](logp, 0, 1, max_len, V**max_len)
    means = {}
    for n in range(1, max_len + 1):
        for words in itertools.product((0, 2, 3), repeat=n - 1):
            for end in range(V) if n == max_len else (1,):
                path = [0, 0, *words, end]
                means[(*words, end)] = sum(logp[path[i], path[i + 1], path[i + 2]] for i in range(n)) / n
    best = max(means, key=means.get)
    assert ids == [w for w in best if w != 1]
    np.testing.assert_allclose(total, means[best] * len(best), rtol=1e-12)
    if best[-1] == 1:                                                   # minigrad gives up what did not end
        [first, *_] = decoding.beam_search(step, [0], beam=V**max_len, pick=lambda state, rows: state[rows], **options)
        assert first.ids == [*ids, 1]
        np.testing.assert_allclose(first.log_p, total, rtol=1e-12)


def bleu_agrees(rng):
    words = ["a", "b", "c"]
    references = [[str(w) for w in rng.choice(words, size=n)] for n in rng.integers(1, 9, size=4)]
    candidates = [[str(w) for w in rng.choice(words, size=n)] for n in rng.integers(0, 9, size=4)]
    for N in (1, 2, 3, 4):
        got, want = SPACE["bleu"](candidates, references, N), corpus_bleu(candidates, references, N)
        np.testing.assert_allclose(100 * got, want, rtol=1e-12)


def agrees(seed):
    rng = np.random.default_rng(seed)
    attention_agrees(rng)
    last_state_agrees(rng)
    for _ in range(5):
        search_agrees(rng)
        bleu_agrees(rng)


@pytest.mark.parametrize("seed", range(3))
def test_text_and_engine_are_equal(seed):
    agrees(seed)


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(30))
def test_text_and_engine_are_equal_on_30_seeds(seed):
    agrees(seed)
