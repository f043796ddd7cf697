"""Recurrent layers and cells against PyTorch: values and every gradient, with PyTorch's own weights."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DeviceError, ShapeError

CASES = [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("GRU", {})]
ids = [c + "".join(f"-{v}" for v in k.values()) for c, k in CASES]


def pair(name, device, *sizes, **options):
    """A PyTorch module in float64, and ours with its weights; `fused` is for ours alone."""
    torch = pytest.importorskip("torch")
    fused = {"fused": options.pop("fused")} if "fused" in options else {}
    theirs = getattr(torch.nn, name)(*sizes, **options).double()
    ours = getattr(nn, name)(*sizes, **options, **fused).to(mg.float64)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours.to(device), theirs


def flat(result):
    """(output, (h, c)) -> [output, h, c]."""
    return [t for part in (result if isinstance(result, tuple) else (result,)) for t in
            (part if isinstance(part, tuple) else (part,))]


def agree(ours, theirs, device, rng, *inputs, bundle=lambda ts: ts):
    """Outputs and the gradients of all inputs and weights, of one random weighting of all outputs."""
    torch = pytest.importorskip("torch")
    a = [mg.tensor(x, device=device, requires_grad=True) for x in inputs]
    b = [torch.tensor(x, requires_grad=True) for x in inputs]
    ys, zs = flat(ours(*bundle(a))), flat(theirs(*bundle(b)))
    assert len(ys) == len(zs)
    ours.zero_grad(), theirs.zero_grad()
    loss, want = 0.0, 0.0
    for y, z in zip(ys, zs, strict=True):
        np.testing.assert_allclose(y.detach().cpu().numpy(), z.detach().numpy(), rtol=1e-11, atol=1e-13)
        weight = rng.standard_normal(y.shape)
        loss, want = (y * mg.tensor(weight, device=device)).sum() + loss, (z * torch.tensor(weight)).sum() + want
    loss.backward()
    want.backward()
    named = [(f"input {i}", p, q) for i, (p, q) in enumerate(zip(a, b, strict=True))]
    named += [(n, p, q) for (n, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True)]
    for name, p, q in named:
        np.testing.assert_allclose(p.grad.cpu().numpy(), q.grad.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)


def states(name, layers, rng, *shape):
    return [rng.standard_normal((layers, *shape)) for _ in range(2 if name == "LSTM" else 1)]


def bundle_for(name):
    """[x, h, c] -> [x, (h, c)] for an LSTM."""
    return lambda ts: [ts[0], tuple(ts[1:])] if name == "LSTM" and len(ts) > 1 else ts


@pytest.mark.parametrize("bidirectional", [False, True], ids=["oneway", "bothways"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name, options", CASES, ids=ids)
def test_a_layer_with_a_given_state_is_pytorchs(device, rng, name, options, layers, bidirectional):
    """Stacks and directions: the upper layer's input, the order of the final states, the reversed weights."""
    ours, theirs = pair(name, device, 3, 4, layers, bidirectional=bidirectional, **options)
    agree(ours, theirs, device, rng, rng.standard_normal((5, 2, 3)),
          *states(name, layers * (1 + bidirectional), rng, 2, 4), bundle=bundle_for(name))


@pytest.mark.parametrize("name, options", CASES, ids=ids)
def test_a_layer_starts_from_zeros(device, rng, name, options):
    """No state given."""
    ours, theirs = pair(name, device, 3, 4, 2, **options)
    agree(ours, theirs, device, rng, rng.standard_normal((5, 2, 3)))


@pytest.mark.parametrize("name, options", CASES, ids=ids)
def test_batch_first_changes_the_input_and_the_output_but_not_the_state(device, rng, name, options):
    """PyTorch's h_n stays (layers, B, H); B and T differ here, so a mix-up has another shape."""
    ours, theirs = pair(name, device, 3, 4, 2, batch_first=True, bidirectional=True, **options)
    agree(ours, theirs, device, rng, rng.standard_normal((2, 5, 3)), *states(name, 4, rng, 2, 4),
          bundle=bundle_for(name))


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name, options", CASES, ids=ids)
def test_an_input_of_two_axes_is_one_sequence(device, rng, name, options, batch_first):
    """(T, D) -> (T, H), and states of (layers, H); batch_first says nothing then."""
    ours, theirs = pair(name, device, 3, 4, 2, batch_first=batch_first, **options)
    agree(ours, theirs, device, rng, rng.standard_normal((5, 3)), *states(name, 2, rng, 4), bundle=bundle_for(name))


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_layer_without_biases_is_pytorchs(device, rng, name):
    """KTH and Escalera write no biases; the names of the others stay."""
    ours, theirs = pair(name, device, 3, 4, 2, bias=False)
    agree(ours, theirs, device, rng, rng.standard_normal((5, 2, 3)))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 2), (4, 1, 2)])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_one_step_one_example_one_unit_are_not_special(device, rng, name, shape):
    """Sizes of 1 are where broadcasting hides a missing axis."""
    ours, theirs = pair(name, device, shape[-1], 1, 1)
    agree(ours, theirs, device, rng, rng.standard_normal(shape))


@pytest.mark.parametrize("batch", [(), (2,)], ids=["single", "batch"])
@pytest.mark.parametrize("name, options", CASES, ids=ids)
def test_a_cell_is_pytorchs_with_and_without_a_state(device, rng, name, options, batch):
    """The equation of the slide, one step."""
    ours, theirs = pair(name + "Cell", device, 3, 4, **options)
    agree(ours, theirs, device, rng, rng.standard_normal((*batch, 3)))
    agree(ours, theirs, device, rng, rng.standard_normal((*batch, 3)), *[s[0] for s in states(name, 1, rng, *batch, 4)],
          bundle=bundle_for(name))


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_layer_is_its_cell_called_at_every_step(device, rng, name):
    """The layer and the cell share one equation; the fused path must not leave it either."""
    layer, cell = getattr(nn, name)(3, 4), getattr(nn, name + "Cell")(3, 4)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    layer.to(device), cell.to(device)
    x = mg.tensor(rng.standard_normal((6, 2, 3)).astype("float32"), device=device)
    state, outputs = None, []
    for x_t in x:
        state = cell(x_t, state)
        outputs.append(state[0] if name == "LSTM" else state)
    np.testing.assert_allclose(layer(x)[0].detach().cpu().numpy(), mg.stack(outputs).detach().cpu().numpy(), rtol=2e-5,
                               atol=1e-6)


def test_the_logistic_activation_of_the_slides_is_there(device, rng):
    """Chemnitz, Recurrent neural networks: sigma logistic or tanh."""
    layer = nn.RNN(3, 4, nonlinearity="sigmoid").to(device)
    x = mg.tensor(rng.standard_normal((1, 2, 3)).astype("float32"), device=device)
    a = nn.functional.linear(x[0], layer.weight_ih_l0, layer.bias_ih_l0) + layer.bias_hh_l0
    np.testing.assert_allclose(layer(x)[0][0].detach().cpu().numpy(), 1 / (1 + np.exp(-a.detach().cpu().numpy())),
                               rtol=1e-5)
    with pytest.raises(ValueError, match="tanh, relu, sigmoid, not 'gelu'"):
        nn.RNN(3, 4, nonlinearity="gelu")


def test_shapes_that_do_not_fit_name_the_layer_and_what_it_takes():
    """Which of six layers, and what it wanted."""
    layer = nn.LSTM(3, 4, num_layers=2, batch_first=True)
    with pytest.raises(ShapeError) as error:
        layer(mg.zeros(2, 5, 7))
    assert str(error.value).startswith("LSTM(3, 4, num_layers=2, batch_first=True) cannot take (2, 5, 7).")
    assert "(B, T, 3), or (T, 3) unbatched" in str(error.value)
    with pytest.raises(ShapeError, match=r"is \(1, 2, 4\), and x \(2, 5, 3\) needs \(2, 2, 4\)"):
        layer(mg.zeros(2, 5, 3), (mg.zeros(1, 2, 4), mg.zeros(1, 2, 4)))
    with pytest.raises(ShapeError, match="has 2 tensors, and 1 came"):
        layer(mg.zeros(2, 5, 3), (mg.zeros(2, 2, 4),))
    with pytest.raises(ShapeError, match="at least one step"):
        layer(mg.zeros(2, 0, 3))
    with pytest.raises(ShapeError, match="GRUCell takes 3 inputs a step"):
        nn.GRUCell(3, 4)(mg.zeros(2, 4))


def test_a_layer_and_its_input_on_two_devices_are_an_error():
    """Said by the layer, with its name, before the first product."""
    with pytest.raises(DeviceError, match=r"RNN\(1, 2\) lies on 'strict', and x on 'cpu'"):
        nn.RNN(1, 2).to("strict")(mg.zeros(1, 1, 1))


def test_dropout_between_layers_is_refused_until_it_is_there():
    """A silent 0 would be a model that nobody asked for."""
    with pytest.raises(NotImplementedError, match="dropout=0.5"):
        nn.RNN(1, 2, num_layers=2, dropout=0.5)


def test_the_state_of_one_batch_starts_the_next_after_detach(device, rng):
    """Truncated BPTT: chunks with a carried state give the outputs of the whole sequence."""
    layer = nn.LSTM(3, 4).to(device)
    x = mg.tensor(rng.standard_normal((6, 2, 3)).astype("float32"), device=device)
    whole, _ = layer(x)
    first, state = layer(x[:3])
    first.sum().backward()
    second, _ = layer(x[3:], mg.detach(state))
    second.sum().backward()
    np.testing.assert_allclose(second.detach().cpu().numpy(), whole[3:].detach().cpu().numpy(), rtol=1e-5, atol=1e-6)
