"""DLPack, pickle and copy: memory is shared where it is promised, and nothing is lost in silence."""
from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


def test_torch_and_a_tensor_share_memory_both_ways():
    """Zero copy: a write on one side is seen on the other."""
    torch = pytest.importorskip("torch")
    x = mg.zeros(2, 3)
    theirs = torch.from_dlpack(x)
    theirs[0, 1] = 5
    assert x.tolist() == [[0, 5, 0], [0, 0, 0]]
    t = torch.zeros(2, 3, dtype=torch.float64).T
    ours = mg.from_dlpack(t)
    t[2, 0] = 7
    assert ours.shape == (3, 2) and ours.dtype == mg.float64 and ours[2, 0].item() == 7
    assert not ours.requires_grad and ours.device == "cpu"


def test_numpy_takes_a_tensor_by_dlpack_and_gives_one():
    """The protocol without another library; integers and booleans too."""
    for array in (np.arange(6).reshape(2, 3), np.array([True, False]), np.float32([1.5])):
        there = np.from_dlpack(mg.from_dlpack(array))
        assert np.shares_memory(there, array) and there.dtype == array.dtype
    assert mg.ones(2).__dlpack_device__() == (1, 0)


def test_jax_shares_its_memory_read_only():
    """JAX arrays are never written: neither are the tensors that show them."""
    jax = pytest.importorskip("jax")
    x = mg.from_dlpack(jax.numpy.arange(3.0))
    assert x.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1
    assert jax.numpy.from_dlpack(mg.ones(2)).sum() == 2


@pytest.mark.skipif(not mg.cuda_status()[0], reason="no GPU")
def test_cupy_shares_memory_both_ways():
    """The same on a GPU."""
    import cupy
    x = mg.from_dlpack(cupy.zeros(3, "f4"))
    assert x.device == "cuda"
    cupy.from_dlpack(x)[1] = 2
    assert x.tolist() == [0, 2, 0]


def test_a_tracked_tensor_is_not_shared_and_the_error_says_what_to_do():
    """What the other library computes would not be recorded: the gradient would end without a word."""
    x = mg.ones(2, requires_grad=True)
    with pytest.raises(mg.GradError, match=r"(?s)cannot be shared.*made at: test_interop.py.*fix    : .*x.detach\(\)"):
        np.from_dlpack(x)
    assert np.shares_memory(np.from_dlpack(x.detach()), x.data)
    torch = pytest.importorskip("torch")
    with pytest.raises(mg.GradError, match=r"torch.Tensor requires a gradient"):
        mg.from_dlpack(torch.ones(2, requires_grad=True))


def test_the_strict_double_shares_no_memory_with_the_host():
    """It stands for a GPU: a host library that got its memory would hide a missing copy."""
    x = mg.ones(2, device="strict")
    for ask in (x.__dlpack_device__, x.__dlpack__):
        with pytest.raises(mg.DeviceError, match=r"(?s)'strict' cannot be shared.*\.cpu\(\)"):
            ask()


def test_what_cannot_be_shared_is_refused_with_its_name():
    """A list, a type that NumPy lacks, memory that is read-only for a reader that cannot know."""
    with pytest.raises(TypeError, match=r"builtins.list does not"):
        mg.from_dlpack([1, 2])
    torch = pytest.importorskip("torch")
    with pytest.raises(mg.DTypeError, match=r"torch.Tensor cannot be shared"):
        mg.from_dlpack(torch.ones(2, dtype=torch.bfloat16))

    class Elsewhere:
        __dlpack__ = None

        def __dlpack_device__(self):
            return 8, 0
    with pytest.raises(mg.DeviceError, match="DLPack type 8"):
        mg.from_dlpack(Elsewhere())
    with pytest.raises(mg.DTypeError, match=r"(?s)cannot be shared.*x.clone\(\)"):
        mg.ones(3).expand(2, 3).__dlpack__()           # a stretched view is read-only, and this asker knows no flag


def test_a_pickled_tensor_comes_back_with_value_device_and_class(device):
    """Gradient, hooks and graph stay behind, as in PyTorch."""
    for x in (mg.randn(2, 3, device=device), mg.tensor(3, device=device), nn.Parameter(mg.randn(2, device=device))):
        x.grad = x.detach()
        y = pickle.loads(pickle.dumps(x))
        assert type(y) is type(x) and y.device == device and y.dtype == x.dtype and y.tolist() == x.tolist()
        assert y.requires_grad == x.requires_grad and y.is_leaf and y.grad is None


@pytest.mark.parametrize("deed", [copy.deepcopy, copy.copy, pickle.dumps], ids=lambda f: f.__name__)
def test_a_computed_tracked_tensor_is_neither_copied_nor_pickled(deed, device):
    """Its graph cannot go along, and a copy without it would have no gradient: PyTorch refuses deepcopy too."""
    y = mg.ones(2, requires_grad=True, device=device) * 2
    with pytest.raises(mg.GradError, match=r"(?s)its graph cannot go along.*made at: test_interop.py.*x.detach\(\)"):
        deed(y)
    deed(y.detach())


def test_a_deep_copy_has_memory_of_its_own_and_the_gradient(device):
    """Training the copy leaves the original as it was."""
    x = mg.ones(2, requires_grad=True, device=device)
    (x * 3).sum().backward()
    y = copy.deepcopy(x)
    y.data[0] = 9
    y.grad.data[0] = 9
    assert x.tolist() == [1, 1] and x.grad.tolist() == [3, 3] and y.requires_grad and y.is_leaf
    assert copy.deepcopy([x, x])[0] is not copy.deepcopy(x)
    a, b = copy.deepcopy([x, x])
    assert a is b


def test_a_shallow_copy_shares_memory_and_is_seen_by_the_mutation_check():
    """A write through the copy must reach the check of the original, or backward would use a wrong value."""
    x = mg.ones(2, requires_grad=True)
    y = x * x
    with mg.no_grad():
        copy.copy(x).mul_(2)
    with pytest.raises(mg.InplaceError):
        y.sum().backward()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
@pytest.mark.parametrize("build", [lambda: nn.LSTM(3, 4, 2, bidirectional=True), lambda: nn.GRU(3, 4),
                                   lambda: nn.RNN(3, 4, fused=False),
                                   lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh())],
                         ids=["lstm", "gru", "rnn", "sequential"])
def test_a_copied_module_computes_the_same_and_trains_alone(again, build):
    """Names, values and modes are kept; the copy's gradients go to the copy."""
    model = build()
    model.eval()
    twin = again(model)
    x = mg.randn(5, 2, 3)
    out = [m(x)[0] if isinstance(m(x), tuple) else m(x) for m in (model, twin)]
    assert out[0].tolist() == out[1].tolist() and repr(model) == repr(twin) and twin.training is False
    out[1].sum().backward()
    assert all(p.grad is None for p in model.parameters()) and all(p.grad is not None for p in twin.parameters())


def test_a_weight_that_two_layers_share_is_still_shared_in_the_copy():
    """A tied embedding must stay tied, or the two halves drift apart in training."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin[1].weight is twin[0].weight is not model[0].weight


def test_numpy_sees_a_tensor_of_the_host_and_is_told_why_not_on_a_device():
    """`numpy.asarray(t)` shares memory on the host; elsewhere a silent copy would hide a wait for the device."""
    x = mg.ones(2, 3)
    assert np.shares_memory(np.asarray(x), x.data) and np.array(x, dtype="f8").dtype == np.float64
    with pytest.raises(mg.DeviceError, match=r"(?s)NumPy cannot see.*'strict'.*x.detach\(\).cpu\(\).numpy\(\)"):
        np.asarray(mg.ones(2, device="strict"))
    with pytest.raises(mg.GradError, match=r"x.detach\(\).numpy\(\)"):
        np.asarray(mg.ones(2, requires_grad=True))
