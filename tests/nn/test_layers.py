"""Layers beside PyTorch's of the same name: state_dict keys, outputs, gradients, both modes; and how they print."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad.nn import functional as F

CASES = {
    "Linear": (("Linear", 3, 4), (5, 3)),
    "Bilinear": (("Bilinear", 3, 4, 2), (5, 3), (5, 4)),
    "LayerNorm": (("LayerNorm", 6), (4, 6)),
    "LayerNorm of two axes": (("LayerNorm", (3, 6)), (4, 3, 6)),
    "LayerNorm alone": (("LayerNorm", 6, 1e-3, False), (4, 6)),
    "BatchNorm1d": (("BatchNorm1d", 5), (8, 5)),
    "BatchNorm1d over time": (("BatchNorm1d", 5, 1e-3, 0.3), (8, 5, 3)),
    "BatchNorm1d by the mean": (("BatchNorm1d", 5, 1e-5, None), (8, 5)),
    "BatchNorm1d alone": (("BatchNorm1d", 5, 1e-5, 0.1, False, False), (8, 5)),
    "BatchNorm2d": (("BatchNorm2d", 3), (4, 3, 2, 5)),
    "Conv1d": (("Conv1d", 3, 4, 3, 2, 1), (2, 3, 9)),
    "Conv2d": (("Conv2d", 3, 4, (3, 2), 1, 1), (2, 3, 6, 5)),
    "MaxPool2d": (("MaxPool2d", 2), (2, 3, 6, 4)),
    "AvgPool2d": (("AvgPool2d", 3, 2), (2, 3, 7, 5)),
    "Flatten": (("Flatten",), (2, 3, 4)),
    **{name: ((name,), (4, 5)) for name in ("Tanh", "ReLU", "Sigmoid", "SiLU", "GELU", "LeakyReLU", "Softplus")},
    "GELU by tanh": (("GELU", "tanh"), (4, 5)),
    "Softmax": (("Softmax", -1), (4, 5)),
    "LogSoftmax": (("LogSoftmax", 1), (4, 5)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_layer_is_pytorchs(device, rng, case, training):
    """The state goes over by its keys; three calls, so that running statistics move; every gradient."""
    torch = pytest.importorskip("torch")
    (name, *options), *shapes = case
    ours, theirs = getattr(nn, name)(*options).to(mg.float64), getattr(torch.nn, name)(*options).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    ours.to(device).train(training)
    theirs.train(training)
    for _ in range(3):
        xs = [rng.standard_normal(s) * 2 + 1 for s in shapes]
        a = [mg.tensor(x, device=device, requires_grad=True) for x in xs]
        b = [torch.tensor(x, requires_grad=True) for x in xs]
        y, z = ours(*a), theirs(*b)
        np.testing.assert_allclose(y.detach().cpu().numpy(), z.detach().numpy(), rtol=1e-10, atol=1e-12)
        g = rng.standard_normal(y.shape)
        (y * mg.tensor(g, device=device)).sum().backward()
        (z * torch.tensor(g)).sum().backward()
        for p, q in zip(a, b, strict=True):
            np.testing.assert_allclose(p.grad.cpu().numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-11)
    for p, (key, q) in zip(ours.parameters(), theirs.named_parameters(), strict=True):
        np.testing.assert_allclose(p.grad.cpu().numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-11, err_msg=key)
    for key, value in ours.state_dict().items():
        np.testing.assert_allclose(value.cpu().numpy(), theirs.state_dict()[key].numpy(), rtol=1e-12, err_msg=key)


def test_dropout_thins_out_in_training_alone(device):
    """At test time every unit speaks; in training what is left is scaled so that the mean stays."""
    layer, x = nn.Dropout(0.25), mg.ones(100, 100, device=device)
    y = layer(x).cpu().numpy()
    assert set(np.unique(y).tolist()) == {0.0, np.float32(1 / 0.75).item()}
    assert abs((y == 0).mean() - 0.25) < 0.02
    np.testing.assert_array_equal(layer.eval()(x).cpu().numpy(), 1)
    with pytest.raises(ValueError, match="not 1.5"):
        nn.Dropout(1.5)


def test_one_seed_gives_one_mask_on_every_device(device):
    """A run on a GPU can be compared with one on the host."""
    mg.manual_seed(5)
    here = nn.Dropout(0.5)(mg.ones(7, 9, device=device)).cpu().numpy()
    mg.manual_seed(5)
    np.testing.assert_array_equal(nn.Dropout(0.5)(mg.ones(7, 9)).numpy(), here)


def test_batch_norm_refuses_what_has_no_variance_or_other_features():
    """One example in training: the variance is 0, and the output would be the bias whatever the input."""
    with pytest.raises(ShapeError, match="more than one value"):
        nn.BatchNorm1d(3)(mg.ones(1, 3))
    with pytest.raises(ShapeError, match=r"BatchNorm1d\(3\) cannot take \(4, 5\)"):
        nn.BatchNorm1d(3)(mg.ones(4, 5))
    assert nn.BatchNorm1d(3).eval()(mg.ones(1, 3)).shape == (1, 3)


def test_layer_norm_and_bilinear_name_the_shapes_that_do_not_fit():
    """The layer's sizes and the input's."""
    with pytest.raises(ShapeError, match=r"over \(6,\) cannot take \(4, 5\)"):
        nn.LayerNorm(6)(mg.ones(4, 5))
    with pytest.raises(ShapeError, match=r"\(5, 3\) and \(4, 4\) by a weight of \(2, 3, 4\)"):
        nn.Bilinear(3, 4, 2)(mg.ones(5, 3), mg.ones(4, 4))


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((2, 5, 3), (2, 5, 4))], ids=str)
def test_bilinear_takes_any_leading_shape(device, rng, shapes):
    """Attention scores over a sequence, and a single pair."""
    torch = pytest.importorskip("torch")
    a, b, w = (rng.standard_normal(s) for s in (*shapes, (2, 3, 4)))
    y = F.bilinear(*(mg.tensor(v, device=device) for v in (a, b, w)))
    np.testing.assert_allclose(y.cpu().numpy(), torch.nn.functional.bilinear(*map(torch.tensor, (a, b, w))), rtol=1e-12)


def test_modules_in_a_dict_are_trained_and_named(device):
    """query, key, value: names instead of numbers; a list or a dict of Python's would hide them."""
    layers = nn.ModuleDict({"query": nn.Linear(2, 3), "key": nn.Linear(2, 3, bias=False)}).to(device)
    layers["value"] = nn.Linear(2, 1)
    assert list(layers.state_dict()) == ["query.weight", "query.bias", "key.weight", "value.weight", "value.bias"]
    assert list(layers) == list(layers.keys()) == ["query", "key", "value"] and "key" in layers and len(layers) == 3
    assert layers["query"](mg.ones(1, 2, device=device)).shape == (1, 3)
    assert [n for n, _ in layers.items()] == ["query", "key", "value"]
    del layers["key"]
    assert "key" not in layers and len(list(layers.values())) == 2
    for wrong in ("forward", "a.b", ""):
        with pytest.raises(mg.MinigradError, match="cannot name"):
            layers[wrong] = nn.Linear(1, 1)
    with pytest.raises(KeyError):
        layers["key"]


def test_a_list_of_modules_grows_and_its_places_can_be_replaced():
    """The order stays, so the state's names do."""
    layers = nn.ModuleList([nn.Linear(1, 2)]).extend([nn.Linear(2, 3), nn.Linear(3, 4)])
    layers[-1] = nn.Linear(3, 5)
    assert [p.shape for p in layers.parameters() if p.ndim == 2] == [(2, 1), (3, 2), (5, 3)]
    with pytest.raises(IndexError, match="module 3 of 3"):
        layers[3] = nn.Linear(1, 1)


def test_layers_print_their_settings_and_their_parameters():
    """What the slides count, one line a layer."""
    assert repr(nn.Sequential(nn.Embedding(9, 4, padding_idx=0), nn.LayerNorm(4), nn.GELU(), nn.Dropout(0.1),
                              nn.Conv1d(4, 2, 3))) == (
        "Sequential(\n  0: Embedding(9, 4, padding_idx=0)  # 36\n  1: LayerNorm((4,), eps=1e-05)  # 8\n"
        "  2: GELU(approximate='none')  # 0\n  3: Dropout(p=0.1)  # 0\n"
        "  4: Conv1d(4, 2, kernel_size=(3,), stride=1, padding=0)  # 26\n)  # 70 parameters")


def test_what_is_no_module_is_refused_where_modules_are_listed():
    """A function among layers was left out without a word: the network had no tanh, and was linear."""
    for wrong, fix in ((F.tanh, "nn.Tanh"), (nn.Tanh, r"nn.Tanh\(\)"), (3, "a layer"), (None, "a layer")):
        with pytest.raises(TypeError, match=rf"holds modules, and (.|\n)*{fix}"):
            nn.Sequential(nn.Linear(2, 3), wrong, nn.Linear(3, 1))
        with pytest.raises(TypeError, match="ModuleDict holds modules"):
            nn.ModuleDict({"a": wrong})
        with pytest.raises(TypeError, match="ModuleList holds modules"):
            nn.ModuleList([nn.Linear(1, 1)])[0] = wrong


@pytest.mark.parametrize("padding", [5, -6])
def test_a_padding_id_outside_of_the_table_is_refused(padding):
    """Taken modulo the table's size it would freeze the row of a word."""
    for call in (lambda: nn.Embedding(5, 3, padding_idx=padding),
                 lambda: F.embedding(mg.tensor([0]), mg.ones(5, 3), padding)):
        with pytest.raises(mg.IndexRangeError, match=f"padding_idx={padding} is outside of a table of 5 rows"):
            call()


def test_a_parameter_sees_writes_into_the_tensor_that_it_was_made_of(device):
    """They share memory: a gradient computed from overwritten values would be wrong in silence."""
    t = mg.tensor([3.0, 4.0], device=device)
    p = nn.Parameter(t)
    y = (p * p).sum()
    t.zero_()
    with pytest.raises(mg.InplaceError, match="was overwritten"):
        y.backward()


def test_a_convolution_takes_no_dilation_in_the_place_of_its_bias():
    """PyTorch's sixth argument is the dilation: taken for the bias it would be ignored in silence."""
    with pytest.raises(TypeError, match="positional"):
        nn.Conv2d(3, 8, 3, 1, 1, 2)
    assert nn.Conv1d(3, 8, np.int64(3), bias=False).kernel_size == (3,)


def test_a_shared_layer_is_one_child_and_two_places_of_a_list():
    """children() gives it once, as PyTorch does; a list that holds it twice calls it twice."""
    layer = nn.Linear(2, 2)
    twice = nn.Sequential(layer, nn.Tanh(), layer)
    assert len(list(twice.children())) == 2 and len(twice) == 3 and twice[2] is layer
    assert list(twice.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    x = mg.ones(1, 2)
    assert twice(x).tolist() == layer(layer(x).tanh()).tolist()


def test_a_state_may_hold_parameters_of_pytorch():
    """dict(model.named_parameters()): they require a gradient, which NumPy refuses."""
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.Linear(2, 3), nn.Linear(2, 3)
    ours.load_state_dict(dict(theirs.named_parameters()))
    assert ours.weight.tolist() == theirs.weight.tolist()


def test_a_layer_names_an_array_that_is_no_tensor():
    """NumPy's array.data is memory: what came of it was an attribute error."""
    a = np.ones((2, 4), np.float32)
    attend = nn.MultiheadAttention(4, 2)
    for layer in (nn.BatchNorm1d(4), nn.TransformerEncoderLayer(4, 2, 8), lambda x: attend(x, x, x)):
        with pytest.raises(TypeError, match="takes Tensors, and its .* is of type ndarray"):
            layer(a)


def test_a_window_has_a_number_for_each_direction():
    """padding="same" and a third number are not there."""
    for options in ({"padding": "same"}, {"stride": (1, 2, 3)}, {"stride": 1.5}):
        with pytest.raises(ShapeError, match="a kernel, stride or padding is a whole number, or 2 of them"):
            nn.Conv2d(1, 1, 2, **options)(mg.ones(1, 1, 4, 4))
    with pytest.raises(ShapeError, match="or 1 of them"):
        nn.Conv1d(1, 1, (2, 2))


def test_a_linear_layer_that_cannot_take_its_input_says_which_it_is_and_what_it_takes(device):
    """Which of six layers? `matmul cannot join (2, 4) and (5, 2)` does not tell, and to transpose is no repair."""
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2)).to(device), mg.zeros(2, 3, device=device)
    with pytest.raises(mg.ShapeError) as caught:
        model(x)
    head, *lines = str(caught.value).split("\n")
    assert head == "Linear(5, 2) cannot take (2, 4)."
    assert [line.split(":")[0].strip() for line in lines] == ["x", "fix"] and lines[-1].endswith("x is (..., 5)")
    with pytest.raises(mg.ShapeError, match=r"Linear\(3, 4\) cannot take \(\)"):
        nn.Linear(3, 4).to(device)(mg.zeros((), device=device))
