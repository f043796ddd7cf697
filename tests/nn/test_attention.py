"""MultiheadAttention and scaled_dot_product_attention beside PyTorch's: outputs, weights, gradients, every mask."""
from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn.attention import scaled_dot_product_attention

torch = pytest.importorskip("torch")
E, H, B, S, T = 12, 3, 2, 5, 7
CLOSE = dict(rtol=1e-9, atol=1e-11)            # float64; sums in another order


def twins(device: str, **options):
    """PyTorch's layer in float64 with random biases too, and ours with its weights."""
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(E, H, **options).double()
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.randn(p.shape, dtype=torch.float64) * 0.5)
    ours = nn.MultiheadAttention(E, H, **options).to(mg.float64)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours.to(device), theirs


def same(ours, theirs, arrays, device, *masks, need_weights=True, **kw):
    """Call both with (query, key, value) and masks; compare outputs, weights and all gradients."""
    xs = [mg.tensor(a, device=device, requires_grad=True) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    padding, mask = (None if m is None else mg.tensor(m, device=device) for m in masks or (None, None))
    tpadding, tmask = (None if m is None else torch.tensor(m) for m in masks or (None, None))
    y, w = ours(*xs, padding, need_weights, mask, **kw)
    ty, tw = theirs(*ts, tpadding, need_weights, tmask, **kw)
    mg.compare(y, ty.detach().numpy(), **CLOSE)
    assert (w is None) == (tw is None)
    rng = np.random.default_rng(1)
    g = rng.standard_normal(y.shape)
    loss, tloss = (y * mg.tensor(g, device=device)).sum(), (ty * torch.tensor(g)).sum()
    if w is not None:
        mg.compare(w, tw.detach().numpy(), **CLOSE)
        gw = rng.standard_normal(w.shape)
        loss, tloss = loss + (w * mg.tensor(gw, device=device)).sum(), tloss + (tw * torch.tensor(gw)).sum()
    loss.backward()
    tloss.backward()
    for x, t in zip([*xs, *ours.parameters()], [*ts, *theirs.parameters()], strict=True):
        mg.compare(x.grad, t.grad.numpy(), rtol=1e-8, atol=1e-10)


def inputs(rng, key=E, value=E, batch_first=False):
    """query, key and value, all different."""
    shapes = ((S, B, E), (T, B, key), (T, B, value))
    return [rng.standard_normal(s).swapaxes(0, 1).copy() if batch_first else rng.standard_normal(s) for s in shapes]


OPTIONS = [{}, {"bias": False}, {"batch_first": True}, {"kdim": 4, "vdim": 6}, {"vdim": 6, "bias": False},
           {"add_bias_kv": True}, {"add_zero_attn": True}, {"add_bias_kv": True, "add_zero_attn": True}]


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_is_pytorchs(options, need_weights, device, rng):
    """Same keys, same outputs, weights and gradients; both with the weights asked for and without."""
    ours, theirs = twins(device, **options)
    arrays = inputs(rng, options.get("kdim", E), options.get("vdim", E), options.get("batch_first", False))
    same(ours, theirs, arrays, device, need_weights=need_weights)


PADDING = np.arange(T) >= np.array([[4], [7]])
MASKS = {"2-D": np.random.default_rng(2).random((S, T)) < 0.3,
         "3-D": np.random.default_rng(3).random((B * H, S, T)) < 0.3}


@pytest.mark.parametrize("extra", [{}, {"add_bias_kv": True}, {"add_zero_attn": True}], ids=str)
@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("form", ["padding", "2-D", "3-D", "padding and 2-D", "padding and 3-D"])
@pytest.mark.parametrize("need_weights", [True, False])
def test_every_form_of_mask_is_pytorchs(form, kind, extra, need_weights, device, rng):
    """(B, T), (S, T), (B h, S, T), bool or added; no row sees nothing here, where PyTorch may give NaN."""
    padding = PADDING if "padding" in form else None
    mask = next((m.copy() for name, m in MASKS.items() if name in form), None)
    if mask is not None:
        mask[..., 0] = False
    if kind == "float":                        # added: -inf, and other numbers
        padding = padding if padding is None else np.where(padding, -np.inf, 0.7)
        mask = mask if mask is None else np.where(mask, -np.inf, rng.standard_normal(mask.shape))
    ours, theirs = twins(device, **extra)
    same(ours, theirs, inputs(rng), device, padding, mask, need_weights=need_weights)


@pytest.mark.parametrize("average", [True, False])
def test_unbatched_input_is_pytorchs(average, device, rng):
    """(S, E), with weights (S, T) or (h, S, T), and masks without a batch."""
    ours, theirs = twins(device)
    arrays = [a[:, 0] for a in inputs(rng)]
    same(ours, theirs, arrays, device, PADDING[0], MASKS["2-D"] & (np.arange(T) > 0), average_attn_weights=average)


def test_one_input_in_three_roles_gets_the_sum_of_three_gradients(device, rng):
    """Self-attention projects once for all three: the gradient must still be PyTorch's."""
    ours, theirs = twins(device)
    a = rng.standard_normal((S, B, E))
    x, t = mg.tensor(a, device=device, requires_grad=True), torch.tensor(a, requires_grad=True)
    ours(x, x, x)[0].sum().backward()
    theirs(t, t, t)[0].sum().backward()
    mg.compare(x.grad, t.grad.numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("need_weights", [True, False])
def test_is_causal_hides_later_keys(need_weights, device, rng):
    """PyTorch wants the mask beside the hint; here the word alone is enough, and both give the same."""
    ours, theirs = twins(device)
    a = rng.standard_normal((S, B, E))
    x, t, later = mg.tensor(a, device=device), torch.tensor(a), torch.tensor(np.triu(np.ones((S, S), bool), 1))
    want = theirs(t, t, t, attn_mask=later, is_causal=True)[0].detach().numpy()
    mg.compare(ours(x, x, x, need_weights=need_weights, is_causal=True)[0], want, **CLOSE)
    own = mg.tensor(np.zeros((S, S), bool), device=device)             # with a mask the word is a hint, as there
    open_ = ours(x, x, x, need_weights=need_weights, attn_mask=own, is_causal=True)[0]
    mg.compare(open_, ours(x, x, x)[0].detach(), **CLOSE)


def test_a_head_may_be_narrower_than_its_share(device, rng):
    """d_k: Télécom, *First step*, q, k, v smaller than the embedding. Each head is `attend` of its own rows."""
    attn = nn.MultiheadAttention(E, 5, d_k=4, batch_first=True).to(mg.float64).to(device)      # 5 does not divide 12
    assert {k: tuple(v.shape) for k, v in attn.state_dict().items()} == {
        "in_proj_weight": (60, E), "in_proj_bias": (60,), "out_proj.weight": (E, 20), "out_proj.bias": (E,)}
    x = rng.standard_normal((B, S, E))
    W, b = (p.detach().cpu().numpy() for p in (attn.in_proj_weight, attn.in_proj_bias))
    heads = []
    for i in range(5):
        q, k, v = (x @ W[20 * j + 4 * i:20 * j + 4 * i + 4].T + b[20 * j + 4 * i:20 * j + 4 * i + 4] for j in range(3))
        e = np.exp(q @ k.swapaxes(1, 2) / math.sqrt(4))
        heads.append(e / e.sum(-1, keepdims=True) @ v)
    want = np.concatenate(heads, -1) @ attn.out_proj.weight.detach().cpu().numpy().T
    for need_weights in (True, False):
        t = mg.tensor(x, device=device)
        mg.compare(attn(t, t, t, need_weights=need_weights)[0], want, **CLOSE)


def test_dropout_thins_the_weights_in_training(device, rng):
    """A share p is dropped, the rest is enlarged; the same seed drops the same; evaluation drops nothing."""
    attn = nn.MultiheadAttention(8, 2, dropout=0.25, batch_first=True).to(device)
    x = mg.tensor(rng.standard_normal((4, 50, 8)).astype(np.float32), device=device)
    full = attn.eval()(x, x, x, average_attn_weights=False)[1].detach().cpu().numpy()
    attn.train()
    mg.manual_seed(3)
    y, w = attn(x, x, x, average_attn_weights=False)
    thinned = w.detach().cpu().numpy()
    assert 0.23 < (thinned == 0).mean() < 0.27
    kept = thinned != 0
    np.testing.assert_allclose(thinned[kept], full[kept] / 0.75, rtol=1e-5)
    mg.manual_seed(3)
    again = attn(x, x, x, need_weights=False)[0]
    np.testing.assert_allclose(again.detach().cpu().numpy(), y.detach().cpu().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_mask_with_a_gradient_is_trained(need_weights, device, rng):
    """A learned bias of the scores, such as for relative positions, is PyTorch's."""
    ours, theirs = twins(device)
    a, bias = rng.standard_normal((S, B, E)), rng.standard_normal((S, S))
    x, m = mg.tensor(a, device=device), mg.tensor(bias, device=device, requires_grad=True)
    t, tm = torch.tensor(a), torch.tensor(bias, requires_grad=True)
    ours(x, x, x, attn_mask=m, need_weights=need_weights)[0].sum().backward()
    theirs(t, t, t, attn_mask=tm, need_weights=need_weights)[0].sum().backward()
    mg.compare(m.grad, tm.grad.numpy(), rtol=1e-8, atol=1e-10)


# ---------------------------------------------------------------------------------------------- the function

@pytest.mark.parametrize("form", ["none", "causal", "bool", "float", "batch of bool"])
@pytest.mark.parametrize("shape", [(B, H), (B,), ()], ids=str)
def test_scaled_dot_product_attention_is_pytorchs(shape, form, device, rng):
    """In its bool masks True takes part, the opposite of the layers' masks: an easy thing to turn round."""
    arrays = [rng.standard_normal((*shape, n, d)) for n, d in ((S, 4), (T, 4), (T, 6))]
    mask = None
    if "bool" in form:
        mask = rng.random((*shape, S, T) if form != "bool" else (S, T)) < 0.6
        mask[..., 0] = True
    elif form == "float":
        mask = rng.standard_normal((S, T))
    xs = [mg.tensor(a, device=device, requires_grad=True) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = scaled_dot_product_attention(*xs, None if mask is None else mg.tensor(mask, device=device),
                                     is_causal=form == "causal")
    ty = torch.nn.functional.scaled_dot_product_attention(*ts, None if mask is None else torch.tensor(mask),
                                                          is_causal=form == "causal")
    mg.compare(y, ty.detach().numpy(), **CLOSE)
    g = rng.standard_normal(y.shape)
    y.backward(mg.tensor(g, device=device))
    ty.backward(torch.tensor(g))
    for x, t in zip(xs, ts, strict=True):
        mg.compare(x.grad, t.grad.numpy(), rtol=1e-8, atol=1e-10)


def test_the_function_has_second_order_gradients_where_it_is_composed(rng):
    """fused=False, as for the layers; both forms give the same first order."""
    qkv = [mg.tensor(rng.standard_normal((1, 2, 3, 4)), requires_grad=True) for _ in range(3)]
    mg.compare(scaled_dot_product_attention(*qkv, is_causal=True),
               scaled_dot_product_attention(*qkv, is_causal=True, fused=False).detach(), **CLOSE)
    mg.gradcheck(lambda q, k, v: (mg.grad((scaled_dot_product_attention(q, k, v, fused=False) ** 2).sum(), [q],
                                          create_graph=True)[0] ** 2).sum(), qkv)


def test_the_functions_dropout_is_always_on(rng):
    """dropout_p is applied whatever the mode, as in PyTorch: a layer passes 0 in evaluation."""
    q = mg.ones(1, 1, 200, 2)
    v = mg.tensor(np.eye(200, dtype=np.float32)[None, None])
    thinned = scaled_dot_product_attention(q, q, v, dropout_p=0.5).numpy()
    assert 0.47 < (thinned == 0).mean() < 0.53


def test_a_row_that_sees_nothing_gives_zeros(device):
    """The document's promise, where older PyTorch gives NaN; and its gradients are zeros too."""
    q, k, v = (mg.tensor(np.ones((1, 1, 2, 3)), device=device, requires_grad=True) for _ in range(3))
    for mask in (np.array([[True, True], [False, False]]), np.array([[0.0, 0.0], [-np.inf, -np.inf]])):
        y = scaled_dot_product_attention(q, k, v, mg.tensor(mask, device=device))
        np.testing.assert_array_equal(y.detach().cpu().numpy()[0, 0], [[1, 1, 1], [0, 0, 0]])
        dq, dk, dv = mg.grad(y.sum(), [q, k, v])
        assert all(np.isfinite(d.cpu().numpy()).all() for d in (dq, dk, dv))
        np.testing.assert_allclose(dv.cpu().numpy()[0, 0], 0.5)


# ---------------------------------------------------------------------------------------------- refused

def test_masks_that_do_not_fit_are_named():
    """Which mask, its shape, and the shape wanted; integers are neither hidden nor added."""
    attn, x = nn.MultiheadAttention(8, 2), mg.zeros(3, 4, 8)
    with pytest.raises(mg.ShapeError, match=r"attn_mask is \(2, 3\)(.|\n)*\(S, T\) = \(3, 3\) for all, or "
                                            r"\(B h, S, T\) = \(8, 3, 3\) for each of 4 examples and 2 heads"):
        attn(x, x, x, attn_mask=mg.zeros(2, 3))
    with pytest.raises(mg.ShapeError, match=r"key_padding_mask is \(3, 4\)(.|\n)*\(B, T\) = \(4, 3\)"):
        attn(x, x, x, mg.zeros(3, 4))
    with pytest.raises(mg.DTypeError, match=r"key_padding_mask is of int64: is 1 hidden, or added(.|\n)*\.to\(bool\)"):
        attn(x, x, x, mg.tensor(np.zeros((4, 3), np.int64)))
    with pytest.raises(ValueError, match="attn_mask and is_causal: give one of them"):
        scaled_dot_product_attention(x, x, x, mg.zeros(4, 4), is_causal=True)


def test_inputs_that_do_not_fit_are_named():
    """The layer, the role, the shape that came and the one wanted."""
    attn, x = nn.MultiheadAttention(8, 2), mg.zeros(3, 4, 8)
    with pytest.raises(mg.ShapeError, match=r"MultiheadAttention\(8, num_heads=2\) cannot take a key of \(3, 4, 6\)"
                                            r"(.|\n)*key is \(T, B, 8\), or \(T, 8\) unbatched"):
        attn(x, mg.zeros(3, 4, 6), x)
    with pytest.raises(mg.ShapeError, match=r"value \(2, 4, 8\)(.|\n)*as many keys as values"):
        attn(x, x, mg.zeros(2, 4, 8))
    with pytest.raises(mg.ShapeError, match=r"one batch for all(.|\n)*batch_first=False they are \(S or T, B, E\)"):
        attn(x, mg.zeros(3, 1, 8), mg.zeros(3, 1, 8))
    with pytest.raises(mg.DTypeError, match=r"of float32, and its query of float64(.|\n)*query\.to\(mg\.float32\)"):
        attn(x.to(mg.float64), x, x)
    with pytest.raises(mg.ShapeError, match=r"query \(2, 3\) and key \(4, 5\)(.|\n)*key \(\.\.\., T, d\)"):
        scaled_dot_product_attention(mg.zeros(2, 3), mg.zeros(4, 5), mg.zeros(4, 5))
    with pytest.raises(mg.ShapeError, match="3 heads cannot share a width of 8(.|\n)*d_k"):
        nn.MultiheadAttention(8, 3)
    with pytest.raises(mg.ShapeError, match="0 heads cannot share a width of 8"):
        nn.MultiheadAttention(8, 0)


def test_what_the_function_cannot_take_is_named():
    """Another batch, a mask of another shape, and integers, which PyTorch refuses too: 1 is not added to a score."""
    x, y = mg.zeros(2, 3, 4), mg.zeros(5, 3, 4)
    with pytest.raises(mg.ShapeError, match=r"query \(2, 3, 4\) and key \(5, 3, 4\)"):
        scaled_dot_product_attention(x, y, y)
    with pytest.raises(mg.ShapeError, match=r"query \(4,\) and key \(2, 3, 4\)"):
        scaled_dot_product_attention(mg.zeros(4), x, x)
    with pytest.raises(mg.ShapeError, match=r"attn_mask is \(4, 3\)(.|\n)*\(S, T\) = \(3, 3\)"):
        scaled_dot_product_attention(x, x, x, mg.zeros(4, 3))
    with pytest.raises(mg.DTypeError, match=r"attn_mask is of int64: is 1 seen, or added to a score\?"):
        scaled_dot_product_attention(x, x, x, mg.tensor(np.tril(np.ones((3, 3), np.int64))))
