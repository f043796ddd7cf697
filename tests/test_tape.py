"""The traps of an autograd engine, one test each: what the tape must get right whatever the operations are."""
from __future__ import annotations

import copy
import gc
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest

import minigrad as mg


def test_a_value_used_twice_gets_the_sum_of_both_gradients(device):
    """d(x * x) = 2x: an engine that overwrites gives x."""
    x = mg.tensor(3.0, requires_grad=True, device=device)
    (x * x).backward()
    assert x.grad.item() == 6


def test_a_diamond_is_walked_once(device):
    """Creation order needs no visited set: y = a b with a = b = x + 1 has dy/dx = 2 (x + 1)."""
    x = mg.tensor(2.0, requires_grad=True, device=device)
    a = x + 1
    (a * a + a).backward()
    assert x.grad.item() == 7


def test_a_branch_that_is_not_used_costs_nothing(device):
    """Engines that count children give 0 here."""
    x = mg.tensor(2.0, requires_grad=True, device=device)
    a = x * 3
    a * 100
    (a * 1).backward()
    assert x.grad.item() == 3


def test_a_weight_shared_over_time_gets_the_sum_of_all_its_gradients(device):
    """An engine that keeps the last use alone gives 1."""
    w, x = mg.tensor(2.0, requires_grad=True, device=device), mg.tensor(1.0, device=device)
    (w * x + w * x + w * x).backward()
    assert w.grad.item() == 3


def test_gradients_of_two_losses_add_up_in_grad(device):
    """Gradient accumulation over small batches relies on it."""
    x = mg.tensor([1.0, 2.0], requires_grad=True, device=device)
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5, 5]


def test_stored_gradients_do_not_share_memory(device):
    """a + b hands the same array to both: clipping one in place must not clip the other."""
    a, b = (mg.ones(2, requires_grad=True, device=device) for _ in range(2))
    seed = mg.ones(2, device=device)
    (a + b).backward(seed)
    a.grad.mul_(0)
    assert b.grad.tolist() == [1, 1] and seed.tolist() == [1, 1]


def test_a_gradient_has_the_dtype_and_shape_of_its_tensor(device):
    """float32 stays float32 through scalars of every kind (NEP 50 makes a wrapped scalar float64)."""
    x = mg.randn(3, 4, requires_grad=True, device=device)
    y = ((x * 2.0 + np.float64(1.5)) / np.float32(3) - np.int64(1)) ** 2
    z = mg.softmax(y, -1).mean(0).amax() + mg.logsumexp(y).mean() + y.sigmoid().sum() / 7
    assert y.dtype == z.dtype == np.float32
    z.backward()
    assert x.grad.dtype == np.float32 and x.grad.shape == x.shape


def test_integers_join_floats_without_widening_them(device):
    """int64 with float32 would be float64 in NumPy; a mask or a count must not change the model's type."""
    x = mg.ones(3, device=device)
    assert (x * mg.tensor([1, 2, 3], device=device)).dtype == np.float32
    assert (mg.tensor([1, 2, 3], device=device) / 2).dtype == np.float32
    assert mg.tensor([1, 2], device=device).exp().dtype == np.float32


def test_an_ndarray_on_the_left_gives_a_tensor():
    """NumPy must not take a tensor apart into an object array."""
    x = mg.ones(2, requires_grad=True)
    y = np.array([2.0, 3.0], np.float32) * x
    assert isinstance(y, mg.Tensor)
    y.sum().backward()
    assert x.grad.tolist() == [2, 3]


def test_a_long_chain_needs_no_recursion_and_linear_time():
    """Python's stack ends at 1,000; an unrolled RNN does not."""
    def walk(n):
        x = mg.ones(1, requires_grad=True)
        y = x
        for _ in range(n):
            y = y * 1.0
        start = time.perf_counter()
        y.sum().backward()
        assert x.grad.tolist() == [1]
        return time.perf_counter() - start
    walk(1000)
    assert walk(100_000) < 60 * max(walk(10_000), 0.01)            # linear is 10; 100 would be quadratic


def test_a_chain_that_is_dropped_without_backward_does_not_overflow_the_stack():
    """Freeing 100,000 linked nodes recursively would crash the interpreter."""
    y = mg.ones(1, requires_grad=True)
    for _ in range(100_000):
        y = y + 1
    del y


def test_splitting_a_sequence_costs_linear_time():
    """T slices that each make a gradient of the whole sequence cost T^2; one node with T outputs does not."""
    def unroll(T):
        x = mg.ones(T, 64, requires_grad=True)
        h = 0.0
        for x_t in x:
            h = x_t + h
        start = time.perf_counter()
        h.sum().backward()
        assert (x.grad.numpy() == 1).all()
        return time.perf_counter() - start
    unroll(100)
    assert unroll(4000) < 40 * max(unroll(400), 0.002)


def test_memory_goes_without_the_cyclic_collector():
    """On a GPU the collector counts objects, not bytes: a graph that waits for it runs out of memory."""
    gc.disable()
    try:
        x = mg.ones(250_000, requires_grad=True)

        def step():
            y = x
            for _ in range(8):
                y = y * 1.01
            y.sum().backward()
            x.grad = None
        step()
        tracemalloc.start()
        for _ in range(20):
            step()
        held, peak = tracemalloc.get_traced_memory()
        assert held < 1e6 and peak < 20e6              # one graph is 9 MB; twenty of them 180
    finally:
        tracemalloc.stop()
        gc.enable()


def test_backward_frees_what_the_graph_saved_even_if_the_loss_lives():
    """Keeping `losses.append(loss)` must not keep every activation."""
    x = mg.ones(250_000, requires_grad=True)
    tracemalloc.start()
    losses = []
    for _ in range(10):
        loss = (x.tanh() * 2).tanh().sum()
        loss.backward()
        losses.append(loss)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 3e6                                  # the gradient is 1 MB; ten graphs would be 30


def test_no_grad_and_detach_record_nothing(device):
    """Evaluation and carried states must not grow the graph."""
    x = mg.ones(2, requires_grad=True, device=device)
    with mg.no_grad():
        assert not (x * 2).requires_grad
    assert not x.detach().requires_grad and (x * 2).requires_grad

    @mg.no_grad()
    def evaluate():
        return x * 2
    assert not evaluate().requires_grad


def test_detach_reaches_into_nested_states(device):
    """An LSTM carries (h, c), a stack of them carries a list of pairs."""
    h = mg.ones(2, requires_grad=True, device=device) * 2
    state = mg.detach({"layers": [(h, h), (h, None)]})
    assert not state["layers"][0][1].requires_grad and state["layers"][1][1] is None


def test_grad_returns_gradients_of_leaves_and_of_computed_tensors(device):
    """mg.grad does not touch .grad."""
    x = mg.tensor([1.0, 2.0], requires_grad=True, device=device)
    h = x * x
    gh, gx = mg.grad((h * h).sum(), [h, x])
    assert gh.tolist() == [2, 8] and gx.tolist() == [4, 32] and x.grad is None


def test_grad_can_be_differentiated_again(device):
    """d^3(x^4) = 24 x, by three recorded backward passes."""
    x = mg.tensor(2.0, requires_grad=True, device=device)
    y = x * x * x * x
    for want in (32, 48, 48):
        (y,) = mg.grad(y, x, create_graph=True)
        assert y.item() == want


def test_second_order_reaches_a_computed_tensor_that_is_still_held(device):
    """The replay must use the very tensors that the caller can name."""
    x = mg.tensor(3.0, requires_grad=True, device=device)
    h = x * x
    (g,) = mg.grad(h * h * h, h, create_graph=True)    # 3 h^2
    assert mg.grad(g, h, retain_graph=True)[0].item() == 6 * 9
    assert mg.grad(g, x)[0].item() == 6 * 9 * 6        # through h = x^2


def test_second_order_through_an_rnn_agrees_with_pytorch():
    """Gradient penalties and curvature need exact second derivatives through time."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s) for s in ((4, 4), (3, 4), (4,))]

    def penalty(lib, W, h, b, grad):
        for _ in range(3):
            h = lib.tanh(h @ W + b)
        gw, gb = grad((h * h).sum(), (W, b))
        return (gw * gw).sum() + (gb * gb).sum()
    ours = [mg.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    penalty(mg, *ours, grad=lambda y, x: mg.grad(y, x, create_graph=True)).backward()
    penalty(torch, *theirs, grad=lambda y, x: torch.autograd.grad(y, x, create_graph=True)).backward()
    for a, b in zip(ours, theirs, strict=True):
        mg.compare(a.grad, b.grad.numpy(), rtol=1e-11, atol=1e-12)


def test_hooks_see_and_replace_gradients(device):
    """The gradient at a time step is read from the tape by a hook on its state."""
    x = mg.ones(2, requires_grad=True, device=device)
    h = x * 2
    h.retain_grad()
    h.register_hook(lambda g: g * 10)
    (h * 3).sum().backward()
    assert h.grad.tolist() == [30, 30] and x.grad.tolist() == [60, 60]       # as in PyTorch: what the hooks made of it


def test_a_move_between_devices_carries_the_gradient_back():
    """A loss on one device trains weights on another."""
    x = mg.ones(2, requires_grad=True)
    (x.to("strict") * 3).sum().backward()
    assert x.grad.device.name == "cpu" and x.grad.tolist() == [3, 3]


def test_a_cast_carries_the_gradient_back_in_the_first_dtype(device):
    """A gradient has its tensor's dtype by assertion."""
    x = mg.ones(2, requires_grad=True, device=device)
    (x.to(mg.float64) * 3).sum().backward()
    assert x.grad.dtype == np.float32


def test_the_same_run_gives_the_same_bits(device):
    """Two runs with one seed on one device differ in no bit."""
    def run():
        mg.manual_seed(3)
        w = mg.randn(8, 8, requires_grad=True, device=device)
        h = mg.randn(4, 8, device=device)
        for _ in range(5):
            h = mg.tanh(h @ w)
        h.sum().backward()
        return w.device.numpy(w.grad.data).tobytes()
    assert run() == run()


def test_random_values_are_the_same_on_every_device(device):
    """Seeds are drawn on the host, so a run can be compared between devices."""
    mg.manual_seed(5)
    want = np.random.default_rng(5).standard_normal((2, 3)).astype(np.float32)
    assert mg.randn(2, 3, device=device).tolist() == want.tolist()


def test_importing_minigrad_imports_numpy_alone():
    """A student's first cell must not wait for plotting or GPU libraries."""
    code = ("import sys, minigrad; bad = {'matplotlib', 'cupy', 'torch', 'rich', 'IPython', 'scipy'} "
            "& set(sys.modules); assert not bad, bad")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_tensor_can_be_copied_and_hashed():
    """Dictionaries of parameters and deep copies of models are ordinary Python."""
    x = mg.ones(2, requires_grad=True)
    assert x in {x: 1} and copy.copy([x])[0] is x


@pytest.mark.parametrize("leaves", [True, False], ids=["leaves", "computed"])
def test_an_array_handed_to_two_operands_is_not_added_into(leaves, device):
    """a + b hands one array to both; adding a's second gradient into it would give b 4 instead of 1."""
    x, y = (mg.ones(2, requires_grad=True, device=device) for _ in range(2))
    a, b = (x, y) if leaves else (x * 1, y * 1)
    seed = mg.ones(2, device=device)
    (a * 3 + (a + b)).backward(seed)
    assert (x.grad.tolist(), y.grad.tolist(), seed.tolist()) == ([4, 4], [1, 1], [1, 1])


def test_a_node_waits_for_all_gradients_of_its_value(device):
    """y is used at once and through a longer way: in the order of insertion it would be walked twice."""
    x = mg.ones(2, requires_grad=True, device=device)
    y = x * 2
    (y + (y * 1) * 1).sum().backward()
    assert x.grad.tolist() == [4, 4]


def test_a_hook_is_called_once_with_the_whole_gradient(device):
    """Of a leaf and of a computed value: when the last of its gradients has come."""
    x = mg.ones(2, requires_grad=True, device=device)
    h, seen = x * 1, []
    x.register_hook(lambda g: seen.append(("x", g.tolist())))
    h.register_hook(lambda g: seen.append(("h", g.tolist())))
    (h * 2 + h * 3 + x).sum().backward()
    assert seen == [("h", [5, 5]), ("x", [6, 6])]
