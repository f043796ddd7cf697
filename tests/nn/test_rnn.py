"""Recurrent layers and cells against PyTorch: values and every gradient, with PyTorch's own weights."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DeviceError, DTypeError, ShapeError

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


SLIPS = [
    ("GRU", {}, lambda h: (h, h), ShapeError, r"the state of GRU\(3, 4\) has 1 tensor, and 2 came\.\n  fix: h,"),
    ("LSTM", {}, lambda h: h, ShapeError, r"LSTM\(3, 4\) has 2 tensors, and 1 came\.\n  fix: \(h, c\),"),
    ("LSTM", {"num_layers": 2}, lambda h: mg.concat([h, h]), ShapeError, "has 2 tensors, and 1 came"),
    ("LSTM", {}, lambda h: (h, None), TypeError, r"is \(h, c\), of Tensors, and a value of type NoneType came"),
    ("RNN", {}, lambda h: h.numpy(), TypeError, "is h, of Tensors, and a value of type ndarray came"),
    ("GRU", {}, lambda h: [5, 3], TypeError, r"a value of type int came\.\n  fix: hx=h, .* lengths=\.\.\. by its name"),
    ("GRU", {}, lambda h: h.to(mg.float64), DTypeError, r"GRU\(3, 4\) is of float32, and its state of float64"),
    ("GRU", {}, lambda h: h.to("strict"), DeviceError, r"GRU\(3, 4\) lies on 'cpu', and its state on 'strict'")]


@pytest.mark.parametrize("name, options, slip, kind, text", SLIPS, ids=[str(i) for i in range(len(SLIPS))])
def test_a_state_that_is_none_of_this_layer_is_an_error_that_says_what_is(name, options, slip, kind, text):
    """(h, c) for a GRU, h for an LSTM (of two layers it would pass for a pair), half a pair, an array, the lengths."""
    with pytest.raises(kind, match=text):
        getattr(nn, name)(3, 4, **options)(mg.zeros(5, 2, 3), slip(mg.zeros(1, 2, 4)))
    if not options and kind in (ShapeError, TypeError):        # cells: the same words
        with pytest.raises(kind, match=text.replace(f"{name}\\(", f"{name}Cell\\(")):
            getattr(nn, name + "Cell")(3, 4)(mg.zeros(2, 3), slip(mg.zeros(2, 4)))


def test_an_input_that_is_no_tensor_or_of_another_dtype_is_an_error_that_says_so():
    """A NumPy array, and the two results of the layer below."""
    layer, x = nn.GRU(3, 4), mg.zeros(5, 2, 3)
    for wrong, text in [(x.numpy(), r"GRU\(3, 4\) takes a Tensor, and x is of type ndarray\.\n  fix: mg.tensor\(x\)"),
                        (nn.GRU(3, 3)(x), r"x is of type tuple\.\n  likely: x is \(output, state\)")]:
        with pytest.raises(TypeError, match=text):
            layer(wrong)
    with pytest.raises(DTypeError, match=r"(?s)GRU\(3, 4\) is of float32, and x of float64\..*x.to\(mg.float32\)"):
        layer(x.to(mg.float64))


def test_a_cell_refuses_a_whole_sequence():
    """As PyTorch does: each step would start from zeros, and the result has the shape of a layer's."""
    with pytest.raises(ShapeError, match=r"(?s)takes one step, \(B, 3\) or \(3\), and x is \(5, 2, 3\)\..*or nn\.GRU"):
        nn.GRUCell(3, 4)(mg.zeros(5, 2, 3))


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


# ---------------------------------------------------------------------------------------------- any configuration

def drawn(seed):
    """A configuration and its sizes, by seed: every option that PyTorch has, dropout 0."""
    rng = np.random.default_rng([5, seed])

    def yes(p=0.5):
        return bool(rng.random() < p)
    name = str(rng.choice(["RNN", "LSTM", "GRU"]))
    D, H, T, B = (int(n) for n in rng.integers([1, 2, 1, 1], [6, 7, 9, 6]))
    options = {"num_layers": int(rng.integers(1, 4)), "bias": yes(0.8), "batch_first": yes(), "bidirectional": yes()}
    if name == "RNN" and yes():
        options["nonlinearity"] = "relu"
    if name == "LSTM" and yes():
        options["proj_size"] = int(rng.integers(1, H))
    fused, given = yes(0.7), yes(0.7)
    lengths = rng.permutation([T, *rng.integers(1, T + 1, B - 1)]).tolist()
    packed = [None, "sorted", "mixed"][int(rng.integers(3))]
    return name, (D, H, T, B), options, fused, given, packed, sorted(lengths)[::-1] if packed == "sorted" else lengths


def parity(seed, device):
    """A drawn layer against PyTorch's: values and the gradients of input, states and every weight.

    Returns the largest difference, relative to the largest entry of what it belongs to.
    """
    torch = pytest.importorskip("torch")
    name, (D, H, T, B), options, fused, given, packed, lengths = drawn(seed)
    ours, theirs = pair(name, device, D, H, **options, fused=fused)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((B, T, D) if options["batch_first"] else (T, B, D))
    ways = options["num_layers"] * (1 + options["bidirectional"])
    inputs = [x, *([rng.standard_normal((ways, B, size)) for size in ours.state_sizes] if given else [])]
    a = [mg.tensor(v, device=device, requires_grad=True) for v in inputs]
    b = [torch.tensor(v, requires_grad=True) for v in inputs]
    hx, hz = ((tuple(s) if name == "LSTM" else s[0]) if given else None for s in (a[1:], b[1:]))
    if packed is None:
        ys, zs = flat(ours(a[0], hx)), flat(theirs(b[0], hz))
    else:
        first, in_order = options["batch_first"], packed == "sorted"
        p = nn.utils.rnn.pack_padded_sequence(a[0], lengths, first, in_order)
        q = torch.nn.utils.rnn.pack_padded_sequence(b[0], torch.tensor(lengths), first, in_order)
        (y, last), (z, final) = ours(p, hx), theirs(q, hz)
        np.testing.assert_array_equal(y.batch_sizes.numpy(), z.batch_sizes.numpy())
        ys, zs = [y.data, *flat(last)], [z.data, *flat(final)]
    weights = [rng.standard_normal(y.shape) for y in ys]
    sum((y * mg.tensor(w, device=device)).sum() for y, w in zip(ys, weights, strict=True)).backward()
    sum((z * torch.tensor(w)).sum() for z, w in zip(zs, weights, strict=True)).backward()
    named = [(f"output {i}", y.detach(), z.detach()) for i, (y, z) in enumerate(zip(ys, zs, strict=True))]
    named += [(f"input {i}", p.grad, q.grad) for i, (p, q) in enumerate(zip(a, b, strict=True))]
    named += [(n, p.grad, q.grad) for (n, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True)]
    worst = 0.0
    for what, p, q in named:
        p, q = p.cpu().numpy(), q.numpy()
        np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-11, err_msg=f"seed {seed}: {what} of {ours}")
        worst = max(worst, float(np.abs(p - q).max() / max(np.abs(q).max(), 1e-3)))
    return worst


@pytest.mark.parametrize("seed", range(30))
def test_any_configuration_is_pytorchs_in_value_and_every_gradient(device, seed):
    """Layers, directions, projections, packing, given states: what single tests do not combine."""
    parity(seed, device)


@pytest.mark.proof
def test_300_configurations_are_pytorchs_in_value_and_every_gradient(proof_record):
    """On cpu and strict, float64; the record says how many of each kind there were."""
    torch = pytest.importorskip("torch")
    kinds, worst = {}, 0.0
    for seed in range(300):
        name, _, options, fused, _, packed, _ = drawn(seed)
        worst = max([worst, *(parity(seed, device) for device in ("cpu", "strict"))])
        for kind in (name, "fused" if fused else "readable", f"packed: {packed}",
                     *[k for k in ("bidirectional", "proj_size", "batch_first") if options.get(k)]):
            kinds[kind] = kinds.get(kind, 0) + 1
    path = proof_record("recurrent_parity", {
        "configurations": 300, "devices": ["cpu", "strict"], "dtype": "float64", "torch": torch.__version__,
        "of": dict(sorted(kinds.items())), "largest_relative_difference": worst})
    assert path.exists() and min(kinds.values()) > 20
