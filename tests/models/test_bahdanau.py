"""Attention: the slides' equations written out in PyTorch, masks, alignments, steps, and that it learns to look."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import translating
from minigrad.models.bahdanau import Bahdanau
from minigrad.nn.scores import SCORES

QUERIES = ("previous", "current")
LENGTHS = np.array([2, 5, 1, 4])


def made(score: str = "additive", query: str = "previous", device: str = "cpu", **options) -> Bahdanau:
    return Bahdanau(9, 8, embedding=3, hidden=6, score=score, query=query, **options).to(mg.float64).to(device)


def batch(device: str = "cpu"):
    """Sources of unequal lengths with words behind their ends, and targets."""
    rng = np.random.default_rng(0)
    source, target = rng.integers(4, 9, (4, 5)), rng.integers(4, 8, (4, 6))
    target[:, 0] = 2
    return mg.tensor(source, device=device), LENGTHS, mg.tensor(target, device=device)


def numpy(t):
    return t.detach().cpu().numpy()


# ----- The slides in PyTorch

def theirs(model: Bahdanau, score: str, query: str, source, target):
    """Scores (B, T, V), alignments and weights, sentence by sentence, one number at a time: no batch, no padding."""
    torch = pytest.importorskip("torch")
    p = {n: torch.tensor(numpy(v), requires_grad=True) for n, v in model.named_parameters()}

    def gru(x, h, w_ih, w_hh, b_ih, b_hh):
        ir, iz, i_n = (w_ih @ x + b_ih).chunk(3)
        hr, hz, hn = (w_hh @ h + b_hh).chunk(3)
        r, z = torch.sigmoid(ir + hr), torch.sigmoid(iz + hz)
        return (1 - z) * torch.tanh(i_n + r * hn) + z * h

    def weights(name, suffix=""):
        return [p[f"{name}{kind}{suffix}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]

    def e(s, a):
        if score == "dot":
            return s @ a
        if score == "general":
            return s @ p["score.w"] @ a
        if score == "concat":
            return p["score.v"] @ torch.tanh(p["score.w"] @ torch.cat([s, a]))
        return p["score.v"] @ torch.tanh(p["score.w_s"] @ s + p["score.w_a"] @ a)
    H = len(p["encoder.layer.weight_hh_l0"]) // 3
    rows, looks = [], []
    for x, n, y in zip(source, LENGTHS, target, strict=True):
        words = [p["encoder.embedding.weight"][k] for k in x[:n]]
        there, h = [], torch.zeros(H, dtype=torch.float64)
        for word in words:
            h = gru(word, h, *weights("encoder.layer.", "_l0"))
            there.append(h)
        back, h = [], torch.zeros(H, dtype=torch.float64)
        for word in words[::-1]:
            h = gru(word, h, *weights("encoder.layer.", "_l0_reverse"))
            back.insert(0, h)
        a = [torch.cat(pair) for pair in zip(there, back, strict=True)]
        s = torch.tanh(p["encoder.join.0.weight"] @ torch.cat([there[-1], back[0]]) + p["encoder.join.0.bias"])
        for k in y:
            word = p["embedding.weight"][k]
            if query == "current":
                s = gru(word, s, *weights("cell."))
            alpha = torch.softmax(torch.stack([e(s, a_t) for a_t in a]), 0)
            c = sum(w * a_t for w, a_t in zip(alpha, a, strict=True))
            if query == "previous":
                s = gru(torch.cat([word, c]), s, *weights("cell."))
            out = s if query == "previous" else torch.tanh(p["mix.weight"] @ torch.cat([c, s]))
            rows.append(p["read.weight"] @ out + p["read.bias"])
            looks.append(np.pad(alpha.detach().numpy(), (0, 5 - n)))
    return torch.stack(rows).reshape(4, 6, -1), np.array(looks).reshape(4, 6, 5), p


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("score", SCORES)
def test_scores_alignments_and_gradients_are_those_of_the_slides_equations(score, query, device):
    """Télécom, *Attention model*, in PyTorch's float64; Luong's forms beside it. The score sees s_(tau-1), not s_tau;
    c_tau enters the step; the softmax is over the true places alone, along the source. 1e-9: sums in another order."""
    torch = pytest.importorskip("torch")
    model, (source, lengths, target) = made(score, query, device), batch(device)
    y = model(source, lengths, target)
    g = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(mg.tensor(g, device=device))
    want, looks, p = theirs(model, score, query, numpy(source), numpy(target))
    want.backward(torch.tensor(g))
    mg.compare(y, want.detach().numpy(), rtol=1e-10, atol=1e-12)
    mg.compare(model.alignments(source, lengths, target), looks, rtol=1e-10, atol=1e-13)
    for name, mine in model.named_parameters():
        mg.compare(mine.grad, p[name].grad.numpy(), rtol=1e-9, atol=1e-11, name=name)


# ----- Masks

@pytest.mark.parametrize("score", SCORES)
def test_alignments_add_up_to_1_over_the_true_places_and_are_0_behind_them(score, device):
    model, (source, lengths, target) = made(score, device=device), batch(device)
    alpha = model.alignments(numpy(source), lengths, numpy(target))            # arrays are taken too
    assert alpha.shape == (4, 6, 5)
    np.testing.assert_allclose(alpha.sum(-1), 1, rtol=1e-12)
    assert not alpha.transpose(0, 2, 1)[np.arange(5) >= LENGTHS[:, None]].any() and (alpha[1] > 0).all()


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("score", SCORES)
def test_nan_as_the_vector_of_padding_changes_no_score_and_no_gradient(score, query, device):
    """What stands behind the end of a source is never read."""
    model, (source, lengths, target) = made(score, query, device), batch(device)
    padded = mg.tensor(np.where(np.arange(5) < LENGTHS[:, None], numpy(source), 0), device=device)
    results = []
    for ids, value in ((source, 1.0), (padded, np.nan)):
        with mg.no_grad():
            model.encoder.embedding.weight[0] = value
        model.zero_grad()
        y = model(ids, lengths, target)
        (y ** 2).sum().backward()
        results.append([numpy(y), *[numpy(p.grad) for p in model.parameters()]])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


# ----- Steps

@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("score", SCORES)
def test_step_by_step_the_scores_are_those_of_the_whole_target(score, query, device):
    """`step` and `pick` are what decoding uses, `forward` what training uses: one model. Rows are picked on the way."""
    model, (source, lengths, target) = made(score, query, device), batch(device)
    want = numpy(model(source, lengths, target))
    want = want - np.log(np.exp(want).sum(-1, keepdims=True))
    for n, places in ((lengths, source), (None, source)):                      # with a mask, and without
        if n is None:
            want = numpy(model(source, None, target))
            want = want - np.log(np.exp(want).sum(-1, keepdims=True))
        state, rows = model.start(places, n), np.arange(4)
        for t, ids in enumerate(numpy(target).T):
            log_p, state = model.step(ids[rows], state)
            np.testing.assert_allclose(log_p, want[rows, t], rtol=1e-11)
            order = np.array([2, 0, 0, 1])
            state, rows = model.pick(state, order), rows[order]


def test_a_dot_score_has_annotations_as_wide_as_the_state():
    model = made("dot")
    assert model.encoder.layer.hidden_size == 3 and model.encode(*batch()[:2]).annotations.shape == (4, 5, 6)


# ----- What is refused

def test_options_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="query is 'previous' or 'current', not 'next'"):
        Bahdanau(4, 4, query="next")
    with pytest.raises(ValueError, match="score is one of additive, dot, general, concat, not 'cosine'"):
        Bahdanau(4, 4, score="cosine")
    with pytest.raises(mg.ShapeError, match="annotations of two directions cannot be 5 wide, as a dot score") as error:
        Bahdanau(4, 4, score="dot", hidden=5)
    assert "an even hidden size, or score='general'" in str(error.value)


def test_sources_and_targets_that_do_not_fit_are_named(device):
    """An empty source, another number of targets, ids out of range."""
    model, (source, lengths, target) = made(device=device), batch(device)
    with pytest.raises(mg.ShapeError, match="lengths of GRU are from 1 to T = 5, and example 1 has 0"):
        model(source, [5, 0, 5, 5], target)
    with pytest.raises(mg.ShapeError, match=r"sources \(4, 5\) have no targets \(3, 6\)"):
        model(source, lengths, target[:3])
    if device == "cpu":                        # elsewhere a look would wait for the device
        with pytest.raises(mg.IndexRangeError, match=r"id 8 is outside of 0 \.\.\. 7"):
            model(source, lengths, target + 1)


# ----- Learning

def test_it_learns_to_reverse_and_looks_from_the_end_to_the_beginning():
    """Words in reverse order: the alignment is the other diagonal, for lengths that no vector of this size could hold
    after so few steps, as the encoder-decoder with the same training shows."""
    from minigrad.models.seq2seq import Seq2Seq
    rng = np.random.default_rng(0)

    def pairs(n):
        words = [rng.integers(4, 12, rng.integers(4, 9)) for _ in range(n)]
        return [(w, np.array([2, *w[::-1], 3])) for w in words]
    right = {}
    for kind in (Bahdanau, Seq2Seq):
        model = kind(12, 12, embedding=12, hidden=32)
        opt = mg.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(120):
            loss = translating.loss(model, *translating.batch_of(pairs(32), range(32)))
            opt.zero_grad()
            loss.backward()
            mg.optim.clip_grad_norm_(list(model.parameters()), 1.0)
            opt.step()
        test = pairs(100)
        texts = translating.translate(model, [x for x, _ in test], 10)
        right[kind] = np.mean([t == y[1:-1].tolist() for t, (_, y) in zip(texts, test, strict=True)])
        if kind is Bahdanau:
            source, lengths, target = translating.batch_of(test, range(100))
            alpha = model.alignments(source, lengths, target[:, :-1])
            looked = [(alpha[b, :n].argmax(-1) == n - 1 - np.arange(n)).mean() for b, n in enumerate(lengths)]
    assert right[Bahdanau] > 0.8 and np.mean(looked) > 0.8 and right[Seq2Seq] < 0.5
