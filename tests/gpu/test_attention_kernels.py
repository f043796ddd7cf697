"""Attention and a Transformer's layers by kernels: equal to their readable form, with every mask, in every order of
threads; and what a step asks of the device.
"""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, strict
from minigrad.errors import GradError
from minigrad.kernels import of
from minigrad.nn.attention import attend, scaled_dot_product_attention
from minigrad.nn.gpu.attention import attention, weights

from .emulator import EmulatorError, emulated, mutants, replaced
from .test_rows import QUIET, against, host, twin_and_source

CLOSE = dict(rtol=2e-5, atol=2e-5)             # float32, several products and sums
B, H, S, T, D, E = 2, 3, 4, 5, 6, 7


def qkv(rng, device="strict", dtype=np.float32, sizes=(B, H, S, T, D, E), scale=1.0):
    b, h, s, t, d, e = sizes
    return [mg.tensor((scale * rng.standard_normal(shape)).astype(dtype), device=device, requires_grad=True)
            for shape in ((b, h, s, d), (b, h, t, d), (b, h, t, e))]


def both_devices(make, dtype=np.float32):
    """The same leaves on "strict" in float32 and on the host in float64."""
    ours = make(np.random.default_rng(0))
    return ours, [mg.tensor(host(x).astype(float), requires_grad=True) for x in ours]


def results(y, leaves):
    g = np.cos(np.arange(y.data.size, dtype=y.dtype)).reshape(y.shape)
    return [y, *mg.grad(y, leaves, mg.tensor(g, device=y.device))]


def masks(rng):
    hidden = rng.random((B, H, S, T)) < 0.4
    return {"none": None, "one for all": hidden[:1, :1], "a row each": hidden[:, :1, :1],
            "a head each": hidden[:1, :, :1], "a query each": hidden[0, 0, :, :1], "each": hidden,
            "a matrix": hidden[0, 0], "nothing hidden": np.zeros(T, bool),
            "all of a row": hidden | (np.arange(S) == 1)[:, None], "everything": np.ones((S, T), bool),
            "added": rng.standard_normal((B, 1, S, T)).astype("f4"),
            "added and hidden": np.where(hidden, -np.inf, 0.5).astype("f4"),
            "huge": (1e6 * rng.standard_normal((1, H, S, T))).astype("f4")}


@pytest.mark.parametrize("name", masks(np.random.default_rng(0)))
def test_the_node_is_the_composition_with_every_mask(name, rng):
    mask = masks(rng)[name]
    ours, theirs = both_devices(qkv)
    given = None if mask is None else mg.tensor(mask, device="strict")
    want = twin_and_source(lambda: results(attention(*ours, given, first=T), ours), "masked_softmax_forward",
                           "masked_softmax_backward", close=CLOSE)
    wide = None if mask is None else mg.tensor(mask if mask.dtype == bool else mask.astype(float))
    against(want, lambda: results(attend(*theirs, wide)[0], theirs), CLOSE)


@pytest.mark.parametrize("first, padding", [(0, False), (1, False), (T, False), (0, True)])
def test_later_keys_are_hidden_by_a_number(first, padding, rng):
    """With and without a mask beside it: a mask of later keys would be uploaded in every step."""
    ours, theirs = both_devices(qkv)
    late = np.triu(np.ones((S, T), bool), 1 + first)
    pad = np.zeros((B, 1, 1, T), bool)
    pad[1, ..., :3] = True                     # the first queries of example 1 see nothing
    want = twin_and_source(lambda: results(attention(*ours, mg.tensor(pad, device="strict") if padding else None,
                                                     first=first), ours), close=CLOSE)
    hidden = mg.tensor(late | pad if padding else late)
    against(want, lambda: results(attend(*theirs, hidden)[0], theirs), CLOSE)
    if padding:
        assert not want[0][1, :, :3].any()


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1, 1), (1, 2, 1, 33, 4, 4), (2, 1, 3, 64, 2, 8), (3, 1, 3, 2, 5, 1)],
                         ids=str)
def test_at_every_size(sizes):
    """One key; more keys than a warp has lanes; rows that do not fill the last block."""
    ours, theirs = both_devices(lambda rng: qkv(rng, sizes=sizes, scale=2.0))
    want = twin_and_source(lambda: results(attention(*ours, None, first=sizes[3]), ours), close=CLOSE)
    against(want, lambda: results(attend(*theirs)[0], theirs), CLOSE)


def test_dropout_of_the_weights(rng):
    """Thinned rows, and their gradients."""
    ours, theirs = both_devices(qkv)
    kept = np.where(rng.random((B, H, S, T)) < 0.3, 0, 1 / 0.7)
    given = mg.tensor(kept.astype("f4"), device="strict")
    want = twin_and_source(lambda: results(attention(*ours, None, given, first=T), ours), close=CLOSE)

    def readable():
        q, k, v = theirs
        p = mg.softmax(q @ mg.swapaxes(k, -1, -2) / np.sqrt(D), axis=-1)
        return results((p * mg.tensor(kept)) @ v, theirs)
    against(want, readable, CLOSE)


@pytest.mark.parametrize("wanted", ["both", "weights", "y"])
@pytest.mark.parametrize("p", [0.0, 0.3])
def test_weights_that_are_wanted_have_gradients(wanted, p, rng):
    """The second output, thinned by dropout, alone and beside the first."""
    ours, theirs = twins(lambda **kw: nn.MultiheadAttention(6, 2, dropout=p, batch_first=True, **kw))
    x = rng.standard_normal((2, 4, 6))

    def run(layer, x):
        mg.manual_seed(3)
        y, w = layer(x, x, x, need_weights=True, average_attn_weights=False, is_causal=True)
        parts = {"both": [y, w], "weights": [w], "y": [y]}[wanted]
        return mg.concat([part.reshape(-1) for part in parts])
    leaves = "weights" != wanted               # else v and what follows it have no part in it
    same(ours, theirs, [x], run, "masked_softmax_forward", "masked_softmax_backward",
         parameters=None if leaves else ["in_proj_weight"])


def test_views_of_wider_rows_give_the_same(rng):
    """Heads as they come from a projection, and a gradient that is a view."""
    wide = mg.tensor(rng.standard_normal((2, 5, 3, 3, 4)).astype("f4"), requires_grad=True, device="strict")

    def run(f):
        parts = mg.permute(wide, axes=(2, 0, 3, 1, 4)).unbind(0)
        return results(mg.swapaxes(f(*parts), 1, 2), [wide])
    want = twin_and_source(lambda: run(lambda *a: attention(*a, None, first=5)), close=CLOSE)
    against(want, lambda: run(lambda *a: attend(*a)[0]), CLOSE)


def test_what_cannot_be_one_node_takes_the_readable_form(rng):
    """float64, three axes, an empty batch, a mask that is trained; and second order says so."""
    x = mg.tensor(rng.standard_normal((B, H, S, D)).astype("f4"), device="strict", requires_grad=True)
    trained = mg.tensor(np.zeros((S, S), "f4"), device="strict", requires_grad=True)
    with emulated() as started:
        for y in (scaled_dot_product_attention(*[x.to(mg.float64)] * 3), scaled_dot_product_attention(x[0], x[0], x[0]),
                  scaled_dot_product_attention(x[:0], x[:0], x[:0]),
                  scaled_dot_product_attention(x, x, x, trained), scaled_dot_product_attention(x, x, x, fused=False)):
            y.sum().backward()
    assert started == [] and trained.grad is not None
    with pytest.raises(GradError, match="attention has no second-order gradient"):
        mg.grad(scaled_dot_product_attention(x, x, x).sum(), [x], create_graph=True)


@pytest.mark.parametrize("is_causal", [False, True])
def test_attention_is_three_launches_forward_and_five_backward(is_causal, rng):
    """A product, the weights, a product; four products and a row each. Nothing waits, nothing is uploaded."""
    q, k, v = qkv(rng)
    with strict.counting(forbid=QUIET) as counts:
        y = scaled_dot_product_attention(q, k, v, is_causal=is_causal)
    assert counts.launch == 3, counts
    g = y.detach()
    with strict.counting(forbid=QUIET) as counts:
        mg.grad(y, [q, k, v], g)
    assert counts.launch == 5, counts


def test_a_row_past_the_last_one_is_left_alone(rng):
    """Without the guard a warp of the last block writes behind the scores: a mutant that must be caught."""
    scores = rng.standard_normal((1, 1, 2, 3)).astype("f4")                  # 2 rows, 4 warps

    def run():
        weights(of(strict, np.float32), strict, strict.asarray(scores), None, None, 3)
    with emulated():
        run()
    forward, _ = mutants("masked_softmax.cu", ["if (row >= rows) return;"])
    with replaced(forward), emulated(), pytest.raises(EmulatorError, match="wrote outside of p"):
        run()


@pytest.mark.proof
@pytest.mark.parametrize("line, name", [("if (m > -LOWEST) m = 0.f;", "huge"), ("sum == 0.f ? 0.f : ", "everything")])
def test_the_guards_against_infinities_are_needed(line, name, rng):
    """A score of inf, and a row that sees nothing."""
    scores = np.array([[0, np.inf, 1]], "f4").reshape(1, 1, 1, 3) if name == "huge" else np.zeros((1, 1, 1, 3), "f4")
    mask = None if name == "huge" else strict.asarray(np.ones((1, 3), bool))

    def run():
        p = weights(of(strict, np.float32), strict, strict.asarray(scores), mask, None, 3)[0]
        return [mg.Tensor(p, False, mg.device("strict"))]
    twin_and_source(run)
    m, = mutants("masked_softmax.cu", [line])
    with replaced(m), pytest.raises(AssertionError):
        twin_and_source(run)


# ---------------------------------------------------------------------------------------------- layers

def twins(make, dtype=np.float32):
    """A layer on "strict" in float32, fused; and the same in float64 on the host, readable."""
    mg.manual_seed(1)
    ours = make(fused=True)
    theirs = make(fused=False).to(mg.float64)
    theirs.load_state_dict({name: p.to(mg.float64) for name, p in ours.state_dict().items()})
    rng = np.random.default_rng(2)             # norms that do something
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        if p.ndim == 1:
            values = p.detach().numpy() + 0.3 * rng.standard_normal(p.shape)
            with mg.no_grad():
                p.copy_(values.astype("f4"))
                q.copy_(values.astype("f4").astype(float))
    return ours.to("strict"), theirs


def same(ours, theirs, arrays, run, *kernels, seeds=1, close=None, parameters=None):
    """run(layer, *tensors) of both: value, gradients of the inputs and of every parameter, or of those named."""
    def of_layer(layer, device, dtype):
        xs = [mg.tensor(a.astype(dtype), device=device, requires_grad=True) for a in arrays]
        named = dict(layer.named_parameters())
        return results(run(layer, *xs), [*xs, *(named[name] for name in parameters or named)])
    close = close or dict(rtol=2e-4, atol=2e-4)
    want = twin_and_source(lambda: of_layer(ours, "strict", np.float32), *kernels, seeds=seeds, close=close)
    against(want, lambda: of_layer(theirs, "cpu", np.float64), close)


def on(x, mask):
    return mg.tensor(mask, device=x.device)


LAYER = ("layer_norm_forward", "split_heads", "merge_heads", "masked_softmax_forward", "masked_softmax_backward",
         "layer_norm_backward", "column_totals")


@pytest.mark.parametrize("options", [{}, {"norm_first": True}, {"batch_first": True, "activation": "gelu"},
                                     {"norm_first": True, "batch_first": True, "bias": False, "activation": "gelu"}],
                         ids=str)
def test_an_encoder_layer_is_its_readable_form(options, rng):
    ours, theirs = twins(lambda **kw: nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, **options, **kw))
    x = rng.standard_normal((3, 5, 8))
    batch = 3 if options.get("batch_first") else 5
    padding = np.zeros((batch, 8 - batch), bool)
    padding[0, 1:] = True
    same(ours, theirs, [x], lambda layer, x: layer(x, None, on(x, padding)), *LAYER,
         f"bias_{options.get('activation', 'relu')}_backward")


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
def test_a_decoder_layer_is_its_readable_form(norm_first, batch_first, rng):
    """Later positions hidden by a number, a memory of another length with padding."""
    ours, theirs = twins(lambda **kw: nn.TransformerDecoderLayer(6, 3, 5, dropout=0.0, norm_first=norm_first,
                                                                 batch_first=batch_first, **kw))
    x, memory = rng.standard_normal((2, 4, 6)), rng.standard_normal((2, 3, 6))
    if not batch_first:
        x, memory = x.swapaxes(0, 1), memory.swapaxes(0, 1)
    padding = np.array([[False, False, True], [False, True, False]])
    same(ours, theirs, [x, memory], lambda layer, x, m: layer(
        x, m, memory_key_padding_mask=on(x, padding), tgt_is_causal=True), *LAYER)


@pytest.mark.parametrize("norm_first", [False, True])
def test_dropout_in_a_layer_drops_what_the_host_drops(norm_first, rng):
    """With one seed: of the weights, behind attention, inside and behind the network."""
    ours, theirs = twins(lambda **kw: nn.TransformerEncoderLayer(8, 2, 12, dropout=0.4, norm_first=norm_first, **kw))

    def run(layer, x):
        mg.manual_seed(7)
        return layer(x, is_causal=True)
    same(ours, theirs, [rng.standard_normal((4, 2, 8))], run, *LAYER)


@pytest.mark.parametrize("options", [{}, {"add_bias_kv": True}, {"add_zero_attn": True}, {"kdim": 4, "vdim": 5}],
                         ids=str)
def test_multihead_attention_with_is_causal_and_padding(options, rng):
    """Keys that stand behind the others are never hidden; other widths of key and value."""
    ours, theirs = twins(lambda **kw: nn.MultiheadAttention(6, 2, batch_first=True, **options, **kw))
    x, k, v = (rng.standard_normal((2, 4, options.get(w, 6))) for w in ("", "kdim", "vdim"))
    padding = np.array([[False] * 4, [True, False, False, False]])
    same(ours, theirs, [x, k, v], lambda layer, *qkv: layer(*qkv, on(qkv[0], padding), False, is_causal=True)[0],
         "masked_softmax_forward")


def test_decoding_step_by_step_is_the_whole_pass(rng):
    """One step, then two at once, from the cache; a row each, nothing uploaded."""
    layer = nn.TransformerDecoderLayer(6, 2, 5, dropout=0.0, batch_first=True).to("strict").eval()
    x, memory = (mg.tensor(rng.standard_normal((2, n, 6)).astype("f4"), device="strict") for n in (4, 3))
    whole, steps, cache = host(layer(x, memory, tgt_is_causal=True)), [], None
    for a, b in ((0, 1), (1, 3), (3, 4)):
        with strict.counting(forbid=("sync", "h2d")):
            y, cache = layer.step(x[:, a:b], memory, cache)
        steps.append(host(y))
    np.testing.assert_allclose(np.concatenate(steps, 1), whole, **CLOSE)


@pytest.mark.parametrize("norm_first, forward, backward", [(False, 12, 32), (True, 14, 32)])
def test_launches_of_an_encoder_layer(norm_first, forward, backward, rng):
    """Nothing waits, nothing is uploaded, nothing is float64; and no launch more than is written here."""
    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, norm_first=norm_first).to("strict")
    x = mg.tensor(rng.standard_normal((4, 2, 8)).astype("f4"), device="strict", requires_grad=True)
    with strict.counting(forbid=QUIET) as counts:
        y = layer(x, is_causal=True)
    assert counts.launch == forward, counts
    g = y.detach()
    with strict.counting(forbid=QUIET) as counts:
        y.backward(g)
    assert counts.launch <= backward, counts
