"""The Transformer beside PyTorch's: the same weights give the same outputs and gradients, masks included."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

torch = pytest.importorskip("torch")
SIZES = dict(d_model=8, nhead=2, num_encoder_layers=2, num_decoder_layers=2, dim_feedforward=12, dropout=0.0)


def twins(device: str, **options):
    """PyTorch's Transformer in float64, and ours with its weights."""
    torch.manual_seed(0)
    theirs = torch.nn.Transformer(**SIZES, **options).double().eval()
    ours = nn.Transformer(**SIZES, **options).to(mg.float64).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours.to(device), theirs


@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"norm_first": True}, {"activation": "gelu"}], ids=str)
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
