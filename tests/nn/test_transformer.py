"""The Transformer beside PyTorch's: the same weights give the same outputs and gradients, masks included."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
SIZES = dict(d_model=8, nhead=2, num_encoder_layers=2, num_decoder_layers=2, dim_feedforward=12, dropout=0.0)


def twins(device: str, **options):
    """PyTorch's Transformer in float64, and ours with its weights."""
    torch.manual_seed(0)
    theirs = torch.nn.Transformer(**SIZES, **options).double().eval()
    ours = nn.Transformer(**SIZES, **options).to(mg.float64).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours.to(device), theirs


OPTIONS = [{}, {"batch_first": True}, {"norm_first": True}, {"activation": "gelu"}, {"bias": False},
           {"layer_norm_eps": 0.1}, {"norm_first": True, "bias": False, "batch_first": True, "activation": "gelu"}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_transformer_of_pytorch_loads_and_gives_the_same_outputs_and_gradients(options, device, rng):
    """Weights that were trained elsewhere must mean the same here."""
    ours, theirs = twins(device, **options)
    src, tgt = rng.standard_normal((3, 4, 8)), rng.standard_normal((3, 4, 8))
    S = 4 if options.get("batch_first") else 3
    hidden = np.triu(np.ones((S, S), bool), 1)
    y = ours(mg.tensor(src, device=device), mg.tensor(tgt, device=device), tgt_mask=mg.tensor(hidden, device=device))
    ty = theirs(torch.tensor(src), torch.tensor(tgt), tgt_mask=torch.tensor(hidden))
    mg.compare(y, ty.detach().numpy(), rtol=1e-9, atol=1e-11)
    g = rng.standard_normal(y.shape)
    y.backward(mg.tensor(g, device=device))
    ty.backward(torch.tensor(g))
    for (name, p), t in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        mg.compare(p.grad, t.grad.numpy(), rtol=1e-8, atol=1e-10, name=name)


MASKS = {
    "all at once": dict(src_mask=(4, 4), tgt_mask=(3, 3), memory_mask=(3, 4), src_key_padding_mask=(2, 4),
                        tgt_key_padding_mask=(2, 3), memory_key_padding_mask=(2, 4)),
    "for each head": dict(src_mask=(4, 4, 4), tgt_mask=(4, 3, 3), memory_mask=(4, 3, 4)),
}


@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("options", [{}, {"norm_first": True, "batch_first": True}], ids=str)
def test_every_mask_reaches_its_attention(options, name, kind, device, rng):
    """Six masks, each of them its own: exchanged ones would fit here by their shapes in no more than two places."""
    ours, theirs = twins(device, **options)
    src, tgt = rng.standard_normal((4, 2, 8)), rng.standard_normal((3, 2, 8))
    if options:
        src, tgt = src.swapaxes(0, 1).copy(), tgt.swapaxes(0, 1).copy()
    arrays = {}
    for key, shape in MASKS[name].items():
        hidden = rng.random(shape) < 0.4
        hidden[..., 0] = False                 # a row that sees nothing is NaN in PyTorch
        arrays[key] = hidden if kind == "bool" else np.where(hidden, -np.inf, rng.standard_normal(shape))
    x, y = (mg.tensor(a, device=device, requires_grad=True) for a in (src, tgt))
    tx, ty = (torch.tensor(a, requires_grad=True) for a in (src, tgt))
    z = ours(x, y, **{k: mg.tensor(v, device=device) for k, v in arrays.items()})
    tz = theirs(tx, ty, **{k: torch.tensor(v) for k, v in arrays.items()})
    mg.compare(z, tz.detach().numpy(), rtol=1e-9, atol=1e-11)
    g = rng.standard_normal(z.shape)
    z.backward(mg.tensor(g, device=device))
    tz.backward(torch.tensor(g))
    for a, b in ((x, tx), (y, ty), *zip(ours.parameters(), theirs.parameters(), strict=True)):
        mg.compare(a.grad, b.grad.numpy(), rtol=1e-8, atol=1e-10)


def test_the_causal_words_hide_later_positions(device, rng):
    """src_is_causal, tgt_is_causal and memory_is_causal without a mask are PyTorch's with the mask."""
    ours, theirs = twins(device)
    src, tgt = rng.standard_normal((4, 2, 8)), rng.standard_normal((4, 2, 8))
    later = torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
    words = ("src", "tgt", "memory")
    z = ours(*(mg.tensor(a, device=device) for a in (src, tgt)), **{f"{w}_is_causal": True for w in words})
    tz = theirs(torch.tensor(src), torch.tensor(tgt), **{f"{w}_mask": later for w in words})
    mg.compare(z, tz.detach().numpy(), rtol=1e-9, atol=1e-11)
    own = ours.generate_square_subsequent_mask(4, device=device)
    np.testing.assert_array_equal(own.cpu().numpy(), later.numpy() == -np.inf)


@pytest.mark.parametrize("norm_first", [False, True])
def test_layers_alone_and_unbatched_are_pytorchs(norm_first, device, rng):
    """TransformerEncoderLayer and TransformerDecoderLayer by state dict, and (T, E) without a batch."""
    for name, inputs in (("Encoder", 1), ("Decoder", 2)):
        torch.manual_seed(1)
        theirs = getattr(torch.nn, f"Transformer{name}Layer")(8, 2, 12, 0.0, norm_first=norm_first).double()
        ours = getattr(nn, f"Transformer{name}Layer")(8, 2, 12, 0.0, norm_first=norm_first).to(mg.float64)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
        arrays = [rng.standard_normal((n, 8)) for n in (3, 5)][:inputs]
        z = ours.to(device)(*(mg.tensor(a, device=device) for a in arrays))
        mg.compare(z, theirs(*map(torch.tensor, arrays)).detach().numpy(), rtol=1e-9, atol=1e-11)


def test_dropout_keeps_the_mean_and_repeats_with_its_seed(device, rng):
    """Outputs of training scatter around those without dropout, and with one seed they are the same."""
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.2, norm_first=True, batch_first=True).to(device)
    x = mg.tensor(rng.standard_normal((1, 4, 16)).astype(np.float32), device=device)
    layer.self_attn.dropout = layer.dropout.p = layer.dropout1.p = 0.0         # what follows them is not linear
    want = layer.eval()(x).detach().cpu().numpy()
    layer.train()
    draws = np.stack([layer(x).detach().cpu().numpy() for _ in range(400)])
    assert draws.std(0).max() > 0.05
    np.testing.assert_allclose(draws.mean(0), want, atol=5 * draws.std(0).max() / 20)
    whole = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.2, batch_first=True).to(device)
    mg.manual_seed(4)
    a = whole(x).detach().cpu().numpy()
    mg.manual_seed(4)
    np.testing.assert_array_equal(whole(x).detach().cpu().numpy(), a)
    assert not np.array_equal(whole(x).detach().cpu().numpy(), a)


def test_each_place_of_dropout_drops(rng):
    """Attention weights, hidden layer, and both sums: switched off one by one, the last switch ends the scatter."""
    layer = nn.TransformerDecoderLayer(8, 2, 12, dropout=0.0)
    x, m = mg.tensor(rng.standard_normal((3, 2, 8)).astype(np.float32)), mg.ones(4, 2, 8)
    places = [(layer.self_attn, "dropout"), (layer.multihead_attn, "dropout"),
              *[(d, "p") for d in (layer.dropout, layer.dropout1, layer.dropout2, layer.dropout3)]]
    for part, name in places:
        setattr(part, name, 0.5)
        assert not np.array_equal(layer(x, m).detach().numpy(), layer(x, m).detach().numpy()), (part, name)
        setattr(part, name, 0.0)
    np.testing.assert_array_equal(layer(x, m).detach().numpy(), layer(x, m).detach().numpy())


def test_a_stack_of_ones_own_takes_the_place_of_encoder_or_decoder(rng):
    """custom_encoder and custom_decoder, as in PyTorch."""
    class Double(nn.Module):
        def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=False):
            return src * 2
    ours = nn.Transformer(8, 2, 1, 1, 12, 0.0, custom_encoder=Double())
    assert not any(k.startswith("encoder") for k in ours.state_dict())
    src, tgt = (mg.tensor(rng.standard_normal((3, 2, 8)).astype(np.float32)) for _ in range(2))
    np.testing.assert_array_equal(ours(src, tgt).detach().numpy(), ours.decoder(tgt, src * 2).detach().numpy())


def test_layers_of_a_new_transformer_start_apart():
    """The stacks copy one layer; weights that stay equal would learn the same thing twice."""
    model = nn.Transformer(8, 2, 2, 2, 12)
    for stack in (model.encoder, model.decoder):
        a, b = (layer.linear1.weight.detach().numpy() for layer in stack.layers)
        assert np.abs(a - b).max() > 0.01


def test_what_does_not_fit_a_layer_is_named():
    """The layer's own words for its masks, and the shapes that they should have; widths that differ."""
    layer, x, m = nn.TransformerDecoderLayer(8, 2, 12), mg.zeros(3, 2, 8), mg.zeros(5, 2, 8)
    with pytest.raises(mg.ShapeError, match=r"tgt_mask is \(3, 5\)(.|\n)*\(S, T\) = \(3, 3\)"):
        layer(x, m, tgt_mask=mg.zeros(3, 5))
    with pytest.raises(mg.ShapeError, match=r"memory_mask is \(3, 3\)(.|\n)*\(S, T\) = \(3, 5\)"):
        layer(x, m, memory_mask=mg.zeros(3, 3))
    with pytest.raises(mg.ShapeError, match=r"memory_key_padding_mask is \(5, 2\)(.|\n)*\(B, T\) = \(2, 5\)"):
        layer(x, m, memory_key_padding_mask=mg.zeros(5, 2))
    with pytest.raises(mg.DTypeError, match="src_key_padding_mask is of int64"):
        nn.TransformerEncoderLayer(8, 2, 12)(x, src_key_padding_mask=mg.tensor(np.zeros((2, 3), np.int64)))
    with pytest.raises(mg.ShapeError, match=r"cannot take a key of \(5, 2, 6\)"):
        layer(x, mg.zeros(5, 2, 6))
    with pytest.raises(ValueError, match="activation is one of relu, gelu, or a function, not 'swish'"):
        nn.Transformer(8, 2, activation="swish")
    with pytest.raises(mg.ShapeError, match="3 heads cannot share a width of 8"):
        nn.Transformer(8, 3)


def test_weights_go_to_pytorch_and_back_through_a_file(tmp_path, rng):
    """safetensors with PyTorch's keys: a course's model can be continued there."""
    ours, theirs = twins("cpu")
    mg.save({k: v * 2 for k, v in ours.state_dict().items()}, tmp_path / "t.safetensors")
    state = mg.load(tmp_path / "t.safetensors")
    theirs.load_state_dict({k: torch.tensor(np.asarray(v)) for k, v in state.items()})
    ours.load_state_dict(state)
    x = rng.standard_normal((3, 2, 8))
    mg.compare(ours(mg.tensor(x), mg.tensor(x)), theirs(torch.tensor(x), torch.tensor(x)).detach().numpy(), rtol=1e-9,
               atol=1e-11)


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_padding_is_never_seen(kind, device, rng):
    """What stands at a hidden key changes nothing; PyTorch agrees, weights included."""
    theirs = torch.nn.MultiheadAttention(8, 2).double()
    ours = nn.MultiheadAttention(8, 2).to(mg.float64)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    ours = ours.to(device)
    x, pad = rng.standard_normal((4, 2, 8)), np.array([[False, False, True, True], [False, False, False, True]])
    causal = np.triu(np.ones((4, 4), bool), 1)
    if kind == "float":
        causal = np.where(causal, -np.inf, 0.0)
        pad = np.where(pad, -np.inf, 0.0)
    y, w = ours(*[mg.tensor(x, device=device)] * 3, mg.tensor(pad, device=device), True,
                mg.tensor(causal, device=device))
    ty, tw = theirs(*[torch.tensor(x)] * 3, torch.tensor(pad), True, torch.tensor(causal))
    mg.compare(y, ty.detach().numpy(), rtol=1e-9, atol=1e-11)
    mg.compare(w, tw.detach().numpy(), rtol=1e-9, atol=1e-11)
    other = x.copy()
    other[2:, 0] = 100
    z, _ = ours(mg.tensor(x, device=device), *[mg.tensor(other, device=device)] * 2, mg.tensor(pad, device=device))
    first, _ = ours(*[mg.tensor(x, device=device)] * 3, mg.tensor(pad, device=device))
    mg.compare(z[:, 0], first[:, 0].detach(), rtol=1e-12)


def test_a_row_that_sees_nothing_gets_zeros_and_no_nan(device):
    """A batch of padding alone must not poison the weights."""
    layer = nn.MultiheadAttention(4, 2).to(device)
    x = mg.ones(3, 1, 4, device=device)
    y, w = layer(x, x, x, mg.tensor([[True, True, True]], device=device))
    y.sum().backward()
    assert not any(map(any, w.tolist()[0])) and np.isfinite(y.tolist()).all()
    assert all(np.isfinite(p.grad.tolist()).all() for p in layer.parameters())


def test_heads_that_do_not_divide_the_width_are_refused():
    """The error says both numbers."""
    with pytest.raises(mg.ShapeError, match="3 heads cannot share a width of 8"):
        nn.MultiheadAttention(8, 3)
