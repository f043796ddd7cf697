"""The translator: it sees no later word and no padding, decodes from a cache as it scores; its core is PyTorch's."""
from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.models import translating
from minigrad.models.attention_weights import attention_weights
from minigrad.models.transformer import TransformerTranslator

KINDS = [{}, {"norm": "pre"}, {"positions": "learned"}, {"tied": True}, {"scale": False}]
LENGTHS = np.array([5, 3, 1])


def model_of(device="cpu", **options):
    options = dict(d_model=16, heads=2, layers=2, feedforward=24, longest=20) | options
    return TransformerTranslator(11, 9, **options).to(device).eval()


def ids(array, device="cpu"):
    return mg.tensor(np.asarray(array), device=device)


@pytest.fixture
def batch(rng):
    """Sources (3, 5) with padding of id 0, and targets (3, 6) that begin with <bos>, id 2."""
    source, target = rng.integers(4, 11, (3, 5)), rng.integers(3, 9, (3, 6))
    source[np.arange(5) >= LENGTHS[:, None]] = 0
    target[:, 0] = 2
    return source, target


# ----- What it sees

@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_later_word_of_the_target_changes_no_earlier_score(kind, batch, device):
    source, target = batch
    model, changed = model_of(device, **kind), target.copy()
    changed[:, 4:] = 3
    before, after = (model(ids(source, device), LENGTHS, ids(t, device)).detach().cpu().numpy()
                     for t in (target, changed))
    assert before.shape == (3, 6, 9)
    assert np.allclose(before[:, :4], after[:, :4], atol=1e-6)                 # float32, sums in another order
    assert not np.allclose(before[:, 4:], after[:, 4:], atol=1e-2)


def test_an_earlier_word_of_the_target_and_every_word_of_the_source_change_the_last_score(batch):
    """A decoder that saw only its own place, or a mask that hid the source, would pass the test above."""
    source, target = batch
    model = model_of()
    last = model(ids(source), LENGTHS, ids(target)).detach().numpy()[0, -1]
    for t in range(1, 5):
        other = target.copy()
        other[0, t] = 3 + (other[0, t] - 2) % 6
        assert not np.allclose(last, model(ids(source), LENGTHS, ids(other)).detach().numpy()[0, -1], atol=1e-4)
    for s in range(5):
        other = source.copy()
        other[0, s] = 4 + (other[0, s] - 3) % 7
        assert not np.allclose(last, model(ids(other), LENGTHS, ids(target)).detach().numpy()[0, -1], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_stands_behind_a_source_changes_nothing(kind, batch, device):
    source, target = batch
    model, noise = model_of(device, **kind), source.copy()
    noise[np.arange(5) >= LENGTHS[:, None]] = 7
    longer = np.pad(noise, ((0, 0), (0, 3)), constant_values=5)
    scores = [model(ids(s, device), LENGTHS, ids(target, device)).detach().cpu().numpy()
              for s in (source, noise, longer)]
    assert np.allclose(scores[0], scores[1], atol=1e-6) and np.allclose(scores[0], scores[2], atol=1e-6)
    alone = model(ids(source[1:2, :3], device), None, ids(target[1:2], device)).detach().cpu().numpy()
    assert np.allclose(scores[0][1:2], alone, atol=1e-6)       # and a sentence in a batch is the sentence alone


# ----- Decoding

@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_step_from_the_cache_gives_what_the_whole_sentence_gives(kind, batch, device):
    """ln softmax of forward at each place; the cache must not miss a word, a position or the padding."""
    source, target = batch
    model = model_of(device, **kind)
    scores = model(ids(source, device), LENGTHS, ids(target, device)).detach().cpu().numpy().astype(np.float64)
    want = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    state = model.start(source, LENGTHS)
    for t in range(6):
        log_p, state = model.step(target[:, t], state)
        assert log_p.dtype == np.float64 and np.allclose(log_p, want[:, t], atol=1e-5)
    assert state.done == 6


def test_a_step_after_picking_rows_is_that_of_these_sentences(batch, device):
    source, target = batch
    model, rows = model_of(device), np.array([2, 0, 0, 1])
    state = model.start(source, LENGTHS)
    _, state = model.step(target[:, 0], state)
    log_p, _ = model.step(target[:, 1], state)
    picked, _ = model.step(target[rows, 1], model.pick(state, rows))
    assert np.allclose(picked, log_p[rows], atol=1e-6)
    fresh, _ = model.step(target[rows, 0], model.pick(model.start(source, LENGTHS), rows))
    assert fresh.shape == (4, 9)


def test_an_overfitted_model_reverses_letters_by_greedy_and_by_beam(device):
    """The whole path: loss, masks, search. Four sentences, learned by heart."""
    rng = mg.manual_seed(1)
    pairs = [(x, np.array([2, *(x[::-1] - 2), 3])) for n in (1, 3, 4, 6) for x in [rng.integers(6, 11, n)]]
    source, lengths, target = translating.batch_of(pairs, range(4))
    model = model_of(device, dropout=0.0).train()
    adam = optim.Adam(model.parameters(), lr=5e-3)
    first = None
    for _ in range(60):
        loss = translating.loss(model, source, lengths, target)
        first = first or loss.item()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss.item() < 0.1 * first
    want = [(x[::-1] - 2).tolist() for x, _ in pairs]
    assert translating.greedy(model, source, lengths, 10) == want
    assert translating.search(model, source, lengths, 10, beam=3) == want
    assert model.training


def test_decoding_drops_nothing_and_records_nothing(batch):
    source, target = batch
    model = model_of(dropout=0.5).train()
    a, b = (model.step(target[:, 0], model.start(source, LENGTHS))[0] for _ in range(2))
    assert np.array_equal(a, b) and model.training
    assert not model.start(source, LENGTHS).memory.requires_grad


# ----- What it looks at

def test_alignments_are_shares_of_the_real_words_of_the_source(batch, device):
    source, target = batch
    model = model_of(device)
    weights = model.alignments(source, LENGTHS, target)
    heads = model.alignments(source, LENGTHS, target, each_head=True)
    assert weights.shape == (3, 6, 5) and heads.shape == (3, 2, 6, 5)
    assert np.allclose(weights.sum(-1), 1, atol=1e-6) and np.allclose(heads.mean(1), weights, atol=1e-6)
    assert (weights[np.broadcast_to(np.arange(5) >= LENGTHS[:, None, None], weights.shape)] == 0).all()
    assert not np.allclose(weights, model.alignments(source, LENGTHS, target, layer=0), atol=1e-4)


def test_looking_changes_no_score_and_leaves_no_hook(batch):
    source, target = batch
    model = model_of()
    before = model(ids(source), LENGTHS, ids(target)).detach().numpy()
    model.alignments(source, LENGTHS, target)
    calls = []
    model.core.decoder.layers[-1].multihead_attn.register_forward_hook(lambda *a: calls.append(1))
    after = model(ids(source), LENGTHS, ids(target)).detach().numpy()          # hooked, a layer is no single node
    assert np.allclose(before, after, atol=1e-5) and len(calls) == 1


def test_an_attention_that_was_not_called_is_named():
    attention = nn.MultiheadAttention(4, 2, batch_first=True)
    x = mg.randn(1, 3, 4)
    with pytest.raises(ValueError, match=r"of 2 attentions, \[1\] were not called"):
        attention_weights(lambda: attention(x, x, x), attention, nn.MultiheadAttention(4, 2))


# ----- Parity, starts, errors

@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_core_is_pytorchs_transformer_by_state_dict(norm, batch):
    """float64: embeddings times 4 and positions go into both; two layers' sums agree to 1e-9."""
    torch = pytest.importorskip("torch")
    source, target = batch
    model = model_of(norm=norm).to(mg.float64)
    theirs = torch.nn.Transformer(16, 2, 2, 2, 24, 0.1, batch_first=True, norm_first=norm == "pre").double().eval()
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in model.core.state_dict().items()})
    pe = np.zeros((6, 16))
    for p in range(6):
        for i in range(8):
            pe[p, 2 * i:2 * i + 2] = math.sin(p / 10000 ** (2 * i / 16)), math.cos(p / 10000 ** (2 * i / 16))
    x, y = (table.weight.detach().numpy()[i] * 4 + pe[:i.shape[1]] for table, i in (
        (model.source_embedding, source), (model.target_embedding, target)))
    hidden = torch.tensor(np.arange(5) >= LENGTHS[:, None])
    out = theirs(torch.tensor(x), torch.tensor(y), tgt_mask=torch.triu(torch.ones(6, 6, dtype=torch.bool), 1),
                 src_key_padding_mask=hidden, memory_key_padding_mask=hidden).detach().numpy()
    want = out @ model.read.weight.detach().numpy().T + model.read.bias.detach().numpy()
    mg.compare(model(ids(source), LENGTHS, ids(target)), want, rtol=1e-6, atol=1e-7)    # the table of P is float32


def test_tied_weights_are_the_targets_table_and_get_both_gradients(batch):
    source, target = batch
    model = model_of(tied=True)
    assert model.read.weight is model.target_embedding.weight
    apart = model_of()
    assert sum(p.data.size for p in apart.parameters()) - sum(p.data.size for p in model.parameters()) == 9 * 16
    translating.loss(model, source, LENGTHS, target).backward()
    assert (np.abs(model.read.weight.grad.numpy()).sum(1) > 0).all()


@pytest.mark.parametrize("kind, size", [({}, 0.25), ({"scale": False}, 1.0), ({"scale": False, "tied": True}, 0.25)],
                         ids=str)
def test_scaled_and_tied_embeddings_start_small(kind, size):
    """Times sqrt(d) = 4 they have variance 1, beside positions of about 0.7; a tied table gives scores of about 1."""
    table = model_of(**kind).source_embedding.weight.detach().numpy()
    assert abs(table.std() - size) < 0.2 * size


def test_scores_and_gradients_are_the_same_on_every_device(batch, device):
    """Sums of float32 in another order: 1e-5. Dropout masks are the same everywhere."""
    results = []
    for where in ("cpu", device):
        mg.manual_seed(3)
        model = model_of(where).train()
        loss = translating.loss(model, batch[0], LENGTHS, batch[1])
        loss.backward()
        results.append([loss.item(), *(p.grad.cpu().numpy() for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_what_it_cannot_be_is_refused(batch):
    source, target = batch
    with pytest.raises(ValueError, match="norm is 'post' or 'pre', not 'after'"):
        model_of(norm="after")
    for lengths in ([5, 3], [5, 3, 6], [5, 3, 0]):
        with pytest.raises(mg.ShapeError, match="3 sentences of up to 5 words cannot have lengths"):
            model_of()(ids(source), np.array(lengths), ids(target))
    with pytest.raises(mg.ShapeError, match="longest"):
        model_of(longest=5)(ids(source), LENGTHS, ids(target))
