"""Modules: finding parameters, names, state, moving, errors."""
from __future__ import annotations

import copy

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DeviceError, DTypeError, InplaceError, MinigradError, StateError


class Model(nn.Module):
    """A layer, a stack, a buffer and a parameter of its own."""

    def __init__(self) -> None:
        self.scale = nn.Parameter(mg.ones(2))
        self.register_buffer("shift", mg.zeros(2))
        self.stack = nn.ModuleList([nn.Linear(3, 4), nn.Linear(4, 2, bias=False)])
        self.rnn = nn.RNN(2, 2)

    def forward(self, x):
        for layer in self.stack:
            x = layer(x)
        return self.rnn(x * self.scale + self.shift)[0]


NAMES = ["scale", "shift", "stack.0.weight", "stack.0.bias", "stack.1.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0",
         "rnn.bias_ih_l0", "rnn.bias_hh_l0"]


def test_names_are_dotted_and_in_the_order_in_which_they_were_set():
    """state_dict: parameters and buffers; named_parameters: parameters alone."""
    model = Model()
    assert list(model.state_dict()) == NAMES
    assert [n for n, _ in model.named_parameters()] == [n for n in NAMES if n != "shift"]
    assert [n for n, _ in model.named_modules()] == ["", "stack", "stack.0", "stack.1", "rnn"]


def test_a_shared_parameter_is_given_once_and_saved_under_both_names():
    """Weight tying: an optimiser that got it twice would step twice."""
    model = Model()
    model.stack[1].weight = nn.Parameter(mg.ones(4, 3))
    model.tied = model.stack[1]
    assert len(list(model.parameters())) == 8
    assert "stack.1.weight" in model.state_dict() and "tied.weight" in model.state_dict()


def test_replacing_an_attribute_forgets_the_old_parameter():
    """The attributes are the register, so nothing can be trained that is not there."""
    model = Model()
    model.scale = None
    assert [n for n, _ in model.named_parameters()][0] == "stack.0.weight"


def test_a_plain_list_of_modules_is_refused():
    """PyTorch accepts it in silence, and the layers are never trained."""
    with pytest.raises(MinigradError, match="ModuleList"):
        Model().layers = [nn.Linear(1, 1)]


def test_state_goes_into_another_model_and_the_outputs_agree(device):
    """Values are written into the memory that is there, on any device."""
    a, b = Model().to(device), Model()
    x = mg.randn(5, 2, 3)
    b.load_state_dict(a.state_dict())
    np.testing.assert_allclose(b(x).detach().numpy(), a(x.to(device)).detach().cpu().numpy(), rtol=1e-5, atol=1e-6)


def test_a_state_that_does_not_fit_names_every_key_and_both_shapes_and_writes_nothing():
    """A load that fails half-way leaves a model that is neither."""
    model, before = Model(), {}
    state = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    before = {k: v.copy() for k, v in state.items()}
    state["extra"] = state.pop("scale") + 1
    state["rnn.bias_hh_l0"] = np.zeros(3)
    state["shift"] = state["shift"] + 1
    with pytest.raises(StateError) as error:
        model.load_state_dict(state)
    assert str(error.value) == (
        "the state does not fit Model.\n  missing   : scale\n  unexpected: extra\n"
        "  shapes    : rnn.bias_hh_l0: (3,) in the file, (2,) in the model\n"
        "  fix       : build the model with the sizes that it was saved with")
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])


def test_a_partial_state_loads_when_it_need_not_be_strict():
    """It returns what was not used, as PyTorch does."""
    model = Model()
    result = model.load_state_dict({"scale": [2.0, 3.0], "nowhere": 1.0}, strict=False)
    assert result.unexpected_keys == ["nowhere"] and result.missing_keys == NAMES[1:]
    assert model.scale.tolist() == [2.0, 3.0]


def test_loading_between_forward_and_backward_is_an_error():
    """The graph needs the weights that were there."""
    model = nn.Linear(2, 1)
    x = mg.ones(1, 2, requires_grad=True)
    loss = model(x).sum()
    model.load_state_dict({"weight": np.zeros((1, 2)), "bias": np.zeros(1)})
    with pytest.raises(InplaceError, match="overwritten"):
        loss.backward()


def test_training_mode_reaches_every_module_below():
    """Dropout at test time is the mistake that this prevents."""
    model = Model()
    assert all(not m.training for m in model.eval().modules())
    assert all(m.training for m in model.train().modules())


def test_zero_grad_forgets_gradients_or_fills_them():
    """None by default, as PyTorch: an optimiser then leaves the parameter alone."""
    model = Model()
    model(mg.ones(1, 1, 3)).sum().backward()
    model.zero_grad(set_to_none=False)
    assert all(not p.grad.numpy().any() for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_module_moves_and_casts_with_its_buffers_and_gradients(device):
    """A buffer that stays behind fails in the first forward pass on a GPU."""
    model = Model()
    model(mg.ones(1, 1, 3)).sum().backward()
    model.to(device).to(mg.float64)
    for t in (*model.parameters(), *model.buffers(), *(p.grad for p in model.parameters())):
        assert t.device == device and t.dtype == np.float64
    model(mg.ones(1, 1, 3, device=device, dtype="float64")).sum().backward()


def test_a_module_refuses_unknown_devices_and_integer_types():
    """The name that came is in the message."""
    with pytest.raises(DeviceError, match="'gpu'"):
        Model().to("gpu")
    with pytest.raises(DTypeError, match="int64"):
        Model().to(mg.int64)


def test_a_copy_of_a_model_shares_no_memory():
    """copy.deepcopy keeps the best model so far; a shared buffer would train it on."""
    model = Model()
    twin = copy.deepcopy(model)
    with mg.no_grad():
        model.scale.add_(1)
    assert twin.scale.tolist() == [1.0, 1.0] and twin.scale.device is model.scale.device
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in model.named_parameters()]


def test_nodes_carry_the_dotted_name_of_the_module_that_made_them():
    """Errors and drawings say which layer; the name ends with the call, also after an error."""
    model = Model()
    y = model(mg.ones(1, 1, 3))
    assert y.edge.node.scope == "Model.rnn"
    with pytest.raises(MinigradError):
        model(mg.ones(1, 1, 7))
    assert (mg.ones(1, requires_grad=True) * 2).edge.scope == ""


def test_the_printed_model_counts_its_parameters():
    """The count is what the slides compare: RNN H (D + H + 1) plus PyTorch's second bias."""
    assert repr(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.RNN(4, 2, num_layers=2))) == (
        "Sequential(\n  0: Linear(3, 4)  # 16\n  1: Tanh()  # 0\n  2: RNN(4, 2, num_layers=2)  # 28\n)"
        "  # 44 parameters")


def test_weights_start_the_same_on_every_device_and_differ_by_seed(device):
    """They are drawn on the host."""
    mg.manual_seed(3)
    here = nn.Linear(3, 2).to(device).weight.detach().cpu().numpy()
    mg.manual_seed(3)
    np.testing.assert_array_equal(nn.Linear(3, 2).weight.detach().numpy(), here)
    assert (nn.Linear(3, 2).weight.detach().numpy() != here).all()


def test_keras_start_is_glorot_orthogonal_and_zero():
    """KTH's numbers come from it: orthogonal recurrent kernels, biases 0, an LSTM's forget bias 1."""
    rnn, lstm = nn.RNN(3, 8).apply(nn.init.keras_), nn.LSTM(3, 8).apply(nn.init.keras_)
    w = rnn.weight_hh_l0.detach().numpy()
    np.testing.assert_allclose(w @ w.T, np.eye(8), atol=1e-6)
    bound = np.sqrt(6 / (3 + 8))
    assert bound / 2 < np.abs(rnn.weight_ih_l0.detach().numpy()).max() <= bound
    assert not rnn.bias_ih_l0.detach().numpy().any() and not lstm.bias_hh_l0.detach().numpy().any()
    np.testing.assert_array_equal(lstm.bias_ih_l0.detach().numpy().reshape(4, 8).mean(1), [0, 1, 0, 0])
    w = lstm.weight_hh_l0.detach().numpy()
    np.testing.assert_allclose(w.T @ w, np.eye(8), atol=1e-6)


def test_default_start_lies_within_pytorchs_bounds():
    """Linear +-1/sqrt(in), recurrent +-1/sqrt(H), and it fills the range."""
    for p, n in ((nn.Linear(25, 40).weight, 25), (nn.GRU(3, 25).weight_hh_l0, 25), (nn.LSTMCell(3, 25).weight_hh, 25)):
        top = np.abs(p.detach().numpy()).max()
        assert 0.95 / np.sqrt(n) < top <= 1 / np.sqrt(n)
