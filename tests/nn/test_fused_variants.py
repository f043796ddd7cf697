"""The fused forms that PyTorch lacks, or has under another name, against their readable steps: shortcuts through time,
peepholes, projections, the decks' GRU. And what nodes that reuse memory must never do.
"""
from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GradError, InplaceError
from minigrad.nn import steps
from minigrad.nn.fused import workspace
from minigrad.nn.fused.gru_before import gru_before_sequence
from minigrad.nn.fused.peephole import peephole_sequence
from minigrad.nn.fused.shortcuts import shortcut_sequence


class Form(NamedTuple):
    """One form: its node, its readable step on a state, and the shapes of what it takes."""

    node: Callable
    order: tuple[str, ...]                     # the node's positional arguments
    shapes: Callable                           # (B, D, H, R) -> name: shape, without x
    step: Callable                             # (x, state, values) -> state, h first
    results: int                               # how many of the state's tensors are returned
    options: dict[str, Any] = {}
    line: int = 1                              # how many past states the readable step is handed


def shortcuts(skip: int, residual: bool, phi: str) -> Form:
    def step(x, state, v):
        f, biases = steps.ACTIVATIONS[phi], (v["b_ih"], v["b_hh"])
        if skip:
            new = steps.skip_rnn_step(x, state[0], state[-1], v["w_ih"], v["w_hh"], v["w_s"], *biases, f)
            new = state[0] + new if residual else new
        else:
            new = steps.residual_rnn_step(x, state[0], v["w_ih"], v["w_hh"], *biases, f)
        return (new, *state[:-1])

    def shapes(B, D, H, R):
        return {"h0": (B, H), "w_ih": (H, D), "w_hh": (H, H), **({"w_s": (H, H)} if skip else {}), "b_ih": (H,),
                "b_hh": (H,)}
    return Form(shortcut_sequence, ("x", "h0", "w_ih", "w_hh", "w_s", "b_ih", "b_hh"), shapes, step, 1,
                {"skip": skip, "residual": residual, "nonlinearity": phi}, max(skip, 1))


def peephole(kind: str | None, projected: bool) -> Form:
    def step(x, state, v):
        weights = (v["w_ih"], v["w_hh"], v["b_ih"], v["b_hh"])
        h, c = steps.peephole_lstm_step(x, *state, *weights, v["w_c"]) if kind else steps.lstm_step(x, *state, *weights)
        return (steps.projected(h, v["w_hr"]) if projected else h), c

    def shapes(B, D, H, R):
        R = R if projected else H
        return {"h0": (B, R), "c0": (B, H), "w_ih": (4 * H, D), "w_hh": (4 * H, R), "b_ih": (4 * H,), "b_hh": (4 * H,),
                **({"w_c": (3 * H, H) if kind == "full" else (3 * H,)} if kind else {}),
                **({"w_hr": (R, H)} if projected else {})}
    return Form(peephole_sequence, ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "w_c", "w_hr"), shapes, step, 2)


def gru_before() -> Form:
    return Form(gru_before_sequence, ("x", "h0", "w_ih", "w_hh", "b_ih", "b_hh"),
                lambda B, D, H, R: {"h0": (B, H), "w_ih": (3 * H, D), "w_hh": (3 * H, H), "b_ih": (3 * H,),
                                    "b_hh": (3 * H,)},
                lambda x, h, v: (steps.gru_before_step(x, *h, v["w_ih"], v["w_hh"], v["b_ih"], v["b_hh"]),), 1)


FORMS = {"skip1": shortcuts(1, False, "tanh"), "skip3": shortcuts(3, False, "sigmoid"),
         "skip2-relu": shortcuts(2, False, "relu"), "residual": shortcuts(0, True, "tanh"),
         "residual-relu": shortcuts(0, True, "relu"), "skip2-residual": shortcuts(2, True, "sigmoid"),
         "full": peephole("full", False), "diagonal": peephole("diagonal", False), "projection": peephole(None, True),
         "full-projection": peephole("full", True), "diagonal-projection": peephole("diagonal", True),
         "no-option": peephole(None, False), "gru-before": gru_before()}
forms = pytest.mark.parametrize("name", FORMS)
KEPT = ("shortcuts", "peephole", "gru before")              # the workspaces that a graph leases


def tensors(arrays: dict[str, Any]) -> dict[str, Any]:
    return {n: a if a is None else mg.tensor(a, requires_grad=True) for n, a in arrays.items()}


def draw(form: Form, rng, T, B, D, H, R, dtype="float64", without=()) -> dict[str, Any]:
    """Random arrays for every argument of a node; None for those left out."""
    shapes = {"x": (T, B, D), **form.shapes(B, D, H, R)}
    scale = {"w_ih": D, "w_hh": H, "w_s": H, "w_c": H, "w_hr": H}
    return {n: None if n in without or n not in shapes else
            (rng.standard_normal(shapes[n]) / np.sqrt(scale.get(n, 1))).astype(dtype) for n in form.order}


def fused(form: Form, v: dict[str, Any], reverse=False, alive=None) -> tuple:
    return form.node(*[v[n] for n in form.order], **form.options, reverse=reverse, alive=alive)


def readable(form: Form, v: dict[str, Any], reverse=False, alive=None) -> tuple:
    """The loop: masks are chosen values, nothing is shared with the nodes."""
    x, wide = v["x"], {"h0": v["w_hh"].shape[1], "c0": v["w_hh"].shape[0] // 4}
    state = [mg.zeros(x.shape[1], wide[n], dtype=x.dtype) if v[n] is None else v[n] for n in wide if n in v]
    state += [mg.zeros(*state[0].shape, dtype=x.dtype)] * (form.line - 1)
    outputs = [None] * len(x)
    for t in range(len(x))[::-1 if reverse else 1]:
        new = form.step(x[t], tuple(state), v)
        here = np.ones(x.shape[1], bool) if alive is None else alive[t]
        state = [mg.where(mg.tensor(here[:, None]), a, b) for a, b in zip(new, state, strict=True)]
        outputs[t] = mg.where(mg.tensor(here[:, None]), new[0], 0.0)
    return (mg.stack(outputs), *state[:form.results])


def run(path: Callable, form: Form, arrays: dict[str, Any], use="all", wanted=None, **options) -> dict[str, Any]:
    """Outputs, and gradients of a loss that uses all outputs or the one named; 0 for what it does not depend on."""
    v = {n: a if a is None else mg.tensor(a, requires_grad=wanted is None or n in wanted) for n, a in arrays.items()}
    out = dict(zip(("y", "h", "c"), path(form, v, **options), strict=False))
    loss = sum(((t * t * t).sum() for n, t in out.items() if use in ("all", n)), mg.zeros((), dtype=v["x"].dtype))
    loss.backward()
    return {**{n: t.detach().numpy() for n, t in out.items()},
            **{"d" + n: np.zeros_like(t.detach().numpy()) if t.grad is None else t.grad.numpy()
               for n, t in v.items() if t is not None and t.requires_grad}}


def lengths(rng, T, B, reverse=False) -> np.ndarray:
    """A mask (T, B) of examples of random lengths, one at least of them whole.

    The layers pass the same mask in both directions: walked from the end, a short example begins late.
    """
    n = rng.integers(1, T + 1, B)
    n[rng.integers(B)] = T
    return np.arange(T)[:, None] < n


def same(got: dict[str, Any], want: dict[str, Any], tolerance: float) -> None:
    for name, w in want.items():
        assert got[name].dtype == w.dtype and got[name].shape == w.shape, name
        np.testing.assert_allclose(got[name], w, rtol=tolerance, atol=tolerance * max(1, np.abs(w).max()),
                                   err_msg=name)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-5)])
@forms
def test_a_node_is_its_readable_step_over_time(name, dtype, tolerance):
    """Random sizes, biases, starts, directions, lengths and uses of the outputs; two programs of one equation."""
    form = FORMS[name]
    for seed in range(14):
        rng = np.random.default_rng(seed)
        T, B, D, H, R = rng.integers(1, [8, 5, 5, 6, 5])
        without = [n for n in ("h0", "c0", "b_hh") if rng.random() < 0.4]
        without += ["b_ih"] if "b_hh" in without and rng.random() < 0.5 else []
        arrays = draw(form, rng, T, B, D, H, R, dtype, without)
        options = {"reverse": bool(rng.integers(2)), "alive": lengths(rng, T, B) if rng.random() < 0.6 else None}
        use = ["all", "y", "h", "c" if form.results > 1 else "all"][seed % 4]
        same(run(fused, form, arrays, use, **options), run(readable, form, arrays, use, **options), tolerance)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1, 1), (1, 3, 2, 4, 2), (5, 1, 2, 3, 2), (5, 2, 1, 3, 1), (5, 2, 3, 1, 1),
                                   (9, 3, 2, 4, 6)], ids=["all", "T", "B", "D", "H", "none"])
@forms
def test_sizes_of_one_are_not_special(name, sizes, reverse, rng):
    """Where broadcasting hides a missing axis; and a projection to more than H."""
    arrays = draw(FORMS[name], rng, *sizes)
    same(run(fused, FORMS[name], arrays, reverse=reverse), run(readable, FORMS[name], arrays, reverse=reverse), 1e-12)


@pytest.mark.parametrize("reverse", [False, True])
@forms
def test_gradients_agree_with_differences(name, reverse, rng):
    """An oracle that shares no code with either path."""
    form = FORMS[name]
    arrays = draw(form, rng, 7, 3, 2, 4, 3)
    names = [n for n in form.order if arrays[n] is not None]
    for alive in (None, lengths(rng, 7, 3)):
        def f(*values, alive=alive):
            return fused(form, {**arrays, **dict(zip(names, values, strict=True))}, reverse, alive)
        assert mg.gradcheck(f, [mg.tensor(arrays[n], requires_grad=True) for n in names])


@pytest.mark.parametrize("reverse", [False, True])
@forms
def test_each_example_of_a_batch_of_lengths_is_what_it_is_alone(name, reverse, rng):
    """States, outputs and gradients: the padding is not there. Given starts too, which a shortcut could see twice."""
    form, T, B = FORMS[name], 6, 4
    arrays = draw(form, rng, T, B, 2, 3, 2)
    alive = np.arange(T)[:, None] < np.array([6, 1, 3, 5])
    arrays["x"] *= alive[..., None]
    batch, alone = run(fused, form, arrays, reverse=reverse, alive=alive), []
    for b, n in enumerate(alive.sum(0)):
        one = {k: v if v is None or k[0] in "wb" else v[:n, b:b + 1] if k == "x" else v[b:b + 1]
               for k, v in arrays.items()}
        alone.append(run(fused, form, one, reverse=reverse))
        for k in ("y", "dx"):
            np.testing.assert_allclose(batch[k][:n, b:b + 1], alone[-1][k], rtol=1e-12, atol=1e-13, err_msg=k)
            assert not batch[k][n:, b].any()
        for k in ("h", "c", "dh0", "dc0"):
            if k in batch:
                np.testing.assert_allclose(batch[k][b:b + 1], alone[-1][k], rtol=1e-12, atol=1e-13, err_msg=k)
    for k, w in batch.items():
        if k.startswith(("dw", "db")):
            np.testing.assert_allclose(sum(a[k] for a in alone), w, rtol=1e-11, atol=1e-12, err_msg=k)


@forms
def test_a_gradient_of_nan_after_an_examples_end_reaches_nothing(name, rng):
    """A loss that divides by zero in the padding: 0 times NaN would be NaN in every weight."""
    form = FORMS[name]
    arrays, alive = draw(form, rng, 5, 3, 2, 3, 2), lengths(rng, 5, 3)
    v = tensors(arrays)
    y = fused(form, v, alive=alive)[0]
    y.backward(mg.tensor(np.where(alive[..., None], 1.0, np.nan) * np.ones(y.shape)))
    assert all(np.isfinite(t.grad.numpy()).all() for t in v.values() if t is not None)


@forms
def test_no_value_is_read_before_it_was_written(name, rng, monkeypatch):
    """Memory that is fresh holds anything, and 0 times anything may be NaN."""
    form = FORMS[name]
    arrays, alive = draw(form, rng, 5, 3, 2, 3, 2), lengths(rng, 5, 3)
    want = run(readable, form, arrays, alive=alive)

    def full_of_nan(shape, dtype=float):
        return np.full(shape, np.nan, dtype)
    workspace.clear()
    monkeypatch.setattr(np, "empty", full_of_nan)
    same(run(fused, form, arrays, alive=alive), want, 1e-12)


@forms
def test_a_workspace_keeps_nothing_of_the_last_call(name, rng):
    """Long lengths, then short ones, given starts, then zeros, both biases, then none: all in the same memory."""
    form = FORMS[name]
    run(fused, form, draw(form, rng, 5, 3, 2, 3, 2), alive=lengths(rng, 5, 3))
    arrays = draw(form, rng, 5, 3, 2, 3, 2, without=("h0", "c0", "b_ih", "b_hh"))
    for alive in (None, lengths(rng, 5, 3), None):
        for reverse in (False, True):
            options = {"alive": alive, "reverse": reverse}
            same(run(fused, form, arrays, **options), run(readable, form, arrays, **options), 1e-12)


@forms
def test_two_live_graphs_share_no_memory(name, rng):
    """Two forward passes of one size, then both backward: the second must not have overwritten the first."""
    form = FORMS[name]
    draws = [draw(form, rng, 5, 3, 2, 3, 2) for _ in range(2)]
    want = [run(fused, form, a, "y") for a in draws]
    values = [tensors(a) for a in draws]
    losses = [(y * y * y).sum() for y in [fused(form, v)[0] for v in values]]
    for loss, v, w in zip(losses, values, want, strict=True):
        loss.backward()
        for n, t in v.items():
            assert t is None or np.array_equal(t.grad.numpy(), w["d" + n]), n


@forms
def test_what_a_call_returned_is_not_overwritten_by_later_calls(name, rng):
    """Outputs, states and gradients are the caller's; the workspace is not."""
    form = FORMS[name]
    kept = [run(fused, form, draw(form, rng, 5, 3, 2, 3, 2)) for _ in range(2)]
    copies = [{n: a.copy() for n, a in k.items()} for k in kept]
    run(fused, form, draw(form, rng, 5, 3, 2, 3, 2))
    for result, copy in zip(kept, copies, strict=True):
        same(result, copy, 0)


@forms
def test_backward_twice_on_a_retained_graph_adds_the_same_gradient(name, rng):
    """The first pass must leave intact what the second reads."""
    form = FORMS[name]
    v = tensors(draw(form, rng, 5, 3, 2, 3, 2))
    out = fused(form, v, alive=lengths(rng, 5, 3))
    loss = sum((t * t).sum() for t in out)
    loss.backward(retain_graph=True)
    once = {n: t.grad.numpy().copy() for n, t in v.items() if t is not None}
    loss.backward()
    for n, g in once.items():
        np.testing.assert_array_equal(v[n].grad.numpy(), 2 * g, err_msg=n)


@forms
def test_a_workspace_serves_again_after_backward_and_after_a_graph_was_dropped(name, rng):
    """With the cyclic collector off: no training step allocates, and no graph holds one for longer than it lives."""
    form = FORMS[name]
    arrays = draw(form, rng, 5, 3, 2, 3, 2)
    gc.disable()
    try:
        run(fused, form, arrays)
        idle = workspace.idle_bytes()
        for _ in range(2):
            run(fused, form, arrays)
            assert workspace.idle_bytes() == idle
        out = fused(form, tensors(arrays))
        assert workspace.idle_bytes() < idle
        del out
        assert workspace.idle_bytes() == idle
    finally:
        gc.enable()


@pytest.mark.parametrize("name, values", [
    ("skip3", "2 * H + D + 1"), ("residual", "2 * H + D + 1"), ("skip2-residual", "3 * H + D + 1"),
    ("full", "7 * H + D + 1"), ("diagonal", "7 * H + D + 1"), ("full-projection", "7 * H + R + D + 1"),
    ("gru-before", "5 * H + D + 1")])
def test_what_a_graph_keeps_of_a_step_is_what_its_docstring_says(name, values, rng):
    """Values a step and example: the constant by which memory grows with T."""
    kept = []
    for T in (6, 16):
        workspace.clear()
        run(fused, FORMS[name], draw(FORMS[name], rng, T, 3, 2, 5, 4))
        kept.append(sum(s[0].nbytes for key, s in workspace._idle.items() if key[0] in KEPT))
    assert kept[1] - kept[0] == 10 * 3 * 8 * eval(values, {"H": 5, "D": 2, "R": 4})


@forms
def test_only_wanted_gradients_are_computed(name, rng):
    """All gradients are given as functions; who asks for the first state alone pays for no product over all steps."""
    form = FORMS[name]
    arrays = draw(form, rng, 5, 3, 2, 3, 2)
    y = fused(form, tensors(arrays))[0]
    assert all(callable(entry) for entry in y.edge.node.vjp([np.ones(y.shape), *[None] * form.results]))
    workspace.clear()
    got = run(fused, form, arrays, wanted=("h0",))
    assert [n for n in got if n.startswith("d")] == ["dh0"]
    assert all(key[0].removesuffix(" back") in KEPT for key in workspace._idle)


@forms
def test_a_weight_that_was_written_since_is_an_error(name, rng):
    """The optimiser's step between forward and backward, the commonest wrong order."""
    form = FORMS[name]
    for n in ("w_hh", "w_s", "w_c", "w_hr"):
        v = tensors(draw(form, rng, 5, 3, 2, 3, 2))
        if v.get(n) is None:
            continue
        loss = fused(form, v)[0].sum()
        with mg.no_grad():
            v[n].mul_(2)
        with pytest.raises(InplaceError, match=form.node.__name__):
            loss.backward()


@forms
def test_inputs_and_starts_that_are_written_since_do_no_harm(name, rng):
    """The node keeps copies of them, so the gradient stays right."""
    form = FORMS[name]
    arrays = draw(form, rng, 5, 3, 2, 3, 2)
    want = run(fused, form, arrays, "y")
    v = {n: a if a is None else mg.tensor(a, requires_grad=n[0] in "wb") for n, a in arrays.items()}
    y = fused(form, v)[0]
    loss = (y * y * y).sum()
    for n in ("x", "h0", "c0"):
        if v.get(n) is not None:
            v[n].zero_()
    loss.backward()
    np.testing.assert_array_equal(v["w_hh"].grad.numpy(), want["dw_hh"])


@forms
def test_second_order_names_the_readable_path(name, rng):
    """The fused node says so and names the switch."""
    form = FORMS[name]
    v = tensors(draw(form, rng, 3, 2, 2, 3, 2))
    with pytest.raises(GradError, match="fused=False"):
        mg.grad(fused(form, v)[0].sum(), v["x"], create_graph=True)


def test_a_projection_is_pytorchs(rng):
    """proj_size: the one of these forms that PyTorch has; values and every gradient."""
    torch = pytest.importorskip("torch")
    theirs = torch.nn.LSTM(3, 5, proj_size=2).double()
    names = {n: n.replace("w_", "weight_").replace("b_", "bias_") + "_l0" for n in ("w_ih", "w_hh", "b_ih", "b_hh",
                                                                                    "w_hr")}
    arrays = draw(FORMS["projection"], rng, 6, 4, 3, 5, 2)
    for ours, name in names.items():
        arrays[ours] = getattr(theirs, name).detach().numpy().copy()
    got = run(fused, FORMS["projection"], arrays)
    x, h, c = (torch.tensor(arrays[n], requires_grad=True) for n in ("x", "h0", "c0"))
    y, (h_n, c_n) = theirs(x, (h[None], c[None]))
    sum((t ** 3).sum() for t in (y, h_n, c_n)).backward()
    same(got, {"y": y.detach().numpy(), "h": h_n[0].detach().numpy(), "c": c_n[0].detach().numpy(),
               "dx": x.grad.numpy(), "dh0": h.grad.numpy(), "dc0": c.grad.numpy(),
               **{"d" + n: getattr(theirs, k).grad.numpy() for n, k in names.items()}}, 1e-12)


def test_a_shortcut_longer_than_the_sequence_is_none(rng):
    """All its states lie before the first, so the matrix of the shortcut has no part, and no gradient."""
    form = shortcuts(9, False, "tanh")
    arrays = draw(form, rng, 5, 3, 2, 4, 4)
    got, want = run(fused, form, arrays), run(fused, FORMS["skip1"], {**arrays, "w_s": np.zeros((4, 4))})
    assert not got["dw_s"].any()
    same({k: v for k, v in got.items() if k != "dw_s"}, {k: v for k, v in want.items() if k != "dw_s"}, 1e-12)


def test_the_first_step_that_sees_the_start_through_a_shortcut_is_the_kth(rng):
    """h_t reads h_{t-k}, and h_0 is the start: with W_hh = 0 the start is seen at step k and before it at none."""
    form, k = shortcuts(3, False, "tanh"), 3
    arrays = {**draw(form, rng, 5, 1, 2, 4, 4), "w_hh": np.zeros((4, 4))}
    other = {**arrays, "h0": arrays["h0"] + 1}
    differs = (run(fused, form, arrays)["y"] != run(fused, form, other)["y"]).any((1, 2))
    assert differs.tolist() == [t == k for t in range(1, 6)]
