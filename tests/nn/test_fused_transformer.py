"""The halves of a Transformer layer as nodes: equal to their composition, and out of the way of who looks at a part."""
from __future__ import annotations

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import GradError, InplaceError
from minigrad.nn.fused import threads, workspace
from minigrad.nn.fused.gelu import gelu

B, S, T, E, H, F = 3, 5, 7, 8, 2, 12


@pytest.fixture
def wide():
    """Equality to 1e-11 wants float64."""
    mg.set_default_dtype(mg.float64)
    yield
    mg.set_default_dtype(mg.float32)


def layer(kind=nn.TransformerDecoderLayer, width=E, heads=H, hidden=F, dropout=0.0, **options):
    """A layer with random biases and norms too: at the start they are zeros and ones."""
    model, rng = kind(width, heads, hidden, dropout, **options), np.random.default_rng(5)
    for p in model.parameters():
        p.data[...] = rng.standard_normal(p.shape) * 0.6
    return model


def composed(model):
    """The same layer, computed by its readable form."""
    for module in model.modules():
        if hasattr(module, "fused"):
            module.fused = False
    return model


def results(model, inputs, g, **masks):
    """Value, gradients of the inputs, gradients of the parameters; and the names of the nodes."""
    xs = [mg.tensor(x, requires_grad=True) for x in inputs]
    model.zero_grad()
    with mg.debug(trace=True) as record:
        y = model(*xs, **masks)
    names = {step.op for step in record.steps}
    y.backward(mg.tensor(g))
    return [y.detach().numpy(), *[x.grad.numpy() for x in xs], *[p.grad.numpy() for p in model.parameters()]], names


def check(model, inputs, g, **masks):
    """Both forms give the same, and the first was the fused one."""
    ours, names = results(model, inputs, g, **masks)
    want, plain = results(composed(model), inputs, g, **masks)
    assert names - {"reshape"} == {"attention_block", "feed_forward"}                    # reshape: of masks
    assert not plain & {"attention_block", "feed_forward", "attention"}
    for a, b in zip(ours, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11 * max(1, np.abs(b).max()))


def sequences(rng, batch_first, *lengths, batch=B, width=E):
    return [rng.standard_normal((batch, n, width) if batch_first else (n, batch, width)) for n in lengths]


MASKS = {
    "none": {},
    "causal": dict(tgt_is_causal=True),
    "padding": dict(tgt_key_padding_mask=np.arange(S) >= np.array([[2], [5], [3]]),
                    memory_key_padding_mask=np.arange(T) >= np.array([[2], [0], [3]])),      # one sees no memory at all
    "added": dict(tgt_mask=np.random.default_rng(1).standard_normal((B * H, S, S)),
                  memory_mask=np.random.default_rng(2).standard_normal((S, T)) * 40),
}


def tensors(masks):
    return {k: mg.tensor(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_first, batch_first, bias", list(itertools.product([False, True], repeat=3)))
def test_a_decoder_layer_of_three_nodes_is_its_composition(norm_first, batch_first, bias, activation, name, rng, wide):
    """Self-attention, attention to a memory, network: value and the gradients of inputs and of every parameter."""
    model = layer(norm_first=norm_first, batch_first=batch_first, bias=bias, activation=activation)
    inputs = sequences(rng, batch_first, S, T)
    check(model, inputs, rng.standard_normal(inputs[0].shape), **tensors(MASKS[name]))


@pytest.mark.parametrize("batch, length", [(1, 1), (1, 9), (4, 1), (7, 40)])
@pytest.mark.parametrize("norm_first", [False, True])
def test_an_encoder_layer_at_every_size(norm_first, batch, length, rng, wide, monkeypatch):
    """One example, one step; and so small blocks that their seams are crossed."""
    from minigrad.nn.fused import attention, norm_rows
    monkeypatch.setattr(attention, "CACHE", 100)
    monkeypatch.setattr(norm_rows, "BLOCK", 20)
    model = layer(nn.TransformerEncoderLayer, norm_first=norm_first, batch_first=True, d_k=3)
    inputs = sequences(rng, True, length, batch=batch)
    check(model, inputs, rng.standard_normal(inputs[0].shape))


def test_strided_input_and_gradient_give_the_same(rng, wide):
    """A view of every second step in, a gradient that is stretched from a single number back."""
    model = layer(nn.TransformerEncoderLayer, batch_first=True)
    whole = mg.tensor(rng.standard_normal((B, 2 * S, E)), requires_grad=True)
    found = []
    for _ in range(2):
        y = model(mg.swapaxes(whole[:, ::2], 0, 1).swapaxes(0, 1))
        found.append(mg.grad((y * y).mean(), [whole, *model.parameters()]))
        composed(model)
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)


def test_parts_may_be_frozen_and_inputs_may_be_data(rng, wide):
    """Only what requires a gradient gets one, and it is the same as with all of them."""
    inputs, g = sequences(rng, False, S, T), rng.standard_normal((S, B, E))
    model = layer()
    all_of_them, _ = results(model, inputs, g)
    names = [n for n, _ in model.named_parameters()]
    for trained in names:
        for n, p in model.named_parameters():
            p.requires_grad_(n == trained)
        model.zero_grad()
        model(*[mg.tensor(x) for x in inputs]).backward(mg.tensor(g))
        got = {n: p.grad for n, p in model.named_parameters()}
        np.testing.assert_allclose(got[trained].numpy(), all_of_them[3 + names.index(trained)], rtol=1e-12)
        assert [n for n, grad in got.items() if grad is not None] == [trained]


@pytest.mark.parametrize("norm_first", [False, True])
def test_gradients_pass_gradcheck(norm_first, rng, wide):
    """Against differences, not only against the other form."""
    model = layer(width=4, heads=2, hidden=3, norm_first=norm_first, batch_first=True, activation="gelu")
    inputs = [mg.tensor(x, requires_grad=True) for x in sequences(rng, True, 2, 3, batch=2, width=4)]
    mg.gradcheck(lambda *a: (model(*a[:2], tgt_is_causal=True) ** 2).sum(), [*inputs, *model.parameters()])


def test_float32_is_float64_rounded(rng):
    """The tanh form of gelu, sums as products and unsubtracted exponentials cost no precision."""
    model = layer(nn.TransformerEncoderLayer, width=32, heads=4, hidden=64, batch_first=True, activation="gelu")
    x = rng.standard_normal((4, 20, 32)).astype(np.float32)
    a = model(mg.tensor(x)).detach().numpy()
    b = model.to(mg.float64)(mg.tensor(x.astype(np.float64))).detach().numpy()
    np.testing.assert_allclose(a, b, rtol=0, atol=2e-5 * np.abs(b).max())


def test_gelu_is_gelu_to_float32(rng):
    """Value and derivative within 1e-6 of the truth from -12 to 12, the far ends included."""
    from math import erfc, exp, pi, sqrt
    u = np.linspace(-12, 12, 4001, dtype=np.float32)
    p = np.array([0.5 * erfc(-float(v) / sqrt(2)) for v in u])
    density = np.array([exp(-0.5 * float(v) ** 2) / sqrt(2 * pi) for v in u])
    y, slope = u.copy(), np.empty_like(u)
    gelu(y, slope)
    np.testing.assert_allclose(y, u * p, rtol=0, atol=1e-6)
    np.testing.assert_allclose(slope, p + u * density, rtol=0, atol=1e-6)


# ---------------------------------------------------------------------------------------------- who looks at a part

def ops(model, *xs, **kw):
    with mg.debug(trace=True) as record:
        model(*xs, **kw)
    return {step.op for step in record.steps}


def encoder(**options):
    return nn.TransformerEncoderLayer(E, H, F, options.pop("dropout", 0.0), batch_first=True, **options)


def test_hooks_on_a_part_are_called(rng):
    """A forward hook on the attention, the first product or a norm sees its call, and its removal ends that."""
    x = mg.tensor(rng.standard_normal((B, S, E)).astype(np.float32))
    for name in ("self_attn", "self_attn.out_proj", "linear1", "linear2", "norm1", "norm2", "dropout", "dropout1"):
        model, seen = encoder(), []
        want = model(x).detach().numpy()
        part = dict(model.named_modules())[name]
        handle = part.register_forward_hook(lambda module, args, output, seen=seen: seen.append(module))
        np.testing.assert_allclose(model(x).detach().numpy(), want, rtol=1e-4, atol=1e-5)
        assert seen == [part], name
        handle.remove()
        assert ops(model, x) == {"attention_block", "feed_forward"}
        assert len(seen) == 1


def test_a_backward_hook_on_a_part_is_called(rng):
    """The gradient at a norm, which the node never hands out."""
    model, seen = encoder(), []
    model.norm1.register_full_backward_hook(lambda module, gi, go: seen.append(go[0].shape))
    model(mg.tensor(rng.standard_normal((B, S, E)).astype(np.float32))).sum().backward()
    assert seen == [(B, S, E)]


def test_a_hook_on_the_attention_sees_the_causal_mask(rng):
    """is_causal becomes a mask among its arguments: who asks the attention again gets the same weights."""
    model, seen = encoder(), []
    model.self_attn.register_forward_hook(lambda module, args, output: seen.append(args))
    model(mg.tensor(rng.standard_normal((B, S, E)).astype(np.float32)), is_causal=True)
    weights = model.self_attn.forward(*seen[0][:4], True, seen[0][5])[1].detach().numpy()
    np.testing.assert_array_equal(weights[:, *np.triu_indices(S, 1)], 0)


def test_a_replaced_part_is_used(rng):
    """A user's own attention, norm or network takes the place of ours."""
    class Half(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 0.5
    model, x = encoder(), mg.tensor(rng.standard_normal((B, S, E)).astype(np.float32))
    before = model(x).detach().numpy()
    half = Half(E, F)
    half.load_state_dict(model.linear1.state_dict())
    model.linear1 = half
    assert "feed_forward" not in ops(model, x) and "attention_block" in ops(model, x)
    assert np.abs(model(x).detach().numpy() - before).max() > 1e-3


def test_an_activation_may_be_a_function(rng):
    """Any function of a Tensor; the node knows two names only."""
    a, b = encoder(activation=mg.relu), encoder()
    b.load_state_dict(a.state_dict())
    x = mg.tensor(rng.standard_normal((B, S, E)).astype(np.float32))
    np.testing.assert_allclose(a(x).detach().numpy(), b(x).detach().numpy(), rtol=1e-5, atol=1e-6)
    assert "feed_forward" not in ops(a, x)
    with pytest.raises(ValueError, match="relu, gelu, or a function, not 'tanh'"):
        encoder(activation="tanh")


@pytest.mark.parametrize("p", [0.3, 1.0])
@pytest.mark.parametrize("norm_first, batch_first", list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_with_one_seed_the_nodes_drop_what_the_composition_drops(activation, norm_first, batch_first, p, rng, wide):
    """Weights of both attentions, hidden layer, all three sums: the same masks, so value and gradients are equal."""
    model = layer(dropout=p, norm_first=norm_first, batch_first=batch_first, activation=activation)
    inputs, found = sequences(rng, batch_first, S, T), []
    g = rng.standard_normal(inputs[0].shape)
    for _ in range(2):
        mg.manual_seed(1)
        found.append(results(model, inputs, g, tgt_is_causal=True))
        composed(model)
    assert {"attention_block", "feed_forward"} <= found[0][1] and not found[1][1] & {"attention_block", "feed_forward"}
    for a, b in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11 * max(1, np.abs(b).max()))


def test_attention_alone_drops_what_its_composition_drops(rng, wide):
    """The node of a MultiheadAttention whose weights nobody asks for."""
    attn, found = nn.MultiheadAttention(E, H, dropout=0.4), []
    x = mg.tensor(rng.standard_normal((S, B, E)), requires_grad=True)
    for need_weights in (False, True):
        mg.manual_seed(2)
        y = attn(x, x, x, need_weights=need_weights)[0]
        found.append([y.detach(), *mg.grad((y * y).sum(), [x, *attn.parameters()])])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)


def test_one_sequence_without_a_batch_is_a_batch_of_one(rng):
    """(S, E), as PyTorch takes it."""
    model, x = encoder(), rng.standard_normal((S, E)).astype(np.float32)
    np.testing.assert_allclose(model(mg.tensor(x), is_causal=True).detach().numpy(),
                               model(mg.tensor(x[None]), is_causal=True).detach().numpy()[0], rtol=1e-4, atol=1e-5)


def test_a_learned_mask_is_trained(rng, wide):
    """Its gradient is not the node's: then the composition computes."""
    model, x = layer(nn.TransformerEncoderLayer, batch_first=True), mg.tensor(rng.standard_normal((B, S, E)))
    bias = mg.tensor(rng.standard_normal((S, S)), requires_grad=True)
    (model(x, bias) ** 2).sum().backward()
    assert bias.grad is not None and np.abs(bias.grad.numpy()).max() > 0


def test_second_order_says_where_to_get_it(rng, wide):
    """fused=False has it, and it is right."""
    x = mg.tensor(rng.standard_normal((2, 3, E)), requires_grad=True)
    with pytest.raises(GradError, match="fused=False"):
        mg.grad((encoder()(x) ** 2).sum(), [x], create_graph=True)
    plain = encoder(fused=False)
    mg.gradcheck(lambda a: (mg.grad((plain(a) ** 2).sum(), [a], create_graph=True)[0] ** 2).sum(), [x])


# ---------------------------------------------------------------------------------------------- memory

def test_two_graphs_of_one_size_do_not_share_a_workspace(rng, wide):
    """A second call before the first backward; and a graph that is walked twice."""
    model, g = layer(nn.TransformerEncoderLayer, batch_first=True), mg.tensor(rng.standard_normal((B, S, E)))
    xs = [mg.tensor(rng.standard_normal((B, S, E)), requires_grad=True) for _ in range(2)]
    alone = [mg.grad(model(x), [x, *model.parameters()], g) for x in xs]
    ys = [model(x) for x in xs]
    for y, x, want in zip(ys, xs, alone, strict=True):
        for _ in range(2):
            for a, b in zip(mg.grad(y, [x, *model.parameters()], g, retain_graph=True), want, strict=True):
                np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_nothing_that_is_returned_lies_in_a_workspace(rng, wide):
    """Outputs and gradients of one call must not change with the next."""
    model = layer(nn.TransformerEncoderLayer, batch_first=True)
    x, g = mg.tensor(rng.standard_normal((B, S, E)), requires_grad=True), mg.tensor(rng.standard_normal((B, S, E)))
    y = model(x)
    kept = [y.detach(), *mg.grad(y, [x, *model.parameters()], g)]
    copies = [k.numpy().copy() for k in kept]
    for _ in range(3):
        model(mg.tensor(rng.standard_normal((B, S, E)))).backward(g)
    for k, c in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(k.numpy(), c)


def test_the_workspace_goes_back_and_is_used_again(rng):
    """Ten steps hold what one holds."""
    workspace.clear()
    model, x = encoder(), mg.tensor(rng.standard_normal((B, S, E)).astype(np.float32))
    model(x).sum().backward()
    held = workspace.idle_bytes()
    for _ in range(10):
        model(x).sum().backward()
    assert workspace.idle_bytes() == held > 0


def test_a_weight_that_was_overwritten_is_refused(rng):
    """An optimiser's step between forward and backward would give a wrong gradient."""
    for name in ("linear1.weight", "linear2.weight", "self_attn.out_proj.weight", "norm2.weight"):
        model = encoder()
        y = model(mg.tensor(rng.standard_normal((B, S, E)).astype(np.float32)))
        with mg.no_grad():
            dict(model.named_parameters())[name].mul_(2)
        with pytest.raises(InplaceError, match="attention_block|feed_forward"):
            y.sum().backward()


def test_several_threads_give_the_same(rng, wide):
    """Rows in halves: gradients of the norms are summed over the halves."""
    model = layer(batch_first=True, norm_first=True)
    inputs = sequences(rng, True, 40, 9, batch=16)
    g = rng.standard_normal(inputs[0].shape)
    alone, _ = results(model, inputs, g)
    threads.use(2)
    try:
        for a, b in zip(results(model, inputs, g)[0], alone, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
    finally:
        threads.use(1)
