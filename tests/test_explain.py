"""mg.explain: for each reason of a missing, zero, exploding or broken gradient, the whole text that names the line."""
from __future__ import annotations

import inspect

import numpy as np
import pytest

import minigrad as mg

from .texts import expect, numbered


def text(tensor, loss=None) -> str:
    return numbered(mg.explain(tensor, loss))


@pytest.fixture(autouse=True)
def _no_record():
    """A record of an earlier test must not answer in this one."""
    from minigrad import trace
    trace.last = None


def test_a_tensor_that_does_not_require_a_gradient_is_named():
    """The commonest reason: nobody asked for one."""
    W, x = mg.ones(3, 3, requires_grad=True), mg.ones(2, 3)
    loss = (x @ W).sum()
    assert text(x, loss) == expect("""
        the gradient is None: requires_grad is False.
          tensor : (2, 3) from test_explain.py:N   W, x = mg.ones(3, 3, requires_grad=True), mg.ones(2, 3)
          used at: test_explain.py:N   loss = (x @ W).sum()
          fix    : x.requires_grad_() before the forward pass; or nn.Parameter(x) in a module""")
    assert mg.explain(mg.ones(2), loss).kind == "none"


def test_a_computed_weight_is_said_to_be_no_leaf():
    """`randn(..., requires_grad=True) * 0.1` trains nothing, in PyTorch too."""
    W = mg.ones(3, 3, requires_grad=True) * 0.1
    loss = (mg.ones(2, 3) @ W).sum()
    assert text(W, loss) == expect("""
        the gradient is None: this tensor is not a leaf, and only leaves keep theirs.
          tensor: (3, 3) from test_explain.py:N   W = mg.ones(3, 3, requires_grad=True) * 0.1
          likely: the name was given to a computed value, as in w = randn(..., requires_grad=True) * 0.1
          fix   : w = (...).detach().requires_grad_(); or w.retain_grad() before backward, or mg.grad(loss, w)""")
    loss.backward()
    assert "not a leaf" in text(W)


def test_a_history_that_was_detached_is_found_with_its_line():
    """A state detached one line too late cuts the encoder off."""
    W, V = mg.ones(3, 3, requires_grad=True), mg.ones(3, 1, requires_grad=True)
    h = (mg.ones(2, 3) @ W).detach()
    loss = (h @ V).sum()
    assert text(W, loss) == expect("""
        the gradient is None: this tensor is not part of the loss's graph.
          tensor : (3, 3) from test_explain.py:N   W, V = mg.ones(3, 3, requires_grad=True), mg.ones(3, 1, requires_grad=True)
          cut    : at test_explain.py:N   h = (mg.ones(2, 3) @ W).detach()
          used at: test_explain.py:N   loss = (h @ V).sum()
          enters : a (2, 3) without history, in matmul -> (2, 1)
          likely : its use lies behind a detach() or under no_grad()
          fix    : leave detach() or no_grad() out on the way from this tensor to the loss""")


def test_a_parameter_that_itself_was_detached_is_found_by_its_memory():
    """`W.detach()` or `mg.from_numpy(W.data)` in the forward pass looks right and trains nothing."""
    W, x = mg.ones(3, 3, requires_grad=True), mg.ones(2, 3, requires_grad=True)
    loss = (x @ W.detach()).sum()
    assert text(W, loss) == expect("""
        the gradient is None: this tensor is not part of the loss's graph.
          tensor : (3, 3) from test_explain.py:N   W, x = mg.ones(3, 3, requires_grad=True), mg.ones(2, 3, requires_grad=True)
          enters : detached, operand 2 of matmul -> (2, 3)
          used at: test_explain.py:N   loss = (x @ W.detach()).sum()
          cut    : at test_explain.py:N   loss = (x @ W.detach()).sum()
          fix    : use the tensor itself, not its detach(), .data or numpy()""")
    assert "enters : as plain data, operand 2 of matmul" in text(W, (x @ mg.from_numpy(W.data)).sum())


def test_use_under_no_grad_alone_is_found_with_its_line():
    """The evaluation block that grew around the forward pass."""
    W, V = mg.ones(3, 3, requires_grad=True), mg.ones(3, 1, requires_grad=True)
    with mg.no_grad():
        h = mg.tanh(mg.ones(2, 3) @ W)
    loss = (h @ V).sum()
    found = text(W, loss)
    assert "cut    : at test_explain.py:N   h = mg.tanh(mg.ones(2, 3) @ W)" in found and "no_grad()" in found
    with mg.no_grad():
        silent = (mg.ones(2, 3) @ W).sum()
    assert text(W, silent) == expect("""
        no gradient can come from this loss: it is not tracked.
          tensor: (3, 3) from test_explain.py:N   W, V = mg.ones(3, 3, requires_grad=True), mg.ones(3, 1, requires_grad=True)
          loss  : test_explain.py:N   silent = (mg.ones(2, 3) @ W).sum()
          likely: its history was cut there, by no_grad() or detach()
          fix   : compute the loss outside of no_grad(), from the parameters themselves""")


def test_a_parameter_that_was_replaced_is_told_by_its_twin():
    """`layer.weight = Parameter(...)` after the optimiser was built: the optimiser trains the old one."""
    old = mg.ones(3, 3, requires_grad=True)
    new = mg.ones(3, 3, requires_grad=True)
    loss = (mg.ones(2, 3) @ new).sum()
    assert text(old, loss) == expect("""
        the gradient is None: this tensor is not part of the loss's graph.
          tensor : (3, 3) from test_explain.py:N   old = mg.ones(3, 3, requires_grad=True)
          instead: a leaf of the same shape, from test_explain.py:N   new = mg.ones(3, 3, requires_grad=True)
          likely : another tensor took its place: its name was set anew after the optimiser was built
          fix    : write into it under no_grad(), as in p.copy_(...), instead of replacing it""")


def test_a_parameter_that_was_never_used_is_said_to_be_so():
    """A layer that forward() forgot."""
    b, W = mg.zeros(5, requires_grad=True), mg.ones(3, 3, requires_grad=True)
    assert text(b, (mg.ones(2, 3) @ W).sum()) == expect("""
        the gradient is None: this tensor is not part of the loss's graph.
          tensor: (5,) from test_explain.py:N   b, W = mg.zeros(5, requires_grad=True), mg.ones(3, 3, requires_grad=True)
          likely: it was not used, or its use does not reach the loss
          fix   : follow it from forward() to the loss; mg.viz.graph(loss) draws what is there""")


DEAD = {
    "tanh": (lambda a: mg.tanh(a * 100), "saturated: tanh' = 1 - y^2 is 0 where |y| = 1",
             "smaller weights or inputs; normalise before the tanh"),
    "sigmoid": (lambda a: mg.sigmoid(a * 100), "saturated: y (1 - y) is 0 where y is 0 or 1",
                "smaller weights or inputs; binary_cross_entropy_with_logits on the scores"),
    "relu": (lambda a: mg.relu(a - 100), "dead units: relu' is 0 where the input is not above 0",
             "a smaller learning rate, a bias above 0, leaky_relu"),
    "clip": (lambda a: mg.clip(a, 5, 6), "every entry was clipped", "wider limits; or clip gradients, not values"),
    "where": (lambda a: mg.where(mg.zeros(2, 3, dtype=bool, device=a.device), a, 0.0),
              "masked: the condition chose the other side everywhere", "look at the mask: True where the value counts"),
    "mul": (lambda a: a * mg.zeros(2, 3, device=a.device),
            "multiplied by 0: a mask, or a factor that is 0 (zero initial weights)", "look at the other operand"),
}


@pytest.mark.parametrize("name", DEAD)
def test_the_node_where_every_slope_is_zero_is_named(name, device):
    """Saturation, dead units and masks look alike in p.grad: zeros."""
    f, likely, fix = DEAD[name]
    W = mg.ones(3, 3, requires_grad=True, device=device)
    a = mg.ones(2, 3, device=device) @ W
    y = f(a)
    assert text(W, y.sum()) == expect(f"""
        the gradient is 0 in all 9 entries.
          tensor : (3, 3) from test_explain.py:N   W = mg.ones(3, 3, requires_grad=True, device=device)
          dies in: {name} -> (2, 3), where 1 came and 0 went on
          made at: test_explain.py:N   {source(name)}
          slope  : in 6 of 6 entries the slope is 0
          likely : {likely}
          fix    : {fix}""")


def source(name: str) -> str:
    """The line of this file that holds the case."""
    return inspect.getsource(DEAD[name][0]).split("\n")[0].strip()


def test_the_module_of_a_dead_node_is_named_too():
    """A line of forward() runs in many layers; the dotted name tells which."""
    class Net(mg.nn.Module):
        def __init__(self):
            self.first, self.second = mg.nn.Linear(3, 3), mg.nn.Linear(3, 1)

        def forward(self, x):
            return self.second(mg.relu(self.first(x) - 100))
    net = Net()
    loss = net(mg.ones(2, 3)).sum()
    assert "dies in: relu -> (2, 3) in Net, where" in text(net.first.weight, loss)
    assert mg.explain(net.second.bias, loss).kind == "fine"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_layers_of_one_fused_node_and_checkpoints_are_walked_too():
    """Nodes with several outputs, and one that computes anew, are nodes as any other."""
    lstm, x = mg.nn.LSTM(3, 4), mg.ones(5, 2, 3)
    y, (h, c) = lstm(x)
    found = mg.explain(lstm.weight_hh_l0, (y.sum() + c.sum()) * 0.0)
    assert found.kind == "zero" and "dies in: mul -> ()" in found.text
    w = mg.ones(3, 3, requires_grad=True)
    assert "sqrt" in mg.explain(w, mg.sqrt(mg.checkpoint(lambda a: a @ w, mg.zeros(2, 3))).sum()).text


def test_a_saturated_share_is_reported_even_where_a_gradient_remains():
    """Half of the units dead is where training slows down, and the norm does not show it."""
    W = mg.tensor(np.diag([50.0, 50.0, 0.1]), requires_grad=True)
    h = mg.tanh(mg.tensor(np.ones((2, 3))) @ W)
    found = mg.explain(W, h.sum())
    assert found.kind == "fine"
    assert "flat  : tanh passes nothing in 67% of its entries, test_explain.py:N   h = mg.tanh(" in numbered(found)


def test_underflow_through_time_shows_the_factor_a_step():
    """A product of 60 Jacobians of 0.05 is less than float32 can hold."""
    w, h0 = mg.tensor(np.eye(3, dtype="f4") * 0.05), mg.ones(1, 3, requires_grad=True)
    h = h0
    for _ in range(60):
        h = mg.tanh(h @ w)
    assert text(h0, h.sum()) == expect("""
        the gradient is 0 in all 3 entries.
          tensor : (1, 3) from test_explain.py:N   w, h0 = mg.tensor(np.eye(3, dtype="f4") * 0.05), mg.ones(1, 3, requires_grad=True)
          dies in: matmul -> (1, 3), where 5.61e-45 came and 0 went on
          made at: test_explain.py:N   h = mg.tanh(h @ w)
          shrinks: by 0.0499 a step over 35 steps, from 1 to 5.61e-45, at tanh: test_explain.py:N   h = mg.tanh(h @ w)
          likely : underflow: through time the gradient shrank below what the dtype holds
          fix    : LSTM or GRU, orthogonal initial weights, or fewer steps between loss and input""")


def test_a_gradient_that_vanishes_is_called_tiny_and_its_factor_shown():
    """Before it is 0 it is useless."""
    w, h0 = mg.tensor(np.eye(3, dtype="f4") * 0.5), mg.ones(1, 3, requires_grad=True)
    h = h0
    for _ in range(30):
        h = h @ w
    assert text(h0, h.sum()) == expect("""
        the gradient is tiny: 9.31e-10 at most.
          tensor : (1, 3) from test_explain.py:N   w, h0 = mg.tensor(np.eye(3, dtype="f4") * 0.5), mg.ones(1, 3, requires_grad=True)
          shrinks: by 0.5 a step over 30 steps, from 1 to 1.86e-09, at matmul: test_explain.py:N   h = h @ w
          likely : a product of Jacobians, one a step, each smaller than 1
          fix    : LSTM or GRU, orthogonal initial weights, or fewer steps between loss and input""")


def test_a_gradient_that_explodes_shows_the_growth_a_step():
    """KTH, *Exploding and vanishing gradients*: the largest singular value of W_hh, once a step."""
    w, h0 = mg.tensor(np.eye(3, dtype="f4") * 2, requires_grad=True), mg.ones(1, 3)
    h = h0
    for _ in range(40):
        h = h @ w
    assert text(w, h.sum()) == expect("""
        the gradient is huge: up to 2.2e+13.
          tensor: (3, 3) from test_explain.py:N   w, h0 = mg.tensor(np.eye(3, dtype="f4") * 2, requires_grad=True), mg.ones(1, 3)
          grows : by 2 a step over 40 steps, from 1 to 5.5e+11, at matmul: test_explain.py:N   h = h @ w
          likely: a product of Jacobians, one a step, each larger than 1
          fix   : clip_grad_norm_(parameters, 1.0); smaller or orthogonal initial weights; fewer steps""")


def test_a_single_steep_line_is_named_where_nothing_repeats():
    """A division by a small number."""
    x = mg.tensor([1.0], requires_grad=True)
    y = x / 1e-6
    assert text(x, y.sum()) == expect("""
        the gradient is huge: up to 1e+06.
          tensor : (1,) from test_explain.py:N   x = mg.tensor([1.0], requires_grad=True)
          largest: div multiplied it by 1e+06, test_explain.py:N   y = x / 1e-6
          likely : a large slope at one line, or a sum over many terms
          fix    : smaller values at that line, or clip_grad_norm_(parameters, 1.0)""")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_nan_is_followed_to_the_operation_that_made_it_in_forward():
    """The loss says NaN; a log far above made an Inf first."""
    p = mg.tensor([0.0, 1.0], requires_grad=True)
    q = mg.log(p)
    loss = (q * p).sum() * 2
    assert text(p, loss) == expect("""
        the gradient holds 1 NaN and 0 Inf in 2 entries.
          born in forward: log made Inf in 1 of 2 entries, the first at (0,).
          made at  : test_explain.py:N   q = mg.log(p)
          operand 1: (2,), 0 there, from test_explain.py:N   p = mg.tensor([0.0, 1.0], requires_grad=True)
          likely   : the logarithm of 0 or of a negative number
          fix      : log_softmax instead of log(softmax(x)); or x.clip(min=1e-12)""")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_nan_that_only_backward_makes_is_followed_to_its_node():
    """mg.where hides the Inf of a slope, and 0 times Inf is NaN."""
    p = mg.tensor([0.0, 1.0], requires_grad=True)
    root = mg.sqrt(p)
    loss = mg.where(p > 0, root, 0.0).sum()
    assert text(p, loss) == expect("""
        the gradient holds 1 NaN and 0 Inf in 2 entries.
          tensor : (2,) from test_explain.py:N   p = mg.tensor([0.0, 1.0], requires_grad=True)
          born in: backward, by the gradient of sqrt -> (2,) for operand 1
          made at: test_explain.py:N   root = mg.sqrt(p)
          likely : the root of a negative number; or, in backward, of 0, where its slope is infinite
          fix    : sqrt(x + 1e-12) keeps away from 0""")


def test_paths_that_cancel_are_told_from_a_dead_node():
    """Nothing is dead, and the sum is 0."""
    p = mg.tensor([1.0, 2.0], requires_grad=True)
    assert text(p, (p - p).sum()) == expect("""
        the gradient is 0 in all 2 entries.
          tensor: (2,) from test_explain.py:N   p = mg.tensor([1.0, 2.0], requires_grad=True)
          likely: several paths reach this tensor and cancel, or the loss does not depend on its value
          fix   : mg.viz.step(loss) shows the gradients that are added""")


def test_explaining_changes_nothing(device):
    """The same gradient comes afterwards; hooks ran once; the count of backward passes in errors is right."""
    x = mg.tensor([1.0, 2.0], requires_grad=True, device=device)
    h = x * x
    seen = []
    h.register_hook(seen.append)
    loss = h.sum()
    found = mg.explain(x, loss)
    assert found.kind == "fine" and x.grad is None and not seen
    loss.backward()
    assert x.grad.tolist() == [2, 4] and len(seen) == 1


def test_after_backward_a_traced_step_is_explained_in_full():
    """The graph is gone; the light record holds numbers and lines, no arrays."""
    W = mg.ones(3, 3, requires_grad=True)
    with mg.debug(trace=True) as record:
        h = mg.tanh(mg.ones(2, 3) @ W * 100)
        h.sum().backward()
    assert "dies in: tanh -> (2, 3), where 1 came and 0 went on" in text(W)
    assert "saturated" in text(W) and "tanh       (2, 3) -> (2, 3)  test_explain.py" in numbered(record)


def test_a_trace_knows_a_parameter_that_only_no_grad_used():
    """Without the graph's end: the forward pass itself was watched."""
    W, V = mg.ones(3, 3, requires_grad=True), mg.ones(3, 1, requires_grad=True)
    with mg.debug(trace=True):
        with mg.no_grad():
            h = mg.ones(2, 3) @ W
        (mg.ones(2, 3) @ V).sum().backward()
    assert h is not None and "never recorded; first by matmul" in text(W) and "ran under no_grad()" in text(W)


def test_a_trace_outlives_the_metrics_of_its_step_but_not_the_next_backward():
    """An accuracy computed after backward must not erase the record; another step's gradient must not be explained by it."""
    W = mg.ones(3, 3, requires_grad=True)
    with mg.debug(trace=True):
        h = mg.tanh(mg.ones(2, 3) @ W * 100)
        h.sum().backward()
        (h > 0).mean()
    assert "dies in: tanh" in text(W)
    (W * 0.0).sum().backward()
    assert "dies in" not in text(W) and "mg.explain(p, loss) before backward()" in text(W)


def test_a_trace_looks_into_a_checkpoint():
    """Its nodes are made, walked and freed inside one vjp."""
    W, x = mg.ones(3, 3, requires_grad=True), mg.ones(2, 3)
    with mg.debug(trace=True):
        y = mg.checkpoint(lambda a: mg.tanh(a @ W * 100), x)
        (y * 2).sum().backward()
    assert "dies in: tanh -> (2, 3)" in text(W) and mg.explain(W).path[0].op == "sum"
    y = mg.checkpoint(lambda a: mg.tanh(a @ W * 100), x)
    assert "dies in: tanh -> (2, 3)" in text(W, y.sum())


def test_after_backward_without_a_trace_it_says_what_is_left_and_how_to_learn_more():
    """No guess: the state of p.grad, where the graph was freed, and what to type."""
    p = mg.tensor([1.0, 2.0], requires_grad=True)
    loss = (p * 0.0).sum()
    loss.backward()
    assert text(p, loss) == expect("""
        the gradient is 0 in all 2 entries.
          tensor: (2,) from test_explain.py:N   p = mg.tensor([1.0, 2.0], requires_grad=True)
          freed : by test_explain.py:N   loss.backward()
          fix   : for the line: mg.explain(p, loss) before backward(), or with mg.debug(trace=True): around the step""")
    assert mg.explain(mg.ones(2, requires_grad=True)).kind == "none"


def test_a_healthy_gradient_is_called_so():
    """An explainer that always finds a fault is of no use."""
    W = mg.tensor(np.full((3, 3), 0.1), requires_grad=True)
    found = mg.explain(W, mg.tanh(mg.tensor(np.ones((2, 3))) @ W).sum())
    assert found.kind == "fine" and found.text.startswith("the gradient is in order: up to 1.83, 0 in 0 of 9 entries.")
