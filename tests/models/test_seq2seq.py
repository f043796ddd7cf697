"""Encoder and decoder beside PyTorch's layers, sentence by sentence: padding, contexts, directions, steps."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.models import translating
from minigrad.models.rnn_lm import CELLS
from minigrad.models.seq2seq import Encoder, Seq2Seq

FORMS = {"sutskever": {}, "cho": {"context": "every"}, "both-ways": {"bidirectional": True},
         "cho-both-ways": {"context": "every", "bidirectional": True, "layers": 2}, "deep": {"layers": 3},
         "reversed": {"reverse": True}}
LENGTHS = np.array([2, 5, 1, 4])


def made(form: str = "sutskever", cell: str = "gru", device: str = "cpu", **options) -> Seq2Seq:
    return Seq2Seq(9, 8, embedding=3, hidden=5, cell=cell, **FORMS[form], **options).to(mg.float64).to(device)


def batch(device: str = "cpu"):
    """Sources of unequal lengths with words behind their ends, and targets."""
    rng = np.random.default_rng(0)
    source, target = rng.integers(4, 9, (4, 5)), rng.integers(4, 8, (4, 6))
    target[:, 0] = 2
    return mg.tensor(source, device=device), LENGTHS, mg.tensor(target, device=device)


def numpy(t):
    return t.detach().cpu().numpy()


# ----- PyTorch

def theirs(model: Seq2Seq, form: str, cell: str, source, target):
    """Scores (B, T, V) by PyTorch's layers with the model's weights, each sentence alone and without padding."""
    torch = pytest.importorskip("torch")
    options = {"layers": 1, "context": "init", "bidirectional": False, "reverse": False, **FORMS[form]}
    p = {n: torch.tensor(numpy(v), requires_grad=True) for n, v in model.named_parameters()}

    def layer(name: str, inputs: int, both: bool):
        made = getattr(torch.nn, cell.upper())(inputs, 5, options["layers"], bidirectional=both).double()

        def run(x, state=None):
            own = {n.removeprefix(name): v for n, v in p.items() if n.startswith(name)}
            return torch.func.functional_call(made, own, (x, state))
        return run
    encode = layer("encoder.layer.", 3, options["bidirectional"])
    decode = layer("decoder.", 3 + 5 * (options["context"] == "every"), False)
    rows = []
    for x, n, y in zip(source, LENGTHS, target, strict=True):
        x = x[:n][::-1] if options["reverse"] else x[:n]
        _, state = encode(p["encoder.embedding.weight"][torch.tensor(x.copy())])           # (layers * directions, H)
        states = state if isinstance(state, tuple) else (state,)
        if options["bidirectional"]:
            states = [torch.tanh(torch.cat([s[::2], s[1::2]], -1) @ p[f"encoder.join.{k}.weight"].T
                                 + p[f"encoder.join.{k}.bias"]) for k, s in enumerate(states)]
        words = p["embedding.weight"][torch.tensor(y)]
        if options["context"] == "every":
            words = torch.cat([words, states[0][-1].expand(len(y), -1)], -1)
        h, _ = decode(words, tuple(states) if cell == "lstm" else states[0])
        rows.append(h @ p["read.weight"].T + p["read.bias"])
    return torch.stack(rows), p


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("form", FORMS)
def test_scores_and_gradients_are_those_of_pytorchs_layers_without_padding(form, cell, device):
    """A state taken at the padded end, a context that does not enter the steps, directions that are joined across
    layers, a source reversed with its padding: each changes numbers. float64: 1e-10 is some hundred rounding errors."""
    torch = pytest.importorskip("torch")
    model, (source, lengths, target) = made(form, cell, device), batch(device)
    y = model(source, lengths, target)
    g = np.random.default_rng(1).standard_normal(y.shape)
    y.backward(mg.tensor(g, device=device))
    want, p = theirs(model, form, cell, numpy(source), numpy(target))
    want.backward(torch.tensor(g))
    mg.compare(y, numpy(want), rtol=1e-10, atol=1e-12)
    for name, mine in model.named_parameters():
        mg.compare(mine.grad, p[name].grad.numpy(), rtol=1e-9, atol=1e-11, name=name)


# ----- Padding, steps

@pytest.mark.parametrize("form", FORMS)
def test_nan_as_the_vector_of_padding_changes_no_score_and_no_gradient(form, device):
    """What stands behind the end of a source is never read."""
    model, (source, lengths, target) = made(form, device=device), batch(device)
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


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("form", FORMS)
def test_step_by_step_the_scores_are_those_of_the_whole_target(form, cell, device):
    """`step` and `pick` are what decoding uses, `forward` what training uses: one model. Rows are picked on the way."""
    model, (source, lengths, target) = made(form, cell, device), batch(device)
    want = numpy(model(source, lengths, target))
    want = want - np.log(np.exp(want).sum(-1, keepdims=True))
    state, rows = model.start(source, lengths), np.arange(4)
    for t, ids in enumerate(numpy(target).T):
        log_p, state = model.step(ids[rows], state)
        assert log_p.dtype == np.float64
        np.testing.assert_allclose(log_p, want[rows, t], rtol=1e-11)
        order = np.array([2, 0, 0, 1])[:len(rows)]
        state, rows = model.pick(state, order), rows[order]


def test_lengths_come_as_arrays_lists_tensors_or_not_at_all(device):
    """None means that all sources are as long as the batch."""
    for form in ("sutskever", "reversed"):
        model, (source, lengths, target) = made(form, device=device), batch(device)
        want = numpy(model(source, lengths, target))
        for same in (lengths.tolist(), mg.tensor(lengths), mg.tensor(lengths, device=device)):
            np.testing.assert_array_equal(numpy(model(source, same, target)), want)
        np.testing.assert_array_equal(numpy(model(source, None, target)), numpy(model(source, [5] * 4, target)))


def test_the_decoder_starts_with_the_very_state_that_the_encoder_ended_with():
    """Chemnitz, *Many to Many: seq2seq*: no layer between them where there is one direction."""
    model, (source, lengths, _) = made(cell="lstm"), batch()
    (h, c), context = model.encode(source, lengths)
    _, (h_n, c_n) = model.encoder.layer(model.encoder.embedding(source), lengths=lengths)
    assert np.array_equal(numpy(h), numpy(h_n)) and np.array_equal(numpy(c), numpy(c_n))
    assert np.array_equal(numpy(context), numpy(h_n)) and len(model.encoder.join) == 0


def test_fused_layers_give_what_loops_give():
    fused, loop = made("cho", "lstm"), made("cho", "lstm", fused=False)
    loop.load_state_dict(fused.state_dict())
    assert not loop.decoder.fused and not loop.encoder.layer.fused
    np.testing.assert_allclose(numpy(fused(*batch())), numpy(loop(*batch())), rtol=1e-11)


# ----- What is refused

def test_options_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="cell is one of rnn, lstm, gru, not 'transformer'"):
        Seq2Seq(4, 4, cell="transformer")
    with pytest.raises(ValueError, match="context is 'init' or 'every', not 'attention'"):
        Seq2Seq(4, 4, context="attention")
    with pytest.raises(ValueError, match="reverse=True chooses one direction, and bidirectional=True reads in both"):
        Encoder(4, embedding=2, hidden=2, bidirectional=True, reverse=True)


@pytest.mark.parametrize("form", ["sutskever", "reversed"])
def test_sources_and_targets_that_do_not_fit_are_named(form):
    """An empty source, ids out of range, another number of targets, no target at all, floats."""
    model, (source, lengths, target) = made(form), batch()
    with pytest.raises(mg.ShapeError, match="lengths of GRU are from 1 to T = 5, and example 1 has 0"):
        model(source, [5, 0, 5, 5], target)
    with pytest.raises(mg.ShapeError, match="lengths of GRU are from 1 to T = 5, and example 0 has 6"):
        model(source, [6, 5, 5, 5], target)
    with pytest.raises(mg.ShapeError, match=r"a source is ids \(B, S\), at least one token each, not \(4, 0\)"):
        model(source[:, :0], None, target)
    with pytest.raises(mg.IndexRangeError, match=r"id 9 is outside of 0 \.\.\. 8"):
        model(source + 1, lengths, target)
    with pytest.raises(mg.ShapeError, match=r"sources \(4, 5\) have no targets \(3, 6\)"):
        model(source, lengths, target[:3])
    with pytest.raises(mg.ShapeError, match=r"sources \(4, 5\) have no targets \(4, 0\)"):
        model(source, lengths, target[:, :0])
    with pytest.raises(mg.DTypeError, match="ids are integers, and these are float64"):
        model(source.to(mg.float64), lengths, target)


# ----- Learning

def test_it_learns_to_copy_a_pair_of_words():
    """A recurrent autoencoder, 16 pairs. By guessing one of 16 is right."""
    model = Seq2Seq(8, 8, embedding=8, hidden=24)
    pairs = [([a, b], [2, a, b, 3]) for a in range(4, 8) for b in range(4, 8)]
    opt = mg.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        loss = translating.loss(model, *translating.batch_of(pairs, range(16)))
        opt.zero_grad()
        loss.backward()
        opt.step()
    assert translating.translate(model, [x for x, _ in pairs], 4) == [list(x) for x, _ in pairs]
