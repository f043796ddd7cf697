"""Optimisers against PyTorch's trajectories, resuming, the flat buffer, clipping."""
from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim, strict
from minigrad.errors import InplaceError, MinigradError, StateError
from minigrad.nn import functional as F

SETTINGS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd-momentum-decay": ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "sgd-nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "sgd-dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    "adagrad": ("Adagrad", {"lr": 0.1}),
    "adagrad-all": ("Adagrad", {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.01, "initial_accumulator_value": 0.3}),
    "rmsprop": ("RMSprop", {"lr": 0.01}),
    "rmsprop-all": ("RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.8, "centered": True, "weight_decay": 0.01}),
    "rmsprop-momentum": ("RMSprop", {"lr": 0.01, "momentum": 0.8}),
    "adadelta": ("Adadelta", {"lr": 1.0}),
    "adadelta-decay": ("Adadelta", {"lr": 0.5, "rho": 0.8, "weight_decay": 0.01}),
    "adam": ("Adam", {"lr": 0.05}),
    "adam-decay": ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    "adamw": ("AdamW", {"lr": 0.05}),
    "adamw-decay": ("AdamW", {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.3}),
}
STRUCTURE = ("momentum", "centered")           # what decides which state there is: not in the state's settings alone


def model():
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))


def train_step(net, opt, x, y):
    """The loss of a step."""
    loss = F.mse_loss(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    return loss


def train(net, opt, x, y, steps):
    """The losses of some steps."""
    return [train_step(net, opt, x, y).item() for _ in range(steps)]


def values(net):
    return {n: t.cpu().numpy().copy() for n, t in net.state_dict().items()}


def beside_pytorch(device, name, options):
    """torch, and of both libraries the same small model in float64 with an optimiser of that name."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).double()
    ours = model().to(mg.float64)
    ours.load_state_dict(theirs.state_dict())
    ours.to(device)
    opt, reference = getattr(optim, name)(ours.parameters(), **options), getattr(torch.optim, name)(
        theirs.parameters(), **options)
    return torch, ours, opt, theirs, reference


@pytest.mark.parametrize("name, options", SETTINGS.values(), ids=SETTINGS)
def test_a_trajectory_is_pytorchs(device, rng, name, options):
    """30 steps in float64: any difference in the order of operations of a moment would show."""
    torch, ours, opt, theirs, reference = beside_pytorch(device, name, options)
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    train(ours, opt, mg.tensor(x, device=device), mg.tensor(y, device=device), 30)
    for _ in range(30):
        reference.zero_grad()
        torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(y)).backward()
        reference.step()
    for key, value in values(ours).items():
        np.testing.assert_allclose(value, theirs.state_dict()[key].numpy(), rtol=1e-12, atol=1e-13, err_msg=key)


@pytest.mark.parametrize("name, options", SETTINGS.values(), ids=SETTINGS)
def test_a_trajectory_of_replays_with_a_schedule_is_pytorchs(device, rng, name, options):
    """A rate, or a count of steps, that the graph froze would leave it at the fourth step."""
    torch, ours, opt, theirs, reference = beside_pytorch(device, name, options)
    schedules = optim.CosineAnnealingLR(opt, 9), torch.optim.lr_scheduler.CosineAnnealingLR(reference, 9)
    fast = mg.graph(lambda x, y: train_step(ours, opt, x, y), device=device)
    for _ in range(12):
        x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
        fast(x, y)
        reference.zero_grad()
        torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(y)).backward()
        reference.step()
        for schedule in schedules:
            schedule.step()
    assert fast.captured or device == "cpu"
    for key, value in values(ours).items():
        np.testing.assert_allclose(value, theirs.state_dict()[key].numpy(), rtol=1e-12, atol=1e-13, err_msg=key)


@pytest.mark.parametrize("name, options", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("way", ["memory", "pickle", "npz"])
def test_training_resumes_bit_for_bit(device, rng, name, options, way, tmp_path):
    """A resumed run that differs in the last digit is another run after a thousand steps. The schedule goes on too."""
    x = mg.tensor(rng.standard_normal((7, 3)).astype("float32"), device=device)
    y = mg.tensor(rng.standard_normal((7, 2)).astype("float32"), device=device)

    def start(**options):
        net = model().to(device)
        opt = getattr(optim, name)(net.parameters(), **options)
        return net, opt, optim.CosineAnnealingLR(opt, 12)

    def run(net, opt, schedule):
        losses = []
        for _ in range(5):
            losses += train(net, opt, x, y, 1)
            schedule.step()
        return losses
    whole = start(**options)
    run(*whole)
    saved = [part.state_dict() for part in whole]
    if way == "memory":
        saved[0] = values(whole[0])            # a Module's state shares memory
    elif way == "pickle":
        saved = pickle.loads(pickle.dumps([values(whole[0]), *saved[1:]]))
    else:
        mg.save({"parts": saved}, tmp_path / "run.npz")
        saved = mg.load(tmp_path / "run.npz")["parts"]
    want = run(*whole)

    again = start(lr=123.0, **{k: v for k, v in options.items() if k in STRUCTURE})
    for part, state in zip(again, saved, strict=True):
        part.load_state_dict(state)
    assert run(*again) == want
    for key, value in values(again[0]).items():
        np.testing.assert_array_equal(value, values(whole[0])[key])


def test_the_state_has_pytorchs_form_and_goes_there_and_back(rng):
    """Checkpoints are exchanged: the same keys, the same indices, the same numbers."""
    torch = pytest.importorskip("torch")
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))
    net = model().to(mg.float64)
    opt = optim.Adam(net.parameters(), lr=0.05)
    train(net, opt, mg.tensor(x), mg.tensor(y), 5)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).double()
    theirs.load_state_dict({k: torch.tensor(v) for k, v in values(net).items()})
    reference = torch.optim.Adam(theirs.parameters(), lr=0.05)
    state = opt.state_dict()
    reference.load_state_dict({"state": {i: {n: torch.tensor(v) for n, v in s.items()}
                                         for i, s in state["state"].items()},
                               "param_groups": [{**reference.state_dict()["param_groups"][0],
                                                 **state["param_groups"][0]}]})
    loss = torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(y))
    loss.backward()
    reference.step()
    other = optim.Adam(model().to(mg.float64).parameters(), lr=1.0)
    other.load_state_dict(reference.state_dict())
    train(net, opt, mg.tensor(x), mg.tensor(y), 1)
    ours, back = opt.state_dict(), other.state_dict()
    assert back["param_groups"][0]["lr"] == 0.05 and back["param_groups"][0]["betas"] == (0.9, 0.999)
    for i, s in ours["state"].items():
        assert back["state"][i]["step"] == s["step"] == 6
        for n in ("exp_avg", "exp_avg_sq"):
            np.testing.assert_allclose(back["state"][i][n], s[n], rtol=1e-12)
    for key, value in values(net).items():
        np.testing.assert_allclose(value, theirs.state_dict()[key].numpy(), rtol=1e-12)


def test_a_state_of_other_sizes_is_refused():
    """Before anything is written."""
    opt = optim.Adam(model().parameters())
    with pytest.raises(StateError, match=r"groups of \[2\] parameters, and this optimiser has \[4\]"):
        opt.load_state_dict(optim.Adam(nn.Linear(3, 2).parameters()).state_dict())
    other = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    train(other, trained := optim.Adam(other.parameters()), mg.zeros(1, 2), mg.zeros(1, 2), 1)
    with pytest.raises(StateError, match=r"exp_avg of parameter 0 is \(8, 2\), and the parameter \(8, 3\)"):
        opt.load_state_dict(trained.state_dict())


def test_parameters_are_views_of_one_buffer(device):
    """That is what makes a step a dozen operations; the values must not change by it."""
    net = model().to(device)
    before = values(net)
    optim.SGD(net.parameters(), lr=0.1)
    base = {id(p.data.base) for p in net.parameters()} if device != "cuda" else {0}
    assert len(base) == 1
    for key, value in values(net).items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize("sizes", [(3,), (20000,), (5, 16384, 7), (16383, 1, 1, 40000, 2)])
def test_parameters_larger_and_smaller_than_a_piece_are_all_updated(sizes, rng):
    """The buffer is walked in pieces of 16,384; an entry at a border would be updated twice or never."""
    torch = pytest.importorskip("torch")
    starts, grads = ([rng.standard_normal(n) for n in sizes] for _ in range(2))
    ours, theirs = [nn.Parameter(s) for s in starts], [torch.nn.Parameter(torch.tensor(s)) for s in starts]
    for opt, params, make in ((optim.Adam(ours), ours, mg.tensor), (torch.optim.Adam(theirs), theirs, torch.tensor)):
        for _ in range(3):
            for p, g in zip(params, grads, strict=True):
                p.grad = make(g)
            opt.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-12)


def test_a_parameter_without_a_gradient_is_left_alone_and_counts_its_own_steps(rng):
    """PyTorch skips it: no decay, no momentum, and Adam's correction starts when it does."""
    torch = pytest.importorskip("torch")
    starts = rng.standard_normal((3, 4))
    ours, theirs = [nn.Parameter(s) for s in starts], [torch.nn.Parameter(torch.tensor(s)) for s in starts]
    for opt, params, make in ((optim.Adam(ours, weight_decay=0.1), ours, mg.tensor),
                              (torch.optim.Adam(theirs, weight_decay=0.1), theirs, torch.tensor)):
        g = np.random.default_rng(1)
        for t in range(6):
            for i, p in enumerate(params):
                grad = g.standard_normal(4)
                p.grad = make(grad) if i != 1 or t > 2 else None
            opt.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-12)


def test_groups_have_their_own_settings(rng):
    """A slower rate for the lower layers."""
    a, b = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(2))
    opt = optim.SGD([{"params": [a], "lr": 1.0}, {"params": [b]}], lr=0.5)
    a.grad = b.grad = mg.tensor(np.ones(2))
    opt.step()
    assert a.tolist() == [0.0, 0.0] and b.tolist() == [0.5, 0.5]


def test_parameters_of_two_types_are_trained_together():
    """One buffer for each dtype."""
    a, b = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(2, np.float32))
    opt = optim.SGD([a, b], lr=1.0)
    a.grad, b.grad = mg.tensor(np.ones(2)), mg.tensor(np.ones(2, np.float32))
    opt.step()
    assert a.tolist() == b.tolist() == [0.0, 0.0] and (a.dtype, b.dtype) == (np.float64, np.float32)


def test_loading_weights_after_the_optimiser_was_made_trains_the_loaded_ones():
    """Values are written into the buffer, so both stay one."""
    net = nn.Linear(2, 1)
    opt = optim.SGD(net.parameters(), lr=1.0)
    net.load_state_dict({"weight": np.full((1, 2), 3.0), "bias": np.zeros(1)})
    net(mg.ones(1, 2)).sum().backward()
    opt.step()
    assert net.weight.tolist() == [[2.0, 2.0]] and net.bias.tolist() == [-1.0]


def test_a_model_that_moved_after_its_optimiser_was_made_is_trained_where_it_is(device):
    """The moments go along; PyTorch trains on with them too."""
    net, twin = nn.Linear(2, 1), nn.Linear(2, 1)
    twin.load_state_dict(net.state_dict())
    twin.to(mg.float64)
    a, b = optim.Adam(net.parameters(), lr=0.1), optim.Adam(twin.parameters(), lr=0.1)
    x, y = mg.ones(1, 2, dtype="float64"), mg.zeros(1, 1, dtype="float64")
    train(net, a, x.to(mg.float32), y.to(mg.float32), 2)
    train(twin, b, x, y, 2)
    net.to(mg.float64).to(device)
    train(net, a, x.to(device), y.to(device), 3)
    train(twin, b, x, y, 3)
    assert next(iter(a.state_dict()["state"].values()))["step"] == 5
    for key, value in values(net).items():
        np.testing.assert_allclose(value, values(twin)[key], rtol=1e-5)


def test_a_step_between_forward_and_backward_is_an_error():
    """The gradient would be of weights that are gone."""
    net = model()
    opt = optim.SGD(net.parameters(), lr=0.1)
    x = mg.ones(1, 3)
    net(x).sum().backward()
    loss = net(x).sum()
    opt.step()
    with pytest.raises(InplaceError, match="overwritten"):
        loss.backward()


def test_what_cannot_be_trained_is_refused():
    """Nothing, a computed tensor, one parameter twice, a model or a tensor where a list belongs."""
    p, net = nn.Parameter(np.ones(2)), nn.Linear(2, 2)
    for wrong, message in (([], "empty"), ([p * 2], r"leaves, and this \(2,\) was computed"), ([p, p], "twice"),
                           (["p"], "str"), (net, r"got Linear\.\n  fix: pass model\.parameters"),
                           (nn.Sequential(net), "parameters"), (p, r"one tensor\.\n  fix: pass \[p\]"),
                           ([{"params": p}], "one tensor"), ([{"params": net}], "Linear")):
        with pytest.raises(MinigradError, match=message):
            optim.SGD(wrong, lr=0.1)


def test_a_frozen_parameter_may_be_listed_and_stays_as_it_is():
    """As in PyTorch: fine-tuning passes all parameters, and freezes some."""
    frozen, free = nn.Parameter(np.ones(2)), nn.Parameter(np.ones(2))
    frozen.requires_grad = False
    opt = optim.SGD([frozen, free], lr=0.5)
    (frozen * free).sum().backward()
    opt.step()
    assert frozen.tolist() == [1.0, 1.0] and free.tolist() == [0.5, 0.5]


OUT_OF_RANGE = [("SGD", {"lr": -1}), ("SGD", {"momentum": -0.9}), ("SGD", {"weight_decay": -0.1}),
                ("Adagrad", {"lr_decay": -1}), ("Adagrad", {"initial_accumulator_value": -1}),
                ("RMSprop", {"alpha": -1}), ("Adadelta", {"rho": 1.1}), ("Adadelta", {"rho": -0.1}),
                ("Adam", {"lr": -1e-3}), ("Adam", {"eps": -1e-8}), ("Adam", {"betas": (1.0, 0.9)}),
                ("Adam", {"betas": (0.9, -0.1)}), ("AdamW", {"lr": math.nan})]


@pytest.mark.parametrize("name, options", OUT_OF_RANGE)
def test_a_setting_outside_of_its_range_is_refused_where_pytorch_refuses_it(name, options):
    """A negative rate climbs the loss, and a beta of 1 divides by zero: neither says so."""
    (setting,) = options
    p = nn.Parameter(np.ones(2))
    with pytest.raises(ValueError, match=rf"^{setting} (is|are) "):
        getattr(optim, name)([p], **options)
    with pytest.raises(ValueError, match=rf"^{setting} (is|are) "):
        getattr(optim, name)([{"params": [p], **options}])
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="Invalid"):
        getattr(torch.optim, name)([torch.nn.Parameter(torch.ones(2))], **options)


def test_the_ends_of_the_ranges_are_legal():
    """A schedule, too, may bring the rate to 0, and an optimiser be made while it is there."""
    p = nn.Parameter(np.ones(2))
    opt = optim.Adam([p], lr=0.0, betas=(0.0, 0.0), eps=0.0, weight_decay=0.0)
    schedule = optim.LambdaLR(opt, lambda t: 0.0)
    schedule.step()
    p.sum().backward()
    opt.step()
    assert p.tolist() == [1.0, 1.0]
    optim.Adadelta([p], lr=0, rho=1.0)
    optim.Adadelta([p], rho=0.0)


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, math.inf])
@pytest.mark.parametrize("max_norm", [0.1, 1e6])
def test_clipping_is_pytorchs(device, rng, max_norm, norm_type):
    """The norm of all gradients together, returned as it was before; a small one is left alone."""
    torch = pytest.importorskip("torch")
    grads = [rng.standard_normal(s) for s in ((3, 4), (5,), ())]
    ours, theirs = [nn.Parameter(mg.tensor(np.zeros(g.shape), device=device)) for g in grads], [
        torch.nn.Parameter(torch.zeros(g.shape).double()) for g in grads]
    for p, q, g in zip(ours, theirs, grads, strict=True):
        p.grad, q.grad = mg.tensor(g, device=device), torch.tensor(g)
    norm = optim.clip_grad_norm_(ours, max_norm, norm_type)
    want = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    np.testing.assert_allclose(norm.item(), want.item(), rtol=1e-12)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.grad.cpu().numpy(), q.grad.numpy(), rtol=1e-12)


def test_clipping_can_refuse_a_norm_that_is_not_finite():
    """An exploded gradient; nothing was scaled then."""
    p = nn.Parameter(np.ones(2))
    p.grad = mg.tensor(np.array([math.inf, 1.0]))
    with pytest.raises(MinigradError, match="inf"):
        optim.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad.tolist() == [math.inf, 1.0]


@pytest.mark.parametrize("name, options", SETTINGS.values(), ids=SETTINGS)
def test_a_state_of_pytorchs_continues_here(rng, name, options):
    """A checkpoint of PyTorch's after 5 steps, loaded here: the next 5 steps are the same."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).double()
    reference = getattr(torch.optim, name)(theirs.parameters(), **options)
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 2))

    def run():
        for _ in range(5):
            reference.zero_grad()
            torch.nn.functional.mse_loss(theirs(torch.tensor(x)), torch.tensor(y)).backward()
            reference.step()
    run()
    ours = model().to(mg.float64)
    opt = getattr(optim, name)(ours.parameters(), **options)
    ours.load_state_dict(theirs.state_dict())
    opt.load_state_dict(reference.state_dict())
    train(ours, opt, mg.tensor(x), mg.tensor(y), 5)
    run()
    for key, value in values(ours).items():
        np.testing.assert_allclose(value, theirs.state_dict()[key].numpy(), rtol=1e-12, atol=1e-13, err_msg=key)


def test_settings_that_contradict_each_other_are_refused():
    """Nesterov's step looks ahead along a momentum; PyTorch refuses the same."""
    p = nn.Parameter(np.ones(2))
    for options in ({"nesterov": True}, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}):
        with pytest.raises(ValueError, match="nesterov"):
            optim.SGD([p], lr=0.1, **options)


def test_adamw_shrinks_a_weight_whose_gradient_is_zero_and_adam_does_not_by_as_much(device):
    """Decay apart from the gradient: p (1 - lr decay), whatever the moments."""
    p = nn.Parameter(mg.tensor([1.0, -2.0], dtype="float64", device=device))
    p.grad = mg.zeros(2, dtype="float64", device=device)
    optim.AdamW([p], lr=0.1, weight_decay=0.5).step()
    np.testing.assert_allclose(p.detach().cpu().numpy(), [0.95, -1.9], rtol=1e-15)


def test_gradients_of_parts_add_up_to_that_of_the_batch(device, rng):
    """Gradient accumulation: k parts, each loss divided by k, one step. Forgetting zero_grad would add a batch more."""
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((12, 2))
    whole, parts = model().to(mg.float64).to(device), model().to(mg.float64).to(device)
    parts.load_state_dict(whole.state_dict())
    a, b = optim.Adam(whole.parameters(), lr=0.1), optim.Adam(parts.parameters(), lr=0.1)
    for _ in range(3):
        train(whole, a, mg.tensor(x, device=device), mg.tensor(y, device=device), 1)
        b.zero_grad()
        for k in range(0, 12, 4):
            part = slice(k, k + 4)
            (F.mse_loss(parts(mg.tensor(x[part], device=device)), mg.tensor(y[part], device=device)) / 3).backward()
        b.step()
    for key, value in values(whole).items():
        np.testing.assert_allclose(values(parts)[key], value, rtol=1e-9, atol=1e-12)


def test_clipping_by_part_leaves_the_other_part_alone(device):
    """A recurrent part that explodes is held down, the embedding is not: pass the part's parameters."""
    a, b = (nn.Parameter(mg.zeros(2, device=device)) for _ in range(2))
    a.grad, b.grad = mg.tensor([30.0, 40.0], device=device), mg.tensor([3.0, 4.0], device=device)
    assert optim.clip_grad_norm_([a], 5.0).item() == 50.0
    np.testing.assert_allclose(a.grad.cpu().numpy(), [3.0, 4.0], rtol=1e-6)
    assert b.grad.tolist() == [3.0, 4.0]


def test_clipping_by_value_is_pytorchs(device, rng):
    """Entry by entry, in place; a parameter without a gradient is skipped."""
    torch = pytest.importorskip("torch")
    g = rng.standard_normal((3, 4))
    p, q = nn.Parameter(mg.tensor(np.zeros((3, 4)), device=device)), torch.nn.Parameter(torch.zeros(3, 4).double())
    p.grad, q.grad = mg.tensor(g, device=device), torch.tensor(g)
    optim.clip_grad_value_([p, nn.Parameter(mg.zeros(1))], 0.5)
    torch.nn.utils.clip_grad_value_([q], 0.5)
    np.testing.assert_array_equal(p.grad.cpu().numpy(), q.grad.numpy())


@pytest.mark.parametrize("name, options", SETTINGS.values(), ids=SETTINGS)
def test_a_training_step_waits_for_no_device_and_computes_in_float32(name, options):
    """Embedding, dropout, norm, classification, clipping and the optimiser: nothing is asked back from the GPU."""
    net = nn.Sequential(nn.Embedding(10, 6, padding_idx=0), nn.Linear(6, 8), nn.LayerNorm(8), nn.ReLU(),
                        nn.Dropout(0.2), nn.Linear(8, 5)).to("strict")
    opt = getattr(optim, name)(net.parameters(), **options)
    schedule = optim.StepLR(opt, 2)
    x, y = (mg.tensor(np.arange(12) % n, device="strict") for n in (10, 5))
    for warm in (True, False):
        with strict.counting(forbid=() if warm else ("sync", "float64")):
            opt.zero_grad()
            F.cross_entropy(net(x), y, ignore_index=4).backward()
            optim.clip_grad_norm_(net.parameters(), 1.0)
            optim.clip_grad_value_(net.parameters(), 0.5)
            opt.step()
            schedule.step()
