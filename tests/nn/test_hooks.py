"""Hooks: what they see, what they may replace, and that they go away."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


def test_forward_hooks_see_and_replace_arguments_and_output(device):
    """In the order in which they were registered; removed ones are silent."""
    layer, seen = nn.Linear(2, 2).to(device), []
    layer.load_state_dict({"weight": np.eye(2), "bias": np.zeros(2)})
    x = mg.ones(1, 2, device=device)
    before = layer.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    layer.register_forward_hook(lambda m, args, y: seen.append((m, args[0].tolist(), y.tolist())))
    after = layer.register_forward_hook(lambda m, args, y: y + 1)
    assert layer(x).tolist() == [[3.0, 3.0]]
    assert seen == [(layer, [[2.0, 2.0]], [[2.0, 2.0]])]
    before.remove()
    before.remove()
    with after:
        assert layer(x).tolist() == [[2.0, 2.0]]
    assert layer(x).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("replace", [False, True])
def test_backward_hooks_see_pytorchs_gradients_and_may_replace_them(device, rng, replace):
    """Of a layer in the middle: of its input and of its output, once for each call."""
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    ours = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(mg.float64).to(device)
    ours.load_state_dict(theirs.state_dict())
    seen = {"ours": [], "theirs": []}

    def hook(side):
        def look(module, inside, outside):
            seen[side].append([*inside, *outside])
            return (inside[0] * 2,) if replace else None
        return look
    handle = ours[2].register_full_backward_hook(hook("ours"))
    theirs[2].register_full_backward_hook(hook("theirs"))
    x = rng.standard_normal((5, 3))
    (ours(mg.tensor(x, device=device)) ** 2).sum().backward()
    (theirs(torch.tensor(x)) ** 2).sum().backward()
    for a, b in zip(seen["ours"], seen["theirs"], strict=True):
        assert len(a) == len(b) == 2
        for g, h in zip(a, b, strict=True):
            np.testing.assert_allclose(g.cpu().numpy(), h.numpy(), rtol=1e-10)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.cpu().numpy(), q.grad.numpy(), rtol=1e-10, atol=1e-13)
    handle.remove()
    (ours(mg.tensor(x, device=device)) ** 2).sum().backward()
    assert len(seen["ours"]) == 1


def test_a_backward_hook_of_the_first_layer_sees_no_gradient_of_the_data(device):
    """Its input is data: None there, and still one call with the gradient of the output."""
    layer, seen = nn.Linear(2, 1).to(device), []
    layer.register_full_backward_hook(lambda m, inside, outside: seen.append((inside, outside[0].tolist())))
    (layer(mg.ones(3, 2, device=device)) * 2).sum().backward()
    assert seen == [((None,), [[2.0], [2.0], [2.0]])]


def test_a_backward_hook_of_several_outputs_has_none_for_an_unused_one(device):
    """A recurrent layer of which only the last state is used."""
    layer, seen = nn.GRU(2, 3).to(device), []
    layer.register_full_backward_hook(lambda m, inside, outside: seen.append((inside[0].shape, outside)))
    x = mg.randn(4, 1, 2, device=device, requires_grad=True)
    _, h = layer(x)
    h.sum().backward()
    (shape, (first, last)), = seen
    assert shape == (4, 1, 2) and first is None and last.shape == (1, 1, 3) and x.grad.shape == (4, 1, 2)


def test_backward_hooks_work_under_create_graph(device):
    """The gradients are then tensors that can be differentiated again."""
    layer, seen = nn.Linear(2, 1).to(mg.float64).to(device), []
    x = mg.randn(3, 2, dtype="float64", device=device, requires_grad=True)
    plain, = mg.grad((layer(x) ** 3).sum(), x, create_graph=True)
    want, = mg.grad((plain ** 2).sum(), x)
    layer.register_full_backward_hook(lambda m, inside, outside: seen.append(inside[0].requires_grad))
    first, = mg.grad((layer(x) ** 3).sum(), x, create_graph=True)
    second, = mg.grad((first ** 2).sum(), x)
    assert True in seen
    np.testing.assert_allclose(second.cpu().numpy(), want.cpu().numpy(), rtol=1e-10)


def test_a_module_without_hooks_records_no_node_more():
    """The tape's budget: nobody pays for what is not used."""
    layer = nn.Tanh()
    x = mg.ones(2, requires_grad=True)
    assert layer(x).edge.op.name == "tanh"
    layer.register_full_backward_hook(lambda m, i, o: None).remove()
    assert layer(x).edge.op.name == "tanh"
