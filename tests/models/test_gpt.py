"""GPT: it sees no later token, steps from a cache as it scores, goes on past its context, and is a PyTorch stack."""
from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.models.decoding import sample
from minigrad.models.gpt import GPT
from minigrad.nn import functional as F

TEXT = np.array([0, 3, 1, 4, 1, 5, 6, 2, 6, 5, 3, 5])


def model_of(device="cpu", context=8, **options):
    return GPT(7, **(dict(d_model=16, heads=2, layers=2, context=context) | options)).to(device).eval()


def log_p(model, ids):
    """ln P (T, V) by one pass over ids (T,)."""
    with mg.no_grad():
        return F.log_softmax(model(mg.tensor(np.asarray(ids)[None], device=model.device))[0], -1).cpu().numpy()


def test_a_later_token_changes_no_earlier_score_and_an_earlier_one_does(device):
    model, changed = model_of(device), TEXT[:8].copy()
    changed[5] = 0
    a, b = log_p(model, TEXT[:8]), log_p(model, changed)
    assert np.allclose(a[:5], b[:5], atol=1e-6)                                # float32, sums in another order
    assert (np.abs(a[5:] - b[5:]).max(1) > 1e-4).all()


def test_steps_from_the_cache_are_the_pass_over_all_of_it(device):
    model, state = model_of(device), None
    for token, want in zip(TEXT[:8], log_p(model, TEXT[:8]), strict=True):
        got, state = model.step(np.array([token]), state)
        assert got.dtype == np.float64 and np.allclose(got[0], want, atol=1e-5)


def test_a_text_longer_than_the_context_goes_on_with_its_second_half(device):
    """After 8 tokens the ninth is read behind the last four, at place 5; up to then nothing is forgotten."""
    model, state = model_of(device), None
    for token in TEXT[:9]:
        got, state = model.step(np.array([token]), state)
    assert np.allclose(got[0], log_p(model, TEXT[4:9])[-1], atol=1e-5) and state.ids.shape == (1, 5)
    got, _ = model.step(TEXT[9:10], state)
    assert np.allclose(got[0], log_p(model, TEXT[4:10])[-1], atol=1e-5)
    with pytest.raises(mg.ShapeError, match="longest"):
        log_p(model, TEXT[:9])


def test_texts_side_by_side_are_texts_alone_and_rows_can_be_picked(device):
    model, both, alone = model_of(device), None, [None, None]
    for a, b in zip(TEXT[:5], TEXT[5:10], strict=True):
        got, both = model.step(np.array([a, b]), both)
        for k, token in enumerate((a, b)):
            want, alone[k] = model.step(np.array([token]), alone[k])
            assert np.allclose(got[k], want[0], atol=1e-5)
    got, _ = model.step(np.array([1, 1, 1]), model.pick(both, np.array([1, 0, 1])))
    want, _ = model.step(np.array([1]), alone[1])
    assert np.allclose(got[[0, 2]], want, atol=1e-5) and not np.allclose(got[1], want[0], atol=1e-4)


def test_what_is_drawn_with_the_cache_is_what_is_drawn_without(device):
    """The same generator and whole passes in place of the cache: the same text."""
    model = model_of(device, context=16)

    def whole(ids, state):
        state = np.concatenate([[] if state is None else state, ids]).astype(int)
        return log_p(model, state)[-1:].astype(np.float64), state
    drawn = [model.sample([3], 12, np.random.default_rng(k)).tolist() for k in range(3)]
    assert drawn == [sample(whole, [3], 12, np.random.default_rng(k)).tolist() for k in range(3)]
    assert len(model.sample([3], 40, np.random.default_rng(0))) == 40          # and past the context


def test_beam_search_finds_what_the_scores_say_is_best():
    model = model_of()
    best = model.search([3], 2, beam=7)[0]
    totals = np.array([[log_p(model, [3])[-1, a] + log_p(model, [3, a])[-1, b] for b in range(7)] for a in range(7)])
    assert best.ids == list(np.unravel_index(totals.argmax(), totals.shape))
    assert math.isclose(best.log_p, totals.max(), abs_tol=1e-5)


# ----- What a text is worth

@pytest.mark.parametrize("length", [2, 5, 9, 10, 12])
def test_every_token_but_the_first_is_told_once_by_at_least_half_a_context(length):
    """By hand: token t of a text of L by the window that `nats` takes for it, 8 wide and moved on by 4."""
    model = model_of()
    nats = model.nats(TEXT[:length])
    assert nats.shape == (length - 1,)
    for t in range(1, length):
        possible = [-log_p(model, TEXT[s:t])[-1, TEXT[t]] for s in range(max(0, t - 8), max(0, t - 4) + 1)]
        if t <= 4:
            possible = [-log_p(model, TEXT[:t])[-1, TEXT[t]]]
        assert np.abs(np.array(possible) - nats[t - 1]).min() < 1e-5
    assert math.isclose(model.bits(TEXT[:length]), nats.mean() / math.log(2), rel_tol=1e-9)
    assert np.allclose(nats, model.nats(TEXT[:length], batch=1), atol=1e-5)


def test_a_text_of_one_token_is_refused():
    with pytest.raises(mg.ShapeError, match="a text of 1 ids has nothing to predict"):
        model_of().nats([3])


def test_an_untrained_model_is_close_to_a_perplexity_of_v_and_a_trained_one_is_not():
    model = model_of().train()
    assert abs(model.bits(TEXT) - math.log2(7)) < 0.1
    adam = optim.Adam(model.parameters(), lr=1e-2)
    x, y = mg.tensor(TEXT[None, :8]), mg.tensor(TEXT[None, 1:9])
    for _ in range(60):
        loss = model.loss(x, y)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss.item() < 0.2 and model.training


# ----- What it is made of

def test_it_is_pytorchs_encoder_with_a_causal_mask_between_a_table_and_its_transpose():
    """float64: two layers agree to 1e-9. Norm before, GELU, learned positions, no bias in the reading."""
    torch = pytest.importorskip("torch")
    model = model_of().to(mg.float64)
    layer = torch.nn.TransformerEncoderLayer(16, 2, 64, 0.0, "gelu", batch_first=True, norm_first=True)
    theirs = torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(16), enable_nested_tensor=False).double().eval()
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in model.encoder.stack.state_dict().items()})
    table, places = (p.detach().numpy() for p in (model.encoder.embedding.weight, model.encoder.positions.weight))
    mask = torch.triu(torch.ones(8, 8, dtype=torch.bool), 1)
    want = theirs(torch.tensor((table[TEXT[:8]] + places)[None]), mask=mask).detach().numpy() @ table.T
    mg.compare(model(mg.tensor(TEXT[None, :8])), want, rtol=1e-9, atol=1e-11)


def test_matrices_start_as_gpt_2s_and_norms_at_one():
    model = GPT(50, d_model=64, layers=8)
    layer = model.encoder.stack.layers[3]
    for weight, std in ((model.encoder.embedding.weight, 0.02), (layer.linear1.weight, 0.02),
                        (layer.self_attn.in_proj_weight, 0.02), (layer.linear2.weight, 0.005),
                        (layer.self_attn.out_proj.weight, 0.005)):
        assert abs(weight.detach().numpy().std() / std - 1) < 0.06
    assert (layer.norm1.weight.detach().numpy() == 1).all() and isinstance(model.encoder.stack.norm, nn.LayerNorm)


def test_losses_and_gradients_are_the_same_on_every_device(device):
    """Sums of float32 in another order: 1e-5. Dropout masks are the same everywhere."""
    results = []
    for where in ("cpu", device):
        mg.manual_seed(3)
        model = model_of(where, dropout=0.2).train()
        loss = model.loss(*(mg.tensor(t[None], device=where) for t in (TEXT[:8], TEXT[1:9])))
        loss.backward()
        results.append([loss.item(), *(p.grad.cpu().numpy() for p in model.parameters())])
    for a, b in zip(*results, strict=True):
        assert np.allclose(a, b, atol=1e-5)
